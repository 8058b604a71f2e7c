"""`run_all.py --kaggle ACTION`: what each action does with a study's folder and the terminal."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lib import records
from lib.execution import lock, run_folders, run_study, terminal
from lib.execution.call import Call
from lib.execution.kaggle import KaggleError, kernels, pull, push
from lib.execution.kaggle.client import UNDER_WAY, Client, QuotaError, TransientError
from lib.files import write_atomically
from lib.study import plan
from lib.study.config import RunFields
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.sections import Precision
from lib.text import readable


def run(action: str, asked: Call, console: Console, downloads: Path | None) -> bool:
    """Do `action` for the chosen runs; whether nothing failed, is missing or was rejected.

    `pull` may take results from `downloads`, not from Kaggle.

    Raises:
        StudyError: If the study can't be built, or Kaggle can't be used.
        StoppedError: If Kaggle takes or gives nothing at the moment.
    """
    misplaced = {
        "--import": downloads is not None and action != "pull",
        "--fresh": asked.fresh and action != "build",
        "--retry-failed": asked.retry_failed and action != "push",
        "--scheduler": asked.scheduler is not None,
        "--figures": asked.figures and action != "pull",
    }
    if options := [option for option, is_so in misplaced.items() if is_so]:
        raise StudyError([f"{option} does not go with --kaggle {action}" for option in options])
    if isinstance(asked.study.repetitions, Precision):
        problem = (
            "repetitions: until a precision is reached they follow one by one, and on Kaggle all "
            "runs are uploaded beforehand; set a number, e.g. --set repetitions=5"
        )
        raise StudyError([problem], f"--kaggle {action}")
    study_dir = asked.study_dir
    # A push takes hours; what has ended can be pulled meanwhile.
    folders = {
        "build": [study_dir, StudyFolder(study_dir).kaggle],
        "push": [StudyFolder(study_dir).kaggle],
        "pull": [study_dir],
    }
    with contextlib.ExitStack() as locks:
        for folder in folders.get(action, []):
            locks.enter_context(lock.alone_in_study(folder))
        runs = asked.of_this_call(plan.ordered(asked.everything, study_dir))
        if study_dir in folders.get(action, []):
            run_folders.recover(runs)
        try:
            return ACTIONS[action](runs, asked, console, downloads)
        except (QuotaError, TransientError) as error:
            raise run_folders.StoppedError(str(error)) from None
        except KaggleError as error:
            raise StudyError([str(error)], f"--kaggle {action}") from None


def _build(runs: list[RunFields], asked: Call, console: Console, _: Path | None) -> bool:
    study_dir = asked.study_dir
    run_study.make_room(asked, console)
    plan.freeze(asked.everything, study_dir)
    write_atomically(StudyFolder(study_dir).study, asked.study.as_yaml())
    built = kernels.build(runs, study_dir, asked.study.kaggle)
    where = StudyFolder(study_dir).kaggle / "kernels"
    console.print(f"{len(built.kernels)} kernels are in {where}", soft_wrap=True)
    return True


def _push(runs: list[RunFields], asked: Call, console: Console, _: Path | None) -> bool:
    def say(sentence: str) -> None:
        console.print(readable(sentence), soft_wrap=True)

    entries = push.push_all(runs, asked.study_dir, Client(), say, retry_failed=asked.retry_failed)
    say(f"{len(runs) - len(entries)} of {len(runs)} runs are complete here.")
    return not any(entry.state in (push.FAILED, push.REJECTED) for entry in entries)


def _pull(runs: list[RunFields], asked: Call, console: Console, downloads: Path | None) -> bool:
    study_dir = asked.study_dir
    if downloads is None:
        pulled = pull.pull_all(runs, study_dir, Client())
    else:
        pulled = pull.take_all(runs, study_dir, downloads)
    for run_id, note in pulled.items():
        console.print(f"{run_id}: {readable(note)}", soft_wrap=True)
    ordered = plan.ordered(asked.everything, study_dir)
    looked = [run_folders.look(config) for config in ordered]
    known = [here.record for here in looked if here.record is not None]
    records.write_results(records.table(known, [run.run_id for run in ordered]), study_dir)
    if not known:
        return False
    console.print(terminal.summary_table(known, asked.study.quality.name))
    complete = all(run_folders.look(config).state == run_folders.COMPLETE for config in runs)
    return run_study.report(console, study_dir, figures=asked.figures) and complete


def _status(runs: list[RunFields], asked: Call, console: Console, _: Path | None) -> bool:
    ledger = push.Ledger(asked.study_dir)
    client = Client() if ledger.under_way() else None
    table = Table("run", "kernel", "on Kaggle", "here")
    for config in runs:
        entry = ledger.get(config.run_id)
        if entry is None:
            kernel, there = "", "not pushed"
        elif client is None or entry.state not in UNDER_WAY:
            kernel, there = entry.kernel, f"{entry.state} {entry.message}"
        else:
            kernel = entry.kernel
            status = push.patiently(partial(client.status, kernel))
            there = f"{status.state} {status.message}" if status else "not there any more"
        table.add_row(
            config.run_id, kernel, readable(there.strip()), run_folders.look(config).state
        )
    console.print(table)
    return True


ACTIONS: dict[str, Callable[[list[RunFields], Call, Console, Path | None], bool]] = {
    "build": _build,
    "push": _push,
    "pull": _pull,
    "status": _status,
}
