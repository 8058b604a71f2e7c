"""The tests that the paper makes of what a factor does to a response.

Every test takes a table, one row a run, and gives a `TestResult`. A test that can't be done is a
result all the same: an empty one, with the reason in words.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations

import numpy as np
import pandas as pd
import scipy

from lib.quantities import quantity
from lib.stats import ALPHA
from lib.stats.multitest import holm
from lib.stats.observations import numbers

EXACT_UP_TO = 8
CORRELATIONS = ("point-biserial", "Spearman", "Pearson")
FEWEST_IN_GROUP = 2
FEWEST_PAIRS = 3
FEWEST_FOR_INTERVAL = 4

WORDS = {
    0: "negligible",
    0.1: "weak",
    0.2: "moderate",
    0.4: "relatively strong",
    0.6: "strong",
    0.8: "very strong",
}
"""Least absolute value of a correlation for each word.

Rea and Parker (1992), "Designing and conducting survey research"; it agrees with the paper's Table
3 (-0.41 and -0.62 strong; -0.06 weak)."""


@dataclass(frozen=True)
class TestResult:
    """What one test says of the column `response`, explained by the column `factor`."""

    family: str  # the tests whose p-values are adjusted together
    test: str
    response: str
    factor: str
    within: str = ""  # the part of the table that was tested: "dataset = mnist"; "": all of it
    groups: tuple[str, ...] = ()  # levels, in the order of `n` and of a correlation's sign
    n: tuple[int, ...] = ()  # values in each group; one number for a correlation of two columns
    dropped: int = 0  # rows left out because the response or the factor is empty or infinite
    statistic: float = math.nan  # H of Kruskal-Wallis, |z| of Dunn, coefficient of a correlation
    p: float = math.nan  # two-sided p-value
    p_holm: float = math.nan  # p adjusted by `by_family`; NaN until then
    statistic_low: float = math.nan  # lower limit of the 95 % interval of a correlation
    statistic_high: float = math.nan  # upper limit
    reason: str | None = None  # why the result is empty; None where nothing is

    @property
    def assessment(self) -> str:
        """Significance at 5 %, and a correlation in words; "" for an empty result."""
        if math.isnan(self.p):
            return ""
        if self.p_holm < ALPHA:
            significance = "significant"
        elif self.p < ALPHA:
            significance = "significant only unadjusted"
        else:
            significance = "not significant"
        if self.test not in CORRELATIONS:
            return significance
        return f"{magnitude(self.statistic)}, {significance}"


Values = tuple[np.ndarray, ...]  # finite numbers: one array a group, or two columns of one shape


def point_biserial(df: pd.DataFrame, response: str, factor: str) -> TestResult:
    """Correlate a response with a factor of two levels.

    The first level by name is the base: it is coded 1 and the other 0, so a negative coefficient
    says that the response is lower in the base. That is the sign of the paper's Table 3, whose base
    is CIFAR10.

    Source:
        Paper, sections 3.5 and 4.1; `scipy.stats.pointbiserialr`.
    """
    result, values = _grouped("point-biserial", df, response, factor)
    if result.reason:
        return result
    if len(result.groups) != 2:
        levels = ", ".join(result.groups)
        return replace(result, reason=f"{factor} has {len(result.groups)} levels ({levels}), not 2")
    coding = np.repeat([1, 0], result.n)
    return _correlation(result, *scipy.stats.pointbiserialr(coding, np.concatenate(values)))


def kruskal_wallis(df: pd.DataFrame, response: str, factor: str) -> TestResult:
    """Test whether a response tends to be larger in some level of a factor than in another.

    p is that of chi squared, as in the paper; with three values a group it is conservative.

    Source:
        Paper, section 3.5; `scipy.stats.kruskal`.
    """
    result, values = _grouped("Kruskal-Wallis", df, response, factor)
    if result.reason:
        return result
    h, p = scipy.stats.kruskal(*values)
    return replace(result, statistic=float(h), p=float(p))


def dunn(df: pd.DataFrame, response: str, factor: str) -> list[TestResult]:
    """Compare every two levels of a factor, after a Kruskal-Wallis test over all of them.

    Returns:
        One result a pair, which are a family; a single empty one where nothing can be compared.

    Source:
        Dunn (1964), doi:10.1080/00401706.1964.10490181, as `scikit_posthocs.posthoc_dunn` does it.
    """
    result, values = _grouped("Dunn", df, response, factor)
    result = replace(result, family=f"Dunn, {response} by {factor}")
    if result.reason:
        return [result]
    sizes, ranks = np.array(result.n), scipy.stats.rankdata(np.concatenate(values))
    means = np.array([part.mean() for part in np.split(ranks, np.cumsum(sizes)[:-1])])
    _, tied = np.unique(ranks, return_counts=True)
    n = len(ranks)
    variance = n * (n + 1) / 12 - np.sum(tied**3 - tied) / (12 * (n - 1))
    a, b = np.triu_indices(len(sizes), 1)
    apart = np.abs(means[a] - means[b]) / np.sqrt(variance * (1 / sizes[a] + 1 / sizes[b]))
    p = 2 * scipy.stats.norm.sf(apart)
    found = zip(p.tolist(), scipy.stats.norm.isf(p / 2).tolist(), strict=True)
    pairs = zip(combinations(result.groups, 2), combinations(result.n, 2), found, strict=True)
    return [replace(result, groups=names, n=n, statistic=z, p=p) for names, n, (p, z) in pairs]


def spearman(df: pd.DataFrame, response: str, factor: str) -> TestResult:
    """Correlate the ranks of two numeric columns.

    p is exact, over all pairings, for up to 8 pairs; beyond, that of Student's t, which would call
    six pairs in perfect order p = 0 where 2 of 720 orders are as extreme.

    Source:
        Paper, section 3.5; `scipy.stats.spearmanr`, `scipy.stats.permutation_test`.
    """
    result, values = _paired("Spearman", df, response, factor)
    if result.reason:
        return result
    x, y = values
    rho, p = scipy.stats.spearmanr(x, y)
    if len(x) <= EXACT_UP_TO:
        p = scipy.stats.permutation_test(
            (x,),
            lambda x, axis: spearman_rho(x, np.broadcast_to(y, x.shape), axis),
            permutation_type="pairings",
            n_resamples=math.factorial(EXACT_UP_TO),
            vectorized=True,
        ).pvalue
    return _correlation(result, rho, p)


def pearson(df: pd.DataFrame, response: str, factor: str) -> TestResult:
    """Correlate two numeric columns, by `scipy.stats.pearsonr`."""
    result, values = _paired("Pearson", df, response, factor)
    return result if result.reason else _correlation(result, *scipy.stats.pearsonr(*values))


def by_level(
    df: pd.DataFrame,
    test: Callable[[pd.DataFrame, str, str], TestResult | list[TestResult]],
    response: str,
    factor: str,
    *,
    within: str,
) -> list[TestResult]:
    """Repeat a test within each level of the column `within`, as an unbalanced design needs.

    Returns:
        The results of each level; one empty result more where rows have no level.
    """
    levels = df[within] if within in df else pd.Series(np.nan, index=df.index)
    results = []
    for level in sorted(levels.dropna().unique(), key=str):
        found = as_list(test(df[levels == level], response, factor))
        results += [replace(result, within=f"{within} = {level}") for result in found]
    unknown = int(levels.isna().sum())
    if unknown or df.empty:
        reason = f"{unknown} of {len(df)} rows have no {within}" if unknown else "no rows"
        blank = as_list(test(df.iloc[:0], response, factor))[0]
        results.append(replace(blank, within=f"{within} unknown", dropped=unknown, reason=reason))
    return [replace(result, family=f"{result.family}, within {within}") for result in results]


def as_list(found: TestResult | list[TestResult]) -> list[TestResult]:
    """What a test gave, one result or several, as a list."""
    return found if isinstance(found, list) else [found]


def by_family(results: Iterable[TestResult]) -> list[TestResult]:
    """Adjust the p-values of each family of tests among themselves, by `holm`."""
    results = list(results)
    families = pd.Series([result.family for result in results], dtype=object)
    p_values = pd.Series([result.p for result in results], dtype=float)
    adjusted = p_values.groupby(families).transform(holm)
    return [replace(one, p_holm=float(p)) for one, p in zip(results, adjusted, strict=True)]


def to_frame(results: Iterable[TestResult]) -> pd.DataFrame:
    """Give one row a result: its fields, groups with sizes, an assessment before the reason."""
    columns = [field.name for field in fields(TestResult)]
    columns.insert(columns.index("reason"), "assessment")
    rows = [
        asdict(result)
        | {
            "groups": ", ".join(map("{} ({})".format, result.groups, result.n)),
            "n": ", ".join(map(str, result.n)),
            "assessment": result.assessment,
        }
        for result in results
    ]
    return pd.DataFrame(rows, columns=columns)


def magnitude(correlation: float) -> str:
    """Put a correlation into words, see `WORDS`."""
    return list(WORDS.values())[bisect_right(list(WORDS), abs(correlation)) - 1]


def correlation_interval(r: float, n: int, *, of_ranks: bool = False) -> tuple[float, float]:
    """Give the 95 % interval of Pearson's or, `of_ranks`, Spearman's correlation of n pairs; NaN
    where they are few or in line.

    Source:
        Fisher (1921) for Pearson's, as in `scipy.stats.pearsonr`; Bonett and Wright (2000),
        doi:10.1007/BF02294183, for Spearman's.
    """
    if n < FEWEST_FOR_INTERVAL or abs(r) >= 1:
        return math.nan, math.nan
    error = math.sqrt((1 + r**2 / 2 if of_ranks else 1) / (n - 3))
    reach = float(scipy.stats.norm.isf(ALPHA / 2)) * error
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def spearman_rho(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Give Spearman's rank correlation of two arrays of shape (..., n)."""
    ranks = (scipy.stats.rankdata(one, axis=axis) for one in (x, y))
    return scipy.stats.pearsonr(*ranks, axis=axis).statistic


