"""How many repetitions a study would need to see a difference of a given size."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.power import TTestIndPower

from lib.stats import ALPHA
from lib.stats.groups import constant, numbers

POOLED = "all, pooled"
MOST = 1_000_000


def repetitions_needed(
    df: pd.DataFrame,
    response: str,
    by: Sequence[str] = ("architecture", "dataset"),
    *,
    differences: Sequence[float] = (0.05, 0.10),
    power: float = 0.8,
    alpha: float = ALPHA,
) -> pd.DataFrame:
    """Estimate the repetitions per group that a relative difference of two means calls for.

    It assumes Student's t-test between two groups of equal size whose values are normal and have
    the relative spread that was observed. Of three repetitions that spread is a rough guess, so a
    last row pools the groups, each weighted by its n - 1.

    Args:
        df: One row a run.
        response: Numeric column whose mean is above 0.
        by: Columns that make a group; the runs of a group are repetitions of each other.
        differences: Differences to detect, as a share of the mean.
        power: Chance of detecting a difference that is there.
        alpha: Chance of detecting one that isn't.

    Returns:
        One row a group and difference: the columns of `by`, `response`, `n` (runs with a value),
        `dropped` (runs without), `mean` and `sd` in the unit of the response, `relative_sd`,
        `difference`, `repetitions` (empty where unknown) and the `reason` why it's empty.

    Raises:
        ValueError: A column of `by` or the response is not in the table.

    Source:
        Cohen (1988), "Statistical power analysis for the behavioral sciences", chapter 2;
        `statsmodels.stats.power.TTestIndPower`.
    """
    by = list(by)
    if absent := [column for column in [*by, response] if column not in df]:
        raise ValueError(f"the table has no column {' or '.join(absent)}")
    groups = [
        dict(zip(by, key, strict=True)) | _spread(numbers(part[response]))
        for key, part in df.groupby(by, dropna=False, observed=True)
    ]
    spread = pd.DataFrame(
        [*groups, dict.fromkeys(by, POOLED) | _pooled(groups)],
        columns=[*by, "n", "dropped", "mean", "sd", "relative_sd", "reason"],
    )
    table = spread.merge(pd.DataFrame({"difference": differences}), how="cross")
    table.insert(len(by), "response", response)
    found = [
        (pd.NA, reason) if reason else _repetitions(difference / relative_sd, power, alpha)
        for relative_sd, difference, reason in zip(
            table["relative_sd"], table["difference"], table.pop("reason"), strict=True
        )
    ]
    table["repetitions"] = pd.array([number for number, _ in found], dtype="Int64")
    table["reason"] = [reason for _, reason in found]
    return table


def _spread(column: pd.Series) -> dict[str, float | str | None]:
    values = column.dropna().to_numpy()
    found = {
        "n": len(values),
        "dropped": len(column) - len(values),
        "mean": np.mean(values) if len(values) else np.nan,
        "sd": np.std(values, ddof=1) if len(values) > 1 else np.nan,
        "relative_sd": np.nan,
    }
    if len(values) < 2:
        return found | {"reason": f"a spread takes 2 values, not {len(values)}"}
    if found["mean"] <= 0:
        return found | {"reason": "the mean is not above 0: no difference is relative to it"}
    if reason := constant("the group", values):
        return found | {"reason": reason}
    return found | {"relative_sd": found["sd"] / found["mean"], "reason": None}


def _pooled(groups: list[dict]) -> dict[str, float | str | None]:
    usable = [group for group in groups if not group["reason"]]
    weights = [group["n"] - 1 for group in usable]
    found = {
        "n": sum(group["n"] for group in usable),
        "dropped": sum(group["n"] + group["dropped"] for group in groups)
        - sum(group["n"] for group in usable),
    }
    if not usable:
        return found | {"reason": "no group shows a spread"}
    variances = [group["relative_sd"] ** 2 for group in usable]
    return found | {"relative_sd": np.sqrt(np.average(variances, weights=weights)), "reason": None}


def _repetitions(effect: float, power: float, alpha: float) -> tuple[int | None, str | None]:
    """Find the least n whose power is enough; Cohen's d = `effect`."""
    achieved = TTestIndPower().power
    # Where a difference is many standard errors, the power comes out as NaN, which isn't less.
    n = bisect_left(range(MOST), power, lo=2, key=lambda n: achieved(effect, n, alpha))
    return (n, None) if n < MOST else (None, f"more than {MOST:,}")
