"""What all tables share: which columns make a row, and the order of rows."""

from __future__ import annotations

import pandas as pd

from lib.analysis.results import Analysis
from lib.quantities import ordered, quantity


def treatment(study: Analysis) -> list[str]:
    """The column `treatment`, where there is more than one."""
    return ["treatment"] if len(study.treatments) > 1 else []


def factors(study: Analysis) -> list[str]:
    """What makes a configuration; variant and location where there is more than one."""
    return study.configuration


def present(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Those of `columns` that are there with at least one value, in their order."""
    return frame[[name for name in columns if name in frame and frame[name].notna().any()]]


def reasoned(
    frame: pd.DataFrame, rows: pd.Series | slice = slice(None), each: str = "row"
) -> tuple[pd.DataFrame, str]:
    """Take out the reasons where there is none, or where one sentence can say it for all rows.

    Args:
        frame: With a column `reason`, or without.
        rows: Those that can have one, as `loc` takes them.
        each: What to call one of them.
    """
    if "reason" not in frame:
        return frame, ""
    reasons = set(frame.loc[rows, "reason"].fillna(""))
    if len(reasons) > 1:
        return frame, ""
    (reason,) = reasons or {""}
    said = f" {reason[:1].upper()}{reason[1:]} (every {each})." if reason else ""
    return frame.drop(columns="reason"), said


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Responses and factors as people call them."""
    named = {"response", "factor"} & set(frame)
    return frame.assign(**{name: list(map(_word, frame[name])) for name in named})


def _word(column: str) -> str:
    return quantity(column).name


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of every table: treatment, location, dataset, architecture, variant."""
    columns = ("treatment", "location", "dataset", "architecture", "variant")
    by = [name for name in columns if name in frame]
    return frame.sort_values(by, kind="stable", key=order, ignore_index=True) if by else frame


def order(column: pd.Series) -> pd.Series:
    """Keys to sort a column by: numbers as they are, levels as `quantities.ordered` has them."""
    if column.dtype.kind in "iufb" or str(column.dtype) == "Int64":
        return column
    levels = {level: place for place, level in enumerate(ordered(column))}
    return column.astype(object).map(lambda value: levels.get(str(value), len(levels)))
