"""The command line of `run_all.py`: arguments in, exit status out."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.files import NOBODY

if TYPE_CHECKING:
    import pandas as pd

    from lib.records.record import Record

COMPLETE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

IMPORT_TITLE = "Published measurements, read again"
GOES_ON = "what is complete is kept, and the same call goes on where it stopped"

_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)

EPILOG = """\
exit status:
  0    all runs are complete
  1    some runs failed, or are missing because the disk is full or the cluster is gone
  2    bad input; nothing was run
  3    another measurement is under way on this machine
  130  interrupted; the next call goes on

examples:
  python run_all.py                                     the quick study
  python run_all.py params/paper.yaml --dry-run         what the paper's study would run
  python run_all.py params/paper.yaml --only dataset=mnist repetition=1 --set epochs=5
"""


def parser() -> argparse.ArgumentParser:
    """The arguments that `run_all.py` takes."""
    result = argparse.ArgumentParser(
        prog="run_all.py",
        description="Train every configuration of a study, measure its energy, write the report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument(
        "study",
        nargs="?",
        type=Path,
        metavar="STUDY.yaml",
        help="a study file (default: params/quick.yaml)",
    )
    result.add_argument(
        "--outputs",
        type=Path,
        default=Path("outputs"),
        metavar="DIR",
        help="where studies leave their results (default: outputs)",
    )
    result.add_argument(
        "--dry-run", action="store_true", help="print the plan, run and write nothing"
    )
    result.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="run only these; several values of one field are alternatives",
    )
    result.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="override a field of every run, e.g. epochs=1; a factor is reduced to this value",
    )
    result.add_argument("--retry-failed", action="store_true", help="run failed runs again")
    result.add_argument(
        "--fresh", action="store_true", help="set earlier results of the study aside, start anew"
    )
    result.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run on the workers of a Dask cluster, e.g. tcp://HOST:8786, not on this machine",
    )
    result.add_argument(
        "--kaggle",
        choices=["build", "push", "pull", "status"],
        help="run on Kaggle: build kernels, start them, fetch results (from a folder with "
        "--import DIR), or show how they are doing",
    )
    result.add_argument(
        "--import",
        dest="import_dir",
        type=Path,
        metavar="DIR",
        help="read measurements from the authors' package, or anyone's, in place of training",
    )
    result.add_argument(
        "--wattmeter",
        type=Path,
        metavar="LOG",
        help="lay a wattmeter's log beside the runs of a finished study, in place of training",
    )
    result.add_argument(
        "--figures",
        action="store_true",
        help="also write the figures of the report as PNG and SVG (takes Chrome or Chromium)",
    )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run `run_all.py` with `arguments` (default: those of the process); its exit status."""
    args = parser().parse_args(arguments)
    # Imported here so that --help answers at once.
    from lib.study.errors import StudyError, UserError

    try:
        with _ending_by_signal_is_interrupting():
            if problems := [*_of_no_use(args), *_no_folders(args)]:
                raise StudyError(problems)
            if args.figures and (problem := _cannot_draw()):
                print(f"run_all.py: --figures: {problem}", file=sys.stderr)
                return BAD_INPUT
            if args.import_dir is not None and args.kaggle is None:
                return _import(args)
            return _study(args) if args.wattmeter is None else _wattmeter(args)
    except UserError as error:
        and_then = f"; {GOES_ON}" if error.exit_status == SOME_FAILED else ""
        print(f"run_all.py: {error}{and_then}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        print(f"run_all.py: {_storage(error)}; {GOES_ON}", file=sys.stderr)
        return SOME_FAILED
    except KeyboardInterrupt:
        print(f"\nrun_all.py: interrupted; {GOES_ON}", file=sys.stderr)
        return INTERRUPTED


def _cannot_draw() -> str | None:
    """Why figures can't be drawn here: to be known before hours are spent on what they show."""
    from lib.report import export

    try:
        export.check()
    except export.ExportError as error:
        return str(error)
    return None


def _of_no_use(args: argparse.Namespace) -> list[str]:
    """A sentence for each option that has no meaning beside another one which trains nothing."""
    if args.kaggle is not None or not (args.import_dir or args.wattmeter):
        return []
    option = "--import" if args.import_dir else "--wattmeter"
    others = {
        "a study file": args.study and args.import_dir,
        "--wattmeter": args.wattmeter and args.import_dir,
        "--dry-run": args.dry_run,
        "--only": args.only,
        "--set": args.set,
        "--retry-failed": args.retry_failed,
        "--fresh": args.fresh,
        "--scheduler": args.scheduler,
    }
    return [f"{option} trains nothing; leave out {name}" for name, given in others.items() if given]


def _no_folders(args: argparse.Namespace) -> list[str]:
    """A sentence for each path that can't be what it is given as."""
    paths = {"--outputs": args.outputs, "--import": args.import_dir, "--wattmeter": args.wattmeter}
    problems = []
    for option, path in paths.items():
        try:
            is_file = path is not None and path.expanduser().is_file()
        except RuntimeError:
            problems.append(f"{option}: {path}: {NOBODY}")
            continue
        if is_file and option == "--outputs":
            problems.append(f"{option}: {path} is a file, not a folder")
    return problems


@contextmanager
def _ending_by_signal_is_interrupting() -> Iterator[None]:
    """Make a request to end, and the loss of the terminal, as orderly as Ctrl-C."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def interrupt(number: int, _: object) -> None:
        if number == signal.SIGHUP:  # nobody can read any more, and writing would fail
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), sys.__stdout__.fileno())
                os.dup2(nowhere.fileno(), sys.__stderr__.fileno())
        raise KeyboardInterrupt

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _storage(error: OSError) -> str:
    """What is wrong with the disk, and in which folder: files to be have random names."""
    where = f"{Path(error.filename).parent}: " if isinstance(error.filename, str) else ""
    return f"{where}results can't be written: {os.strerror(error.errno)}"


def _study(args: argparse.Namespace) -> int:
    from lib.execution import run_study, terminal
    from lib.study.errors import StudyError
    from lib.study.study import check_presence, load_study, select

    path = args.study or Path("params/quick.yaml")
    study = load_study(path, {field: values[-1] for field, values in _pairs("--set", args.set)})
    only = dict(_pairs("--only", args.only))
    try:
        everything = study.runs(path.stem, args.outputs)
        chosen = select(everything, only)
        if not (args.kaggle or args.scheduler):  # elsewhere they may be
            check_presence(chosen)
    except StudyError as error:
        raise StudyError(error.problems, str(path)) from None
    asked = run_study.Batch(
        study=study,
        source=path,
        outputs=args.outputs,
        everything=everything,
        chosen=frozenset(run.run_id for run in chosen),
        scheduler=args.scheduler,
        retry_failed=args.retry_failed,
        fresh=args.fresh,
        figures=args.figures,
    )
    if args.dry_run:
        run_study.show(asked, terminal.console())
        return COMPLETE
    if args.kaggle is not None:
        from lib.execution.kaggle import command

        done = command.run(args.kaggle, asked, terminal.console(), args.import_dir)
        return COMPLETE if done else SOME_FAILED
    return COMPLETE if run_study.execute(asked, terminal.console()) else SOME_FAILED


def _import(args: argparse.Namespace) -> int:
    from lib.execution import lock, run_study, terminal
    from lib.paper import published
    from lib.records import record as records
    from lib.study.errors import StudyError
    from lib.study.study import PUBLISHED

    try:
        package = published.read_package(args.import_dir)
    except ValueError as error:
        raise StudyError([str(error)], "--import") from None
    console = terminal.console()
    study_dir = args.outputs.expanduser() / PUBLISHED
    imported = [records.from_row(row) for row in package.results.to_dict("records")]
    skipped = [str(row) for row in package.skipped]
    about = {"title": IMPORT_TITLE, "imported": len(imported)}
    about |= {"skipped": skipped, "notes": list(package.notes)}
    with lock.alone_in_study(study_dir):
        if aside := _write_import(study_dir, imported, package.histories, about):
            console.print(f"An earlier import is now in {aside}")
    console.print(f"{len(imported)} runs were read, {len(skipped)} rows were skipped.")
    for sentence in (*skipped, *package.notes):
        console.print(f"Note: {terminal.plain(sentence)}")
    reported = run_study.report(console, study_dir, figures=args.figures)
    return COMPLETE if reported else SOME_FAILED


def _write_import(
    study_dir: Path, imported: list[Record], histories: pd.DataFrame, about: dict[str, Any]
) -> Path | None:
    """Write what was imported as a study; where an earlier and different import went to, if any."""
    import yaml

    from lib.execution import local
    from lib.files import write_atomically
    from lib.records import record as records

    results = records.table(imported)
    aside = None
    if study_dir.exists() and not records.merge(study_dir).results.equals(results):
        aside = local.set_aside(study_dir)
    for record in imported:
        record.write(study_dir / "runs" / record.run_id)
    for run_id, history in histories.groupby("run_id"):
        path = study_dir / "runs" / str(run_id) / records.HISTORY_NAME
        write_atomically(path, history.drop(columns="run_id").to_csv(index=False))
    records.write_results(results, study_dir)
    write_atomically(study_dir / "study.yaml", yaml.safe_dump(about, sort_keys=False))
    return aside


def _wattmeter(args: argparse.Namespace) -> int:
    from lib.execution import lock, run_study, terminal
    from lib.logs import attach
    from lib.records import record as records
    from lib.study import plan
    from lib.study.errors import StudyError
    from lib.study.study import load_study

    path = args.study or Path("params/quick.yaml")
    study_dir = args.outputs.expanduser() / path.stem
    mapping = load_study(path).wattmeter
    if not study_dir.is_dir():
        raise StudyError([f"there is no study in {study_dir}; run it first"], "--wattmeter")
    console = terminal.console()
    planned = plan.read(study_dir)
    with lock.alone_in_study(study_dir):
        try:
            attached = attach.attach(study_dir, args.wattmeter, mapping, planned)
        except ValueError as error:
            raise StudyError([str(error)], "--wattmeter") from None
        results = records.merge(study_dir, planned or None).results
        records.write_results(results, study_dir)
    for sentence in attached.notes:
        console.print(f"Note: {terminal.plain(sentence)}", soft_wrap=True)
    for run_id, reason in attached.refused.items():
        console.print(f"No reading of {run_id}: {terminal.plain(reason)}", soft_wrap=True)
    runs = len(attached.measured) + len(attached.refused)
    console.print(f"{len(attached.measured)} of {runs} runs have a reading of the wattmeter.")
    reported = run_study.report(console, study_dir, figures=args.figures)
    return SOME_FAILED if attached.refused or not reported else COMPLETE


def _pairs(option: str, texts: list[str]) -> list[tuple[str, list[Any]]]:
    """`FIELD=VALUE` texts as fields and their values, read as YAML reads them.

    Raises:
        StudyError: If a text is not of this form.
    """
    import yaml

    from lib.study.errors import StudyError

    pairs: dict[str, list[Any]] = {}
    problems = []
    for text in texts:
        field, equals, value = text.partition("=")
        if not field or not equals:
            problems.append(f"{option}: '{text}' is not of the form FIELD=VALUE")
            continue
        try:
            pairs.setdefault(field, []).append(yaml.safe_load(value))
        except (yaml.YAMLError, ValueError):  # the latter of a date such as 2024-13-45
            problems.append(f"{option}: '{text}': the value is not valid YAML")
    if problems:
        raise StudyError(problems)
    return list(pairs.items())
