"""CodeCarbon's `emissions.csv`, of version 2 or 3 and from anyone's study, no row lost.

CodeCarbon does not know what a row is a run of. A small table beside the logs, the sidecar, says
it: any CSV file with the columns `file, row, architecture, dataset, repetition, accuracy`, where
`row` counts the data rows of `file` from 0. Further columns are taken over as they are.

Every data row ends up in the results or among the skipped rows with the reason.
"""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lib import counters

REQUIRED = ("timestamp", "duration", "energy_consumed")
POWERS = ("cpu_power", "gpu_power", "ram_power")
NUMBERS = (*counters.COUNTERS, *POWERS, "cpu_count", "gpu_count", "ram_total_size")
TEXTS = (
    *("timestamp", "run_id", "country_iso_code", "region", "cpu_model", "gpu_model"),
    *("os", "python_version", "codecarbon_version", "tracking_mode"),
)
NOT_NEEDED = (
    *("project_name", "experiment_id", "emissions_rate", "water_consumed", "country_name"),
    *("cloud_provider", "cloud_region", "longitude", "latitude", "on_cloud", "pue", "wue"),
    *("cpu_utilization_percent", "gpu_utilization_percent", "ram_utilization_percent"),
    *("ram_used_gb", "task_name"),
)
HISTORY = ("run_id", "epoch", "val_accuracy", "val_loss")
FRONT = (
    *("run_id", "status", "architecture", "dataset", "repetition", "location", "started_at"),
    *("ended_at", *counters.COUNTERS, "accuracy", "score"),
)
SIDECAR = ("file", "row", "architecture", "dataset", "repetition", "accuracy")


