"""Reading the log of a wattmeter: a CSV file with any columns and units, of any length.

A log is read in chunks of which only the samples around the runs are kept, so that memory depends
on the runs and not on the log. It is read rightly or refused in one sentence.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from lib.instruments.metering import Samples, utc
from lib.logs.times import Clock, TimeError
from lib.study.errors import UserError
from lib.study.sections import WattmeterLog
from lib.units import JOULES, WATTS

CHUNK = 500_000
"""Rows read at once."""


class PowerLogError(UserError, ValueError):
    """A log that can't be read rightly; the message names the file, and what would be right."""


@dataclass(frozen=True)
class PowerLog:
    """What a log says.

    Attributes:
        samples: In the order of time, in W or J, one a moment.
        rows: How many the file has.
        first: Seconds since 1970 of its earliest sample, kept or not.
        last: Of its latest.
        notes: What was set right on the way, one sentence each.
    """

    samples: Samples
    rows: int
    first: float
    last: float
    notes: tuple[str, ...]


def read(
    path: Path, mapping: WattmeterLog, windows: Sequence[tuple[float, float]] | None = None
) -> PowerLog:
    """Read a log.

    Args:
        path: The CSV file.
        mapping: Its columns, their units and how it writes times and numbers.
        windows: Only samples inside one of these are kept, s since 1970; None keeps all.

    Raises:
        PowerLogError: If it can't be read rightly.
    """
    try:
        return _Reading(path, mapping, windows).log()
    except TimeError as error:
        raise PowerLogError(f"{path.name}: {error}") from None
    except pd.errors.ParserError as error:
        what = str(error).rpartition("C error: ")[2].strip().lower()
        raise PowerLogError(
            f"{path.name}: {what}, split at '{mapping.separator}'; is that the separator?"
        ) from None
    except UnicodeDecodeError:
        raise PowerLogError(f"{path.name}: is no text in UTF-8") from None
    except OSError as error:
        raise PowerLogError(f"{path.name}: can't be read: {error.strerror}") from None


