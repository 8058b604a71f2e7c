"""What a design can show, before anything is measured: power and precision."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from lib.stats import ALPHA, permutation
from lib.stats.estimate import Estimate
from lib.stats.model import LogModel
from lib.stats.observations import Observations

POWER = 0.8  # share of the studies that are to find a difference
LARGEST_RATIO = 100.0  # larger differences are not looked for
STUDIES = 400  # simulated for a power

SEED = 1
UPPER = 0.8  # confidence of the upper limit of a spread that comes from few runs
MOST = 10_000  # repetitions that are thought of


@dataclass(frozen=True)
class Detectable:
    """What a design can show about one question."""

    smallest_p: float  # the least p that it could give, before it is adjusted for other questions
    ratio: float = math.nan  # the smallest that `POWER` of such studies would find; NaN: none
    reason: str | None = None  # why there is no ratio; None where there is


def effect(design: Observations, cv: float, alpha: float = ALPHA) -> Detectable:
    """How far the levels must lie apart for the permutation test to find that they do.

    The ratio is that of the largest to the smallest; the others lie evenly between. Where all but
    one are alike, few runs of each may not be enough: their ranks can come in any order.

    Args:
        design: Of the runs; their responses don't matter.
        cv: Standard deviation over mean among repetitions, such as 0.05.
        alpha: Largest p that counts, such as half of `ALPHA` where there are two questions.
    """
    sizes = [
        np.bincount(design.compared.codes[design.strata == one], minlength=len(design.compared))
        for one in np.unique(design.strata)
    ]
    least = permutation.smallest_p(sizes)
    if least >= alpha:
        return Detectable(least, reason="no data of this design could show a difference")
    critical = permutation.critical_sum(sizes, alpha)
    model = LogModel(design)
    places = design.compared.codes / (len(design.compared) - 1)
    noise = _noise(design, cv)

    def power(shift: float) -> float:
        logs = noise + shift * places
        found = _sums_of_h(design, logs) >= critical - 1e-9
        if model.df_residual:  # as in an answer, the larger of the two p counts
            found &= model.effect_p(logs) < alpha
        return float(found.mean())

    return _smallest(power, least)


def interaction(design: Observations, cv: float, alpha: float = ALPHA) -> Detectable:
    """How much one combination must stand out for the model to find an interaction.

    The ratio is that of its response to what the compared level and the context by themselves
    would make it. For the arguments see `effect`.
    """
    model = LogModel(design)
    if model.interaction.reason and not model.interaction.df:
        return Detectable(1.0, reason=model.interaction.reason)
    if not model.df_residual:
        return Detectable(1.0, reason="without repetitions no data could show an interaction")
    noise = _noise(design, cv)
    cells, counts = np.unique(design.cells, return_counts=True)
    one = design.cells == cells[np.argmin(counts)]

    def power(shift: float) -> float:
        return float((model.interaction_p(noise + shift * one) < alpha).mean())

    return _smallest(power, 0.0)


def upper_sd(sd: float, df: int) -> float:
    """The limit that a standard deviation estimated with `df` is below, with 80 % confidence."""
    return sd * math.sqrt(df / scipy.special.chdtri(df, UPPER))


def precision(sd: float, repetitions: int, pairs: int) -> float:
    """How far the simultaneous interval of a ratio will reach to each side, as a share.

    Args:
        sd: Standard deviation of the logs among repetitions; best its `upper_sd`.
        repetitions: Of each of the two, at least 2.
        pairs: That are compared in all.
    """
    found = Estimate(0.0, sd * math.sqrt(2 / repetitions), 2 * (repetitions - 1))
    return found.ratio_within(ALPHA / pairs)[1] - 1


def repetitions_for(target: float, sd: float, pairs: int) -> int | None:
    """The repetitions that bring every pair's interval to a `precision`, such as 0.05 for ± 5 %;
    None beyond `MOST`.
    """
    candidates = range(2, MOST + 1)
    place = bisect_left(candidates, -target, key=lambda n: -precision(sd, n, pairs))
    return candidates[place] if place < len(candidates) else None


def _sums_of_h(design: Observations, logs: np.ndarray) -> np.ndarray:
    """The permutation test's statistic in each of many studies, shape (studies, n)."""
    sums = np.zeros(len(logs))
    for one in np.unique(design.strata):
        runs = np.flatnonzero(design.strata == one)
        order = runs[np.argsort(design.compared.codes[runs], kind="stable")]
        counts = np.bincount(design.compared.codes[runs])
        if (counts > 0).sum() > 1 and len(runs) > 2:
            sums += permutation.sums_of_h(logs[:, order], counts[counts > 0])
    return sums


def _noise(design: Observations, cv: float) -> np.ndarray:
    """Of the logs of a log-normal response, shape (STUDIES, n)."""
    sd = math.sqrt(math.log1p(cv**2))
    return np.random.default_rng(SEED).normal(0, sd, (STUDIES, len(design)))


def _smallest(power: Callable[[float], float], least: float) -> Detectable:
    """The ratio at which a power that grows with it is enough."""
    most = math.log(LARGEST_RATIO)
    if power(most) < POWER:
        reason = f"not even a ratio of {LARGEST_RATIO:g} would be found often enough"
        return Detectable(least, reason=reason)
    shift = scipy.optimize.bisect(lambda shift: power(shift) - POWER, 0, most, xtol=2e-3)
    return Detectable(least, math.exp(shift))
