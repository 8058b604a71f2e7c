"""`run_all.py --wattmeter`: a wattmeter's log matched to the runs of a finished study."""

from pathlib import Path

import pandas as pd
from rich.console import Console

from lib import files, records
from lib.analysis import calibration
from lib.execution import lock, run_study
from lib.logs import attach
from lib.study import plan
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.study import Study, load_study
from lib.text import listed, readable


def execute(log: Path, source: Path, outputs: Path, console: Console, *, figures: bool) -> bool:
    """Give every run of a study its reading of a wattmeter, as the study file `source` says how to
    read the log, and write the report anew; whether all of that was done.

    Raises:
        StudyError: If the study has no results, or the log can't be read.
    """
    study_dir = outputs / source.stem
    study = load_study(source)
    if not study_dir.is_dir():
        raise StudyError([f"there is no study in {study_dir}; run it first"], "--wattmeter")
    planned = plan.read(study_dir)
    with lock.alone_in_study(study_dir):
        try:
            attached = attach.attach(study_dir, log, study.wattmeter, planned)
        except ValueError as error:
            raise StudyError([str(error)], "--wattmeter") from None
        results = records.merge(study_dir, planned or None).results
        records.write_results(results, study_dir)
    for sentence in attached.notes:
        console.print(f"Note: {readable(sentence)}", soft_wrap=True)
    for run_id, reason in attached.refused.items():
        console.print(f"No reading of {run_id}: {readable(reason)}", soft_wrap=True)
    runs = len(attached.measured) + len(attached.refused)
    console.print(f"{len(attached.measured)} of {runs} runs have a reading of the wattmeter.")
    _calibrate(results, study, StudyFolder(study_dir).calibration, console)
    return run_study.report(console, study_dir, figures=figures) and not attached.refused


def _calibrate(results: pd.DataFrame, study: Study, path: Path, console: Console) -> None:
    """Write the lines that calibrate this machine's instruments, where the runs allow it."""
    if study.protocol.model_dump()["idle_seconds"] < calibration.SHORTEST_WINDOW:
        return  # it was not made for that
    runs = results[results["status"] == "completed"]
    try:
        found = calibration.calibrate(runs, [*study.factors], study.calibration.get("wattmeter"))
    except calibration.CalibrationError as error:
        console.print(f"No calibration: {error}.", soft_wrap=True)
        return
    files.write_atomically(path, found.as_yaml())
    console.print(
        f"By the wattmeter, the energy of {listed(found.components)} is {found.gain:.3f} times "
        f"what was reported (± {200 * found.u:.2g} %). For the study files of this machine, in "
        f"{path.name}:\n"
        f"{found.as_yaml()}",
        soft_wrap=True,
    )
