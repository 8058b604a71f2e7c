"""What a wattmeter's samples say of a window of time, be they polled live or read from a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from lib.instruments import Component, Reading, empty_reading
from lib.instruments.integrate import GAP, Integral, integrate_counter, integrate_power

LEAST_COVERAGE = 0.95
"""Share of a window that samples must cover; below it a reading is refused."""

COMPONENT = "machine"
"""A wattmeter sees all of the machine, and nothing smaller."""


@dataclass(frozen=True)
class Samples:
    """What one channel of a wattmeter reported.

    Attributes:
        time: Seconds since 1970 in UTC, shape (n,), never decreasing.
        power: W, shape (n,), NaN where there is none; None if it tells no power.
        counter: J on an energy counter, shape (n,), NaN where there is none; None without counter.
    """

    time: NDArray
    power: NDArray | None = None
    counter: NDArray | None = None

    def around(self, start: float, stop: float) -> Samples:
        """The samples from `start` to `stop` with the neighbours that the edges are between.

        Times are then seconds since `start`.
        """
        first = max(int(np.searchsorted(self.time, start, side="right")) - 1, 0)
        last = int(np.searchsorted(self.time, stop, side="left")) + 1
        part = self.between(first, last)
        return replace(part, time=part.time - start)

    def between(self, first: int, last: int) -> Samples:
        """Those from number `first` to before number `last`."""
        return Samples(
            self.time[first:last],
            None if self.power is None else self.power[first:last],
            None if self.counter is None else self.counter[first:last],
        )


def integrate(samples: Samples, start: float, stop: float) -> Integral:
    """The energy of a window; its edges, in s since 1970, need not be samples.

    Power is integrated by the trapezoid rule. Where a meter has a counter too, the counter says
    what was used in a gap of the power.
    """
    part = samples.around(start, stop)
    length = stop - start
    if part.power is None:
        return integrate_counter(part.time, part.counter, 0.0, length)
    if part.counter is None:
        return integrate_power(part.time, part.power, 0.0, length)
    time, power, bridged = _bridge_gaps(part, length)
    plain = integrate_power(part.time, part.power, 0.0, length)
    filled = integrate_power(time, power, 0.0, length)
    doubts = (*filled.doubts, *(f"the energy counter tells what was used {gap}" for gap in bridged))
    return replace(filled, samples=plain.samples, longest_gap=plain.longest_gap, doubts=doubts)


def _bridge_gaps(part: Samples, length: float) -> tuple[NDArray, NDArray, list[str]]:
    """Fill gaps of the power with the counter's mean power.

    A counter that restarted fills none, and none is filled in which the window begins or ends.

    Returns:
        Times, powers, and where gaps were filled, in words.
    """
    known = np.isfinite(part.power)
    time, power, counter = part.time[known], part.power[known], part.counter[known]
    spacing = np.diff(time)
    interval = float(np.median(spacing)) if spacing.size else 0.0
    inside = (time[:-1] >= 0) & (time[1:] <= length)
    gaps = np.flatnonzero((spacing > GAP * interval) & (np.diff(counter) >= 0) & inside)
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
) -> Reading:
    """The reading of a wattmeter between two moments; the energies of its channels are added.

    Args:
        name: Of the instrument.
        channels: Each measures a part of the machine, say one of its power supplies.
        start: Seconds since 1970, UTC.
        stop: Seconds since 1970, UTC.
        details: To be kept along.
        doubts: What is known to be doubtful already.

    Returns:
        A reading with one component, `machine`; its energy is None, with the reason, where the
        samples cover less than `LEAST_COVERAGE` of the window. `details` has `coverage` (share),
        `samples_per_second` and `longest_gap` (s).
    """
    channels = [channel for channel in channels if channel.time.size]
    found = [integrate(channel, start, stop) for channel in channels]
    coverage = min((one.coverage for one in found), default=0.0)
    longest = max((one.longest_gap for one in found), default=stop - start)
    samples = sum(one.samples for one in found)
    energy = None
    reason = None
    if not found:
        reason = "the wattmeter has no samples"
    elif coverage < LEAST_COVERAGE:
        reason = _too_little(channels, coverage, longest, start, stop)
    else:
        energy = sum(one.energy for one in found)
    methods = {
        "measured counter (wattmeter)" if channel.power is None else "measured power (wattmeter)"
        for channel in channels
    }
    return Reading(
        name,
        stop - start,
        {COMPONENT: Component(energy, " and ".join(sorted(methods)) or "none", reason)},
        samples,
        (*doubts, *(doubt for one in found for doubt in one.doubts), *([reason] if reason else [])),
        {
            "coverage": coverage,
            "samples_per_second": samples / (stop - start) if stop > start else None,
            "longest_gap": longest,
        }
        | dict(details or {}),
    )


def without_energy(
    name: str, duration: float, reason: str, details: Mapping[str, object] | None = None
) -> Reading:
    """The reading of a wattmeter that can say nothing of `duration` seconds, and why."""
    return empty_reading(
        name, duration, reason, components=(COMPONENT,), doubts=(reason,), details=details
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
    return (
        f"the wattmeter's samples cover {100 * coverage:.1f} % of the run's {stop - start:.1f} s, "
        f"less than {100 * LEAST_COVERAGE:.0f} %; the longest gap is {longest:.1f} s"
    )


def utc(moment: float) -> str:
    """Seconds since 1970 as people read them."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def columns(reading: Reading) -> dict[str, float | str | None]:
    """What the table of results says of a wattmeter's reading; energy in kWh, time in s."""
    known = reading.details
    return {
        "wattmeter_energy": reading.energy_consumed,
        "wattmeter_duration": reading.duration,
        "wattmeter_samples": reading.samples,
        "wattmeter_samples_per_second": known.get("samples_per_second"),
        "wattmeter_coverage": known.get("coverage"),
        "wattmeter_longest_gap": known.get("longest_gap"),
        "wattmeter_clock_offset": known.get("clock_offset"),
        "wattmeter_source": known.get("source", reading.instrument),
    }
