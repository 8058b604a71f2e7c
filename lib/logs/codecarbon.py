"""CodeCarbon's `emissions.csv`, of versions 1 to 3 and from anyone's study, no row lost.

Every data row is either read or among the skipped ones with the reason. `own_counters` gives each
row what it took itself, and `lib.logs.folder` makes runs of the rows.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib.files import plain
from lib.logs import counters
from lib.study.errors import UserError
from lib.units import mean_power

REQUIRED = ("timestamp", "duration", "energy_consumed")
POWERS = ("cpu_power", "gpu_power", "ram_power")
PLACE = ("longitude", "latitude", "pue")
NUMBERS = (*counters.COUNTERS, *POWERS, "cpu_count", "gpu_count", "ram_total_size", *PLACE)
TEXTS = (
    *("timestamp", "run_id", "task_name", "country_iso_code", "region", "cpu_model", "gpu_model"),
    *("os", "python_version", "codecarbon_version", "tracking_mode"),
)
NOT_NEEDED = (
    *("project_name", "experiment_id", "emissions_rate", "water_consumed", "country_name"),
    *("cloud_provider", "cloud_region", "on_cloud", "wue", "cpu_utilization_percent"),
    *("gpu_utilization_percent", "ram_utilization_percent", "ram_used_gb"),
)

QUEBEC = (-71.2, 46.8)
"""Longitude and latitude that CodeCarbon takes, with Canada's electricity, if it finds no place."""

MEANS_SINCE = (3, 1, 2)
"""The version of CodeCarbon since which a row's powers are means, not the last readings."""

ONE_READING_TOLERANCE = 0.001
"""W between a run's mean GPU power and the log's last reading, below which they are one. In the
authors' logs single readings are 0.0005 W apart at most; a steady load may end within 0.01 W of its
mean by chance."""


class LogError(UserError, ValueError):
    """A log, a sidecar or a folder of them can't be read; the message says what would be right."""


@dataclass(frozen=True)
class Skipped:
    """A data row (from 0) of a log, or of a sidecar, that is in no record, and why."""

    file: str
    row: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.reason}"


@dataclass(frozen=True)
class Log:
    """The rows of one `emissions.csv`, or of several together.

    Columns are `file`, `row` (its number in the file, from 0) and CodeCarbon's: energies in kWh,
    emissions in kg CO2-eq, duration in s, power in W.
    """

    rows: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()  # those that could not be read
    notes: tuple[str, ...] = ()  # what a reader should know, one sentence each


def read(path: Path, name: str | None = None) -> Log:
    """Read one log, its counters as they are logged.

    Raises:
        LogError: The file is empty, isn't text, or its header isn't CodeCarbon's.
    """
    name = name or path.name
    headers: list[list[str]] = []
    tables: list[dict[int, list[str | None]]] = []
    skipped: list[Skipped] = []
    number = -1
    for fields in _lines(path, name):
        if is_header(fields) or not headers:
            headers.append(_checked(fields, name))
            tables.append({})
            continue
        number += 1
        if len(fields) == len(headers[-1]):
            tables[-1][number] = [field.strip() or None for field in fields]
        else:
            cut = f"{len(fields)} fields where the header names {len(headers[-1])}"
            said = f"{cut}: cut off, or written under another header"
            skipped.append(Skipped(name, number, said))
    if not headers:
        raise LogError(f"{name} is empty; expected CodeCarbon's header and a row a run")
    parts = [
        pd.DataFrame([*rows.values()], index=[*rows], columns=header, dtype=object)
        for header, rows in zip(headers, tables, strict=True)
    ]
    # A column without a name is what a trailing comma or an index makes.
    texts = pd.concat([part.loc[:, [bool(name) for name in part.columns]] for part in parts])
    if "run_id" not in texts and "experiment_id" in texts:
        texts = texts.assign(run_id=texts["experiment_id"])  # CodeCarbon 1: of the tracker
    rows, wrong = _converted(texts.reindex(columns=[*TEXTS, *NUMBERS]))
    skipped += [Skipped(name, int(row), said) for row, said in wrong.dropna().items()]
    rows = rows[wrong.isna()].rename_axis("row").reset_index().assign(file=name)
    skipped.sort(key=lambda one: one.row)
    return Log(rows, tuple(skipped), _notes(name, headers, number + 1))


