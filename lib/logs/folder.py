"""A folder of CodeCarbon's logs as a study's results table, from anyone's study.

CodeCarbon does not know what a row is a run of. A small table beside the logs, the sidecar, says
it: any CSV file with the columns `file, row, architecture, dataset, repetition`, where `row` counts
the data rows of `file` from 0. `accuracy`, `status`, `machine`, `location` and further columns are
taken over as they are. Rows of which it says nothing are left out.

Every data row ends up in the results or among the skipped rows with the reason.
"""

import csv
import dataclasses
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.files import CSV_OF_OTHERS, plain, write_atomically
from lib.logs import codecarbon, counters
from lib.logs.codecarbon import Log, LogError, Skipped
from lib.stats.score import score
from lib.units import mean_power

HISTORY = ("run_id", "epoch", "val_accuracy", "val_loss")
FRONT = (
    *("run_id", "status", "architecture", "dataset", "repetition", "location", "started_at"),
    *("ended_at", *counters.COUNTERS, "accuracy", "score"),
)
SAID = ("architecture", "dataset", "repetition")
SIDECAR = ("file", "row", *SAID)
TEMPLATE = "runs.csv"
UNKNOWN_PLACE = "none: CodeCarbon did not find its place, and took Quebec's electricity"
ONE_JOB = (
    "another row is of the same time and energy on the same machine, as ranks of one job log it: "
    "each holds the whole machine (if these are several machines, name them in a column machine of "
    "the table next to the logs)"
)
MULTIPLIED = "CodeCarbon multiplied the energies by a PUE of {:g}, which is taken out again"
ONE_PROCESS = "CPU and RAM are of one process only (tracking_mode: process)"
PAUSE = (
    "spans a pause: it lasts far longer than others of its configuration, and its tracker was "
    "started again, which went on counting from the row before, or it drew a fraction of its power"
)
FLUSHED = (
    "rows that its tracker wrote before it, with {:.1f} s and {:.3g} kWh, belong to no run: if "
    "flush() wrote them, they are part of this one"
)
ALIKE = 0.95
"""Share of their time in which two rows overlap, and of their energies, to be of one job."""

LONGER, SLACK = 1.5, 0.25
"""Times what runs of its configuration usually last, from which on one may span a pause; and share
of the logged power of its CPU or GPU, below which one slept. The authors' runs last 0.9 to 1.1
times the usual."""


class NoSidecarError(LogError):
    """A folder has logs, and no table that says which row is which run."""


TAKEN = {
    *("campaign", "reasons", "doubts", "config", "extra", "readings", "phases", "hardware"),
    *("versions", "data", "schema_version", "measurement_version", "started_at", "ended_at"),
    *("score", "carbon_intensity", "location_source", "tracker_run_id", "source_file"),
    "source_row",
}
"""Columns that a sidecar can't have: what results have of these names is none of its values."""


@dataclass(frozen=True)
class Imported:
    """What a folder of logs came to.

    Every row that was read is in `results` or `skipped`. `histories` has one row an epoch (from 1).
    """

    results: pd.DataFrame  # one row a run, with the columns of a study's results table
    skipped: tuple[Skipped, ...] = ()  # rows that are in no record
    notes: tuple[str, ...] = ()  # what a reader should know, one sentence each
    histories: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*HISTORY]))


def find_sidecar(folder: Path) -> Path:
    """Find the table that says which row is which.

    Raises:
        LogError: There is none, or more than one.
    """
    heads = {path: set(_first_fields(path)) for path in sorted(folder.glob("*.csv"))}
    found, columns = [path for path in heads if set(SIDECAR) <= heads[path]], ",".join(SIDECAR)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise LogError(f"'{folder}' has {len(found)} tables with the columns {columns}: {names}")
    nearest = max(heads, key=lambda path: len(heads[path] & set(SIDECAR)), default=None)
    if nearest is not None and len(heads[nearest] & set(SIDECAR)) > 1:
        lacking = ", ".join(name for name in SIDECAR if name not in heads[nearest])
        raise LogError(f"'{folder}': {nearest.name} lacks the column {lacking}")
    logs = any(_looks_like_log(path) for path in folder.iterdir())
    raise (NoSidecarError if logs else LogError)(
        f"'{folder}' has no table that says which row is which run: a CSV file with the columns "
        f"{columns} beside the logs, where row counts the data rows of file from 0"
    )


