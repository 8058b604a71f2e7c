"""What the instruments leave uncertain about the results of a study.

`judged` is the one thing that a comparison needs: a ratio may be off for what repetitions can't
show, and two levels are called different only if they are so in spite of that.
"""

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lib.analysis.frugality import number
from lib.instruments import COMPONENTS, accuracy
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
    """What instruments leave uncertain about a ratio of energies, beside the runs' scatter."""

    # low, middle and high, if the machine drew 0 to 60 W beside its components
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


Known = Mapping[str, tuple[Budget, Budget]]
"""Of a set of runs, by machine: the budget of their mean, and the same with what was not read."""


Set = TypeVar("Set", bound=Hashable)


def known(
    runs: pd.DataFrame,
    sets: Sequence[Hashable],
    response: str = "energy_consumed",
    calibrations: Calibrations | None = None,
) -> Mapping[Hashable, Known]:
    """What is known of how each of several sets of runs was measured, by set.

    Those of which nothing is known are left out, and so are runs without the response; of other
    responses than energies nothing is uncertain. `sets` says which set each run is of.
    """
    if response not in accuracy.BUDGETS or response == "emissions":
        return {}
    found: dict[Hashable, dict[str, tuple[Budget, Budget]]] = {}
    machines = [accuracy.scopes(row)[MACHINE] for row in runs.to_dict("records")]
    means = _mean_runs(runs, list(zip(sets, machines, strict=True)), response)
    for (one, machine), mean in means.items():
        if (budget := accuracy.BUDGETS[response](mean, calibrations)) is not None:
            found.setdefault(one, {})[machine] = budget, accuracy.with_unseen(budget, mean)
    return found


def beyond_scatter(a: Known, b: Known, *, itemised: bool = False) -> Beyond:
    """What instruments leave uncertain about the ratio a / b of geometric means of a response.

    `judged` joins it to the interval that the scatter gives.

    What both sets have in common cancels: the gain of a machine's sensors, in so far as the same
    component carries both. What a workload changes in them counts, and so does everything between
    different machines. Where both sets have runs on the same machines, the ratio is taken to be
    one within machines.

    To tell the sources too, `itemised`, takes longer.
    """
    shared = a.keys() & b.keys()

    def budgets(name: str, side: Known, place: int) -> list[Budget]:
        return [
            dataclasses.replace(
                both[place], scopes={**both[place].scopes, CONFIGURATION: (machine, name)}
            )
            for machine, both in side.items()
            if machine in shared or not shared
        ]

    if not a or not b:
        return NOTHING
    seen, unseen = (
        compare(budgets("a", a, place), budgets("b", b, place), itemised=itemised and not place)
        for place in (0, 1)
    )
    return Beyond(*seen.limits, seen.lines, unseen.limits)


def _mean_runs(runs: pd.DataFrame, sets: Sequence[Set], response: str) -> dict[Set, dict[str, Any]]:
    """By set: one run, with the mean energies and duration of its runs that have a response, and
    the words of the first of them."""
    has = number(runs, response).notna()
    runs, sets = runs[has], [*compress(sets, has)]
    places: dict[Set, int] = {}
    codes = np.array([places.setdefault(one, len(places)) for one in sets], dtype=int)
    names = [name for name in runs if name.endswith(("_energy", "energy_consumed", "duration"))]
    # A component that a run has not, as on a machine without a GPU, took nothing: parts add up.
    none = {f"{name}_energy": 0.0 for name in COMPONENTS}
    figures = runs[names].apply(pd.to_numeric, errors="coerce").fillna(none).groupby(codes).mean()
    firsts = runs.iloc[np.unique(codes, return_index=True)[1]]
    rows = zip(firsts.to_dict("records"), figures.to_dict("records"), strict=True)
    return {one: {**first, **mean} for one, (first, mean) in zip(places, rows, strict=True)}


def judged(pair: Pair, a: Known, b: Known) -> Pair:
    """A pair with what the instruments of its runs leave uncertain, which its verdict heeds.

    It is called different only if it is so by the ratio of the components that were read, and by
    that of the whole machine if it drew 0 to 60 W beside them. `a` is of the runs of its first
    level, `b` of those of its second.
    """
    if math.isnan(pair.low):  # one run alone has no verdict for them to heed
        return pair
    beyond = beyond_scatter(a, b)
    if beyond == NOTHING:
        return pair
    heeded = dataclasses.replace(pair, doubts=beyond.doubts)
    if heeded.is_in_doubt:
        settled_by = beyond_scatter(a, b, itemised=True).settled_by
        return dataclasses.replace(heeded, settled_by=settled_by)
    return heeded


def of_configurations(
    runs: pd.DataFrame,
    by: Sequence[str],
    response: str = "energy_consumed",
    calibrations: Calibrations | None = None,
) -> dict[tuple, Uncertainty]:
    """How far the mean of each configuration's runs may be off, scatter of repetitions included.

    Returns:
        By the levels of `by`, the columns that make a configuration; those without an energy are
        left out. Where a configuration ran on several machines, the errors are those of the first:
        how gains of several would average is not known.
    """
    found = {}
    groups = runs.groupby(list(by), sort=False, dropna=False)
    means = _mean_runs(runs, groups.ngroup().tolist(), response)
    for place, (key, values) in enumerate(groups[response]):
        if (budget := accuracy.BUDGETS[response](means.get(place, {}), calibrations)) is not None:
            known = pd.to_numeric(values).dropna()
            found[key] = combine(_repeated(budget, known.to_numpy(float)))
    return found


def _repeated(budget: Budget, values: NDArray) -> Budget:
    """The budget of a mean: its scatter (type A) takes the place of what is a single run's own."""
    if values.size < 2:
        return budget
    common = tuple(source for source in budget.sources if source.level != RUN)
    spread = float(values.std(ddof=1) / values.mean() / values.size**0.5)
    scatter = dataclasses.replace(REPETITIONS, law=log_t(spread, values.size - 1))
    return dataclasses.replace(budget, sources=(*common, scatter))
