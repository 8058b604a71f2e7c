"""Effect sizes: what they are, what they are called, and how sure of them one can be.

The statistics take arrays of any shape and work along `axis`, so that thousands of bootstrap
resamples cost one call.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 1
# n values have C(2n-1, n) distinct resamples: 10 for three values, 35 for four, 126 for five; with
# fewer than 40, a tail of 2.5 % is narrower than one of them.
FEWEST = 5
MOST_UNDEFINED = 0.05
# Of more values, so many are resampled at a time: the cost of an interval then stays what it is.
LARGE = 100
RESAMPLES_OF_LARGE = 500

# Least absolute value for each word. Correlations: Rea and Parker (1992), "Designing and conducting
# survey research"; it also agrees with the paper's Table 3 (-0.41 and -0.62 strong; -0.06 weak).
_CORRELATION = {
    0: "negligible",
    0.1: "weak",
    0.2: "moderate",
    0.4: "relatively strong",
    0.6: "strong",
    0.8: "very strong",
}
RULES: dict[str, dict[float, str]] = {
    "point-biserial r": _CORRELATION,
    "Pearson r": _CORRELATION,
    "Spearman rho": _CORRELATION,
    # The same, squared: epsilon squared is the squared correlation ratio of the ranks.
    "epsilon squared": {
        0: "negligible",
        0.01: "weak",
        0.04: "moderate",
        0.16: "relatively strong",
        0.36: "strong",
        0.64: "very strong",
    },
    # Romano et al. (2006), "Appropriate statistics for ordinal level data".
    "Cliff's delta": {0: "negligible", 0.147: "small", 0.33: "medium", 0.474: "large"},
}


def magnitude(effect_name: str, effect: float) -> str:
    """Put an effect size into words by the rule for its kind, see `RULES`."""
    rule = RULES[effect_name]
    return list(rule.values())[bisect_right(list(rule), abs(effect)) - 1]


def pearson_r(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Give Pearson's correlation of two arrays of shape (..., n)."""
    return stats.pearsonr(x, y, axis=axis).statistic


