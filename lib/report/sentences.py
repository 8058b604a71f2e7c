"""What a study says in sentences, each computed from its results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

import pandas as pd

from lib import text as wording
from lib.analysis import audit, frugality, instrument_pairs, savings, variants
from lib.analysis.results import Analysis
from lib.paper import conclusions
from lib.paper.conclusions import FALLS, STANDS, UNDECIDED
from lib.quantities import number, ordered, quantity
from lib.report.page import Prose
from lib.stats import ALPHA, hypotests, multitest
from lib.study.sections import Order

_MOST_NAMED = 10
"""Runs that a sentence names."""

_SEVERITIES = {
    audit.FAULT: "found a fault (figures are wrong as they stand)",
    audit.DOUBT: "raised a doubt (figures may be wrong)",
    audit.NOTE: "found something to know",
    audit.UNCHECKED: "could not be made",
    audit.PASSED: "found nothing",
}


def asked(study: Analysis) -> Prose:
    """Which runs were planned and which there are."""
    results, completed = study.results, study.completed
    architectures = wording.listed(ordered(results["architecture"]))
    most = int(results.groupby(study.configuration, dropna=False).size().max())
    sentences = [
        f"Trained were {architectures} on {wording.listed(ordered(results['dataset']))}, "
        f"{'once' if most == 1 else f'up to {most} times'} each: {wording.runs(len(completed))} "
        + (f"of {len(study.planned)} planned " if study.planned else "")
        + ("is" if len(completed) == 1 else "are")
        + " complete."
    ]
    if variants.COLUMN in results:
        names = ordered(results[variants.COLUMN])
        sentences.append(f"They come in {len(names)} variants: {'; '.join(names)}.")
    failed = results[results["status"] == "failed"]["run_id"]
    if len(failed):
        sentences.append(f"{wording.runs(len(failed))} failed: {_first(failed)}.")
    if study.missing:
        sentences.append(f"Not yet run: {_first(study.missing)}. This report is partial.")
    if len(study.treatments) > 1:
        names = wording.listed(study.treatments)
        sentences.append(
            f"The same measurements are read in {len(study.treatments)} ways, {names}, which stand "
            "side by side in every figure and table below."
        )
    weights = set(results.get("weights", pd.Series(dtype=str)).dropna())
    if "none" in weights:
        sentences.append(
            "Networks started from random weights (weights: none), so their accuracy says little "
            "about what the architectures can do; their energy is that of the same arithmetic."
        )
    if study.settings is not None and (imported := study.settings.imported):
        sentences += [*(f"Skipped: {row}." for row in imported.skipped), *imported.notes]
    return Prose((*sentences, *study.unusable))


def partial(study: Analysis, at: datetime) -> str | None:
    """What the report of an unfinished study says above everything else; None if all runs are in.

    Args:
        study: As far as it is.
        at: When it was read, in UTC.
    """
    if not study.missing:
        return None
    planned = len(study.planned)
    failed = int((study.results["status"] == "failed").sum())
    return (
        f"Partial: {planned - len(study.missing)} of {wording.runs(planned)} have ended"
        + (f", {failed} of them failed" if failed else "")
        + f" (as of {at.day} {at:%B %Y, %H:%M} UTC). The figures will change as others end."
    )


def found(study: Analysis) -> Prose:
    """The answer in three sentences, and a fourth where the study varied what saves energy."""
    if study.completed.empty:
        return Prose(("No run is complete yet, so nothing was found.",), lead=True)
    sentences = [_most_energy(study), _best_score(study), _how_sure(study)]
    if variants.COLUMN in study.completed:
        sentences.insert(2, _saved(study))
    if study.is_the_papers:
        # Most of its Scores rest on faulty energies; what becomes of them is in the verdicts.
        sentences = [_verdicts(study), _most_energy(study), _how_sure(study)]
    return Prose(tuple(sentences), kind="ol", lead=True)


def _verdicts(study: Analysis) -> str:
    weighed = conclusions.conclusions(study.completed, study.reanalysis)
    counts = Counter(one.verdict for one in weighed)
    return (
        f"Of the paper's {len(weighed)} conclusions {counts[STANDS]} stand when its data are read "
        f"correctly, {counts[FALLS]} fall, and {counts[UNDECIDED]} can't be decided by its data; "
        "the table below says which, and why."
    )


def _most_energy(study: Analysis) -> str:
    """RQ1: which architecture took how much, and whether that may be chance.

    By the wattmeter where there was one: it is the instrument to believe.
    """
    runs, column, how = study.believed, "energy_consumed", ""
    if len(study.metered):
        runs, column, how = study.metered, "wattmeter_energy", "By the wattmeter, "
    runs = runs.dropna(subset=[column])
    if variants.COLUMN in runs:
        runs = variants.reference_runs(runs)
        how += f"of the runs with {_settings(runs)}, " if len(runs) else ""
    if runs.empty:
        return "No run has an energy, so the architectures can't be compared."
    factor, shown = quantity(column).scaled_to(runs[column])
    tests = _between_architectures(study, runs, column)
    parts = []
    for dataset, rows in _by_level(runs, "dataset"):
        means = (rows.groupby("architecture")[column].mean() * factor).sort_values()
        least, most = means.index[0], means.index[-1]
        if len(means) == 1:
            parts.append(f"{least} took {number(means.iloc[0], 3)} {shown.unit} on {dataset}")
            continue
        parts.append(
            f"on {dataset} a training took from {number(means[least], 3)} {shown.unit} ({least}) "
            f"to {number(means[most], 3)} {shown.unit} ({most}){_times(means[most], means[least])}"
            f"{_chance(tests.loc[dataset])}"
        )
    return _sentence(how + "; ".join(parts))


def _times(most: float, least: float) -> str:
    return f", {number(most / least, 3)} times as much" if least > 0 else ""


def _between_architectures(study: Analysis, runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Whether architectures differ in energy, by dataset: the p that the report's table has too.

    No table tests the wattmeter's energy; its p are adjusted for the number of datasets.
    """
    if column == "energy_consumed":
        found = study.tests
        asked = (found["test"] == "Kruskal-Wallis") & (found["factor"] == "architecture")
        asked &= (found["response"] == column) & (found["within"] != "")
        if "treatment" in found:
            asked &= found["treatment"] == list(study.treatments)[-1]
        if variants.COLUMN in runs:
            asked &= found[variants.COLUMN] == str(runs[variants.COLUMN].iloc[0])
        found = found[asked]
    else:
        tests = hypotests.by_level(
            runs, hypotests.kruskal_wallis, column, "architecture", within="dataset"
        )
        found = hypotests.to_frame(multitest.by_family(tests))
    return found.set_index(found["within"].str.removeprefix("dataset = "))