def _known(
    test: str, df: pd.DataFrame, response: str, factor: str, read: Callable[[pd.Series], pd.Series]
) -> tuple[TestResult, np.ndarray, np.ndarray]:
    """Response and factor, as `read`, of the rows that have both; or why there is no test."""
    result = TestResult(f"{test}, by {factor}", test, response, factor)
    if missing := [column for column in (response, factor) if column not in df]:
        reason = f"the table has no column {' or '.join(missing)}"
        return replace(result, reason=reason), np.empty(0), np.empty(0)
    values, levels = numbers(df[response]).to_numpy(), read(df[factor]).to_numpy()
    kept = ~np.isnan(values) & pd.notna(levels)
    result = replace(result, dropped=int((~kept).sum()))
    if df.empty:
        result = replace(result, reason="the table has no rows")
    elif not kept.any():
        both = f"{quantity(response).inline} and {quantity(factor).inline}"
        result = replace(result, reason=f"none of {len(df)} rows has both {both}")
    return result, values[kept], levels[kept]


def _grouped(test: str, df: pd.DataFrame, response: str, factor: str) -> tuple[TestResult, Values]:
    """The response parted by the levels of the factor, sorted by name; or why there is no test."""
    result, values, levels = _known(test, df, response, factor, lambda column: column)
    if result.reason:
        return result, ()
    names = levels.astype(str)
    groups = {str(name): values[names == name] for name in np.unique(names)}
    result = replace(result, groups=tuple(groups), n=tuple(map(len, groups.values())))
    single = [name for name, part in groups.items() if len(part) < FEWEST_IN_GROUP]
    if len(groups) == 1:
        reason: str | None = f"{factor} has one level only, {result.groups[0]}"
    elif single:
        named = f"{quantity(response).inline} in {', '.join(single)}"
        reason = f"only one value of {named}: its spread is unknown"
    else:
        reason = _constant(response, values)
    return replace(result, reason=reason), tuple(groups.values())


def _paired(test: str, df: pd.DataFrame, response: str, factor: str) -> tuple[TestResult, Values]:
    """The rows in which both columns have a value; or why there is no test."""
    result, y, x = _known(test, df, response, factor, numbers)
    if result.reason:
        return result, ()
    if len(x) < FEWEST_PAIRS:
        reason: str | None = f"a correlation takes {FEWEST_PAIRS} pairs, not {len(x)}"
    else:
        reason = _constant(factor, x) or _constant(response, y)
    return replace(result, n=(len(x),), reason=reason), (x, y)


def _constant(column: str, values: np.ndarray) -> str | None:
    """Says so where values differ by no more than rounding."""
    if np.ptp(values) <= 1e-11 * np.abs(values).max():
        return f"every value of {quantity(column).inline} is {values[0]:.6g}"
    return None


def _correlation(result: TestResult, r: float, p: float) -> TestResult:
    n = sum(result.n)
    low, high = correlation_interval(float(r), n, of_ranks=result.test == "Spearman")
    return replace(result, statistic=float(r), statistic_low=low, statistic_high=high, p=float(p))
