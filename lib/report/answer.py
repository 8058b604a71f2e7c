"""The first screen of a report: what was asked, what came out, what it comes down to, what it cost.

The first sentence of a report is made here.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from html import escape

import pandas as pd

import lib
from lib import text
from lib.analysis import audit, choice, cost, savings, variants
from lib.analysis.results import Analysis
from lib.paper import conclusions
from lib.paper.conclusions import FALLS, STANDS, UNDECIDED
from lib.quantities import is_renamed, number, ordered, quantity, reached, significant, within
from lib.report import verdicts
from lib.report.page import Html, Prose
from lib.stats import ALPHA
from lib.stats.pairs import DIFFERS

_MOST_NAMED = 6  # runs or networks that a sentence names


def head(study: Analysis, at: datetime | None = None) -> Html:
    """The title, the question, and above both what is missing from an unfinished study, `at` (UTC)
    or now.
    """
    said = partial(study, at or datetime.now(UTC))
    banner = f'<p class="partial" role="status">{escape(said)}</p>' if said else ""
    return Html(
        f'<header>{banner}<p class="kicker">Energy of training</p>'
        f'<h1>{escape(study.title)}</h1><p class="question">{escape(question(study))}</p></header>',
        f"{study.title}\n{question(study)}",
    )


def partial(study: Analysis, at: datetime) -> str | None:
    """What the report of an unfinished study lacks; None if all runs have ended."""
    if not study.missing:
        return None
    planned = len(study.planned)
    failed = int((study.results["status"] == "failed").sum())
    return (
        f"Partial: {planned - len(study.missing)} of {text.runs(planned)} have ended"
        + (f", {failed} of them failed" if failed else "")
        + f" (as of {at.day} {at:%B %Y, %H:%M} UTC). The figures will change as others end."
    )


def question(study: Analysis) -> str:
    """What the study asks, and of what."""
    if study.is_the_papers:
        return "Do the paper's conclusions hold when its own data are read correctly?"
    runs = study.results
    datasets = text.listed(ordered(runs["dataset"]))
    if variants.COLUMN in runs:
        return f"Which way of training takes less energy on {datasets}, at what accuracy?"
    networks = ordered(runs["architecture"])
    if len(networks) == 1:
        return f"What does it take to train {networks[0]}{within(datasets)}?"
    few = text.listed(networks) if len(networks) <= _MOST_NAMED else f"{len(networks)} networks"
    aim = quantity("accuracy").inline.lstrip("−") if is_renamed("accuracy") else "accuracy"
    return f"How much energy does it take to train {few}{within(datasets)}, and for what {aim}?"


def found(study: Analysis) -> Prose:
    """The answer: one to three sentences."""
    if study.completed.empty:
        return Prose(("No run is complete yet, so nothing was found.",), lead=True)
    if study.is_the_papers:
        shown = replace(study.answer, confounded=())  # the faults say that
        return Prose((_verdicts(study), *verdicts.in_words(shown, most=1)), lead=True)
    said = verdicts.in_words(study.answer, most=1)
    if not study.answer.pairs:
        said = (*_energies(study), *said)
    if study.missing:  # what changes with every run is no choice
        return Prose(tuple(said), lead=True)
    return Prose((*said, *_choices(study), *_saved(study)), lead=True)


def rest(study: Analysis) -> Prose:
    """What the answer leans on: networks that guess, the cost of the study, faults and doubts."""
    said = [*_guessing(study), *_cost(study), *_worst(study)]
    return Prose(tuple(said), kind="ul")


def footer(study: Analysis, at: datetime | None = None) -> Html:
    """Date, program, machine, energy, how to cite and where the code is."""
    at = at or datetime.now(UTC)
    runs = study.completed
    machines = ordered(_column(runs, "cpu_model")) + ordered(_column(runs, "gpu_model"))
    commits = ordered(_column(runs, "git_commit"))
    total = cost.by_stage(runs, [])["energy_consumed"].sum()
    lines = [
        f"Made on {at.day} {at:%B %Y} by training-energy-study {lib.__version__}"
        + (f" (code: commit {text.first(commits, most=2)})" if commits else ""),
        f"Measured on {text.listed(machines)}" if machines else "",
        f"Energy of all runs: {text.energy(total)}" if total else "",
        "To cite: CITATION.cff of the program, and this study's title and date",
    ]
    shown = "".join(f"<li>{escape(line)}.</li>" for line in lines if line)
    return Html(f'<footer class="about"><ul>{shown}</ul></footer>', ". ".join(filter(None, lines)))


def _column(runs, name):
    return runs[name].dropna() if name in runs else []


def _verdicts(study: Analysis) -> str:
    weighed = conclusions.conclusions(study.completed, study.reanalysis)
    counts = Counter(one.verdict for one in weighed)
    return (
        f"Of the paper's {len(weighed)} conclusions {counts[STANDS]} stand when its data are read "
        f"correctly, {counts[FALLS]} fall, and {counts[UNDECIDED]} can't be decided by its data."
    )


def _energies(study: Analysis) -> list[str]:
    """How far apart the energies of a training are."""
    runs, column = study.best_energy
    runs = runs.dropna(subset=[column])
    if runs.empty:
        return ["No run has an energy, so nothing can be compared."]
    factor, shown = quantity(column).scaled_to(runs[column])
    by = [name for name in study.configuration if name != "dataset"]
    parts = []
    for dataset in ordered(runs["dataset"]):
        rows = runs[runs["dataset"].astype(str) == dataset]
        means = (rows.groupby(by, dropna=False)[column].mean() * factor).sort_values()
        names = [_named(key) for key in means.index]
        lowest, highest = means.iloc[0], means.iloc[-1]
        least, most = significant(lowest, 3), significant(highest, 3)
        if len(means) == 1:
            parts.append(f"{names[0]} used {least} {shown.unit}{within(dataset)}")
            continue
        times = f", {significant(highest / lowest, 3)} times as much" if lowest > 0 else ""
        parts.append(
            f"{within(dataset)} a training used from {least} {shown.unit} ({names[0]}) to {most} "
            f"{shown.unit} ({names[-1]}){times}".strip()
        )
    how = "By the wattmeter, " if column == "wattmeter_energy" else ""
    return [text.sentence(how + "; ".join(parts))]


def _choices(study: Analysis) -> list[str]:
    """Which configuration it comes down to on each dataset, and how sure that is.

    Not in a study of several places: what was measured in different ones is never compared.
    """
    if study.answer.design.place or not study.answer.pairs:
        return []
    runs, column = study.best_energy
    runs = study.learned(runs)
    by = [name for name in study.configuration if name != "dataset"]
    runs = runs.assign(name=list(map(_named, runs[by].itertuples(index=False, name=None))))
    said = []
    for dataset in ordered(runs["dataset"]):
        here = runs[runs["dataset"].astype(str) == dataset]
        chosen = choice.among(here, _ratios(study, here), column)
        if chosen is not None and here["name"].nunique() > 1:
            said.append(f"{chosen.name}{within(dataset)} ({_next(chosen)})")
    if not said:
        return []
    head = f"Lowest energy among those not shown to be {_worse()}: "
    return [f"{head}{'; '.join(said)}."]


def _ratios(study: Analysis, runs: pd.DataFrame) -> choice.Ratios:
    """What the answer says of the configurations of these runs, two by two."""
    found = study.answer
    cells = zip(found.design.contexts(runs), found.design.levels(runs), strict=True)
    names = dict(zip(cells, runs["name"], strict=True))
    return {
        (names[pair.context, pair.first], names[pair.context, pair.second]): (
            pair.ratio,
            found.verdict(pair) == DIFFERS,
        )
        for pair in found.pairs
        if {(pair.context, pair.first), (pair.context, pair.second)} <= names.keys()
    }


def _worse() -> str:
    return "worse" if is_renamed("accuracy") else "less accurate"


def _next(found: choice.Choice) -> str:
    """How accurate the chosen one is, and whether it was shown that no other takes less."""
    accuracy = reached(found.accuracy)
    if not found.ratios:
        return f"{accuracy}; all others were shown to be {_worse()}"
    runner_up, ratio = next(iter(found.ratios.items()))
    words = f"{accuracy}; next: {runner_up}, {significant(ratio, 3)} times the energy"
    if runner_up in found.undecided:
        return f"{words}, not shown to be more"
    others = text.first(found.undecided, most=_MOST_NAMED)
    return f"{words}; {others} not shown to take more" if others else words


def _saved(study: Analysis) -> list[str]:
    """Which option saves most energy at equal accuracy, against the study's reference."""
    table = study.saved
    base = table[table["compared_with"] == ""]
    if base.empty:
        return []
    reference = savings.reference_name(base.iloc[0]["architecture"])
    known = table[table["compared_with"] == reference].dropna(subset=["saved_percent"])
    said = []
    for dataset in ordered(known["dataset"]):
        rows = known[known["dataset"].astype(str) == dataset]
        by_scatter = rows[(rows["p_holm"] < ALPHA) & (rows["saved_percent"] > 0)]
        shown = by_scatter[by_scatter["saved_percent_low"] > 0]
        if shown.empty:
            why = "" if by_scatter.empty else ": any saving is within the instruments' uncertainty"
            said.append(
                f"{within(dataset)} nothing was shown to save energy against {reference}{why}"
            )
            continue
        best = shown.loc[shown["saved_percent"].idxmax()]
        low, high = (number(best[f"saved_percent_{end}"], 3) for end in ("low", "high"))
        said.append(
            f"{within(dataset)} {_named((best['architecture'], best[variants.COLUMN]))} reaches "
            f"{reached(best['equal_accuracy'])} with "
            f"{number(best['saved_percent'], 3)} % less energy than {reference} (95 %: {low} to "
            f"{high} %, {text.p_value(best['p_holm'])} after Holm, the best of {len(rows)})"
        )
    return [text.sentence("; ".join(part.strip() for part in said))] if said else []