def spearman_rho(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Give Spearman's rank correlation of two arrays of shape (..., n)."""
    return pearson_r(stats.rankdata(x, axis=axis), stats.rankdata(y, axis=axis), axis)


def point_biserial_r(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """Correlate values with being in `a` (1) or in `b` (0); negative where `a` is lower."""
    coding = np.concatenate([np.ones_like(a), np.zeros_like(b)], axis)
    return pearson_r(coding, np.concatenate([a, b], axis), axis)


def cliffs_delta(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """Give P(a > b) - P(a < b) over all pairs: -1 where all of `a` is below all of `b`.

    Source:
        Cliff (1993), doi:10.1037/0033-2909.114.3.494; 2 U / (n_a n_b) - 1 with U of
        `scipy.stats.mannwhitneyu`.
    """
    u = stats.mannwhitneyu(a, b, axis=axis, method="asymptotic").statistic
    return 2 * u / (a.shape[axis] * b.shape[axis]) - 1


def epsilon_squared(*groups: np.ndarray, axis: int = -1) -> np.ndarray:
    """Give the share of the ranks' variance that lies between groups, H / ((n² - 1) / (n + 1)).

    Source:
        Tomczak and Tomczak (2014), "The need to report effect size estimates revisited".
    """
    n = sum(group.shape[axis] for group in groups)
    return stats.kruskal(*groups, axis=axis).statistic / ((n**2 - 1) / (n + 1))


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, or the reason why there is none.

    Attributes:
        low: Lower limit, NaN where there is none.
        high: Upper limit, NaN where there is none.
        reason: Why the limits are empty, in words; "" where they aren't.
    """

    low: float = math.nan
    high: float = math.nan
    reason: str = ""


def bootstrap_interval(
    statistic: Callable[..., np.ndarray], samples: Sequence[np.ndarray], *, paired: bool = False
) -> Interval:
    """Give the 95 % bootstrap interval of a statistic: bias-corrected and accelerated (BCa).

    BCa and not percentile: in simulation (two normal groups of 5 to 30 values, 0 to 2 SD apart) it
    held the true Cliff's delta in 95 % to 100 % of cases and the true point-biserial r in 80 % to
    97 %, percentile in 64 % to 96 % and 73 % to 95 %. The generator is seeded afresh, so that an
    interval doesn't depend on which others were asked for.

    With more than `LARGE` values resamples are smaller than the samples (m out of n), whose spread
    is then scaled: the cost no longer grows with their number. In simulation (two or three normal
    groups of 55 to 2000 values, 0 to 2.5 SD apart) it held the true Cliff's delta, epsilon
    squared, r and ratio of means in 91 % to 100 % of cases.

    Args:
        statistic: Takes the samples and `axis`, gives one number a resample; NaN where a resample
            leaves it undefined, such as the correlation of a constant.
        samples: One array of shape (n,) a group, each resampled within itself, so that an
            unbalanced design stays as it is.
        paired: The arrays are columns of the same observations, and whole rows are resampled.

    Returns:
        The interval; empty where a sample is too small, where more than 5 % of the resamples leave
        the statistic undefined (up to that, they are left out), where all resamples agree, and
        where they are so lopsided that the interval misses the statistic itself.

    Source:
        Efron (1987), doi:10.2307/2289144; `scipy.stats.bootstrap`. Bickel, Götze and van Zwet
        (1997), "Resampling fewer than n observations".
    """
    smallest = min(len(sample) for sample in samples)
    if smallest < FEWEST:
        where = " in a group" if len(samples) > 1 and not paired else ""
        return Interval(
            reason=f"no interval: a bootstrap takes {FEWEST} values{where}, not {smallest}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is undefined comes back as NaN and is counted
        large = sum(len(sample) for sample in (samples[:1] if paired else samples)) > LARGE
        low, high, reason = (_of_parts if large else _bca)(statistic, samples, paired)
    if reason:
        return Interval(reason=f"no interval: {reason}")
    if not low <= statistic(*samples) <= high:  # NaN too: all lie to one side
        return Interval(reason="no interval: the resamples are too lopsided to correct for it")
    return Interval(float(low), float(high))


def _bca(
    statistic: Callable[..., np.ndarray], samples: Sequence[np.ndarray], paired: bool
) -> tuple[float, float, str]:
    """The limits, or else the reason why there are none."""
    options = {"paired": paired, "vectorized": True, "confidence_level": CONFIDENCE}
    drawn = stats.bootstrap(
        samples, statistic, n_resamples=RESAMPLES, rng=SEED, method="percentile", **options
    )
    drawn.bootstrap_distribution, reason = _defined(drawn.bootstrap_distribution)
    if reason:
        return math.nan, math.nan, reason
    limits = stats.bootstrap(
        samples, statistic, n_resamples=0, bootstrap_result=drawn, method="BCa", **options
    ).confidence_interval
    return limits.low, limits.high, ""


def _of_parts(
    statistic: Callable[..., np.ndarray], samples: Sequence[np.ndarray], paired: bool
) -> tuple[float, float, str]:
    """The same by the m out of n bootstrap: resamples of about `LARGE` values, less scattered.

    Their spread around their mean shrinks with the square root of the share that they are.
    """
    rng = np.random.default_rng(SEED)
    total = sum(len(sample) for sample in (samples[:1] if paired else samples))
    share = min(max(LARGE / total, FEWEST / min(map(len, samples))), 1)
    sizes = [(RESAMPLES_OF_LARGE, round(share * len(sample))) for sample in samples]
    places = [rng.integers(len(x), size=size) for x, size in zip(samples, sizes, strict=True)]
    if paired:
        places = [places[0]] * len(samples)
    parts = [sample[place] for sample, place in zip(samples, places, strict=True)]
    defined, reason = _defined(statistic(*parts, axis=-1))
    if reason:
        return math.nan, math.nan, reason
    tail = (1 - CONFIDENCE) / 2
    around = np.quantile(defined, [tail, 1 - tail]) - defined.mean()
    low, high = statistic(*samples) + math.sqrt(share) * around
    return low, high, ""


def _defined(drawn: np.ndarray) -> tuple[np.ndarray, str]:
    """The resampled statistics that are numbers, or else why they are no use."""
    defined = drawn[np.isfinite(drawn)]
    undefined = len(drawn) - len(defined)
    if undefined > MOST_UNDEFINED * len(drawn):
        return defined, f"undefined in {undefined} of {len(drawn)} resamples"
    if np.ptp(defined) <= 1e-12 * np.abs(defined).max():
        return defined, "every resample gives the same value"
    return defined, ""
