"""The command line of `run_all.py`: arguments in, exit status out."""

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

GOES_ON = "complete runs are kept, and the same command resumes where it stopped"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_STORAGE = (
    *(*_FULL, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE),
    *(errno.EMFILE, errno.ENFILE, errno.ENOLCK),
)

EPILOG = """\
exit status:
  0    all runs are complete
  1    some runs failed, or are missing because the disk is full or the cluster is gone
  2    bad input; nothing was run
  3    another measurement is under way on this machine
  130  interrupted; the same command resumes

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

    def path(name: str, metavar: str, says: str, **further: Any) -> None:
        result.add_argument(name, type=Path, metavar=metavar, help=says, **further)

    def flag(name: str, says: str) -> None:
        result.add_argument(name, action="store_true", help=says)

    def pairs(name: str, says: str) -> None:
        how = {"nargs": "+", "action": "extend", "default": [], "metavar": "FIELD=VALUE"}
        result.add_argument(name, help=says, **how)  # type: ignore[arg-type]

    path("study", "STUDY.yaml", "a study file (default: params/quick.yaml)", nargs="?")
    where = "where studies leave their results (default: outputs)"
    path("--outputs", "DIR", where, default=Path("outputs"))
    flag("--dry-run", "print the plan, run and write nothing")
    path("--like", "DIR", "with --dry-run: results of an earlier study, whose spread is assumed")
    pairs("--only", "run only these; several values of one field are alternatives")
    pairs(
        "--set", "override a field of every run, e.g. epochs=1; a factor is reduced to this value"
    )
    flag("--retry-failed", "run failed runs again")
    flag("--fresh", "set earlier results of the study aside and start again")
    flag("--aside", "list what was set aside, why, and what the next call takes back")
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
    path(
        "--import",
        "DIR",
        "read the measurements of the paper's authors, or anyone's, instead of training; "
        "writes a table to be filled in where nothing says which row is which run",
    )
    result.add_argument("--name", metavar="TITLE", help="what to call the study of an --import")
    says = "match a wattmeter's log to the runs of a finished study, without training"
    path("--wattmeter", "LOG", says)
    path("--report", "DIR", "write the report of the runs in a folder, without training")
    result.add_argument(
        "--export",
        choices=["boamps", "model-card", "sci", "paper"],
        help="write a finished study to its folder exports/: in another format, or its methods and "
        "threats to validity as text for a paper",
    )
    says = "pack a finished study for reviewers: an RO-Crate with all that its tables need"
    path("--package", "FILE.zip", says)
    path("--verify", "FILE.zip", "check a package: checksums, and every number against the records")
    says = "also write the figures of the report as PNG, SVG and PDF (needs Chrome or Chromium)"
    flag("--figures", says)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run `run_all.py` with `arguments` (default: those of the process); its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may have ASCII only
            stream.reconfigure(errors="replace")
    asked = vars(parser().parse_args(arguments))
    # Imported here so that --help answers at once.
    from lib.study.errors import StudyError, UserError
    from lib.text import readable

    try:
        with _ending_by_signal_is_interrupting():
            if problems := [*_of_no_use(asked), *_expanded(asked)]:
                raise StudyError(problems)
            return COMPLETE if _do(asked) else SOME_FAILED
    except UserError as error:
        and_then = f"; {GOES_ON}" if error.exit_status == SOME_FAILED else ""
        print(f"run_all.py: {readable(str(error), 20_000)}{and_then}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        # Which folder, but not which file: those to be have random names.
        where = f"{Path(error.filename).parent}: " if isinstance(error.filename, str) else ""
        can = "written" if error.errno in _FULL else "read or written"
        said = readable(f"{where}results can't be {can}: {os.strerror(error.errno)}")
        print(f"run_all.py: {said}; {GOES_ON}", file=sys.stderr)
        return SOME_FAILED
    except KeyboardInterrupt:
        print(f"\nrun_all.py: interrupted; {GOES_ON}", file=sys.stderr)
        return INTERRUPTED


_TRAIN_NOTHING: dict[str, set[str]] = {
    "verify": set(),
    "package": {"study", "export"},
    "export": {"study", "package"},
    "report": set(),
    "import": {"name"},
    "wattmeter": {"study"},
}
"""Options in place of training, and what may stand beside each, as `--outputs` may everywhere."""


def _of_no_use(asked: dict[str, Any]) -> list[str]:
    """A sentence for each option that has no meaning beside another one which trains nothing."""
    given = [name for name, value in asked.items() if value]
    if "name" in given and ("import" not in given or "kaggle" in given):
        return ["--name belongs to --import; leave it out"]
    if "like" in given and "dry_run" not in given:
        return ["--like belongs to --dry-run; leave it out"]
    of_kaggle = {"import"} if "kaggle" in given else set()
    alone = next((name for name in _TRAIN_NOTHING if name in {*given} - of_kaggle), None)
    if alone is None:
        return []
    fine = {alone, "outputs", "figures", *_TRAIN_NOTHING[alone]}
    return [
        f"--{alone} trains nothing; leave out "
        + ("a study file" if name == "study" else f"--{name.replace('_', '-')}")
        for name in given
        if name not in fine
    ]


def _expanded(asked: dict[str, Any]) -> list[str]:
    """Expand `~` in all paths; a sentence for each that can't be what it is given as."""
    problems = []
    for name, path in asked.items():
        if isinstance(path, Path):
            try:
                asked[name] = path.expanduser()
                path.stat()
            except RuntimeError:
                problems.append(f"--{name}: {path}: {NOBODY}")
            except (OSError, ValueError) as error:
                if getattr(error, "errno", errno.ENAMETOOLONG) == errno.ENAMETOOLONG:
                    problems.append(f"--{name}: '{path}' can't be the name of a file")
    if not problems and asked["outputs"].is_file():
        problems.append(f"--outputs: {asked['outputs']} is a file, not a folder")
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


