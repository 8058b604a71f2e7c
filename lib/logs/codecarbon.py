"""CodeCarbon's `emissions.csv`, of version 2 or 3 and from anyone's study, no row lost.

Every data row is either read or among the skipped ones with the reason. `lib.logs.folder` makes
runs of the rows.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lib.logs import counters
from lib.study.errors import UserError
from lib.units import mean_power

REQUIRED = ("timestamp", "duration", "energy_consumed")
POWERS = ("cpu_power", "gpu_power", "ram_power")
NUMBERS = (*counters.COUNTERS, *POWERS, "cpu_count", "gpu_count", "ram_total_size")
TEXTS = (
    *("timestamp", "run_id", "task_name", "country_iso_code", "region", "cpu_model", "gpu_model"),
    *("os", "python_version", "codecarbon_version", "tracking_mode"),
)
NOT_NEEDED = (
    *("project_name", "experiment_id", "emissions_rate", "water_consumed", "country_name"),
    *("cloud_provider", "cloud_region", "longitude", "latitude", "on_cloud", "pue", "wue"),
    *("cpu_utilization_percent", "gpu_utilization_percent", "ram_utilization_percent"),
    "ram_used_gb",
)

ONE_READING_TOLERANCE = 0.01
"""W between a run's mean GPU power and the log's last reading, from which on they are one."""


class LogError(UserError, ValueError):
    """A log, a sidecar or a folder of them can't be read; the message says what would be right."""


@dataclass(frozen=True)
class Skipped:
    """A data row that is in no record.

    Attributes:
        file: The log, or the sidecar where it names a row that no log has.
        row: Its number among the file's data rows, from 0.
        reason: Why, in words.
    """

    file: str
    row: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.reason}"


@dataclass(frozen=True)
class Log:
    """One `emissions.csv`.

    Attributes:
        rows: The rows that could be read, indexed by their number in the file; columns are
            CodeCarbon's, energies in kWh, emissions in kg CO2-eq, duration in s, power in W.
            Counters are what each row itself took, `<counter>_logged` is what the file says.
        skipped: Those that could not.
        notes: What a reader should know, one sentence each.
    """

    rows: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


def read(path: Path, name: str | None = None) -> Log:
    """Read one log.

    Args:
        path: The file.
        name: What messages call it; None: its own name.

    Raises:
        LogError: The file is empty, isn't text, or its header isn't CodeCarbon's.
    """
    name = name or path.name
    headers: list[list[str]] = []
    rows: dict[int, dict[str, object]] = {}
    skipped: list[Skipped] = []
    number = -1
    for fields in _lines(path, name):
        if is_header(fields) or not headers:
            headers.append(_checked(fields, name))
            continue
        number += 1
        try:
            rows[number] = _row(headers[-1], fields)
        except ValueError as error:
            skipped.append(Skipped(name, number, str(error)))
    if not headers:
        raise LogError(f"{name} is empty; expected CodeCarbon's header and a row a run")
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[*TEXTS, *NUMBERS])
    frame = frame.astype(dict.fromkeys(NUMBERS, float))
    notes = _notes(name, headers, number + 1)
    rows_of_their_own, gaps = _own_counters(frame, {lost.row for lost in skipped})
    notes += tuple(
        f"{name}, row {gap}: its counters may hold the unreadable row before it; left empty."
        for gap in gaps
    )
    return Log(rows_of_their_own, tuple(skipped), notes)


