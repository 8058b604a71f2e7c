"""What is uncertain about a figure, combined: an uncertainty budget and its Monte Carlo.

After JCGM 101:2008 (Evaluation of measurement data: propagation of distributions using a Monte
Carlo method), because many sources are asymmetric. Draws are seeded and stratified, so that the
same budget gives the same limits everywhere.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from lib.stats import ALPHA

_LIMITS = (ALPHA / 2, 1 - ALPHA / 2)
_QUANTILES = (_LIMITS[0], 0.5, _LIMITS[1])
TRIALS = 20_000
SEED = 20_231
MOST_KEPT = 500  # arrays of draws, 160 kB each, that are remembered
MOST_GAINS = 50  # sets of such arrays, one for each part of a figure, that are remembered

MACHINE, CONFIGURATION, RUN = "machine", "configuration", "run"
LEVELS = (MACHINE, CONFIGURATION, RUN)
"""What an error is common to: all runs of a machine, those of a configuration on it, one run."""

_FARTHEST = 300.0  # of a logarithm: a t with one degree of freedom goes past what a float can hold

Shape = Literal["normal", "t", "rectangular", "triangular"]


@dataclass(frozen=True)
class Law:
    """A probability distribution."""

    shape: Shape
    centre: float  # its median
    # Standard deviation of a normal distribution, scale of a t, half the width of a rectangular or
    # triangular one. With `log`, the factor that this is, above 1.
    spread: float
    dof: float | None = None  # degrees of freedom of a t distribution
    log: bool = False  # whether the logarithm is distributed so, as for a lognormal distribution

    def at(self, probability: NDArray | float) -> NDArray | float:
        """The quantile of each probability."""
        return self.of_unit(_UNIT[self.shape](probability, self.dof))

    def of_unit(self, unit: NDArray | float) -> NDArray | float:
        """What values of the unit distribution of this shape are: around 0, of spread 1."""
        if self.log:
            return self.centre * np.exp(np.clip(np.log(self.spread) * unit, -_FARTHEST, _FARTHEST))
        return self.centre + self.spread * unit

    def __str__(self) -> str:
        """In words: 't, 16 degrees of freedom, median 1, scale 0.045'."""
        name = {("normal", True): "lognormal", ("rectangular", True): "log-uniform"}.get(
            (self.shape, self.log), f"log-{self.shape}" if self.log else self.shape
        )
        dof = f", {self.dof:g} degrees of freedom" if self.dof else ""
        if self.shape in ("rectangular", "triangular"):
            low, high = self.at(0.0), self.at(1.0)
            return f"{name}, {low:.3g} to {high:.3g}"
        what = "geometric SD" if self.log else ("scale" if self.dof else "SD")
        return f"{name}{dof}, median {self.centre:.3g}, {what} {self.spread:.3g}"


_UNIT: dict[Shape, Callable[[NDArray | float, float | None], NDArray | float]] = {
    "normal": lambda p, _: scipy.special.ndtri(p),
    "t": lambda p, dof: scipy.special.stdtrit(dof, p),
    "rectangular": lambda p, _: 2 * np.asarray(p) - 1,
    "triangular": lambda p, _: np.where(
        np.asarray(p) < 0.5, np.sqrt(2 * p) - 1, 1 - np.sqrt(2 * (1 - p))
    ),
}
"""Quantiles of the distribution of each shape that is around 0 and of spread 1."""

normal = partial(Law, "normal")  # with this mean and standard deviation
t = partial(Law, "t")  # Student's, moved to a centre and scaled, with degrees of freedom

triangular = partial(Law, "triangular", 0.0)
"""Around 0, with this half-width: the sum of two alike rectangular errors."""

lognormal = partial(Law, "normal", log=True)  # with this median and geometric standard deviation


def log_t(spread: float, dof: float) -> Law:
    """A factor around 1, which is above 0: its logarithm is Student's t with this scale."""
    return Law("t", 1.0, float(np.exp(spread)), dof, log=True)


def rectangular(low: float, high: float) -> Law:
    """All values between two limits alike."""
    return Law("rectangular", (low + high) / 2, (high - low) / 2)


def loguniform(low: float, high: float) -> Law:
    """All orders of magnitude between two limits alike."""
    return Law("rectangular", (low * high) ** 0.5, (high / low) ** 0.5, log=True)


