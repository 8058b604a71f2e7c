"""One call of `run_all.py`: look at what is there, execute what is missing, merge, report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from lib import records
from lib.execution import local, lock, run_folders, terminal
from lib.execution.partial_report import LiveReport
from lib.files import write_atomically
from lib.records import Record
from lib.study import plan
from lib.study.config import RunFields
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.study import Study, check_presence, load_study, select

Records = Generator[Record, None, None]
Execute = Callable[[list[RunFields], Path, local.Watcher, float | None], Records]
Alone = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Call:
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
    everything: list[RunFields]
    chosen: frozenset[str]
    scheduler: str | None = None
    retry_failed: bool = False
    fresh: bool = False
    figures: bool = False

    @property
    def study_dir(self) -> Path:
        """The study's folder: named after its file."""
        return self.outputs.expanduser() / self.source.stem

    def of_this_call(self, runs: Iterable[RunFields]) -> list[RunFields]:
        """Those of `runs` that were chosen."""
        return [run for run in runs if run.run_id in self.chosen]


def prepare(
    source: Path,
    outputs: Path,
    overrides: dict[str, Any],
    only: dict[str, list[Any]],
    *,
    elsewhere: bool = False,
    **options: Any,
) -> Call:
    """Read a study file, and what the command line adds to it, as a call.

    Args:
        source: The study file.
        outputs: Where studies leave their results.
        overrides: What replaces fields of the study.
        only: The values that the runs of this call have, by field.
        elsewhere: Whether the runs are executed on other machines, which may have what this lacks.
        options: Further fields of the call.

    Raises:
        StudyError: If the study can't be run, or not here.
    """
    study = load_study(source, overrides)
    try:
        everything = study.runs(source.stem, outputs)
        chosen = select(everything, only)
        if not elsewhere:
            check_presence(chosen)
    except StudyError as error:
        raise StudyError(error.problems, str(source)) from None
    ids = frozenset(run.run_id for run in chosen)
    return Call(study, source, outputs, everything, ids, **options)


def show(call: Call, console: Console) -> None:
    """Print the plan; writes nothing."""
    runs = call.of_this_call(plan.ordered(call.everything, call.study_dir))
    _show_plan(call, console, runs, [run_folders.look(run).state for run in runs])


def execute(call: Call, console: Console) -> bool:
    """Run what is missing and write results and report.

    Returns:
        Whether every chosen run is complete and the report is written.

    Raises:
        StudyError: If the results can't be written, or the cluster can't be used.
        BusyError: If this machine, or the study, is in use.
        StoppedError: If the cluster is lost.
        OSError: If the disk gets full.
    """
    with lock.alone_in_study(call.study_dir), _place(call) as (execute_all, alone):
        runs, known = _prepare(call, console)
        chosen = call.of_this_call(runs)
        pending = [run for run in chosen if run.run_id not in known]
        watcher = terminal.watcher(console, len(pending))
        executed = execute_all(pending, call.study_dir, watcher, call.study.run_timeout)
        so_far = LiveReport(call.study_dir, watcher.say, alone)
        with closing(watcher), closing(executed):
            _write_results(known, call.study_dir)
            for number, record in enumerate(executed, start=1):
                known[record.run_id] = record
                _write_results(known, call.study_dir)
                if number < len(pending):
                    so_far.refresh()
    ended = [known[run.run_id] for run in chosen]
    console.print(terminal.summary_table(ended, call.study.quality.name))
    console.print(terminal.plain(terminal.summary(ended)))
    reported = report(console, call.study_dir, figures=call.figures)
    return reported and all(run.status == "completed" for run in ended)


def report(console: Console, study_dir: Path, *, figures: bool) -> bool:
    """Write the report, and its figures as files; False, with a sentence, if that failed."""
    from lib.report import build as report
    from lib.report import export  # nbconvert takes a second to import

    try:
        console.print(f"Report: {report.build(study_dir)}", soft_wrap=True)
    except report.ReportError as error:
        return _missing(study_dir, f"not the report: {error}")
    folder = StudyFolder(study_dir).figures
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
def _place(call: Call) -> Iterator[tuple[Execute, Alone]]:
    """Where runs are executed, and what keeps them away from this machine between two of them.

    Here nothing else runs between them. On a cluster others go on, and this machine may be one
    of its workers.
    """
    if call.scheduler is None:
        with lock.alone_on_this_machine(f"study {call.source.stem}"):
            yield local.execute_all, nullcontext
        return
    try:
        from lib.execution import cluster
    except ModuleNotFoundError as error:
        raise StudyError([f"{error}; install the extra 'cluster'"], "--scheduler") from None
    try:
        with cluster.connected(call.scheduler) as client:
            alone = partial(lock.alone_on_this_machine, f"report of study {call.source.stem}")
            yield partial(cluster.execute_all, client), alone
    except cluster.ClusterError as error:
        raise StudyError([str(error)], "--scheduler") from None


def _prepare(call: Call, console: Console) -> tuple[list[RunFields], dict[str, Record]]:
    """Freeze the plan and set aside what is in the way.

    Returns:
        All runs in their frozen order, and the records of those that need not be run.
    """
    study_dir = call.study_dir
    try:
        if call.fresh and study_dir.exists():
            console.print(f"Earlier results are now in {run_folders.set_aside(study_dir)}")
        run_folders.check_room(study_dir)
    except OSError as error:
        problem = f"{study_dir}: results can't be written: {error.strerror}"
        raise StudyError([problem], "--outputs") from None
    runs = plan.freeze(call.everything, study_dir)
    write_atomically(StudyFolder(study_dir).study, call.study.as_yaml())
    found = {run.run_id: run_folders.look(run) for run in runs}
    chosen = call.of_this_call(runs)
    _show_plan(call, console, chosen, [found[run.run_id].state for run in chosen])
    known = {}
    for run in runs:
        here = found[run.run_id]
        again = call.retry_failed and here.state == run_folders.FAILED
        if (here.unusable or again) and run.run_id in call.chosen:
            kept = run_folders.set_aside(run.run_dir, StudyFolder(study_dir).aside)
            console.print(f"Set aside in {kept}: {terminal.plain(here.state)}", soft_wrap=True)
        elif here.record is not None:
            known[run.run_id] = here.record
    if strangers := _strangers(study_dir, found):
        console.print(f"Left out, of another configuration: {', '.join(strangers)}")
    return runs, known


def _strangers(study_dir: Path, planned: Iterable[str]) -> list[str]:
    """Ids of the runs in a study's folder that are not part of its plan."""
    return sorted({*StudyFolder(study_dir).run_ids()} - {*planned})


def _write_results(known: dict[str, Record], study_dir: Path) -> None:
    records.write_results(records.table(known.values()), study_dir)


def _show_plan(call: Call, console: Console, runs: list[RunFields], states: list[str]) -> None:
    console.print(f"[bold]{terminal.plain(call.study.title)}[/bold] ({call.source})")
    console.print(f"All runs: {terminal.plain(terminal.same_for_all(runs))}")
    for sentence in terminal.what_is_missing(runs):
        console.print(f"Note: {sentence}")
    console.print(terminal.plan_table(runs, states))
    console.print(terminal.plain(terminal.counts(states)))
