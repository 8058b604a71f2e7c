"""In what a run differs from the others of its study, besides what it trains on what and where.

A study may vary any field of RunConfig. Runs that differ in one are no repetitions of each other:
their *variant* keeps them apart. It names the fields in which a run differs from the study's
reference, such as "features: cached, head: linear".
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib.quantities import REFERENCE, ordered
from lib.study.config import RunConfig, Use, names
from lib.study.study import Study
from lib.text import level

COLUMN = "variant"

VARIED = (
    *(name for name in names(Use.CONFIGURATION) if name not in ("architecture", "dataset")),
    "measurement_version",
)
"""What makes variants: fields of a configuration without columns of their own in tables, and how
runs were measured.
"""

_OF_A_CONFIGURATION = ("weights", "image_size")
"""Fields that may belong to an architecture or a dataset, and then tell nothing more than it."""


@dataclass(frozen=True)
class Variants:
    """The variants of a study."""

    names: pd.Series  # of each run's variant, in the order of results; or `REFERENCE`
    reference: dict[str, str]  # the reference's value of every field that varies, as text
    others: dict[str, tuple[str, ...]]  # the other values of each of these fields, as text


def of(results: pd.DataFrame, settings: Study | None) -> Variants:
    """Name each run's variant.

    The reference's value of a field is what `defaults` of the study say, else the first level of
    the factor, else RunConfig's default, else the first value that a variant sets: the first of
    these that some run has. What is not known of a run, as in an import, tells it from no other.
    """
    columns = {name: texts(results[name]) for name in VARIED if name in results}
    varied = {
        name: column
        for name, column in columns.items()
        if column.nunique() > 1 and not _belongs(column, results)
    }
    reference = {name: _reference(name, column, settings) for name, column in varied.items()}
    names = pd.Series("", index=results.index, dtype=object)
    for name, column in varied.items():
        separator = names.map(lambda before: ", " if before else "")
        same = column.isna() | (column == reference[name])
        names = names.where(same, names + separator + name + ": " + column)
    others = {
        name: tuple(value for value in ordered(column) if value != reference[name])
        for name, column in varied.items()
    }
    return Variants(names.replace("", REFERENCE), reference, others)


def named(results: pd.DataFrame, settings: Study | None) -> pd.DataFrame:
    """Add the column `variant` where there is more than one; else the table has it only whole."""
    found = of(results, settings)
    if found.names.nunique() > 1:
        return results.assign(**{COLUMN: found.names})
    # What only some runs say of themselves by that name tells nothing apart.
    partly = COLUMN in results and results[COLUMN].isna().any()
    return results.drop(columns=COLUMN) if partly else results


def column_of(runs: pd.DataFrame) -> list[str]:
    """The column `variant` where a table has it, to be put among those of a configuration."""
    return [COLUMN] if COLUMN in runs else []


def configuration(runs: pd.DataFrame) -> list[str]:
    """Columns that make a configuration, whose runs are repetitions of each other.

    Variant and location are among them where there is more than one.
    """
    several = "location" in runs and runs["location"].nunique() > 1
    return ["architecture", "dataset", *column_of(runs), *(["location"] if several else [])]


def first_architecture(results: pd.DataFrame, settings: Study | None) -> str:
    """The architecture of the study's reference, chosen as `of` chooses the value of a field."""
    return _reference("architecture", texts(results["architecture"]), settings)


def reference_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the reference; of the first variant where no run is the reference's."""
    if COLUMN not in runs or runs.empty:
        return runs
    return runs[runs[COLUMN].astype(str) == ordered(runs[COLUMN])[0]]


def texts(column: pd.Series) -> pd.Series:
    """A column as text; what is empty is a level where that is a value of the field."""
    name = str(column.name)
    # Where None is no value of the field, an empty cell says that it is not known.
    empty = "none" if name in RunConfig.model_fields and _default(name) is None else None
    if column.dtype == object:  # a list may be a level too
        column = column.map(lambda value: value if isinstance(value, Hashable) else str(value))
    # Levels are few and runs many: each level is worded once.
    places, levels = column.factorize()
    words = np.array([*map(_text, levels), empty], dtype=object)
    return pd.Series(words[places], index=column.index, name=name)


def together(columns: Iterable[pd.Series]) -> pd.Series:
    """Columns of texts as one."""
    first, *others = columns
    return pd.Series(map(", ".join, zip(first, *others, strict=True)), first.index, dtype=object)


def _text(value: Any) -> str:
    return "none" if value is None else level(value)


def _belongs(column: pd.Series, results: pd.DataFrame) -> bool:
    """Whether a field that may belong to a configuration has one value in each."""
    if column.name not in _OF_A_CONFIGURATION:
        return False
    groups = column.groupby([results["architecture"], results["dataset"]], dropna=False)
    return bool((groups.nunique() <= 1).all())


def _reference(name: str, column: pd.Series, settings: Study | None) -> str:
    default = _default(name)
    candidates = [default]
    if settings is not None:
        first, last = (
            [one[name] for one in some if name in one]
            for some in ([settings.defaults], settings.variants)
        )
        candidates = [*first, *settings.factors.get(name, []), default, *last]
    present = ordered(column)
    said = (_text(RunConfig.as_field(name, value)) for value in candidates)
    return next((text for text in said if text in present), present[0])


def _default(name: str) -> Any:
    field = RunConfig.model_fields.get(name)
    return None if field is None else field.default
