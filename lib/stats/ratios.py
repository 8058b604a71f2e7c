"""Ratios of means, and how sure of them one can be."""

from __future__ import annotations

import math

import numpy as np

from lib.stats.estimate import Estimate

_ROUNDING = 1e-12


def ratio_of_means(
    numerator: np.ndarray, denominator: np.ndarray, *, paired: bool = False
) -> Estimate:
    """Estimate the logarithm of a ratio of means.

    Each value counts as a share of its mean (the delta method), of which Welch's t gives the
    interval; or Student's, of the differences between the shares, where the values are paired.

    Args:
        numerator: Numbers whose mean is above 0, shape (n,).
        denominator: The same, shape (m,).
        paired: Values at the same place are of the same run.

    Source:
        Welch (1947), doi:10.1093/biomet/34.1-2.28; Fieller (1954) for the ratio.
    """
    if not len(numerator) or not len(denominator):
        return Estimate(reason="one of the two has no value")
    means = numerator.mean(), denominator.mean()
    if min(means) <= 0:
        return Estimate(reason="no ratio: a mean is not above 0")
    value = math.log(means[0] / means[1])
    if min(len(numerator), len(denominator)) < 2:
        return Estimate(value, reason="one run alone has no spread")
    shares = numerator / means[0], denominator / means[1]
    parts = [shares[0] - shares[1]] if paired else shares
    freedom = np.array([len(part) - 1 for part in parts])
    variances = np.array([np.var(part, ddof=1) / len(part) for part in parts])
    if variances.sum() <= _ROUNDING**2:
        return Estimate(value, reason="all runs agree")
    df = variances.sum() ** 2 / (variances**2 / freedom).sum()
    return Estimate(value, math.sqrt(variances.sum()), float(df))
