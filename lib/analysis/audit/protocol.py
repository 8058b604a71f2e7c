"""Checks of how a study was run and counted: can its comparisons be believed?"""

from __future__ import annotations

import math
from itertools import combinations

import pandas as pd

from lib.analysis import frugality, variants
from lib.analysis.audit.finding import (
    DOUBT,
    FAULT,
    NOTE,
    Found,
    NotCheckedError,
    check,
    parts,
)
from lib.logs import treatments
from lib.stats import ALPHA
from lib.text import first, runs, span

FACTORS = ("architecture", "dataset", variants.COLUMN, "location")

FEWEST_REPETITIONS = 4
"""With three against three no rank test of two groups can give p < 0.05 (two-sided: 0.10)."""

MOST_GAPS = 6
"""A study of variants leaves most combinations out: then how many says more than which."""

SCORE_TOLERANCE = 0.05
"""A mean of ratios is a little above the ratio of means wherever energy scatters."""


@check(
    "Repetitions are independent",
    "Repetitions in one process share its state: a model that goes on training is one run cut in "
    "three, and three equal failures are one failure.",
    ("tracker_run_id", "architecture", "dataset"),
)
def independent_repetitions(results: pd.DataFrame) -> Found | None:
    """Several repetitions of one configuration under one tracker, so in one process."""
    keys = ["tracker_run_id", "architecture", "dataset"]
    shared = results.groupby(keys)["run_id"].transform("size") > 1
    if not shared.any():
        return None
    some = results[shared]
    what = (
        f"{runs(len(some))} come from {some['tracker_run_id'].nunique()} processes, each with all "
        "repetitions of a configuration."
    )
    return Found(FAULT, what, some)


@check(
    "Repetitions are enough",
    f"Fewer than {FEWEST_REPETITIONS} repetitions can't show a difference between two "
    "configurations at the 5 % level, whatever they measure.",
    ("architecture",),
)
def enough_repetitions(results: pd.DataFrame) -> Found | None:
    """Configurations with fewer completed runs than a rank test needs."""
    keys = _factors(results)
    count = results.groupby(keys, dropna=False)["run_id"].transform("size")
    few = results[count < FEWEST_REPETITIONS]
    if few.empty:
        return None
    groups = few.groupby(keys, dropna=False)["run_id"].size()
    what = (
        f"{len(groups)} of {results.groupby(keys, dropna=False).ngroups} configurations: only "
        f"{span(groups)} completed each."
    )
    return Found(DOUBT, what, few)


@check(
    "Factors are balanced",
    "Where a combination is missing, one factor stands in for another: a difference between places "
    "may be one between datasets.",
    ("architecture",),
)
def balanced_factors(results: pd.DataFrame) -> Found | None:
    """Combinations of factors that are missing or rarer than others, in each campaign."""
    sentences, concerned = [], []
    for name, part in parts(results, "campaign"):
        keys = [key for key in _factors(part) if part[key].nunique() > 1]
        if len(keys) < 2:
            continue
        counts = part.groupby(keys)["run_id"].size()
        full = counts.reindex(pd.MultiIndex.from_product(counts.index.levels), fill_value=0)
        head = f"{name}: " if name else ""
        for pair in combinations(keys, 2):
            incomplete, lacking = _gaps(part, *pair)
            if len(lacking) > MOST_GAPS:
                together = pd.crosstab(*(part[key] for key in pair))
                lacking = [
                    f"{(together == 0).sum(axis=None)} of the {together.size} combinations of "
                    f"{' and '.join(pair)} have no run."
                ]
            sentences += [head + sentence for sentence in lacking]
            concerned += incomplete
        if (full > 0).all() and full.nunique() > 1:
            sentences.append(f"{head}{full.min()} to {full.max()} runs a combination.")
            concerned.append(part)
    if not sentences:
        return None
    rows = pd.concat(concerned).drop_duplicates("run_id")
    return Found(DOUBT, first(dict.fromkeys(sentences), " "), rows)


def _gaps(part: pd.DataFrame, *pair: str) -> tuple[list[pd.DataFrame], list[str]]:
    """Levels of one factor that lack levels of the other: their runs, a sentence for each."""
    incomplete, sentences = [], []
    for one, other in (pair, pair[::-1]):
        for level, group in part.groupby(one):
            missing = sorted(set(part[other]) - set(group[other]))
            if missing:
                incomplete.append(group)
                sentences.append(f"{level} has no {', '.join(map(str, missing))}.")
    return incomplete, sentences


