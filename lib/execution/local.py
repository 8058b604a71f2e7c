"""Executing a plan on this machine: one child process a run, finished runs kept, failures too.

A run is made in `<study>/unfinished/` and moved to `<study>/runs/` in one step when it is over, so
what lies under `runs/` is always whole.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import psutil

from lib import __version__
from lib.execution.forecast import Forecast, Left, Underway
from lib.execution.run_process import (
    LOG_NAME,
    NOTEBOOK_NAME,
    OUT_OF_MEMORY,
    failed_record,
    kill,
    leave_out_private_paths,
    memory_kills,
)
from lib.records import record as records
from lib.records.progress import Progress, read_progress
from lib.records.record import Record
from lib.study.config import RunConfig
from lib.study.errors import UserError
from lib.study.folder import StudyFolder

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "train.ipynb"
UNFINISHED = "unfinished"
ASIDE = "aside"
COMPLETE, FAILED, MISSING = "complete", "failed", "missing"
SECONDS_BETWEEN_LOOKS = 0.25
ROOM = 2**20
"""Bytes that must be free for a study to go on: a record and a results table need some of it."""


class StoppedError(UserError):
    """A batch ended early for a reason outside of its runs; those not complete are missing."""

    exit_status = 1


class Watcher(Protocol):
    """Is told what happens, to show it."""

    def begin(self, config: RunConfig) -> None:
        """A run starts."""

    def progress(self, config: RunConfig, progress: Progress, left: Left) -> None:
        """The run has come this far; so much is left of the batch."""

    def end(self, record: Record, seconds: float, left: Left) -> None:
        """A run is over; so much is left of the batch."""

    def say(self, sentence: str) -> None:
        """Something else happened."""


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


def look(config: RunConfig) -> Found:
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


def _other_fields(config: RunConfig, record: Record) -> list[str]:
    theirs = record.config
    known = config.identity
    strange = theirs.keys() - RunConfig.model_fields.keys()
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


def execute_all(
    runs: list[RunConfig], study_dir: Path, watcher: Watcher, timeout: float | None = None
) -> Iterator[Record]:
    """Execute `runs` one after the other; a failure does not stop the others.

    Args:
        runs: What is to run, in order. Nothing may lie in their places.
        study_dir: The study's folder.
        watcher: Is told what happens.
        timeout: Seconds after which a run is stopped and counted as failed.

    Yields:
        The record of each run, once it is in its place.

    Raises:
        OSError: If the disk is full. The run under way counts as missing, not as failed.
    """
    clear(study_dir)
    forecast = Forecast(runs)
    try:
        for config in runs:
            watcher.begin(config)
            forecast.begin(config)
            started = time.monotonic()
            with closing(_execute(config, study_dir, timeout)) as stages:
                for progress in stages:
                    elapsed = time.monotonic() - started
                    left = forecast.left([Underway(config, elapsed, progress)])
                    watcher.progress(config, progress, left)
            seconds = time.monotonic() - started
            record = records.read(config.run_dir / records.FILE_NAME)
            forecast.end(config, seconds, record.energy_consumed)
            watcher.end(record, seconds, forecast.left([]))
            yield record
    finally:
        clear(study_dir)


def clear(study_dir: Path) -> None:
    """Take away what is left of runs that were interrupted."""
    if (study_dir / UNFINISHED).exists():
        shutil.rmtree(study_dir / UNFINISHED)


def staged(config: RunConfig, study_dir: Path) -> RunConfig:
    """The same run with its folder among the unfinished."""
    return config.going_to(StudyFolder(study_dir).unfinished)


def settle(config: RunConfig, study_dir: Path) -> None:
    """Move the folder of a run that is over from among the unfinished into its place."""
    config.run_dir.parent.mkdir(parents=True, exist_ok=True)
    staged(config, study_dir).run_dir.rename(config.run_dir)


def _execute(config: RunConfig, study_dir: Path, timeout: float | None) -> Iterator[Progress]:
    """Execute one run and move it into its place; yields how far it is, several times a second."""
    unfinished = staged(config, study_dir)
    folder = unfinished.run_dir
    folder.mkdir(parents=True)
    task = {"notebook": str(NOTEBOOK), "parameters": unfinished.model_dump(mode="json")}
    error, kills = None, memory_kills()
    progress = Progress("starting", epochs=config.epochs)
    with (folder / LOG_NAME).open("w", encoding="utf-8") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "lib.execution.run_process"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the runner alone
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
            text=True,
        )
        try:
            with suppress(BrokenPipeError), child.stdin as pipe:
                json.dump(task | {"parent": os.getpid()}, pipe)
            started = time.monotonic()
            while child.poll() is None:
                if timeout is not None and time.monotonic() - started > timeout:
                    error = f"stopped after {timeout:g} s, the study's run_timeout"
                    break
                progress = read_progress(folder) or _silent(progress)
                yield progress
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            _kill_tree(child)
    if child.returncode:
        check_room(study_dir)
    if error is None and not _left_a_record(folder):
        error = _why_it_ended(child.returncode, memory_kills() > kills)
    if error is not None:
        failed_record(unfinished, error).write(folder)
        leave_out_private_paths(folder / NOTEBOOK_NAME)  # what was killed did not do it itself
    settle(config, study_dir)


def _silent(before: Progress) -> Progress:
    """Where a run stands that says nothing: it has not begun to, or has done all but saving."""
    if before.phase == "starting":
        return before
    return replace(before, phase="saving", accuracy=None, watts=None)


def _left_a_record(folder: Path) -> bool:
    try:
        records.read(folder / records.FILE_NAME)
    except (FileNotFoundError, ValueError):
        return False
    return True


def _kill_tree(child: subprocess.Popen) -> None:
    """End the child with all that it started: kernels live in process groups of their own."""
    try:
        process = psutil.Process(child.pid)
        kill([process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return
    child.wait()


def _why_it_ended(code: int, for_memory: bool) -> str:
    if code < 0 and for_memory:
        return f"{OUT_OF_MEMORY}: the system killed the run's process"
    if code < 0:
        return f"the run's process was killed by {signal.Signals(-code).name}"
    return f"the run's process left no record (exit status {code}); {LOG_NAME} says more"
