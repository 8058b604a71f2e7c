"""Checks of how a study was run and counted: can its comparisons be believed?"""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from lib.analysis import frugality, variants
from lib.analysis.audit.finding import (
    DOUBT,
    FAULT,
    NOTE,
    NotCheckedError,
    Said,
    all_of,
    check,
    parts,
)
from lib.logs import treatments
from lib.stats import ALPHA, permutation
from lib.study.config import RunConfig
from lib.text import first, listed, runs

FACTORS = ("architecture", "dataset", variants.COLUMN, "location")

SOFTWARE = ("tensorflow", "keras", "codecarbon")

CLOCK_TOLERANCE = 2.0  # s, and besides a hundredth of the duration: a clock that was set right
UNEQUAL = 0.1  # difference of shares from which on machines ran something unequally
MOST_SPREADS = 8  # from the median, in medians of such distances: of a normal spread, over 5 SD
FAR = 0.1  # share from which on a run is far away, however little others scatter
MOST_GAPS = 6  # of a study of variants, which leaves most out, how many says more than which
SCORE_TOLERANCE = 0.05  # a mean of ratios is a little above the ratio of scattering means


@check(
    "One way of measuring",
    "Figures that were measured in different ways differ by that, whatever was trained.",
)
def one_measurement(results: pd.DataFrame) -> Iterator[Said]:
    """Runs of several versions of the measurement."""
    known = results.get("measurement_version", pd.Series(dtype=float)).dropna()
    counts = known.astype(int).value_counts().sort_index()
    if len(counts) > 1:
        said = first(f"version {version} in {runs(count)}" for version, count in counts.items())
        yield FAULT, all_of(results), f"Different measurements, {said}: these are kept apart."


@check(
    "One software",
    "Another version of what computes or measures may take another time and energy: a difference "
    "between runs may be one between programs.",
)
def one_software(results: pd.DataFrame) -> Iterator[Said]:
    """Runs with several versions of what computes and measures, of this program or their code."""
    columns = [*(f"version_{name}" for name in SOFTWARE), "codecarbon_version"]
    content = "version_program_content"
    known = content in results and results[content].notna().all()
    mixed, rows = [], pd.Series(False, results.index)
    columns = [*columns, content if known else "git_commit", "version_notebook"]
    # A study of several scripts is no mixture: each has its own code.
    files = results["notebook"].nunique(dropna=False) if "notebook" in results else 1
    versions = [one for one in results if one in columns or one.startswith("version_")]
    if results[versions].isna().all(axis=None):
        raise NotCheckedError("the runs do not say by which software")
    for column in columns:
        alike = files if column == "version_notebook" else 1
        if column in results and results[column].nunique() > alike:
            counts = results[column].value_counts()
            name = column.removeprefix("version_").removesuffix("_version").replace("_", " ")
            said = (f"{str(value)[:12]} in {runs(count)}" for value, count in counts.items())
            mixed.append(f"{name} {first(said)}")
            rows |= results[column] != counts.index[0]
    yield DOUBT, rows, f"Mixed versions: {first(mixed, '; ')}."


@check(
    "The clock did not jump",
    "Where a clock is set during a training, what is matched to the run by time, such as a "
    "wattmeter's log, belongs to another time.",
    ("started_at", "ended_at", "duration"),
)
def steady_clock(results: pd.DataFrame) -> Iterator[Said]:
    """Runs whose end minus start is not their duration, which no clock that can be set tells."""
    if "energy_consumed_logged" in results:
        raise NotCheckedError("the log has no starts; they were reckoned from ends and durations")
    begin, end = (
        pd.to_datetime(results[name], utc=True, errors="coerce", format="ISO8601")
        for name in ("started_at", "ended_at")
    )
    jump = (end - begin).dt.total_seconds() - results["duration"]
    jumped = jump.abs() > CLOCK_TOLERANCE + 0.01 * results["duration"]
    worst = max(jump[jumped], key=abs, default=0.0)
    yield DOUBT, jumped, f"The clock jumped in {runs(jumped.sum())}, by up to {worst:+.0f} s."


@check(
    "Repetitions are independent",
    "Repetitions in one process share its state: a model that goes on training is one run cut in "
    "three, and three equal failures are one failure.",
    ("tracker_run_id", "architecture", "dataset"),
)
def independent_repetitions(results: pd.DataFrame) -> Iterator[Said]:
    """Several repetitions of one configuration under one tracker, so in one process."""
    keys = ["tracker_run_id", "architecture", "dataset"]
    shared = results.groupby(keys)["run_id"].transform("size") > 1
    processes = results["tracker_run_id"][shared].nunique()
    said = (
        f"{runs(shared.sum())} come from {processes} processes, each with all repetitions of a "
        "configuration."
    )
    yield FAULT, shared, said


