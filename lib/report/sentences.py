"""What a study says in sentences beside its answer, each computed from its results."""

from __future__ import annotations

import pandas as pd

from lib import text
from lib.analysis import instrument_pairs, savings, variants
from lib.analysis.results import Analysis
from lib.quantities import ordered
from lib.report.page import Prose
from lib.study.sections import Order


def design(study: Analysis) -> Prose:
    """Which runs were planned and in which order, which there are, and what was left out."""
    results, completed = study.results, study.completed
    networks = text.listed(ordered(results["architecture"]))
    most = int(results.groupby(study.configuration, dropna=False).size().max())
    of = f" of {len(study.planned)} planned" if study.planned else ""
    sentences = [
        f"{networks} were trained on {text.listed(ordered(results['dataset']))}, "
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
            "about what the architectures can do; their energy is that of the same arithmetic."
        )
    if study.settings is not None and (imported := study.settings.imported):
        sentences += [*(f"Skipped: {row}." for row in imported.skipped), *imported.notes]
    return Prose((*sentences, *study.unusable))


def _order(study: Analysis) -> str:
    if not study.planned:
        return "They were measured elsewhere and imported."
    order = study.settings.order if study.settings else Order(shuffle=False)
    how = f"shuffled with seed {order.seed}" if order.shuffle else "as the study file lists them"
    return f"Their order was {how}, and frozen in plan.csv."


def agreed(study: Analysis) -> Prose:
    """How the instruments agree, a paragraph for each pair."""
    found = map(instrument_pairs.agreement, study.pairs)
    return Prose(tuple(instrument_pairs.in_words(one) for one in found))


def varied(study: Analysis) -> Prose:
    """Every option that the study varied, and what it changes in the mathematics."""
    if variants.COLUMN not in study.completed:
        return Prose(())
    return Prose(tuple(savings.explained(study.variants, study.completed)), kind="ul")