def _chance(test: pd.Series) -> str:
    if math.isnan(test["p"]):
        return f" (not tested: {test['reason']})"
    n = sum(map(int, test["n"].split(", ")))
    said = f"{wording.p_value(test['p_holm'])} after Holm, Kruskal-Wallis, n = {n}"
    if test["p_holm"] < ALPHA:
        return f", more than chance explains ({said})"
    return f", which may still be chance ({said})"


def _best_score(study: Analysis) -> str:
    """RQ2: who gives the most accuracy for its energy, and who the most accuracy."""
    ranked = study.ranked
    if "treatment" in ranked:
        ranked = ranked[ranked["treatment"] == list(study.treatments)[-1]]
    ranked = ranked.dropna(subset=["score_ratio_of_means"])
    if ranked.empty:
        return "No configuration has a Score: accuracy or energy is missing."
    learned = ranked[~_guesses(study, ranked)]
    guessing = dict.fromkeys(map(_named, (row for _, row in ranked.drop(learned.index).iterrows())))
    if learned.empty:
        return "Every network is hardly better than guessing, so a Score says nothing."
    parts = []
    for where, rows in _by_dataset_and_place(learned):
        best = rows.loc[rows["score_ratio_of_means"].idxmax()]
        most_accurate = rows[rows["mean_accuracy"] == rows["mean_accuracy"].max()]
        accurate = most_accurate.loc[most_accurate["mean_energy_consumed"].idxmin()]
        text = (
            f"on {where} {_named(best)} gives the most accuracy for its energy (Score "
            f"{number(best['score_ratio_of_means'], 3)} per kWh, accuracy "
            f"{number(best['mean_accuracy'], 3)})"
        )
        if accurate.name == best.name:
            text += " and is the most accurate too" if len(rows) > 1 else ""
        else:
            ratio = accurate["mean_energy_consumed"] / best["mean_energy_consumed"]
            text += (
                f", while {_named(accurate)} is the most accurate "
                f"({number(accurate['mean_accuracy'], 3)}) for {_ratio(ratio)}"
            )
        parts.append(text)
    if guessing:
        parts.append(f"left out, because they hardly do better than guessing: {_first(guessing)}")
    return _sentence("; ".join(parts))


