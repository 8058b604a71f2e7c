"""What a study says in sentences besides its answer, each computed from its results."""

import pandas as pd

from lib import text
from lib.analysis import instrument_pairs, savings, variants
from lib.analysis.results import Analysis
from lib.quantities import ordered, within
from lib.report import budgets
from lib.report.page import Prose
from lib.study.sections import Order


def design(study: Analysis) -> Prose:
    """Which runs were planned and in which order, which there are, and what was left out."""
    results, completed = study.results, study.completed
    networks = text.listed(ordered(results["architecture"]))
    most = int(results.groupby(study.configuration, dropna=False).size().max())
    of = f" of {len(study.planned)} planned" if study.planned else ""
    sentences = [
        f"{networks} {'was' if results['architecture'].nunique() == 1 else 'were'} trained"
        f"{within(text.listed(ordered(results['dataset'])))}, "
        f"{'once' if most == 1 else f'up to {most} times'} each; {len(completed)}{of} "
        f"{'run is' if len(completed) == 1 else 'runs are'} complete. {_order(study)}"
    ]
    if variants.COLUMN in results:
        names = ordered(results[variants.COLUMN])
        sentences.append(f"They come in {len(names)} variants: {'; '.join(names)}.")
    failed = results[results["status"] == "failed"]["run_id"]
    if len(failed):
        sentences.append(f"{text.runs(len(failed))} failed: {text.first(failed, most=10)}.")
    if study.missing:
        sentences.append(f"Still to run: {text.first(study.missing, most=10)}.")
    if len(study.treatments) > 1:
        sentences.append(
            f"The same measurements are treated in {len(study.treatments)} ways: "
            f"{text.listed(study.treatments)}."
        )
    weights = set(results.get("weights", pd.Series(dtype=str)).dropna())
    if "none" in weights:
        sentences.append(
            "Networks start from random weights (weights: none), so their accuracy says little "
            "about what the architectures can do; a step takes as much energy as with trained ones."
        )
    if study.imported:
        sentences += [f"Skipped: {row}." for row in study.imported.skipped]
        sentences += study.imported.notes
    return Prose((*sentences, *study.unusable))


def _order(study: Analysis) -> str:
    if not study.planned:
        return "They were measured elsewhere and imported."
    order = study.settings.order if study.settings else Order(shuffle=False)
    how = f"shuffled with seed {order.seed}" if order.shuffle else "as the study file lists them"
    return f"Their order was {how} and is fixed in plan.csv."


def agreed(study: Analysis) -> Prose:
    """How the instruments agree, a paragraph for each pair."""
    return Prose(tuple(map(instrument_pairs.in_words, study.agreements)))


def uncertain(study: Analysis) -> Prose:
    """What the energies are of, how far the worst may be off, and what that is mostly due to."""
    found = list(study.energy_limits.values())
    if not found:
        return Prose((budgets.NOTHING,))
    _, column = study.best_energy
    what = (
        "The energies are those of the whole machine, measured by a wattmeter at the plug."
        if column == "wattmeter_energy"
        else "The energies are those of the components that were read: processor, GPU and memory. "
        "The rest of the machine and the losses of its power supply are not included."
    )
    worst = max(found, key=lambda one: (one.high - one.low) / abs(one.value))
    said = (
        "The least certain mean is "
        f"{text.with_limits(worst.value, worst.low, worst.high, column)}, 95 % limits in brackets."
    )
    if (line := worst.largest) is not None:
        said += f" {_portion(line.share)} of that is due to {line.source.name}; "
        said += f"{line.source.remedy} would reduce it."
    return Prose((what, said))


def _portion(share: float) -> str:
    """A share in words: 0.74 as 'Three quarters'."""
    words = {0.25: "A quarter", 1 / 3: "A third", 0.5: "Half", 2 / 3: "Two thirds"}
    words |= {0.75: "Three quarters", 0.9: "Nine tenths", 1.0: "Nearly all"}
    return words[min(words, key=lambda known: abs(known - share))]


def varied(study: Analysis) -> Prose:
    """Every option that the study varied, and what it changes in the mathematics."""
    if variants.COLUMN not in study.completed:
        return Prose(())
    return Prose(tuple(savings.explained(study.variants, study.completed)), kind="ul")
