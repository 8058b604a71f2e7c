"""The paper's own tests: Tables 3, 4 and 5, and every test that was made."""

from __future__ import annotations

import pandas as pd

from lib.analysis import results, variants
from lib.analysis.results import Analysis
from lib.quantities import is_renamed
from lib.report.page import Table
from lib.report.tables import shared


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