def write_sidecar(folder: Path) -> str:
    """Write a table with every row that a folder's logs have, and say what is to be filled in.

    Raises:
        LogError: The folder has no log that can be read, or can't be written to.
    """
    names = sorted(path.name for path in folder.iterdir() if _looks_like_log(path))
    if (folder / TEMPLATE).exists():
        head = " | ".join(_first_fields(folder / TEMPLATE))
        raise LogError(
            f"{folder / TEMPLATE} has not the columns {', '.join(SIDECAR)}; its first row is {head}"
        )
    if not names:
        raise LogError(f"'{folder}' has no log of CodeCarbon, such as emissions.csv")
    rows = codecarbon.own_counters([codecarbon.read(folder / name) for name in names]).rows
    logged = [
        f"until {row.timestamp}, {row.duration:.0f} s, {row.energy_consumed:.4g} kWh"
        for row in rows.itertuples()
    ]
    empty = dict.fromkeys([*SAID, "accuracy"])
    table = rows[["file", "row"]].assign(**empty, logged=logged)
    try:
        write_atomically(folder / TEMPLATE, table.to_csv(index=False))
    except OSError as error:
        raise LogError(
            f"'{folder}' has no table that says which row is which run, and {TEMPLATE} can't be "
            f"written there: {error.strerror}"
        ) from None
    return (
        f"{folder / TEMPLATE} was written, with the {len(table)} rows that {', '.join(names[:4])}"
        f"{' and others have' if len(names) > 4 else ' has' if len(names) == 1 else ' have'}. Fill "
        f"in {', '.join(SAID)} (from 1), and accuracy (0 to 1) where it is known; rows that stay "
        "empty are left out. Then call this again."
    )


def read_folder(folder: Path) -> Imported:
    """Read all logs of a folder and give each row the run that the sidecar says it is.

    Raises:
        LogError: The folder has no sidecar or a wrong one, or a log that it names can't be read.
    """
    sidecar = find_sidecar(folder)
    runs = _read_sidecar(sidecar)
    logs, notes = _read_logs(folder, sidecar, list(dict.fromkeys(runs["file"])))
    whole = codecarbon.own_counters(logs)
    skipped, notes = [*whole.skipped], [*notes, *whole.notes]
    merged = whole.rows.merge(runs, on=["file", "row"], how="outer", indicator="side", sort=False)
    unnamed, absent = merged["side"].eq("left_only"), merged["side"].eq("right_only")
    said_nothing = unnamed | (merged["side"].eq("both") & merged["architecture"].isna())
    bak = " (CodeCarbon puts a log aside as .bak when its columns change)"
    why = f"{sidecar.name} does not say which run it is"
    skipped += [
        Skipped(file, int(row), why + (bak if ".bak" in file else ""))
        for file, row in merged.loc[said_nothing, ["file", "row"]].to_numpy()
    ]
    unread = {(lost.file, lost.row) for lost in skipped}
    notes += [
        f"{sidecar.name} names row {row} of {file}, which has no such row."
        for file, row in merged.loc[absent, ["file", "row"]].to_numpy()
        if (file, row) not in unread
    ]
    merged["doubts"] = _left_out(merged, said_nothing)
    kept = merged[merged["side"].eq("both") & ~said_nothing].drop(columns="side")
    if kept.empty:
        if runs["architecture"].isna().all():
            raise LogError(f"{sidecar.name}: fill in {', '.join(SAID)} of the rows that are runs")
        lost = f"; {whole.skipped[0]}" if whole.skipped else ""
        raise LogError(f"{sidecar.name} names no row that the logs in '{folder}' have{lost}")
    others = runs.columns.difference([*SIDECAR, "accuracy", "loss", "status", "error"])
    levels = [name for name in others if runs[name].nunique() <= len(runs) / 2]
    results = as_results(kept.reset_index(drop=True), [*SAID[:2], *levels])
    skipped.sort(key=lambda lost: (lost.file, lost.row))
    return Imported(results, tuple(skipped), tuple(dict.fromkeys(notes)))


def _left_out(rows: pd.DataFrame, of_no_run: pd.Series) -> pd.Series:
    """What is doubtful of rows whose tracker wrote others before them that belong to no run.

    Over a flush its duration goes on growing. It may over a restart, too: a log does not tell.
    """
    whole = codecarbon.without_pue(rows[rows["task_name"].isna()]).sort_values("duration_logged")
    theirs = of_no_run[whole.index]
    runs_before = (~theirs).groupby(whole["run_id"]).cumsum() - ~theirs
    own = whole[["duration", "energy_consumed"]].where(theirs, 0.0)
    lost = own.groupby([whole["run_id"], runs_before]).transform("sum")
    lost = lost[(lost["duration"] > 0) & (whole["duration"] < whole["duration_logged"])]
    said = [FLUSHED.format(*both) for both in lost.to_numpy()]
    return pd.Series(said, lost.index, dtype=object).reindex(rows.index, fill_value="")


