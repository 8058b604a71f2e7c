"""The tests that the paper makes of what a factor does to a response.

Every test takes a table, one row a run, and gives a `TestResult`. A test that can't be done is a
result all the same: an empty one, with the reason in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from lib.stats import ALPHA
from lib.stats.effect_sizes import correlation_interval, magnitude, spearman_rho
from lib.stats.groups import Groups, grouped, paired

EXACT_UP_TO = 8
CORRELATIONS = ("point-biserial", "Spearman", "Pearson")


@dataclass(frozen=True)
class TestResult:
    """What one test says about one response.

    Attributes:
        family: The tests whose p-values are adjusted together.
        test: Name of the test.
        response: Column that is explained.
        factor: Column that explains it.
        within: The part of the table that was tested, such as "dataset = mnist"; "": all of it.
        groups: Levels of the factor, in the order of `n` and of the sign of a correlation.
        n: Values in each group; one number for a correlation of two columns.
        dropped: Rows left out because the response or the factor is empty or infinite.
        statistic: H of Kruskal-Wallis, |z| of Dunn, the coefficient of a correlation.
        p: Two-sided p-value.
        p_holm: p adjusted within the family by `multitest`; NaN until then.
        statistic_low: Lower limit of the 95 % interval of a correlation.
        statistic_high: Upper limit.
        reason: Why the result is empty; None where nothing is.
    """

    family: str
    test: str
    response: str
    factor: str
    within: str = ""
    groups: tuple[str, ...] = ()
    n: tuple[int, ...] = ()
    dropped: int = 0
    statistic: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan
    statistic_low: float = math.nan
    statistic_high: float = math.nan
    reason: str | None = None

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


def point_biserial(df: pd.DataFrame, response: str, factor: str) -> TestResult:
    """Correlate a response with a factor of two levels.

    The first level by name is the base: it is coded 1 and the other 0, so a negative coefficient
    says that the response is lower in the base. That is the sign of the paper's Table 3, whose base
    is CIFAR10.

    Args:
        df: One row a run.
        response: Numeric column.
        factor: Column with two levels.

    Source:
        Paper, sections 3.5 and 4.1; `scipy.stats.pointbiserialr`.
    """
    found = grouped(df, response, factor)
    result = _untested("point-biserial", response, factor, found)
    if result.reason:
        return result
    if len(result.groups) != 2:
        levels = ", ".join(result.groups)
        return replace(result, reason=f"{factor} has {len(result.groups)} levels ({levels}), not 2")
    coding = np.repeat([1, 0], result.n)
    r, p = stats.pointbiserialr(coding, np.concatenate(found.values))
    return _correlation(result, r, p)


def kruskal_wallis(df: pd.DataFrame, response: str, factor: str) -> TestResult:
    """Test whether a response tends to be larger in some level of a factor than in another.

    p is that of chi squared, as in the paper; with three values a group it is conservative.

    Args:
        df: One row a run.
        response: Numeric column.
        factor: Column with two or more levels.

    Source:
        Paper, section 3.5; `scipy.stats.kruskal`.
    """
    found = grouped(df, response, factor)
    result = _untested("Kruskal-Wallis", response, factor, found)
    if result.reason:
        return result
    h, p = stats.kruskal(*found.values)
    return replace(result, statistic=float(h), p=float(p))


def dunn(df: pd.DataFrame, response: str, factor: str, base: str | None = None) -> list[TestResult]:
    """Compare every two levels of a factor, after a Kruskal-Wallis test over all of them.

    The pairs of one response are a family.

    Args:
        df: One row a run.
        response: Numeric column.
        factor: Column with two or more levels.
        base: A level: only pairs with it, as their second group, are of interest; None: all pairs.

    Returns:
        One result a pair; a single empty one where there is nothing to compare.

    Source:
        Dunn (1964), doi:10.1080/00401706.1964.10490181; `scikit_posthocs.posthoc_dunn`.
    """
    found = grouped(df, response, factor)
    result = _untested("Dunn", response, factor, found)
    result = replace(result, family=f"Dunn, {response} by {factor}")
    if result.reason:
        return [result]
    import scikit_posthocs  # brings matplotlib and seaborn along

    long = pd.DataFrame(
        {"value": np.concatenate(found.values), "group": np.repeat(found.names, result.n)}
    )
    p_values = scikit_posthocs.posthoc_dunn(long, val_col="value", group_col="group")
    groups = list(zip(found.names, found.values, strict=True))
    compared: Iterable = combinations(groups, 2)
    if base is not None:
        (first,) = [group for group in groups if group[0] == base]
        compared = ((group, first) for group in groups if group[0] != base)
    pairs = []
    for (a, x), (b, y) in compared:
        p = float(p_values.loc[a, b])
        z = float(stats.norm.isf(p / 2))
        pairs.append(replace(result, groups=(a, b), n=(len(x), len(y)), statistic=z, p=p))
    return pairs


def spearman(df: pd.DataFrame, response: str, factor: str) -> TestResult:
    """Correlate the ranks of two numeric columns.

    p is exact, over all pairings, for up to 8 pairs; beyond, that of Student's t, which would call
    six pairs in perfect order p = 0 where 2 of 720 orders are as extreme.

    Args:
        df: One row a pair.
        response: Numeric column.
        factor: Numeric column.

    Source:
        Paper, section 3.5; `scipy.stats.spearmanr`, `scipy.stats.permutation_test`.
    """
    found = paired(df, response, factor)
    result = _untested("Spearman", response, factor, found)
    if result.reason:
        return result
    x, y = found.values
    rho, p = stats.spearmanr(x, y)
    if len(x) <= EXACT_UP_TO:
        p = stats.permutation_test(
            (x,),
            lambda x, axis: spearman_rho(x, np.broadcast_to(y, x.shape), axis),
            permutation_type="pairings",
            n_resamples=math.factorial(EXACT_UP_TO),
            vectorized=True,
        ).pvalue
    return _correlation(result, rho, p)


def pearson(df: pd.DataFrame, response: str, factor: str) -> TestResult:
    """Correlate two numeric columns.

    Args:
        df: One row a pair.
        response: Numeric column.
        factor: Numeric column.

    Source:
        `scipy.stats.pearsonr`.
    """
    found = paired(df, response, factor)
    result = _untested("Pearson", response, factor, found)
    if result.reason:
        return result
    r, p = stats.pearsonr(*found.values)
    return _correlation(result, r, p)


def by_level(
    df: pd.DataFrame,
    test: Callable[[pd.DataFrame, str, str], TestResult | list[TestResult]],
    response: str,
    factor: str,
    *,
    within: str,
) -> list[TestResult]:
    """Repeat a test within each level of another factor, as an unbalanced design needs.

    Args:
        df: One row a run.
        test: A test of this module, such as `kruskal_wallis`.
        response: Numeric column.
        factor: Column that explains it.
        within: Column whose levels part the table.

    Returns:
        The results of each level; one empty result more where rows have no level.
    """
    levels = df[within] if within in df else pd.Series(np.nan, index=df.index)
    results = []
    for level in sorted(levels.dropna().unique(), key=str):
        found = _listed(test(df[levels == level], response, factor))
        results += [replace(result, within=f"{within} = {level}") for result in found]
    unknown = int(levels.isna().sum())
    if unknown or df.empty:
        reason = f"{unknown} of {len(df)} rows have no {within}" if unknown else "no rows"
        blank = _listed(test(df.iloc[:0], response, factor))[0]
        results.append(replace(blank, within=f"{within} unknown", dropped=unknown, reason=reason))
    return [replace(result, family=f"{result.family}, within {within}") for result in results]


def to_frame(results: Iterable[TestResult]) -> pd.DataFrame:
    """Give one row a result: a column for every field, and the assessment before the reason."""
    columns = [field.name for field in fields(TestResult)]
    columns.insert(columns.index("reason"), "assessment")
    rows = [
        asdict(result)
        | {
            "groups": _separator(result.groups).join(result.groups),
            "n": ", ".join(map(str, result.n)),
            "assessment": result.assessment,
        }
        for result in results
    ]
    return pd.DataFrame(rows, columns=columns)


def with_sizes(groups: str, n: str) -> str:
    """`groups` and `n` of a row of `to_frame` as one text: "VGG16 (3), VGG19 (3)"."""
    sizes = n.split(", ")
    separator = "; " if "; " in groups else ", "
    names = groups.split(separator) if len(sizes) > 1 else [groups]
    if not groups:
        return ""
    if len(names) != len(sizes):  # an imported name may have both separators in it
        return f"{groups} ({n})"
    return separator.join(f"{name} ({size})" for name, size in zip(names, sizes, strict=True))


def _separator(names: Iterable[str]) -> str:
    """A comma, where no name has one."""
    return "; " if any(", " in name for name in names) else ", "


def _untested(test: str, response: str, factor: str, found: Groups) -> TestResult:
    return TestResult(
        family=f"{test}, by {factor}",
        test=test,
        response=response,
        factor=factor,
        groups=found.names,
        n=found.n,
        dropped=found.dropped,
        reason=found.reason,
    )


def _listed(found: TestResult | list[TestResult]) -> list[TestResult]:
    return found if isinstance(found, list) else [found]


def _correlation(result: TestResult, r: float, p: float) -> TestResult:
    """The result with a correlation, its p and its interval."""
    n = sum(result.n)
    low, high = correlation_interval(float(r), n, of_ranks=result.test == "Spearman")
    return replace(result, statistic=float(r), statistic_low=low, statistic_high=high, p=float(p))
