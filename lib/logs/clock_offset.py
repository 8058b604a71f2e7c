"""How far the clock of a wattmeter is ahead: found by laying its log over a run's power trace.

Both see the same load, so where the profiler's power jumps, the wattmeter's does. The offset that
makes them correlate best is that of the clocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lib.instruments import COMPONENTS
from lib.instruments.metering import Samples

LARGEST = 120.0
"""s. Clocks further apart are to be set right, or their offset to be given."""

LEAST_CORRELATION = 0.7
"""Below it the two curves have too little in common to tell where one lies on the other."""

LEAST_LEAD = 0.02  # by so much the best offset's correlation must exceed that of every other peak

PEAK = 3.0
"""s. Offsets this near belong to the same peak."""

FEWEST = 10  # samples of the trace; fewer can be laid over anything


@dataclass(frozen=True)
class Offset:
    """Seconds that a log's clock is ahead of the machine's, or why they can't be told.

    `correlation` is Pearson's r of the two curves at the best offset; NaN if there is none.
    """

    seconds: float | None
    correlation: float
    reason: str | None = None


def estimate(channels: Sequence[Samples], trace: pd.DataFrame) -> Offset:
    """Estimate the offset of the clocks, to about 0.1 s.

    The wattmeter's samples, whose powers add up, reach `LARGEST` beyond the run's power trace where
    that is possible.
    """
    watts = trace[[f"{name}_power" for name in COMPONENTS]].sum(axis=1).to_numpy(dtype=float)
    ends = pd.to_datetime(trace["timestamp"], format="ISO8601", utc=True)
    stop = ends.dt.as_unit("ms").astype("int64").to_numpy() / 1e3
    start = stop - trace["interval"].to_numpy(dtype=float)
    if watts.size < FEWEST:
        return Offset(None, np.nan, f"the power trace has {watts.size} samples only")
    channels = [samples for samples in channels if samples.time.size]
    if sum(samples.time.size for samples in channels) < FEWEST:
        return Offset(None, np.nan, "the wattmeter's log has next to no samples around the run")

    coarse = np.arange(-LARGEST, LARGEST + 0.5, 0.5)
    r = _correlations(channels, start, stop, watts, coarse)
    if not np.isfinite(r).any():
        return Offset(None, np.nan, "the power did not change enough to compare the clocks by it")
    best = coarse[np.nanargmax(r)]
    fine = best + np.arange(-0.5, 0.55, 0.05)
    refined = _correlations(channels, start, stop, watts, fine)
    seconds, peak = fine[np.nanargmax(refined)], float(np.nanmax(refined))
    others = r[np.abs(coarse - best) > PEAK]
    rival = np.nanmax(others) if np.isfinite(others).any() else -1.0
    if peak < LEAST_CORRELATION:
        return Offset(None, peak, f"profiler and wattmeter hardly correlate (r = {peak:.2f})")
    if peak - rival < LEAST_LEAD:
        return Offset(None, peak, f"several offsets fit alike (r = {peak:.3f} and {rival:.3f})")
    return Offset(round(float(seconds), 2), peak)


def _correlations(
    channels: Sequence[Samples], start: NDArray, stop: NDArray, watts: NDArray, offsets: NDArray
) -> NDArray:
    """Pearson's r between the trace and the log's mean power in its intervals, for each offset.

    NaN where the log does not cover the trace, or the power is constant.
    """
    time = np.unique(np.concatenate([samples.time for samples in channels]))
    first = max(samples.time[0] for samples in channels)
    last = min(samples.time[-1] for samples in channels)
    joules = sum(np.interp(time, samples.time, _cumulative(samples)) for samples in channels)
    found = np.full(offsets.size, np.nan)
    for place, offset in enumerate(offsets):
        begins, ends = start + offset, stop + offset
        inside = (begins >= first) & (ends <= last)
        if inside.sum() < max(FEWEST, inside.size / 2):
            continue
        energy = np.interp(ends, time, joules) - np.interp(begins, time, joules)
        meter = energy[inside] / (stop - start)[inside]
        profiler = watts[inside]
        if _varies(meter) and _varies(profiler):
            found[place] = np.corrcoef(meter, profiler)[0, 1]
    return found


def _varies(power: NDArray) -> bool:
    """Whether power changes by more than a thousandth, which noise of rounding would."""
    return bool(np.ptp(power) > 1e-3 * np.abs(power).max())


def _cumulative(samples: Samples) -> NDArray:
    """J since the first sample; a counter that restarts goes on from where it was."""
    if samples.counter is not None and samples.power is None:
        steps = np.maximum(np.diff(samples.counter), 0)
    else:
        assert samples.power is not None, "samples have one of the two"
        power = np.nan_to_num(samples.power)
        mean = power[:-1] if samples.held else (power[1:] + power[:-1]) / 2
        steps = np.diff(samples.time) * mean
    return np.concatenate([[0.0], np.cumsum(steps)])
