"""Executing a plan on this machine: one child process a run, finished runs kept, failures too."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import psutil

from lib import program, records
from lib.execution import run_folders, run_process
from lib.execution.forecast import Forecast, Left, Underway
from lib.records import Record
from lib.records.progress import Progress, read_progress
from lib.study.config import RunFields
from lib.text import duration

RUN_PROCESS: tuple[str, ...] = (sys.executable, "-m", "lib.execution.run_process")
SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_BETWEEN_LOOKS_AT_THE_PROCESSOR = 30.0
SECONDS_OF_A_STALL = 600.0


class Watcher:
    """Is told what happens, to show it; this one shows nothing."""

    def begin(self, config: RunFields) -> None:
        """A run starts."""

    def progress(self, config: RunFields, progress: Progress, expected: Left) -> None:
        """The run has come this far; so much is left of the batch."""

    def end(self, record: Record, seconds: float, expected: Left) -> None:
        """A run is over; so much is left of the batch."""

    def say(self, sentence: str) -> None:
        """Something else happened."""

    def close(self) -> None:
        """Nothing more will happen."""


def execute_all(
    runs: list[RunFields], study_dir: Path, watcher: Watcher, timeout: float | None = None
) -> Generator[Record, None, None]:
    """Execute `runs` one after the other, and yield the record of each once it is in its place.

    Nothing may lie there before. A failure does not stop the others; after `timeout` seconds a run
    is stopped, and has failed.

    Raises:
        OSError: If the disk is full. The run under way counts as missing, not as failed.
    """
    run_folders.clear(study_dir)
    forecast = Forecast(runs)
    try:
        for config in runs:
            watcher.begin(config)
            forecast.begin(config)
            started = time.monotonic()
            with closing(_execute(config, study_dir, timeout, watcher.say)) as stages:
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
        run_folders.clear(study_dir)


def _execute(
    config: RunFields, study_dir: Path, timeout: float | None, say: Callable[[str], None]
) -> Generator[Progress, None, None]:
    """Execute one run and move it into its place; yields how far it is, several times a second."""
    unfinished = run_folders.staged(config, study_dir)
    folder = unfinished.run_dir
    folder.mkdir(parents=True)
    task = {"notebook": str(config.notebook), "parameters": unfinished.model_dump(mode="json")}
    error, kills = None, run_process.memory_kills()
    progress = Progress("starting", epochs=getattr(config, "epochs", 0))
    with (folder / run_process.LOG_NAME).open("w", encoding="utf-8") as log:
        child = psutil.Popen(
            RUN_PROCESS,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the runner alone
            env=os.environ
            | program.environment()
            | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
            text=True,
        )
        try:
            assert child.stdin is not None
            with suppress(BrokenPipeError), child.stdin as pipe:
                json.dump(task | {"parent": os.getpid()}, pipe)
            started = time.monotonic()
            # What its protocol asks for is no stall.
            stall = _Stall(
                child.pid, SECONDS_OF_A_STALL + config.idle_seconds + config.cooldown_seconds
            )
            while child.returncode is None:
                if timeout is not None and time.monotonic() - started > timeout:
                    error = f"stopped after {timeout:g} s, the study's run_timeout"
                    break
                progress = read_progress(folder) or _silent(progress)
                if stall.is_new(progress):
                    silent = f"for {duration(stall.patience)} it has"
                    say(f"{config.run_id}: {silent} neither computed nor reported progress")
                yield progress
                with suppress(psutil.TimeoutExpired):
                    child.wait(SECONDS_BETWEEN_LOOKS)
        finally:
            # Kernels live in process groups of their own.
            with suppress(psutil.NoSuchProcess):
                run_process.kill([child, *child.children(recursive=True)])
                child.wait()
    code = child.wait()
    if code:
        run_folders.check_room(study_dir)
    for_memory = run_process.memory_kills() > kills
    error = error or _why_no_record(folder, code, for_memory)
    if error is not None:
        run_process.failed_record(unfinished, error).write(folder)
        # What was killed did not do it itself.
        run_process.leave_out_private_paths(folder / config.notebook.name)
    run_folders.settle(config, study_dir)


class _Stall:
    """Notices, once, that a run has long neither used the processor nor reported progress."""

    def __init__(self, pid: int, patience: float):
        self._pid, self.patience = pid, patience
        self._looked = self._moved = time.monotonic()
        self._state: tuple[Progress | None, float] = (None, 0.0)
        self._said = False

    def is_new(self, progress: Progress) -> bool:
        """Whether it has been standing still since it was looked at often enough."""
        now = time.monotonic()
        since = now - self._looked
        if self._said or since < SECONDS_BETWEEN_LOOKS_AT_THE_PROCESSOR:
            return False
        self._looked = now
        before, worked = self._state
        self._state = progress, _processor_seconds(self._pid)
        # What a kernel does while it waits is a thousandth of a processor.
        if progress != before or self._state[1] - worked > 0.01 * since:
            self._moved = now
        self._said = now - self._moved >= self.patience
        return self._said


def _processor_seconds(pid: int) -> float:
    total = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                times = one.cpu_times()
                total += times.user + times.system
    return total


def _silent(before: Progress) -> Progress:
    """Where a run stands that says nothing: it has not begun to, or has done all but saving."""
    if before.phase == "starting":
        return before
    return replace(before, phase="saving", accuracy=None, watts=None)


def _why_no_record(folder: Path, code: int, for_memory: bool) -> str | None:
    with suppress(FileNotFoundError, ValueError):
        records.read(folder / records.FILE_NAME)
        return None
    if code < 0 and for_memory:
        return f"{run_process.OUT_OF_MEMORY}: the system killed the run's process"
    if code < 0:
        return f"the run's process was killed by {signal.Signals(-code).name}"
    log = run_process.LOG_NAME
    return f"the run's process left no record (exit status {code}); {log} says more"
