"""What the runs took and reached: Tables 2, 6 and 7, and what belongs to them."""

import math

import pandas as pd

from lib import text
from lib.analysis import instrument_pairs, variants
from lib.analysis import questions as asked
from lib.analysis.cost import elsewhere
from lib.analysis.results import Analysis
from lib.quantities import is_renamed
from lib.report import verdicts
from lib.report.page import Table
from lib.report.tables import shared
from lib.stats.equal_accuracy import SHORT_OF_BEST
from lib.study.catalog import NO_DEPTH

_NO_WATTMETER = (
    "Wattmeter: no run was measured by one, so the software's energy can't be checked against the "
    "socket's (docs/wattmeter.md: --wattmeter, or meter in the study)."
)


_NO_LOCATION = (
    " Emissions of the runs: no location is configured, so they are empty; name one (location: "
    "USA/oregon) among the defaults of the study."
)
NO_SCORE = "Score: it is accuracy per kWh, and the quality of these trainings is not an accuracy."
_NO_FLOPS = "Networks: their FLOPs were not counted (run.finish(flops=...))."


def networks(study: Analysis) -> Table:
    """Table 2: what each network is made of, and the FLOPs that it takes."""
    if "flops" not in study.completed or study.completed["flops"].isna().all():
        return Table("table2_networks", "The networks", pd.DataFrame(), _NO_FLOPS)
    columns = ["architecture", "dataset", *variants.column_of(study.completed), "image_size"]
    columns += ["depth", "parameters", "trainable_parameters", "flops", "flops_head"]
    columns += ["flops_training"]
    frame = shared.in_order(shared.present(study.configurations, columns))
    unknown = ""
    if "depth" in frame:
        frame["depth"] = pd.to_numeric(frame["depth"]).astype("Int64")
        if frame["depth"].isna().any():
            unknown = f" Where depth is empty, {NO_DEPTH}."
    return Table(
        "table2_networks",
        "Table 2. The networks",
        frame,
        "FLOPs of one forward batch of 32 images, as in the paper; those of the training are of "
        "the whole run, forward and backward." + unknown,
    )


def answer(study: Analysis) -> Table:
    """Every configuration: its energy, accuracy, and energy against the reference."""
    runs, column = study.best_energy
    by = [name for name in study.configuration if name != "dataset"]
    keys = ["dataset", *by]
    rows = runs.assign(energy_consumed=pd.to_numeric(runs[column]))
    rows["accuracy"] = pd.to_numeric(rows["accuracy"])
    groups = rows.groupby(keys, sort=False, dropna=False)
    frame = groups[["energy_consumed", "accuracy"]].mean().assign(runs=groups.size())
    design = study.answer.design  # a factor that the variants are called by is in no key
    factors = [name for name in (*design.compared, *design.context) if name not in keys]
    frame = frame.join(groups[factors].first()).reset_index() if factors else frame.reset_index()
    known = study.energy_limits
    order = [keys.index(name) for name in study.configuration if name in runs]
    for end in ("low", "high"):
        found = (known.get(tuple(row[n] for n in order)) for row in frame[keys].to_numpy())
        frame[f"energy_consumed_{end}"] = [getattr(one, end, math.nan) for one in found]
    frame = shared.in_order(frame)
    reference, against = _against(study, frame)
    columns = [*by, "dataset", "energy_consumed", "energy_consumed_low", "energy_consumed_high"]
    columns += ["accuracy", "energy_ratio", "energy_ratio_low", "energy_ratio_high", "verdict"]
    return Table(
        "answer",
        "Energy and accuracy of each configuration, mean of its runs",
        shared.present(frame.join(against), [*columns, "runs"]),
        "After each energy: its 95 % limits, for the errors of the instruments and the scatter of "
        "the repetitions."
        + (
            f" Energy / reference: ratio of geometric means to {reference}, with simultaneous 95 % "
            "limits for both. Not decided: these runs and instruments can't tell the two apart."
            if reference
            else ""
        ),
    )


def _against(study: Analysis, frame: pd.DataFrame) -> tuple[str | None, pd.DataFrame]:
    """What the others are set against, and for each row the ratio to it and the verdict."""
    found = study.answer
    if not found.design.compared:
        return None, pd.DataFrame(index=frame.index)
    levels = found.design.levels(frame)
    reference = found.design.reference or levels.iloc[0]
    known = {(pair.context, pair.first, pair.second): pair for pair in found.pairs}
    rows: list[tuple[float | None, float | None, float | None, str]] = []
    for level, context in zip(levels, found.design.contexts(frame), strict=True):
        if (pair := known.get((context, level, reference))) is not None:
            rows.append((pair.ratio, pair.low, pair.high, found.verdict(pair)))
        elif (pair := known.get((context, reference, level))) is not None:
            rows.append((1 / pair.ratio, 1 / pair.high, 1 / pair.low, found.verdict(pair)))
        else:
            rows.append((1.0 if level == reference else None, None, None, ""))
        if not found.is_final:
            rows[-1] = (*rows[-1][:3], "")
    columns = ["energy_ratio", "energy_ratio_low", "energy_ratio_high", "verdict"]
    return reference, pd.DataFrame(rows, columns=columns, index=frame.index)


