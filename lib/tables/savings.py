"""What the study's variants save at equal accuracy."""

from __future__ import annotations

import pandas as pd

from lib import variants
from lib.analysis import Analysis
from lib.page import Table
from lib.tables import shared

_NOTHING_VARIED = (
    "The runs of this study differ in architecture, dataset and place alone, so there is no "
    "reference to save energy against."
)
_READ = (
    "Equal accuracy is the lower of two means: of the runs' best validation accuracies, here and "
    "of what it is compared with; the less accurate of the two thus counts up to its best epochs. "
    "The energy until then is that at the end of the epoch in which a run first reached it. Runs "
    "that never did are left out, and how many did is told. Accuracy and energy are those at the "
    "end of the training."
)


def savings(study: Analysis) -> Table:
    """Every variant against its architecture's reference and against the study's."""
    if variants.COLUMN not in study.completed:
        return Table("savings", "", pd.DataFrame(), _NOTHING_VARIED)
    frame, why = shared.reasoned(shared.in_order(study.saved))
    counts = ["runs", "reached", "reference_reached"]
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    return Table("savings", "What each variant saves", frame, f"{_READ}{why}")
