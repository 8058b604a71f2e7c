"""What a study's two questions were answered, and every pair that it compares."""

from __future__ import annotations

import pandas as pd

from lib.analysis import questions as asked
from lib.analysis.results import Analysis
from lib.report import verdicts
from lib.report.page import Table
from lib.report.tables import shared


def questions(study: Analysis) -> Table:
    """The two confirmatory questions, their p and what can be said."""
    found = study.answer
    if not found.pairs:
        why = found.effect.reason or "nothing is compared"
        return Table("questions", "", pd.DataFrame(), f"Questions: not asked, because {why}.")
    frame = asked.questions_frame(found)
    if not found.design.context:
        frame = frame.iloc[:1]
    return Table(
        "questions",
        "The two questions of the study",
        shared.present(frame, list(frame)),
        "Fixed by the study file before it ran. The first is answered by the orders in which the "
        "runs could have come (permutation within each context and place), the second by the model "
        "of the logarithms; p (Holm) is adjusted for their number.",
    )


def pairs(study: Analysis) -> Table:
    """Every pair: the ratio of its geometric means, its simultaneous interval, what can be said."""
    found = study.answer
    if not found.pairs:
        return Table("pairs", "", pd.DataFrame())
    frame = asked.to_frame(found)
    frame, why = shared.reasoned(shared.present(frame, list(frame)))
    return Table(
        "pairs",
        "How many times as much energy, pair by pair",
        frame.rename(columns={"ratio": "times_as_much"}),
        "Ratios of geometric means, within machines and repetitions. All intervals hold their "
        "ratios at once in 95 % of such studies, so that of a pair that was chosen does too. "
        + (verdicts.precision(found) or "")
        + why,
    )
