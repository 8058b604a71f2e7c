"""A number that was estimated, and how far it may be off."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

from lib.stats import ALPHA

_LARGEST_LOG = 700.0
"""Whose exponential is a number."""


@dataclass(frozen=True)
class Estimate:
    """A difference of mean logs, or the logarithm of a ratio.

    Source:
        Welch (1947), doi:10.1093/biomet/34.1-2.28; Schuirmann (1987), doi:10.1007/BF01068419, for
        two one-sided tests.

    Attributes:
        value: The difference.
        error: Its standard error; NaN where a run alone has no spread.
        df: Degrees of freedom of Student's t.
        reason: Why something is NaN; None where nothing is.
    """

    value: float = math.nan
    error: float = math.nan
    df: float = math.nan
    reason: str | None = None

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference of two independent estimates, with Welch's degrees of freedom."""
        variances = self.error**2, other.error**2
        df = sum(variances) ** 2 / (variances[0] ** 2 / self.df + variances[1] ** 2 / other.df)
        return Estimate(self.value - other.value, math.sqrt(sum(variances)), df)

    @property
    def is_known(self) -> bool:
        """Whether it has a standard error, without which nothing else can be said of it."""
        return not math.isnan(self.error)

    @property
    def p(self) -> float:
        """Two-sided, of the difference being 0."""
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.df))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Limits that miss the difference with a chance of `alpha`."""
        reach = float(stats.t.isf(alpha / 2, self.df)) * self.error
        return self.value - reach, self.value + reach

    def p_within(self, reach: float) -> float:
        """Of two one-sided tests of the difference being `reach` or more from 0, the larger."""
        ends = (reach - self.value, self.value + reach)
        return float(max(stats.t.sf(end / self.error, self.df) for end in ends))

    def ratio_within(self, alpha: float = ALPHA) -> tuple[float, float]:
        """The same limits, of the ratio whose logarithm was estimated."""
        low, high = (math.exp(min(end, _LARGEST_LOG)) for end in self.interval(alpha))
        return low, high
