"""The folders of runs: whether a run is complete, what lies in its place, how it gets there.

A run is made in `<study>/unfinished/` and moved to `<study>/runs/` in one step when it is over, so
what lies under `runs/` is always whole.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lib import records
from lib.files import remove_unfinished, sync, write_atomically
from lib.records import MEASUREMENT_VERSION, Record
from lib.study.config import RunFields, Use
from lib.study.errors import StoppedError
from lib.study.folder import StudyFolder
from lib.study.notebook import digest

_ASIDE = ".aside-"
_REASON = "aside.txt"
COMPLETE, FAILED, MISSING = "complete", "failed", "to run"
ROOM = 2**20
"""Bytes that must be free for a study to go on: a record and a results table need some of it."""


@dataclass(frozen=True)
class Found:
    """What lies in a run's place."""

    state: str  # `COMPLETE`, `FAILED`, `MISSING`, or a sentence on what is wrong with it
    record: Record | None = None  # the run's record if it is complete or failed
    folder: Path | None = None  # where it lies, if not in its place: under a former id, or aside

    @property
    def unusable(self) -> bool:
        """Whether something is there that is not the run's record."""
        return self.record is None and self.state != MISSING


def look(config: RunFields) -> Found:
    """See what lies in a run's place; where that is no record of it, what lies under its former
    id, or was set aside, and fits.

    Raises:
        StoppedError: If something there can't be read. That does not make it wrong.
    """
    found = _look(config, config.run_dir)
    if found.record is not None:
        return found
    study, aside = config.study_folder, config.run_id + _ASIDE
    shelf = [path for path in _listed(study.aside) if path.name.startswith(aside)]
    for folder in (study.run(config.former_id), *reversed(shelf)):
        elsewhere = _look(config, folder)
        if elsewhere.record is not None and elsewhere.state == COMPLETE:
            return replace(elsewhere, folder=folder)
    return found


def _look(config: RunFields, folder: Path) -> Found:
    name = folder.name
    path = folder / records.FILE_NAME
    try:
        record = records.read(path)
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(folder):
            _check_link(folder.parent)
            return Found(MISSING)
        return Found(f"{name}: the folder holds no {records.FILE_NAME}")
    except ValueError as error:
        return Found(f"damaged record: {error}")
    except OSError as error:
        raise StoppedError(f"{path}: can't be read: {error.strerror}") from None
    if record.run_id not in (config.run_id, config.former_id):
        return Found(f"{name}: the folder holds the record of {record.run_id}")
    if other := _other_fields(config, record):
        return Found(f"{name}: the record is of another configuration: {', '.join(other)}")
    renamed = record.notebook != config.made_by
    if renamed and record.versions.get("notebook") != digest(config.notebook):
        made_by = record.notebook or "another notebook"
        return Found(f"{name}: was made by {made_by}, this is {config.notebook.name}")
    if record.measurement_version != MEASUREMENT_VERSION:
        theirs = f"was measured by version {record.measurement_version} of the measurement"
        return Found(f"{name}: {theirs}, this is {MEASUREMENT_VERSION}")
    return Found(COMPLETE if record.status == "completed" else FAILED, record)


def _other_fields(config: RunFields, record: Record) -> list[str]:
    """Fields in which a record is of another training; one that it lacks has its default."""
    fields = type(config).model_fields
    theirs = {name: field.default for name, field in fields.items()} | record.config
    elsewhere = {*config.names(Use.PLACE, Use.RESULTS)}
    ours = config.model_dump(mode="json", exclude=elsewhere)
    return sorted(
        {name for name in ours if ours[name] != theirs[name]} | theirs.keys() - fields.keys()
    )


def recover(runs: Iterable[RunFields]) -> list[str]:
    """Bring complete runs that lie elsewhere into their places; a sentence for each."""
    said = []
    for config in runs:
        found = look(config)
        if found.folder is not None and found.record is not None:
            if os.path.lexists(config.run_dir):
                reason = _look(config, config.run_dir).state
                set_aside(config.run_dir, config.study_folder.aside, reason)
            _move(found.folder, config.run_dir)
            if found.record.run_id != config.run_id:
                found.record.model_copy(update={"run_id": config.run_id}).write(config.run_dir)
            (config.run_dir / _REASON).unlink(missing_ok=True)
            said.append(f"{config.run_id}: fits the plan, taken back from {found.folder}")
    return said


def set_aside(folder: Path, shelf: Path | None = None, reason: str | None = None) -> Path:
    """Move a folder that is in the way onto a shelf (default: beside it); overwrites nothing.

    The reason is left in it as a file.
    """
    shelf = shelf or folder.parent
    shelf.mkdir(exist_ok=True)
    number = 1
    while os.path.lexists(target := shelf / f"{folder.name}{_ASIDE}{number}"):
        number += 1
    _move(folder, target)
    if reason is not None and target.is_dir():
        write_atomically(target / _REASON, reason + "\n")
    return target


def all_aside(study_dir: Path) -> dict[Path, str]:
    """What was set aside of a study's runs, and of the study as a whole: folders, and why."""
    beside, whole = _listed(study_dir.parent), study_dir.name + _ASIDE
    folders = [path for path in beside if path.name.startswith(whole)]
    return {path: _reason(path) for path in (*_listed(StudyFolder(study_dir).aside), *folders)}


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder, if there is one. Unlike `glob`, it takes no error for nothing."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        _check_link(folder)
        return []
    except OSError as error:
        raise StoppedError(f"{folder}: can't be read: {error.strerror}") from None


def _check_link(folder: Path) -> None:
    """A link to a disk that is not there says nothing about what lies on it."""
    if folder.is_symlink() and not folder.exists():
        raise StoppedError(f"{folder}: links to a folder that is not there")


def _reason(folder: Path) -> str:
    try:
        return (folder / _REASON).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "unknown"


def _move(source: Path, target: Path) -> None:
    """Rename a folder; where the target is on another disk, copy it there first.

    What has its final name is whole, and on disk.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial, symlinks=True)
        _sync_files(partial)
        partial.rename(target)
        shutil.rmtree(source)
    sync(target.parent)


def check_room(study_dir: Path) -> None:
    """Make the study's folder, and see that there is room for `ROOM` bytes in it.

    Raises:
        OSError: If the disk is full or the folder can't be written to.
    """
    study_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=study_dir) as file:
        file.write(bytes(ROOM))
        file.flush()
        os.fsync(file.fileno())


def clear(study_dir: Path) -> None:
    """Take away what is left of runs that were interrupted, and of files half written."""
    here = StudyFolder(study_dir)
    for folder in (study_dir, *here.runs.glob("*"), *here.aside.glob("*")):
        remove_unfinished(folder)
    unfinished = here.unfinished.path
    if unfinished.exists():
        shutil.rmtree(unfinished)


def staged(config: RunFields, study_dir: Path) -> RunFields:
    """The same run with its folder among the unfinished."""
    return config.going_to(StudyFolder(study_dir).unfinished)


def settle(config: RunFields, study_dir: Path) -> None:
    """Move the folder of a run that is over from among the unfinished into its place."""
    folder = staged(config, study_dir).run_dir
    _sync_files(folder)
    _move(folder, config.run_dir)


def _sync_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)
