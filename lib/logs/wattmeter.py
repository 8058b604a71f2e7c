"""Reading the log of a wattmeter: a file with any columns and units, of any length.

A log is read in chunks of which only the samples around the runs are kept, so that memory depends
on the runs and not on the log. It is read rightly or refused in one sentence.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from lib.files import plain
from lib.instruments.metering import Samples, utc
from lib.logs.times import Clock, TimeError, advice
from lib.study.errors import UserError
from lib.study.wattmeter_log import EPOCH_UNITS, WattmeterLog
from lib.units import JOULES, WATTS

CHUNK = 500_000  # rows read at once

DEVICES = {
    *("channel", "device", "device_id", "entity_id", "gpu", "gpu_id", "gpu_index", "gpu_name"),
    *("gpu_uuid", "host", "hostname", "index", "metric_id", "name", "node", "outlet", "pci.bus_id"),
    *("plug", "sensor", "sensor_id", "serial", "socket", "uuid"),
}
"""What columns are called that say which device a row is of."""

MOST_CHANNELS = 64  # devices that one log may be of; more values in a column are measurements
FEWEST_BURSTS = 10  # moments from which on as many rows at each of them are no accident

FALLING, MOST_BACK = 1 / 3, 2
"""Share of its changes by which a column that falls is no counter, but for one that restarts; and
how often a counter may fall by less than half, as by rows in disorder."""

NEVER = 300  # samples over which the power of a machine falls once at least

WRITTEN = {"µW": "uW", "µJ": "uJ", "Watt": "W", "Watts": "W", "watts": "W", "w": "W", "Joules": "J"}
"""Units as logs write them beside a value."""

SPACES = " '\u2019\u00a0\u202f"  # what stands between thousands

ALWAYS = (-np.inf, np.inf)


class PowerLogError(UserError, ValueError):
    """A log that can't be read rightly; the message names the file, and what would be right."""


@dataclass(frozen=True)
class PowerLog:
    """What a log says: by the name of the device ("" where the log is of one) its samples in the
    order of time, in W or J, one a moment.
    """

    channels: Mapping[str, Samples]
    rows: int  # how many the file has
    first: float  # s since 1970 of its earliest sample, kept or not
    last: float  # of its latest
    notes: tuple[str, ...]  # what was set right on the way, one sentence each


