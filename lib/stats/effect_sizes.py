"""Correlations: what they are called, and how sure of them one can be."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
from scipy import stats

from lib.stats import ALPHA

WORDS = {
    0: "negligible",
    0.1: "weak",
    0.2: "moderate",
    0.4: "relatively strong",
    0.6: "strong",
    0.8: "very strong",
}
"""Least absolute value for each word.

Rea and Parker (1992), "Designing and conducting survey research"; it agrees with the paper's Table
3 (-0.41 and -0.62 strong; -0.06 weak)."""

FEWEST = 4


def magnitude(correlation: float) -> str:
    """Put a correlation into words, see `WORDS`."""
    return list(WORDS.values())[bisect_right(list(WORDS), abs(correlation)) - 1]


def correlation_interval(r: float, n: int, *, of_ranks: bool = False) -> tuple[float, float]:
    """Give the 95 % interval of a correlation; NaN with fewer than 4 pairs or perfect order.

    Args:
        r: Pearson's or, `of_ranks`, Spearman's correlation.
        n: Pairs.
        of_ranks: Whether it is Spearman's.

    Source:
        Fisher (1921) for Pearson's, as in `scipy.stats.pearsonr`; Bonett and Wright (2000),
        doi:10.1007/BF02294183, for Spearman's.
    """
    if n < FEWEST or abs(r) >= 1:
        return math.nan, math.nan
    error = math.sqrt((1 + r**2 / 2 if of_ranks else 1) / (n - 3))
    reach = float(stats.norm.isf(ALPHA / 2)) * error
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def spearman_rho(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Give Spearman's rank correlation of two arrays of shape (..., n)."""
    ranks = (stats.rankdata(one, axis=axis) for one in (x, y))
    return stats.pearsonr(*ranks, axis=axis).statistic
