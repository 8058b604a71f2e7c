"""How far energies may be off, and why: the uncertainty budget of a study and of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import text
from lib.records.uncertainty import uncertainty as of_run
from lib.report.page import Table
from lib.stats.budget import MACHINE, RUN, Line

if TYPE_CHECKING:
    from lib.analysis.results import Analysis

_COMMON = {MACHINE: "all runs of a machine", RUN: "one run"}
NOTHING = "Uncertainty: nothing is known of how the energies were obtained."
_NOTE = (
    "95 % limits by Monte Carlo (JCGM 101). Share: of the uncertainty, from the squares of what "
    "each source alone does to the limits. What is common to all runs of a machine cancels in "
    "their ratios; what is common to a configuration does not."
)


def budget(study: Analysis) -> Table:
    """Every source of uncertainty of the study's energies, the largest first."""
    found = list(study.energy_limits.values())
    lines: dict[str, list[Line]] = {}
    for one in found:
        for line in one.lines:
            lines.setdefault(line.source.name, []).append(line)
    rows = [_row(mine[0], sum(line.share for line in mine) / len(found)) for mine in lines.values()]
    caption = "What makes the energies uncertain, mean of the configurations"
    return _table(sorted(rows, key=lambda row: -row["share_percent"]), caption)


def run_budget(run: Mapping[str, Any]) -> Table:
    """Every source of uncertainty of one run's energy, by its row of the results table."""
    if (found := of_run(run)) is None:
        return _table([], "")
    said = text.with_limits(found.value, found.low, found.high)
    return _table([_row(line, line.share) for line in found.lines], f"How sure {said} is")


def _row(line: Line, share: float) -> dict[str, Any]:
    source = line.source
    return {
        "source": source.name,
        "share_percent": 100 * share,
        "distribution": str(source.law),
        "common_to": _COMMON.get(source.level, "the runs of a configuration"),
        "basis": source.basis,
        "made_smaller_by": source.remedy,
    }


def _table(rows: list[dict[str, Any]], caption: str) -> Table:
    if not rows:
        return Table("uncertainty", "", pd.DataFrame(), NOTHING)
    return Table("uncertainty", caption, pd.DataFrame(rows), _NOTE)
