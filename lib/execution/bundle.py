"""As bytes: the program on its way to another machine, and a run on its way back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from lib import program
from lib.execution import run_files
from lib.instruments import machine
from lib.study.config import RunFields

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say


def pack_program(runs: Sequence[RunFields]) -> bytes:
    """What executes the runs of a study: this package, their notebook and code, and the commit.

    The same files give the same bytes.
    """
    files = program.files()
    notebook = runs[0].notebook
    files[f"notebooks/{notebook.name}"] = notebook.read_bytes()
    files |= {name: Path(name).read_bytes() for run in runs for name in run.code}
    if commit := machine.commit():
        files[machine.COMMIT_FILE] = commit.encode()
    return _packed(files.items())


def pack_run(folder: Path) -> bytes:
    """The files of a run; `run_files.unpack` writes them."""
    found = (path for path in folder.iterdir() if path.is_file() and run_files.is_left(path.name))
    return _packed((file.name, file.read_bytes()) for file in found)


def _packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
