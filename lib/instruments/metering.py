"""What a wattmeter's samples say of a window of time, be they polled live or read from a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from lib.instruments import Component, Reading, empty_reading
from lib.instruments import integrate as integrals
from lib.instruments.integrate import Integral
from lib.instruments.sampling import Sampling, of_counter, of_power
from lib.units import JOULES_PER_KWH

LEAST_COVERAGE = 0.95  # share of a window that samples must cover; below it a reading is refused

ENOUGH = 10
"""Samples inside a window that say themselves how far apart samples are; fewer are a doubt."""

NEAR = 600.0
"""s around a window, in which samples say how far apart they are where it holds too few."""

COARSE, TOO_COARSE = 0.01, 0.25
"""Shares of a run's energy: a counter whose step is larger is a doubt, or is refused."""

COUNTER_STEPS = (3.6e6, 3.6e5, 3.6e4, 3.6e3)
"""J in which counters of plugs and meters go up: 1 kWh to 1 Wh."""

CLOCK_U = 0.06
"""s. Standard uncertainty of an offset of clocks that is known to ±0.1 s."""

COMPONENT = "machine"  # a wattmeter sees all of the machine, and nothing smaller

UNCERTAINTIES = ("sampling_u", "edge_u", "resolution_u", "clock_u")
"""What a reading's details say of it, kWh each."""


@dataclass(frozen=True)
class Samples:
    """What one channel of a wattmeter reported; NaN where a sample has no value."""

    time: NDArray  # seconds since 1970 in UTC, shape (n,), never decreasing
    power: NDArray | None = None  # W; None if it tells no power
    counter: NDArray | None = None  # J on an energy counter; None if it has none
    held: bool = False  # whether this is a log of changes, in which a power holds until the next

    @property
    def value(self) -> NDArray:
        """What it tells: power, or else its counter."""
        told = self.counter if self.power is None else self.power
        assert told is not None, "a channel tells one of the two"
        return told

    def places(self, start: float, stop: float) -> slice:
        """Where the samples of a window are, with the neighbours that its edges are between."""
        first = int(np.searchsorted(self.time, start, side="right")) - 1
        return slice(max(first, 0), int(np.searchsorted(self.time, stop, side="left")) + 1)

    def watts(self, moments: NDArray) -> NDArray:
        """The power that it tells of moments: of the last sample if held, else of the nearest."""
        assert self.power is not None, "only who tells power is asked"
        turns = self.time[1:] if self.held else (self.time[1:] + self.time[:-1]) / 2
        return self.power[np.searchsorted(turns, moments, side="right")]

    def around(self, start: float, stop: float) -> Samples:
        """The samples of a window and its neighbours, times in seconds since `start`."""
        part = self.where(self.places(start, stop))
        return replace(part, time=part.time - start)

    def where(self, which: slice | NDArray) -> Samples:
        """Some of them."""
        return replace(
            self,
            time=self.time[which],
            power=None if self.power is None else self.power[which],
            counter=None if self.counter is None else self.counter[which],
        )


def integrate(samples: Samples, start: float, stop: float) -> Integral:
    """The energy of a window; its edges, in s since 1970, need not be samples.

    Power is integrated by the trapezoid rule, to which `sampling` adds what it loses at a step.
    Where a meter has a counter too, the counter says what was used in a gap of the power.
    """
    part = samples.around(start, stop)
    length = stop - start
    if part.held:
        return integrals.integrate_held(part.time, part.value, 0.0, length)
    interval = _interval(samples, start, stop)
    if part.power is None:
        return integrals.integrate_counter(part.time, part.value, 0.0, length, interval)
    if part.counter is None:
        return integrals.integrate_power(part.time, part.power, 0.0, length, interval)
    plain = integrals.integrate_power(part.time, part.power, 0.0, length, interval)
    time, power, bridged = _bridge_gaps(part, part.counter, length, interval)
    filled = integrals.integrate_power(time, power, 0.0, length, interval)
    doubts = (*filled.doubts, *(f"the energy counter tells what was used {gap}" for gap in bridged))
    return replace(filled, samples=plain.samples, longest_gap=plain.longest_gap, doubts=doubts)


def sampling(samples: Samples, start: float, stop: float) -> Sampling:
    """What sampling does to the energy of a window."""
    part = samples.around(start, stop)
    if part.held:
        return Sampling()
    if part.power is None:
        return of_counter(part.time, part.value, stop - start, counter_step(part.value))
    return of_power(part.time, part.power, stop - start)


def _interval(samples: Samples, start: float, stop: float) -> float | None:
    """Usual seconds between samples: of those inside the window, if enough are, else around it."""
    time = samples.time[np.isfinite(samples.value)]

    def spacing(begin: float, end: float) -> NDArray:
        return np.diff(time[np.searchsorted(time, begin) : np.searchsorted(time, end, "right")])

    inside, near = spacing(start, stop), spacing(start - NEAR, stop + NEAR)
    if inside.size + 1 >= ENOUGH or not near.size:
        return float(np.median(inside)) if inside.size else None
    return float(min(np.median(part) for part in (inside, near) if part.size))


