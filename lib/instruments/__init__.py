"""Instruments measure the energy of what happens between `start` and `stop`.

One file an instrument. Every instrument answers with a `Reading`; several may run beside each
other, because none of them changes what it measures. Hardware that is absent is a `Nothing`, so
that no caller has to ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

COMPONENTS = ("cpu", "gpu", "ram")
JOULES_PER_KWH = 3.6e6


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


@dataclass
class Bench:
    """Instruments beside each other; one that fails says so in its reading and stops nothing.

    Attributes:
        instruments: Started in this order, stopped in the opposite one.
        readings: One each, in the same order, once they were stopped.
    """

    instruments: Sequence[Instrument]
    readings: tuple[Reading, ...] = ()
    _failed: dict[int, Reading] = field(default_factory=dict, repr=False)

    def start(self) -> None:
        """Start every instrument."""
        for position, instrument in enumerate(self.instruments):
            try:
                instrument.start()
            except Exception as error:
                self._failed[position] = _failure(instrument, "start", error)

    def stop(self) -> tuple[Reading, ...]:
        """Stop every instrument that started; their readings."""
        found = dict(self._failed)
        for position, instrument in reversed(list(enumerate(self.instruments))):
            if position in found:
                continue
            try:
                found[position] = instrument.stop()
            except Exception as error:
                found[position] = _failure(instrument, "stop", error)
        self.readings = tuple(found[position] for position in range(len(self.instruments)))
        return self.readings


@contextmanager
def measuring(instruments: Sequence[Instrument]) -> Iterator[Bench]:
    """Measure what happens inside a `with`; afterwards the bench has the readings."""
    bench = Bench(instruments)
    bench.start()
    try:
        yield bench
    finally:
        bench.stop()


def _failure(instrument: Instrument, moment: str, error: Exception) -> Reading:
    reason = f"{instrument.name} failed to {moment}: {error}"
    absent = {name: Component(None, "none", reason) for name in COMPONENTS}
    return Reading(instrument.name, 0.0, absent, samples=0, doubts=(reason,))
