"""Effect sizes: what they are, and what they are called.

The statistics take arrays of any shape and work along `axis`, so that thousands of bootstrap
resamples cost one call.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from scipy import stats

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
