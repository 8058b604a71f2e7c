"""What is more than chance: Tables 3, 4 and 5, and every test behind them."""

from __future__ import annotations

from lib.analysis import variants
from lib.analysis.results import Analysis
from lib.quantities import quantity
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
        test="point-biserial",
        note="A negative coefficient: the first dataset by name has the lower values.",
    )


def architecture_differences(study: Analysis) -> Table:
    """Table 4: Kruskal-Wallis test of the responses between architectures."""
    return _tests(
        study,
        "table4_architectures",
        "Table 4. Differences between architectures (Kruskal-Wallis)",
        test="Kruskal-Wallis",
        factor="architecture",
    )


def architecture_differences_within(study: Analysis) -> Table:
    """Table 4, asked within each dataset: a mixture of datasets can hide what each shows."""
    return _tests(
        study,
        "table4_architectures_within_dataset",
        "Table 4, within each dataset",
        test="Kruskal-Wallis",
        factor="architecture",
        within=True,
    )


def architecture_pairs(study: Analysis) -> Table:
    """Which architectures differ from which: Dunn's test."""
    return _tests(
        study,
        "table4_pairs",
        "Table 4, pair by pair (Dunn)",
        test="Dunn",
        factor="architecture",
        within=None,
    )


def location_differences(study: Analysis) -> Table:
    """Table 5: Kruskal-Wallis test of the responses between locations."""
    return _tests(
        study,
        "table5_locations",
        "Table 5. Differences between locations (Kruskal-Wallis)",
        test="Kruskal-Wallis",
        factor="location",
        within=None,
    )


def variant_differences(study: Analysis) -> Table:
    """Whether variants of the same architecture on the same dataset differ: Kruskal-Wallis."""
    return _of_variants(
        study,
        "variants",
        "Differences between variants of the same configuration (Kruskal-Wallis)",
        test="Kruskal-Wallis",
    )


def variant_pairs(study: Analysis) -> Table:
    """Which variants differ from the reference: Dunn's test."""
    return _of_variants(
        study,
        "variants_pairs",
        "Variant by variant against the reference (Dunn)",
        test="Dunn",
    )


def _of_variants(study: Analysis, name: str, caption: str, *, test: str, note: str = "") -> Table:
    if variants.COLUMN not in study.tests:
        return Table(name, "", study.tests.iloc[:0])
    return _tests(study, name, caption, test=test, factor="variant", within=True, note=note)


def all_tests(study: Analysis) -> Table:
    """Every test that was made, those too that no other table shows."""
    frame = shared.in_words(study.tests[[*study.tests.columns.drop("family"), "family"]])
    return Table(
        "tests", "Every test", frame, "Family: tests whose p-values Holm adjusts together."
    )


def _tests(
    study: Analysis,
    name: str,
    caption: str,
    *,
    test: str,
    factor: str | None = None,
    within: bool | None = False,
    note: str = "",
) -> Table:
    """Tests of one kind, the paper's responses first; `within` None: overall and within parts."""
    frame = study.tests[study.tests["test"] == test]
    if factor:
        frame = frame[frame["factor"] == factor]
    if study.completed["dataset"].nunique() < 2 and factor != variants.COLUMN:
        # Within the only dataset there is, every test would be shown twice.
        if within:
            return Table(name, "", frame.iloc[:0])
        within = False
    if within is not None:
        frame = frame[(frame["within"] != "") == within]
    first = frame["response"].isin(_PAPER_RESPONSES)
    frame = frame.iloc[(~first).argsort(kind="stable")]
    if "treatment" in frame:
        # The treatments of one question under each other, to see at once what changed.
        questions = ["response", "within", "groups"]
        place = frame.groupby(questions, sort=False).ngroup()
        frame = frame.iloc[place.argsort(kind="stable")]
    own = [] if factor == variants.COLUMN else variants.column_of(frame)
    if own:
        # The variants of one question under each other.
        frame = frame.iloc[frame.groupby("response", sort=False).ngroup().argsort(kind="stable")]
    groups = list(map(hypotests.with_sizes, frame["groups"], frame["n"]))
    frame = shared.in_words(frame.assign(groups=groups))
    columns = [*shared.treatment(study), *own, "response", "within", "groups", "assessment"]
    columns += ["p", "p_holm", "statistic"]
    if test in hypotests.CORRELATIONS:
        columns += ["statistic_low", "statistic_high"]
    frame = frame[[*columns, "reason"]]
    if within is False:
        frame = frame.drop(columns="within")
    if frame["p"].isna().all():
        # Of the responses energy is the one that every study has; "Every test" has all reasons.
        energy = frame[frame["response"] == quantity("energy_consumed").name]["reason"]
        return Table(name, "", frame.iloc[:0], f"{caption}: not tested, because {energy.iloc[0]}.")
    # Beside what was asked, not at the far end of the row, stands why it was not answered.
    untested = frame["p"].isna()
    frame = frame.assign(
        assessment=frame["assessment"].mask(untested, "not tested: " + frame["reason"]),
        reason=frame["reason"].mask(untested, ""),
    )
    frame, why = shared.reasoned(frame, ~untested, "test")
    return Table(name, caption, frame, f"{note}{why}")
