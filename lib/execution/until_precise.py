"""As many repetitions as it takes: a study that goes on, block by block, until it is precise.

It stops on the width of its intervals and never on a p, which would be below 0.05 at some look in
far more than 5 % of studies in which nothing differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from lib import records
from lib.records import Record
from lib.study import plan
from lib.study.sections import Precision

if TYPE_CHECKING:
    from lib.execution.call import Call


def resumed(call: Call) -> Call:
    """The call with as many repetitions as were planned before it."""
    if not isinstance(call.study.repetitions, Precision):
        return call
    planned = set(plan.read(call.study_dir))
    while (further := _with_one_more(call)) is not None:
        if not planned & {run.run_id for run in further.everything[len(call.everything) :]}:
            break
        call = further
    return call


def next_block(call: Call, ended: Iterable[Record]) -> tuple[Call | None, str]:
    """The call with one repetition more, or None where it is over; and why, in a sentence.

    A part of the runs makes no block.
    """
    from lib.analysis import questions  # pandas and statistics, once the runs are over

    rule = call.study.repetitions
    if not isinstance(rule, Precision) or not _is_whole(call):
        return None, ""
    table = records.table(ended)
    found = questions.answer(
        table[table["status"] == "completed"].reset_index(drop=True), call.study, is_final=False
    )
    count = max(run.repetition for run in call.everything)
    wanted = f"± {100 * rule.precision:.3g} %"
    known = (
        "the ratios are not known yet"
        if math.isnan(found.reach)
        else f"every ratio is known to ± {100 * found.reach:.2g} % or better by the runs' scatter"
    )
    said = f"After {count} repetitions {known} (wanted: {wanted})"
    if found.reach <= rule.precision:
        return None, f"{said}."
    further = _with_one_more(call)
    if further is None:
        return None, f"{said}; {rule.at_most} are the most that the study allows."
    needed = found.repetitions_for(rule.precision)
    if needed is None:
        return further, f"{said}; one more follows."
    more = min(max(needed - count, 1), rule.at_most - count)
    return further, f"{said}; {more} more {'is' if more == 1 else 'are'} likely to follow."


def _with_one_more(call: Call) -> Call | None:
    """The call with the next repetition; None where the study allows no more."""
    rule = call.study.repetitions
    count = max(run.repetition for run in call.everything)
    if not isinstance(rule, Precision) or count >= rule.at_most:
        return None
    everything = call.study.runs(call.name, call.outputs, count + 1)
    whole = frozenset(run.run_id for run in everything)
    return replace(call, everything=everything, chosen=whole if _is_whole(call) else call.chosen)


def _is_whole(call: Call) -> bool:
    return {run.run_id for run in call.everything} == call.chosen
