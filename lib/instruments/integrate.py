"""Energy from samples: of power, or of a counter that goes up with energy.

Real timestamps are used, never a nominal interval: samples come late, and some do not come. Times
are in s and never decrease; values that are not finite are left out. A window goes from `start` to
`stop`, else over all samples; `interval` is the usual s between samples, else their median. Where
nothing is known of a part of it, be it inside or at an end, that part gets the mean power of the
rest, which is reported.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lib.units import JOULES_PER_KWH

GAP = 3.0  # an interval this many times the usual one is a gap

FEWEST = 2
"""Samples that a window must hold: with fewer, its energy would be that of the time around it."""

SPIKE, SPIKE_WATTS = 10.0, 1000.0
"""Times the usual power from which on a sample can't be one of it; and W, of which less is within
what one machine changes by."""

COVERAGE = 0.999  # share of a window that samples must reach over before a doubt is raised


@dataclass(frozen=True)
class Integral:
    """The energy of a window of time, and how well samples cover it.

    `coverage` is the share of the window that lies between samples, without gaps in power, what a
    gap of a counter has inside the window, and where a counter restarted or leapt. 0 where fewer
    than `FEWEST` samples lie inside.
    """

    energy: float | None  # kWh of the window; None if less than two samples cover any of it
    samples: int  # inside the window
    longest_gap: float  # most s between two samples inside the window, or to its ends
    coverage: float
    doubts: tuple[str, ...] = ()  # what makes the energy less certain, one sentence each


def integrate_power(
    time: ArrayLike,
    power: ArrayLike,
    start: float | None = None,
    stop: float | None = None,
    interval: float | None = None,
) -> Integral:
    """Integrate samples of power (W) by the trapezoid rule.

    No line is drawn over a gap: nothing is known there.
    """
    time, power = _samples(time, power)
    steps = np.diff(time) * (power[1:] + power[:-1]) / 2
    joules = np.concatenate([[0.0], np.cumsum(steps)])

    def energy_until(moment: float) -> float:
        """J from the first sample on; between two samples the power is a line, not the energy."""
        after = int(np.clip(np.searchsorted(time, moment, side="right"), 1, len(time) - 1))
        watts = float(np.interp(moment, time, power))
        elapsed = moment - time[after - 1]
        return float(joules[after - 1] + elapsed * (power[after - 1] + watts) / 2)

    return _integral(time, energy_until, start, stop, [], interval, gaps_matter=True)


def integrate_held(time: ArrayLike, power: ArrayLike, start: float, stop: float) -> Integral:
    """Integrate a log of changes: each power (W) holds until the next one.

    Where one is not finite, nothing is known from then on; what the last one says ends with it.
    """
    time, power = np.asarray(time, dtype=float), np.asarray(power, dtype=float)
    held = np.minimum(time[1:], stop) - np.maximum(time[:-1], start)
    known = (held > 0) & np.isfinite(power[:-1])
    covered, duration = float(held[known].sum()), float(stop - start)
    if not covered:
        doubt = f"no value is known in any of the {duration:g} s"
        return Integral(None, 0, duration, 0.0, (doubt,))
    joules = float((held * power[:-1])[known].sum())
    lost = (duration - covered) > (1 - COVERAGE) * duration
    return Integral(
        energy=joules * (duration / covered) / JOULES_PER_KWH,
        samples=int(known.sum()),
        longest_gap=duration - covered,
        coverage=covered / duration,
        doubts=(_covers("values", covered, duration),) if lost else (),
    )


def integrate_counter(
    time: ArrayLike,
    counter: ArrayLike,
    start: float | None = None,
    stop: float | None = None,
    interval: float | None = None,
) -> Integral:
    """Read a window off an energy counter (J).

    A gap inside the window loses nothing; one that the window begins or ends in does, and is
    reported, as is what the counter does not tell (see `rises`): neither is covered.
    """
    time, counter = _samples(time, counter)
    steps, restarts, leaps = rises(time, counter)
    doubts = []
    for verb, which in (("restarted, or the log has a hole,", restarts), ("leapt", leaps)):
        if which.any():
            spans = (f"{time[i]:.1f} s to {time[i + 1]:.1f} s" for i in np.flatnonzero(which))
            there = f"the counter {verb} from {', from '.join(spans)}"
            doubts.append(f"{there}; the power there was assumed")
    joules = np.concatenate([[0.0], np.cumsum(steps)])

    def energy_until(moment: float) -> float:
        return float(np.interp(moment, time, joules))

    assumed = restarts | leaps
    return _integral(
        time, energy_until, start, stop, doubts, interval, gaps_matter=False, assumed=assumed
    )


def rises(time: NDArray, counter: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """What an energy counter went up by between its samples, J, where it restarted, where it leapt.

    Where it goes down it restarted or wrapped, and where it leaps it was read wrongly: over that
    interval the mean power of its neighbours is used.
    """
    steps, seconds = np.diff(counter), np.diff(time)
    restarts = steps < 0
    leaps = ~restarts & spikes(steps / np.where(seconds > 0, seconds, np.inf))
    wrong = restarts | leaps
    usable = ~wrong & (seconds > 0)
    middle, rates = (time[1:] + time[:-1]) / 2, 0.0
    if usable.any():
        rates = np.interp(middle[wrong], middle[usable], steps[usable] / seconds[usable])
    steps[wrong] = rates * seconds[wrong]
    return steps, restarts, leaps


def spikes(power: NDArray) -> NDArray:
    """Tell which of some powers (W) no machine drew: a counter that wrapped shows in one of them.

    They are few, at least `SPIKE` times what nearly all others are below, and more than
    `SPIKE_WATTS`; so a GPU that goes from idle to full load is none.
    """
    known = power[np.isfinite(power)]
    usual = np.percentile(known, 90, method="lower") if known.size >= 5 else 0.0
    return power > (max(SPIKE * usual, SPIKE_WATTS) if usual > 0 else np.inf)


def _covers(what: str, covered: float, duration: float) -> str:
    return f"{what} cover {covered:.1f} of the {duration:.1f} s; the power of the rest was assumed"


def _samples(times: ArrayLike, values: ArrayLike) -> tuple[NDArray, NDArray]:
    time, value = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    known = np.isfinite(time) & np.isfinite(value)
    return time[known], value[known]


def _integral(
    time: NDArray,
    energy_until: Callable[[float], float],
    start: float | None,
    stop: float | None,
    doubts: list[str],
    interval: float | None,
    *,
    gaps_matter: bool,
    assumed: NDArray | bool = False,
) -> Integral:
    if time.size == 0:
        return Integral(None, 0, 0.0, 0.0, (*doubts, "there are no samples"))
    start = time[0] if start is None else start
    stop = time[-1] if stop is None else stop
    duration = float(stop - start)
    inside = time[(time >= start) & (time <= stop)]
    first, last = max(start, time[0]), min(stop, time[-1])
    if time.size < 2 or first >= last:
        doubts.append(f"no two samples cover any of the {duration:g} s")
        return Integral(None, inside.size, duration, 0.0, tuple(doubts))
    spacing = np.diff(time)
    interval = float(np.median(spacing)) if interval is None else interval
    covered = np.minimum(time[1:], stop) - np.maximum(time[:-1], start)
    gaps = (spacing > GAP * interval) & (covered > 0) & (gaps_matter | (covered < spacing))
    doubts += [
        f"no sample from {time[i]:.1f} s to {time[i + 1]:.1f} s; the power there was assumed"
        for i in np.flatnonzero(gaps)
    ]
    if last - first < COVERAGE * duration:
        doubts.append(_covers("samples", last - first, duration))
    joules, known = energy_until(last) - energy_until(first), last - first
    if gaps_matter and gaps.any():
        begins, ends = np.maximum(time[:-1], start)[gaps], np.minimum(time[1:], stop)[gaps]
        drawn = sum(energy_until(e) - energy_until(b) for b, e in zip(begins, ends, strict=True))
        joules, known = joules - drawn, known - (ends - begins).sum()
    coverage = float(covered[(covered > 0) & ~(gaps | assumed)].sum() / duration)
    return Integral(
        energy=joules * (duration / known) / JOULES_PER_KWH if known > 0 else None,
        samples=inside.size,
        longest_gap=float(np.diff([start, *inside, stop]).max()),
        coverage=coverage if inside.size >= FEWEST else 0.0,
        doubts=tuple(doubts),
    )
