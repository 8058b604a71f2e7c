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
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Protocol

import psutil
from filelock import FileLock, Timeout

from lib import records
from lib.execute import failed_record
from lib.progress import Progress, read_progress
from lib.records import Record
from lib.study import RunConfig

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "train.ipynb"
UNFINISHED = "unfinished"
ASIDE = "aside"
SECONDS_BETWEEN_LOOKS = 0.25


class BusyError(RuntimeError):
    """Another measurement is under way on this machine."""


class Watcher(Protocol):
    """Is told what happens, to show it."""

    def begin(self, number: int, total: int, config: RunConfig) -> None:
        """Run `number` of `total` starts."""

    def progress(self, progress: Progress, seconds_left: float | None) -> None:
        """The run has come this far; so much time is left for the study."""

    def end(self, record: Record, seconds: float) -> None:
        """The run is over."""


@contextmanager
def alone_on_this_machine(what: str) -> Iterator[None]:
    """Hold the machine's measurement lock; two measurements would spoil each other.

    The operating system gives the lock back when its holder dies, so it can't become stale.

    Raises:
        BusyError: If another process holds it; says which, and since when.
    """
    path = Path(tempfile.gettempdir()) / "training-energy-study.lock"
    holder = path.with_suffix(".json")
    lock = FileLock(path, timeout=0, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        try:
            said = json.loads(holder.read_text(encoding="utf-8"))
            who = f"process {said['pid']} ({said['what']}) since {said['since']}"
        except (OSError, ValueError, KeyError):
            who = f"the process that holds {path}"
        raise BusyError(f"another measurement is under way on this machine: {who}") from None
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        said = {"pid": os.getpid(), "since": since, "what": what}
        holder.write_text(json.dumps(said), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def state(config: RunConfig) -> str:
    """`complete`, `failed`, `missing`, or a sentence on what lies in the run's place instead."""
    path = config.run_dir / records.FILE_NAME
    if not config.run_dir.exists():
        return "missing"
    if not path.is_file():
        return f"{config.run_id}: the folder holds no {records.FILE_NAME}"
    try:
        record = records.read(path)
    except ValueError as error:
        return f"damaged record: {error}"
    if record.run_id != config.run_id:
        return f"{config.run_id}: the folder holds the record of {record.run_id}"
    return {"completed": "complete", "failed": "failed"}[record.status]


def set_aside(folder: Path, shelf: Path | None = None) -> Path:
    """Move a folder that is in the way onto a shelf (default: beside it); overwrites nothing."""
    shelf = shelf or folder.parent
    shelf.mkdir(exist_ok=True)
    number = 1
    while (target := shelf / f"{folder.name}.aside-{number}").exists():
        number += 1
    return folder.rename(target)


@dataclass
class Forecast:
    """Seconds that a run will take, from those that have ended."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, config: RunConfig, seconds: float) -> None:
        """Learn from a run that has ended."""
        self.seconds[config.architecture, config.dataset].append(seconds)

    def expected(self, config: RunConfig) -> float | None:
        """What `config` will take, or None before anything is known."""
        known = self.seconds.get((config.architecture, config.dataset))
        everything = [value for values in self.seconds.values() for value in values]
        known = known or everything
        return fmean(known) if known else None

    def left(
        self, current: RunConfig, elapsed: float, fraction: float, later: list[RunConfig]
    ) -> float | None:
        """Seconds until the last run ends.

        Args:
            current: The run under way.
            elapsed: Seconds since it started.
            fraction: How much of its training is done, 0 to 1.
            later: The runs behind it.
        """
        whole = self.expected(current)
        if whole is None or elapsed > whole:
            whole = elapsed / fraction if fraction > 0 else None
        if whole is None:
            return None
        return max(whole - elapsed, 0) + sum(self.expected(run) or whole for run in later)


def execute_all(
    runs: list[RunConfig], study_dir: Path, watcher: Watcher, timeout: float | None = None
) -> list[Record]:
    """Execute `runs` one after the other; a failure does not stop the others.

    Args:
        runs: What is to run, in order. Nothing may lie in their places.
        study_dir: The study's folder.
        watcher: Is told what happens.
        timeout: Seconds after which a run is stopped and counted as failed.
    """
    shutil.rmtree(study_dir / UNFINISHED, ignore_errors=True)
    forecast, ended = Forecast(), []
    for number, config in enumerate(runs, start=1):
        watcher.begin(number, len(runs), config)
        started = time.monotonic()
        with closing(_execute(config, study_dir, timeout)) as stages:
            for progress in stages:
                elapsed = time.monotonic() - started
                left = forecast.left(config, elapsed, progress.fraction, runs[number:])
                watcher.progress(progress, left)
        seconds = time.monotonic() - started
        forecast.add(config, seconds)
        record = records.read(config.run_dir / records.FILE_NAME)
        ended.append(record)
        watcher.end(record, seconds)
    shutil.rmtree(study_dir / UNFINISHED, ignore_errors=True)
    return ended


def _execute(config: RunConfig, study_dir: Path, timeout: float | None) -> Iterator[Progress]:
    """Execute one run and move it into its place; yields how far it is, several times a second."""
    fields = config.model_dump() | {"output_dir": str(study_dir / UNFINISHED)}
    staged = RunConfig(**fields)
    folder = staged.run_dir
    folder.mkdir(parents=True)
    task = json.dumps({"notebook": str(NOTEBOOK), "parameters": staged.model_dump(mode="json")})
    error = None
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "lib.execute"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
            text=True,
        )
        try:
            child.stdin.write(task)
            child.stdin.close()
            started = time.monotonic()
            while child.poll() is None:
                if timeout is not None and time.monotonic() - started > timeout:
                    error = f"stopped after {timeout:g} s, the study's run_timeout"
                    break
                yield read_progress(folder) or Progress("starting", epochs=config.epochs)
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            _kill_tree(child)
    if error is None and child.returncode and not (folder / records.FILE_NAME).is_file():
        error = _why_it_ended(child.returncode)
    if error is not None:
        failed_record(staged, error).write(folder)
    config.run_dir.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(config.run_dir)


def _kill_tree(child: subprocess.Popen) -> None:
    """End the child with all that it started: kernels live in process groups of their own."""
    try:
        family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    child.wait()


def _why_it_ended(code: int) -> str:
    if code < 0:
        return f"the run's process was killed by {signal.Signals(-code).name}"
    return f"the run's process ended with exit status {code}; log.txt says more"
