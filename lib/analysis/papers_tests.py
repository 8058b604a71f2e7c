"""The paper's own tests, put to any study: its Tables 3 to 5. No verdict leans on them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lib.stats import multitest
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


def _listed(found: TestResult | list[TestResult]) -> list[TestResult]:
    return found if isinstance(found, list) else [found]
