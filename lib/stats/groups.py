"""From the table of results to the numbers that a test compares, or the reason why it can't."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.quantities import quantity

# Beyond this, squares overflow: as good as infinite for any statistic.
LARGEST = 1e150
FEWEST_PAIRS = 3
FEWEST_IN_GROUP = 2


@dataclass(frozen=True)
class Groups:
    """What a test compares.

    Attributes:
        values: Arrays of finite numbers: one of shape (n_i,) a group, or two columns of shape (n,).
        names: The groups' names; () for two columns.
        dropped: Rows left out because they are empty or infinite.
        reason: Why nothing can be tested, in words; None where it can.
    """

    values: tuple[np.ndarray, ...] = ()
    names: tuple[str, ...] = ()
    dropped: int = 0
    reason: str | None = None

    @property
    def n(self) -> tuple[int, ...]:
        """Values in each group; one number for two columns."""
        counts = tuple(len(values) for values in self.values)
        return counts if self.names else counts[:1]


def grouped(df: pd.DataFrame, response: str, factor: str) -> Groups:
    """Part a numeric column by the levels of another, sorted by name."""
    if reason := _absent(df, response, factor):
        return Groups(reason=reason)
    values = numbers(df[response])
    kept = df[factor].notna() & values.notna()
    dropped = int((~kept).sum())
    if not kept.any():
        return Groups(dropped=dropped, reason=_nothing(df, response, factor))
    names = df.loc[kept, factor].astype(str).to_numpy()
    groups = {name: part.to_numpy() for name, part in values[kept].groupby(names)}
    found = Groups(tuple(groups.values()), tuple(groups), dropped)
    single = [name for name, part in groups.items() if len(part) < FEWEST_IN_GROUP]
    if len(groups) == 1:
        reason = f"{factor} has one level only, {found.names[0]}"
    elif single:
        named = f"{quantity(response).inline} in {', '.join(single)}"
        reason = f"only one value of {named}: its spread is unknown"
    else:
        reason = constant(quantity(response).inline, values[kept].to_numpy())
    return Groups(found.values, found.names, dropped, reason)


def paired(df: pd.DataFrame, response: str, factor: str) -> Groups:
    """Take the rows in which two numeric columns both have a value."""
    if reason := _absent(df, response, factor):
        return Groups(reason=reason)
    x, y = numbers(df[factor]), numbers(df[response])
    kept = x.notna() & y.notna()
    dropped = int((~kept).sum())
    if not kept.any():
        return Groups(dropped=dropped, reason=_nothing(df, response, factor))
    columns = (x[kept].to_numpy(), y[kept].to_numpy())
    if len(columns[0]) < FEWEST_PAIRS:
        reason = f"a correlation takes {FEWEST_PAIRS} pairs, not {len(columns[0])}"
    else:
        reason = constant(quantity(factor).inline, columns[0]) or constant(
            quantity(response).inline, columns[1]
        )
    return Groups(columns, dropped=dropped, reason=reason)


def numbers(column: pd.Series) -> pd.Series:
    """Read a column as floats; NaN where a cell is empty, infinite or no number."""
    values = pd.to_numeric(column, errors="coerce").astype("float64")
    return values.where(values.abs() <= LARGEST)


def constant(name: str, values: np.ndarray) -> str | None:
    """Say so where values differ by no more than rounding; None where they do."""
    if np.ptp(values) <= 1e-11 * np.abs(values).max():
        return f"every value of {name} is {values[0]:.6g}"
    return None


def _absent(df: pd.DataFrame, *columns: str) -> str | None:
    missing = [column for column in columns if column not in df]
    return f"the table has no column {' or '.join(missing)}" if missing else None


def _nothing(df: pd.DataFrame, response: str, factor: str) -> str:
    if df.empty:
        return "the table has no rows"
    both = f"{quantity(response).inline} and {quantity(factor).inline}"
    return f"none of {len(df)} rows has both {both}"
