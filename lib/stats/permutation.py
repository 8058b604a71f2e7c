"""Does a factor matter within strata? Answered by the orders in which its levels could have come.

Exact where all arrangements can be counted, so that it holds for any distribution and for the three
repetitions that a study can afford.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_ARRANGEMENTS = 1_000_000  # of one stratum, that are counted; beyond, some are drawn
MOST_SUMS = 2_000_000
DRAWS = 9_999
SEED = 1
_DECIMALS = 9  # to which sums of ranks that are equal but for rounding are the same
Sizes = Sequence[int] | np.ndarray  # numbers of observations, one a level


@dataclass(frozen=True)
class Permutation:
    """What a permutation test says."""

    statistic: float = math.nan  # sum over the strata of Kruskal and Wallis's H
    p: float = math.nan  # share of the arrangements whose statistic is as large
    smallest_p: float = math.nan  # the least p that any data of this design could give
    exact: bool = False  # whether every arrangement was counted; else `DRAWS` were drawn
    reason: str | None = None  # why there is no test; None where there is


def permutation_test(values: np.ndarray, levels: np.ndarray, strata: np.ndarray) -> Permutation:
    """Test whether values depend on the levels of a factor, within strata.

    If they don't, every arrangement of the levels within a stratum was as likely as the one that
    came. Where observations differ between blocks too, and each block has all levels, the test
    errs on the safe side.

    Args:
        values: Numbers, shape (n,).
        levels: Of the factor, integers of shape (n,).
        strata: Integers of shape (n,); values of different strata are never compared.

    Source:
        Kruskal and Wallis (1952), doi:10.1080/01621459.1952.10483441, within strata; Good (2005),
        "Permutation, parametric and bootstrap tests of hypotheses", section 6.
    """
    parts = [(values[strata == one], levels[strata == one]) for one in np.unique(strata)]
    parts = [(y, x) for y, x in parts if len(set(x)) > 1 and len(y) > 2]
    if not parts:
        return Permutation(reason="no part of the runs has two levels and more than two runs")
    ranked = []
    for y, x in parts:
        order = np.argsort(x, kind="stable")
        # Twice, so that they are whole where some are tied too.
        ranks = np.rint(2 * pd.Series(y[order]).rank().to_numpy()).astype(int)
        ranked.append((ranks, tuple(np.unique(x, return_counts=True)[1])))
    statistic = sum(_h(np.array([ranks]), ranks, sizes)[0] for ranks, sizes in ranked)
    distribution = _distribution([(tuple(sorted(ranks)), sizes) for ranks, sizes in ranked])
    if distribution is not None:
        sums, shares = distribution
        p = float(shares[sums >= round(statistic, _DECIMALS) - 10**-_DECIMALS].sum())
    else:
        p = (1 + int((_drawn(ranked) >= statistic - 10**-_DECIMALS).sum())) / (1 + DRAWS)
    least = smallest_p(sizes for _, sizes in ranked)
    return Permutation(float(statistic), min(p, 1.0), least, distribution is not None)


def smallest_p(sizes: Iterable[Sizes]) -> float:
    """Give the least p that a design can attain, without ties; 1 where it can't be tested.

    `sizes` are of each stratum the numbers of observations of each level, zeros included.
    """
    distribution = _distribution(_untied(sizes))
    return 1 / (1 + DRAWS) if distribution is None else float(distribution[1][-1])


def critical_sum(sizes: Iterable[Sizes], alpha: float) -> float:
    """The least sum of H whose p is at most `alpha` in a design; infinite where there is none."""
    parts = _untied(sizes)
    distribution = _distribution(parts)
    if distribution is None:
        return float(np.quantile(_drawn(parts), 1 - alpha))
    sums, shares = distribution
    tails = shares[::-1].cumsum()[::-1]
    enough = np.flatnonzero(tails <= alpha * (1 + 1e-12))
    return float(sums[enough[0]]) if enough.size else math.inf


def sums_of_h(values: np.ndarray, sizes: Sizes) -> np.ndarray:
    """H of each row of `values`, shape (rows, n), whose first columns are of the first level."""
    ranks = 2 * pd.DataFrame(values).rank(axis=1).to_numpy()
    return _h(ranks, ranks[0], sizes)


def _untied(sizes: Iterable[Sizes]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Doubled ranks and sizes of each stratum that can be tested, without ties."""
    known = [tuple(int(n) for n in part if n) for part in sizes]
    testable = [part for part in known if len(part) > 1 and sum(part) > 2]
    return [(tuple(range(2, 2 * sum(part) + 1, 2)), part) for part in testable]