def _read_logs(folder: Path, sidecar: Path, named: list[str]) -> tuple[list[Log], list[str]]:
    """Read the logs that the sidecar names, and those that it doesn't: trackers may be in both."""
    logs: list[Log] = []
    notes: list[str] = []
    others = {path.name for path in folder.iterdir() if path != sidecar and _looks_like_log(path)}
    for name in named:
        if not (folder / name).is_file():
            raise LogError(f"{sidecar.name} names the log '{name}', which is not in '{folder}'")
        logs.append(codecarbon.read(folder / name, name))
    for name in sorted(others - {*named}):
        try:
            log = codecarbon.read(folder / name, name)
            logs.append(dataclasses.replace(log, notes=()))
        except LogError as error:
            notes.append(f"{error}. {sidecar.name} does not name it, so it was left out.")
    return logs, notes


def _looks_like_log(path: Path) -> bool:
    called = ".csv" in path.name and path.name.startswith("emissions")
    may_be = path.suffix in (".csv", ".bak")
    return path.is_file() and (called or (may_be and codecarbon.is_header(_first_fields(path))))


def _first_fields(path: Path) -> list[str]:
    with plain(path).open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            line = file.readline()
            return [text.strip() for text in next(csv.reader([line], delimiter=_separator(line)))]
        except csv.Error:
            return []


def _separator(line: str) -> str:
    """What stands between columns: some spreadsheets write semicolons, with decimal commas."""
    return max(",;", key=line.count)


def _read_sidecar(path: Path) -> pd.DataFrame:
    text = {"file": str, "architecture": str, "dataset": str}
    try:
        with plain(path).open(encoding="utf-8-sig") as file:
            separator = _separator(file.readline())
        runs = pd.read_csv(
            path,
            sep=separator,
            decimal="," if separator == ";" else ".",
            dtype=text,
            **CSV_OF_OTHERS,
        )
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise LogError(f"{path.name} is not CSV: {str(error).strip()}") from None
    runs = runs.rename(columns=str.strip).drop(columns="logged", errors="ignore")
    words = runs.select_dtypes(["object", "str"]).columns
    runs[words] = runs[words].apply(lambda column: column.str.strip()).replace("", None)
    problems: list[str] = []
    said = runs[list(SAID)].notna().any(axis=1)
    runs = runs if "accuracy" in runs else runs.assign(accuracy=math.nan)
    figures = runs.columns.intersection(["accuracy", "loss"])
    runs[figures] = runs[figures].replace("None", math.nan)
    accuracy = pd.to_numeric(runs["accuracy"], errors="coerce")

    def refuse(where: pd.Series, column: str, why: str) -> None:
        for line in runs.index[where]:
            value = "" if pd.isna(runs[column][line]) else f" '{runs[column][line]}'"
            problems.append(f"line {line + 2}: {column}{value} {why}")

    for column, first in (("row", 0), ("repetition", 1)):
        numbers = pd.to_numeric(runs[column], errors="coerce")
        wrong = numbers.isna() | (numbers % 1 != 0) | (numbers < first)
        refuse(wrong & (said | (column == "row")), column, f"is no whole number from {first}")
    refuse(runs["accuracy"].notna() & ~accuracy.between(0, 1), "accuracy", "is not from 0 to 1")
    for column in ("file", "architecture", "dataset"):
        refuse(runs[column].isna() & (said | (column == "file")), column, "is empty")
    if "status" in runs:
        known = runs["status"].isin(["completed", "failed"]) | runs["status"].isna()
        refuse(~known, "status", "is neither completed nor failed")
    for line in runs.index[runs.duplicated(["file", "row"])]:
        named = f"row {runs['row'][line]} of {runs['file'][line]}"
        problems.append(f"line {line + 2}: {named} is named twice")
    theirs = {*codecarbon.TEXTS, *codecarbon.NUMBERS} - {"run_id"}
    if clash := [name for name in runs.columns if name in theirs]:
        problems.append(f"columns {', '.join(clash)} belong to the logs, not here")
    if taken := [name for name in runs.columns if name in TAKEN]:
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
    runs["repetition"] = pd.to_numeric(runs["repetition"]).fillna(0).astype(int)
    return runs.assign(row=runs["row"].astype(int), accuracy=accuracy)


