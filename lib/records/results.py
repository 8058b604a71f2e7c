"""Many records as one table, a row a run: `results.csv`; and the histories of their runs."""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from lib.files import as_csv, from_csv, plain, write_atomically
from lib.records import uncertainty
from lib.records.record import FILE_NAME, HISTORY_NAME, Record, read
from lib.study.config import RunConfig
from lib.study.folder import StudyFolder

_NESTED: dict[str, Any] = {"reasons": {}, "doubts": ()}
"""Columns that hold no single value, and what each is where there is nothing in it."""


@dataclass(frozen=True)
class Merged:
    """All records of a study, as a table in the order of the plan; and what is no record."""

    results: pd.DataFrame
    damaged: tuple[str, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Histories:
    """Histories, and what is wrong with those that can't be used, by run."""

    tables: dict[str, pd.DataFrame]
    damaged: dict[str, str]


def merge(study_dir: Path, plan: Sequence[str] | None = None) -> Merged:
    """Read the records of the planned runs, or of all under `runs/`, into one table."""
    records, damaged = [], []
    planned = None if plan is None else set(plan)
    folder = StudyFolder(study_dir)
    for run_id in folder.run_ids():
        path = folder.run(run_id) / FILE_NAME
        if not os.path.lexists(path) or (planned is not None and run_id not in planned):
            continue
        try:
            records.append(_usable(read(path)))
        except ValueError as error:
            damaged.append(str(error))
        except OSError as error:
            damaged.append(f"{run_id}/{FILE_NAME}: can't be read: {error.strerror}")
    return Merged(table(records, plan or ()), tuple(damaged), tuple(records))


def _usable(record: Record) -> Record:
    if Path(record.run_id).name != record.run_id:
        raise ValueError(f"{record.run_id}/{FILE_NAME}: run_id is no name of a folder")
    named = record.status == "completed" and not record.notebook
    for name in ("architecture", "dataset") if named else ():
        value = record.config.get(name)
        if not (isinstance(value, str) and value):
            raise ValueError(f"{record.run_id}/{FILE_NAME}: config.{name} is {value!r}, no name")
    return record


def table(records: Iterable[Record], plan: Sequence[str] = ()) -> pd.DataFrame:
    """Records as a table, one row a run, in the order of the plan.

    What is in no plan comes behind it, in the order in which it was started: a clock may jump.
    """
    places = {run_id: place for place, run_id in enumerate(plan)}
    last = len(places)
    ordered = sorted(
        records, key=lambda one: (places.get(one.run_id, last), one.started_at or "", one.run_id)
    )
    rows = [record.row() for record in ordered]
    first = ordered[0] if ordered else Record(run_id="", status="completed", config={})
    known = first.model_copy(update={"extra": {}}).row()
    columns = list(dict.fromkeys([*known, *(name for row in rows for name in row)]))
    filled = uncertainty.filled(pd.DataFrame(rows, columns=columns))
    # Text at the end, where it does not push the figures out of sight.
    return filled[[*filled.columns.drop([*_NESTED]), *_NESTED]]


def write_results(results: pd.DataFrame, study_dir: Path) -> Path:
    """Write `results.csv`, atomically; reasons and doubts as JSON, so that none is lost."""
    path = StudyFolder(study_dir).results
    there = [name for name in _NESTED if name in results]
    texts = {name: results[name].map(_as_json) for name in there}
    write_atomically(path, as_csv(results.assign(**texts)))
    return path


def read_results(study_dir: Path) -> pd.DataFrame:
    """Read `results.csv` as `write_results` left it.

    Raises:
        FileNotFoundError: If the folder holds no results.
    """
    results = from_csv(StudyFolder(study_dir).results)
    for name, empty in _NESTED.items():
        if name in results:
            results[name] = [
                type(empty)(json.loads(text)) if isinstance(text, str) else empty
                for text in results[name]
            ]
    return results


def _as_json(value: Any) -> str:
    known = isinstance(value, (dict, tuple)) and value
    return json.dumps(value, ensure_ascii=False) if known else ""


def read_history(run_dir: Path) -> pd.DataFrame:
    """Read `history.csv`: one row an epoch (accuracy and loss of training and validation).

    By hand: its cells are numbers, and pandas takes ten times as long for so small a file.

    Raises:
        ValueError: If a row has not a number, or nothing, for each column.
    """
    text = plain(run_dir / HISTORY_NAME).read_text(encoding="utf-8")
    head, *lines = [line.split(",") for line in text.splitlines() if line] or [[]]
    rows = [[float(cell) if cell else math.nan for cell in line] for line in lines]
    table = pd.DataFrame(rows, columns=head, dtype=float)
    return table.astype({"epoch": int}) if "epoch" in head else table


def read_histories(run_dirs: Mapping[str, Path]) -> Histories:
    """Read `history.csv` of each folder that has one, by the folders' names."""
    tables, damaged = {}, {}
    for name, folder in run_dirs.items():
        try:
            tables[name] = read_history(folder)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            damaged[name] = f"{folder.name}/{HISTORY_NAME}: can't be read: {error}"
    return Histories(tables, damaged)


def from_row(row: Mapping[str, Any]) -> Record:
    """The record of one row of a results table, as an import makes it; NaN becomes None.

    Columns that neither a record nor a configuration has go into `extra`.

    Raises:
        ValueError: If a value is none that its column can have; names both.
    """
    known = {n: None if n not in _NESTED and pd.isna(v) else v for n, v in row.items()}
    fields: dict[str, Any] = {n: known.pop(n) for n in [*known] if n in Record.model_fields}
    config = {name: known.pop(name) for name in [*known] if name in RunConfig.model_fields}
    try:
        return Record(**{"measurement_version": None} | fields, config=config, extra=known)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        value = "" if isinstance(first["input"], dict) else f" is {first['input']!r}"
        said = f"{place}{value}: {first['msg'].removeprefix('Value error, ')}"
        raise ValueError(f"{row.get('run_id')}: {said}") from None
