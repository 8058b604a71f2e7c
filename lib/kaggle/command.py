"""`run_all.py --kaggle ACTION`: what each action does with a study's folder and the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lib import batch, display, lock, plan, records, runner
from lib.batch import Batch
from lib.files import write_atomically
from lib.kaggle import KaggleError, kernels, pull, push
from lib.kaggle.client import Client, QuotaError, TransientError
from lib.kaggle.ledger import Ledger
from lib.study import RunConfig, StudyError


def run(action: str, asked: Batch, console: Console, downloads: Path | None) -> bool:
    """Do `action` for the chosen runs.

    Args:
        action: A key of `ACTIONS`.
        asked: The study and its runs.
        console: Is shown what happens.
        downloads: For `pull`: a folder to take results from in place of Kaggle.

    Returns:
        Whether nothing failed, is missing or was rejected.

    Raises:
        StudyError: If the study can't be built, or Kaggle can't be used.
        BusyError: If another call works on the study.
        StoppedError: If Kaggle takes or gives nothing at the moment.
    """
    if downloads is not None and action != "pull":
        raise StudyError([f"--import goes with --kaggle pull, not with {action}"])
    study_dir = asked.study_dir
    with lock.alone_in_study(study_dir):
        runs = asked.of_this_call(plan.ordered(asked.everything, study_dir))
        try:
            return ACTIONS[action](runs, asked, console, downloads)
        except (QuotaError, TransientError) as error:
            raise runner.StoppedError(str(error)) from None
        except KaggleError as error:
            raise StudyError([str(error)], f"--kaggle {action}") from None


def _build(runs: list[RunConfig], asked: Batch, console: Console, _: Path | None) -> bool:
    study_dir = asked.study_dir
    if asked.fresh and study_dir.exists():
        console.print(f"Earlier results are now in {runner.set_aside(study_dir)}")
    plan.freeze(asked.everything, study_dir)
    write_atomically(study_dir / "study.yaml", asked.study.as_yaml())
    built = kernels.build(runs, study_dir, asked.study.kaggle)
    where = study_dir / kernels.FOLDER / "kernels"
    console.print(f"{len(built.kernels)} kernels are in {where}", soft_wrap=True)
    return True


def _push(runs: list[RunConfig], asked: Batch, console: Console, _: Path | None) -> bool:
    def say(sentence: str) -> None:
        console.print(display.plain(sentence), soft_wrap=True)

    entries = push.push_all(
        runs, asked.study_dir, Client(), say, push.PACE, retry_failed=asked.retry_failed
    )
    say(f"{len(runs) - len(entries)} of {len(runs)} runs are complete here.")
    return not any(entry.state in (push.FAILED, push.REJECTED) for entry in entries)


def _pull(runs: list[RunConfig], asked: Batch, console: Console, downloads: Path | None) -> bool:
    study_dir = asked.study_dir
    if downloads is None:
        pulled = pull.pull_all(runs, study_dir, Client(), push.PACE)
    else:
        pulled = pull.take_all(runs, study_dir, downloads)
    for outcome in pulled:
        console.print(f"{outcome.run_id}: {display.plain(outcome.note)}", soft_wrap=True)
    looked = [runner.look(config) for config in plan.ordered(asked.everything, study_dir)]
    known = [here.record for here in looked if here.record is not None]
    records.write_results(records.table(known), study_dir)
    if not known:
        return False
    console.print(display.summary_table(known))
    complete = all(runner.look(config).state == runner.COMPLETE for config in runs)
    return batch.report(console, study_dir) and complete


def _status(runs: list[RunConfig], asked: Batch, console: Console, _: Path | None) -> bool:
    ledger = Ledger(asked.study_dir)
    if ledger.under_way():
        push.refresh(ledger, Client(), push.PACE)
    table = Table("run", "kernel", "on Kaggle", "here")
    for config in runs:
        entry = ledger.get(config.run_id)
        there = (entry.kernel, f"{entry.state} {entry.message}".strip()) if entry else ("", "")
        here = runner.look(config).state
        table.add_row(config.run_id, there[0], display.plain(there[1] or "not pushed"), here)
    console.print(table)
    return True


ACTIONS: dict[str, Callable[[list[RunConfig], Batch, Console, Path | None], bool]] = {
    "build": _build,
    "push": _push,
    "pull": _pull,
    "status": _status,
}
