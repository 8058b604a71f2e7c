"""As bytes: the program on its way to another machine, and a run on its way back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib import program
from lib.execution import run_files
from lib.instruments import machine
from lib.study.config import RunFields

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say


def pack_program(runs: Sequence[RunFields]) -> bytes:
    """What executes the runs of a study: this package, their notebook and code, and the commit."""
    files = program.files()
    notebook = runs[0].notebook
    files[f"notebooks/{notebook.name}"] = notebook.read_bytes()
    files |= {name: Path(name).read_bytes() for run in runs for name in run.code}
    if commit := machine.commit():
        files[machine.COMMIT_FILE] = commit.encode()
    return zipped(files)


def pack_run(folder: Path) -> bytes:
    """The files of a run; `run_files.unpack` writes them."""
    found = (path for path in folder.iterdir() if path.is_file() and run_files.is_left(path.name))
    return zipped({file.name: file.read_bytes() for file in found})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip archive whose bytes depend on names and contents of the files only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