class LogError(ValueError):
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
        skipped: Those that could not.
        notes: What a reader should know, one sentence each.
    """

    rows: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows_read(self) -> int:
        """Data rows in the file, readable or not."""
        return len(self.rows) + len(self.skipped)


@dataclass(frozen=True)
class Imported:
    """What a folder of logs came to.

    Attributes:
        results: One row a run, with the columns of a study's results table.
        skipped: Rows that are in no record; `len(results) + len(skipped)` rows were read.
        notes: What a reader should know, one sentence each.
        histories: Accuracy and loss by epoch where the folder has them, one row an epoch:
            run_id, epoch (from 1), val_accuracy, val_loss.
    """

    results: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    histories: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(
            columns=["run_id", "epoch", "val_accuracy", "val_loss"]
        )
    )


def read(path: Path, name: str | None = None) -> Log:
    """Read one log.

    Args:
        path: The file.
        name: What messages call it; None: its own name.

    Raises:
        LogError: The file is empty, isn't text, or its header isn't CodeCarbon's.
    """
    name = name or path.name
    header: list[str] = []
    headers = 0
    rows: dict[int, dict[str, object]] = {}
    skipped: list[Skipped] = []
    number = -1
    for fields in _lines(path, name):
        if _is_header(fields) or not header:
            header = _checked(fields, name)
            headers += 1
            continue
        number += 1
        try:
            rows[number] = _row(header, fields)
        except ValueError as error:
            skipped.append(Skipped(name, number, str(error)))
    if not header:
        raise LogError(f"{name} is empty; expected CodeCarbon's header and a row a run")
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[*TEXTS, *NUMBERS])
    frame = frame.astype(dict.fromkeys(NUMBERS, float))
    return Log(frame, tuple(skipped), _notes(name, header, headers, number + 1))


def _lines(path: Path, name: str) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [fields for fields in csv.reader(file) if fields]  # blank lines are no rows
    except UnicodeDecodeError:
        raise LogError(f"{name} is not text in UTF-8; expected CodeCarbon's CSV") from None
    except csv.Error as error:
        raise LogError(f"{name} is not CSV: {error}") from None
    except OSError as error:
        raise LogError(f"{name} can't be read: {error.strerror}") from None


def _is_header(fields: list[str]) -> bool:
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


def _row(header: list[str], fields: list[str]) -> dict[str, object]:
    if len(fields) != len(header):
        cut = "cut off, or written under another header"
        raise ValueError(f"{len(fields)} fields where the header names {len(header)}: {cut}")
    values = dict(zip(header, (text.strip() for text in fields), strict=True))
    row: dict[str, object] = {column: values.get(column) or None for column in TEXTS}
    if pd.isna(pd.to_datetime(values["timestamp"], errors="coerce")):
        raise ValueError(f"timestamp '{values['timestamp']}' is no time")
    for column in NUMBERS:
        text = values.get(column, "")
        try:
            row[column] = float(text) if text else math.nan
        except ValueError:
            raise ValueError(f"{column} '{text}' is no number") from None
        if math.isinf(row[column]) or (column in REQUIRED and math.isnan(row[column])):
            raise ValueError(f"{column} is {text or 'empty'}")
    return row


def _notes(name: str, header: list[str], headers: int, rows: int) -> tuple[str, ...]:
    notes = []
    if headers > 1:
        notes.append(f"{name} holds {headers} headers; each row was read under the one above it.")
    if not rows:
        notes.append(f"{name} has a header and no row.")
    needed = ("run_id", *counters.COUNTERS, *POWERS)
    if missing := [column for column in needed if column not in header]:
        notes.append(f"{name} lacks {', '.join(missing)}: left empty.")
    known = {*TEXTS, *NUMBERS, *NOT_NEEDED, ""}
    if unknown := [column for column in header if column not in known]:
        notes.append(f"{name} has columns that CodeCarbon does not write: {', '.join(unknown)}.")
    return tuple(notes)


def find_sidecar(folder: Path) -> Path:
    """Find the table that says which row is which.

    Raises:
        LogError: There is none, or more than one.
    """
    found = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            header = next(csv.reader(file), [])
        if set(SIDECAR) <= {text.strip() for text in header}:
            found.append(path)
    if len(found) == 1:
        return found[0]
    columns = ",".join(SIDECAR)
    if found:
        names = ", ".join(path.name for path in found)
        raise LogError(f"'{folder}' has {len(found)} tables with the columns {columns}: {names}")
    raise LogError(
        f"'{folder}' has no table that says which row is which run: a CSV file with the columns "
        f"{columns} beside the logs, where row counts the data rows of file from 0"
    )


def read_folder(folder: Path) -> Imported:
    """Read all logs of a folder and give each row the run that the sidecar says it is.

    Cumulative rows of one tracker become differences; the logged value stays in `<column>_logged`.

    Raises:
        LogError: The folder has no sidecar or a wrong one, or a log that it names can't be read.
    """
    sidecar = find_sidecar(folder)
    runs = _read_sidecar(sidecar)
    named = list(dict.fromkeys(runs["file"]))
    others = sorted(
        path.name
        for path in folder.iterdir()
        if path != sidecar and path.name not in named and _looks_like_log(path)
    )
    logs, notes, skipped = [], [], []
    for name in [*named, *others]:
        if not (folder / name).is_file():
            raise LogError(f"{sidecar.name} names the log '{name}', which is not in '{folder}'")
        try:
            log = read(folder / name)
        except LogError as error:
            if name in named:
                raise
            notes.append(f"{error}. {sidecar.name} does not name it, so it was left out.")
            continue
        rows = log.rows.rename_axis("row").reset_index().assign(file=name)
        if name in others:
            reason = f"{sidecar.name} does not say which run it is"
            if ".bak" in name:
                reason += " (CodeCarbon puts a log aside as .bak when its columns change)"
            skipped += [Skipped(name, int(row), reason) for row in rows["row"]]
        else:
            logs.append(rows)
        notes += log.notes
        skipped += log.skipped
    table = pd.concat(logs, ignore_index=True)
    merged = table.merge(runs, on=["file", "row"], how="outer", indicator="side", sort=False)
    unnamed, absent = merged["side"].eq("left_only"), merged["side"].eq("right_only")
    skipped += [
        Skipped(row.file, int(row.row), f"{sidecar.name} does not say which run it is")
        for row in merged[unnamed].itertuples()
    ]
    unread = {(lost.file, lost.row) for lost in skipped}
    notes += [
        f"{sidecar.name} names row {row.row} of {row.file}, which has no such row."
        for row in merged[absent].itertuples()
        if (row.file, row.row) not in unread
    ]
    kept = merged[merged["side"].eq("both")].drop(columns="side").reset_index(drop=True)
    if kept.empty:
        raise LogError(f"{sidecar.name} names no row that the logs in '{folder}' have")
    return Imported(as_results(kept), tuple(skipped), tuple(dict.fromkeys(notes)))


def _looks_like_log(path: Path) -> bool:
    """A CSV with CodeCarbon's header, or anything called like one."""
    if not path.is_file():
        return False
    if ".csv" in path.name and path.name.startswith("emissions"):
        return True
    if path.suffix not in (".csv", ".bak"):
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return _is_header(next(csv.reader(file), []))


