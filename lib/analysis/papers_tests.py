"""The paper's own tests, put to any study: its Tables 3 to 5. No verdict leans on them."""

from collections.abc import Sequence

import pandas as pd

from lib.analysis import variants
from lib.quantities import ordered
from lib.stats import hypotests
from lib.stats.hypotests import TestResult, as_list, by_level, dunn, kruskal_wallis, point_biserial

RESPONSES = (
    *("emissions", "energy_consumed", "flops", "duration", "cpu_energy", "gpu_energy"),
    *("ram_energy", "accuracy"),
)
CONFIGURATION = ["architecture", "dataset", "flops"]

MOST_TESTED = 6  # variants: nobody reads the tests of more, and of hundreds they take minutes


def study_tests(df: pd.DataFrame, responses: Sequence[str] = RESPONSES) -> list[TestResult]:
    """Put the paper's questions to a study, over all runs and within each dataset.

    Does each response differ between datasets (point-biserial where there are two, and
    Kruskal-Wallis), between architectures and between locations (Kruskal-Wallis, then Dunn for the
    pairs; overall and within each dataset)? Where runs come from several machines, between these
    too. FLOPs are the same in every repetition and place, so a configuration counts once and
    location is no question. Each family of results is adjusted for its number.
    """
    several = "machine" in df and df["machine"].nunique() > 1
    places = ("location", "machine") if several else ("location",)
    df = df[df.columns.intersection([*CONFIGURATION, *places, *responses])]
    results: list[TestResult] = []
    for response in responses:
        fixed = response == "flops" and "flops" in df
        rows = df.drop_duplicates(df.columns.intersection(CONFIGURATION)) if fixed else df
        results.append(point_biserial(rows, response, "dataset"))
        results.append(kruskal_wallis(rows, response, "dataset"))
        for factor in ("architecture",) if fixed else ("architecture", *places):
            for test in (kruskal_wallis, dunn):
                results += as_list(test(rows, response, factor))
                results += by_level(rows, test, response, factor, within="dataset")
    return hypotests.by_family(results)


def table(runs: pd.DataFrame) -> pd.DataFrame:
    """`study_tests` as a table, within each of the `tested_variants` where there are several."""
    if variants.COLUMN not in runs:
        return hypotests.to_frame(study_tests(runs))
    tables = []
    for name in tested_variants(runs):
        found = hypotests.to_frame(study_tests(runs[runs[variants.COLUMN] == name]))
        tables.append(found.assign(family=f"variant {name}: " + found["family"], variant=name))
    tests = pd.concat(tables, ignore_index=True)
    return tests[["variant", *tests.columns.drop("variant")]]


def tested_variants(runs: pd.DataFrame) -> list[str]:
    """Those that the paper's tests and tables are about: the first of very many."""
    return ordered(runs[variants.COLUMN])[:MOST_TESTED] if variants.COLUMN in runs else []
