"""What the study's variants save at equal accuracy."""

from __future__ import annotations

import pandas as pd

from lib.analysis import variants
from lib.analysis.results import Analysis
from lib.report.page import Table
from lib.report.tables import shared
from lib.stats.equal_accuracy import SHARE_OF_BEST

_NOTHING_VARIED = (
    "What options save: the runs differ in architecture, dataset and place alone (docs/studies.md: "
    "factors or variants)."
)
_READ = (
    f"Equal accuracy is {100 * SHARE_OF_BEST:.0f} % of what the less accurate of the two reaches "
    "at its best, and the energy until then is read off both mean learning curves. The interval "
    "and p are Student's, with the spread between runs found by leaving out each in turn; p (Holm) "
    "is adjusted for all comparisons with the same reference. How many runs had the equal accuracy "
    "in some epoch is told. Accuracy and energy are those at the end of the training."
)


def savings(study: Analysis) -> Table:
    """Every variant against its architecture's reference and against the study's."""
    if variants.COLUMN not in study.completed:
        return Table("savings", "", pd.DataFrame(), _NOTHING_VARIED)
    frame, why = shared.reasoned(shared.in_order(study.saved))
    counts = ["runs", "reached", "reference_reached"]
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    return Table("savings", "What each variant saves", frame, f"{_READ}{why}")
