"""The record of a run: what `run.json` says.

`run.json` is written last and atomically. It is the only proof that a run is complete.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import pydantic
from pydantic import Field

from lib.files import plain, write_atomically
from lib.quantities import quantity
from lib.study.config import RECORDED, RunConfig
from lib.study.errors import UserError
from lib.text import cut

SCHEMA_VERSION = 2
"""Of what `run.json` says. Raised when a field comes, or means something else; all are read."""

MEASUREMENT_VERSION = 1
"""Of what is measured, and how: runs of another one can't be compared. Raised with care, for it
makes every finished run of a study one that has to be run again.
"""

LARGEST = 1e40  # of a figure: more than any training takes, and than 32 bits can say

NUMBERS = frozenset(
    name
    for name, field in RunConfig.model_fields.items()
    if {int, float} & {field.annotation, *get_args(field.annotation)}
)
"""Fields of a configuration that are numbers."""

FILE_NAME = "run.json"
HISTORY_NAME = "history.csv"


class Phase(pydantic.BaseModel):
    """A part of a run: its seconds, and its start and end in UTC."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: str
    started_at: str
    ended_at: str
    duration: pydantic.FiniteFloat


class Record(pydantic.BaseModel):
    """One run. Energy in kWh, power in W, emissions in kg CO2-eq, seconds, times in UTC.

    What could not be measured is None, and `reasons` says why, by field. `notebook` is what was
    executed, where that is not `train.ipynb`: then `config` has other fields.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")

    schema_version: int = Field(SCHEMA_VERSION, ge=1)
    measurement_version: int | None = 1  # it was, before records said it; None of an import
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
    notebook: str | None = None

    config: dict[str, Any]
    hardware: dict[str, Any] = {}
    versions: dict[str, str | None] = {}
    data: dict[str, Any] = {}
    phases: tuple[Phase, ...] = ()
    readings: tuple[dict[str, Any], ...] = ()
    reasons: dict[str, str] = {}
    doubts: tuple[str, ...] = ()
    extra: dict[str, Any] = {}

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        """What is no number, such as the loss of a training that diverged, is not known; nor is
        what nobody can have measured, for its square would be no number.
        """
        return None if isinstance(value, int | float) and not abs(value) <= LARGEST else value

    @pydantic.field_validator("config", "hardware", "versions", "data", "extra")
    @classmethod
    def _single_values(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Each is a cell of the results table."""
        for name, value in fields.items():
            if not isinstance(value, str | int | float | None):
                raise ValueError(f"{name} is a {type(value).__name__}, not a single value")
        return {name: cls._finite(value) for name, value in fields.items()}

    @pydantic.field_validator("config", "extra")
    @classmethod
    def _figures(cls, fields: dict[str, Any], about: pydantic.ValidationInfo) -> dict[str, Any]:
        """What is reckoned with is a number: a quantity with a unit, an option such as epochs."""
        options = NUMBERS if about.field_name == "config" and not about.data["notebook"] else ()
        for name, value in fields.items():
            figure = name in options or (about.field_name == "extra" and quantity(name).unit)
            if figure and isinstance(value, str):
                raise ValueError(f"{name} is {value!r}, no number")
        return fields

    @pydantic.model_validator(mode="after")
    def _failed_runs_say_why(self) -> Record:
        if self.status == "failed" and not self.error:
            raise ValueError("error: a failed run says why it failed")
        return self

    def row(self) -> dict[str, Any]:
        """The record as one row of the results table: flat but for reasons and doubts.

        Sentences in it, which may be those of others and of megabytes, are cut.
        """
        flat = self.model_dump(
            exclude={"schema_version", "phases", "readings", "reasons", "doubts"}
            | (set() if self.notebook else {"notebook"})
            | {"config", "hardware", "versions", "data", "extra"}
        )
        front = {name: flat.pop(name) for name in ("run_id", "status", "error")}
        front["error"] = self.error and cut(self.error)
        names = self.config if self.notebook else RECORDED
        config = {name: self.config.get(name) for name in names}
        others = (
            self.hardware
            | {f"version_{name}": version for name, version in self.versions.items()}
            | {f"data_{name}": value for name, value in self.data.items()}
            | {f"{phase.name}_duration": phase.duration for phase in self.phases}
            | self.extra
        )
        return (
            (row := front | config | flat)
            | {name: value for name, value in others.items() if name not in row}
            | {"reasons": {name: cut(why) for name, why in self.reasons.items()}}
            | {"doubts": tuple(map(cut, self.doubts))}
        )

    def value(self, name: str) -> Any:
        """A column of `row`, by its name; None where the record has none."""
        return getattr(self, name) if name in Record.model_fields else self.extra.get(name)

    def span(self, *, whole: bool = False) -> tuple[float, float] | None:
        """Start and end of the training, or of the `whole` run with what is around it, s since
        1970; None where the record does not say them.
        """
        begin, end = self.started_at, self.ended_at
        if whole and self.phases:
            begin, end = self.phases[0].started_at, self.phases[-1].ended_at
        if begin is None or end is None:
            return None
        return datetime.fromisoformat(begin).timestamp(), datetime.fromisoformat(end).timestamp()

    def write(self, folder: Path) -> Path:
        """Write `run.json` into the run's folder, atomically.

        Raises:
            UserError: If it is of a newer program, of whose record this one knows a part only.
        """
        path = folder / FILE_NAME
        if self.schema_version > SCHEMA_VERSION:
            raise UserError(f"{path}: a newer version of the program made it; change it with that")
        write_atomically(path, self.model_dump_json(indent=1))
        return path


def read(path: Path) -> Record:
    """Read one `run.json`, of this schema or an older one.

    Of a newer one, what this version of the program does not know is left out.

    Raises:
        ValueError: If what was read is no record: cut off, damaged.
        OSError: If the file can't be read.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        content = json.loads(plain(path).read_bytes())
        if isinstance(content, dict) and content.get("schema_version", 0) > SCHEMA_VERSION:
            content = {key: content[key] for key in content.keys() & Record.model_fields.keys()}
        return Record.model_validate(content)
    except IsADirectoryError:
        raise ValueError(f"{name}: is a folder") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{name}: {place}: {first['msg']}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{name}: the file is damaged: {error}") from None
