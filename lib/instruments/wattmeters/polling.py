"""Asking a wattmeter again and again while something runs.

A further wattmeter is one small file: a module of this package whose class `Meter` derives from
`polling.Meter` and says how to `read` it. `meters.open_meter` finds it by the module's name.
"""

import csv
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import requests

from lib.instruments import Reading
from lib.instruments.metering import Samples, read_window
from lib.study.errors import UserError

PATIENCE = 30.0
"""s. So long a meter is waited for after a run, until it tells of the run's last moment."""


class MeterError(UserError):
    """A meter gave no usable answer; the message never holds its address."""


@dataclass(frozen=True)
class Sample:
    """One answer of a wattmeter."""

    time: float  # when it was measured, seconds since 1970 in UTC
    power: float | None = None  # W
    counter: float | None = None  # J on its energy counter
    channel: int = 0  # which of several sockets or power supplies; their energies are added


class Meter(ABC):
    """A wattmeter that can be asked, every `interval` seconds."""

    name: str
    interval: float = 1.0

    @abstractmethod
    def read(self, since: float) -> list[Sample]:
        """Ask the meter once; what it remembers from `since` on (s since 1970) may be told again.

        Raises:
            MeterError: If there is no usable answer, in words.
            requests.RequestException: If it can't be reached.
        """


@dataclass
class MeterLog:
    """Asks a meter from `start` to `stop` in a thread of its own, and remembers the answers.

    Every sample is noted at once in the file at `path`, if there is one. Whatever goes wrong with
    the meter ends up in the reading, and stops nothing.
    """

    meter: Meter
    path: Path | None = None
    _samples: dict[tuple[int, float], Sample] = field(default_factory=dict)
    _failures: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Begin to ask; returns after the first answer, or the lack of one."""
        self._begun = self._newest = time.time()
        self._done = threading.Event()
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(["timestamp", "channel", "power_W", "counter_J"])
        self._ask()
        self._thread = threading.Thread(target=self._poll, name=self.meter.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; stopping twice is harmless."""
        self._done.set()
        # The thread is a daemon: a meter that never answers does not hold up the end.
        self._thread.join(timeout=1.0)

    def _wait_for(self, moment: float) -> None:
        """Wait a few intervals for a sample from `moment` or later, unless it never answered."""
        times = sorted({sample.time for sample in list(self._samples.values())})
        spacing = max(self.meter.interval, float(np.median(np.diff(times))) if times[1:] else 0.0)
        deadline = time.time() + min(PATIENCE, 3 * spacing)
        while times and self._newest < moment and time.time() < deadline:
            time.sleep(min(0.1, self.meter.interval))

    def _poll(self) -> None:
        due = time.monotonic() + self.meter.interval
        while not self._done.wait(max(0.0, due - time.monotonic())):
            self._ask()
            # A slow answer delays the next question; it does not make questions pile up.
            due = max(due + self.meter.interval, time.monotonic())

    def _ask(self) -> None:
        try:
            answers = self.meter.read(self._newest - self.meter.interval)
        except Exception as error:
            # Whatever it is: a wattmeter must not end a training.
            self._failures[in_words(error)] += 1
            return
        new = [one for one in answers if (one.channel, one.time) not in self._samples]
        self._samples.update({(one.channel, one.time): one for one in new})
        self._newest = max([self._newest, *(one.time for one in new)])
        if new and self.path is not None:
            self._note(new, self.path)

    def _note(self, samples: Sequence[Sample], path: Path) -> None:
        try:
            with path.open("a", newline="", encoding="utf-8") as file:
                rows = csv.writer(file, lineterminator="\n")
                for one in samples:
                    at = datetime.fromtimestamp(one.time, UTC).isoformat(timespec="milliseconds")
                    rows.writerow([at, one.channel, one.power, one.counter])
        except OSError as error:
            self._failures[f"{path.name} could not be written: {error.strerror}"] += 1

    def reading(self, start: float, stop: float) -> Reading:
        """Stop, and tell of the time from `start` to `stop`, in seconds since 1970."""
        self._wait_for(stop)
        self.stop()
        doubts = [
            f"the wattmeter did not answer as it should {count} times: {why}"
            for why, count in list(self._failures.items())
        ]
        return read_window(self.meter.name, self._channels(), start, stop, doubts=doubts)

    def _channels(self) -> list[Samples]:
        if not self._samples:
            return []
        samples = pd.DataFrame([*self._samples.values()]).sort_values("time")
        channels = []
        for _, mine in samples.groupby("channel"):
            known = mine.dropna(axis="columns", how="all").astype(float)
            told = {name: known[name].to_numpy() for name in ("power", "counter") if name in known}
            channels.append(Samples(known["time"].to_numpy(), **told))
        return channels


@contextmanager
def logging(meter: Meter, path: Path | None = None) -> Iterator[MeterLog]:
    """Ask a meter while what is inside a `with` goes on."""
    log = MeterLog(meter, path)
    log.start()
    try:
        yield log
    finally:
        log.stop()


def in_words(error: Exception) -> str:
    """Why a meter gave no answer, without its address: an error of `requests` names it."""
    if isinstance(error, MeterError):
        return str(error)
    if isinstance(error, requests.Timeout):
        return "it answered too late"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        return f"it answered with HTTP status {status}{' (password?)' if status == 401 else ''}"
    if isinstance(error, requests.JSONDecodeError):
        return "its answer is no JSON"
    if isinstance(error, requests.RequestException):
        return "it can't be reached"
    return f"{type(error).__name__} while it was read"
