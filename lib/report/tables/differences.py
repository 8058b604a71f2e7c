"""The paper's own tests: Tables 3, 4 and 5, and every test that was made."""

from __future__ import annotations

import pandas as pd

from lib.analysis import results, variants
from lib.analysis.results import Analysis
from lib.quantities import is_renamed
from lib.report.page import Table
from lib.report.tables import shared
from lib.stats import hypotests

_PAPER_RESPONSES = ("emissions", "energy_consumed", "flops")


def dataset_correlation(study: Analysis) -> Table:
    """Table 3: point-biserial correlation of the responses with the dataset."""
    return _tests(
        study,
        "table3_datasets",
        "Table 3. Correlation with the dataset (point-biserial)",
        "point-biserial",
        "dataset",
        "A negative coefficient: the first dataset by name has the lower values.",
    )


def architecture_differences(study: Analysis) -> Table:
    """Table 4: Kruskal-Wallis test of the responses between architectures."""
    return _tests(
        study,
        "table4_architectures",
        "Table 4. Differences between architectures (Kruskal-Wallis)",
        "Kruskal-Wallis",
        "architecture",
    )


def location_differences(study: Analysis) -> Table:
    """Table 5: Kruskal-Wallis test of the responses between locations."""
    return _tests(
        study,
        "table5_locations",
        "Table 5. Differences between locations (Kruskal-Wallis)",
        "Kruskal-Wallis",
        "location",
    )


def all_tests(study: Analysis) -> Table:
    """Every test that was made, those too that no other table shows."""
    if is_renamed("architecture"):
        return Table(
            "tests", "Every test", pd.DataFrame(), "Tests: those of the paper are not made."
        )
    frame = shared.in_words(study.tests[[*study.tests.columns.drop("family"), "family"]])
    note = "Family: tests whose p-values Holm adjusts together."
    if (tested := len(results.tested_variants(study.runs))) < (every := _variants(study)):
        note += f" Of {every:,} variants the first {tested} are tested."
    return Table("tests", "Every test", frame, note)


def _variants(study: Analysis) -> int:
    return study.runs[variants.COLUMN].nunique() if variants.COLUMN in study.runs else 0


def _tests(
    study: Analysis, name: str, caption: str, test: str, factor: str, note: str = ""
) -> Table:
    """Tests of one kind over all runs, the paper's responses first, treatments side by side."""
    frame = study.tests[(study.tests["test"] == test) & (study.tests["factor"] == factor)]
    frame = frame[frame["within"] == ""]
    first = frame["response"].isin(_PAPER_RESPONSES)
    frame = frame.iloc[(~first).argsort(kind="stable")]
    frame = frame.iloc[frame.groupby("response", sort=False).ngroup().argsort(kind="stable")]
    groups = list(map(hypotests.with_sizes, frame["groups"], frame["n"]))
    frame = shared.in_words(frame.assign(groups=groups))
    columns = [*shared.treatment(study), "response", "groups", "assessment"]
    columns += ["p", "p_holm", "statistic"]
    if test in hypotests.CORRELATIONS:
        columns += ["statistic_low", "statistic_high"]
    # Beside what was asked, not at the far end of the row, stands why it was not answered.
    untested = frame["p"].isna()
    frame = frame[[*columns, "reason"]].assign(
        assessment=frame["assessment"].mask(untested, "not tested: " + frame["reason"].fillna("")),
        reason=frame["reason"].mask(untested, None),
    )
    frame, why = shared.reasoned(frame, ~untested, "test")
    return Table(name, caption, frame, f"{note}{why}")