Parts = str | tuple[str, ...] | None
"""What of a figure a source concerns: "cpu" is "cpu" and "cpu, at idle". None: all of it."""

Name = tuple[str, Parts]  # of a source: its name and what it concerns


@dataclass(frozen=True)
class Source:
    """One thing that makes a figure uncertain."""

    name: str  # for people
    part: Parts  # that it concerns, all of them with the same error
    # distribution of the factor from what is reported to what is true; of an error that `adds`,
    # distribution of what is to be added, in the figure's unit
    law: Law
    level: str  # one of `LEVELS`
    basis: str  # what the distribution rests on
    remedy: str = ""  # what would make it smaller
    adds: bool = False  # whether it adds to the part, rather than multiply it

    @property
    def key(self) -> Name:
        """What tells it from other sources of the same budget."""
        return self.name, self.part

    @property
    def median(self) -> float:
        """Its error, where it is not what is asked for."""
        return float(self.law.at(0.5))

    def concerns(self, part: str) -> bool:
        """Whether a part is uncertain by it."""
        parts = (self.part,) if isinstance(self.part, str) else self.part
        return parts is None or any(part == one or part.startswith(f"{one}, ") for one in parts)


@dataclass(frozen=True)
class Budget:
    """A figure, its parts and what is uncertain about each."""

    value: float  # as reported
    # what is summed, known biases corrected; a part that is subtracted is negative
    parts: Mapping[str, float]
    sources: tuple[Source, ...]  # what is uncertain
    # By level: which machine, configuration or run this is. Figures that share a scope share the
    # errors of that level.
    scopes: Mapping[str, Hashable] = field(default_factory=dict)


def _draws(source: Source, scope: Hashable) -> NDArray:
    """Seeded draws from the distribution of a source, shape (TRIALS,).

    The same source in the same scope is drawn once, so that its error is the same wherever it
    enters and cancels where it can. Draws depend on source and scope, not on the order of calls.
    """
    law, key = source.law, repr((scope, source.level, *source.key))
    return np.asarray(law.of_unit(_drawn(law.shape, law.dof, key)))


@lru_cache(maxsize=MOST_KEPT)
def _drawn(shape: Shape, dof: float | None, key: str) -> NDArray:
    """One draw from each of `TRIALS` equally likely strata (Latin hypercube)."""
    digest = hashlib.sha256(key.encode()).digest()
    rng = np.random.default_rng([SEED, *digest[:8]])
    at = (rng.permutation(TRIALS) + rng.random(TRIALS)) / TRIALS
    return np.asarray(_UNIT[shape](at, dof))


def possible(budget: Budget, levels: Collection[str] = LEVELS, only: Name | None = None) -> NDArray:
    """What the true value may be, shape (TRIALS,).

    Sources of other `levels` are held at their medians, and so are all but `only` this one.
    """
    common: list[tuple[Source, Hashable]] = []
    errors: list[tuple[Source, Any]] = []
    for one in budget.sources:
        if one.level not in levels or only not in (None, one.key):
            errors.append((one, one.median))
        elif one.level == RUN or one.adds:
            errors.append((one, _draws(one, budget.scopes.get(one.level))))
        else:
            common.append((one, budget.scopes.get(one.level)))
    gains = _gains(tuple(budget.parts), tuple(common))
    parts = {name: value * gains[name] for name, value in budget.parts.items()}
    return np.broadcast_to(_true(parts, errors), TRIALS)


@lru_cache(maxsize=MOST_GAINS)
def _gains(
    names: tuple[str, ...], sources: tuple[tuple[Source, Hashable], ...]
) -> Mapping[str, Any]:
    """Draws of what each part is multiplied by: the same for most figures of a machine."""
    ones = dict.fromkeys(names, 1.0)
    return _multiplied(ones, [(one, _draws(one, scope)) for one, scope in sources])[0]


def _true(parts: Mapping[str, Any], errors: Iterable[tuple[Source, Any]]) -> Any:
    """The value of a figure if each source has this error."""
    multiplied, added = _multiplied(parts, errors)
    return sum(multiplied.values()) + added


def _multiplied(
    parts: Mapping[str, Any], errors: Iterable[tuple[Source, Any]]
) -> tuple[dict[str, Any], Any]:
    """The parts with the errors that multiply them, and the sum of those that add."""
    found, added = dict(parts), 0.0
    for source, error in errors:
        if source.adds:
            added = added + error
            continue
        for name in found:
            if source.concerns(name):
                found[name] = found[name] * error
    return found, added