def read(
    path: Path, mapping: WattmeterLog, windows: Sequence[tuple[float, float]] = (ALWAYS,)
) -> PowerLog:
    """Read a log; only samples inside one of the windows are kept, s since 1970.

    Of a log of changes the rows next to them are kept too.

    Raises:
        PowerLogError: If it can't be read rightly.
    """
    try:
        return _Reading(path, mapping, windows).log()
    except (TimeError, PowerLogError) as error:
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
    def __init__(self, path: Path, mapping: WattmeterLog, windows: Sequence[tuple[float, float]]):
        self.path, self.mapping = path, mapping
        self.windows = _merged(windows)
        self.clock = Clock(mapping)
        self.rows = self.without_value = 0
        self.first, self.last = np.inf, -np.inf
        self.no_time: tuple[int, str] | None = None
        self.no_number = ""
        self.cut_off: int | None = None
        self.names = [] if mapping.channel is not None else [""]
        asked = mapping.channels
        self.asked = [str(name) for name in asked] if isinstance(asked, tuple) else []

    def log(self) -> PowerLog:
        parts = [self._kept(*self._read(chunk)) for chunk in self._chunks()]
        self._refuse_what_is_unclear()
        time, value, code = (np.concatenate(column) for column in zip(*parts, strict=True))
        notes = []
        if cut_off := self.cut_off or (self.no_time and self.no_time[0]):
            notes.append(f"row {cut_off}, the last, is cut off and left out")
        if self.without_value:
            notes.append(
                f"{self.without_value} of {self.rows} rows have no number (such as "
                f"'{self.no_number}') and are left out"
            )
        channels: dict[str, Samples] = {}
        for name in self._chosen():
            mine = code == self.names.index(name)
            ordered, said = self._in_order(time[mine], value[mine])
            notes += [f"{name}: {sentence}" if name else sentence for sentence in said]
            channels |= {
                name + part: self._samples(*samples)
                for part, samples in self._bursts(*ordered).items()
            }
        return PowerLog(channels, self.rows, self.first, self.last, tuple(notes))

    def _chunks(self) -> Iterator[pd.DataFrame]:
        """The columns of the mapping, `CHUNK` rows at a time."""
        mapping = self.mapping
        by_number = isinstance(mapping.values[0], int)
        wanted = [name - 1 if isinstance(name, int) else name for name in mapping.columns]
        with plain(self.path).open(encoding="utf-8-sig") as file:
            is_json = file.read(1) in ("{", "[")
        header = False if is_json else self._check_first_rows()
        self.line = 1 + bool(header) + mapping.skip
        with ExitStack() as opened:
            chunks: Iterator[pd.DataFrame]
            if is_json:
                chunks = self._tables(opened.enter_context(self.path.open(encoding="utf-8-sig")))
            else:
                texts = mapping.times if mapping.time_format not in EPOCH_UNITS else ()
                texts = (*texts, *([mapping.channel] if mapping.channel is not None else []))
                reader = pd.read_csv(
                    self.path,
                    sep=r"\s+" if mapping.separator == " " else mapping.separator,
                    decimal=mapping.decimal,
                    encoding="utf-8-sig",
                    compression=None,
                    header=None if by_number else 0,
                    skiprows=mapping.skip + (by_number and header),
                    dtype={name - 1 if isinstance(name, int) else name: str for name in texts},
                    # Not usecols: a row with a field too many, by a decimal comma, is an error.
                    index_col=False,
                    low_memory=False,
                    skipinitialspace=True,
                    chunksize=CHUNK,
                )
                chunks = opened.enter_context(reader)
            for number, chunk in enumerate(chunks):
                if number == 0 and mapping.channels != "mean":
                    self._refuse_channels_unsaid(chunk, wanted)
                yield chunk[wanted]

    def _tables(self, file: TextIO) -> Iterator[pd.DataFrame]:
        """JSON objects as tables, `CHUNK` rows at a time."""
        objects = self._objects(file)
        while part := list(islice(objects, CHUNK)):
            table = pd.json_normalize(part)
            self._check_columns(list(table.columns))
            yield table

    def _objects(self, file: TextIO) -> Iterator[dict[str, Any]]:
        """JSON objects: those of one array, or one a line, of which the last may be cut off."""
        in_array = file.read(1) == "["
        file.seek(0)
        texts = iter([file.read()]) if in_array else filter(str.strip, file)
        for row, text in enumerate(texts, self.line):
            try:
                found = json.loads(text) if in_array else [json.loads(text)]
                if not all(isinstance(one, dict) for one in found):
                    raise ValueError
                yield from found
            except ValueError:
                if in_array or next(texts, None) is not None:
                    what = text.strip()[:60]
                    raise PowerLogError(f"row {row} is no JSON object: {what}") from None
                self.cut_off = row

    def _check_first_rows(self) -> bool:
        """Whether the first row is a header, after a look at whether it is the right one."""
        separator = self.mapping.separator
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = islice(file, self.mapping.skip, self.mapping.skip + 2)
            if separator == " ":
                rows = [line.split() for line in lines]
            else:
                rows = [*csv.reader(lines, delimiter=separator, skipinitialspace=True)]
        if not rows or not any(rows[0]):
            raise PowerLogError("is empty")
        head = rows[0]
        wanted = self.mapping.columns
        first = self.mapping.values[0]
        if isinstance(first, int):
            last = max(int(number) for number in wanted)
            if last > len(head):
                found = f"its first row has {len(head)} with separator '{separator}'"
                raise PowerLogError(f"has no column {last}; {found}")
            return not _is_number(head[first - 1].replace(self.mapping.decimal, "."))
        self._check_columns(head)
        if len(rows) > 1 and len(rows[1]) > len(head) and any(rows[1][len(head) :]):
            raise PowerLogError(
                f"row 2 has {len(rows[1])} fields where the header has "
                f"{len(head)}; is '{separator}' the separator, or a decimal comma?"
            )
        return True

    def _check_columns(self, head: list[str]) -> None:
        """Refuse a header without the columns that are wanted, or with one of them twice."""
        wanted = self.mapping.columns
        if missing := [f"'{name}'" for name in wanted if name not in head]:
            raise PowerLogError(
                f"has no column {' or '.join(missing)}; its first row, split "
                f"at '{self.mapping.separator}', is {' | '.join(head)[:120]}. Without a header, "
                "give columns by number, e.g. time: 1; lines above it are left out by skip: 1"
            )
        if twice := [f"'{name}'" for name in wanted if head.count(str(name)) > 1]:
            raise PowerLogError(
                f"its header names column {' and '.join(twice)} more than once; give columns by "
                "number, e.g. time: 1"
            )

    def _refuse_channels_unsaid(self, chunk: pd.DataFrame, wanted: list[str | int]) -> None:
        """Refuse a log of several devices of which the mapping says nothing."""
        told = pd.Series("", chunk.index)
        if self.mapping.channel is not None and self.mapping.channels is not None:
            told = _devices(chunk[wanted[-1]])
            chunk = chunk[told.isin(self.asked) | (self.mapping.channels == "sum")]
        chunk = chunk[chunk[wanted[len(self.mapping.times)]].notna()]
        told = told[chunk.index]
        for name in chunk.columns.difference(wanted, sort=False):
            column = chunk[name].dropna()
            if column.map(type).isin([list, dict]).any():
                continue
            codes, devices = pd.factorize(column)
            if not 2 <= len(devices) <= min(MOST_CHANNELS, codes.size // 2):
                continue
            if column.groupby(told).nunique().max() == 1:
                continue  # another name of the devices that are told apart
            k = len(devices)
            rounds = np.sort(codes[: codes.size // k * k].reshape(-1, k), axis=1)
            in_turn = (rounds == np.arange(k)).all(axis=1).mean() > 0.95
            if in_turn or str(name).strip(" #").casefold() in DEVICES:
                shown = ", ".join(str(device) for device in devices[:8])
                called = name + 1 if isinstance(name, int) else name
                raise PowerLogError(
                    f"column '{called}' says that the rows are of {k} devices "
                    f"({shown}); say channel: {called}, and channels: sum or those to be added, "
                    f"e.g. channels: [{devices[0]}]"
                )

    def _chosen(self) -> list[str]:
        """The names of the devices whose samples are wanted, where the log has several."""
        there = [name for name in self.names if name]
        if self.mapping.channel is None:
            return self.names
        if isinstance(self.mapping.channels, tuple):
            if missing := [name for name in self.asked if name not in there]:
                known = f"there are {', '.join(there[:12])}"
                never = f"column '{self.mapping.channel}' never says {' or '.join(missing)}"
                raise PowerLogError(f"{never}; {known}")
            return self.asked
        if len(there) > 1 and self.mapping.channels is None:
            raise PowerLogError(
                f"the rows are of {len(there)} devices: {', '.join(there[:12])}; "
                f"say channels: sum, or those to be added, e.g. channels: [{there[0]}]"
            )
        return there

    def _read(self, chunk: pd.DataFrame) -> tuple[NDArray, NDArray, NDArray]:
        """Seconds since 1970, values and numbers of devices of the rows that have them."""
        columns = [chunk.iloc[:, place] for place in range(chunk.shape[1])]
        dates, count = len(self.mapping.times), len(self.mapping.values)
        texts, values = columns[0], columns[dates : dates + count]
        for further in columns[1:dates]:
            texts = texts.str.cat(further.astype(str), sep=" ")
        if self.mapping.time_format in EPOCH_UNITS and texts.dtype == object:
            texts = texts.astype(str)
        seconds = self.clock.seconds(texts)
        value = np.sum([self._numbers(column) for column in values], axis=0)
        code = np.zeros(len(chunk), dtype=np.int32)
        if self.mapping.channel is not None:
            found, names = pd.factorize(_devices(columns[-1]))
            self.names += [name for name in names if name not in self.names]
            code = np.array([*(self.names.index(name) for name in names), -1], np.int32)[found]
        # A logger that was started again may have written its header again.
        head = (columns[0].astype(object) == self.mapping.times[0]).to_numpy()
        repeated = head & np.isnan(seconds)
        unreadable = np.flatnonzero(np.isnan(seconds) & ~repeated)
        if self.no_time is not None:
            self._refuse_time(*self.no_time)
        if unreadable.size:
            self.no_time = (self._row(unreadable[0]), str(texts.iloc[unreadable[0]]))
            if unreadable[0] != len(chunk) - 1:
                self._refuse_time(*self.no_time)
        lost = ~np.isfinite(value) & ~repeated
        if lost.any():
            self.no_number = self.no_number or str(values[0][lost].iloc[0])
            self.without_value += int(lost.sum())
        self.rows += len(chunk)
        known = np.isfinite(seconds) & (np.isfinite(value) | self.mapping.hold)
        return seconds[known], value[known], code[known]

    def _numbers(self, raw: pd.Series) -> NDArray:
        """Values in W or J, as the mapping or their own units say; NaN where a text is no number.

        One text among numbers, and pandas leaves all of them as they were written.
        """
        units = WATTS if self.mapping.energy is None else JOULES
        if is_numeric_dtype(raw):
            value = raw.to_numpy(dtype=float)
            self._refuse_points_of_thousands(value)
            return value * units[self.mapping.unit]
        point = self.mapping.decimal
        comma = "," if point == "." else "."
        texts = raw.astype(str).str.strip()
        parts = texts.str.extract(rf"^([-+]?\d[\d{SPACES},.]*(?:[eE][-+]?\d+)?)\s*(\D*)$")
        numbers = parts[0].str.replace(rf"(?<=\d)[{SPACES}](?=\d{{3}})", "", regex=True)
        whole = rf"[-+]?[1-9]\d{{0,2}}(?:\{comma}\d{{3}})+"
        grouped = numbers.str.fullmatch(rf"{whole}(?:\{point}\d+)?").eq(True)
        clear = "decimal" in self.mapping.model_fields_set
        if grouped.any() and not (clear or numbers.str.contains(point, regex=False).eq(True).any()):
            raise PowerLogError(
                f"'{texts[grouped].iloc[0]}' may be thousands or a decimal comma; say "
                'decimal: "." or decimal: ","'
            )
        numbers = numbers.where(~grouped, numbers.str.replace(comma, "", regex=False))
        if point == ",":
            numbers = numbers.str.replace(".", "?", regex=False).where(~grouped, numbers)
            numbers = numbers.str.replace(",", ".", regex=False)
        value = pd.to_numeric(numbers, errors="coerce").to_numpy(dtype=float)
        own = parts[1].str.strip().replace({"": self.mapping.unit} | WRITTEN)
        value = value * own.map(units).to_numpy(dtype=float)
        wrong = np.isnan(value) & texts.str.match(r"[-+]?\d").to_numpy(dtype=bool)
        if wrong[:-1].any() and np.isfinite(value).any():
            place = int(np.flatnonzero(wrong)[0])
            what = f'no number of {self.mapping.unit} with decimal: "{point}"'
            raise PowerLogError(f"row {self._row(place)}: '{texts.iloc[place]}' is {what}")
        return value

    def _refuse_points_of_thousands(self, value: NDArray) -> None:
        """Refuse numbers of which those above 100 are whole, and all others have three decimals."""
        if "decimal" in self.mapping.model_fields_set:
            return
        whole = value % 1 == 0
        small, thousandths = np.abs(value) < 100, np.isclose(value * 1000 % 1, 0)
        parted = ~whole & np.isfinite(value)
        all_alike = (small & thousandths & (value >= 1))[parted].all()
        if parted.any() and all_alike and (whole & ~small).sum() > 2:
            text = f"{value[parted][0]:.3f}"
            raise PowerLogError(
                f"'{text}' beside {value[whole & ~small][0]:.0f} may be "
                f'{text.replace(".", "")}; say decimal: "," if the point is of thousands, or '
                'decimal: "."'
            )

    def _samples(self, time: NDArray, value: NDArray) -> Samples:
        rises = np.diff(value)
        if self.mapping.energy is None:
            never = rises.size >= NEVER and (rises >= 0).all()
            if never and (rises > 0).mean() > 0.5 and not self.mapping.hold:
                raise PowerLogError(
                    f"column '{self.mapping.values[0]}' never falls, from "
                    f"{value[0]:.6g} to {value[-1]:.6g}, like a counter of energy; if it is one, "
                    "name it as energy, with its unit"
                )
            return Samples(time, power=value, held=self.mapping.hold)
        if self.mapping.per_interval and time.size > 1:
            return _counted_up(time, value)
        falls, moves = int((rises < 0).sum()), int((rises != 0).sum())
        # One that restarts or wraps falls to next to nothing.
        back = int(((rises < 0) & (value[1:] > value[:-1] / 2)).sum())
        if falls > 1 and (falls >= FALLING * moves or back > MOST_BACK):
            raise PowerLogError(
                f"column '{self.mapping.values[0]}' is no counter: it falls "
                f"{falls} of the {moves} times that it changes. If each row has the energy of its "
                "own interval, set per_interval: true"
            )
        return Samples(time, counter=value)

    def _bursts(self, time: NDArray, value: NDArray) -> dict[str, tuple[NDArray, NDArray]]:
        """Tell devices apart that no column names: always as many rows at about the same time."""
        if self.mapping.channels == "mean" or time.size < 2 * FEWEST_BURSTS:
            return {"": self._one_a_moment(time, value)}
        begins = np.flatnonzero(np.diff(time, prepend=-np.inf) > (np.ptp(time) / time.size) / 5)
        sizes = np.diff(begins, append=time.size)
        k = int(np.median(sizes))
        whole = begins[sizes == k]
        if k < 2 or begins.size < FEWEST_BURSTS or whole.size < 0.9 * begins.size:
            return {"": self._one_a_moment(time, value)}
        table = value[whole[:, None] + np.arange(k)]
        usual = np.median(table, axis=0)
        if self.mapping.channels == "sum" and self.mapping.channel is None:
            return {
                f"row {place + 1}": (time[whole + place], table[:, place]) for place in range(k)
            }
        rounded = (time % 1 == 0).all()
        if (rounded or self.mapping.channel is not None) and np.ptp(usual) < 0.2 * usual.max():
            return {"": self._one_a_moment(time, value)}
        watts = ", ".join(f"{one:.4g}" for one in usual)
        raise PowerLogError(
            f"there are {k} rows for every moment (usually {watts} in W or J), "
            "as of several devices, and nothing says which is which. Log a column that does, and "
            "name it as channel; or say channels: sum to add them, channels: mean if it is one"
        )

    def _row(self, place: int) -> int:
        return self.rows + self.line + int(place)

    def _refuse_time(self, row: int, text: str) -> None:
        form = self.mapping.time_format
        said = {"iso": "ISO 8601"} | {unit: f"{unit} since 1970" for unit in EPOCH_UNITS}
        raise PowerLogError(
            f"row {row}: the time '{text}' is not in the form that time_format says, "
            f"{said.get(form, form)}; {advice(text)}"
        )

    def _kept(self, time: NDArray, *columns: NDArray) -> tuple[NDArray, ...]:
        if time.size:
            self.first, self.last = min(self.first, time.min()), max(self.last, time.max())
        starts, stops = self.windows
        begun = np.searchsorted(starts, time, side="right")
        part = begun + np.searchsorted(stops, time, side="left")  # odd inside of a window
        kept = part % 2 == 1
        if self.mapping.hold:
            # What holds when a window begins, of each device, and until when the last value does.
            rows = pd.Series(time).groupby([part, columns[-1]])
            kept |= (time == rows.transform("min")) | (time == rows.transform("max"))
        return time[kept], *(column[kept] for column in columns)

    def _refuse_what_is_unclear(self) -> None:
        if self.rows == 0:
            raise PowerLogError("has no rows")
        if self.no_time is not None and self.last < self.first:
            self._refuse_time(*self.no_time)
        if self.without_value >= self.rows:
            raise PowerLogError(
                f"column '{self.mapping.values[0]}' holds no numbers (its first "
                f"value is '{self.no_number}'); is decimal: \"{self.mapping.decimal}\" right?"
            )
        for begin, end, sentence in self.clock.unclear():
            starts, stops = self.windows
            if ((starts <= end) & (stops >= begin)).any():
                raise PowerLogError(sentence)

    def _in_order(self, time: NDArray, value: NDArray) -> tuple[tuple[NDArray, NDArray], list[str]]:
        """Sort by time, and take rows that stand twice once."""
        notes = []
        if late := int((np.diff(time) < 0).sum()):
            order = np.argsort(time, kind="stable")
            time, value = time[order], value[order]
            notes.append(f"the log is not in the order of time at {late} places; it was sorted")
        again = np.diff(time, prepend=np.nan) == 0
        same = again & (np.diff(value, prepend=np.nan) == 0)
        if again.any():
            notes.append(
                f"{int(again.sum())} samples have the time of another one; of such, "
                + ("the mean is taken" if self.mapping.energy is None else "the last is taken")
            )
        return (time[~same], value[~same]), notes

    def _one_a_moment(self, time: NDArray, value: NDArray) -> tuple[NDArray, NDArray]:
        """Of several samples of one moment, the mean power or the last counter."""
        places = np.flatnonzero(np.diff(time, prepend=-np.inf) > 0)
        if places.size == time.size:
            return time, value
        counts = np.diff(places, append=time.size)
        if self.mapping.energy is None:
            return time[places], np.add.reduceat(value, places) / counts
        return time[places], value[places + counts - 1]


def _devices(column: pd.Series) -> pd.Series:
    """Names of devices; a number of JSON's is one too, 0.0 where a row without one made it so."""
    return column.convert_dtypes().astype("string").str.strip()


def _counted_up(time: NDArray, energy: NDArray) -> Samples:
    """A counter of what each row says of the time until the next; over a hole it falls by 1 J, so
    that what was used there is taken as unknown.
    """
    interval = float(np.median(np.diff(time)))
    begins = np.append(0, np.flatnonzero(np.diff(time) > 1.5 * interval) + 1)
    moments = np.insert(time + interval, begins, time[begins])
    return Samples(moments, counter=np.cumsum(np.insert(energy, begins, -1.0)))


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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