def _read_sidecar(path: Path) -> pd.DataFrame:
    text = {"file": str, "architecture": str, "dataset": str}
    try:
        runs = pd.read_csv(path, dtype=text, skipinitialspace=True, encoding="utf-8-sig")
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise LogError(f"{path.name} is not CSV: {str(error).strip()}") from None
    runs = runs.rename(columns=str.strip)
    problems = []
    for column in ("row", "repetition"):
        numbers = pd.to_numeric(runs[column], errors="coerce")
        for line in runs.index[numbers.isna() | (numbers % 1 != 0) | (numbers < 0)]:
            problems.append(f"line {line + 2}: {column} '{runs[column][line]}' is no whole number")
    accuracy = pd.to_numeric(runs["accuracy"], errors="coerce")
    given = runs["accuracy"].notna()
    for line in runs.index[given & ~accuracy.between(0, 1)]:
        problems.append(f"line {line + 2}: accuracy '{runs['accuracy'][line]}' is not from 0 to 1")
    for column in ("file", "architecture", "dataset"):
        problems += [f"line {n + 2}: {column} is empty" for n in runs.index[runs[column].isna()]]
    twice = runs.duplicated(["file", "row"])
    problems += [
        f"line {line + 2}: row {runs['row'][line]} of {runs['file'][line]} is named twice"
        for line in runs.index[twice]
    ]
    if clash := [name for name in runs.columns if name in {*TEXTS, *NUMBERS} - {"run_id"}]:
        problems.append(f"columns {', '.join(clash)} belong to the logs, not here")
    if runs.empty:
        problems.append("it has no row")
    if problems:
        raise LogError(f"{path.name}: " + "; ".join(problems))
    runs = runs.drop(columns="run_id", errors="ignore")
    return runs.assign(row=runs["row"].astype(int), repetition=runs["repetition"].astype(int))


def as_results(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of logs, each with its run, as a study's results table.

    Args:
        rows: Columns of `Log.rows` and of the sidecar.

    Returns:
        The columns of a results table. Counters are what the run itself took; what the log says
        stays in `<counter>_logged`. `cpu_power, gpu_power, ram_power` (W) are the log's last
        reading, not a mean. Times are as logged, without a zone.
    """
    ended = pd.to_datetime(rows["timestamp"], format="ISO8601")
    frame = rows.rename(columns={"run_id": "tracker_run_id", "file": "source_file"})
    frame = frame.rename(columns={"row": "source_row"}).assign(ended_at=ended)
    frame = frame.assign(**{f"{name}_logged": frame[name] for name in counters.COUNTERS})
    frame = _per_run(frame)
    place = frame["country_iso_code"].str.cat(frame["region"].map(_with_slash), na_rep="")
    frame = frame.assign(
        run_id=[_run_id(row) for row in frame.itertuples()],
        status="completed",
        dataset=frame["dataset"].str.lower(),
        location=frame.get("location", place),
        location_source="CodeCarbon's log",
        machine=_machine(frame),
        started_at=(frame["ended_at"] - pd.to_timedelta(frame["duration"], "s")),
        score=frame["accuracy"] / frame["energy_consumed"].where(frame["energy_consumed"] > 0),
        carbon_intensity=1000 * frame["emissions_logged"] / frame["energy_consumed_logged"],
    )
    for name in ("started_at", "ended_at"):
        frame[name] = frame[name].dt.strftime("%Y-%m-%dT%H:%M:%S")
    frame = frame.drop(columns="timestamp").sort_values(["started_at", "run_id"], ignore_index=True)
    return frame[[*FRONT, *frame.columns.drop(list(FRONT))]]


def _per_run(frame: pd.DataFrame) -> pd.DataFrame:
    ordered = frame.sort_values("ended_at", kind="stable")
    for _, rows in ordered.groupby("tracker_run_id", sort=False):
        if columns := counters.growing(rows):
            own = counters.difference_cumulative(rows, columns=columns)
            frame.loc[rows.index, list(columns)] = own[list(columns)]
    return frame


def _with_slash(region: str | float) -> str:
    return f"/{region}" if isinstance(region, str) else ""


def _machine(frame: pd.DataFrame) -> pd.Series:
    processors = frame["cpu_count"].map("{:.0f} x ".format) + frame["cpu_model"].fillna("CPU")
    return processors.where(frame["gpu_model"].isna(), processors + ", " + frame["gpu_model"])


def _run_id(row: tuple) -> str:
    source = f"{row.source_file}:{row.source_row}:{row.tracker_run_id}:{row.ended_at}"
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    return f"{row.architecture}-{row.dataset.lower()}-r{row.repetition}-{digest}"
