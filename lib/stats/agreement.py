"""How two instruments agree: their limits of agreement, and the line through their means."""

import math
from dataclasses import dataclass

import numpy as np
import scipy

from lib.stats import ALPHA

FEWEST_GROUPS = 4  # of which the jackknife leaves one out at a time

LARGEST_SHARE = 0.05
"""Of what the means scatter, that may come from repetitions. In simulation (4 to 12 groups of 3 to
10 runs, noise of 0.5 to 3 %, no offset) the interval then held 0 W in 93 to 99 % of cases; with a
share of 0.2 to 0.6 only in 89 to 95 %."""


@dataclass(frozen=True)
class Line:
    """A straight line where both coordinates have errors, with 95 % intervals `_low` to `_high`.

    Where there is none, `reason` says why.
    """

    intercept: float = math.nan
    intercept_low: float = math.nan
    intercept_high: float = math.nan
    slope: float = math.nan
    slope_low: float = math.nan
    slope_high: float = math.nan
    reason: str | None = None


def limits_of_agreement(differences: np.ndarray) -> tuple[float, float, float, float]:
    """Between which 95 % of the differences between two instruments lie.

    Returns:
        Bias, the mean difference; lower and upper limit, 1.96 standard deviations from it; and how
        far the 95 % interval of each limit reaches to both of its sides. NaN of too few.

    Source:
        Bland and Altman (1986), doi:10.1016/S0140-6736(86)90837-8; (1999),
        doi:10.1177/096228029900800204, for the standard error of a limit.
    """
    n = len(differences)
    bias = float(np.mean(differences)) if n else math.nan
    if n < 2:
        return bias, math.nan, math.nan, math.nan
    z = float(scipy.stats.norm.isf(ALPHA / 2))
    sd = float(np.std(differences, ddof=1))
    error = sd * math.sqrt(1 / n + z**2 / (2 * (n - 1)))
    reach = float(scipy.stats.t.isf(ALPHA / 2, n - 1)) * error
    return bias, bias - z * sd, bias + z * sd, reach


def line(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Line:
    """Fit a line through the means of groups, whose scatter within says how sure each mean is.

    A line through single runs takes the noise in x for a difference in x, and so finds an
    intercept where there is none (regression dilution). Deming's allows errors in both, here in
    the proportion that they have within groups; its intervals are the jackknife's over groups.

    There is none where there are fewer than 4 groups or no repetitions, or where the groups differ
    in x by hardly more than repetitions of one do.

    Args:
        x: Numbers, shape (n,).
        y: The same.
        groups: Which repetitions belong together, shape (n,).

    Source:
        Deming (1943), "Statistical adjustment of data"; Linnet (1990), doi:10.1002/sim.4780091210,
        for the jackknife.
    """
    names, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    k, n = len(names), len(x)
    if k < FEWEST_GROUPS:
        return Line(reason=f"a line takes {FEWEST_GROUPS} configurations, not {k}")
    if n == k:
        return Line(reason="without repetitions nobody knows how noisy a mean is")
    mean_x, mean_y = (np.bincount(places, one) / counts for one in (x, y))
    within = [
        float(((one - mean[places]) ** 2).sum()) / (n - k)
        for one, mean in ((x, mean_x), (y, mean_y))
    ]
    between = np.var(mean_x, ddof=1)
    noise = within[0] * np.mean(1 / counts)
    if between <= 1e-18 * np.abs(x).max() ** 2 or noise > LARGEST_SHARE * between:
        return Line(
            reason="the configurations differ by hardly more than repetitions of one do, so a "
            "line through them would follow the noise"
        )
    proportion = within[1] / within[0] if within[0] > 0 else math.inf
    whole = np.array(_deming(mean_x, mean_y, proportion))
    parts = np.array(
        [_deming(np.delete(mean_x, one), np.delete(mean_y, one), proportion) for one in range(k)]
    )
    errors = np.std(k * whole - (k - 1) * parts, axis=0, ddof=1) / math.sqrt(k)
    reach = float(scipy.stats.t.isf(ALPHA / 2, k - 2)) * errors
    return Line(*np.array([whole, whole - reach, whole + reach]).T.ravel().tolist())


def _deming(x: np.ndarray, y: np.ndarray, proportion: float) -> tuple[float, float]:
    """Intercept and slope, for errors of y whose variance is `proportion` times that of x's."""
    xx, yy = np.var(x), np.var(y)
    xy = float(((x - x.mean()) * (y - y.mean())).mean())
    if math.isinf(proportion) or xy == 0:
        slope = xy / xx
    else:
        half = yy - proportion * xx
        slope = (half + math.sqrt(half**2 + 4 * proportion * xy**2)) / (2 * xy)
    return float(y.mean() - slope * x.mean()), float(slope)
