"""Sections of a study file."""

from __future__ import annotations

import zoneinfo
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, create_model, field_validator, model_validator

from lib.study.config import RunConfig, Strict, Use, names
from lib.units import JOULES, WATTS


class Order(Strict):
    """How runs are ordered: shuffled with a seed, so that drift is not taken for an effect."""

    shuffle: bool = True
    seed: int = Field(1, ge=0, strict=True)


Protocol = create_model(
    "Protocol",
    __base__=Strict,
    __doc__="Seconds around the measured training of every run: the fields that are for it.",
    **{
        name: (RunConfig.model_fields[name].annotation, RunConfig.model_fields[name])
        for name in names(Use.PROTOCOL)
    },
)


Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1, strict=True)]


class WattmeterLog(Strict):
    """How to read the log of a wattmeter: which of its columns say when and how much, in what unit.

    Columns go by their names, or by their numbers from 1 on where the log has no header.
    """

    time: Column = "time"
    time_format: Literal["iso", "s", "ms"] = Field(
        "iso", description="ISO 8601, or seconds or milliseconds since 1970 (UTC)"
    )
    timezone: str | None = Field(None, description="of times without a zone, e.g. Europe/Madrid")
    power: Column | None = Field(None, description="the column with power; or else:")
    energy: Column | None = Field(None, description="the column with an energy counter's readings")
    unit: Literal["mW", "W", "kW", "J", "mWh", "Wh", "kWh"]
    separator: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    clock_offset: float | None = Field(
        None, description="s that the log's clock is ahead of the machine's; None: estimated"
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in zoneinfo.available_timezones():
            raise ValueError("is no time zone; it has a name like Europe/Madrid or UTC")
        return value

    @model_validator(mode="after")
    def _one_quantity_in_its_unit(self) -> WattmeterLog:
        if (self.power is None) == (self.energy is None):
            raise ValueError("wattmeter: name one column, either power or energy")
        units = WATTS if self.energy is None else JOULES
        if self.unit not in units:
            quantity = "power" if self.energy is None else "energy"
            raise ValueError(f"wattmeter: {quantity} has a unit of {', '.join(units)}")
        places = {isinstance(column, int) for column in (self.time, self.value)}
        if len(places) > 1:
            raise ValueError("wattmeter: give both columns by name or both by number")
        return self

    @property
    def value(self) -> str | int:
        """The column of power or energy."""
        return self.power if self.energy is None else self.energy


DatasetSource = Annotated[str, StringConstraints(pattern=r"^[\w-]+/[\w-]+(/\d+)?$")]


class KaggleKernel(Strict):
    """What the runs of a study are given on Kaggle."""

    gpu: bool = True
    internet: bool = Field(True, description="to download weights, images and what is missing")
    machine_shape: str | None = Field(
        None, min_length=1, description="e.g. NvidiaTeslaT4 (two of them); None: Kaggle's default"
    )
    dataset_sources: tuple[DatasetSource, ...] = Field((), description="owner/name, attached")
    owner: Annotated[str, StringConstraints(pattern=r"^[\w-]+$")] | None = Field(
        None, description="of the kernels; None: the user of Kaggle's client"
    )

    @model_validator(mode="after")
    def _shape_fits(self) -> KaggleKernel:
        if self.machine_shape and not self.gpu:
            raise ValueError("kaggle: machine_shape names an accelerator; set gpu to true")
        if self.machine_shape == "NvidiaTeslaP100":
            raise ValueError("kaggle: Kaggle has no P100 any more; right is e.g. NvidiaTeslaT4")
        return self


class Imported(Strict):
    """What was read in place of runs, of an import."""

    runs: int = Field(ge=0)
    skipped: tuple[str, ...] = Field((), description="a sentence for each row that is no run")
    notes: tuple[str, ...] = Field((), description="what a reader should know, a sentence each")
