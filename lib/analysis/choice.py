"""Which configuration a study comes down to: least energy among those not shown less accurate."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.stats import ALPHA
from lib.stats.estimate import difference_of_means

Ratios = Mapping[tuple[str, str], tuple[float, bool]]
"""What a study's answer says of two configurations, by the name of the one with more energy and
that of the other: how many times as much, and whether that was shown."""


@dataclass(frozen=True)
class Choice:
    """What it comes down to within one context, and how sure that is."""

    name: str  # the configuration with the least energy among the candidates
    accuracy: float  # its mean accuracy
    # of the other candidates, which were not shown to be less accurate than the most accurate one:
    # energy over the chosen one's, by name, the least first
    ratios: dict[str, float]
    undecided: tuple[str, ...]  # those of them that were not shown to take more energy


def among(runs: pd.DataFrame, known: Ratios, energy: str = "energy_consumed") -> Choice | None:
    """Choose among the configurations of one context that have an accuracy and an energy above 0.

    A configuration is less accurate if a one-sided Welch test against the most accurate one says so
    at 5 %, after Bonferroni over the others. Of single runs alone nothing can be shown, so that
    none is chosen. Which takes less energy is no new test's matter but what the study's answer
    says; two that it does not compare stand by their means, undecided.

    Args:
        runs: One row a run: name (of its configuration), accuracy (0 to 1), and energy.
        known: What the answer says of these configurations.
        energy: Column with the energy in kWh.
    """
    runs = runs.dropna(subset=["accuracy", energy])
    runs = runs[runs[energy] > 0].astype({"accuracy": float, energy: float})
    groups = runs.groupby("name", sort=False)
    if runs.empty or groups.size().max() < 2:
        return None
    means = groups[["accuracy", energy]].mean()
    accuracies = {name: values.to_numpy() for name, values in groups["accuracy"]}
    best = means["accuracy"].idxmax()
    level = ALPHA / max(len(means) - 1, 1)
    worse = [name for name in means.index if _p_lower(accuracies[name], accuracies[best]) < level]
    means = means.drop(index=worse)
    # Within blocks two may be in another order than by their means.
    more = {a for (a, b), (ratio, _) in known.items() if b in means.index and ratio > 0}
    chosen = means.drop(index=more, errors="ignore")[energy].idxmin()
    by_mean = means.drop(index=chosen)[energy] / means.loc[chosen, energy]
    found = {name: known.get((name, chosen), (math.nan, False)) for name in by_mean.index}
    ratios = {name: by_mean[name] if math.isnan(r) else r for name, (r, _) in found.items()}
    others = sorted(ratios, key=ratios.__getitem__)
    return Choice(
        chosen,
        means.loc[chosen, "accuracy"],
        {name: ratios[name] for name in others},
        tuple(name for name in others if not found[name][1]),
    )


def _p_lower(values: np.ndarray, than: np.ndarray) -> float:
    """One-sided p of Welch's test that `values` are lower; 0 or 1 where nothing scatters, and 1 of
    a single run.
    """
    found = difference_of_means(values, than)
    if min(len(values), len(than)) < 2:
        return 1.0
    if not found.is_known:
        return 0.0 if found.value < 0 else 1.0
    return found.p / 2 if found.value < 0 else 1 - found.p / 2