@check(
    "The design can show a difference",
    "With few runs even the most extreme order is likely by chance: no p below 5 % is possible "
    "then, whatever is measured.",
    ("compared",),
)
def attainable(results: pd.DataFrame) -> Iterator[Said]:
    """The smallest p that a permutation of what is compared could give, within its context."""
    columns = ["context", *(name for name in ("machine", "location") if name in results)]
    strata = results.groupby(columns, dropna=False).ngroup()
    least = permutation.smallest_p(_crossed(strata, results["compared"]).to_numpy())
    if least >= ALPHA:
        what = f"With {runs(len(results))} the smallest possible p is {least:.2g}."
        yield DOUBT, all_of(results), what


@check(
    "Everything compared was measured in one way",
    "A counter and a model see different things: a difference between networks may be one between "
    "instruments.",
    ("compared",),
    confounds=True,
)
def one_way_of_measuring(results: pd.DataFrame) -> Iterator[Said]:
    """Methods of a component that some levels of what is compared have and others don't."""
    for part in ("cpu", "gpu", "ram"):
        if f"{part}_method" not in results:
            continue
        known = results[f"{part}_method"].dropna().astype(str)
        methods = known.groupby(results["compared"]).agg(frozenset)
        if methods.nunique() > 1:
            which = first((f"{level}: {listed(sorted(m))}" for level, m in methods.items()), "; ")
            said = f"{part.upper()} energy was not obtained by the same methods ({which})."
            yield FAULT, known.notna(), said


@check(
    "Runs differ in their seeds",
    "Two runs of one configuration with one seed are the same run twice: they must agree, yet "
    "count as two.",
    ("repetition",),
    confounds=True,
)
def distinct_runs(results: pd.DataFrame) -> Iterator[Said]:
    """Runs of one configuration with the same seed, or the same accuracy and loss to all digits."""
    fields = [name for name in RunConfig.model_fields if name in results and name != "repetition"]
    keys = [*dict.fromkeys(["architecture", "dataset", *fields])]
    if "seed" in results:
        same = results.duplicated(keys, keep=False) & results["seed"].notna()
        yield DOUBT, same, f"{runs(same.sum())} have the configuration and seed of another."
    if {"accuracy", "loss"} <= set(results):
        alike = [*(name for name in keys if name != "seed"), "accuracy", "loss"]
        same = results.duplicated(alike, keep=False) & results["loss"].notna()
        yield DOUBT, same, f"{runs(same.sum())} have the accuracy and loss of another."


@check(
    "No run is an outlier",
    "One run that was disturbed moves a mean, and can make a difference or hide one.",
    ("energy_consumed", "compared"),
)
def outliers(results: pd.DataFrame) -> Iterator[Said]:
    """Runs whose energy is far from the median of their configuration, beside the usual spread."""
    energy = results["energy_consumed"].where(results["energy_consumed"] > 0)
    names = [*_factors(results), "compared", "context", *({"machine"} & set(results))]
    median = energy.groupby([results[name].astype(str) for name in names]).transform("median")
    away = np.log(energy / median).abs()
    usual = away[away > 0].median()  # a median itself is no distance
    if not (away > 0).sum() >= 6:
        raise NotCheckedError("too few repetitions tell what is usual")
    far = (away > MOST_SPREADS * usual) & (away > np.log1p(FAR))
    which = first(
        f"{run} ({ratio:.2g} times)"
        for run, ratio in zip(results.loc[far, "run_id"], (energy / median)[far], strict=True)
    )
    yield DOUBT, far, f"Energy far from the median of the configuration: {which}."


@check(
    "Factors are balanced",
    "Where a combination is missing, one factor stands in for another: a difference between places "
    "may be one between datasets.",
    ("architecture",),
)
def balanced_factors(results: pd.DataFrame) -> Iterator[Said]:
    """Combinations of factors that are missing or rarer than others, in each campaign."""
    sentences, concerned = [], pd.Series(False, results.index)
    for name, part in parts(results, "campaign"):
        keys = [key for key in _factors(part) if part[key].nunique() > 1]
        if len(keys) < 2:
            continue
        head = f"{name}: " if name else ""
        for pair in combinations(keys, 2):
            together = _crossed(*(part[key] for key in pair))
            lacking = []
            for key, table in zip(pair, (together, together.T), strict=True):
                for level, row in table[(table == 0).any(axis=1)].iterrows():
                    missing = ", ".join(sorted(map(str, row.index[row == 0])))
                    lacking.append(f"{level} has no {missing}.")
                    concerned[part.index[part[key] == level]] = True
            if len(lacking) > MOST_GAPS:
                lacking = [
                    f"{(together == 0).sum(axis=None)} of the {together.size} combinations of "
                    f"{' and '.join(pair)} have no run."
                ]
            sentences += [head + sentence for sentence in lacking]
        counts = part.groupby(keys)["run_id"].size()
        full = counts.reindex(pd.MultiIndex.from_product(counts.index.levels), fill_value=0)
        if (full > 0).all() and full.nunique() > 1:
            sentences.append(f"{head}{full.min()} to {full.max()} runs per combination.")
            concerned[part.index] = True
    yield DOUBT, concerned, first(dict.fromkeys(sentences), " ")


