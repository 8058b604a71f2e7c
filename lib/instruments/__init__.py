"""Instruments measure the energy of what happens between `start` and `stop`.

One file an instrument. Every instrument answers with a `Reading`; several may run beside each
other, because none of them changes what it measures. Hardware that is absent is a `Nothing`, so
that no caller has to ask.
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

RAM_TOLERANCE = 0.03
"""How far RAM energy may be from RAM power times duration: the power is a constant, so their ratio
tells whether every second was counted once."""

COMPONENTS = ("cpu", "gpu", "ram")

TRACE_NAME, EMISSIONS_NAME, WATTMETER_NAME = "power.csv", "emissions.csv", "wattmeter.csv"
"""Files that instruments leave in the folder of a run."""


@dataclass(frozen=True)
class Component:
    """What one instrument says of one component (cpu, gpu, ram, or machine: all of it)."""

    energy: float | None  # kWh, or None where it could not be measured
    method: str  # in words: 'measured counter (RAPL)', 'load model (TDP 8 W, a guess)', 'none'
    reason: str | None = None  # why `energy` is None


@dataclass(frozen=True)
class Reading:
    """What an instrument found."""

    instrument: str
    duration: float  # seconds between start and stop, by the instrument's own clock
    components: Mapping[str, Component]  # by name: cpu, gpu, ram, or machine
    samples: int  # how many times power or energy was read
    doubts: tuple[str, ...] = ()  # what makes it less trustworthy, one sentence each
    details: Mapping[str, object] = field(default_factory=dict)  # what else is known: scalars

    @property
    def energy_consumed(self) -> float | None:
        """Sum over the components, kWh; None if there is none or one of them failed.

        A component that the machine lacks (method 'none') fails nothing. One that it has, but whose
        energy is unknown, leaves the sum unknown: a part is not the whole.
        """
        measured = [part.energy for part in self.components.values() if part.method != "none"]
        known = [energy for energy in measured if energy is not None]
        return sum(known) if known and len(known) == len(measured) else None


def empty_reading(
    instrument: str,
    duration: float,
    reason: str,
    *,
    components: Sequence[str] = COMPONENTS,
    samples: int = 0,
    doubts: tuple[str, ...] = (),
    details: Mapping[str, object] | None = None,
) -> Reading:
    """A reading of nothing, and why."""
    absent = {name: Component(None, "none", reason) for name in components}
    return Reading(instrument, duration, absent, samples, doubts, details or {})


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
    components: tuple[str, ...] = COMPONENTS

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> Reading:
        """Answer with an empty reading that carries the reason."""
        return empty_reading(self.name, 0.0, self.reason, components=self.components)


@contextmanager
def measuring(instruments: Sequence[Instrument]) -> Iterator[list[Reading]]:
    """Measure what happens inside a `with`; afterwards its list has the readings, in their order.

    Instruments start in their order and stop in the opposite one; one that fails says so in its
    reading and stops nothing.
    """
    readings: list[Reading] = []
    failed: dict[int, str] = {}
    for place, instrument in enumerate(instruments):
        try:
            instrument.start()
        except Exception as error:
            failed[place] = f"{instrument.name} did not start: {error}"
    started = time.perf_counter()
    try:
        yield readings
    finally:
        seconds = time.perf_counter() - started
        found: dict[int, Reading] = {}
        for place, instrument in reversed(list(enumerate(instruments))):
            if place not in failed:
                try:
                    found[place] = instrument.stop()
                except Exception as error:
                    failed[place] = f"{instrument.name} did not stop: {error}"
            if why := failed.get(place):
                found[place] = empty_reading(instrument.name, seconds, why, doubts=(why,))
        readings += (found[place] for place in sorted(found))


def disagreements(readings: Sequence[Reading]) -> list[str]:
    """One sentence for each component of which two readings of the same work differ by over 5 %."""
    said = []
    for first, second in itertools.combinations(readings, 2):
        for name in first.components.keys() & second.components.keys():
            one, other = first.components[name].energy, second.components[name].energy
            if one and other is not None and abs(other / one - 1) > 0.05:
                said.append(
                    f"{name}: {second.instrument} measured {other:.4g} kWh, "
                    f"{first.instrument} {one:.4g} kWh ({other / one - 1:+.0%})"
                )
    return said
