"""The questions that a study asks, fixed by its file before it runs, and what its runs answer.

Two are confirmatory: does what is compared matter, and does its effect depend on what it is
compared within? Both are about one response, the energy by the best instrument that all runs have.
All else that a report says is description.
"""

import math
from dataclasses import asdict, dataclass, replace

import pandas as pd

from lib.analysis import audit, design, uncertainty, variants
from lib.analysis.design import Design
from lib.quantities import word
from lib.stats import ALPHA, multitest, power
from lib.stats.model import LogModel
from lib.stats.observations import Observations
from lib.stats.pairs import ALIKE, DIFFERS, NOT_DECIDED, Pair, pairs
from lib.stats.permutation import permutation_test
from lib.study.study import Study

CANT_SHOW = "this design can't show it"
VERDICTS = (DIFFERS, ALIKE, NOT_DECIDED, CANT_SHOW)

RESPONSES = ("wattmeter_energy", "energy_consumed")
"""Energy of the whole machine, in the order in which its instruments are believed."""

EFFECT, INTERACTION = "effect", "interaction"


@dataclass(frozen=True)
class Question:
    """One confirmatory question and its answer."""

    # `EFFECT`: does what is compared matter; `INTERACTION`: does its effect depend on the context
    name: str
    test: str  # how it was tested
    statistic: float = math.nan  # sum of H, or F
    p: float = math.nan  # of the test
    p_holm: float = math.nan  # p adjusted for the number of questions that could be asked
    smallest_p: float = math.nan  # the least p that this design could give
    verdict: str | None = None  # of `VERDICTS`; None while runs are missing, or nothing was asked
    reason: str | None = None  # why there is no p; None where there is


@dataclass(frozen=True)
class Answer:
    """What the runs of a study say to its questions."""

    design: Design  # the columns that the questions are about
    response: str  # the column of the one primary response
    n: int  # runs that have it
    effect: Question  # the first
    interaction: Question  # the second
    pairs: tuple[Pair, ...] = ()  # every two levels that are compared, in each context
    spread: float = math.nan  # among repetitions: standard deviation of the logs
    df: int = 0  # its degrees of freedom
    is_final: bool = True  # whether all planned runs are in; before, there are no p and no verdicts
    confounded: tuple[str, ...] = ()  # what stands in the way of any answer, a sentence each

    @property
    def reach(self) -> float:
        """How far the scatter lets the least precise ratio be off, see `Pair.precision`; NaN if
        one is missing.
        """
        reaches = [pair.precision for pair in self.pairs]
        return max(reaches) if reaches and not any(map(math.isnan, reaches)) else math.nan

    def verdict(self, pair: Pair) -> str:
        """What can be said of a pair: none differs where it was not shown that any does."""
        if pair.verdict == ALIKE or self.effect.verdict == DIFFERS:
            return pair.verdict
        return CANT_SHOW if self.effect.verdict == CANT_SHOW else NOT_DECIDED

    def repetitions_for(self, target: float) -> int | None:
        """Repetitions of each that bring every pair's precision to `target`; None where nothing
        tells.
        """
        if not self.df or not self.spread > 0 or not self.pairs:
            return None
        upper = power.upper_sd(self.spread, self.df)
        return power.repetitions_for(target, upper, len(self.pairs))


def answer(runs: pd.DataFrame, study: Study | None, *, is_final: bool = True) -> Answer:
    """Answer a study's questions by its completed runs; `is_final` if all that are planned are."""
    runs = variants.named(runs, study)
    asked = design.of(runs, study)
    response = primary_response(runs)
    if not asked.compared or response not in runs:
        reason = "nothing was varied" if not asked.compared else "no run has an energy"
        spread = math.nan, 0
        if response in runs:  # all are repetitions of one
            same = runs.assign(_compared="all")
            alike = Observations.of(same, response, "_compared", place=asked.place)
            spread = _spread(LogModel(alike))
        return Answer(asked, response, len(runs), *_unanswered(reason), (), *spread, is_final)
    observed = asked.observations(runs, response)
    model = LogModel(observed)
    cells = list(zip(asked.contexts(runs), asked.levels(runs), strict=True))
    known = uncertainty.known(runs, cells, response, study.calibration if study else None)
    found = [
        uncertainty.judged(
            pair, *(known.get((pair.context, level), {}) for level in (pair.first, pair.second))
        )
        for pair in pairs(model, margin=asked.margin, reference=asked.reference)
    ]
    effect, interaction = _tested(model) if is_final else _unanswered("no p before all runs are in")
    if effect.verdict == NOT_DECIDED and found and all(one.verdict == ALIKE for one in found):
        effect = replace(effect, verdict=ALIKE)
    return Answer(
        *(asked, response, len(observed), effect, interaction, tuple(found)),
        *_spread(model),
        is_final,
        audit.confounders(runs[runs[response].notna()], study),
    )


