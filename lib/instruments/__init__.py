"""Instruments measure the energy of what happens between `start` and `stop`.

One file an instrument. Every instrument answers with a `Reading`; several may run beside each
other, because none of them changes what it measures. Hardware that is absent is a `Nothing`, so
that no caller has to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

COMPONENTS = ("cpu", "gpu", "ram")


@dataclass(frozen=True)
class Component:
    """What one instrument says of one component (cpu, gpu, ram, or machine: all of it).

    Attributes:
        energy: kWh, or None where it could not be measured.
        method: How it was obtained, in words: 'measured counter (RAPL)', 'load model (TDP 8 W,
            a guess)', 'constant', 'model (20 W)', 'none'.
        reason: Why `energy` is None.
    """

    energy: float | None
    method: str
    reason: str | None = None


@dataclass(frozen=True)
class Reading:
    """What an instrument found.

    Attributes:
        instrument: Its name.
        duration: Seconds between start and stop, by the instrument's own clock.
        components: By name: cpu, gpu, ram, or machine (a wattmeter sees nothing smaller).
        samples: How many times power or energy was read.
        doubts: What makes this reading less trustworthy, one sentence each.
        details: What else the instrument knows (scalars), e.g. emissions in kg CO2-eq.
    """

    instrument: str
    duration: float
    components: Mapping[str, Component]
    samples: int
    doubts: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def energy_consumed(self) -> float | None:
        """Sum over the components that were measured, kWh; None if none was."""
        known = [c.energy for c in self.components.values() if c.energy is not None]
        return sum(known) if known else None


class Instrument(Protocol):
    """Something that measures from `start` to `stop`, once."""

    name: str

    def start(self) -> None:
        """Begin to measure."""

    def stop(self) -> Reading:
        """End the measurement and tell what was found."""


@dataclass
class Nothing:
    """Stands in for an instrument whose hardware is absent: reads nothing and says why."""

    name: str
    reason: str

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> Reading:
        """Answer with an empty reading that carries the reason."""
        absent = {name: Component(None, "none", self.reason) for name in COMPONENTS}
        return Reading(self.name, 0.0, absent, samples=0)
