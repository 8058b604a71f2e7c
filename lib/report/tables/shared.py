"""What all tables share: which columns make a row, and the order of rows."""

import pandas as pd

from lib.analysis import papers_tests, variants
from lib.analysis.results import Analysis
from lib.quantities import ordered, quantity


def present(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Those of `columns` that are there with at least one value, in their order."""
    return frame[[name for name in columns if name in frame and frame[name].notna().any()]]


def means(study: Analysis, runs: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Means of `columns` in every configuration, and how many runs they are of."""
    numeric = runs.assign(**{name: pd.to_numeric(runs[name]) for name in columns})
    groups = numeric.groupby(study.configuration, sort=False, dropna=False)
    frame = groups[columns].mean()
    frame.insert(0, "runs", groups.size())
    return in_order(frame.reset_index())


def reasoned(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Take out the reasons where there is none, or where one sentence can say it for all rows."""
    reasons = set(frame["reason"].fillna("")) if "reason" in frame else set()
    if "reason" not in frame or len(reasons) > 1:
        return frame, ""
    (reason,) = reasons or {""}
    said = f" {reason[:1].upper()}{reason[1:]} (every row)." if reason else ""
    return frame.drop(columns="reason"), said


def first_variants(runs: pd.DataFrame, done: str) -> str:
    """What a note adds, after a space, where `papers_tests.tested_variants` leaves out some."""
    every = runs[variants.COLUMN].nunique() if variants.COLUMN in runs else 0
    tested = len(papers_tests.tested_variants(runs))
    return f" Of {every:,} variants the first {tested} are {done}." if tested < every else ""


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Responses and factors as people call them."""
    named = {"response", "factor"} & set(frame)
    return frame.assign(**{name: [quantity(one).name for one in frame[name]] for name in named})


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
