"""The questions that a study asks of its results, answered by tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from lib.analysis import variants
from lib.stats import groups, multitest
from lib.stats.hypotests import TestResult, by_level, dunn, kruskal_wallis, point_biserial

RESPONSES = (
    "emissions",
    "energy_consumed",
    "flops",
    "duration",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "accuracy",
)
MEASURED = tuple(name for name in RESPONSES if name != "flops")
CONFIGURATION = ["architecture", "dataset", "flops"]


def study_tests(df: pd.DataFrame, responses: Sequence[str] = RESPONSES) -> list[TestResult]:
    """Put the paper's questions to a study, over all runs and within each dataset.

    Does each response differ between datasets (point-biserial where there are two, and
    Kruskal-Wallis), between architectures and between locations (Kruskal-Wallis, then Dunn for the
    pairs; overall and within each dataset)? Where runs come from several machines, between these
    too. FLOPs are the same in every repetition and place, so a configuration counts once and
    location is no question.

    Args:
        df: One row a run.
        responses: Numeric columns.

    Returns:
        The results, each family adjusted for its number.
    """
    several = "machine" in df and df["machine"].nunique() > 1
    places = ("location", "machine") if several else ("location",)
    results: list[TestResult] = []
    for response in responses:
        fixed = response == "flops" and "flops" in df
        rows = df.drop_duplicates(df.columns.intersection(CONFIGURATION)) if fixed else df
        results.append(point_biserial(rows, response, "dataset"))
        results.append(kruskal_wallis(rows, response, "dataset"))
        for factor in ("architecture",) if fixed else ("architecture", *places):
            for test in (kruskal_wallis, dunn):
                results += _listed(test(rows, response, factor))
                results += by_level(rows, test, response, factor, within="dataset")
    return multitest.by_family(results)


def variant_tests(df: pd.DataFrame, responses: Sequence[str] = MEASURED) -> list[TestResult]:
    """Does each response differ between variants of the same architecture on the same dataset?

    Kruskal-Wallis over all variants, then Dunn for each variant against the reference, or for all
    pairs where no run is the reference's. With several locations, within each of them.

    Args:
        df: One row a run, with the column `variant`.
        responses: Numeric columns.

    Returns:
        The results, each family adjusted for its number: the tests of one response in all
        configurations are a family, and so are its pairs.
    """
    places = ["location"] if "location" in df and df["location"].nunique() > 1 else []
    named = df[["architecture", "dataset", *places]].astype(str).agg(", ".join, axis=1)
    rows = df.assign(configuration=named)
    results: list[TestResult] = []
    for response in responses:
        for test in (kruskal_wallis, _against_reference):
            found = by_level(rows, test, response, variants.COLUMN, within="configuration")
            results += [replace(one, family=f"{one.test}, {response} by variant") for one in found]
    return multitest.by_family(results)


def _against_reference(df: pd.DataFrame, response: str, factor: str) -> list[TestResult]:
    values = groups.grouped(df, response, factor)
    base = variants.REFERENCE if variants.REFERENCE in values.names else None
    return dunn(df, response, factor, base)


def _listed(found: TestResult | list[TestResult]) -> list[TestResult]:
    return found if isinstance(found, list) else [found]
