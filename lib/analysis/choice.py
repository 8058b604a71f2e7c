"""Which configuration a study comes down to: least energy among those not shown less accurate."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib.stats import ALPHA
from lib.stats.estimate import difference_of_means


@dataclass(frozen=True)
class Choice:
    """What it comes down to within one context, and how sure that is."""

    name: str  # the configuration with the least mean energy among the candidates
    accuracy: float  # its mean accuracy
    energy: float  # its mean energy, kWh
    # names of those that were not shown to be less accurate than the most accurate one, the chosen
    # one among them, by energy
    candidates: tuple[str, ...]
    runner_up: str | None = None  # the candidate next in energy; None where there is no other
    energy_ratio: float | None = None  # energy of the runner-up over the chosen one's
    # one-sided p of Welch's test that every other candidate takes more energy, on logarithms; None
    # where one of them has a single run
    p: float | None = None

    @property
    def is_sure(self) -> bool:
        """Whether the chosen one was shown to take less than every other candidate."""
        return self.runner_up is None or (self.p is not None and self.p < ALPHA)


def among(runs: pd.DataFrame, energy: str = "energy_consumed") -> Choice | None:
    """Choose among the configurations of one context that have an accuracy and an energy above 0.

    A configuration is less accurate if a one-sided Welch test against the most accurate one says so
    at 5 %, after Bonferroni over the others; of single runs, if its accuracy is lower.

    Args:
        runs: One row a run: name (of its configuration), accuracy (0 to 1), and energy.
        energy: Column with the energy in kWh.
    """
    known = runs.dropna(subset=["accuracy", energy])
    known = known[known[energy] > 0].astype({"accuracy": float, energy: float})
    if known.empty:
        return None
    groups = known.groupby("name", sort=False)
    means = groups[["accuracy", energy]].mean()
    accuracies = {name: values.to_numpy() for name, values in groups["accuracy"]}
    best = means["accuracy"].idxmax()
    level = ALPHA / max(len(means) - 1, 1)
    worse = [name for name in means.index if _p_lower(accuracies[name], accuracies[best]) < level]
    chosen, *others = means.drop(index=worse).sort_values(energy, kind="stable").index
    accuracy, used = means.loc[chosen]
    found = Choice(chosen, accuracy, used, (chosen, *others))
    if not others:
        return found
    logs = {name: np.log(values.to_numpy()) for name, values in groups[energy]}
    alone = min(len(logs[name]) for name in (chosen, *others)) < 2
    p = None if alone else max(_p_lower(logs[chosen], logs[name]) for name in others)
    ratio = means.loc[others[0], energy] / used
    return replace(found, runner_up=others[0], energy_ratio=ratio, p=p)


def _p_lower(values: np.ndarray, than: np.ndarray) -> float:
    """One-sided p of Welch's test that `values` are lower; 0 or 1 where nothing scatters."""
    found = difference_of_means(values, than)
    if not found.is_known:
        return 0.0 if found.value < 0 else 1.0
    return found.p / 2 if found.value < 0 else 1 - found.p / 2
