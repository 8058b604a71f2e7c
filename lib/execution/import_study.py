"""`run_all.py --import`: measurements of others, read and written down as a study."""

import re
from pathlib import Path

import pandas as pd
from rich.console import Console

from lib import records
from lib.execution import lock, run_folders, run_study
from lib.files import write_atomically
from lib.logs import folder
from lib.logs.codecarbon import LogError
from lib.logs.folder import NoSidecarError
from lib.paper import published
from lib.records import Record
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.sections import Imported
from lib.study.study import PUBLISHED, Study
from lib.text import readable

TITLE = "Published measurements, read again"


def execute(
    source: Path, outputs: Path, console: Console, *, name: str | None = None, figures: bool
) -> bool:
    """Read what lies in `source` into a study, and write its report.

    `source` is the authors' package, or a folder with anyone's logs or with a table. Without a
    `name` for the study it is that of the folder; the authors' package is `published`.

    Raises:
        StudyError: If nothing can be read there; of logs without a table that says which row is
            which run, one was written, to be filled in.
    """
    try:
        package = published.read_package(source)
        runs = [records.from_row(row) for row in package.results.to_dict("records")]
    except NoSidecarError:
        try:
            problem = folder.write_sidecar(source)
        except LogError as error:
            problem = str(error)
        raise StudyError([problem], "--import") from None
    except ValueError as error:
        raise StudyError([str(error)], "--import") from None
    ours = {"campaign", "tracker_run_id"} <= set(package.results)
    title = name or (TITLE if ours else source.resolve().name)
    called = PUBLISHED if ours and not name else re.sub(r"[^\w.-]+", "-", title).strip("-.")
    if not called:
        raise StudyError([f"'{title}' can't name a folder; give letters or digits"], "--name")
    study_dir = outputs / called
    if StudyFolder(study_dir).plan.is_file():
        taken = f"{study_dir} holds runs of a study; give another name with --name"
        raise StudyError([taken], "--import")
    skipped = tuple(str(row) for row in package.skipped)
    said = Imported(runs=len(runs), skipped=skipped, notes=tuple(package.notes))
    with lock.alone_in_study(study_dir):
        if aside := _write(study_dir, Study(title=title, imported=said), runs, package.histories):
            console.print(f"An earlier import is now in {aside}")
    console.print(f"{len(runs)} runs were read, {len(skipped)} rows were skipped.")
    for sentence in (*skipped, *package.notes):
        console.print(f"Note: {readable(sentence)}")
    return run_study.report(console, study_dir, figures=figures)


def _write(
    study_dir: Path, study: Study, runs: list[Record], histories: pd.DataFrame
) -> Path | None:
    """Write what was imported as a study; where an earlier and different import went to, if any."""
    place = StudyFolder(study_dir)
    results = records.table(runs)
    aside = None
    if study_dir.exists() and not records.merge(study_dir).results.equals(results):
        aside = run_folders.set_aside(study_dir)
    for record in runs:
        record.write(place.run(record.run_id))
    for run_id, history in histories.groupby("run_id"):
        path = place.run(str(run_id)) / records.HISTORY_NAME
        write_atomically(path, history.drop(columns="run_id").to_csv(index=False))
    records.write_results(results, study_dir)
    write_atomically(place.study, study.as_yaml())
    return aside