def _do(asked: dict[str, Any]) -> bool:
    """Hand over to what does the work; whether all of it was done."""
    from lib.execution import terminal

    console = terminal.console()
    source, outputs = asked["study"] or Path("params/quick.yaml"), asked["outputs"]
    figures = asked["figures"]
    if figures:  # to be known before hours are spent on what they show
        from lib.report import export

        try:
            export.check()
        except export.ExportError as error:
            raise export.ExportError(f"--figures: {error}") from None
    if asked["verify"]:
        from lib.execution import verify

        return verify.verify(asked["verify"], console)
    if asked["export"] or asked["package"]:
        from lib.execution import package

        folder = source if source.is_dir() else outputs / source.stem
        return package.hand_over(folder, asked["export"], asked["package"], console)
    if asked["report"]:
        from lib.execution import report_folder

        return report_folder.report(asked["report"], console, figures=figures)
    if asked["import"] and not asked["kaggle"]:
        from lib.execution import import_study

        measured = asked["import"]
        return import_study.execute(measured, outputs, console, name=asked["name"], figures=figures)
    if asked["wattmeter"]:
        from lib.execution import attach_wattmeter

        log = asked["wattmeter"]
        return attach_wattmeter.execute(log, source, outputs, console, figures=figures)
    from lib.execution import run_study
    from lib.execution.call import prepare
    from lib.study.errors import StudyError

    overrides, only = _pairs("--set", asked["set"]), _pairs("--only", asked["only"])
    if twice := {field: len(values) for field, values in overrides.items() if len(values) > 1}:
        raise StudyError([f"--set: {field} is set {n} times" for field, n in twice.items()])
    once = {field: value for field, (value,) in overrides.items()}
    options = {name: asked[name] for name in ("scheduler", "retry_failed", "fresh", "figures")}
    elsewhere = bool(asked["kaggle"] or asked["scheduler"])
    call = prepare(source, outputs, once, only, elsewhere=elsewhere, **options)
    if asked["aside"]:
        return run_study.show_aside(call, console)
    if asked["dry_run"]:
        return run_study.show(call, console, asked["like"])
    if asked["kaggle"]:
        from lib.execution.kaggle import command

        return command.run(asked["kaggle"], call, console, asked["import"])
    return run_study.execute(call, console)


def _pairs(option: str, texts: list[str]) -> dict[str, list[Any]]:
    """`FIELD=VALUE` texts as fields and their values, read as YAML reads them."""
    from lib.study import yaml_file
    from lib.study.errors import StudyError

    pairs: dict[str, list[Any]] = {}
    problems = []
    for text in texts:
        field, equals, value = text.partition("=")
        try:
            pairs.setdefault(field, []).append(yaml_file.parse(value))
            if not field or not equals:
                problems.append(f"{option}: '{text}' is not of the form FIELD=VALUE")
        except ValueError as error:
            problems.append(f"{option}: '{text}': the value {error}")
    if problems:
        raise StudyError(problems)
    return pairs