def measurements(study: Analysis) -> Table:
    """Means of every configuration: what its runs took and what they reached."""
    runs = study.believed
    columns = ["energy_consumed", "cpu_energy", "gpu_energy", "ram_energy"]
    columns += ["power", "emissions", "duration", "accuracy"]
    frame = shared.means(study, runs, [name for name in columns if name in runs])
    energy = pd.to_numeric(runs["energy_consumed"])
    spread = energy.groupby([runs[name] for name in study.configuration], dropna=False).std()
    keys = pd.MultiIndex.from_frame(frame[study.configuration])
    frame["coefficient_of_variation_percent"] = (
        100 * spread.reindex(keys).to_numpy() / frame["energy_consumed"]
    )
    return Table(
        "measurements",
        "Energy, time and accuracy of a run, mean of its repetitions",
        frame.dropna(axis="columns", how="all"),
        "Coefficient of variation: the energy's standard deviation between repetitions, as a share "
        "of its mean.",
    )


def places(study: Analysis) -> Table:
    """What the energy of the whole study would have emitted elsewhere."""
    energy = study.cost["energy_consumed"].sum()
    frame, why = shared.reasoned(elsewhere(energy, study.places))
    if not study.completed.get("emissions", pd.Series(dtype=float)).notna().any():
        why = _NO_LOCATION + why
    return Table(
        "emissions_by_place",
        "What the energy of the whole study would have emitted elsewhere",
        shared.present(frame, ["name", "carbon_intensity", "year", "emissions", "reason"]),
        f"Energy of the whole study: {text.energy(energy)}.{why}",
    )


def scores(study: Analysis) -> Table:
    """Table 6: Score = accuracy / energy of every configuration, ranked."""
    if is_renamed("accuracy"):
        return Table("table6_scores", "Score", pd.DataFrame(), NO_SCORE)
    treatment = ["treatment"] if len(study.treatments) > 1 else []
    columns = [*treatment, "location", "dataset", "rank", "architecture"]
    columns += [*variants.column_of(study.completed), "n", "mean_accuracy", "mean_energy_consumed"]
    columns += ["score_ratio_of_means", "score_ratio_of_means_low", "score_ratio_of_means_high"]
    columns += ["score_mean_of_ratios", "score_min", "score_max", "among_best", "pareto", "reason"]
    by = [*treatment, "location", "dataset", "rank"]
    frame = study.ranked.sort_values(by, kind="stable", key=shared.order)
    frame, why = shared.reasoned(shared.present(frame, columns))
    return Table(
        "table6_scores",
        "Table 6. Score: accuracy per kWh",
        frame,
        "Score is mean accuracy divided by mean energy, the two columns before it; the paper "
        "prints the mean of the runs' own Scores. Ranked within a location and a dataset. Among "
        "the best: no other there was shown to have a better Score (all pairs, Bonferroni). "
        "On the Pareto front: none there is at least as accurate with at most as much energy."
        + why,
    )


def methods(study: Analysis) -> Table:
    """How each component of energy was obtained, and what share of the energy it is."""
    runs = study.believed
    columns = ["component", "method", "runs", "mean_energy_consumed", "share_percent"]
    total = pd.to_numeric(runs["energy_consumed"]).sum()
    rows = []
    for part in ("cpu", "gpu", "ram"):
        if f"{part}_method" not in runs:
            continue
        energy = pd.to_numeric(runs[f"{part}_energy"])
        for method, group in energy.groupby(runs[f"{part}_method"].fillna("unknown")):
            if method == "none" and group.isna().all():
                continue
            share = 100 * group.sum(min_count=1) / total if total else float("nan")
            rows.append((part.upper(), method, len(group), group.mean(), share))
    return Table(
        "methods",
        "How each component of energy was obtained",
        pd.DataFrame(rows, columns=columns),
        "Share: of the energy of all runs. Only a counter measures; a model or a constant follows "
        "the time and perhaps the load.",
    )


def instruments(study: Analysis) -> Table:
    """Table 7: the wattmeter's energy, CodeCarbon's and its components."""
    if study.metered.empty:
        return Table("table7_instruments", "", pd.DataFrame(), _NO_WATTMETER)
    columns = ["wattmeter_energy", "energy_consumed", "cpu_energy", "gpu_energy", "ram_energy"]
    by = ["dataset", "architecture", *variants.column_of(study.completed)]
    groups = study.metered.groupby(by, sort=False)
    frame = groups[columns].median()
    frame.insert(0, "runs", groups.size())
    frame["gap_percent"] = 100 * (1 - frame["energy_consumed"] / frame["wattmeter_energy"])
    return Table(
        "table7_instruments",
        "Table 7. Wattmeter and CodeCarbon, medians of the repetitions",
        shared.in_order(frame.reset_index()),
        "Gap: how much less CodeCarbon reports than the wattmeter.",
    )


