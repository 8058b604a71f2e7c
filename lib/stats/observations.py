"""What an experiment observed: a response, what is compared, and what it is compared within."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

LARGEST = 1e150  # beyond this, squares overflow: as good as infinite for any statistic


def numbers(column: pd.Series) -> pd.Series:
    """Read a column as floats; NaN where a cell is empty, infinite or no number."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(float)
    known = np.where(np.abs(values) <= LARGEST, values, np.nan)
    return pd.Series(known, column.index, name=column.name)


@dataclass(frozen=True)
class Factor:
    """A factor of an experiment: which level each of n observations has, and the levels, by this
    code, as tuples of one text for each column that the factor is made of.
    """

    codes: np.ndarray
    levels: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, df: pd.DataFrame, columns: Sequence[str]) -> Factor:
        """Make a factor of columns: each combination that occurs is a level, sorted by name."""
        keys = list(zip(*(df[name].astype(str) for name in columns), strict=True))
        levels = sorted(set(keys)) if columns else [()]
        code = {level: number for number, level in enumerate(levels)}
        codes = [code[key] for key in keys] if columns else [0] * len(df)
        return cls(np.array(codes, dtype=int), tuple(levels))

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def indicators(self) -> np.ndarray:
        """1 where an observation has a level; shape (n, levels)."""
        return (self.codes[:, None] == np.arange(len(self))).astype(float)


@dataclass(frozen=True)
class Observations:
    """The observations of an experiment, one value a run."""

    response: np.ndarray  # positive numbers, shape (n,)
    compared: Factor  # the factor whose effect is asked for
    context: Factor  # the factors that it is compared within, as one
    place: Factor  # machine and location, as one: what comes from another place is never compared
    # Runs made together, as one repetition of everything; within a place. A single level where
    # there are no blocks.
    block: Factor

    @classmethod
    def of(
        cls,
        df: pd.DataFrame,
        response: str,
        compared: str,
        *,
        context: Sequence[str] = (),
        place: Sequence[str] = (),
        block: str | None = None,
    ) -> Observations:
        """Take them from the columns of a table, one row a run.

        Rows without a response above 0 or a level compared are left out. `block` tells the
        repetitions of everything apart, if they are blocks.
        """
        values = numbers(df[response])
        kept = (values > 0) & df[compared].notna()
        rows = df[kept]
        return cls(
            values[kept].to_numpy(),
            Factor.of(rows, [compared]),
            Factor.of(rows, context),
            Factor.of(rows, place),
            Factor.of(rows, [*place, block] if block else []),
        )

    def __len__(self) -> int:
        return len(self.response)

    @property
    def strata(self) -> np.ndarray:
        """Which context in which place each observation is of; integers of shape (n,)."""
        return self.context.codes * len(self.place) + self.place.codes

    @property
    def cells(self) -> np.ndarray:
        """Which level of the compared factor in which context; integers of shape (n,)."""
        return self.context.codes * len(self.compared) + self.compared.codes
