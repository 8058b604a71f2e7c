"""What a batch will still take, from what has been measured: seconds and kWh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from lib.records.progress import Progress
from lib.study.config import RunFields, Use

Cell = str


@dataclass(frozen=True)
class Left:
    """What is still to come, None before anything is known.

    Attributes:
        seconds: Until the last run ends.
        energy: kWh that the trainings will take.
    """

    seconds: float | None = None
    energy: float | None = None


@dataclass(frozen=True)
class Underway:
    """A run that is being executed: its configuration, seconds since its start, its progress."""

    config: RunFields
    elapsed: float
    progress: Progress


class Forecast:
    """Expects of every run the mean of its repetitions that ended.

    Before one of these has ended it is the mean of all that ended, and before any has, what the
    progress of the runs under way promises.
    """

    def __init__(self, runs: Iterable[RunFields]):
        self._waiting = Counter(cell(run) for run in runs)
        self._seconds, self._energy = _Means(), _Means()

    def begin(self, config: RunFields) -> None:
        """A run starts: it no longer waits."""
        self._waiting[cell(config)] -= 1

    def end(self, config: RunFields, seconds: float, energy: float | None) -> None:
        """Learn from a run that has ended; of a failed one `energy` (kWh) is None."""
        self._seconds.add(cell(config), seconds)
        if energy is not None:
            self._energy.add(cell(config), energy)

    def left(self, underway: Iterable[Underway], at_once: int = 1) -> Left:
        """What is still to come.

        Args:
            underway: The runs that are being executed.
            at_once: How many runs are executed beside each other.
        """
        now = [(cell(run.config), run) for run in underway]
        seconds = [(cell, run.elapsed, _promised(run)) for cell, run in now]
        spent = [(cell, run.progress.energy_consumed or 0.0, run.progress) for cell, run in now]
        energy = [(c, kwh, kwh / at.fraction if at.fraction else None) for c, kwh, at in spent]
        total = self._left(self._seconds, seconds)
        return Left(
            None if total is None else total / at_once,
            self._left(self._energy, energy),
        )

    def _left(
        self, means: _Means, underway: Iterable[tuple[Cell, float, float | None]]
    ) -> float | None:
        rest, wholes = 0.0, []
        for cell, so_far, promised in underway:
            whole = means.of(cell)
            if whole is None or so_far > whole:
                whole = promised or whole
            if whole is None:
                return None
            wholes.append(whole)
            rest += max(whole - so_far, 0)
        guess = sum(wholes) / len(wholes) if wholes else None
        for cell, count in (+self._waiting).items():
            expected = means.of(cell)
            expected = guess if expected is None else expected
            if expected is None:
                return None
            rest += count * expected
        return rest


@dataclass
class _Means:
    """Sums and counts, of each cell and of all: looked up four times a second beside a training."""

    cells: dict[Cell, tuple[float, int]] = field(default_factory=dict)
    all: tuple[float, int] = (0.0, 0)

    def add(self, cell: Cell, value: float) -> None:
        total, count = self.cells.get(cell, (0.0, 0))
        self.cells[cell] = total + value, count + 1
        self.all = self.all[0] + value, self.all[1] + 1

    def of(self, cell: Cell) -> float | None:
        """The mean of the cell, else of everything, else None."""
        total, count = self.cells.get(cell, self.all)
        return total / count if count else None


def _promised(run: Underway) -> float | None:
    """Seconds of a whole run, from its own training: what came before does not come again."""
    fraction = run.progress.fraction
    return run.elapsed + run.progress.duration * (1 / fraction - 1) if fraction else None


def cell(config: RunFields) -> Cell:
    """What repetitions of a configuration share: a variant may take a tenth of another's time."""
    return config.model_dump_json(exclude=set(config.names(Use.REPETITION, Use.RESULTS)))
