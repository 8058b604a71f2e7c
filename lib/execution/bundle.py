"""Folders as bytes: the program on its way to another machine, and a run on its way back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from lib.instruments import machine
from lib.study.config import RunFields

_PACKAGE = Path(__file__).resolve().parents[1]
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say


def program(runs: Sequence[RunFields]) -> bytes:
    """What executes the runs of a study: this package, their notebook and code, and the commit.

    The same files give the same bytes.
    """
    files = {
        f"lib/{path.relative_to(_PACKAGE).as_posix()}": path.read_bytes()
        for path in _PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    notebook = runs[0].notebook
    files[f"notebooks/{notebook.name}"] = notebook.read_bytes()
    files |= {name: Path(name).read_bytes() for run in runs for name in run.code}
    if commit := machine.commit():
        files[machine.COMMIT_FILE] = commit.encode()
    return _packed(files.items())


def folder(path: Path) -> bytes:
    """Every file under `path`."""
    found = (file for file in path.rglob("*") if file.is_file())
    return _packed((file.relative_to(path).as_posix(), file.read_bytes()) for file in found)


def _packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unpack(content: bytes, path: Path) -> None:
    """Write what `program` or `folder` packed into the folder `path`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(path)
