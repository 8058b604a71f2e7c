"""The command line of `run_all.py`: arguments in, exit status out."""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.files import NOBODY

COMPLETE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

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
        "--like",
        type=Path,
        metavar="DIR",
        help="with --dry-run: results of an earlier study, whose spread is reckoned with",
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
        "--aside",
        action="store_true",
        help="list what was set aside of the study, why, and what the next call takes back",
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
        help="read measurements from the authors' package, or anyone's, in place of training; "
        "writes a table to be filled in where nothing says which row is which run",
    )
    result.add_argument("--name", metavar="TITLE", help="what to call the study of an --import")
    result.add_argument(
        "--wattmeter",
        type=Path,
        metavar="LOG",
        help="lay a wattmeter's log beside the runs of a finished study, in place of training",
    )
    result.add_argument(
        "--report",
        dest="report_dir",
        type=Path,
        metavar="DIR",
        help="write the report of the runs that lie in a folder, in place of training",
    )
    result.add_argument(
        "--export",
        choices=["boamps", "model-card", "sci", "paper"],
        help="write a finished study to its folder exports/: in a format of others, or its methods "
        "and threats to validity as text for a paper",
    )
    result.add_argument(
        "--package",
        type=Path,
        metavar="FILE.zip",
        help="pack a finished study for reviewers: an RO-Crate with all that its tables take",
    )
    result.add_argument(
        "--verify",
        type=Path,
        metavar="FILE.zip",
        help="check a package: its sums, and every number against its records",
    )
    result.add_argument(
        "--figures",
        action="store_true",
        help="also write the figures of the report as PNG, SVG and PDF (takes Chrome or Chromium)",
    )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run `run_all.py` with `arguments` (default: those of the process); its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may have ASCII only
            stream.reconfigure(errors="replace")
    args = parser().parse_args(arguments)
    # Imported here so that --help answers at once.
    from lib.study.errors import StudyError, UserError
    from lib.text import readable

    try:
        with _ending_by_signal_is_interrupting():
            if problems := [*_of_no_use(args), *_no_folders(args)]:
                raise StudyError(problems)
            if args.figures and (problem := _cannot_draw()):
                print(f"run_all.py: --figures: {problem}", file=sys.stderr)
                return BAD_INPUT
            if args.verify is not None:
                done = _verify(args)
            elif args.export or args.package:
                done = _hand_over(args)
            elif args.report_dir is not None:
                done = _report(args)
            elif args.import_dir is not None and args.kaggle is None:
                done = _import(args)
            else:
                done = _study(args) if args.wattmeter is None else _wattmeter(args)
            return COMPLETE if done else SOME_FAILED
    except UserError as error:
        and_then = f"; {GOES_ON}" if error.exit_status == SOME_FAILED else ""
        print(f"run_all.py: {readable(str(error), 20_000)}{and_then}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        print(f"run_all.py: {readable(_storage(error))}; {GOES_ON}", file=sys.stderr)
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
    given = {
        "--verify": args.verify,
        "--package": args.package,
        "--export": args.export,
        "--report": args.report_dir,
        "--import": args.import_dir,
        "--wattmeter": args.wattmeter,
    }
    if args.name is not None and (args.import_dir is None or args.kaggle is not None):
        return ["--name is of an --import; leave it out"]
    option = next((name for name, path in given.items() if path), None)
    if option is None or (args.kaggle is not None and option != "--report"):
        return []
    others = {
        "a study file": args.study and option not in ("--wattmeter", "--package", "--export"),
        "--package": args.package and option != "--package",
        "--export": args.export and option not in ("--package", "--export"),
        "--report": args.report_dir and option != "--report",
        "--import": args.import_dir and option != "--import",
        "--wattmeter": args.wattmeter and option != "--wattmeter",
        "--kaggle": args.kaggle,
        "--dry-run": args.dry_run,
        "--aside": args.aside,
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
    paths["--report"] = args.report_dir
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
                for stream in filter(None, (sys.__stdout__, sys.__stderr__)):
                    os.dup2(nowhere.fileno(), stream.fileno())
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
    return f"{where}results can't be written: {os.strerror(error.errno or 0)}"


def _study(args: argparse.Namespace) -> bool:
    from lib.execution import run_study, terminal
    from lib.execution.call import prepare

    console = terminal.console()
    asked = prepare(
        _source(args),
        args.outputs,
        _overrides(args.set),
        _pairs("--only", args.only),
        scheduler=args.scheduler,
        retry_failed=args.retry_failed,
        fresh=args.fresh,
        figures=args.figures,
        elsewhere=bool(args.kaggle or args.scheduler),
    )
    if args.aside:
        run_study.show_aside(asked, console)
        return True
    if args.dry_run:
        run_study.show(asked, console, args.like)
        return True
    if args.kaggle is not None:
        from lib.execution.kaggle import command

        return command.run(args.kaggle, asked, console, args.import_dir)
    return run_study.execute(asked, console)


def _import(args: argparse.Namespace) -> bool:
    from lib.execution import import_study, terminal

    console = terminal.console()
    return import_study.execute(
        args.import_dir, args.outputs, console, name=args.name, figures=args.figures
    )


def _report(args: argparse.Namespace) -> bool:
    from lib.execution import report_folder, terminal

    folder = args.report_dir.expanduser()
    return report_folder.report(folder, terminal.console(), figures=args.figures)


def _verify(args: argparse.Namespace) -> bool:
    from lib.execution import terminal, verify

    return verify.verify(args.verify.expanduser(), terminal.console())


def _hand_over(args: argparse.Namespace) -> bool:
    """What leaves a finished study for others: exports first, so that a package holds them."""
    from lib.execution import hand_over, terminal

    folder = args.outputs.expanduser() / _source(args).stem
    return hand_over.execute(folder, args.export, args.package, terminal.console())


def _wattmeter(args: argparse.Namespace) -> bool:
    from lib.execution import attach_wattmeter, terminal

    return attach_wattmeter.execute(
        args.wattmeter, _source(args), args.outputs, terminal.console(), figures=args.figures
    )


def _source(args: argparse.Namespace) -> Path:
    return args.study or Path("params/quick.yaml")


def _overrides(texts: list[str]) -> dict[str, Any]:
    """What `--set` gives each field.

    Raises:
        StudyError: If it gives one of them two values: one would be lost.
    """
    from lib.study.errors import StudyError

    pairs = _pairs("--set", texts)
    if twice := [field for field, values in pairs.items() if len(values) > 1]:
        raise StudyError([f"--set: {field} is set {len(pairs[field])} times" for field in twice])
    return {field: value for field, (value,) in pairs.items()}


def _pairs(option: str, texts: list[str]) -> dict[str, list[Any]]:
    """`FIELD=VALUE` texts as fields and their values, read as YAML reads them.

    Raises:
        StudyError: If a text is not of this form.
    """
    from lib.study import yaml_file
    from lib.study.errors import StudyError

    pairs: dict[str, list[Any]] = {}
    problems = []
    for text in texts:
        field, equals, value = text.partition("=")
        if not field or not equals:
            problems.append(f"{option}: '{text}' is not of the form FIELD=VALUE")
            continue
        try:
            pairs.setdefault(field, []).append(yaml_file.parse(value))
        except ValueError as error:
            problems.append(f"{option}: '{text}': the value {error}")
    if problems:
        raise StudyError(problems)
    return pairs