def possible(
    samples: Samples, channels: Sequence[Samples], start: float, stop: float
) -> tuple[Samples, list[str], str | None]:
    """Take out of a window, and of its two neighbours, what no machine can have drawn: the samples,
    what was taken out in words, and why the rest is not to be believed either.

    One of several sockets or power supplies may draw nothing; not all `channels` at once.
    """
    places = samples.places(start, stop)
    if samples.power is None or not samples.power[places].size:
        return samples, [], None
    power = samples.power[places]
    negative, leaps = power < 0, integrals.spikes(power)
    others = [one for one in channels if one is not samples and one.power is not None]
    drawing = [other.watts(samples.time[places]) > 0 for other in others]
    zero = (power == 0) & ~np.any(drawing, axis=0)
    if negative.any():
        least = np.nanmin(power)
        reason = (
            f"power is negative in {int(negative.sum())} of the run's samples, down to "
            f"{least:.4g} W, which nothing that uses energy can be; is it the right column?"
        )
        return samples, [], reason
    if zero.any() and not (power[~zero] >= 0).any():
        return samples, [], "every sample of the run is 0 W: the meter did not see the machine"
    doubts = [
        f"{count} {'sample' if count == 1 else 'samples'} left out: {what}"
        for count, what in (
            (int(zero.sum()), "0 W while the machine was on"),
            (int(leaps.sum()), f"up to {np.nanmax(power):.4g} W, as of a counter that wrapped"),
        )
        if count
    ]
    if not doubts:
        return samples, [], None
    wrong = np.zeros(samples.time.size, dtype=bool)
    wrong[places] = zero | leaps
    if samples.held:
        return replace(samples, power=np.where(wrong, np.nan, samples.power)), doubts, None
    return samples.where(~wrong), doubts, None


def _bridge_gaps(
    part: Samples, counter: NDArray, length: float, interval: float | None
) -> tuple[NDArray, NDArray, list[str]]:
    """Fill gaps inside of a window with the mean power by a counter that did not restart."""
    known = np.isfinite(part.value)
    time, power, counter = part.time[known], part.value[known], counter[known]
    spacing = np.diff(time)
    interval = interval or np.inf
    inside = (time[:-1] >= 0) & (time[1:] <= length)
    gaps = np.flatnonzero((spacing > integrals.GAP * interval) & (np.diff(counter) >= 0) & inside)
    for i in reversed(gaps):
        # At both ends beside the sample that is there: the power jumps, it does not slope.
        between = np.append(np.arange(time[i], time[i + 1], interval), time[i + 1])
        watts = np.full(between.size, (counter[i + 1] - counter[i]) / spacing[i])
        time, power = np.insert(time, i + 1, between), np.insert(power, i + 1, watts)
    ends = np.cumsum(spacing) + part.time[known][:1]
    bridged = [f"from {ends[i] - spacing[i]:.1f} s to {ends[i]:.1f} s" for i in gaps]
    return time, power, bridged


def read_window(
    name: str,
    channels: Sequence[Samples],
    start: float,
    stop: float,
    details: Mapping[str, object] | None = None,
    doubts: Sequence[str] = (),
    clock_u: float = CLOCK_U,
    component: str = COMPONENT,
) -> Reading:
    """The reading of a wattmeter between two moments, in s since 1970, UTC.

    The energies of its channels are added: each measures a part of the machine, say one of its
    power supplies. `clock_u` is the standard uncertainty, s, of where the window lies on the
    meter's clock. What is said in `details` and `doubts` is kept along.

    Returns:
        A reading with one component; its energy is None, with the reason, where the samples cover
        less than `LEAST_COVERAGE` of the window. `details` has `coverage` (share),
        `samples_per_second`, `longest_gap` (s), and the standard `UNCERTAINTIES`.
    """
    channels = [channel for channel in channels if channel.time.size]
    looked = [possible(channel, channels, start, stop) for channel in channels]
    channels = [channel for channel, _, _ in looked]
    found = [integrate(channel, start, stop) for channel in channels]
    doubts = [*doubts, *(doubt for _, taken_out, _ in looked for doubt in taken_out)]
    coverage = min((one.coverage for one in found), default=0.0)
    longest = max((one.longest_gap for one in found), default=stop - start)
    samples = sum(one.samples for one in found)
    energy = None
    reason = next((why for _, _, why in looked if why), None)
    uncertain: dict[str, float] = {}
    if stop <= start:
        reason = "the run ends before it begins: the machine's clock was put back meanwhile"
    elif not found:
        reason = "the wattmeter has no samples"
    elif reason is None and coverage < LEAST_COVERAGE:
        reason = _too_little(channels, coverage, longest, start, stop)
    elif reason is None:
        few = min(one.samples for one in found)
        if few < ENOUGH and not any(channel.held for channel in channels):
            doubts.append(f"only {few} samples lie in the run's {stop - start:.1f} s")
        effects = [sampling(channel, start, stop) for channel in channels]
        corrections = sum(one.correction for one in effects) / JOULES_PER_KWH
        energy = sum(one.energy or 0.0 for one in found) + corrections
        said, too_coarse = _step(channels, energy, start, stop)
        if too_coarse:
            energy, reason = None, said
        else:
            doubts += [said] if said else []
            uncertain = _uncertain(effects, clock_u)
    methods = {
        "measured counter (wattmeter)" if channel.power is None else "measured power (wattmeter)"
        for channel in channels
    }
    part = Component(energy, " and ".join(sorted(methods)) or "none", reason)
    doubts += [doubt for one in found for doubt in one.doubts]
    doubts += [reason] if reason else []
    often = samples / (stop - start) if stop > start else None
    told = {"coverage": coverage, "samples_per_second": often, "longest_gap": longest, **uncertain}
    further = told | {**(details or {})}
    return Reading(name, stop - start, {component: part}, samples, tuple(doubts), further)


