"""The folders of runs: whether a run is complete, what lies in its place, how it gets there.

A run is made in `<study>/unfinished/` and moved to `<study>/runs/` in one step when it is over, so
what lies under `runs/` is always whole.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lib import __version__, records
from lib.files import remove_unfinished
from lib.records import Record
from lib.study.config import RunFields
from lib.study.folder import StudyFolder

COMPLETE, FAILED, MISSING = "complete", "failed", "missing"
ROOM = 2**20
"""Bytes that must be free for a study to go on: a record and a results table need some of it."""


@dataclass(frozen=True)
class Found:
    """What lies in a run's place.

    Attributes:
        state: `COMPLETE`, `FAILED`, `MISSING`, or a sentence on what is wrong with it.
        record: The run's record if it is complete or failed.
    """

    state: str
    record: Record | None = None

    @property
    def unusable(self) -> bool:
        """Whether something is there that is not the run's record."""
        return self.record is None and self.state != MISSING


def look(config: RunFields) -> Found:
    """See what lies in a run's place."""
    folder = config.run_dir
    try:
        record = records.read(folder / records.FILE_NAME)
    except FileNotFoundError:
        if not folder.exists():
            return Found(MISSING)
        return Found(f"{folder.name}: the folder holds no {records.FILE_NAME}")
    except (ValueError, OSError) as error:
        return Found(f"damaged record: {error}")
    if record.run_id != folder.name:
        return Found(f"{folder.name}: the folder holds the record of {record.run_id}")
    if other := _other_fields(config, record):
        return Found(f"{folder.name}: the record is of another configuration: {', '.join(other)}")
    program = record.versions.get("program")
    if program != __version__:
        made_by = f"version {program}" if program else "an unknown version"
        return Found(f"{folder.name}: made by {made_by} of the program, this is {__version__}")
    return Found(COMPLETE if record.status == "completed" else FAILED, record)


def _other_fields(config: RunFields, record: Record) -> list[str]:
    theirs = record.config
    known = config.identity
    strange = theirs.keys() - type(config).model_fields.keys()
    return sorted({name for name in known if known[name] != theirs.get(name)} | strange)


def set_aside(folder: Path, shelf: Path | None = None) -> Path:
    """Move a folder that is in the way onto a shelf (default: beside it); overwrites nothing."""
    shelf = shelf or folder.parent
    shelf.mkdir(exist_ok=True)
    number = 1
    while (target := shelf / f"{folder.name}.aside-{number}").exists():
        number += 1
    return folder.rename(target)


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
    remove_unfinished(study_dir)
    if StudyFolder(study_dir).unfinished.path.exists():
        shutil.rmtree(StudyFolder(study_dir).unfinished.path)


def staged(config: RunFields, study_dir: Path) -> RunFields:
    """The same run with its folder among the unfinished."""
    return config.going_to(StudyFolder(study_dir).unfinished)


def settle(config: RunFields, study_dir: Path) -> None:
    """Move the folder of a run that is over from among the unfinished into its place."""
    config.run_dir.parent.mkdir(parents=True, exist_ok=True)
    staged(config, study_dir).run_dir.rename(config.run_dir)
