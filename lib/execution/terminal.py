"""What `run_all.py` shows in a terminal: the plan, how far it is, and what came out."""

import math
import sys
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from lib.execution import run_folders
from lib.execution.forecast import Left
from lib.execution.local import Watcher
from lib.quantities import quantity
from lib.records import Record
from lib.records.progress import Progress
from lib.study.config import RunConfig, RunFields, Use
from lib.text import duration, energy, readable, with_limits
from lib.text import runs as number_of_runs

MOST_ROWS = 200  # of a table on the terminal; `plan.csv` and `results.csv` hold every run


def plan_table(runs: Sequence[RunFields], states: Sequence[str]) -> Table:
    """The plan: one row a run, with every field that is not the same in all of them.

    Of a longer plan it shows the first `MOST_ROWS`.
    """
    fields = type(runs[0])
    shown = [*fields.own()[:2], "repetition"]
    shown += [
        name
        for name in fields.model_fields
        if name not in shown and len({getattr(run, name) for run in runs}) > 1
    ]
    table = Table(*["#", "run", *shown, "state"], title_justify="left")
    rows = list(enumerate(zip(runs, states, strict=True), start=1))
    for place, (run, state) in rows[:MOST_ROWS]:
        values = [str(getattr(run, name)) for name in shown]
        table.add_row(str(place), run.run_id, *values, readable(state))
    return table


def counts(states: Sequence[str]) -> str:
    """How many runs are in which state: `12 runs: 10 complete, 1 failed, 1 to run`."""
    known = (run_folders.COMPLETE, run_folders.FAILED, run_folders.MISSING)
    numbers = Counter(state if state in known else "to be set aside" for state in states)
    parts = (f"{number} {state}" for state, number in numbers.items())
    return f"{number_of_runs(len(states))}: {', '.join(parts)}"


def same_for_all(runs: Sequence[RunFields]) -> str:
    """The fields that all runs share and that are not the default, as one line."""
    shared, fields = {}, type(runs[0])
    for name in (n for n in fields.model_fields if n not in fields.names(Use.RESULTS)):
        values = {getattr(run, name) for run in runs}
        if len(values) == 1 and values != {fields.model_fields[name].default}:
            shared[name] = values.pop()
    return ", ".join(f"{name} {value}" for name, value in shared.items())


def what_is_missing(runs: Sequence[RunFields]) -> list[str]:
    """What the reader of the results must know before they exist."""
    notes = []
    if any(isinstance(run, RunConfig) and run.weights == "none" for run in runs):
        notes.append(
            "weights: none - the networks start from random weights, so accuracies are far below "
            "those of ImageNet weights; time and energy of a step are the same"
        )
    if any(run.location is None for run in runs):
        notes.append("location: unknown - energy is measured, emissions are left empty")
    if any(run.idle_seconds == 0 for run in runs):
        notes.append("idle_seconds: 0 - no idle baseline, so no net energy")
    return notes


def summary_table(records: Sequence[Record], quality: str = "accuracy") -> Table:
    """One row a run that has ended, at most `MOST_ROWS`, of which failed ones come first.

    `quality` is the column of what the trainings are to reach.
    """
    shown = sorted(records, key=lambda record: record.status != "failed")[:MOST_ROWS]
    factors = _varied(shown)
    spent = [record.energy_consumed for record in shown]
    factor, named = quantity("energy_consumed").scaled_to(v for v in spent if v is not None)

    def scaled(column: str, digits: int) -> list[str]:
        values = (one.value(column) for one in shown)
        return _even([None if value is None else value * factor for value in values], digits)

    energies = scaled("energy_consumed", 3)
    lows, highs = (scaled(f"energy_consumed_{end}", 2) for end in ("low", "high"))
    limits = [" to ".join(filter(None, ends)) for ends in zip(lows, highs, strict=True)]
    scores = _even([record.score for record in shown], 4)
    heads = ["run", *factors, quality, f"energy ({named.unit})", "95 % limits", "duration"]
    table = Table(*heads, "Score (1/kWh)", "state")
    for record, took, within, score in zip(shown, energies, limits, scores, strict=True):
        cells = [record.run_id, *(readable(str(record.config.get(name, ""))) for name in factors)]
        if record.status == "failed":
            why = Text.assemble(("failed", "red"), f": {_error(record)}")
            table.add_row(*cells, *[""] * 5, why)
            continue
        reached = _even([record.value(quality)], 4)
        cells += [*reached, took, within, duration(record.duration), score]
        table.add_row(*cells, "complete")
    return table


def _varied(records: Sequence[Record]) -> list[str]:
    configs = [record.config for record in records]
    names = list(dict.fromkeys(name for config in configs for name in config))
    differ = [name for name in names if len({str(config.get(name)) for config in configs}) > 1]
    return [name for name in differ if name not in (*names[:2], "repetition", "seed")]


def _even(values: Sequence[float | None], digits: int) -> list[str]:
    """Numbers with the decimals that give the largest of them so many digits."""
    known = (abs(value) for value in values if value and math.isfinite(value))
    largest = max(known, default=1.0)
    decimals = max(digits - 1 - math.floor(math.log10(largest)), 0)
    return ["" if value is None else f"{value:,.{decimals}f}" for value in values]