def as_results(rows: pd.DataFrame, configuration: Sequence[str] = SAID[:2]) -> pd.DataFrame:
    """Rows of logs, with the columns of `own_counters` and of the sidecar, as a results table.

    Rows of the same training have the same in the columns `configuration`. `cpu_power, gpu_power,
    ram_power` (W) are last readings of the run up to CodeCarbon 3.1.1, means from 3.1.2 on. Times
    are as logged, without a zone. What makes a row's figures mean something else than they say is
    in `doubts`, and why one is empty in `reasons`, if there is any.
    """
    source = {"run_id": "tracker_run_id", "file": "source_file", "row": "source_row"}
    frame = rows.rename(columns=source).assign(ended_at=codecarbon.times(rows["timestamp"]))
    frame = frame.assign(
        run_id=[
            run_id(row, f"{row.source_file}:{row.source_row}:{row.tracker_run_id}:{row.ended_at}")
            for row in frame[[*source.values(), "ended_at", *SAID]].itertuples()
        ],
        status=_said(frame, "status", "completed"),
        dataset=frame["dataset"].str.lower(),
        machine=_said(frame, "machine", _machine(frame)),
        started_at=(frame["ended_at"] - pd.to_timedelta(frame["duration"], "s")),
    )
    frame = _judged(frame, [*dict.fromkeys([*configuration, "machine"])])
    positive = frame["energy_consumed"] > 0
    frame = frame.assign(
        score=score(frame["accuracy"], frame["energy_consumed"]),
        carbon_intensity=1000 * frame["emissions"] / frame["energy_consumed"].where(positive),
    )
    failed = frame["status"] == "failed"
    if failed.any():
        frame["error"] = _said(frame, "error", "failed, as its table says").where(failed)
    for name in ("started_at", "ended_at"):
        frame[name] = frame[name].dt.strftime("%Y-%m-%dT%H:%M:%S")
    frame = frame.drop(columns="timestamp").sort_values(["started_at", "run_id"], ignore_index=True)
    frame = frame.drop(columns="task_name") if frame["task_name"].isna().all() else frame
    return frame[[*FRONT, *frame.columns.drop(list(FRONT))]]


def _said(frame: pd.DataFrame, column: str, default: pd.Series | str) -> pd.Series:
    """What a sidecar says in a column, or what holds where it says nothing."""
    said = frame.get(column, pd.Series(None, frame.index, dtype=object)).astype(object)
    return said.where(said.notna(), default)


def _judged(frame: pd.DataFrame, configuration: list[str]) -> pd.DataFrame:
    """Rows without what CodeCarbon made up or counted twice, and with what is doubtful of them."""
    lost, same, paused = codecarbon.no_place(frame), alike(frame), spans_pause(frame, configuration)
    known = paused & (frame.groupby(configuration, dropna=False)["duration"].transform("size") > 2)

    def where(holds: pd.Series, text: str) -> pd.Series:
        return holds.map({True: text, False: ""})

    said = [
        _said(frame, "doubts", ""),
        frame["pue"].map(MULTIPLIED.format).where(frame["pue"].gt(0) & frame["pue"].ne(1), ""),
        where(frame["tracking_mode"].eq("process"), ONE_PROCESS),
        where(paused & ~known, f"it perhaps {PAUSE}"),
    ]
    doubts = [tuple(filter(None, row)) for row in zip(*said, strict=True)]
    why = {
        "emissions": where(lost, UNKNOWN_PLACE.removeprefix("none: ")),
        "energy_consumed": where(same, ONE_JOB).mask(known, f"it {PAUSE}"),
        "duration": where(known, f"it {PAUSE}"),
    }
    reasons = [
        {column: one for column, one in zip(why, row, strict=True) if one}
        for row in zip(*why.values(), strict=True)
    ]
    region = frame["region"].map("/{}".format, na_action="ignore").fillna("")
    place = frame["country_iso_code"].str.cat(region, na_rep="")
    frame = codecarbon.without_pue(frame).assign(
        location=_said(frame, "location", place.mask(lost)),
        location_source=np.where(lost, UNKNOWN_PLACE, "CodeCarbon's log"),
        cpu_method=constant_power(frame, "cpu").map(
            lambda watts: None if np.isnan(watts) else f"constant ({watts:.4g} W)"
        ),
        ram_method=frame["ram_energy"].gt(0).map({True: "model (by its size)", False: None}),
    )
    frame.loc[lost, "emissions"] = np.nan
    frame.loc[same | known, [*counters.SUMS]] = np.nan
    frame.loc[known, "duration"] = np.nan
    frame.loc[known, "started_at"] = pd.NaT
    one = frame["pue"].fillna(1).eq(1).all()
    frame = frame.drop(columns=["longitude", "latitude", *(["pue"] if one else [])])
    frame = frame.drop(columns="doubts", errors="ignore")
    if any(doubts):
        frame["doubts"] = doubts
    if any(reasons):
        frame["reasons"] = reasons
    return frame