class _Reading:
    """One reading of one file."""

    def __init__(
        self, path: Path, mapping: WattmeterLog, windows: Sequence[tuple[float, float]] | None
    ):
        self.path, self.mapping = path, mapping
        self.windows = None if windows is None else _merged(windows)
        self.clock = Clock(mapping)
        self.rows = self.without_value = 0
        self.first, self.last = np.inf, -np.inf
        self.no_time: tuple[int, str] | None = None
        self.no_number = ""

    def log(self) -> PowerLog:
        parts = [self._kept(*self._read(chunk)) for chunk in self._chunks()]
        self._refuse_what_is_unclear()
        time, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        time, value, notes = self._in_order(time, value)
        if self.mapping.energy is None:
            samples = Samples(time, power=value * WATTS[self.mapping.unit])
        else:
            samples = Samples(time, counter=value * JOULES[self.mapping.unit])
        return PowerLog(samples, self.rows, self.first, self.last, tuple(notes))

    def _chunks(self) -> Iterator[pd.DataFrame]:
        """Two columns, time and value, `CHUNK` rows at a time."""
        time, value = self.mapping.time, self.mapping.value
        by_number = isinstance(time, int)
        header = self._check_first_rows()
        reader = pd.read_csv(
            self.path,
            sep=self.mapping.separator,
            decimal=self.mapping.decimal,
            encoding="utf-8-sig",
            compression=None,
            header=None if by_number else 0,
            skiprows=1 if by_number and header else 0,
            dtype={time: str} if self.mapping.time_format == "iso" and not by_number else None,
            # Not usecols: a row with a field too many, by a decimal comma, is to be an error.
            index_col=False,
            low_memory=False,
            skipinitialspace=True,
            chunksize=CHUNK,
        )
        self.line = 1 + bool(header)
        with reader:
            for chunk in reader:
                yield chunk[[time - 1, value - 1] if by_number else [time, value]]

    def _check_first_rows(self) -> bool:
        """Whether the first row is a header, after a look at whether it is the right one."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=self.mapping.separator, skipinitialspace=True)
            rows = [row for _, row in zip(range(2), lines, strict=False)]
        if not rows:
            raise PowerLogError(f"{self.path.name}: is empty")
        head = rows[0]
        wanted = [self.mapping.time, self.mapping.value]
        if isinstance(wanted[0], int):
            if max(wanted) > len(head):
                raise PowerLogError(
                    f"{self.path.name}: has no column {max(wanted)}; its first row has {len(head)} "
                    f"with separator '{self.mapping.separator}'"
                )
            return not _is_number(head[wanted[1] - 1], self.mapping.decimal)
        missing = [f"'{name}'" for name in wanted if name not in head]
        if missing:
            raise PowerLogError(
                f"{self.path.name}: has no column {' or '.join(missing)}; its first row, split "
                f"at '{self.mapping.separator}', is {' | '.join(head)}. Without a header, give "
                "columns by number, e.g. time: 1"
            )
        if len(rows) > 1 and len(rows[1]) > len(head) and any(rows[1][len(head) :]):
            raise PowerLogError(
                f"{self.path.name}: row 2 has {len(rows[1])} fields where the header has "
                f"{len(head)}; is '{self.mapping.separator}' the separator, or a decimal comma?"
            )
        return True

    def _read(self, chunk: pd.DataFrame) -> tuple[NDArray, NDArray]:
        """Seconds since 1970 and values of the rows that have both."""
        texts, raw = chunk.iloc[:, 0], chunk.iloc[:, 1]
        if self.mapping.time_format != "iso" and texts.dtype == object:
            texts = texts.astype(str)
        seconds = self.clock.seconds(texts)
        numbers = raw
        if self.mapping.decimal != "." and not is_numeric_dtype(raw):
            # One text among the numbers, and pandas leaves all of them as they were written.
            numbers = raw.astype(str).str.replace(".", "?", regex=False)  # thousands: no number
            numbers = numbers.str.replace(self.mapping.decimal, ".", regex=False)
        value = pd.to_numeric(numbers, errors="coerce").to_numpy(dtype=float)
        # A logger that was started again may have written its header again.
        repeated = (texts.astype(object) == self.mapping.time).to_numpy() & np.isnan(seconds)
        unreadable = np.flatnonzero(np.isnan(seconds) & ~repeated)
        if self.no_time is not None:
            self._refuse_time(*self.no_time)
        if unreadable.size:
            self.no_time = (self._row(unreadable[0]), str(texts.iloc[unreadable[0]]))
            if unreadable[0] != len(chunk) - 1:
                self._refuse_time(*self.no_time)
        known = np.isfinite(value)
        lost = ~known & ~repeated
        if lost.any():
            self.no_number = self.no_number or str(raw[lost].iloc[0])
            self.without_value += int(lost.sum())
        self.rows += len(chunk)
        known &= np.isfinite(seconds)
        return seconds[known], value[known]

    def _row(self, place: int) -> int:
        """The number of a row in the file, from 1 on."""
        return self.rows + self.line + int(place)

    def _refuse_time(self, row: int, text: str) -> None:
        form = {"iso": "ISO 8601", "s": "seconds since 1970", "ms": "milliseconds since 1970"}
        raise PowerLogError(
            f"{self.path.name}: row {row}: the time '{text}' is not in the form that "
            f"time_format says, {form[self.mapping.time_format]}"
        )

    def _kept(self, time: NDArray, value: NDArray) -> tuple[NDArray, NDArray]:
        if time.size:
            self.first, self.last = min(self.first, time.min()), max(self.last, time.max())
        if self.windows is None:
            return time, value
        starts, stops = self.windows
        if not starts.size:
            return time[:0], value[:0]
        place = np.searchsorted(starts, time, side="right") - 1
        kept = (place >= 0) & (time <= stops[place])
        return time[kept], value[kept]

    def _refuse_what_is_unclear(self) -> None:
        if self.rows == 0:
            raise PowerLogError(f"{self.path.name}: has no rows")
        if self.without_value >= self.rows:
            raise PowerLogError(
                f"{self.path.name}: column '{self.mapping.value}' holds no numbers (its first "
                f"value is '{self.no_number}'); is decimal: \"{self.mapping.decimal}\" right?"
            )
        for begin, end, sentence in self.clock.unclear():
            starts, stops = self.windows or (np.array([-np.inf]), np.array([np.inf]))
            if ((starts <= end) & (stops >= begin)).any():
                raise PowerLogError(f"{self.path.name}: {sentence}")

    def _in_order(self, time: NDArray, value: NDArray) -> tuple[NDArray, NDArray, list[str]]:
        """Sort by time; of several samples of one moment, the mean power or the last counter."""
        notes = []
        if self.no_time is not None:
            notes.append(f"row {self.no_time[0]}, the last, is cut off and left out")
        if self.without_value:
            notes.append(
                f"{self.without_value} of {self.rows} rows have no number (such as "
                f"'{self.no_number}') and are left out"
            )
        late = int((np.diff(time) < 0).sum())
        if late:
            order = np.argsort(time, kind="stable")
            time, value = time[order], value[order]
            notes.append(f"the log is not in the order of time at {late} places; it was sorted")
        new = np.diff(time, prepend=-np.inf) > 0
        if not new.all():
            places = np.flatnonzero(new)
            counts = np.diff(places, append=time.size)
            notes.append(
                f"{time.size - places.size} samples have the time of another one; of such, "
                + ("the mean is taken" if self.mapping.energy is None else "the last is taken")
            )
            if self.mapping.energy is None:
                value = np.add.reduceat(value, places) / counts
            else:
                value = value[places + counts - 1]
            time = time[places]
        return time, value, notes


def reach(log: PowerLog) -> str:
    """From when to when a log reaches, in words."""
    return f"from {utc(log.first)} to {utc(log.last)}"


def _merged(windows: Sequence[tuple[float, float]]) -> tuple[NDArray, NDArray]:
    """Starts and stops of the union of windows, in order."""
    merged: list[list[float]] = []
    for start, stop in sorted(windows):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop)
        else:
            merged.append([start, stop])
    starts, stops = np.array(merged, dtype=float).reshape(-1, 2).T
    return starts, stops


def _is_number(text: str, decimal: str) -> bool:
    try:
        float(text.replace(decimal, "."))
    except ValueError:
        return False
    return True
