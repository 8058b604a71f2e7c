"""Plays a recorded or made-up power profile, for tests and for people without meters."""

from __future__ import annotations

import time as clocks
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lib.instruments import COMPONENTS, Component, Reading
from lib.instruments.integrate import integrate_counter, integrate_power
from lib.instruments.trace import read_trace


@dataclass(frozen=True)
class Profile:
    """What a machine drew.

    Attributes:
        time: Seconds since the start, shape (n,), never decreasing.
        power: Samples of power in W by component, each of shape (n,).
        counter: Readings of energy counters in J by component, each of shape (n,).
    """

    time: NDArray
    power: Mapping[str, NDArray] = field(default_factory=dict)
    counter: Mapping[str, NDArray] = field(default_factory=dict)

    def without(self, begin: float, end: float) -> Profile:
        """The same with a gap: no sample between `begin` and `end`, in s."""
        kept = (self.time <= begin) | (self.time >= end)
        return Profile(
            self.time[kept],
            {name: watts[kept] for name, watts in self.power.items()},
            {name: joules[kept] for name, joules in self.counter.items()},
        )

    def restarting(self, moment: float) -> Profile:
        """The same with counters that start again from 0 at `moment`, in s."""
        later = self.time >= moment
        counter = {
            name: np.where(later, joules - joules[later][0], joules)
            for name, joules in self.counter.items()
        }
        return replace(self, counter=counter)


def constant(watts: float, seconds: float, interval: float = 1.0) -> Profile:
    """A CPU that draws `watts` all the time: `watts` * `seconds` J."""
    time = _clock(seconds, interval)
    return Profile(time, {"cpu": np.full_like(time, watts)})


def ramp(first: float, last: float, seconds: float, interval: float = 1.0) -> Profile:
    """A CPU that goes from `first` to `last` W, evenly: their mean * `seconds` J."""
    time = _clock(seconds, interval)
    return Profile(time, {"cpu": np.linspace(first, last, time.size)})


def spikes(
    base: float, height: float, every: int, seconds: float, interval: float = 1.0
) -> Profile:
    """A CPU at `base` W, and in every `every`-th sample (not the first) at `height` W more.

    A spike is a triangle of two intervals: `height` * `interval` J each, half of that at the end.
    """
    time = _clock(seconds, interval)
    high = (np.arange(time.size) % every == 0) & (np.arange(time.size) > 0)
    return Profile(time, {"cpu": np.where(high, base + height, base)})


def counting(watts: float, seconds: float, interval: float = 1.0) -> Profile:
    """The energy counter of a GPU that draws `watts`; it counted 1 MJ before."""
    time = _clock(seconds, interval)
    return Profile(time, counter={"gpu": 1e6 + watts * time})


def recorded(path: Path) -> Profile:
    """The profile of a `power.csv`.

    Its watts are means over intervals, so they come back as energy counters, without loss.

    Raises:
        ValueError: If the file is no power trace or has no samples.
    """
    trace = read_trace(path)
    if trace.empty:
        raise ValueError(f"{path.name}: has no samples to play")
    begin = trace["time"].iloc[0] - trace["interval"].iloc[0]
    counter = {}
    for name in COMPONENTS:
        watts = trace[f"{name}_power"]
        if watts.notna().any():
            joules = (watts.fillna(0) * trace["interval"]).cumsum()
            counter[name] = np.concatenate([[0.0], joules])
    return Profile(np.concatenate([[0.0], trace["time"] - begin]), counter=counter)


class Replay:
    """An instrument that reads a profile in place of a machine.

    Args:
        profile: What is played from `start` on, once.
        clock: Tells seconds; tests have their own, so that they need not wait.
    """

    name = "replay"

    def __init__(self, profile: Profile, clock: Callable[[], float] = clocks.perf_counter):
        self._profile = profile
        self._clock = clock
        self._started: float | None = None

    def start(self) -> None:
        """Begin to play."""
        self._started = self._clock()

    def stop(self) -> Reading:
        """Tell the energy of the part that was played.

        Raises:
            RuntimeError: If it was not started.
        """
        if self._started is None:
            raise RuntimeError("the replay was not started")
        elapsed = self._clock() - self._started
        return self.read(elapsed)

    def read(self, elapsed: float) -> Reading:
        """The reading of the profile's first `elapsed` seconds."""
        time = self._profile.time
        integrals = {
            name: (integrate_power(time, watts, 0.0, elapsed), "replayed power")
            for name, watts in self._profile.power.items()
        } | {
            name: (integrate_counter(time, joules, 0.0, elapsed), "replayed counter")
            for name, joules in self._profile.counter.items()
        }
        components = {
            name: Component(
                integral.energy, method, "no samples cover it" if integral.energy is None else None
            )
            for name, (integral, method) in integrals.items()
        }
        doubts = [
            f"{name}: {doubt}" for name, (found, _) in integrals.items() for doubt in found.doubts
        ]
        samples = max((integral.samples for integral, _ in integrals.values()), default=0)
        return Reading(self.name, elapsed, components, samples, tuple(doubts))


def _clock(seconds: float, interval: float) -> NDArray:
    """Moments from 0 to `seconds`, at least two, `interval` apart."""
    return np.linspace(0.0, seconds, max(2, round(seconds / interval) + 1))
