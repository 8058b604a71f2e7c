"""The program itself: its files, a number for what is in them, and how its children find it."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_KINDS = {".py", ".css", ".js", ".json", ".j2"}
"""Endings of what the package is made of, where git does not say it."""


def files() -> dict[str, bytes]:
    """The package's files by their paths in the checkout, such as `lib/program.py`.

    Those that git tracks; where this is no checkout, those of the kinds that it is made of. What
    else lies among them, such as somebody's passwords, is not on the way to another machine; nor
    is what a link points to.
    """
    names = _tracked()
    if names is None:
        there = (path for path in (ROOT / "lib").rglob("*") if path.suffix in _KINDS)
        names = [path.relative_to(ROOT).as_posix() for path in there]
    plain = (name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink())
    return {name: (ROOT / name).read_bytes() for name in sorted(plain)}


@functools.cache
def digest() -> str:
    """First 16 hex digits of a SHA-256 of the package's files: equal where the program is."""
    whole = hashlib.sha256()
    for name, content in files().items():
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


def _tracked() -> list[str] | None:
    """What git tracks of the package; None where there is no git, or no checkout of its own."""
    if not (ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "lib"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.split("\0")[:-1]