def _named(key: object) -> str:
    return " · ".join(map(str, key if isinstance(key, tuple) else (key,)))


def _guessing(study: Analysis) -> list[str]:
    if not (names := [f"{_named(key[:-1])} on {key[-1]}" for key in study.guessing]):
        return []
    stay, they = ("stays", "it is") if len(names) == 1 else ("stay", "they are")
    return [
        f"{text.first(names, most=_MOST_NAMED)} {stay} at chance level, so {they} in no ranking "
        "and not on the Pareto front."
    ]


def _cost(study: Analysis) -> list[str]:
    table = study.cost
    energy = table["energy_consumed"].sum()
    if table.empty or not energy:
        return []
    emitted = cost.whole(table["emissions"], table["energy_consumed"])
    grams = f", emitting {significant(emitted * 1000, 3)} g CO₂-eq" if emitted > 0 else ""
    parts = [
        f"{row.stage} {text.energy(row.energy_consumed)}"
        + (" (estimated)" if row.how == cost.ESTIMATED else "")
        for row in table.itertuples()
        if row.energy_consumed > energy / 1000  # a cool-down of no time
    ]
    split = f": {', '.join(parts)}" if len(parts) > 1 else ""
    took = text.duration(table["duration"].sum())
    empty = int(study.completed["energy_consumed"].isna().sum())
    without = f"; the energy of {empty} of its runs is not known" if empty else ""
    return [f"The whole study used {text.energy(energy)} in {took}{grams}{split}{without}."]


def _worst(study: Analysis) -> list[str]:
    """Faults and doubts that touch the answer."""
    said = []
    for severity in (audit.FAULT, audit.DOUBT):
        found = [one.what.rstrip(".") for one in study.findings if one.severity == severity]
        if found:
            head = f"{len(found)} {severity}{'s' if len(found) > 1 else ''}. "
            rest = f" And {len(found) - 3} more, below." if len(found) > 3 else ""
            said.append(f"{head}{'. '.join(found[:3])}.{rest}")
    if not said and any(one.severity != audit.UNCHECKED for one in study.findings):
        said.append("No check of the results found a fault or a doubt.")
    return said
