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
    shares: dict[str, list[float]] = {}
    lines: dict[str, Line] = {}
    for one in found:
        for line in one.lines:
            shares.setdefault(line.source.name, []).append(line.share)
            lines.setdefault(line.source.name, line)
    rows = [
        _row(lines[name], sum(shares[name]) / len(found))
        for name in sorted(lines, key=lambda name: -sum(shares[name]))
    ]
    frame = pd.DataFrame(rows)
    if frame.empty:
        return Table("uncertainty", "", frame, NOTHING)
    caption = "What makes the energies uncertain, mean of the configurations"
    return Table("uncertainty", caption, frame, _NOTE)


def run_budget(run: Mapping[str, Any]) -> Table:
    """Every source of uncertainty of one run's energy.

    Args:
        run: Its row of the results table.
    """
    found = of_run(run)
    if found is None:
        return Table("uncertainty", "", pd.DataFrame(), NOTHING)
    rows = [_row(line, line.share) for line in found.lines]
    said = text.with_limits(found.value, found.low, found.high)
    return Table("uncertainty", f"How sure {said} is", pd.DataFrame(rows), _NOTE)


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
