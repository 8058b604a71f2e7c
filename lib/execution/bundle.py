"""As bytes: the program on its way to another machine, and a run on its way back.

What comes back may come from where others could write. Only plain files of the names that a run
leaves are taken: no link, no pipe that never ends, no gigabyte that was a kilobyte on its way.
"""

import io
import re
import shutil
import stat
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib import program
from lib.execution.run_process import LOG_NAME
from lib.instruments import EMISSIONS_NAME, TRACE_NAME, WATTMETER_NAME, machine
from lib.records import FILE_NAME, HISTORY_NAME
from lib.study.config import RunFields

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say

_NAMES = {FILE_NAME, HISTORY_NAME, LOG_NAME, EMISSIONS_NAME, WATTMETER_NAME, TRACE_NAME}

_NOTEBOOK = re.compile(r"\w[\w .+-]{0,99}\.ipynb")  # every study may have a notebook of its own
LARGEST = 2**28  # bytes of one file: a week of power, ten times a second


class RefusedError(ValueError):
    """What should be a run's files is something else; the message says what."""


def is_left(name: str) -> bool:
    """Whether a run leaves a file of this name."""
    return name in _NAMES or _NOTEBOOK.fullmatch(name) is not None


def is_plain(path: Path, below: Path) -> bool:
    """Whether a path below a folder is a file itself, neither a link nor by way of one."""
    try:
        mode = path.lstat().st_mode
        return stat.S_ISREG(mode) and path.resolve().is_relative_to(below.resolve())
    except OSError:
        return False


def copy(source: Path, target: Path, below: Path) -> None:
    """Copy one file, if it is a plain one that lies `below`."""
    if is_plain(source, below):
        _check_size(source.name, source.stat().st_size)
        shutil.copyfile(source, target)


def copy_run(source: Path, target: Path, below: Path) -> None:
    """Copy the files of a run from its folder.

    Raises:
        RefusedError: If one of them is too large.
    """
    target.mkdir(parents=True)
    for name in sorted(path.name for path in source.iterdir() if is_left(path.name)):
        copy(source / name, target / name, below)


def _check_size(name: str, size: int) -> None:
    if size > LARGEST:
        raise RefusedError(f"{name} is larger than {LARGEST // 2**20} MB")


def unpack(content: bytes, target: Path) -> None:
    """Write the files of a run from a zip archive into a new folder.

    Raises:
        RefusedError: If it is no archive, or holds too much.
    """
    target.mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in sorted(filter(is_left, archive.namelist())):
                with archive.open(name) as file:
                    found = file.read(LARGEST + 1)  # what the archive says of its size may be wrong
                _check_size(name, len(found))
                (target / name).write_bytes(found)
    except RefusedError:
        raise
    except Exception as error:  # zipfile and zlib raise all kinds of errors
        raise RefusedError(f"it is no archive of a run ({type(error).__name__}: {error})") from None


def program_files(runs: Sequence[RunFields]) -> dict[str, bytes]:
    """What executes the runs of a study: this package, their notebook and their code."""
    notebook = runs[0].notebook
    code = {name: Path(name).read_bytes() for run in runs for name in run.code}
    return {**program.files(), f"notebooks/{notebook.name}": notebook.read_bytes(), **code}


def pack_program(runs: Sequence[RunFields]) -> bytes:
    """`program_files` as an archive, with the commit that they are of."""
    files = program_files(runs)
    if commit := machine.commit():
        files[machine.COMMIT_FILE] = commit.encode()
    return zipped(files)


def pack_run(folder: Path) -> bytes:
    """The files of a run; `unpack` writes them."""
    found = (path for path in folder.iterdir() if path.is_file() and is_left(path.name))
    return zipped({file.name: file.read_bytes() for file in found})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip archive whose bytes depend on names and contents of the files only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