def _guesses(study: Analysis, ranked: pd.DataFrame) -> pd.Series:
    """Which rows of a ranking are of networks that did not learn: their Score is that of chance."""
    keys = study.configuration
    runs = study.believed.assign(_bound=frugality.guessing(study.believed))
    bound = runs.groupby(keys, as_index=False)["_bound"].max()
    bounds = ranked[keys].merge(bound, how="left", on=keys)["_bound"].to_numpy()
    return ranked["mean_accuracy"] <= bounds


def _ratio(energy: float) -> str:
    """More energy, as people say it: whoever is more accurate for less has the best Score too."""
    if energy >= 2:
        return f"{number(energy, 3)} times the energy"
    return f"{(energy - 1) * 100:.0f} % more energy"


def _settings(runs: pd.DataFrame) -> str:
    """Whose settings the runs of one variant have."""
    variant = runs[variants.COLUMN].iloc[0]
    return "the reference's settings" if variant == variants.REFERENCE else variant


def _named(row: pd.Series) -> str:
    """An architecture, with its variant where there are several."""
    return f"{row['architecture']} ({row['variant']})" if "variant" in row else row["architecture"]


def _saved(study: Analysis) -> str:
    """Which variant saves most at equal accuracy, against the study's own reference."""
    table = study.saved
    base = table.loc[table["compared_with"] == "", ["architecture", "variant"]]
    if base.empty:
        return "Nothing can be saved against a reference, because no run has its settings."
    base = base.iloc[0]
    against = table[table["compared_with"] == savings.reference_name(base["architecture"])]
    known = against.dropna(subset=["saved_percent"])
    if known.empty:
        return _unsaved(against, base)
    parts = []
    for where, rows in _by_dataset_and_place(known):
        better = rows[(rows["p_holm"] < ALPHA) & (rows["saved_percent"] > 0)]
        if len(better):
            best = better.loc[better["saved_percent"].idxmax()]
            ends = f", and ends {_points(best['accuracy_difference'])}"
            parts.append(f"on {where} {_saves(best, base)}{ends} ({_of(best, rows)})")
            continue
        best = rows.loc[rows["saved_percent"].idxmax()]
        if best["saved_percent"] <= 0:
            parts.append(f"on {where} nothing saves energy against {_named(base)}")
            continue
        parts.append(
            f"on {where} nothing was shown to save energy against {_named(base)}: the most is "
            f"{number(best['saved_percent'], 2)} % ({_named(best)}; {_of(best, rows)})"
        )
    return _sentence("; ".join(parts))


def _saves(row: pd.Series, base: pd.Series) -> str:
    accuracy, saved = number(row["equal_accuracy"], 3), number(row["saved_percent"], 3)
    than = f"{saved} % less energy than {_named(base)}"
    return f"{_named(row)} reaches an accuracy of {accuracy} with {than}"


def _of(row: pd.Series, compared: pd.DataFrame) -> str:
    """How sure a saving is: the largest of many is large by chance too, so p is adjusted."""
    runs = wording.runs(int(row["runs"]))
    if math.isnan(row["p_holm"]):
        return f"{row['reason'].rpartition('; ')[2]}; {runs}"
    ends = " to ".join(number(row[f"saved_percent_{end}"], 3) for end in ("low", "high"))
    p = wording.p_value(row["p_holm"])
    return f"95 % interval {ends} %, {p} after Holm, best of {len(compared)}, {runs}"


