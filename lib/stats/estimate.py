"""A number that was estimated, and how far it may be off."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import scipy  # which loads its parts, such as stats in a second, where they are first used

from lib.stats import ALPHA

Doubt = tuple[float, float, float]
"""What instruments leave uncertain about the logarithm of a ratio, beside the scatter of runs: the
2.5 %, 50 % and 97.5 % quantile of ln(true ratio / reported ratio)."""

_LARGEST_LOG = 700.0  # whose exponential is a number
ROUNDING = 1e-9  # up to which relative spread runs agree


@dataclass(frozen=True)
class Estimate:
    """A difference of means, or the logarithm of a ratio.

    Source:
        Welch (1947), doi:10.1093/biomet/34.1-2.28; Schuirmann (1987), doi:10.1007/BF01068419, for
        two one-sided tests.
    """

    value: float = math.nan  # the difference
    error: float = math.nan  # its standard error; NaN where a run alone has no spread
    df: float = math.nan  # degrees of freedom of Student's t
    reason: str | None = None  # why something is NaN; None where nothing is

    @classmethod
    def of_variances(cls, value: float, variances: np.ndarray, freedom: np.ndarray) -> Estimate:
        """Of independent parts, with the variance and degrees of freedom of each (Welch)."""
        if variances.sum() <= ROUNDING**2:
            return cls(value, reason="all runs agree")
        df = variances.sum() ** 2 / (variances**2 / freedom).sum()
        return cls(value, math.sqrt(variances.sum()), float(df))

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference of two independent estimates."""
        variances = np.array([self.error, other.error]) ** 2
        return self.of_variances(self.value - other.value, variances, np.array([self.df, other.df]))

    @property
    def is_known(self) -> bool:
        """Whether it has a standard error, without which nothing else can be said of it."""
        return not math.isnan(self.error)

    @property
    def p(self) -> float:
        """Two-sided, of the difference being 0."""
        return float(2 * scipy.special.stdtr(self.df, -abs(self.value) / self.error))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Limits that miss the difference with a chance of `alpha`."""
        reach = -float(scipy.special.stdtrit(self.df, alpha / 2)) * self.error
        return self.value - reach, self.value + reach

    def in_all(self, alpha: float, doubts: Iterable[Doubt]) -> tuple[float, float]:
        """The same limits, wide enough for each of several doubts too; see `widened`."""
        low, high = self.interval(alpha)
        ends = [widened(low, self.value, high, doubt, alpha) for doubt in doubts]
        ends = ends or [(low, high)]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def p_within(self, reach: float) -> float:
        """Of two one-sided tests of the difference being `reach` or more from 0, the larger."""
        ends = (reach - self.value, self.value + reach)
        return float(max(scipy.special.stdtr(self.df, -end / self.error) for end in ends))

    def ratio_within(
        self, alpha: float = ALPHA, doubts: Iterable[Doubt] = ()
    ) -> tuple[float, float]:
        """Limits as of `in_all`, of the ratio whose logarithm was estimated."""
        low, high = (math.exp(min(end, _LARGEST_LOG)) for end in self.in_all(alpha, doubts))
        return low, high


def widened(
    low: float, middle: float, high: float, doubt: Doubt, alpha: float = ALPHA
) -> tuple[float, float]:
    """The limits of the logarithm of a ratio, for scatter and instruments together.

    Half-widths are added as squares, each side by itself, about the ratio with known bias
    corrected; both are independent of each other. `low` and `high` are the limits by the runs'
    scatter around the logarithm of the ratio, `middle`, that miss with a chance of `alpha`: the
    doubt, whose tails are taken for a normal distribution's, is held to the same.
    """
    stretch = float(scipy.special.ndtri(alpha / 2) / scipy.special.ndtri(0.05 / 2))
    centre = middle + doubt[1]
    down = math.hypot(middle - low, stretch * (doubt[1] - doubt[0]))
    up = math.hypot(high - middle, stretch * (doubt[2] - doubt[1]))
    return centre - down, centre + up


def difference_of_means(*samples: np.ndarray) -> Estimate:
    """Estimate the mean of one sample, or how much larger that of the first of two is."""
    means = [float(sample.mean()) for sample in samples]
    value = means[0] - sum(means[1:])
    runs = np.array([len(sample) for sample in samples])
    if runs.min() < 2:
        return Estimate(value, reason="one run alone has no spread")
    variances = np.array([np.var(sample, ddof=1) for sample in samples]) / runs
    return Estimate.of_variances(value, variances, runs - 1)


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
    shares = numerator / means[0], denominator / means[1]
    found = difference_of_means(*([shares[0] - shares[1]] if paired else shares))
    return replace(found, value=math.log(means[0] / means[1]))
