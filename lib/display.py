"""What `run_all.py` shows in a terminal: the plan, how far it is, and what came out."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table

from lib.progress import Progress
from lib.records import Record
from lib.study import RunConfig


def duration(seconds: float | None) -> str:
    """`75.2` as `1 min 15 s`."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def energy(kwh: float | None) -> str:
    """Energy in the unit that leaves the fewest zeros."""
    if kwh is None:
        return "?"
    return f"{kwh:.3f} kWh" if kwh >= 1 else f"{kwh * 1000:.3g} Wh"


def plan_table(runs: Sequence[RunConfig], states: Sequence[str]) -> Table:
    """The plan: one row a run, with every field that is not the same in all of them."""
    shown = ["architecture", "dataset", "repetition"]
    shown += [
        name
        for name in RunConfig.model_fields
        if name not in (*shown, "output_dir") and len({getattr(run, name) for run in runs}) > 1
    ]
    table = Table(*["#", "run", *shown, "state"], title_justify="left")
    for place, (run, state) in enumerate(zip(runs, states, strict=True), start=1):
        values = [str(getattr(run, name)) for name in shown]
        table.add_row(str(place), run.run_id, *values, state)
    return table


def same_for_all(runs: Sequence[RunConfig]) -> str:
    """The fields that all runs share and that are not the default, as one line."""
    defaults = {name: field.default for name, field in RunConfig.model_fields.items()}
    shared = {}
    for name, default in defaults.items():
        values = {getattr(run, name) for run in runs}
        if name != "output_dir" and len(values) == 1 and values != {default}:
            shared[name] = values.pop()
    return ", ".join(f"{name} {value}" for name, value in shared.items())


def what_is_missing(runs: Sequence[RunConfig]) -> list[str]:
    """What the reader of the results must know before they exist."""
    notes = []
    if any(run.weights == "none" for run in runs):
        notes.append(
            "weights: none - the networks start from random weights, so accuracies are far below "
            "those of ImageNet weights; time and energy of a step are the same"
        )
    if any(run.location is None for run in runs):
        notes.append("location: unknown - energy is measured, emissions are left empty")
    if any(run.idle_seconds == 0 for run in runs):
        notes.append("idle_seconds: 0 - no idle baseline, so no net energy")
    return notes


def summary_table(records: Sequence[Record]) -> Table:
    """One row a run that has ended."""
    table = Table("run", "accuracy", "energy", "duration", "Score (1/kWh)", "state")
    for record in records:
        if record.status == "failed":
            table.add_row(
                record.run_id, "", "", "", "", f"[red]failed[/red]: {plain(record.error)}"
            )
            continue
        table.add_row(
            record.run_id,
            f"{record.accuracy:.4f}",
            energy(record.energy_consumed),
            duration(record.duration),
            f"{record.score:.4g}" if record.score is not None else "",
            "complete",
        )
    return table


def plain(text: str | None) -> str:
    """Text that rich must not read as markup."""
    return (text or "").replace("[", r"\[")


def watcher(console: Console) -> PlainWatcher | BarWatcher:
    """Bars where there is a terminal, plain lines where there is none."""
    return BarWatcher(console) if console.is_terminal else PlainWatcher()


def _facts(progress: Progress, seconds_left: float | None) -> str:
    parts = [progress.phase]
    if progress.phase == "training" and progress.epoch:
        parts = [f"epoch {progress.epoch}/{progress.epochs}"]
    if progress.accuracy is not None:
        parts.append(f"accuracy {progress.accuracy:.3f}")
    if progress.watts is not None:
        parts.append(f"{progress.watts:.1f} W")
    if progress.energy_consumed is not None:
        parts.append(energy(progress.energy_consumed))
    if seconds_left is not None:
        parts.append(f"{duration(seconds_left)} left")
    return ", ".join(parts)


class PlainWatcher:
    """One line for each phase and each epoch: for logs and pipes."""

    def begin(self, number: int, total: int, config: RunConfig) -> None:
        """Name the run."""
        self._head = f"[{number}/{total}] {config.run_id}"
        self._last: tuple[str, int] | None = None
        print(f"{self._head}: starts", flush=True)

    def progress(self, progress: Progress, seconds_left: float | None) -> None:
        """Print what is new."""
        stage = (progress.phase, progress.epoch)
        # The first moments of an epoch know neither watts nor time left.
        if stage == self._last or (progress.phase == "training" and progress.watts is None):
            return
        self._last = stage
        print(f"{self._head}: {_facts(progress, seconds_left)}", flush=True)

    def end(self, record: Record, seconds: float) -> None:
        """Print the result."""
        if record.status == "failed":
            print(f"{self._head}: FAILED after {duration(seconds)}: {record.error}", flush=True)
            return
        print(
            f"{self._head}: accuracy {record.accuracy:.4f}, {energy(record.energy_consumed)} "
            f"in {duration(record.duration)} of training ({duration(seconds)} in all)",
            flush=True,
        )

    def close(self) -> None:
        """Nothing to tidy up."""


class BarWatcher:
    """A bar for the study and one for the run under way."""

    def __init__(self, console: Console):
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
        )
        self._study = self._bars.add_task("study", total=1, facts="")
        self._run = self._bars.add_task("", total=1, facts="")
        self._bars.start()

    def begin(self, number: int, total: int, config: RunConfig) -> None:
        """Start the run's bar anew."""
        self._head = f"[{number}/{total}] {config.run_id}"
        self._bars.update(self._study, total=total, completed=number - 1)
        self._done = number - 1
        self._bars.reset(self._run, total=1, description=config.run_id, facts="starting")

    def progress(self, progress: Progress, seconds_left: float | None) -> None:
        """Move both bars."""
        self._bars.update(self._run, completed=progress.fraction, facts=_facts(progress, None))
        left = f"{duration(seconds_left)} left" if seconds_left is not None else ""
        self._bars.update(self._study, completed=self._done + progress.fraction, facts=left)

    def end(self, record: Record, seconds: float) -> None:
        """Leave one line above the bars."""
        self._bars.update(self._study, completed=self._done + 1)
        result = (
            f"[red]failed[/red]: {plain(record.error)}"
            if record.status == "failed"
            else f"accuracy {record.accuracy:.4f}, {energy(record.energy_consumed)}"
        )
        self._bars.console.print(f"{plain(self._head)}: {result} ({duration(seconds)})")

    def close(self) -> None:
        """Take the bars away."""
        self._bars.stop()


def console() -> Console:
    """Standard output; wide enough for run ids where it is no terminal."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False)