def _own_counters(frame: pd.DataFrame, unreadable: set[int]) -> tuple[pd.DataFrame, list[int]]:
    """Give each row what it took itself, and name the rows of which that can't be known."""
    own = frame.assign(**{f"{name}_logged": frame[name] for name in counters.COUNTERS})
    # A tracker's tasks share its id, but each has figures of its own.
    whole = frame[frame["task_name"].isna()].assign(ended_at=times(frame["timestamp"]))
    gaps = []
    for _, rows in whole.sort_values("ended_at", kind="stable").groupby("run_id", sort=False):
        columns = list(counters.growing(rows))
        if not columns:
            continue
        added = counters.difference_cumulative(rows, by="run_id", columns=columns)
        own.loc[rows.index, columns] = added[columns]
        after_a_gap = [number for number in rows.index if number - 1 in unreadable]
        own.loc[after_a_gap, columns] = math.nan
        gaps += after_a_gap
    return own, gaps


def times(timestamps: pd.Series) -> pd.Series:
    """Timestamps as logged: local and without a zone, or of a zone and then in UTC."""
    return pd.to_datetime(timestamps, format="ISO8601", utc=True).dt.tz_localize(None)


def _lines(path: Path, name: str) -> list[list[str]]:
    """The fields of every line that isn't blank.

    Line by line, since CodeCarbon writes no line breaks into a field: in a damaged file a stray
    quotation mark would make one row of all that follow it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
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
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise LogError(
            f"{name} has no column {', '.join(missing)}; expected CodeCarbon's header, "
            f"found {', '.join(columns)[:80]}"
        )
    if twice := sorted({column for column in columns if column and columns.count(column) > 1}):
        raise LogError(f"{name} names {', '.join(twice)} twice in its header")
    return columns


def _row(header: list[str], fields: list[str]) -> dict[str, Any]:
    if len(fields) != len(header):
        cut = "cut off, or written under another header"
        raise ValueError(f"{len(fields)} fields where the header names {len(header)}: {cut}")
    values = dict(zip(header, (text.strip() for text in fields), strict=True))
    row: dict[str, Any] = {column: values.get(column) or None for column in TEXTS}
    if pd.isna(pd.to_datetime(values["timestamp"], errors="coerce", format="ISO8601")):
        raise ValueError(f"timestamp '{values['timestamp']}' is no time")
    for column in NUMBERS:
        text = values.get(column, "")
        try:
            row[column] = float(text) if text else math.nan
        except ValueError:
            raise ValueError(f"{column} '{text}' is no number") from None
        if math.isinf(row[column]) or (column in REQUIRED and math.isnan(row[column])):
            raise ValueError(f"{column} is {text or 'empty'}")
    if row["duration"] <= 0:
        raise ValueError(f"duration is {values['duration']} s, not above 0")
    return row


def _notes(name: str, headers: list[list[str]], rows: int) -> tuple[str, ...]:
    notes = []
    if len(headers) > 1:
        count = f"{name} holds {len(headers)} headers"
        notes.append(f"{count}; each row was read under the one above it.")
    if not rows:
        notes.append(f"{name} has a header and no row.")
    needed = ("run_id", *counters.COUNTERS, *POWERS)
    if missing := [column for column in needed if any(column not in one for one in headers)]:
        notes.append(f"{name} lacks {', '.join(missing)}: left empty.")
    known = {*TEXTS, *NUMBERS, *NOT_NEEDED, ""}
    if unknown := sorted({column for one in headers for column in one} - known):
        notes.append(f"{name} has columns that CodeCarbon does not write: {', '.join(unknown)}.")
    return tuple(notes)


def one_gpu_reading(results: pd.DataFrame) -> pd.Series:
    """Tell which runs' GPU energy is a single power reading times the run's duration.

    A tracker that is started again samples no more: `EmissionsTracker.start` of CodeCarbon 2
    returns at once where there was a start before, so that the one reading which `stop` takes
    stands for the whole run. Its mean power then equals the last reading in the log.

    Args:
        results: Columns `gpu_energy` (kWh), `duration` (s), `gpu_power` (W, last reading).

    Returns:
        One boolean a run; False where a figure is missing.
    """
    mean = mean_power(results["gpu_energy"], results["duration"])
    return (mean - results["gpu_power"]).abs() < ONE_READING_TOLERANCE
