"""What a batch will still take, from what has been measured: seconds and kWh."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.records.progress import Progress
from lib.study.config import RunFields, Use, names

Cell = str


@dataclass(frozen=True)
class Left:
    """Seconds until the last run ends, and kWh until then; None before anything is known."""

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
        self._waiting = Counter(cell(run.recorded) for run in runs)
        self._seconds, self._energy = _Means(), _Means()

    def begin(self, config: RunFields) -> None:
        """A run starts: it no longer waits."""
        self._waiting[cell(config.recorded)] -= 1

    def end(self, config: RunFields, seconds: float, energy: float | None) -> None:
        """Learn from a run that has ended; of a failed one `energy` (kWh) is None."""
        self._seconds.add(cell(config.recorded), seconds)
        if energy is not None:
            self._energy.add(cell(config.recorded), energy)

    def left(self, underway: Iterable[Underway], at_once: int = 1) -> Left:
        """What is still to come, where `at_once` runs are executed at the same time."""
        seconds, energy = [], []
        for run in underway:
            where, done = cell(run.config.recorded), run.progress.fraction
            kwh = run.progress.energy_consumed or 0.0
            seconds.append((where, run.elapsed, _promised(run)))
            energy.append((where, kwh, kwh / done if done else None))
        total = self._left(self._seconds, seconds)
        return Left(total and total / at_once, self._left(self._energy, energy))

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
            if (expected := means.of(cell, guess)) is None:
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

    def of(self, cell: Cell, guess: float | None = None) -> float | None:
        """The mean of the cell, else of everything, else the guess."""
        total, count = self.cells.get(cell, self.all)
        return total / count if count else guess


def _promised(run: Underway) -> float | None:
    """Seconds of a whole run, from its own training: what came before does not come again."""
    fraction = run.progress.fraction
    return run.elapsed + run.progress.duration * (1 / fraction - 1) if fraction else None


def cell(fields: Mapping[str, Any]) -> Cell:
    """What repetitions of a configuration share, wherever they run."""
    apart = names(Use.REPETITION, Use.PLACE)
    kept = {name: value for name, value in fields.items() if name not in apart}
    return json.dumps(kept, sort_keys=True)
