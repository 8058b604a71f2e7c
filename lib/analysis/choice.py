"""Which configuration a study comes down to: least energy among those not shown less accurate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.05


@dataclass(frozen=True)
class Choice:
    """What it comes down to within one context, and how sure that is.

    Attributes:
        name: The configuration with the least mean energy among the candidates.
        accuracy: Its mean accuracy.
        energy: Its mean energy, kWh.
        candidates: Names of those that were not shown to be less accurate than the most accurate
            one, the chosen one among them, by energy.
        runner_up: The candidate with the next higher energy; None where there is no other.
        energy_ratio: Energy of the runner-up over the chosen one's.
        p: One-sided p of Welch's test that the runner-up takes more energy, on logarithms; None
            where one of the two has a single run.
    """

    name: str
    accuracy: float
    energy: float
    candidates: tuple[str, ...]
    runner_up: str | None = None
    energy_ratio: float | None = None
    p: float | None = None

    @property
    def is_sure(self) -> bool:
        """Whether the chosen one was shown to take less than every other candidate."""
        return self.runner_up is None or (self.p is not None and self.p < LEVEL)


def among(runs: pd.DataFrame, energy: str = "energy_consumed") -> Choice | None:
    """Choose among the configurations of one context.

    A configuration is less accurate if a one-sided Welch test against the most accurate one says so
    at 5 %, after Bonferroni over the others; of single runs, if its accuracy is lower.

    Args:
        runs: One row a run: name (of its configuration), accuracy (0 to 1), and energy.
        energy: Column with the energy in kWh.

    Returns:
        None where no configuration has both an accuracy and an energy above 0.
    """
    known = runs.dropna(subset=["accuracy", energy])
    known = known[known[energy] > 0]
    if known.empty:
        return None
    groups = dict(iter(known.groupby("name", sort=False)))
    accuracies = {name: group["accuracy"].mean() for name, group in groups.items()}
    best = max(accuracies, key=accuracies.__getitem__)
    level = LEVEL / max(len(groups) - 1, 1)
    candidates = [
        name
        for name, group in groups.items()
        if name == best or not _is_lower(group["accuracy"], groups[best]["accuracy"], level)
    ]
    candidates.sort(key=lambda name: groups[name][energy].mean())
    chosen, others = candidates[0], candidates[1:]
    means = {name: groups[name][energy].mean() for name in candidates}
    found = Choice(chosen, accuracies[chosen], means[chosen], tuple(candidates))
    if not others:
        return found
    ratio = means[others[0]] / means[chosen]
    p = max(
        (_p_lower(_log(groups[chosen][energy]), _log(groups[name][energy])) or 1.0)
        for name in others
    )
    alone = any(len(groups[name]) < 2 for name in candidates)
    return Choice(
        found.name,
        found.accuracy,
        found.energy,
        found.candidates,
        others[0],
        ratio,
        None if alone else p,
    )


def _log(values: pd.Series) -> pd.Series:
    return np.log(values.astype(float))


def _is_lower(values: pd.Series, best: pd.Series, level: float) -> bool:
    p = _p_lower(values, best)
    return bool(values.mean() < best.mean()) if p is None else p < level


def _p_lower(values: pd.Series, than: pd.Series) -> float | None:
    """One-sided p of Welch's test that `values` are lower; None of single runs."""
    if len(values) < 2 or len(than) < 2:
        return None
    if values.std() == than.std() == 0:
        return 0.0 if values.mean() < than.mean() else 1.0
    return float(stats.ttest_ind(values, than, equal_var=False, alternative="less").pvalue)
