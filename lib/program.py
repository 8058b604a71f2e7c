"""The program itself: its files, a number for what is in them, and how its children find it."""

import functools
import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

KINDS = {".py", ".css", ".js", ".json", ".toml", ".j2", ".md"}
"""Endings of what the package is made of, in a checkout and where it was unpacked."""


def files() -> dict[str, bytes]:
    """The package's files by their paths in the checkout, such as `lib/program.py`.

    Of the kinds that it is made of; in a checkout, those of them that git tracks. What
    else lies among them, such as somebody's passwords, is not on the way to another machine; nor
    is what a link points to.
    """
    names = _tracked()
    if names is None:
        names = [path.relative_to(ROOT).as_posix() for path in (ROOT / "lib").rglob("*")]
    paths = {name: ROOT / name for name in sorted(names)}
    return {
        name: path.read_bytes()
        for name, path in paths.items()
        if path.suffix in KINDS and path.is_file() and not path.is_symlink()
    }


@functools.cache
def digest() -> str:
    """That of the package's files: equal where the program is."""
    return digest_of(files())


def digest_of(files: Mapping[str, bytes]) -> str:
    """First 16 hex digits of a SHA-256 of the names and contents of files."""
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()[:16]


def environment() -> dict[str, str]:
    """What a child needs in its environment to take this program and no other.

    Python looks for modules in the working directory first, which may be a folder that somebody
    handed over, or one with a `lib` of its own.
    """
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # A kernel takes the first path away if it is the working directory, as this one often is.
    first = [str(ROOT / "notebooks"), str(ROOT)]
    paths = [*first, *(path for path in others if Path(path).is_absolute())]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONSAFEPATH": "1"}


KERNEL_ARGUMENTS = ("--InteractiveShellApp.ignore_cwd=True",)
"""The same for a kernel, which puts the working directory back to the front of its path."""


def git(*arguments: str) -> str | None:
    """What git says of the checkout; None where there is no git, or it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _tracked() -> list[str] | None:
    """What git tracks of the package; None where there is no git, or no checkout of its own."""
    names = git("ls-files", "-z", "lib") if (ROOT / ".git").exists() else None
    return None if names is None else names.split("\0")[:-1]