@check(
    "Every machine trained every architecture",
    "Machines differ in power and in how it is measured: where each trained networks of its own, "
    "a difference between networks may be one between machines.",
    ("machine",),
)
def crossed_machines(results: pd.DataFrame) -> Found | None:
    """Architectures that some machines never trained; a fault if no two machines share one."""
    known = results.dropna(subset=["machine"])
    runs_each = pd.crosstab(known["machine"], known["architecture"])
    lacking = runs_each[(runs_each == 0).any(axis=1)]
    if len(runs_each) < 2 or lacking.empty:
        return None
    sentences = [
        f"Machine {machine} trained no {', '.join(row.index[row == 0])}."
        for machine, row in lacking.iterrows()
    ]
    confounded = ((runs_each > 0).sum(axis=0) == 1).all()
    concerned = known[known["machine"].isin(lacking.index)]
    return Found(FAULT if confounded else DOUBT, " ".join(sentences), concerned)


@check(
    "Order was shuffled",
    "In a fixed order whatever drifts (temperature, neighbours, a growing counter) looks like a "
    "difference between networks.",
    ("started_at", "architecture", "repetition"),
)
def shuffled_order(results: pd.DataFrame) -> Found | None:
    """The same order of architectures in every block, less likely than 5 % by chance."""
    if results["architecture"].nunique() < 2:
        raise NotCheckedError("only one architecture ran")
    sentences, concerned, unsure = [], [], []
    for name, part in parts(results, "campaign"):
        count = part["architecture"].nunique()
        blocks = [key for key in FACTORS if key in part and key != "architecture"]
        blocks.append("repetition")
        orders = [
            tuple(block.sort_values("started_at")["architecture"])
            for _, block in part.groupby(blocks, dropna=False)
            if block["architecture"].nunique() == len(block) == count
        ]
        if count < 2:
            continue
        if (1 / math.factorial(count)) ** (len(orders) - 1) >= ALPHA:
            unsure.append(f"{len(orders)} complete repetitions of {count} architectures")
        elif len(set(orders)) == 1:
            head = f"{name}: " if name else ""
            sentences.append(
                f"{head}{', '.join(orders[0])} in this order, {len(orders)} times out of "
                f"{len(orders)}."
            )
            concerned.append(part)
    if sentences:
        return Found(FAULT, " ".join(sentences), pd.concat(concerned))
    if unsure:
        raise NotCheckedError(f"{' and '.join(unsure)} can't tell a fixed order from chance")
    return None


@check(
    "Accuracy is above chance",
    "A network that guesses did not learn: its energy is real, its Score is not, and as a "
    "comparison of networks it says nothing.",
    ("accuracy", "dataset"),
)
def accuracy_above_chance(results: pd.DataFrame) -> Found | None:
    """Accuracies within three standard errors of guessing, or below."""
    guessing = frugality.guessing(results)
    if guessing.isna().all():
        raise NotCheckedError("the number of classes of the datasets isn't known")
    guessed = results[results["accuracy"] <= guessing]
    if guessed.empty:
        return None
    keys = _factors(guessed)
    which = first(
        (
            f"{', '.join(map(str, key))} ({first(f'{value:.3g}' for value in group)})"
            for key, group in guessed.groupby(keys, dropna=False)["accuracy"]
        ),
        "; ",
    )
    return Found(DOUBT, f"At the level of guessing: {which}.", guessed)


@check(
    "Score columns divide",
    "A mean of ratios isn't the ratio of the means: a reader who divides accuracy by energy gets "
    "another Score than the one printed beside them.",
    ("architecture", "accuracy", "score", "energy_consumed"),
)
def scores_that_divide(results: pd.DataFrame) -> Found | None:
    """Mean Score against mean accuracy over mean energy, within 5 %, under the first treatment."""
    name, treated = next(iter(treatments.treatments(results).items()))
    energy = treatments.SCORE_ENERGY if treatments.SCORE_ENERGY in treated else "energy_consumed"
    keys = _factors(treated)
    groups = treated.groupby(keys, dropna=False)
    means = groups[["accuracy", energy, "score"]].transform("mean")
    ratio = means["score"] / (means["accuracy"] / means[energy])
    apart = (ratio - 1).abs()
    off = results[apart > SCORE_TOLERANCE]
    if off.empty:
        return None
    worst = apart.idxmax()
    what = (
        f"{len(off[keys].drop_duplicates())} of {groups.ngroups} mean Scores ({name}) differ from "
        f"mean accuracy over mean energy by more than {100 * SCORE_TOLERANCE:.0f} %, "
        f"{', '.join(map(str, results.loc[worst, keys]))} by {100 * (ratio[worst] - 1):+.0f} %."
    )
    return Found(NOTE, what, off)


def _factors(results: pd.DataFrame) -> list[str]:
    return [name for name in FACTORS if name in results and results[name].notna().any()]