def primary_response(runs: pd.DataFrame) -> str:
    """The energy by the best instrument that all runs have which have any energy."""
    known = [name for name in RESPONSES if name in runs and runs[name].notna().any()]
    if not known:
        return RESPONSES[-1]
    any_energy = runs[known].notna().any(axis=1)
    complete = (name for name in known if runs.loc[any_energy, name].notna().all())
    return next(complete, known[-1])


def _tested(model: LogModel) -> tuple[Question, Question]:
    observed = model.observations
    found = permutation_test(observed.response, observed.compared.codes, observed.strata)
    depends = model.interaction
    # Where one level scatters five times as much as others, as large a sum of ranks comes by chance
    # in 7 to 11 % of studies, see `benchmarks/calibration.py`; the model allows for that.
    modelled = model.effect.p_unequal
    tests = [
        Question(
            EFFECT,
            "permutation within strata" + (", exact" if found.exact else ""),
            found.statistic,
            found.p if math.isnan(modelled) else max(found.p, modelled),
            smallest_p=found.smallest_p,
            reason=found.reason,
        ),
        Question(INTERACTION, "log model", depends.f, depends.p_unequal, reason=depends.reason),
    ]
    adjusted = multitest.holm(one.p for one in tests)
    effect, interaction = (
        replace(one, p_holm=float(p_holm), verdict=_verdict(one, float(p_holm)))
        for one, p_holm in zip(tests, adjusted, strict=True)
    )
    return effect, interaction


def _verdict(question: Question, p_holm: float) -> str | None:
    if math.isnan(p_holm):
        return CANT_SHOW if question.name == EFFECT else None
    if p_holm < ALPHA:
        return DIFFERS
    # Of two questions only the smaller p counts twice, which may be the other's.
    return CANT_SHOW if question.smallest_p >= ALPHA else NOT_DECIDED


def _unanswered(reason: str) -> tuple[Question, Question]:
    return Question(EFFECT, "", reason=reason), Question(INTERACTION, "", reason=reason)


def _spread(model: LogModel) -> tuple[float, int]:
    """Standard deviation of the logs among repetitions, and its degrees of freedom."""
    several = len(model.observations) > 1
    return (model.residual_sd, model.df_residual) if several else (math.nan, 0)


def to_frame(answered: Answer) -> pd.DataFrame:
    """One row a pair: its context, the two, how many times as much, and what can be said."""
    rows = []
    for pair in answered.pairs:
        tested = {"p": pair.p, "p_holm": pair.p_holm, "verdict": answered.verdict(pair)}
        rows.append(
            {
                **dict(zip(answered.design.context, pair.context, strict=True)),
                "first": pair.first,
                "second": pair.second,
                "n_first": pair.n[0],
                "n_second": pair.n[1],
                "ratio": pair.ratio,
                "ratio_low": pair.low,
                "ratio_high": pair.high,
                **(tested if answered.is_final else {}),
                "reason": pair.reason,
            }
        )
    return pd.DataFrame(rows)


def questions_frame(answered: Answer) -> pd.DataFrame:
    """One row a confirmatory question."""
    compared = " and ".join(map(word, answered.design.compared)) or "nothing"
    context = " and ".join(map(word, answered.design.context))
    columns = ["verdict", "p_holm", "p", "smallest_p", "test", "statistic", "reason"]
    frame = pd.DataFrame(map(asdict, (answered.effect, answered.interaction)), columns=columns)
    asked = [
        f"Does the energy depend on the {compared}?",
        f"Does the effect of the {compared} depend on the {context}?",
    ]
    return pd.DataFrame({"question": asked}).join(frame)