def spans_pause(frame: pd.DataFrame, configuration: list[str]) -> pd.Series:
    """Tell which rows hold a pause besides their run; of two of a configuration it is a guess.

    Up to CodeCarbon 3.2 `start` after `stop` does nothing, and the next row counts from the end of
    the one before (mlco2/codecarbon#1328); and a machine that sleeps draws little for long.
    """
    own = frame.groupby(configuration, dropna=False)["duration"]
    usual = own.transform("quantile", 0.5, interpolation="lower")
    again = frame["duration"] < frame["duration_logged"]
    for part in ("cpu", "gpu"):
        watts = mean_power(frame[f"{part}_energy"], frame["duration"])
        again |= watts.between(0, SLACK * frame[f"{part}_power"], inclusive="left")
    return again & (frame["duration"] > LONGER * usual)


def overlap(frame: pd.DataFrame) -> pd.Series:
    """Seconds for which another tracker's row before it on its machine went on, at least 0."""
    ordered, before = _neighbours(frame)
    seconds = (before["ended_at"] - ordered["started_at"]).dt.total_seconds().clip(lower=0)
    return seconds.where(_others(ordered, before), 0.0).reindex(frame.index)


def alike(frame: pd.DataFrame) -> pd.Series:
    """Tell which rows are of the same time, machine and energy as another tracker's."""
    ordered, before = _neighbours(frame)
    both = np.minimum(ordered["ended_at"], before["ended_at"]) - ordered["started_at"]
    either = np.maximum(ordered["ended_at"], before["ended_at"]) - before["started_at"]
    energy = ordered["energy_consumed"] / before["energy_consumed"]
    same = (both / either > ALIKE) & energy.between(ALIKE, 1 / ALIKE) & _others(ordered, before)
    if "tracking_mode" in frame:
        same &= ordered["tracking_mode"].ne("process")
    machines = ordered.assign(same=same).groupby("machine", dropna=False)["same"]
    return (same | machines.shift(-1, fill_value=False)).reindex(frame.index)


def _neighbours(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows by their start, and the one before each on its machine.

    Where the clock of a log was put back an hour, all that was logged later is an hour later.
    """
    lines = frame.sort_values(["source_file", "source_row"])
    back = lines.groupby("source_file")["ended_at"].diff().dt.total_seconds().between(-3700, -60)
    hours = pd.to_timedelta(back.groupby(lines["source_file"]).cumsum(), "h")
    later = {name: lines[name] + hours for name in ("started_at", "ended_at")}
    ordered = lines.assign(**later).sort_values("started_at", kind="stable")
    compared = ["started_at", "ended_at", "energy_consumed", "tracker_run_id"]
    return ordered, ordered.groupby("machine", dropna=False)[compared].shift()


def _others(ordered: pd.DataFrame, before: pd.DataFrame) -> pd.Series:
    return ordered["tracker_run_id"].fillna("") != before["tracker_run_id"].fillna("")


def constant_power(frame: pd.DataFrame, component: str) -> pd.Series:
    """W of a component where it is the same in all of three or more rows of a machine; else NaN."""
    column = f"{component}_power"
    watts = frame.groupby("machine", dropna=False)[column]
    same = (watts.transform("nunique") == 1) & (watts.transform("count") > 2)
    return frame[column].where(same & (frame[column] > 0))


def _machine(frame: pd.DataFrame) -> pd.Series:
    """Processors and GPUs; None where a log says nothing of them, as CodeCarbon 1's."""
    count = frame["cpu_count"].map("{:.0f} x ".format).where(frame["cpu_count"].notna(), "")
    processors = count + frame["cpu_model"].fillna("CPU")
    machine = processors.where(frame["gpu_model"].isna(), processors + ", " + frame["gpu_model"])
    unknown = frame[["cpu_count", "cpu_model", "gpu_model"]].isna().all(axis=1)
    return machine.astype(object).mask(unknown, None)


def run_id(row: Any, source: str) -> str:
    """The id of what a row of results is of; `source` tells it from all others."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    name = f"{row.architecture}-{row.dataset.lower()}-r{row.repetition}-{digest}"
    return re.sub(r"[^\w.-]", "_", name)  # it names a folder
