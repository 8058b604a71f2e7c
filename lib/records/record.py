"""The record of a run: what `run.json` says, and the table that many of them make.

`run.json` is written last and atomically. It is the only proof that a run is complete.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lib.files import write_atomically
from lib.study.config import RECORDED, RunConfig

SCHEMA_VERSION = 1
FILE_NAME = "run.json"
HISTORY_NAME = "history.csv"


class Phase(BaseModel):
    """A part of a run: its seconds, and its start and end in UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    started_at: str
    ended_at: str
    duration: float


class Record(BaseModel):
    """One run. Energy in kWh, power in W, emissions in kg CO2-eq, seconds, times in UTC.

    What could not be measured is None, and `reasons` says why, by field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")

    schema_version: Literal[1] = SCHEMA_VERSION
    run_id: str
    status: Literal["completed", "failed"]
    error: str | None = None
    started_at: str | None = None
    ended_at: str | None = None

    duration: float | None = None
    emissions: float | None = None
    energy_consumed: float | None = None
    cpu_energy: float | None = None
    gpu_energy: float | None = None
    ram_energy: float | None = None
    cpu_method: str | None = None
    gpu_method: str | None = None
    ram_method: str | None = None
    peak_power: float | None = None
    idle_energy: float | None = None
    net_energy: float | None = None

    accuracy: float | None = None
    loss: float | None = None
    score: float | None = None
    flops: int | None = None
    flops_head: int | None = None
    flops_training: int | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None
    depth: int | None = None

    carbon_intensity: float | None = None
    location_source: str | None = None
    tracker_run_id: str | None = None
    machine: str | None = None
    git_commit: str | None = None

    config: dict[str, Any]
    hardware: dict[str, Any] = {}
    versions: dict[str, str | None] = {}
    data: dict[str, Any] = {}
    phases: tuple[Phase, ...] = ()
    readings: tuple[dict[str, Any], ...] = ()
    reasons: dict[str, str] = {}
    doubts: tuple[str, ...] = ()
    extra: dict[str, Any] = {}

    @model_validator(mode="after")
    def _failed_runs_say_why(self) -> Record:
        if self.status == "failed" and not self.error:
            raise ValueError("error: a failed run says why it failed")
        return self

    def row(self) -> dict[str, Any]:
        """The record as one row of the results table: everything flat, lists as text."""
        flat = self.model_dump(
            exclude={"schema_version", "phases", "readings", "reasons", "doubts"}
            | {"config", "hardware", "versions", "data", "extra"}
        )
        front = {name: flat.pop(name) for name in ("run_id", "status", "error")}
        return (
            front
            | {name: self.config.get(name) for name in RECORDED}
            | flat
            | self.hardware
            | {f"version_{name}": version for name, version in self.versions.items()}
            | {f"data_{name}": value for name, value in self.data.items()}
            | {f"{phase.name}_duration": phase.duration for phase in self.phases}
            | self.extra
            | {
                "reasons": "; ".join(f"{name}: {why}" for name, why in self.reasons.items()),
                "doubts": "; ".join(self.doubts),
            }
        )

    def write(self, folder: Path) -> Path:
        """Write `run.json` into the run's folder, atomically."""
        path = folder / FILE_NAME
        write_atomically(path, self.model_dump_json(indent=1))
        return path


def from_row(row: Mapping[str, Any]) -> Record:
    """The record of one row of a results table, as an import makes it; NaN becomes None.

    Columns that neither a record nor a configuration has go into `extra`.
    """
    known = {name: None if pd.isna(value) else value for name, value in row.items()}
    fields = {name: known.pop(name) for name in list(known) if name in Record.model_fields}
    config = {name: known.pop(name) for name in list(known) if name in RunConfig.model_fields}
    return Record(**fields, config=config, extra=known)


def read(path: Path) -> Record:
    """Read one `run.json`.

    Raises:
        ValueError: If the file is no record: cut off, damaged, or of another schema.
    """
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{path.parent.name}/{path.name}: {place}: {first['msg']}") from None


@dataclass(frozen=True)
class Merged:
    """All records of a study.

    Attributes:
        results: One row a run, in the order in which they were started.
        damaged: One sentence for each file that is no record.
        left_out: Ids of the records that are not part of the plan.
    """

    results: pd.DataFrame
    damaged: tuple[str, ...]
    left_out: tuple[str, ...]


def merge(study_dir: Path, plan: Sequence[str] | None = None) -> Merged:
    """Read every record under `runs/` into one table.

    Args:
        study_dir: The study's folder.
        plan: Ids of the runs that belong to the study; None takes every run that is there.
    """
    records, damaged, left_out = [], [], []
    planned = None if plan is None else set(plan)
    for path in sorted((study_dir / "runs").glob(f"*/{FILE_NAME}")):
        if planned is not None and path.parent.name not in planned:
            left_out.append(path.parent.name)
            continue
        try:
            records.append(read(path))
        except ValueError as error:
            damaged.append(str(error))
    return Merged(table(records), tuple(damaged), tuple(left_out))


def table(records: Iterable[Record]) -> pd.DataFrame:
    """Records as a table, one row a run, in the order in which they were started."""
    ordered = sorted(records, key=lambda record: (record.started_at or "", record.run_id))
    rows = [record.row() for record in ordered]
    known = Record(run_id="", status="completed", config={}).row()
    columns = list(dict.fromkeys([*known, *(name for row in rows for name in row)]))
    # Text at the end, where it does not push the figures out of sight.
    last = ["reasons", "doubts"]
    return pd.DataFrame(rows, columns=[c for c in columns if c not in last] + last)


def write_results(results: pd.DataFrame, study_dir: Path) -> Path:
    """Write `results.csv`, atomically."""
    path = study_dir / "results.csv"
    write_atomically(path, results.to_csv(index=False))
    return path


def read_results(study_dir: Path) -> pd.DataFrame:
    """Read `results.csv` as `write_results` left it.

    Raises:
        FileNotFoundError: If the folder holds no results.
    """
    return pd.read_csv(study_dir / "results.csv", low_memory=False)


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
