"""How many times as much: every two levels of a factor, as ratios of geometric means."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from lib.stats import ALPHA, multitest
from lib.stats.estimate import Doubt, Estimate
from lib.stats.model import LogModel

DIFFERS = "differs"
ALIKE = "alike within the margin"
NOT_DECIDED = "not decided"


@dataclass(frozen=True)
class Pair:
    """Two levels of the compared factor in one context."""

    context: tuple[str, ...]  # the levels of the context
    first: str
    second: str  # the level whose geometric mean the first's is divided by
    n: tuple[int, int]  # runs of the two
    ratio: float = math.nan  # of geometric means, within places and blocks
    p: float = math.nan  # two-sided, of the ratio being 1
    p_holm: float = math.nan  # the same, adjusted for the number of pairs
    p_alike: float = math.nan  # of the two being further apart than the margin; NaN without one
    p_alike_holm: float = math.nan  # the same, adjusted for the number of pairs
    error: float = math.nan  # standard error of the logarithm of the ratio
    df: float = math.nan  # its degrees of freedom
    # the chance that the scatter makes its interval miss: small enough that all of them hold their
    # ratio at once in 95 % of studies, so that the interval of one that was chosen does too
    alpha: float = math.nan
    # what the instruments leave uncertain beside the scatter: of the components that were read, and
    # of these with what was not read
    doubts: tuple[Doubt, ...] = ()
    settled_by: str | None = None  # the instrument that would make that smaller
    margin: float | None = None  # up to which share two levels count as alike; None without one
    reason: str | None = None  # why something is NaN; None where nothing is

    @property
    def verdict(self) -> str:
        """What can be claimed; where both can, that the two are alike within the margin.

        What the scatter shows is claimed only if what the instruments leave uncertain allows it.
        """
        if self.p_alike_holm < ALPHA:
            low, high = self._in_all(2 * ALPHA, self.p_alike, self.p_alike_holm)
            if max(-low, high) <= math.log1p(self.margin or 0.0):
                return ALIKE
        if self.p_holm < ALPHA:
            low, high = self._in_all(ALPHA, self.p, self.p_holm)
            if not low <= 0 <= high:
                return DIFFERS
        return NOT_DECIDED

    @property
    def is_in_doubt(self) -> bool:
        """Whether the instruments leave open what the scatter shows, so that more runs don't help:
        which is larger, or that the two are alike.
        """
        shown = self.p_holm < ALPHA or self.p_alike_holm < ALPHA
        return shown and self.verdict == NOT_DECIDED

    def _in_all(self, alpha: float, p: float, p_holm: float) -> tuple[float, float]:
        """Limits of the logarithm of the ratio, at the level that Holm held the p against."""
        level = alpha * p / p_holm if p_holm > 0 else alpha
        return self._log_ratio.in_all(level, self.doubts)

    @property
    def low(self) -> float:
        """The lower limit of the ratio, for scatter and instruments together."""
        return self._log_ratio.ratio_within(self.alpha, self.doubts)[0]

    @property
    def high(self) -> float:
        """The upper limit of the ratio, for scatter and instruments together."""
        return self._log_ratio.ratio_within(self.alpha, self.doubts)[1]

    @property
    def precision(self) -> float:
        """How far the scatter, which repetitions make smaller, lets the ratio be off to each side,
        as a share: 0.05 is ± 5 %; NaN without one.
        """
        low, high = self._log_ratio.ratio_within(self.alpha)
        return math.sqrt(high / low) - 1 if low > 0 else math.nan

    @property
    def _log_ratio(self) -> Estimate:
        return Estimate(math.log(self.ratio), self.error, self.df)


def pairs(
    model: LogModel, *, margin: float | None = None, reference: str | None = None
) -> list[Pair]:
    """Compare every two levels within each context.

    Args:
        model: Of the observations.
        margin: Up to which share two levels count as alike, such as 0.05 for 5 %: their ratio is
            between 1 / 1.05 and 1.05.
        reference: The level that all others are compared with; None: every two are.

    Returns:
        One a pair, those of a context together, the larger of the two first.

    Source:
        Welch (1947), doi:10.1093/biomet/34.1-2.28; Schuirmann (1987), doi:10.1007/BF01068419, for
        two one-sided tests; Holm (1979), and Bonferroni for simultaneous intervals.
    """
    found = list(_estimated(model, reference))
    tested = sum(estimate.reason is None for _, estimate in found)
    results = []
    for pair, estimate in found:
        known: dict = {"ratio": math.exp(estimate.value), "reason": estimate.reason}
        if estimate.reason is None:
            p_alike = math.nan if margin is None else estimate.p_within(math.log1p(margin))
            known |= {"p": estimate.p, "p_alike": p_alike, "margin": margin}
            known |= {"error": estimate.error, "df": estimate.df, "alpha": ALPHA / tested}
        results.append(replace(pair, **known))
    adjusted = multitest.holm(pair.p for pair in results)
    alike = multitest.holm(pair.p_alike for pair in results)
    return [
        replace(pair, p_holm=float(p), p_alike_holm=float(p_alike))
        for pair, p, p_alike in zip(results, adjusted, alike, strict=True)
    ]


def _estimated(model: LogModel, reference: str | None) -> Iterator[tuple[Pair, Estimate]]:
    observed = model.observations
    counts = np.bincount(observed.cells, minlength=len(observed.context) * len(observed.compared))
    names = [level for (level,) in observed.compared.levels]
    for context, levels in enumerate(observed.context.levels):
        cells = [context * len(names) + code for code in range(len(names))]
        for a, b in combinations((cell for cell in cells if counts[cell]), 2):
            first, second = (names[cell % len(names)] for cell in (a, b))
            if reference not in (None, first, second):
                continue
            estimate = model.contrast((model.cells == a) * 1.0 - (model.cells == b))
            if estimate.value < 0:
                a, b, first, second = b, a, second, first
                estimate = replace(estimate, value=-estimate.value)
            yield Pair(levels, first, second, (int(counts[a]), int(counts[b]))), estimate
