"""How a study says what the log of its wattmeter looks like; presets for what people log with."""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from lib.study.config import Strict
from lib.units import JOULES, WATTS

LOCAL = "local"  # the zone of the machine that reads the log
_zones = cache(zoneinfo.available_timezones)  # which looks into hundreds of files

EPOCH_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Seconds in the units that times are counted in."""

_TABLE = Path(__file__).with_name("wattmeter_presets.toml").read_text(encoding="utf-8")
PRESETS = tomllib.loads(_TABLE)  # what `wattmeter: NAME` stands for

Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1, strict=True)]
Columns = Column | Annotated[tuple[Column, ...], Field(min_length=1)]


class WattmeterLog(Strict):
    """How to read the log of a wattmeter: which of its columns say when and how much, in what unit.

    Columns go by their names, or by their numbers from 1 on where the log has no header. A log of
    JSON objects, one a line or in one array, has dots in the names of nested columns.
    """

    preset: str | None = Field(None, description="what the log was written by")
    time: Columns = Field("time", description="one column, or [date, time of day]")
    time_format: str = Field(
        "iso",
        description="iso (8601); s, ms, us or ns since 1970; or a pattern as %d/%m/%Y %H:%M:%S",
    )
    start: str | None = Field(None, description="of times since a start: when that was, ISO 8601")
    timezone: str | None = Field(
        None, description="of times without a zone, e.g. Europe/Madrid; local: of this machine"
    )
    power: Columns | None = Field(None, description="the column with power, or several to add; or:")
    energy: Columns | None = Field(None, description="the same of an energy counter's readings")
    per_interval: bool = Field(
        False, description="energy is no counter: each row has that of the time until the next row"
    )
    unit: Literal["uW", "mW", "W", "kW", "uJ", "mJ", "J", "mWh", "Wh", "kWh"]
    channel: Column | None = Field(None, description="the column that tells devices apart, and")
    channels: Literal["sum", "mean"] | tuple[str | int, ...] | None = Field(
        None, description="of several devices: sum, or those to add; mean: it is one device"
    )
    measures: Literal["machine", "gpu", "cpu"] = "machine"
    hold: bool = Field(False, description="a row is written when the value changes, and holds")
    separator: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    skip: int = Field(0, ge=0, strict=True, description="lines at the head to leave out")
    clock_offset: float | None = Field(
        None, description="s that the log's clock is ahead of the machine's; None: estimated"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: Any) -> Any:
        fields = {"preset": given} if isinstance(given, str) else given
        if not isinstance(fields, dict) or fields.get("preset") is None:
            return fields
        name = fields["preset"]
        if name not in PRESETS:
            raise ValueError(f"wattmeter: no preset '{name}'; there are {', '.join(PRESETS)}")
        other = {"power": "energy", "energy": "power"}
        preset = PRESETS[name]
        return {key: preset[key] for key in preset if other.get(key) not in fields} | fields

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value not in (None, LOCAL) and value not in _zones():
            raise ValueError("is no time zone; it has a name like Europe/Madrid or UTC")
        return value

    @field_validator("time_format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value != "iso" and value not in EPOCH_UNITS and "%" not in value:
            raise ValueError(
                f"'{value}' is neither iso, {', '.join(EPOCH_UNITS)} nor a pattern such as "
                '"%d/%m/%Y %H:%M:%S"'
            )
        return value

    @field_validator("start")
    @classmethod
    def _is_a_moment(cls, value: str | None) -> str | None:
        try:
            zone = value is None or datetime.fromisoformat(value).tzinfo
        except ValueError:
            zone = None
        if not zone:
            raise ValueError("is no moment with its zone, such as 2026-11-27T00:08:00Z")
        return value

    @model_validator(mode="after")
    def _one_quantity_in_its_unit(self) -> WattmeterLog:
        if (self.power is None) == (self.energy is None):
            raise ValueError("wattmeter: name one column, either power or energy")
        units = WATTS if self.energy is None else JOULES
        if self.unit not in units:
            quantity = "power" if self.energy is None else "energy"
            raise ValueError(f"wattmeter: {quantity} has a unit of {', '.join(units)}")
        for column in self.values:
            unit = r"[(\[]\s*([munkµ]?(?:Wh|W|J))(?:atts?|oules?)?\s*[)\]]\s*$"
            said = re.search(unit, str(column))
            if said and said[1].replace("µ", "u") != self.unit:
                raise ValueError(f"wattmeter: unit is {self.unit}, and the column is '{column}'")
        places = {isinstance(column, int) for column in self.columns}
        if len(places) > 1:
            raise ValueError("wattmeter: give both columns by name or both by number")
        if self.start is not None and self.time_format not in EPOCH_UNITS:
            raise ValueError("wattmeter: start is of times counted in s, ms, us or ns")
        if (self.per_interval and self.energy is None) or (self.hold and self.power is None):
            raise ValueError("wattmeter: per_interval is for energy, hold for power")
        return self

    @property
    def times(self) -> tuple[str | int, ...]:
        """The columns of time."""
        return self.time if isinstance(self.time, tuple) else (self.time,)

    @property
    def values(self) -> tuple[str | int, ...]:
        """The columns of power or energy."""
        value = self.power if self.energy is None else self.energy
        assert value is not None, "one of the two is there, or this were no WattmeterLog"
        return value if isinstance(value, tuple) else (value,)

    @property
    def columns(self) -> tuple[str | int, ...]:
        """All columns that are read."""
        return (*self.times, *self.values, *(() if self.channel is None else (self.channel,)))