def _drawn(parts: Sequence[tuple[Sizes, Sizes]]) -> np.ndarray:
    """The sum of H in arrangements that are drawn, with a seed."""
    rng = np.random.default_rng(SEED)
    sums = np.zeros(DRAWS)
    for ranks, sizes in parts:
        sums += _h(rng.permuted(np.tile(ranks, (DRAWS, 1)), axis=1), ranks, sizes)
    return sums


def _h(ranks: np.ndarray, all_ranks: Sizes, sizes: Sizes) -> np.ndarray:
    """H of each row of doubled ranks, the levels' one after another; 0 where all are tied."""
    ends = np.cumsum([0, *sizes])[:-1]
    sums = np.add.reduceat(ranks, ends, axis=1) / 2
    return _h_of_sums(sums, np.asarray(all_ranks), sizes)


def _h_of_sums(sums: np.ndarray, all_ranks: np.ndarray, sizes: Sizes) -> np.ndarray:
    n = sum(sizes)
    spread = np.var(all_ranks / 2, ddof=1)
    if spread == 0:
        return np.zeros(len(sums))
    means = sums / np.array(sizes)
    return (np.array(sizes) * (means - (n + 1) / 2) ** 2).sum(axis=1) / spread


def _distribution(
    parts: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
) -> tuple[np.ndarray, np.ndarray] | None:
    """The sums of H over strata, ascending, and the share of the arrangements that has each.

    None where there are too many to be counted.
    """
    sums, shares = np.zeros(1), np.ones(1)
    for ranks, sizes in parts:
        arrangements = math.factorial(len(ranks)) // math.prod(map(math.factorial, sizes))
        if arrangements > MOST_ARRANGEMENTS:
            return None
        more, their_shares = _of_stratum(ranks, sizes)
        if len(sums) * len(more) > MOST_SUMS:
            return None
        sums, shares = _merged(
            np.add.outer(sums, more).ravel(), np.multiply.outer(shares, their_shares).ravel()
        )
    return sums, shares


@lru_cache(maxsize=256)
def _of_stratum(ranks: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """H of every arrangement of a stratum, by giving out its ranks one after another.

    Arrangements that have given the same sums of ranks to as many of each level so far go on as
    one: of 756,756 arrangements of three times five some thousands are left.
    """
    k = len(sizes)
    states: NDArray = np.zeros((1, 2 * k), dtype=int)
    counts: NDArray = np.ones(1)
    for rank in ranks:
        grown, grown_counts = [], []
        for level in range(k):
            room = states[:, level] < sizes[level]
            step = np.zeros(2 * k, dtype=int)
            step[level], step[k + level] = 1, rank
            grown.append(states[room] + step)
            grown_counts.append(counts[room])
        states, places = np.unique(np.concatenate(grown), axis=0, return_inverse=True)
        counts = np.bincount(places.ravel(), weights=np.concatenate(grown_counts))
    h = _h_of_sums(states[:, k:] / 2, np.array(ranks), sizes)
    return _merged(h, counts / counts.sum())


def _merged(sums: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distinct, places = np.unique(np.round(sums, _DECIMALS), return_inverse=True)
    return distinct, np.bincount(places.ravel(), weights=shares)
