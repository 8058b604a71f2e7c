"""What the instruments leave uncertain about the results of a study.

`judged` is the one thing that a comparison needs: a ratio may be off for what repetitions can't
show, and two levels are called different only if they are so in spite of that.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from lib.instruments import accuracy
from lib.instruments.accuracy import Calibrations
from lib.stats.budget import (
    CONFIGURATION,
    MACHINE,
    RUN,
    Budget,
    Comparison,
    Source,
    Uncertainty,
    combine,
    compare,
    log_t,
)
from lib.stats.estimate import Doubt
from lib.stats.pairs import Pair

REPETITIONS = Source(
    "the scatter of the repetitions",
    None,
    log_t(0.0, 1),
    RUN,
    "Standard error of the runs' mean, with n - 1 degrees of freedom (type A).",
    "more repetitions",
)


@dataclass(frozen=True)
class Beyond(Comparison):
    """What instruments leave uncertain about a ratio of energies, beside the runs' scatter.

    Attributes:
        with_unseen: Low, middle and high, if the machine drew 0 to 60 W beside its components.
    """

    with_unseen: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def doubts(self) -> tuple[Doubt, Doubt]:
        """What it comes to by the components that were read, and by the whole machine."""
        return self.limits, self.with_unseen

    @property
    def settled_by(self) -> str:
        """The instrument that would make the ratio certain."""
        return self.lines[0].source.remedy if self.lines else ""


NOTHING = Beyond(0.0, 0.0, 0.0)
"""Of runs whose instruments nothing is known of, or of a quantity that is exact."""


def beyond_scatter(
    a: pd.DataFrame,
    b: pd.DataFrame,
    response: str = "energy_consumed",
    calibrations: Calibrations | None = None,
    *,
    itemised: bool = False,
) -> Beyond:
    """What instruments leave uncertain about the ratio a / b of geometric means of `response`.

    `judged` joins it to the interval that the scatter gives.

    What both sets have in common cancels: the gain of a machine's sensors, in so far as the same
    component carries both. What a workload changes in them counts, and so does everything between
    different machines. Where both sets have runs on the same machines, the ratio is taken to be
    one within machines.

    Args:
        a: The runs above the line, as rows of a results table.
        b: Those below it.
        response: Column that is compared; other than energies nothing is uncertain.
        calibrations: Of the study.
        itemised: Whether to tell the sources, which takes longer.
    """
    reckon = accuracy.BUDGETS.get(response)
    if reckon is None or response == "emissions":
        return NOTHING
    sides = [_budgets(runs, reckon, calibrations, name) for runs, name in ((a, "a"), (b, "b"))]
    shared = sides[0].keys() & sides[1].keys()
    kept = [[pair for m, pair in side.items() if m in shared or not shared] for side in sides]
    if not all(kept):
        return NOTHING
    above, below = ([seen for seen, _ in side] for side in kept)
    seen = compare(above, below, itemised=itemised)
    above, below = ([unseen for _, unseen in side] for side in kept)
    unseen = compare(above, below)
    return Beyond(*seen.limits, seen.lines, unseen.limits)


def _budgets(
    runs: pd.DataFrame,
    reckon: Callable[..., Budget | None],
    calibrations: Calibrations | None,
    side: str,
) -> dict[str, tuple[Budget, Budget]]:
    """By machine: the budget of the mean run of a set, and the same with what was not read."""
    found = {}
    rows = runs.to_dict("records")
    machines = [accuracy.scopes(row)[MACHINE] for row in rows]
    for machine in dict.fromkeys(machines):
        mean = _mean_run([row for row, at in zip(rows, machines, strict=True) if at == machine])
        budget = reckon(mean, calibrations)
        if budget is not None:
            scopes = {**budget.scopes, CONFIGURATION: (machine, side)}
            budget = dataclasses.replace(budget, scopes=scopes)
            found[machine] = budget, accuracy.with_unseen(budget, mean)
    return found


def _mean_run(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One run that has the mean energies and duration of several, and the words of the first."""
    names = [name for name in rows[0] if name.endswith(("_energy", "energy_consumed", "duration"))]
    figures = pd.DataFrame(rows)[names].apply(pd.to_numeric, errors="coerce").mean()
    return {**rows[0], **figures.to_dict()}


def judged(
    pair: Pair,
    a: pd.DataFrame,
    b: pd.DataFrame,
    response: str = "energy_consumed",
    calibrations: Calibrations | None = None,
) -> Pair:
    """A pair with what the instruments of its runs leave uncertain, which its verdict heeds.

    It is called different only if it is so by the ratio of the components that were read, and by
    that of the whole machine if it drew 0 to 60 W beside them.

    Args:
        pair: As `lib.stats.pairs` gives it.
        a: The runs of its first level.
        b: Those of its second.
        response: What was compared.
        calibrations: Of the study.
    """
    if math.isnan(pair.low):  # one run alone has no verdict for them to heed
        return pair
    beyond = beyond_scatter(a, b, response, calibrations, itemised=True)
    if beyond == NOTHING:
        return pair
    return dataclasses.replace(pair, doubts=beyond.doubts, settled_by=beyond.settled_by)


def of_configurations(
    runs: pd.DataFrame,
    by: Sequence[str],
    response: str = "energy_consumed",
    calibrations: Calibrations | None = None,
) -> dict[tuple, Uncertainty]:
    """How far the mean of each configuration's runs may be off, scatter of repetitions included.

    Args:
        runs: Completed runs, as rows of a results table.
        by: Columns that make a configuration.
        response: One of `lib.instruments.accuracy.BUDGETS`.
        calibrations: Of the study.

    Returns:
        By the levels of `by`; those without an energy are left out. Where a configuration ran on
        several machines, the errors are those of the first: how gains of several would average is
        not known.
    """
    found = {}
    for key, rows in runs.groupby(list(by), sort=False, dropna=False):
        mean = _mean_run(rows.to_dict("records"))
        budget = accuracy.BUDGETS[response](mean, calibrations)
        if budget is not None:
            values = pd.to_numeric(rows[response]).dropna()
            found[key] = combine(_repeated(budget, values.to_numpy(float)))
    return found


def _repeated(budget: Budget, values: NDArray) -> Budget:
    """The budget of a mean: its scatter (type A) takes the place of what is a single run's own."""
    if values.size < 2:
        return budget
    common = tuple(source for source in budget.sources if source.level != RUN)
    spread = float(values.std(ddof=1) / values.mean() / values.size**0.5)
    scatter = dataclasses.replace(REPETITIONS, law=log_t(spread, values.size - 1))
    return dataclasses.replace(budget, sources=(*common, scatter))
