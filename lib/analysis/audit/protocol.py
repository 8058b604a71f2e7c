"""Checks of how a study was run and counted: can its comparisons be believed?"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
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
from lib.stats import ALPHA, permutation
from lib.study.config import RunConfig
from lib.text import first, runs

FACTORS = ("architecture", "dataset", variants.COLUMN, "location")

UNEQUAL = 0.1
"""Difference of shares from which on machines ran something unequally."""

MOST_SPREADS = 8
"""Of a run from its median, in medians of such distances: of a normal spread, over 5 SD."""

FAR = 0.1
"""Share from which on a run is far away, however little others scatter."""

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
    "The design can show a difference",
    "From few runs even the most extreme order is likely by chance: then no p below 5 % could come "
    "out, whatever is measured.",
    ("compared",),
)
def attainable(results: pd.DataFrame) -> Found | None:
    """The smallest p that a permutation of what is compared could give, within its context."""
    columns = ["context", *(name for name in ("machine", "location") if name in results)]
    strata = results.groupby(columns, dropna=False).ngroup()
    least = permutation.smallest_p(pd.crosstab(strata, results["compared"]).to_numpy())
    if least < ALPHA:
        return None
    what = f"{runs(len(results))}: the smallest p that they could give is {least:.2g}."
    return Found(DOUBT, what, results)


@check(
    "Everything compared was measured in one way",
    "A counter and a model see different things: a difference between networks may be one between "
    "instruments.",
    ("compared",),
    confounds=True,
)
def one_way_of_measuring(results: pd.DataFrame) -> Found | None:
    """Methods of a component that some levels of what is compared have and others don't."""
    sentences, concerned = [], pd.Series(False, index=results.index)
    for part in ("cpu", "gpu", "ram"):
        if f"{part}_method" not in results:
            continue
        known = results.dropna(subset=[f"{part}_method"])
        methods = known.groupby("compared")[f"{part}_method"].agg(
            lambda said: frozenset(map(str, said))
        )
        if methods.nunique() > 1:
            concerned[known.index] = True
            which = (
                f"{level}: {' and '.join(sorted(map(str, some)))}"
                for level, some in methods.items()
            )
            sentences.append(
                f"{part.upper()} energy is not by the same methods ({first(which, '; ')})."
            )
    return Found(FAULT, " ".join(sentences), results[concerned]) if sentences else None


@check(
    "Runs differ in their seeds",
    "Two runs of one configuration and one seed are one run twice: they agree by necessity, and "
    "count as two.",
    ("repetition",),
    confounds=True,
)
def distinct_runs(results: pd.DataFrame) -> Found | None:
    """Runs of one configuration with the same seed, or the same accuracy and loss to all digits."""
    fields = [name for name in RunConfig.model_fields if name in results and name != "repetition"]
    keys = [*dict.fromkeys(["architecture", "dataset", *fields])]
    sentences, concerned = [], pd.Series(False, index=results.index)
    if "seed" in results:
        same = results.duplicated(keys, keep=False) & results["seed"].notna()
        concerned |= same
        if same.any():
            sentences.append(f"{runs(int(same.sum()))} have the configuration and seed of another.")
    if {"accuracy", "loss"} <= set(results):
        alike = [*(name for name in keys if name != "seed"), "accuracy", "loss"]
        same = results.duplicated(alike, keep=False) & results["loss"].notna()
        concerned |= same
        if same.any():
            sentences.append(f"{runs(int(same.sum()))} have the accuracy and loss of another.")
    return Found(DOUBT, " ".join(sentences), results[concerned]) if sentences else None


@check(
    "No run stands far apart",
    "One run that was disturbed moves a mean, and can make a difference or hide one.",
    ("energy_consumed", "compared"),
)
def outliers(results: pd.DataFrame) -> Found | None:
    """Runs whose energy is far from the median of their configuration, beside the usual spread."""
    energy = results["energy_consumed"].where(results["energy_consumed"] > 0)
    keys = [results[name].astype(str) for name in (*_factors(results), "compared", "context")]
    keys += [results[name].astype(str) for name in ("machine",) if name in results]
    median = energy.groupby(keys).transform("median")
    away = np.log(energy / median).abs()
    usual = away[away > 0].median()  # a median itself is no distance
    if not (away > 0).sum() >= 6:
        raise NotCheckedError("too few repetitions tell what is usual")
    far = (away > MOST_SPREADS * usual) & (away > np.log1p(FAR))
    if not far.any():
        return None
    which = first(
        f"{run} ({ratio:.2g} times)"
        for run, ratio in zip(results.loc[far, "run_id"], (energy / median)[far], strict=True)
    )
    return Found(DOUBT, f"Far from the median of their configuration: {which}.", results[far])


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
    "Every machine ran all that is compared",
    "Machines differ in power and in how it is measured: where each ran levels of its own, a "
    "difference between these may be one between machines.",
    ("machine", "compared"),
    confounds=True,
)
def crossed_machines(results: pd.DataFrame) -> Found | None:
    """Levels that some machines never ran, a fault if no two machines share one; or unequally."""
    known = results.dropna(subset=["machine"])
    runs_each = pd.crosstab(known["machine"], known["compared"])
    if len(runs_each) < 2:
        return None
    lacking = runs_each[(runs_each == 0).any(axis=1)]
    if lacking.empty:
        shares = runs_each.div(runs_each.sum(axis=1), axis=0)
        if np.ptp(shares, axis=0).max() < UNEQUAL:
            return None
        which = first(
            f"{machine}: {', '.join(f'{count} of {level}' for level, count in row.items())}"
            for machine, row in runs_each.iterrows()
        )
        return Found(
            NOTE, f"Machines ran them unequally ({which}); they are compared within each.", known
        )
    sentences = [
        f"Machine {machine} ran no {', '.join(row.index[row == 0])}."
        for machine, row in lacking.iterrows()
    ]
    confounded = ((runs_each > 0).sum(axis=0) == 1).all()
    concerned = known[known["machine"].isin(lacking.index)]
    return Found(FAULT if confounded else DOUBT, " ".join(sentences), concerned)


@check(
    "Order was shuffled",
    "In a fixed order whatever drifts (temperature, neighbours, a growing counter) looks like a "
    "difference between networks.",
    ("started_at", "compared", "repetition"),
    confounds=True,
)
def shuffled_order(results: pd.DataFrame) -> Found | None:
    """The same order of what is compared in every block, less likely than 5 % by chance."""
    sentences, concerned, unsure = [], [], []
    for name, part in parts(results, "campaign"):
        count = part["compared"].nunique()
        blocks = [key for key in ("context", "machine", "location", "repetition") if key in part]
        orders = [
            tuple(block.sort_values("started_at")["compared"])
            for _, block in part.groupby(blocks, dropna=False)
            if block["compared"].nunique() == len(block) == count
        ]
        if count < 2:
            continue
        if (1 / math.factorial(count)) ** (len(orders) - 1) >= ALPHA:
            unsure.append(f"{len(orders)} complete repetitions of {count} levels")
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