def _converted(texts: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Rows with numbers for texts, and what is wrong with each; None where nothing is."""
    said = texts[[*NUMBERS]].to_numpy()
    numbers = pd.to_numeric(said.ravel(), errors="coerce").astype(float).reshape(said.shape)
    empty = np.isnan(numbers)
    unread = empty & pd.notna(said) & (said != "nan") & (said != "NaN")
    amiss = unread | np.isinf(numbers) | (empty & np.isin(NUMBERS, REQUIRED))
    when = pd.to_datetime(texts["timestamp"], errors="coerce", format="ISO8601", utc=True)
    timeless, short = when.isna().to_numpy(), numbers[:, NUMBERS.index("duration")] <= 0
    wrong = np.full(len(texts), None)
    for row in np.flatnonzero(timeless | amiss.any(axis=1) | short):
        text, column = texts.iloc[row], amiss[row].argmax()
        name, value = NUMBERS[column], said[row, column]
        if timeless[row]:
            wrong[row] = f"timestamp '{text['timestamp'] or ''}' is no time"
        elif unread[row, column]:
            wrong[row] = f"{name} '{value}' is no number"
        elif amiss[row, column]:
            wrong[row] = f"{name} is {value or 'empty'}"
        else:
            wrong[row] = f"duration is {text['duration']} s, not above 0"
    figures = pd.DataFrame(numbers, texts.index, NUMBERS)
    rows = pd.concat([texts[[*TEXTS]], figures], axis=1)
    return rows, pd.Series(wrong, texts.index, dtype=object)


def own_counters(logs: Sequence[Log]) -> Log:
    """Give each row of some logs what it took itself; a tracker's rows may be in several of them.

    `<counter>_logged` is as the files say, and the counters are what each row added to the
    tracker's rows before it. Skipped are also rows that stand twice, or that a second `stop` wrote.
    What can't be told apart is empty, which the notes say.
    """
    rows = pd.concat([log.rows for log in logs], ignore_index=True)
    own = rows.assign(**{f"{name}_logged": rows[name] for name in counters.COUNTERS})
    own["ended_at"] = times(rows["timestamp"])
    # What a log says later came later, though its clock may have been put back an hour.
    own["came"] = own.groupby("file")["ended_at"].cummax()
    own["tracker"] = _trackers(own)
    skipped = [lost for log in logs for lost in log.skipped]
    notes = list(dict.fromkeys(note for log in logs for note in log.notes))
    unreadable = {(lost.file, lost.row) for lost in skipped}
    same = ["run_id", "timestamp", *counters.COUNTERS]
    twice = own["run_id"].notna() & own.duplicated(same)
    skipped += _skipped(own[twice], "stands in the logs more than once")
    own = own[~twice]
    # A tracker's tasks share its id, but each has figures of its own.
    place = ["file", "row"]
    told = [*place, "tracker", "came", "ended_at", *counters.COUNTERS]
    whole = own.loc[own["task_name"].isna(), told]
    whole = counters.in_order(whole[whole.duplicated("tracker", keep=False)], by="tracker")
    its = whole.groupby("tracker", sort=False)
    repeated = (its[list(counters.ENERGIES)].diff().fillna(0) == 0).all(axis=1)
    repeated &= (its.cumcount() > 0) & (whole["energy_consumed"] > 0)
    repeats = "repeats the row before it: its tracker was stopped a second time"
    skipped += _skipped(whole[repeated], repeats)
    own, whole = own.drop(index=whole.index[repeated]), whole[~repeated]
    energy_grows, duration_grows = counters.growing(whole, by="tracker")
    added = counters.difference_cumulative(whole, by="tracker")
    gap = pd.Series(False, whole.index)
    if unreadable:
        before = [(file, row - 1) in unreadable for file, row in whole[place].to_numpy()]
        gap = energy_grows & pd.Series(before, whole.index, dtype=bool)
        left = "its counters may hold the unreadable row before it; left empty."
        notes += [f"{file}, row {row}: {left}" for file, row in whole.loc[gap, place].to_numpy()]
    for names, grow in ((counters.SUMS, energy_grows), (("duration",), duration_grows)):
        changed = added.loc[grow, list(names)].mask(gap[grow])
        own.loc[changed.index, list(names)] = changed
    return Log(own.drop(columns=["ended_at", "came", "tracker"]), tuple(skipped), tuple(notes))


def _skipped(rows: pd.DataFrame, why: str) -> list[Skipped]:
    return [Skipped(file, int(row), why) for file, row in rows[["file", "row"]].to_numpy()]


def _trackers(rows: pd.DataFrame) -> pd.Series:
    """What tells trackers apart: their ids, or where there are none, what the durations say.

    A row that outlasted the time since the row before it, by as much as that row lasted, is of the
    same tracker.
    """
    elapsed = rows["came"].diff().dt.total_seconds().where(rows["file"] == rows["file"].shift())
    longer = rows["duration"].diff()
    goes_on = (longer - elapsed).abs().le(counters.CLOCK_TOLERANCE)
    goes_on &= longer.gt(counters.CLOCK_TOLERANCE) & rows["energy_consumed"].diff().ge(0)
    return rows["run_id"].fillna("without id " + (~goes_on).cumsum().astype(str))


def times(timestamps: pd.Series) -> pd.Series:
    """Timestamps as logged: local and without a zone, or of a zone and then in UTC."""
    return pd.to_datetime(timestamps, format="ISO8601", utc=True).dt.tz_localize(None)


def _lines(path: Path, name: str) -> list[list[str]]:
    """The fields of every line that isn't blank.

    Line by line, since CodeCarbon writes no line breaks into a field: in a damaged file a stray
    quotation mark would make one row of all that follow it.
    """
    try:
        lines = plain(path).read_text(encoding="utf-8-sig").splitlines()
        return [next(csv.reader([line])) for line in lines if line.strip()]
    except UnicodeDecodeError:
        raise LogError(f"{name} is not text in UTF-8; expected CodeCarbon's CSV") from None
    except csv.Error as error:
        raise LogError(f"{name} is not CSV: {error}") from None
    except OSError as error:
        raise LogError(f"{name} can't be read: {error.strerror}") from None


def is_header(fields: list[str]) -> bool:
    """Whether a line names CodeCarbon's columns."""
    return set(REQUIRED) <= {text.strip() for text in fields}


def _checked(fields: list[str], name: str) -> list[str]:
    columns = [text.strip() for text in fields]
    if missing := [column for column in REQUIRED if column not in columns]:
        raise LogError(
            f"{name} has no column {', '.join(missing)}; expected CodeCarbon's header, "
            f"found {', '.join(columns)[:80]}"
        )
    if twice := sorted({column for column in columns if column and columns.count(column) > 1}):
        raise LogError(f"{name} names {', '.join(twice)} twice in its header")
    return columns


def _notes(name: str, headers: list[list[str]], rows: int) -> tuple[str, ...]:
    notes = []
    if (count := len(headers)) > 1:
        notes.append(f"{name} holds {count} headers; each row was read under the one above it.")
    if not rows:
        notes.append(f"{name} has a header and no row.")
    needed = ("run_id", *counters.COUNTERS, *POWERS)
    if missing := [column for column in needed if any(column not in one for one in headers)]:
        notes.append(f"{name} lacks {', '.join(missing)}: left empty.")
    known = {*TEXTS, *NUMBERS, *NOT_NEEDED, ""}
    if unknown := sorted({column for one in headers for column in one} - known):
        notes.append(f"{name} has columns that CodeCarbon does not write: {', '.join(unknown)}.")
    return tuple(notes)


def no_place(rows: pd.DataFrame) -> pd.Series:
    """Tell which rows have the place that CodeCarbon takes if it could not find out its own."""
    away = rows[["longitude", "latitude"]].sub(QUEBEC).abs().max(axis=1)
    return (rows["country_iso_code"] == "CAN") & (away < 0.05)


def without_pue(rows: pd.DataFrame) -> pd.DataFrame:
    """Take the factor for the building (PUE) out of energies and emissions.

    CodeCarbon multiplies the energies by it and, in some versions, the powers: RAM, whose power is
    a constant, tells which.
    """
    pue = rows["pue"].where(rows["pue"] > 0, 1.0).fillna(1.0)
    ratio = mean_power(rows["ram_energy"], rows["duration"]) / rows["ram_power"]
    in_powers = ratio.between(0.97, 1.03)
    scaled = ("emissions", *counters.ENERGIES)
    energies = {name: rows[name] / pue for one in scaled for name in (one, f"{one}_logged")}
    powers = {name: rows[name].where(~in_powers, rows[name] / pue) for name in POWERS}
    return rows.assign(**energies, **powers)


def one_gpu_reading(results: pd.DataFrame) -> pd.Series:
    """Tell which runs' GPU energy is a single power reading times the run's duration.

    A tracker that is started again samples no more: `EmissionsTracker.start` of CodeCarbon 2
    returns at once where there was a start before, so that the one reading which `stop` takes
    stands for the whole run. Its mean power then equals the last reading in the log. Of versions
    whose `gpu_power` is a mean itself it can't be told.
    """
    mean = mean_power(results["gpu_energy"], results["duration"])
    one = (mean - results["gpu_power"]).abs() < ONE_READING_TOLERANCE
    return one & (results["gpu_energy"] > 0) & last_readings(results)


def last_readings(rows: pd.DataFrame) -> pd.Series:
    """Tell of which rows the powers are last readings, and not means of the run."""
    texts = rows.get("codecarbon_version", pd.Series(None, rows.index, dtype=object))
    numbers = texts.map(lambda text: tuple(map(int, re.findall(r"\d+", str(text))[:3])))
    return numbers.map(lambda version: version < MEANS_SINCE).astype(bool)