def _unsaved(against: pd.DataFrame, base: pd.Series) -> str:
    """Why nothing is known of equal accuracy, and how far the plain energies lie apart."""
    if against.empty:
        return "What is saved at equal accuracy is unknown: there is nothing else."
    first = against.iloc[0]
    why = first["reason"].rpartition("; ")[2].removeprefix("no energy at equal accuracy: ")
    text = f"nothing is known of savings at equal accuracy ({_named(first)}: {why})"
    for dataset, rows in _by_level(against.dropna(subset=["energy_ratio"]), "dataset"):
        least, most = (
            f"{number(row['energy_ratio'], 3)} times ({_named(row)})"
            for _, row in rows.sort_values("energy_ratio").iloc[[0, -1]].iterrows()
        )
        text += f"; on {dataset} energies are from {least} to {most} that of {_named(base)}"
    return _sentence(text)


def _points(difference: float) -> str:
    if math.isnan(difference):
        return "at an unknown accuracy"
    side = "higher" if difference >= 0 else "lower"
    return f"{number(abs(difference), 2)} percentage points {side}"


def _how_sure(study: Analysis) -> str:
    """RQ3: whether software's figures were checked, and how its components came about."""
    metered = study.metered
    if len(metered):
        runs = wording.runs(len(metered))
        return f"CodeCarbon reports {_less(metered)} energy than the wattmeter ({runs})."
    runs = study.believed
    parts = [
        f"{name.upper()} by {wording.listed(methods)}"
        for name in ("cpu", "gpu", "ram")
        if f"{name}_method" in runs
        and (methods := [m for m in ordered(runs[f"{name}_method"]) if m != "none"])
    ]
    how = f": energy is {'; '.join(parts)}" if parts else ""
    return (
        f"No wattmeter was there{how}. So the figures compare runs with each other, and are no "
        "measure of what came out of the socket."
    )


def _less(metered: pd.DataFrame) -> str:
    """Between which shares CodeCarbon's energy lies below the wattmeter's, or above."""
    gaps = 100 * (1 - metered["energy_consumed"] / metered["wattmeter_energy"])
    low, high = gaps.min(), gaps.max()
    if low < 0 < high:
        return f"from {number(-low, 2)} % more to {number(high, 2)} % less"
    ends = sorted((abs(low), abs(high)))
    shares = " to ".join(dict.fromkeys(f"{number(end, 2)} %" for end in ends))
    return f"{shares} {'less' if high > 0 else 'more'}"


def agreed(study: Analysis) -> Prose:
    """How the instruments agree, a paragraph for each pair."""
    found = map(instrument_pairs.agreement, study.pairs)
    return Prose(tuple(instrument_pairs.in_words(one) for one in found))


def varied(study: Analysis) -> Prose:
    """Every option that the study varied, and what it changes in the mathematics."""
    if variants.COLUMN not in study.completed:
        return Prose(())
    return Prose(tuple(savings.explained(study.variants, study.completed)), kind="ul")


def trusted(study: Analysis) -> Prose:
    """What the audits say in all, before their table."""
    counts = Counter(finding.severity for finding in study.findings)
    said = [f"{counts[kind]} {words}" for kind, words in _SEVERITIES.items() if counts[kind]]
    return Prose((f"Of {len(study.findings)} checks {wording.listed(said)}.",))


def ordered_how(study: Analysis) -> Prose:
    """In which order the runs were executed, and from which plan."""
    if not study.planned:
        return Prose(("These runs were measured elsewhere and imported; there is no plan.csv.",))
    order = study.settings.order if study.settings else Order(shuffle=False)
    how = f"shuffled with seed {order.seed}" if order.shuffle else "as the study file lists them"
    return Prose((f"The order of the {len(study.planned)} runs was {how} and frozen in plan.csv.",))


def _by_level(rows: pd.DataFrame, factor: str) -> Iterator[tuple[str, pd.DataFrame]]:
    for level in ordered(rows[factor]):
        yield level, rows[rows[factor].astype(str) == level]


def _by_dataset_and_place(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each dataset, and where there are several locations each of them."""
    for dataset, part in _by_level(rows, "dataset"):
        if "location" not in rows or rows["location"].nunique() < 2:
            yield dataset, part
            continue
        for location, here in _by_level(part, "location"):
            yield f"{dataset} in {location}", here


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _first(names: Iterable[object]) -> str:
    return wording.first(names, most=_MOST_NAMED)
