"""Energy from samples: of power, or of a counter that goes up with energy.

Real timestamps are used, never a nominal interval: samples come late, and some do not come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lib.units import JOULES_PER_KWH

GAP = 3.0
"""An interval this many times the median one is a gap."""

COVERAGE = 0.999
"""Share of a window that samples must reach over before a doubt is raised."""


@dataclass(frozen=True)
class Integral:
    """The energy of a window of time, and how well samples cover it.

    Attributes:
        energy: kWh of the covered part; None if less than two samples cover any.
        duration: Seconds of the window.
        samples: Inside the window.
        interval: Median seconds between samples; None with less than two.
        longest_gap: Most seconds between two samples inside the window, or to its ends.
        coverage: Share of the window that lies between samples; gaps in power, and what a gap of a
            counter has inside the window, left out.
        doubts: What makes the energy less certain, one sentence each.
    """

    energy: float | None
    duration: float
    samples: int
    interval: float | None
    longest_gap: float
    coverage: float
    doubts: tuple[str, ...] = ()


def integrate_power(
    time: ArrayLike, power: ArrayLike, start: float | None = None, stop: float | None = None
) -> Integral:
    """Integrate samples of power by the trapezoid rule.

    Over a gap the power is taken to change evenly, and the gap is reported.

    Args:
        time: Seconds, shape (n,), never decreasing.
        power: Watts, shape (n,); samples that are not finite are left out.
        start: The window's begin; None for the first sample.
        stop: The window's end; None for the last sample.

    Raises:
        ValueError: If the shapes differ, time goes backwards or the window ends before it begins.
    """
    time, power = _samples(time, power)
    steps = np.diff(time) * (power[1:] + power[:-1]) / 2
    joules = np.concatenate([[0.0], np.cumsum(steps)])
    doubts = []
    if (power < 0).any():
        doubts.append(f"{int((power < 0).sum())} samples of power are negative")

    def energy_until(moment: float) -> float:
        """J from the first sample on; between two samples the power is a line, not the energy."""
        after = int(np.clip(np.searchsorted(time, moment, side="right"), 1, len(time) - 1))
        watts = float(np.interp(moment, time, power))
        elapsed = moment - time[after - 1]
        return float(joules[after - 1] + elapsed * (power[after - 1] + watts) / 2)

    return _integral(time, energy_until, start, stop, doubts, gaps_matter=True)


def integrate_counter(
    time: ArrayLike, counter: ArrayLike, start: float | None = None, stop: float | None = None
) -> Integral:
    """Read a window off an energy counter.

    A gap inside the window loses nothing; one that the window begins or ends in does, and is
    reported. Where the counter goes down it restarted or wrapped; over that interval
    the mean power of its neighbours is used, and the restart is reported.

    Args:
        time: Seconds, shape (n,), never decreasing.
        counter: Joules, shape (n,); samples that are not finite are left out.
        start: The window's begin; None for the first sample.
        stop: The window's end; None for the last sample.

    Raises:
        ValueError: If the shapes differ, time goes backwards or the window ends before it begins.
    """
    time, counter = _samples(time, counter)
    steps = np.diff(counter)
    seconds = np.diff(time)
    restarts = steps < 0
    doubts = []
    if restarts.any():
        usable = ~restarts & (seconds > 0)
        middle = (time[1:] + time[:-1]) / 2
        if usable.any():
            rates = np.interp(middle[restarts], middle[usable], steps[usable] / seconds[usable])
            steps[restarts] = rates * seconds[restarts]
        else:
            steps[restarts] = 0.0
        moments = ", ".join(f"{moment:.1f} s" for moment in time[1:][restarts])
        doubts.append(f"the counter restarted before {moments}; the power around it was assumed")
    joules = np.concatenate([[0.0], np.cumsum(steps)])

    def energy_until(moment: float) -> float:
        return float(np.interp(moment, time, joules))

    return _integral(time, energy_until, start, stop, doubts, gaps_matter=False)


def _samples(time: ArrayLike, value: ArrayLike) -> tuple[NDArray, NDArray]:
    time, value = np.asarray(time, dtype=float), np.asarray(value, dtype=float)
    if time.shape != value.shape or time.ndim != 1:
        raise ValueError(f"time has shape {time.shape} and values {value.shape}; both must be (n,)")
    known = np.isfinite(time) & np.isfinite(value)
    time, value = time[known], value[known]
    backwards = np.flatnonzero(np.diff(time) < 0)
    if backwards.size:
        row = backwards[0]
        raise ValueError(f"time goes backwards, from {time[row]:g} s to {time[row + 1]:g} s")
    return time, value


def _integral(
    time: NDArray,
    energy_until: Callable[[float], float],
    start: float | None,
    stop: float | None,
    doubts: list[str],
    *,
    gaps_matter: bool,
) -> Integral:
    if time.size == 0:
        return Integral(None, 0.0, 0, None, 0.0, 0.0, (*doubts, "there are no samples"))
    start = time[0] if start is None else start
    stop = time[-1] if stop is None else stop
    if stop < start:
        raise ValueError(f"the window ends at {stop:g} s, before it begins at {start:g} s")
    duration = float(stop - start)
    inside = time[(time >= start) & (time <= stop)]
    first, last = max(start, time[0]), min(stop, time[-1])
    if time.size < 2 or first >= last:
        doubts.append(f"no two samples cover any of the {duration:g} s")
        return Integral(None, duration, inside.size, None, duration, 0.0, tuple(doubts))
    spacing = np.diff(time)
    interval = float(np.median(spacing))
    covered = np.minimum(time[1:], stop) - np.maximum(time[:-1], start)
    gaps = (spacing > GAP * interval) & (covered > 0) & (gaps_matter | (covered < spacing))
    doubts += [
        f"no sample from {time[i]:.1f} s to {time[i + 1]:.1f} s; the power there was assumed"
        for i in np.flatnonzero(gaps)
    ]
    if last - first < COVERAGE * duration:
        doubts.append(f"samples cover {last - first:.1f} of the {duration:.1f} s")
    return Integral(
        energy=(energy_until(last) - energy_until(first)) / JOULES_PER_KWH,
        duration=duration,
        samples=inside.size,
        interval=interval,
        longest_gap=float(np.diff([start, *inside, stop]).max()),
        coverage=float(covered[(covered > 0) & ~gaps].sum() / duration),
        doubts=tuple(doubts),
    )
