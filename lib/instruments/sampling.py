"""What a meter's sampling does to the energy of a run: a bias that is corrected, and what is left.

A run begins and ends with a step of power, somewhere between two samples. The trapezoid rule draws
a slope there and loses ΔP·Δ/6 at either edge on average, for samples Δ apart. The power inside is
known from the samples inside, so it is held up to the edge instead.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from lib.instruments.integrate import GAP, rises

STEP = 5.0  # a change at an edge this many times the scatter of successive samples is a step
FEWEST = 4  # samples inside a window, below which its edges can't be told from its inside
POWER_STEPS = (1.0, 0.1, 0.01)  # W in which meters show power


@dataclass(frozen=True)
class Sampling:
    """What sampling does to the energy of one window, in J.

    `sampling_u` is s·Δ·√n, where s² is half the mean squared difference of successive samples.
    About right for noise, too wide for periodic load.
    """

    correction: float = 0.0  # to be added to the energy by the trapezoid rule
    step: float = 0.0  # W by which the power changes at an edge, mean of both; 0: there is no step
    edge_u: float = 0.0  # standard uncertainty of what lies between an edge and the samples inside
    sampling_u: float = 0.0  # of what happens between samples
    resolution_u: float = 0.0  # of the steps in which the meter shows its values


def of_power(time: NDArray, power: NDArray, length: float) -> Sampling:
    """What sampling does to samples of power (W) in a window of `length` s.

    Times count from the window's begin; a neighbour outside is at either end.
    """
    known = np.isfinite(power)
    time, power = time[known], power[known]
    inside = np.flatnonzero((time >= 0) & (time <= length))
    if inside.size < FEWEST:
        step = float(np.ptp(power)) if power.size else 0.0
        gap = float(np.diff(time).max()) if time.size > 1 else length
        return Sampling(step=step, edge_u=step * min(gap, length) / 3)
    first, last = inside[0], inside[-1]
    scatter = _scatter(power[inside[1:]])
    interval = float(np.median(np.diff(time)))
    # A meter may average over the time since the sample before, so that the first sample inside
    # is still a mixture; the second is not.
    lead, tail = float(time[first + 1]), float(length - time[last])
    correction, steps = 0.0, []
    for outside, within, span, held in (
        (first - 1, first + 1, (0.0, lead), lead),
        (last + 1, last, (time[last], length), tail),
    ):
        beside = first if outside < first else last
        if not 0 <= outside < time.size or abs(time[outside] - time[beside]) > GAP * interval:
            continue
        step = abs(power[within] - power[outside])
        if step > STEP * scatter:
            steps.append(step)
            correction += power[within] * held - _trapezoid(time, power, *span)
    shown = next((q for q in POWER_STEPS if np.allclose(power / q, np.rint(power / q))), 0.0)
    return Sampling(
        correction=float(correction),
        step=sum(steps) / 2,
        edge_u=scatter * float(np.hypot(lead, tail)),
        sampling_u=scatter * interval * inside.size**0.5,
        resolution_u=shown / 12**0.5 * length,
    )


def of_counter(time: NDArray, counter: NDArray, length: float, step: float) -> Sampling:
    """What sampling does to a window read off an energy counter (J); see `of_power`.

    Between two readings nothing is lost; but how much of an interval's energy belongs inside an
    edge is only known if the power inside is. `step` is what the counter goes up by at once, J.
    """
    known = np.isfinite(counter)
    time, counter = time[known], counter[known]
    inside = np.flatnonzero((time >= 0) & (time <= length))
    resolution = step / 6**0.5
    if inside.size < FEWEST:
        return Sampling(resolution_u=resolution)
    first, last = inside[0], inside[-1]
    seconds, (joules, *_) = np.diff(time), rises(time, counter)
    power = joules / np.where(seconds > 0, seconds, np.nan)
    scatter = _scatter(power[first:last])
    correction, steps, edges = 0.0, [], []
    for edge, within, length_inside in (
        (first - 1, first, time[first]),
        (last, last - 1, length - time[last]),
    ):
        if not 0 <= edge < power.size or length_inside <= 0:
            continue
        edges.append(length_inside)
        # The interval that the edge lies in is a mixture; its neighbour outside shows the step.
        outside = power[min(max(2 * edge - within, 0), power.size - 1)]
        change = max(abs(power[within] - outside), abs(power[within] - power[edge]))
        if change > STEP * scatter:
            steps.append(change)
            held = min(power[within] * length_inside, joules[edge])
            correction += held - power[edge] * length_inside
    return Sampling(
        correction=float(correction),
        step=sum(steps) / 2,
        edge_u=scatter * float(np.sqrt(np.sum(np.square(edges)))),
        resolution_u=resolution,
    )


def _scatter(values: NDArray) -> float:
    """Standard deviation about a slow curve: from successive differences, which hold no trend.

    Widened where there are few of them, so that twice as much is a 95 % interval: n differences
    have about 2n/3 degrees of freedom.
    """
    differences = np.diff(values[np.isfinite(values)])
    if not differences.size:
        return 0.0
    degrees_of_freedom = max(2 * differences.size / 3, 1.0)
    few = scipy.special.stdtrit(degrees_of_freedom, 0.975) / scipy.special.ndtri(0.975)
    return float(few * np.sqrt(np.mean(differences**2) / 2))


def _trapezoid(time: NDArray, power: NDArray, start: float, stop: float) -> float:
    """J between two moments, power taken as a line between samples."""
    middle = time[(time > start) & (time < stop)]
    moments = np.array([start, *middle, stop])
    return float(np.trapezoid(np.interp(moments, time, power), moments))