@dataclass(frozen=True)
class Line:
    """One source's part in an uncertainty."""

    source: Source
    low: float  # 2.5 % quantile of the figure, if only this source is uncertain
    high: float  # 97.5 % quantile
    # Of the uncertainty, 0 to 1: the square of its own 95 % interval's width over the sum of those
    # of all sources. (Variances would let the far tail of one decide.)
    share: float


@dataclass(frozen=True)
class Uncertainty:
    """What a budget comes to, in the unit of its figure."""

    value: float  # as reported
    estimate: float  # median of what the true value may be: `value` with known biases corrected
    low: float  # 2.5 % quantile
    high: float  # 97.5 % quantile
    lines: tuple[Line, ...]  # of every source, the largest first

    @property
    def largest(self) -> Line | None:
        """The source that matters most; None where nothing is uncertain."""
        return self.lines[0] if self.lines and self.lines[0].share > 0 else None


def combine(budget: Budget) -> Uncertainty:
    """Combine the sources of a budget."""
    whole = possible(dataclasses.replace(budget, scopes={}))
    low, middle, high = _quantiles(whole, _QUANTILES)
    errors = [(one, np.full((len(budget.sources), 2), one.median)) for one in budget.sources]
    for place, (source, error) in enumerate(errors):  # in each of which a figure is linear
        error[place] = source.law.at(np.array(_LIMITS))
    ends = [*zip(budget.sources, _true(budget.parts, errors), strict=True)] if errors else []
    return Uncertainty(budget.value, middle, low, high, _lines(ends))


@dataclass(frozen=True)
class Comparison:
    """How far the ratio of two figures may be off for what their sources have not in common."""

    low: float  # 2.5 % quantile of ln(true ratio / reported ratio)
    middle: float  # its median, which is not 0 where a known bias concerns the two differently
    high: float  # 97.5 % quantile
    lines: tuple[Line, ...] = ()  # of the sources that matter, the largest first; limits as above

    @property
    def limits(self) -> tuple[float, float, float]:
        """Low, middle and high."""
        return self.low, self.middle, self.high


def compare(a: Sequence[Budget], b: Sequence[Budget], *, itemised: bool = False) -> Comparison:
    """How far the ratio a / b of geometric means may be off, beyond what repetitions show.

    Errors of a machine that both have are the same in both; those of single runs are left out,
    because the scatter between repetitions shows them.

    Scopes of the budgets say which machine and configuration each run is of. What each source
    contributes is only said of an `itemised` comparison, for it takes a moment for each.
    """
    low, middle, high = _quantiles(_log_ratio(a, b), _QUANTILES)
    if not itemised:
        return Comparison(low, middle, high)
    sources = {one.key: one for run in (*a, *b) for one in run.sources if one.level != RUN}
    ends = [(one, _quantiles(_log_ratio(a, b, key), _LIMITS)) for key, one in sources.items()]
    return Comparison(low, middle, high, _lines(ends))


def _log_ratio(a: Sequence[Budget], b: Sequence[Budget], only: Name | None = None) -> NDArray:
    def off(budget: Budget) -> NDArray:
        values = possible(budget, (MACHINE, CONFIGURATION), only)
        # It can't be 0 or less, whatever a normal error says.
        return np.log(np.maximum(values, 1e-3 * abs(budget.value)) / budget.value)

    above, below = (np.mean([off(one) for one in budgets], axis=0) for budgets in (a, b))
    return above - below


def _quantiles(values: NDArray, probabilities: Sequence[float]) -> list[float]:
    """As `np.quantile`, which takes five times as long for as many values as there are trials."""
    places = np.arange(values.size) / (values.size - 1)
    return np.interp(probabilities, places, np.sort(values)).tolist()


def _lines(ends: Sequence[tuple[Source, Any]]) -> tuple[Line, ...]:
    """From what each source alone does to the limits."""
    squares = [float(np.ptp(limits)) ** 2 for _, limits in ends]
    total = sum(squares) or 1.0
    lines = [
        Line(source, float(min(limits)), float(max(limits)), square / total)
        for (source, limits), square in zip(ends, squares, strict=True)
    ]
    return tuple(sorted(lines, key=lambda line: -line.share))
