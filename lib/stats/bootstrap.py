"""Bootstrap intervals, or the reasons why there are none."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lib.stats import ALPHA, CONFIDENCE

RESAMPLES = 2000
SEED = 1
# n values have C(2n-1, n) distinct resamples: 10 for three values, 35 for four, 126 for five; with
# fewer than 40, a tail of 2.5 % is narrower than one of them.
FEWEST = 5
MOST_UNDEFINED = 0.05
# Of more values, so many are resampled at a time: the cost of an interval then stays what it is.
LARGE = 100
RESAMPLES_OF_LARGE = 500


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, or the reason why there is none.

    Attributes:
        low: Lower limit, NaN where there is none.
        high: Upper limit, NaN where there is none.
        reason: Why the limits are empty, in words; None where they aren't.
    """

    low: float = math.nan
    high: float = math.nan
    reason: str | None = None


def interval(
    statistic: Callable[..., np.ndarray], groups: Sequence[np.ndarray], *, paired: bool = False
) -> Interval:
    """Give the 95 % bootstrap interval of a statistic: bias-corrected and accelerated (BCa).

    BCa and not percentile: in simulation (two normal groups of 5 to 30 values, 0 to 2 SD apart) it
    held the true Cliff's delta in 95 % to 100 % of cases and the true point-biserial r in 80 % to
    97 %, percentile in 64 % to 96 % and 73 % to 95 %. The generator is seeded afresh, so that an
    interval doesn't depend on which others were asked for.

    With more than `LARGE` values resamples are smaller than the groups (m out of n), whose spread
    is then scaled: the cost no longer grows with their number. In simulation (two or three normal
    groups of 55 to 2000 values, 0 to 2.5 SD apart) it held the true Cliff's delta, epsilon
    squared, r and ratio of means in 91 % to 100 % of cases.

    Args:
        statistic: Takes the groups and `axis`, gives one number a resample; NaN where a resample
            leaves it undefined, such as the correlation of a constant.
        groups: One array of shape (n,) a group, each resampled within itself, so that an
            unbalanced design stays as it is.
        paired: The arrays are columns of the same observations, and whole rows are resampled.

    Returns:
        The interval; empty where a group is too small, where more than 5 % of the resamples leave
        the statistic undefined (up to that, they are left out), where all resamples agree, and
        where they are so lopsided that the interval misses the statistic itself.

    Source:
        Efron (1987), doi:10.2307/2289144; `scipy.stats.bootstrap`. Bickel, Götze and van Zwet
        (1997), "Resampling fewer than n observations".
    """
    smallest = min(len(group) for group in groups)
    if smallest < FEWEST:
        where = " in a group" if len(groups) > 1 and not paired else ""
        return Interval(
            reason=f"no interval: a bootstrap takes {FEWEST} values{where}, not {smallest}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is undefined comes back as NaN and is counted
        large = sum(len(group) for group in (groups[:1] if paired else groups)) > LARGE
        low, high, reason = (_of_parts if large else _bca)(statistic, groups, paired)
    if reason:
        return Interval(reason=f"no interval: {reason}")
    if not low <= statistic(*groups) <= high:  # NaN too: all lie to one side
        return Interval(reason="no interval: the resamples are too lopsided to correct for it")
    return Interval(float(low), float(high))


def _bca(
    statistic: Callable[..., np.ndarray], groups: Sequence[np.ndarray], paired: bool
) -> tuple[float, float, str | None]:
    """The limits, or else the reason why there are none."""
    options = {"paired": paired, "vectorized": True, "confidence_level": CONFIDENCE}
    drawn = stats.bootstrap(
        groups, statistic, n_resamples=RESAMPLES, rng=SEED, method="percentile", **options
    )
    drawn.bootstrap_distribution, reason = _defined(drawn.bootstrap_distribution)
    if reason:
        return math.nan, math.nan, reason
    limits = stats.bootstrap(
        groups, statistic, n_resamples=0, bootstrap_result=drawn, method="BCa", **options
    ).confidence_interval
    return limits.low, limits.high, None


def _of_parts(
    statistic: Callable[..., np.ndarray], groups: Sequence[np.ndarray], paired: bool
) -> tuple[float, float, str | None]:
    """The same by the m out of n bootstrap: resamples of about `LARGE` values, less scattered.

    Their spread around their mean shrinks with the square root of the share that they are.
    """
    rng = np.random.default_rng(SEED)
    total = sum(len(group) for group in (groups[:1] if paired else groups))
    share = min(max(LARGE / total, FEWEST / min(map(len, groups))), 1)
    sizes = [(RESAMPLES_OF_LARGE, round(share * len(group))) for group in groups]
    places = [rng.integers(len(x), size=size) for x, size in zip(groups, sizes, strict=True)]
    if paired:
        places = [places[0]] * len(groups)
    parts = [group[place] for group, place in zip(groups, places, strict=True)]
    defined, reason = _defined(statistic(*parts, axis=-1))
    if reason:
        return math.nan, math.nan, reason
    around = np.quantile(defined, [ALPHA / 2, 1 - ALPHA / 2]) - defined.mean()
    low, high = statistic(*groups) + math.sqrt(share) * around
    return low, high, None


def _defined(drawn: np.ndarray) -> tuple[np.ndarray, str | None]:
    """The resampled statistics that are numbers, or else why they are no use."""
    defined = drawn[np.isfinite(drawn)]
    undefined = len(drawn) - len(defined)
    if undefined > MOST_UNDEFINED * len(drawn):
        return defined, f"undefined in {undefined} of {len(drawn)} resamples"
    if np.ptp(defined) <= 1e-12 * np.abs(defined).max():
        return defined, "every resample gives the same value"
    return defined, None
