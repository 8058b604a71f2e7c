"""Many records as one table, a row a run: `results.csv`; and the histories of their runs."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from lib.files import write_atomically
from lib.records import uncertainty
from lib.records.record import FILE_NAME, HISTORY_NAME, Record, read
from lib.study.config import RunConfig
from lib.study.folder import StudyFolder

_NESTED: dict[str, Any] = {"reasons": {}, "doubts": ()}
"""Columns that hold no single value, and what each is where there is nothing in it."""


@dataclass(frozen=True)
class Merged:
    """All records of a study.

    Attributes:
        results: One row a run, in the order in which they were started.
        damaged: One sentence for each file that is no record.
        left_out: Ids of the records that are not part of the plan.
        records: Behind the results.
    """

    results: pd.DataFrame
    damaged: tuple[str, ...]
    left_out: tuple[str, ...]
    records: tuple[Record, ...]


def merge(study_dir: Path, plan: Sequence[str] | None = None) -> Merged:
    """Read every record under `runs/` into one table.

    Args:
        study_dir: The study's folder.
        plan: Ids of the runs that belong to the study; None takes every run that is there.
    """
    records, damaged, left_out = [], [], []
    planned = None if plan is None else set(plan)
    for path in sorted(StudyFolder(study_dir).runs.glob(f"*/{FILE_NAME}")):
        if planned is not None and path.parent.name not in planned:
            left_out.append(path.parent.name)
            continue
        try:
            records.append(read(path))
        except ValueError as error:
            damaged.append(str(error))
    return Merged(table(records), tuple(damaged), tuple(left_out), tuple(records))


def table(records: Iterable[Record]) -> pd.DataFrame:
    """Records as a table, one row a run, in the order in which they were started."""
    ordered = sorted(records, key=lambda record: (record.started_at or "", record.run_id))
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
    write_atomically(path, results.assign(**texts).to_csv(index=False))
    return path


def read_results(study_dir: Path) -> pd.DataFrame:
    """Read `results.csv` as `write_results` left it.

    Raises:
        FileNotFoundError: If the folder holds no results.
    """
    results = pd.read_csv(StudyFolder(study_dir).results, low_memory=False)
    there = {name: empty for name, empty in _NESTED.items() if name in results}
    return results.assign(
        **{
            name: [_from_json(text, empty) for text in results[name]]
            for name, empty in there.items()
        }
    )


def _as_json(value: Any) -> str:
    return (
        json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, tuple)) and value else ""
    )


def _from_json(text: Any, empty: Any) -> Any:
    return type(empty)(json.loads(text)) if isinstance(text, str) else empty


def read_history(run_dir: Path) -> pd.DataFrame:
    """Read `history.csv`: one row an epoch (accuracy and loss of training and validation)."""
    return pd.read_csv(run_dir / HISTORY_NAME)


def read_histories(run_dirs: Mapping[str, Path]) -> dict[str, pd.DataFrame]:
    """Read `history.csv` of each folder that has one.

    Files of the same columns are read as one, which takes a tenth of the time.

    Args:
        run_dirs: By any name, such as the run id.

    Returns:
        As `read_history` gives them, by the same names.
    """
    lines: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for name, folder in run_dirs.items():
        path = folder / HISTORY_NAME
        if path.is_file():
            head, *rows = filter(None, path.read_text(encoding="utf-8").splitlines())
            lines[head][name] = rows
    found = {}
    for head, files in lines.items():
        whole = "\n".join([head, *chain.from_iterable(files.values())])
        table = pd.read_csv(io.StringIO(whole))
        begin = 0
        for name, rows in files.items():
            found[name] = table.iloc[begin : begin + len(rows)].reset_index(drop=True)
            begin += len(rows)
    return {name: found[name] for name in run_dirs if name in found}


def from_row(row: Mapping[str, Any]) -> Record:
    """The record of one row of a results table, as an import makes it; NaN becomes None.

    Columns that neither a record nor a configuration has go into `extra`.
    """
    known = {name: None if pd.isna(value) else value for name, value in row.items()}
    fields: dict[str, Any] = {
        name: known.pop(name) for name in list(known) if name in Record.model_fields
    }
    config = {name: known.pop(name) for name in list(known) if name in RunConfig.model_fields}
    return Record(**fields, config=config, extra=known)
