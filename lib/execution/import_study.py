"""`run_all.py --import`: measurements of others, read and written down as a study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.console import Console

from lib import records
from lib.execution import lock, run_folders, run_study
from lib.files import write_atomically
from lib.paper import published
from lib.records import Record
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.sections import Imported
from lib.study.study import PUBLISHED, Study
from lib.text import readable

TITLE = "Published measurements, read again"


def execute(source: Path, outputs: Path, console: Console, *, figures: bool) -> bool:
    """Read what lies in `source` into the study `published`, and write its report.

    Args:
        source: The authors' package, or a folder with anyone's logs.
        outputs: Where studies leave their results.
        console: Is shown what was read, and what is to be known of it.
        figures: Whether the figures of the report are also written as files.

    Returns:
        Whether the report is written.

    Raises:
        StudyError: If nothing can be read there.
        BusyError: If another call works on the study.
    """
    try:
        package = published.read_package(source)
        runs = [records.from_row(row) for row in package.results.to_dict("records")]
    except ValueError as error:
        raise StudyError([str(error)], "--import") from None
    study_dir = outputs.expanduser() / PUBLISHED
    skipped = [str(row) for row in package.skipped]
    said = Imported(runs=len(runs), skipped=tuple(skipped), notes=tuple(package.notes))
    with lock.alone_in_study(study_dir):
        if aside := _write(study_dir, runs, package.histories, said):
            console.print(f"An earlier import is now in {aside}")
    console.print(f"{len(runs)} runs were read, {len(skipped)} rows were skipped.")
    for sentence in (*skipped, *package.notes):
        console.print(f"Note: {readable(sentence)}")
    return run_study.report(console, study_dir, figures=figures)


def _write(
    study_dir: Path, runs: list[Record], histories: pd.DataFrame, said: Imported
) -> Path | None:
    """Write what was imported as a study; where an earlier and different import went to, if any."""
    folder = StudyFolder(study_dir)
    results = records.table(runs)
    aside = None
    if study_dir.exists() and not records.merge(study_dir).results.equals(results):
        aside = run_folders.set_aside(study_dir)
    for record in runs:
        record.write(folder.run(record.run_id))
    for run_id, history in histories.groupby("run_id"):
        path = folder.run(str(run_id)) / records.HISTORY_NAME
        write_atomically(path, history.drop(columns="run_id").to_csv(index=False))
    records.write_results(results, study_dir)
    write_atomically(folder.study, Study(title=TITLE, imported=said).as_yaml())
    return aside
