"""The command line of `run_all.py`: arguments in, exit status out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from lib.study import RunConfig, Study

COMPLETE, SOME_FAILED, BAD_INPUT, BUSY, INTERRUPTED = 0, 1, 2, 3, 130

IMPORT_TITLE = "Published measurements, read again"

EPILOG = """\
exit status:
  0    all runs are complete
  1    some runs failed
  2    bad input; nothing was run or written
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
        "--import",
        dest="import_dir",
        type=Path,
        metavar="DIR",
        help="read measurements from the authors' package, or anyone's, in place of training",
    )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run `run_all.py` with `arguments` (default: those of the process); its exit status."""
    args = parser().parse_args(arguments)
    # Imported here so that --help answers at once.
    from lib.study import StudyError

    try:
        if args.import_dir is not None:
            return _import(args)
        return _study(args)
    except StudyError as error:
        print(f"run_all.py: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("\nrun_all.py: interrupted; the same call goes on where it stopped", file=sys.stderr)
        return INTERRUPTED


def _study(args: argparse.Namespace) -> int:
    from lib import display, plan, runner
    from lib.study import StudyError, load_study, select

    path = args.study or Path("params/quick.yaml")
    study = load_study(path, {field: values[-1] for field, values in _pairs("--set", args.set)})
    only = dict(_pairs("--only", args.only))
    try:
        everything = study.runs(path.stem, args.outputs)
        chosen = select(everything, only)
    except StudyError as error:
        raise StudyError(error.problems, str(path)) from None
    study_dir = args.outputs.expanduser() / path.stem
    console = display.console()

    if args.dry_run:
        everything = plan.ordered(everything, study_dir)
        chosen = [run for run in everything if run in chosen]
        _show_plan(console, study, path, chosen)
        return COMPLETE
    try:
        with runner.alone_on_this_machine(f"study {path.stem}"):
            return _run(args, study, path, study_dir, everything, chosen, console)
    except runner.BusyError as error:
        print(f"run_all.py: {error}", file=sys.stderr)
        return BUSY


def _run(
    args: argparse.Namespace,
    study: Study,
    path: Path,
    study_dir: Path,
    everything: list[RunConfig],
    chosen: list[RunConfig],
    console: Console,
) -> int:
    from lib import display, plan, records, runner
    from lib.files import write_atomically

    if args.fresh and study_dir.exists():
        console.print(f"Earlier results are now in {runner.set_aside(study_dir)}")
    everything = plan.freeze(everything, study_dir)
    write_atomically(study_dir / "study.yaml", study.as_yaml())
    chosen = [run for run in everything if run in chosen]
    _show_plan(console, study, path, chosen)
    pending = []
    for run in chosen:
        state = runner.state(run)
        if state == "complete" or (state == "failed" and not args.retry_failed):
            continue
        if state != "missing":
            kept = runner.set_aside(run.run_dir, study_dir / runner.ASIDE)
            console.print(f"Set aside in {kept}: {display.plain(state)}")
        pending.append(run)

    watcher = display.watcher(console)
    try:
        if pending:
            runner.execute_all(pending, study_dir, watcher, study.run_timeout)
    finally:
        watcher.close()
        merged = records.merge(study_dir, [run.run_id for run in everything])
        records.write_results(merged.results, study_dir)
    for sentence in merged.damaged:
        console.print(f"Not a record: {sentence}")
    if merged.left_out:
        console.print(f"Left out, of another configuration: {', '.join(merged.left_out)}")
    ended = [records.read(run.run_dir / records.FILE_NAME) for run in chosen]
    console.print(display.summary_table(ended))
    reported = _report(console, study_dir)
    failed = any(record.status == "failed" for record in ended)
    return SOME_FAILED if failed or not reported else COMPLETE


def _import(args: argparse.Namespace) -> int:
    import yaml

    from lib import display, published, records, runner
    from lib.files import write_atomically
    from lib.study import StudyError

    try:
        package = published.read_package(args.import_dir)
    except ValueError as error:
        raise StudyError([str(error)], "--import") from None
    console = display.console()
    study_dir = args.outputs.expanduser() / "published"
    imported = [records.from_row(row) for row in package.results.to_dict("records")]
    results = records.table(imported)
    if study_dir.exists() and not records.merge(study_dir).results.equals(results):
        console.print(f"An earlier import is now in {runner.set_aside(study_dir)}")
    for record in imported:
        record.write(study_dir / "runs" / record.run_id)
    for run_id, history in package.histories.groupby("run_id"):
        path = study_dir / "runs" / str(run_id) / "history.csv"
        write_atomically(path, history.drop(columns="run_id").to_csv(index=False))
    records.write_results(results, study_dir)
    skipped = [str(row) for row in package.skipped]
    about = {"title": IMPORT_TITLE, "imported": len(imported)}
    about |= {"skipped": skipped, "notes": list(package.notes)}
    write_atomically(study_dir / "study.yaml", yaml.safe_dump(about, sort_keys=False))
    console.print(f"{len(imported)} runs were read, {len(skipped)} rows were skipped.")
    for sentence in (*skipped, *package.notes):
        console.print(f"Note: {display.plain(sentence)}")
    return COMPLETE if _report(console, study_dir) else SOME_FAILED


def _report(console: Console, study_dir: Path) -> bool:
    """Write the report; False, with a sentence, if that failed."""
    from lib import report  # nbconvert takes a second to import

    try:
        console.print(f"Report: {report.build(study_dir)}", soft_wrap=True)
    except report.ReportError as error:
        print(
            f"run_all.py: the results are in {study_dir}, but not the report: {error}",
            file=sys.stderr,
        )
        return False
    return True


def _show_plan(console: Console, study: Study, path: Path, runs: list[RunConfig]) -> None:
    from lib import display, runner

    console.print(f"[bold]{display.plain(study.title)}[/bold] ({path}, {len(runs)} runs)")
    console.print(f"All runs: {display.plain(display.same_for_all(runs))}")
    for sentence in display.what_is_missing(runs):
        console.print(f"Note: {sentence}")
    console.print(display.plan_table(runs, [runner.state(run) for run in runs]))


def _pairs(option: str, texts: list[str]) -> list[tuple[str, list[Any]]]:
    """`FIELD=VALUE` texts as fields and their values, read as YAML reads them.

    Raises:
        StudyError: If a text is not of this form.
    """
    import yaml

    from lib.study import StudyError

    pairs: dict[str, list[Any]] = {}
    problems = []
    for text in texts:
        field, equals, value = text.partition("=")
        if not field or not equals:
            problems.append(f"{option}: '{text}' is not of the form FIELD=VALUE")
            continue
        try:
            pairs.setdefault(field, []).append(yaml.safe_load(value))
        except yaml.YAMLError:
            problems.append(f"{option}: '{text}': the value is not valid YAML")
    if problems:
        raise StudyError(problems)
    return list(pairs.items())