@check(
    "Every machine ran all that is compared",
    "Machines differ in power and in how it is measured: where each ran levels of its own, a "
    "difference between these may be one between machines.",
    ("machine", "compared"),
    confounds=True,
)
def crossed_machines(results: pd.DataFrame) -> Iterator[Said]:
    """Levels that some machines never ran, a fault if no two machines share one; or unequally."""
    if results["machine"].nunique() < 2:
        return
    runs_each = _crossed(results["machine"], results["compared"])
    lacking = runs_each[(runs_each == 0).any(axis=1)]
    severity = FAULT if ((runs_each > 0).sum(axis=0) == 1).all() else DOUBT
    for machine, row in lacking.iterrows():
        ran_no = f"Machine {machine} ran no {', '.join(row.index[row == 0])}."
        yield severity, results["machine"] == machine, ran_no
    shares = runs_each.div(runs_each.sum(axis=1), axis=0)
    if lacking.empty and np.ptp(shares, axis=0).max() >= UNEQUAL:
        which = first(
            f"{machine}: {', '.join(f'{count} of {level}' for level, count in row.items())}"
            for machine, row in runs_each.iterrows()
        )
        said = f"Machines ran them unequally ({which}); they are compared within each."
        yield NOTE, results["machine"].notna(), said


@check(
    "Order was shuffled",
    "In a fixed order whatever drifts (temperature, neighbours, a growing counter) looks like a "
    "difference between networks.",
    ("started_at", "compared", "repetition"),
    confounds=True,
)
def shuffled_order(results: pd.DataFrame) -> Iterator[Said]:
    """The same order of what is compared in every block, less likely than 5 % by chance."""
    fixed, unsure = False, []
    for name, part in parts(results, "campaign"):
        count = part["compared"].nunique()
        blocks = [key for key in ("context", "machine", "location", "repetition") if key in part]
        in_order = part.sort_values("started_at", kind="stable")
        began = in_order.groupby(blocks, dropna=False)["compared"]
        orders = [tuple(block) for _, block in began if block.nunique() == len(block) == count]
        if count < 2:
            continue
        # By its logarithm: the factorial of 171 levels is beyond a float.
        if -math.lgamma(count + 1) * (len(orders) - 1) >= math.log(ALPHA):
            unsure.append(f"{len(orders)} complete repetitions of {count} levels")
        elif len(set(orders)) == 1:
            fixed = True
            said = f"{', '.join(orders[0])} in this order, in all {len(orders)} repetitions"
            yield FAULT, all_of(part), f"{name}: {said}." if name else f"{said}."
    if unsure and not fixed:
        raise NotCheckedError(f"{' and '.join(unsure)} can't tell a fixed order from chance")


@check(
    "Accuracy is above chance",
    "A network at chance level did not learn: its energy is real, but its Score, and any "
    "comparison with it, means nothing.",
    ("accuracy", "dataset"),
)
def accuracy_above_chance(results: pd.DataFrame) -> Iterator[Said]:
    """Accuracies within three standard errors of chance level, or below."""
    guessing = frugality.guessing(results)
    if guessing.isna().all():
        raise NotCheckedError("the number of classes of the datasets isn't known")
    guessed = results["accuracy"] <= guessing
    groups = results[guessed].groupby(_factors(results), dropna=False)["accuracy"]
    which = first(
        (
            f"{', '.join(map(str, key))} ({first(f'{value:.3g}' for value in group)})"
            for key, group in groups
        ),
        "; ",
    )
    yield DOUBT, guessed, f"At chance level: {which}."


@check(
    "Scores are accuracy over energy",
    "A mean of ratios isn't the ratio of the means: a reader who divides accuracy by energy gets "
    "another Score than the one printed.",
    ("architecture", "accuracy", "score", "energy_consumed"),
)
def scores_that_divide(results: pd.DataFrame) -> Iterator[Said]:
    """Mean Score against mean accuracy over mean energy, within 5 %, under the first treatment."""
    name, treated = next(iter(treatments.treatments(results).items()))
    energy = treatments.SCORE_ENERGY if treatments.SCORE_ENERGY in treated else "energy_consumed"
    keys = _factors(treated)
    groups = treated.groupby(keys, dropna=False)
    means = groups[["accuracy", energy, "score"]].transform("mean")
    ratio = means["score"] / (means["accuracy"] / means[energy])
    apart = (ratio - 1).abs()
    off = apart > SCORE_TOLERANCE
    if off.any():
        worst = apart.idxmax()
        said = (
            f"{len(results.loc[off, keys].drop_duplicates())} of {groups.ngroups} mean Scores "
            f"({name}) differ from mean accuracy over mean energy by more than "
            f"{100 * SCORE_TOLERANCE:.0f} %, {', '.join(map(str, results.loc[worst, keys]))} by "
            f"{100 * (ratio[worst] - 1):+.0f} %."
        )
        yield NOTE, off, said


def _crossed(one: pd.Series, other: pd.Series) -> pd.DataFrame:
    """How many runs have each level of one with each of the other; `pd.crosstab` takes longer."""
    return one.groupby([one, other]).size().unstack(fill_value=0)


def _factors(results: pd.DataFrame) -> list[str]:
    return [name for name in FACTORS if name in results and results[name].notna().any()]
