"""Which configuration a study comes down to: least energy among those not shown less accurate."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.stats import ALPHA
from lib.stats.estimate import difference_of_means
from lib.stats.pairs import DIFFERS, Pair

Verdicts = Mapping[tuple[str, str], tuple[Pair, str]]
"""The pairs of configurations that a study compares, and what its answer says of each: by the name
of the one with more energy, and that of the other."""


@dataclass(frozen=True)
class Choice:
    """What it comes down to within one context, and how sure that is."""

    name: str  # the configuration with the least energy among the candidates
    accuracy: float  # its mean accuracy
    # energy of every other candidate over the chosen one's, by name, the least first; candidates
    # are those that were not shown to be less accurate than the most accurate one
    ratios: dict[str, float]
    undecided: tuple[str, ...]  # other candidates that were not shown to take more energy


def among(
    runs: pd.DataFrame, pairs: Verdicts, energy: str = "energy_consumed"
) -> Choice | None:
    """Choose among the configurations of one context that have an accuracy and an energy above 0.

    A configuration is less accurate if a one-sided Welch test against the most accurate one says so
    at 5 %, after Bonferroni over the others. Where each was run once nothing can be shown, so none
    is chosen.

    Which takes less energy is what the study's own answer says: of an energy no other test is made.
    Two that it doesn't compare stand by their means, undecided.

    Args:
        runs: One row a run: name (of its configuration), accuracy (0 to 1), and energy.
        pairs: Of these configurations; others are left out.
        energy: Column with the energy in kWh.
    """
    known = runs.dropna(subset=["accuracy", energy])
    known = known[known[energy] > 0].astype({"accuracy": float, energy: float})
    groups = known.groupby("name", sort=False)
    if known.empty or groups.size().max() < 2:
        return None
    means = groups[["accuracy", energy]].mean()
    accuracies = {name: values.to_numpy() for name, values in groups["accuracy"]}
    best = means["accuracy"].idxmax()
    level = ALPHA / max(len(means) - 1, 1)
    worse = [name for name in means.index if _p_lower(accuracies[name], accuracies[best]) < level]
    means = means.drop(index=worse)
    compared = {
        both: (pair.ratio, verdict)
        for both, (pair, verdict) in pairs.items()
        if {*both} <= {*means.index} and not np.isnan(pair.ratio)
    }
    # Means over all runs may be in another order than ratios within repetitions.
    more = [first for first, _ in compared]
    chosen = means.drop(index=more)[energy].idxmin()
    others = means.drop(index=chosen)[energy] / means.loc[chosen, energy]
    ratios = {name: compared.get((name, chosen), (ratio, ""))[0] for name, ratio in others.items()}
    ordered = sorted(ratios, key=ratios.__getitem__)
    return Choice(
        chosen,
        means.loc[chosen, "accuracy"],
        {name: ratios[name] for name in ordered},
        tuple(name for name in ordered if compared.get((name, chosen), (0, ""))[1] != DIFFERS),
    )


def _p_lower(values: np.ndarray, than: np.ndarray) -> float:
    """One-sided p of Welch's test that `values` are lower; where nothing scatters, 0 or 1."""
    found = difference_of_means(values, than)
    if min(len(values), len(than)) < 2:
        return 1.0
    if not found.is_known:
        return 0.0 if found.value < 0 else 1.0
    return found.p / 2 if found.value < 0 else 1 - found.p / 2