def _step(
    channels: Sequence[Samples], energy: float, start: float, stop: float
) -> tuple[str, bool]:
    """What the steps of counters leave open of an energy, kWh, and whether that is too much."""
    if energy <= 0:
        return "the wattmeter's energy does not go up during the run; is it the right column?", True
    counters = [one.around(start, stop).value for one in channels if one.power is None]
    steps = [counter_step(counter) / JOULES_PER_KWH for counter in counters]
    said = f"the counter goes up in steps of {1000 * max(steps, default=0.0):.3g} Wh"
    share = sum(steps) / energy
    if share > TOO_COARSE:
        known = f"read {1000 * energy:.3g} Wh: the run's energy is no more than known to a step"
        return f"{said}, and {known}", True
    return (f"{said}: the energy is known to ±{100 * share:.0f} %" if share > COARSE else ""), False


def counter_step(counter: NDArray) -> float:
    """The J by which a counter goes up at once; 0 where no step shows.

    Where it stands still between samples it is the least rise, else the largest usual step of which
    all rises are multiples.
    """
    rises = np.diff(counter[np.isfinite(counter)])
    moving = rises[rises > 0]
    if not moving.size:
        return 0.0
    if (rises == 0).any():
        return float(moving.min())
    whole = (step for step in COUNTER_STEPS if np.allclose(moving / step, np.round(moving / step)))
    return next(whole, 0.0)


def _uncertain(effects: Sequence[Sampling], clock_u: float) -> dict[str, float]:
    """Standard uncertainties of the channels' sum, kWh; their clock is one."""
    each = {name: [getattr(one, name) for one in effects] for name in UNCERTAINTIES[:-1]}
    found = {name: float(np.linalg.norm(u)) / JOULES_PER_KWH for name, u in each.items()}
    # Whichever way the window is moved, it takes in what lies outside a step.
    return found | {"clock_u": clock_u * sum(one.step for one in effects) / JOULES_PER_KWH}


def without_energy(
    name: str,
    duration: float,
    reason: str,
    details: Mapping[str, object] | None = None,
    component: str = COMPONENT,
) -> Reading:
    """The reading of a wattmeter that can say nothing of `duration` seconds, and why."""
    return empty_reading(
        name, duration, reason, components=(component,), doubts=(reason,), details=details
    )


def _too_little(
    channels: Sequence[Samples], coverage: float, longest: float, start: float, stop: float
) -> str:
    first = min(channel.time[0] for channel in channels)
    last = max(channel.time[-1] for channel in channels)
    if last <= start or first >= stop:
        return (
            f"the wattmeter's samples, from {utc(first)} to {utc(last)}, are all outside of the "
            f"run, from {utc(start)} to {utc(stop)}; is the zone of its times right?"
        )
    inside = min(int(((one.time >= start) & (one.time <= stop)).sum()) for one in channels)
    if inside < integrals.FEWEST and not any(channel.held for channel in channels):
        return (
            f"{'no sample' if inside == 0 else 'one sample'} of the wattmeter lies in the run's "
            f"{stop - start:.1f} s, which tells nothing of it (coverage 0 %); does the log say "
            "changes only? Then set hold: true"
        )
    return (
        f"the wattmeter's samples cover {100 * coverage:.1f} % of the run's {stop - start:.1f} s, "
        f"less than {100 * LEAST_COVERAGE:.0f} %; the longest gap is {longest:.1f} s"
    )


def utc(moment: float) -> str:
    """Seconds since 1970 as people read them."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def column_prefix(component: str) -> str:
    """How the columns of what a wattmeter says of a component begin; the machine's are shorter."""
    return "wattmeter_" if component == COMPONENT else f"wattmeter_{component}_"


def columns(reading: Reading) -> dict[str, object]:
    """What the table of results says of a wattmeter's reading; energy in kWh, time in s."""
    told = ("samples_per_second", "coverage", "longest_gap", "clock_offset", *UNCERTAINTIES)
    values = {
        "energy": reading.energy_consumed,
        "duration": reading.duration,
        "samples": reading.samples,
        **{name: reading.details.get(name) for name in (*told, "idle_power")},
        "source": reading.details.get("source", reading.instrument),
    }
    prefix = column_prefix(next(iter(reading.components)))
    return {prefix + name: value for name, value in values.items()}
