"""One call of `run_all.py`: look at what is there, execute what is missing, merge, report."""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from rich.console import Console

from lib import records
from lib.execution import forecast, local, lock, place, run_folders, terminal, until_precise
from lib.execution.call import Call
from lib.execution.run_folders import StoppedError
from lib.execution.so_far import LiveReport, Results
from lib.files import write_atomically
from lib.records import Record
from lib.study import plan
from lib.study.config import RunFields
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.text import readable

Records = Generator[Record, None, None]
Execute = Callable[[list[RunFields], Path, local.Watcher, float | None], Records]
Alone = Callable[[], AbstractContextManager[object]]


def show(call: Call, console: Console, like: Path | None = None) -> bool:
    """Print the plan, and what it will be able to show, as far as it is known or as in the folder
    `like` of an earlier study; writes nothing.
    """
    from lib.execution import foresight  # statistics take a second to import

    runs = call.of_this_call(plan.ordered(call.everything, call.study_dir))
    states = [run_folders.MISSING if call.fresh else run_folders.look(run).state for run in runs]
    if call.retry_failed:
        states = [run_folders.MISSING if state == run_folders.FAILED else state for state in states]
    _show_plan(call, console, runs, states)
    for sentence in foresight.sentences(call.study, runs, call.study_dir, like):
        console.print(readable(sentence), soft_wrap=True)
    return True


def execute(call: Call, console: Console) -> bool:
    """Run what is missing, write results and report; whether every chosen run is complete.

    Raises:
        StudyError: If the results can't be written, or the cluster can't be used.
        StoppedError: If the cluster is lost.
        OSError: If the disk gets full.
    """
    with _place(call) as (execute_all, alone), lock.alone_in_study(call.study_dir):
        call = until_precise.resumed(call)
        runs, known = _prepare(call, console)
        while True:
            _execute(call, console, runs, known, execute_all, alone)
            further, said = until_precise.next_block(call, known.values())
            if said:
                console.print(readable(said), soft_wrap=True)
            if further is None:
                break
            call = further
            runs = plan.freeze(call.everything, call.study_dir)
        chosen = call.of_this_call(runs)
        gone = [run.run_id for run in chosen if not (run.run_dir / records.FILE_NAME).is_file()]
    ended = [known[run.run_id] for run in chosen if run.run_id not in gone]
    console.print(terminal.summary_table(ended, call.study.quality.name))
    console.print(readable(terminal.summary(ended, len(chosen))))
    if any(run.status == "failed" for run in ended):
        again = "the same command with --retry-failed" + ", without --fresh" * call.fresh
        console.print(f"To run the failed ones again: {again}", soft_wrap=True)
    reported = report(console, call.study_dir, figures=call.figures)
    return reported and not gone and all(run.status == "completed" for run in ended)


def _execute(
    call: Call,
    console: Console,
    runs: list[RunFields],
    known: dict[str, Record],
    execute_all: Execute,
    alone: Alone,
) -> None:
    chosen = call.of_this_call(runs)
    pending = [run for run in chosen if run.run_id not in known]
    total, counts = len(pending), (len(chosen), len(chosen) - len(pending))
    bars = console.is_terminal
    watcher = terminal.BarWatcher(console, *counts) if bars else terminal.PlainWatcher(*counts)
    executed = execute_all(pending, call.study_dir, watcher, call.study.run_timeout)
    so_far = LiveReport(call.study_dir, watcher.say, alone)
    results = Results(known, [run.run_id for run in runs], call.study_dir)
    alike = _Alike(pending)
    with closing(watcher), closing(executed), closing(results):
        for number, record in enumerate(executed, start=1):
            results.add(record)
            if number < total:
                alike.check(record)
                so_far.refresh()


