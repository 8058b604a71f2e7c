"""What a study compares, within what: the columns of its results that its questions are about."""

from dataclasses import dataclass, replace

import pandas as pd

from lib.analysis import variants
from lib.analysis.variants import texts, together
from lib.stats.observations import Observations
from lib.study.config import Use, names
from lib.study.study import VARIANT, Study

PLACES = ("machine", "location")  # runs of different ones are never compared with each other


@dataclass(frozen=True)
class Design:
    """The columns of a study's questions."""

    compared: tuple[str, ...] = ()  # columns whose combinations are compared; () if nothing varies
    context: tuple[str, ...] = ()  # columns of the factors that they are compared within
    place: tuple[str, ...] = ()  # columns of machine and location, where there are several
    block: str | None = None  # the column of repetitions, where each was over before the next began
    margin: float | None = None  # up to which share two levels count as alike; None: not said
    reference: str | None = None  # level that others are set against; None: every two are compared

    def observations(self, runs: pd.DataFrame, response: str) -> Observations:
        """The runs that have a response, as the statistics take them."""
        rows = runs.assign(**{column: texts(runs[column]) for column in self.columns})
        rows = rows.assign(_compared=self.levels(runs))
        return Observations.of(
            rows, response, "_compared", context=self.context, place=self.place, block=self.block
        )

    def levels(self, runs: pd.DataFrame) -> pd.Series:
        """What is compared, as text: `VGG16`, or `VGG16, head: linear`."""
        return together(texts(runs[column]) for column in self.compared)

    def contexts(self, runs: pd.DataFrame) -> list[tuple[str, ...]]:
        """Of each run what it is compared within, as text."""
        columns = [texts(runs[column]) for column in self.context]
        return list(zip(*columns, strict=True)) if columns else [()] * len(runs)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of everything that tells configurations apart."""
        return (*self.compared, *self.context, *self.place)


def of(runs: pd.DataFrame, study: Study | None) -> Design:
    """Read the design off the runs, and off what the study says of it.

    Where there is none, or none with factors, as of runs that were read from elsewhere, the
    architecture is compared, or else the first thing that varies.
    """
    margin = study.margin if study else None
    place = tuple(name for name in PLACES if name in runs and runs[name].nunique() > 1)
    varied = _varied(runs, study)
    compared = study.compared if study else None
    if study and compared == VARIANT and VARIANT in runs:
        first = variants.first_architecture(runs, study)
        by = tuple(name for name in ("architecture", VARIANT) if name in varied or name == VARIANT)
        context = tuple(name for name in varied if name in study.factors and name not in by)
        reference = ", ".join([first, variants.REFERENCE][-len(by) :])
        asked = Design(by, context, place, _block(runs, place), margin, reference)
        return asked if reference in set(asked.levels(runs)) else replace(asked, reference=None)
    if compared not in varied:
        compared = next(iter(varied), None)
    if compared is None:
        return Design(place=place, margin=margin)
    context = tuple(name for name in varied if name != compared)
    return Design((compared,), context, place, _block(runs, place), margin)


def _varied(runs: pd.DataFrame, study: Study | None) -> list[str]:
    """Fields of a configuration that have several values, but those that another one implies."""
    # A notebook of one's own has fields that only its study names.
    named = [*study.factors, *(name for one in study.variants for name in one)] if study else []
    apart = (*names(Use.REPETITION), *PLACES)
    said = dict.fromkeys([*names(Use.CONFIGURATION), *named])
    fields = [name for name in said if name in runs and name not in apart]
    columns = {name: texts(runs[name]) for name in fields}
    several = [name for name in fields if columns[name].nunique() > 1]
    main = [name for name in several if name in ("architecture", "dataset")]
    # Others may be implied: the weights of an architecture, the image size of a dataset.
    within = [columns[name] for name in main]
    others = [name for name in several if name not in main]
    return main + [
        name
        for name in others
        if not main or not (columns[name].groupby(within).nunique() == 1).all()
    ]


def _block(runs: pd.DataFrame, place: tuple[str, ...]) -> str | None:
    """The column `repetition`, if in every place each had begun before the next one did."""
    if not {"repetition", "started_at"} <= set(runs) or runs["started_at"].isna().any():
        return None
    if runs["repetition"].nunique() < 2:
        return None
    started = pd.to_datetime(runs["started_at"], utc=True, format="ISO8601", errors="coerce")
    begun = started.groupby([runs[name] for name in (*place, "repetition")], dropna=False)
    times = pd.DataFrame({"min": begun.min(), "max": begun.max()})
    for _, part in times.groupby([*place], dropna=False) if place else [((), times)]:
        if (part["max"].iloc[:-1].to_numpy() > part["min"].iloc[1:].to_numpy()).any():
            return None
    return "repetition"