def questions(study: Analysis) -> Table:
    """The two confirmatory questions, their p and what can be said."""
    found = study.answer
    if not found.pairs:
        why = found.effect.reason or "nothing is compared"
        return Table("questions", "", pd.DataFrame(), f"Questions: not asked, because {why}.")
    frame = asked.questions_frame(found)
    if not found.design.context:
        frame = frame.iloc[:1]
    return Table(
        "questions",
        "The questions of the study" if len(frame) > 1 else "The question of the study",
        shared.present(frame, list(frame)),
        "Set by the study file before its first run. The effect is tested by permuting the runs "
        "within each context and place"
        + (
            ", the interaction by the linear model of log energy; p (Holm) is adjusted for the two."
            if len(frame) > 1
            else "."
        ),
    )


def pairs(study: Analysis) -> Table:
    """Every pair: the ratio of its geometric means, its simultaneous interval, what can be said."""
    found = study.answer
    if not found.pairs:
        return Table("pairs", "", pd.DataFrame())
    frame = asked.to_frame(found)
    frame, why = shared.reasoned(shared.present(frame, list(frame)))
    return Table(
        "pairs",
        "Ratio of energies, pair by pair",
        frame.rename(columns={"ratio": "times_as_much"}),
        "Ratios of geometric means, within machines and repetitions. The 95 % intervals are "
        "simultaneous, for the runs' scatter and, where these are known, the instruments' errors. "
        + (verdicts.precision(found) or "")
        + why,
    )


_WHO = ["reference", "other", "energy_of"]
_ONE_INSTRUMENT = "Agreement of instruments: no two of them measured the same runs."


def agreement(study: Analysis) -> Table:
    """Whether two instruments see the same differences: correlations and ranking."""
    columns = ["n_medians", "rho_medians", "n", "rho", "rho_low", "rho_high", "p", "pearson"]
    return _of_pairs(
        study,
        "agreement",
        "Do the instruments see the same differences?",
        [*columns, "same_ranking"],
        "rho is Spearman's: of the configurations' medians, as in the paper, and of all runs. Both "
        "are high wherever runs differ in duration, which every instrument multiplies by. "
        "CodeCarbon reads a GPU from NVML's counter: those two are not independent.",
    )


def instrument_gaps(study: Analysis) -> Table:
    """What one instrument shows and another does not: gap, regression, limits of agreement."""
    columns = ["n", "gap_percent", "gap_percent_low", "gap_percent_high", "gap_W"]
    columns += ["constant_power_W", "constant_power_low_W", "constant_power_high_W"]
    columns += ["slope", "slope_low", "slope_high", "bias", "limit_low", "limit_high"]
    columns += ["limit_reach"]
    return _of_pairs(
        study,
        "instrument_gaps",
        "What does one instrument show that the other does not?",
        columns,
        "Gap: how much less the other reports, median of the runs, with the least and the most. "
        "Constant power and slope are of a line through the configurations' mean powers that "
        "allows for errors in both (Deming): what the reference shows where the other shows 0 W, "
        "and how much it rises for each W of the other. Bias and limits of agreement are those of "
        "Bland and Altman, with the reach of the limits' own 95 % interval.",
    )


def _of_pairs(study: Analysis, name: str, caption: str, columns: list[str], note: str) -> Table:
    frame = instrument_pairs.to_frame(study.agreements)
    if frame.empty:
        return Table(name, "", pd.DataFrame(), _ONE_INSTRUMENT)
    shown, said = shared.reasoned(frame[[*_WHO, *columns, "reason"]])
    return Table(name, caption, shown, note + said)


_NOTHING_VARIED = (
    "What options save: the runs differ in architecture, dataset and place alone (docs/studies.md: "
    "factors or variants)."
)
_READ = (
    f"Equal accuracy is {100 * SHORT_OF_BEST:.0f} % below what the less accurate of the two "
    "reaches at its best, and the energy until then is read off both mean learning curves. "
    "Intervals are simultaneous, of the spread between resampled runs and of what the instruments "
    "leave uncertain in a ratio; p is of the spread alone, and p (Holm) adjusted for all "
    "comparisons with the same reference. Reached: how many runs had that accuracy in some epoch. "
    "Accuracy and energy are those at the end of the training."
)


def savings(study: Analysis) -> Table:
    """Every variant against its architecture's reference and against the study's."""
    if variants.COLUMN not in study.completed:
        return Table("savings", "", pd.DataFrame(), _NOTHING_VARIED)
    frame, why = shared.reasoned(shared.in_order(study.saved))
    counts = ["runs", "reached", "reference_reached"]
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    return Table("savings", "What each variant saves", frame, f"{_READ}{why}")
