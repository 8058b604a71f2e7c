"""Score, accuracy per kWh, and the configurations that no other beats in both."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.stats import ALPHA
from lib.stats.estimate import Estimate, ratio_of_means
from lib.stats.observations import LARGEST, numbers

_COLUMNS = (
    *("runs", "n", "mean_accuracy", "mean_energy_consumed", "score_ratio_of_means"),
    *("score_ratio_of_means_low", "score_ratio_of_means_high", "score_mean_of_ratios"),
    *("score_min", "score_max", "rank", "among_best", "pareto", "reason"),
)
_FIGURES = ["accuracy", "energy_consumed", "score"]
_ESTIMATE = "_estimate"
_LIMITS = ["score_ratio_of_means_low", "score_ratio_of_means_high"]


def score(accuracy: float | pd.Series, energy: float | pd.Series) -> float | pd.Series:
    """Give accuracy (0 to 1) / energy (kWh) in 1/kWh: the Score of a run, or of each of several.

    It is NaN where there is no energy, or none above 0.

    Source:
        Paper, section 3.1; Alyamkin et al. (2019), doi:10.1109/JETCAS.2019.2911899.
    """
    return accuracy / np.where(energy > 0, energy, np.nan)


def with_scores(df: pd.DataFrame) -> pd.DataFrame:
    """Give every run its `score` in 1/kWh, or why it has none, `score_reason`.

    Args:
        df: One row a run, with `accuracy` (0 to 1) and `energy_consumed` (kWh).
    """
    accuracy, energy = numbers(df["accuracy"]), numbers(df["energy_consumed"])
    found: pd.Series = score(accuracy, energy)
    reasons = {
        "no accuracy": accuracy.isna(),
        "accuracy is not from 0 to 1": ~accuracy.between(0, 1),
        "no energy": energy.isna(),
        "energy is not above 0": (energy <= 0) | (found > LARGEST),
    }
    texts = np.full(len(df), None)
    for why, so in reversed(reasons.items()):
        texts[so] = why
    reason = pd.Series(texts, df.index, dtype=object)
    return df.assign(score=found.where(reason.isna()), score_reason=reason)


def rank(
    df: pd.DataFrame, by: Sequence[str] = ("architecture",), within: Sequence[str] = ("dataset",)
) -> pd.DataFrame:
    """Rank configurations by Score among those that they can be compared with.

    Args:
        df: One row a run, with `accuracy` (0 to 1) and `energy_consumed` (kWh).
        by: Columns that make a configuration.
        within: Columns whose values must be the same for a comparison, such as location and
            dataset; (): compare all.

    Returns:
        One row a configuration, best first in each group, by the columns of `within` and `by`:

        - runs; and n, those with a Score, of which every other figure is
        - mean_accuracy (0 to 1), mean_energy_consumed (kWh)
        - score_ratio_of_means: the one divided by the other, with a 95 % interval `_low`, `_high`;
          those of a group hold their Scores all at once, so that of the best does too
        - score_mean_of_ratios: of the runs' own Scores, as in the paper's Table 6; from score_min
          to score_max
        - rank: place by score_ratio_of_means, 1 is best; among_best: whether no other of the group
          has been shown to have a better Score (all pairs, p by Bonferroni)
        - pareto: whether it is on the `pareto_front` of its group
        - reason: why something of the row is empty
    """
    within, by = list(within), list(by)
    keys = [*within, *by]
    runs = with_scores(df)
    reasons = runs["score_reason"].to_numpy()
    figures = np.column_stack([numbers(runs[name]) for name in _FIGURES])
    rows = []
    for key, at in runs.groupby(keys, dropna=False, observed=True).indices.items():
        levels = key if len(keys) > 1 else (key,)
        rows.append(dict(zip(keys, levels, strict=True)) | _summary(figures[at], reasons[at]))
    table = pd.DataFrame(rows, columns=[*keys, *_COLUMNS, _ESTIMATE])
    estimates = table.pop(_ESTIMATE).to_numpy()
    limits = np.full((len(table), 2), np.nan)
    best, front = (np.full(len(table), None) for _ in range(2))
    peers = table.groupby(within or (lambda _: 0), dropna=False)
    for _, group in peers:
        front[group.index] = pareto_front(group["mean_accuracy"], group["mean_energy_consumed"])
        some = group.index[[isinstance(one, Estimate) for one in estimates[group.index]]]
        if len(some):
            limits[some] = [one.ratio_within(ALPHA / len(some)) for one in estimates[some]]
            best[some] = _among_best(list(estimates[some]))
    table[_LIMITS] = limits
    table = table.assign(
        rank=peers["score_ratio_of_means"].rank(ascending=False, method="min").astype("Int64"),
        among_best=pd.array(best, dtype="boolean"),
        pareto=pd.array(front, dtype="boolean"),
    )
    return table.sort_values([*within, "rank", *by], ignore_index=True)


def pareto_front(accuracy: pd.Series, energy: pd.Series) -> pd.Series:
    """Mark the configurations that no other beats in accuracy and energy at once.

    Returns:
        True where no other has at least the accuracy for at most the energy with one of the two
        better; empty where one of the two is empty.
    """
    a, e = accuracy.to_numpy(float), energy.to_numpy(float)
    no_worse = (a[:, None] >= a) & (e[:, None] <= e)
    better = (a[:, None] > a) | (e[:, None] < e)
    beaten, unknown = (no_worse & better).any(axis=0), np.isnan(a) | np.isnan(e)
    return pd.Series(pd.arrays.BooleanArray(~beaten, unknown), accuracy.index)


def _among_best(scores: list[Estimate]) -> list[bool]:
    """Whether none of the other Scores, each independent of the others, is surely better."""
    number = len(scores) * (len(scores) - 1) / 2
    best = max(scores, key=lambda one: one.value)
    return [one.value == best.value or (one - best).p * number >= ALPHA for one in scores]


def _summary(table: np.ndarray, lacks: np.ndarray) -> dict[str, Any]:
    """Sum up the runs of one configuration: their `_FIGURES`, and why some have no Score.

    Those count in `runs` only.
    """
    scored = ~np.isnan(table[:, 2])
    reasons = [
        f"{count} of {len(table)} runs: {reason}"
        for reason, count in Counter(lacks[~scored]).most_common()
    ]
    found: dict[str, Any] = {"runs": len(table), "n": int(scored.sum())}
    if scored.any():
        accuracy, energy, scores = table[scored].T
        of_means = ratio_of_means(accuracy, energy, paired=True)
        reasons += filter(None, [of_means.reason])
        found |= {
            "mean_accuracy": accuracy.mean(),
            "mean_energy_consumed": energy.mean(),
            "score_ratio_of_means": accuracy.mean() / energy.mean(),
            _ESTIMATE: of_means if of_means.is_known else None,
            "score_mean_of_ratios": scores.mean(),
            "score_min": scores.min(),
            "score_max": scores.max(),
        }
    return found | {"reason": "; ".join(reasons) or None}
