"""One call of `run_all.py`: look at what is there, execute what is missing, merge, report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from lib.execution import local, lock, terminal
from lib.execution.partial_report import LiveReport
from lib.files import write_atomically
from lib.records import record as records
from lib.records.record import Record
from lib.study import plan
from lib.study.config import RunConfig
from lib.study.errors import StudyError
from lib.study.study import Study

Execute = Callable[[list[RunConfig], Path, local.Watcher, float | None], Iterator[Record]]
Alone = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Batch:
    """What a call is to do.

    Attributes:
        study: What the study file and the command line say.
        source: The study file.
        outputs: Where studies leave their results.
        everything: All runs of the study.
        chosen: Ids of the runs of this call.
        scheduler: Address of a Dask scheduler; None executes on this machine.
        retry_failed: Whether failed runs are run again.
        fresh: Whether earlier results of the study are set aside first.
        figures: Whether the figures of the report are also written as files.
    """

    study: Study
    source: Path
    outputs: Path
    everything: list[RunConfig]
    chosen: frozenset[str]
    scheduler: str | None = None
    retry_failed: bool = False
    fresh: bool = False
    figures: bool = False

    @property
    def study_dir(self) -> Path:
        """The study's folder: named after its file."""
        return self.outputs.expanduser() / self.source.stem

    def of_this_call(self, runs: Iterable[RunConfig]) -> list[RunConfig]:
        """Those of `runs` that were chosen."""
        return [run for run in runs if run.run_id in self.chosen]


def show(batch: Batch, console: Console) -> None:
    """Print the plan; writes nothing."""
    runs = batch.of_this_call(plan.ordered(batch.everything, batch.study_dir))
    _show_plan(batch, console, runs, [local.look(run).state for run in runs])


def execute(batch: Batch, console: Console) -> bool:
    """Run what is missing and write results and report.

    Returns:
        Whether every chosen run is complete and the report is written.

    Raises:
        StudyError: If the results can't be written, or the cluster can't be used.
        BusyError: If this machine, or the study, is in use.
        StoppedError: If the cluster is lost.
        OSError: If the disk gets full.
    """
    with lock.alone_in_study(batch.study_dir), _place(batch) as (execute_all, alone):
        runs, known = _prepare(batch, console)
        chosen = batch.of_this_call(runs)
        pending = [run for run in chosen if run.run_id not in known]
        watcher = terminal.watcher(console, len(pending))
        executed = execute_all(pending, batch.study_dir, watcher, batch.study.run_timeout)
        so_far = LiveReport(batch.study_dir, watcher.say, alone)
        with closing(watcher), closing(executed):
            _write_results(known, batch.study_dir)
            for number, record in enumerate(executed, start=1):
                known[record.run_id] = record
                _write_results(known, batch.study_dir)
                if number < len(pending):
                    so_far.refresh()
    ended = [known[run.run_id] for run in chosen]
    console.print(terminal.summary_table(ended))
    console.print(terminal.plain(terminal.summary(ended)))
    reported = report(console, batch.study_dir, figures=batch.figures)
    return reported and all(run.status == "completed" for run in ended)


def report(console: Console, study_dir: Path, *, figures: bool) -> bool:
    """Write the report, and its figures as files; False, with a sentence, if that failed."""
    from lib.report import build as report
    from lib.report import export  # nbconvert takes a second to import

    try:
        console.print(f"Report: {report.build(study_dir)}", soft_wrap=True)
    except report.ReportError as error:
        return _missing(study_dir, f"not the report: {error}")
    folder = study_dir / export.FOLDER
    if not figures:
        if folder.is_dir():
            console.print(f"Note: {folder} is of an earlier report; --figures draws it anew")
        return True
    try:
        paths = export.write(study_dir)
    except export.ExportError as error:
        return _missing(study_dir, f"not the figures: {error}")
    console.print(f"Figures: {len(paths)} files in {folder}", soft_wrap=True)
    return True


def _missing(study_dir: Path, what: str) -> bool:
    print(f"run_all.py: the results are in {study_dir}, but {what}", file=sys.stderr)
    return False


@contextmanager
def _place(batch: Batch) -> Iterator[tuple[Execute, Alone]]:
    """Where runs are executed, and what keeps them away from this machine between two of them.

    Here nothing else runs between them. On a cluster others go on, and this machine may be one
    of its workers.
    """
    if batch.scheduler is None:
        with lock.alone_on_this_machine(f"study {batch.source.stem}"):
            yield local.execute_all, nullcontext
        return
    try:
        from lib.execution import cluster
    except ModuleNotFoundError as error:
        raise StudyError([f"{error}; install the extra 'cluster'"], "--scheduler") from None
    try:
        with cluster.connected(batch.scheduler) as client:
            alone = partial(lock.alone_on_this_machine, f"report of study {batch.source.stem}")
            yield partial(cluster.execute_all, client), alone
    except cluster.ClusterError as error:
        raise StudyError([str(error)], "--scheduler") from None


def _prepare(batch: Batch, console: Console) -> tuple[list[RunConfig], dict[str, Record]]:
    """Freeze the plan and set aside what is in the way.

    Returns:
        All runs in their frozen order, and the records of those that need not be run.
    """
    study_dir = batch.study_dir
    try:
        if batch.fresh and study_dir.exists():
            console.print(f"Earlier results are now in {local.set_aside(study_dir)}")
        local.check_room(study_dir)
    except OSError as error:
        problem = f"{study_dir}: results can't be written: {error.strerror}"
        raise StudyError([problem], "--outputs") from None
    runs = plan.freeze(batch.everything, study_dir)
    write_atomically(study_dir / "study.yaml", batch.study.as_yaml())
    found = {run.run_id: local.look(run) for run in runs}
    chosen = batch.of_this_call(runs)
    _show_plan(batch, console, chosen, [found[run.run_id].state for run in chosen])
    known = {}
    for run in runs:
        here = found[run.run_id]
        again = batch.retry_failed and here.state == local.FAILED
        if (here.unusable or again) and run.run_id in batch.chosen:
            kept = local.set_aside(run.run_dir, study_dir / local.ASIDE)
            console.print(f"Set aside in {kept}: {terminal.plain(here.state)}", soft_wrap=True)
        elif here.record is not None:
            known[run.run_id] = here.record
    if strangers := _strangers(study_dir, found):
        console.print(f"Left out, of another configuration: {', '.join(strangers)}")
    return runs, known


def _strangers(study_dir: Path, planned: Iterable[str]) -> list[str]:
    """Ids of the runs in a study's folder that are not part of its plan."""
    there = study_dir / "runs"
    return sorted({path.name for path in there.iterdir()} - set(planned)) if there.exists() else []


def _write_results(known: dict[str, Record], study_dir: Path) -> None:
    records.write_results(records.table(known.values()), study_dir)


def _show_plan(batch: Batch, console: Console, runs: list[RunConfig], states: list[str]) -> None:
    console.print(f"[bold]{terminal.plain(batch.study.title)}[/bold] ({batch.source})")
    console.print(f"All runs: {terminal.plain(terminal.same_for_all(runs))}")
    for sentence in terminal.what_is_missing(runs):
        console.print(f"Note: {sentence}")
    console.print(terminal.plan_table(runs, states))
    console.print(terminal.plain(terminal.counts(states)))