class _Alike:
    """Notices that runs of several configurations fail at once, and all for one reason.

    Such as a home that is full: it will be the same for those to come.
    """

    MOST = 3
    SECONDS = 60.0  # between the ends of two runs that failed at once

    def __init__(self, pending: list[RunFields]):
        self._cells = {run.run_id: forecast.cell(run.recorded) for run in pending}
        self._several = min(self.MOST, len(set(self._cells.values())))
        self._failed: list[str] = []
        self._error, self._ended = "", time.monotonic()

    def check(self, record: Record) -> None:
        """Take a run that has ended into account; StoppedError if it is one too many."""
        since, self._ended = time.monotonic() - self._ended, time.monotonic()
        error = (record.error or "").replace(record.run_id, "")
        if record.status != "failed" or since > self.SECONDS or error != self._error:
            self._failed = []
        self._error = error
        if record.status == "failed":
            self._failed.append(record.run_id)
        count, cells = len(self._failed), {self._cells[run_id] for run_id in self._failed}
        if count >= self.MOST and len(cells) >= self._several:
            raise StoppedError(f"the last {count} runs failed at once, all alike: {record.error}")


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


def make_room(call: Call, console: Console) -> None:
    """With `--fresh`, set earlier results aside as a whole, and say where they are."""
    if call.fresh and call.study_dir.exists():
        kept = run_folders.set_aside(call.study_dir, reason="--fresh")
        console.print(f"Earlier results are now in {kept}")


def _prepare(call: Call, console: Console) -> tuple[list[RunFields], dict[str, Record]]:
    """Freeze the plan and set aside what is in the way; all runs, and the records of those that
    need not be run.
    """
    study_dir = call.study_dir
    try:
        make_room(call, console)
        run_folders.check_room(study_dir)
    except OSError as error:
        problem = f"{study_dir}: results can't be written: {error.strerror}"
        raise StudyError([problem], "--outputs") from None
    runs = plan.freeze(call.everything, study_dir)
    write_atomically(StudyFolder(study_dir).study, call.study.as_yaml())
    for sentence in run_folders.recover(runs):
        console.print(readable(sentence), soft_wrap=True)
    found = {run.run_id: run_folders.look(run) for run in runs}
    chosen = call.of_this_call(runs)
    _show_plan(call, console, chosen, [found[run.run_id].state for run in chosen])
    known = {}
    for run in runs:
        here = found[run.run_id]
        again = call.retry_failed and here.state == run_folders.FAILED
        if (here.unusable or again) and run.run_id in call.chosen:
            reason = "failed, and run again" if again else here.state
            kept = run_folders.set_aside(run.run_dir, StudyFolder(study_dir).aside, reason)
            console.print(f"Set aside in {kept}: {readable(here.state)}", soft_wrap=True)
        elif here.record is not None:
            known[run.run_id] = placed = place.put(here.record, run.location)
            if placed != here.record:
                placed.write(run.run_dir)
    if strangers := sorted({*StudyFolder(study_dir).run_ids()} - {*found}):
        console.print(f"Left out, of another configuration: {', '.join(strangers)}")
    return runs, known


def show_aside(call: Call, console: Console) -> bool:
    """List what was set aside, why, and what of it fits the plan again."""
    fits = {run_folders.look(run).folder for run in call.everything}
    found = run_folders.all_aside(call.study_dir)
    for folder, reason in found.items():
        again = " (it fits the plan again: the next call takes it back)" if folder in fits else ""
        console.print(readable(f"{folder}: {reason}{again}"), soft_wrap=True)
    if not found:
        console.print(f"Nothing of {call.study_dir} was set aside.")
    return True


def _show_plan(call: Call, console: Console, runs: list[RunFields], states: list[str]) -> None:
    console.print(f"{readable(call.study.title, 200)} ({call.source})", style="bold")
    if call.name != call.source.stem:
        where = f"these are not the study's runs; their results go to {call.study_dir}"
        console.print(f"Note: with --set {readable(where)}", soft_wrap=True)
    console.print(f"All runs: {readable(terminal.same_for_all(runs))}")
    for sentence in terminal.what_is_missing(runs):
        console.print(f"Note: {sentence}")
    console.print(terminal.plan_table(runs, states))
    console.print(readable(terminal.counts(states)))
