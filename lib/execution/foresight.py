"""What a study will be able to show, and what it will take, before a joule is spent."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from lib import records
from lib.analysis import design, results, variants
from lib.execution.forecast import cell
from lib.stats import ALPHA, power
from lib.stats.observations import Observations
from lib.study.config import RunFields
from lib.study.errors import StudyError
from lib.study.sections import Precision
from lib.study.study import Study
from lib.text import duration, energy, listed

ASSUMED = 0.05  # relative spread among repetitions where none was measured


def sentences(
    study: Study, runs: Sequence[RunFields], study_dir: Path, like: Path | None = None
) -> Iterator[str]:
    """What the design can show about each question, and what it will take.

    The spread is that of the study in the folder `like`, else that of the results so far. Of a
    study that goes on until it is precise, `runs` are the fewest.
    """
    frame = pd.DataFrame([run.recorded for run in runs])
    frame = variants.named(frame.assign(status="completed", response=1.0), study)
    asked = design.of(frame, study)
    if asked.compared:
        yield from _power(study, asked, asked.observations(frame, "response"), study_dir, like)
    else:
        yield "Nothing is compared: these runs will show how much repetitions vary."
    yield _cost(runs, study_dir.parent)


def _power(
    study: Study, asked: design.Design, planned: Observations, study_dir: Path, like: Path | None
) -> Iterator[str]:
    cv, source = _spread(study_dir, like)
    depends = power.interaction(planned, cv, ALPHA / 2) if len(planned.context) > 1 else None
    # A question that can't be tested takes no share of the other's level.
    alpha = ALPHA / 2 if depends and depends.smallest_p < 1 else ALPHA
    compared, context = listed(asked.compared), listed(asked.context)
    does, its = ("does", "its") if len(asked.compared) == 1 else ("do", "their")
    yield f"At a spread of {100 * cv:.2g} % among repetitions ({source}):"
    matter, found = f"{does} {compared} matter", power.effect(planned, cv, alpha)
    if alpha <= found.smallest_p < ALPHA:
        yield (
            f"- {matter}? This design can show it only together with the next: smallest p "
            f"{found.smallest_p:.2g}, and of two questions the first to be shown needs one below "
            f"{alpha:.2g}"
        )
    else:
        yield _shown(matter, found, "the largest is above the smallest by")
    if depends:
        question = f"does {its} effect depend on the {context}"
        how = "one combination stands out by"
        yield _shown(question, depends, how)
    if isinstance(study.repetitions, Precision):
        rule = study.repetitions
        yield (
            f"- it runs {rule.at_least} to at most {rule.at_most} repetitions, until every "
            f"ratio is known to ± {100 * rule.precision:.3g} % by the runs' scatter"
        )


def _shown(question: str, found: power.Detectable, how: str) -> str:
    least = f"smallest p {found.smallest_p:.2g}; " if found.smallest_p else ""
    if math.isnan(found.ratio):
        return f"- {question}? This design can't show it: {least}{found.reason}"
    return (
        f"- {question}? {least[:1].upper()}{least[1:]}{100 * power.POWER:.0f} % of such studies "
        f"would find it where {how} {100 * (found.ratio - 1):.2g} % or more"
    )


def _spread(study_dir: Path, like: Path | None) -> tuple[float, str]:
    """The relative spread to reckon with, and where it comes from."""
    try:
        found = results.load(like or study_dir).answer
    except results.NoResultsError:
        if like is not None:
            raise
        return ASSUMED, "assumed, because nothing was measured"
    if found.df and found.spread > 0:
        runs = f"that of {like}," if like else "that of the runs so far,"
        return power.upper_sd(found.spread, found.df), f"{runs} upper 80 % limit of {found.n} runs"
    if like is not None:
        raise StudyError([f"{like}: its runs show no spread; without repetitions none does"])
    return ASSUMED, "assumed, because the runs so far show none"


def _cost(runs: Sequence[RunFields], outputs: Path) -> str:
    """Hours and kWh, from runs of the same configurations that this machine measured before."""
    before = _measured(outputs)
    known = [before[one] for run in runs if (one := cell(run.recorded)) in before]
    if not known:
        return "How long it will take, and how much energy, is unknown: nothing like it ran here."
    share = len(runs) / len(known)
    took, used = (share * sum(figures) for figures in zip(*known, strict=True))
    guess = "" if share == 1 else ", estimated from those that ran here before"
    what, trainings = f"All {len(runs)} runs", "their trainings"
    if len(runs) == 1:
        what, trainings = "The run", "its training"
    return f"{what} will take about {duration(took)}, and {trainings} {energy(used)}{guess}."


def _measured(outputs: Path) -> dict[str, tuple[float, float]]:
    """Mean seconds and kWh of the completed runs under `outputs`, by configuration."""
    rows = []
    for path in outputs.glob("*/runs/*/run.json"):
        try:
            record = records.read(path)
        except (OSError, ValueError):
            continue
        span = record.span(whole=True)
        if record.status == "completed" and span is not None:
            took = span[1] - span[0]
            rows.append((cell(record.config), took, record.energy_consumed))
    means = pd.DataFrame(rows, columns=["cell", "seconds", "kwh"]).groupby("cell").mean()
    return {cell: (row["seconds"], row["kwh"]) for cell, row in means.fillna(0.0).iterrows()}
