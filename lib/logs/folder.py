"""A folder of CodeCarbon's logs as a study's results table, from anyone's study.

CodeCarbon does not know what a row is a run of. A small table beside the logs, the sidecar, says
it: any CSV file with the columns `file, row, architecture, dataset, repetition, accuracy`, where
`row` counts the data rows of `file` from 0. Further columns are taken over as they are.

Every data row ends up in the results or among the skipped rows with the reason.
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lib.logs import counters
from lib.logs.codecarbon import NUMBERS, TEXTS, LogError, Skipped, is_header, read, times
from lib.stats.score import score

HISTORY = ("run_id", "epoch", "val_accuracy", "val_loss")
FRONT = (
    *("run_id", "status", "architecture", "dataset", "repetition", "location", "started_at"),
    *("ended_at", *counters.COUNTERS, "accuracy", "score"),
)
SIDECAR = ("file", "row", "architecture", "dataset", "repetition", "accuracy")


_TAKEN = {
    *("campaign", "status", "error", "reasons", "doubts", "config", "extra", "readings", "phases"),
    *("hardware", "versions", "data", "schema_version", "measurement_version"),
}
"""Columns that a sidecar can't have: what results have of these names is none of its values."""


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


def find_sidecar(folder: Path) -> Path:
    """Find the table that says which row is which.

    Raises:
        LogError: There is none, or more than one.
    """
    tables = sorted(path for path in folder.glob("*.csv") if path.is_file())
    found = [path for path in tables if set(SIDECAR) <= set(_first_fields(path))]
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
    logs, skipped, notes = _read_logs(folder, sidecar.name, named, others)
    table = pd.concat(logs, ignore_index=True)
    merged = table.merge(runs, on=["file", "row"], how="outer", indicator="side", sort=False)
    unnamed, absent = merged["side"].eq("left_only"), merged["side"].eq("right_only")
    skipped += [
        Skipped(row.file, int(row.row), _unnamed(sidecar.name, row.file))
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


def _read_logs(
    folder: Path, sidecar: str, named: list[str], others: list[str]
) -> tuple[list[pd.DataFrame], list[Skipped], list[str]]:
    """Read the logs that the sidecar names, and count the rows of those that it doesn't."""
    tables: list[pd.DataFrame] = []
    skipped: list[Skipped] = []
    notes: list[str] = []
    for name in named:
        if not (folder / name).is_file():
            raise LogError(f"{sidecar} names the log '{name}', which is not in '{folder}'")
        log = read(folder / name, name)
        tables.append(log.rows.rename_axis("row").reset_index().assign(file=name))
        skipped += log.skipped
        notes += log.notes
    for name in others:
        try:
            log = read(folder / name, name)
        except LogError as error:
            notes.append(f"{error}. {sidecar} does not name it, so it was left out.")
            continue
        skipped += log.skipped
        skipped += [Skipped(name, int(row), _unnamed(sidecar, name)) for row in log.rows.index]
    return tables, skipped, notes


def _unnamed(sidecar: str, log: str) -> str:
    reason = f"{sidecar} does not say which run it is"
    aside = " (CodeCarbon puts a log aside as .bak when its columns change)"
    return reason + aside if ".bak" in log else reason


def _looks_like_log(path: Path) -> bool:
    """A CSV with CodeCarbon's header, or anything called like one."""
    if not path.is_file():
        return False
    if ".csv" in path.name and path.name.startswith("emissions"):
        return True
    if path.suffix not in (".csv", ".bak"):
        return False
    return is_header(_first_fields(path))


def _first_fields(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return [text.strip() for text in next(csv.reader(file), [])]
        except csv.Error:
            return []


def _read_sidecar(path: Path) -> pd.DataFrame:
    text = {"file": str, "architecture": str, "dataset": str}
    try:
        runs = pd.read_csv(path, dtype=text, skipinitialspace=True, encoding="utf-8-sig")
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise LogError(f"{path.name} is not CSV: {str(error).strip()}") from None
    runs = runs.rename(columns=str.strip)
    problems = []
    for column, first in (("row", 0), ("repetition", 1)):
        numbers = pd.to_numeric(runs[column], errors="coerce")
        for line in runs.index[numbers.isna() | (numbers % 1 != 0) | (numbers < first)]:
            said = f"{column} '{runs[column][line]}'"
            problems.append(f"line {line + 2}: {said} is no whole number from {first}")
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
    if taken := [name for name in runs.columns if name in _TAKEN]:
        problems.append(f"columns {', '.join(taken)} mean something else in results; rename them")
    # A log of another folder would not be handed on with this one, and may be nobody's to read.
    for name in runs["file"].dropna().unique():
        if not (path.parent / name).resolve().is_relative_to(path.parent.resolve()):
            problems.append(f"file '{name}' is not in the folder of {path.name}")
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
        The columns of a results table. `cpu_power, gpu_power, ram_power` (W) are CodeCarbon 2's
        last reading of the run, not a mean. Times are as logged, without a zone.
    """
    source = {"run_id": "tracker_run_id", "file": "source_file", "row": "source_row"}
    frame = rows.rename(columns=source).assign(ended_at=times(rows["timestamp"]))
    positive = frame["energy_consumed"] > 0
    place = frame["country_iso_code"].str.cat(frame["region"].map(_with_slash), na_rep="")
    frame = frame.assign(
        run_id=[_run_id(row) for row in frame.itertuples()],
        status="completed",
        dataset=frame["dataset"].str.lower(),
        location=frame.get("location", place),
        location_source="CodeCarbon's log",
        machine=_machine(frame),
        started_at=(frame["ended_at"] - pd.to_timedelta(frame["duration"], "s")),
        score=score(frame["accuracy"], frame["energy_consumed"]),
        carbon_intensity=1000 * frame["emissions"] / frame["energy_consumed"].where(positive),
    )
    for name in ("started_at", "ended_at"):
        frame[name] = frame[name].dt.strftime("%Y-%m-%dT%H:%M:%S")
    frame = frame.drop(columns="timestamp").sort_values(["started_at", "run_id"], ignore_index=True)
    frame = frame.drop(columns="task_name") if frame["task_name"].isna().all() else frame
    return frame[[*FRONT, *frame.columns.drop(list(FRONT))]]


def _with_slash(region: str | float) -> str:
    return f"/{region}" if isinstance(region, str) else ""


def _machine(frame: pd.DataFrame) -> pd.Series:
    processors = frame["cpu_count"].map("{:.0f} x ".format) + frame["cpu_model"].fillna("CPU")
    return processors.where(frame["gpu_model"].isna(), processors + ", " + frame["gpu_model"])


def _run_id(row: Any) -> str:
    source = f"{row.source_file}:{row.source_row}:{row.tracker_run_id}:{row.ended_at}"
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    name = f"{row.architecture}-{row.dataset.lower()}-r{row.repetition}-{digest}"
    return re.sub(r"[^\w.-]", "_", name)  # it names a folder