def summary(records: Sequence[Record], total: int) -> str:
    """All of `total` runs in one line: how many ended how, what they took, and the last error."""
    done = [record for record in records if record.status == "completed"]
    failed = [record for record in records if record.status == "failed"]
    parts = [f"{len(done)} of {total} runs complete"]
    if total > len(records):
        parts.append(f"{total - len(records)} to run: their folders were removed")
    known = [record.energy_consumed for record in done if record.energy_consumed is not None]
    if known:
        parts.append(f"{energy(sum(known))} measured")
    if failed:
        last = f"{failed[-1].run_id}: {_error(failed[-1])}"
        parts.append(f"{len(failed)} failed, the last one is {last}")
    return ", ".join(parts)


def left(expected: Left) -> str:
    """What is still to come, as far as it is known: `4 min 10 s and 1.2 Wh to go`."""
    known = [duration(expected.seconds)] if expected.seconds else []
    known += [energy(expected.energy)] if expected.energy else []
    return f"{' and '.join(known)} to go" if known else ""


def _facts(progress: Progress) -> list[str]:
    parts = [progress.phase]
    if progress.phase == "training" and progress.epoch:
        parts = [f"epoch {progress.epoch}" + (f"/{progress.epochs}" if progress.epochs else "")]
    if progress.accuracy is not None:
        parts.append(f"accuracy {progress.accuracy:.3f}")
    if progress.watts is not None:
        parts.append(f"{progress.watts:.1f} W")
    if progress.energy_consumed is not None:
        parts.append(energy(progress.energy_consumed))
    return parts


def _outcome(record: Record, seconds: float) -> str:
    if record.status == "failed":
        return f"FAILED after {duration(seconds)}: {_error(record)}"
    reached = "" if record.accuracy is None else f"accuracy {record.accuracy:.4f}, "
    low, high = (record.value(f"energy_consumed_{end}") for end in ("low", "high"))
    return (
        f"{reached}{with_limits(record.energy_consumed, low, high)} "
        f"in {duration(record.duration)} of training ({duration(seconds)} in all)"
    )


def _error(record: Record) -> str:
    return readable(record.error or "", 500)


class PlainWatcher(Watcher):
    """One line for each phase and each epoch, for logs and pipes; of `total` runs some `ended`."""

    def __init__(self, total: int, ended: int = 0):
        self._total, self._ended = total, ended
        self._last: dict[str, tuple[str, int]] = {}

    def begin(self, config: RunFields) -> None:
        """Name the run."""
        self.say(f"{config.run_id}: starts")

    def progress(self, config: RunFields, progress: Progress, expected: Left) -> None:
        """Print what is new."""
        stage = (progress.phase, progress.epoch)
        # The first moments of an epoch know neither watts nor time left.
        unsure = progress.phase == "training" and progress.watts is None
        if stage == self._last.get(config.run_id) or unsure or progress.phase == "starting":
            return
        self._last[config.run_id] = stage
        self.say(f"{config.run_id}: {', '.join(filter(None, [*_facts(progress), left(expected)]))}")

    def end(self, record: Record, seconds: float, expected: Left) -> None:
        """Print the result."""
        outcome = ", ".join(filter(None, [_outcome(record, seconds), left(expected)]))
        self._ended += 1
        self.say(f"[{self._ended}/{self._total}] {record.run_id}: {outcome}")

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        print(readable(sentence), flush=True)


class BarWatcher(Watcher):
    """A bar for the study and one for each run under way."""

    def __init__(self, console: Console, total: int, ended: int = 0):
        name = TextColumn("{task.description}", markup=False)
        facts = TextColumn("{task.fields[facts]}", markup=False)
        columns = (name, BarColumn(), TaskProgressColumn(), facts)
        self._bars = Bars(*columns, console=console, transient=True)
        self._total, self._ended = total, ended
        self._study = self._bars.add_task("study", total=total, completed=ended, facts="")
        self._runs: dict[str, TaskID] = {}
        self._bars.start()

    def begin(self, config: RunFields) -> None:
        """Give the run a bar, or start its bar anew."""
        if config.run_id not in self._runs:
            self._runs[config.run_id] = self._bars.add_task(config.run_id, total=1, facts="")
        self._bars.reset(self._runs[config.run_id], facts="starting")

    def progress(self, config: RunFields, progress: Progress, expected: Left) -> None:
        """Move the run's bar and the study's."""
        facts = ", ".join(_facts(progress))
        self._bars.update(self._runs[config.run_id], completed=progress.fraction, facts=facts)
        fractions = (task.completed for task in self._bars.tasks if task.id != self._study)
        self._bars.update(self._study, completed=self._ended + sum(fractions), facts=left(expected))

    def end(self, record: Record, seconds: float, expected: Left) -> None:
        """Leave one line above the bars."""
        self._ended += 1
        if record.run_id in self._runs:
            self._bars.remove_task(self._runs.pop(record.run_id))
        self._bars.update(self._study, completed=self._ended, facts=left(expected))
        self.say(f"[{self._ended}/{self._total}] {record.run_id}: {_outcome(record, seconds)}")

    def say(self, sentence: str) -> None:
        """Print a sentence above the bars."""
        self._bars.console.print(readable(sentence), markup=False)

    def close(self) -> None:
        """Take the bars away."""
        self._bars.stop()


def console() -> Console:
    """Standard output, on which no text is markup; wide enough for run ids if it is no terminal."""
    width = None if sys.stdout.isatty() else 160
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
