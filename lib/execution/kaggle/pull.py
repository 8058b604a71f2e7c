"""Results from Kaggle, or from folders downloaded by hand, into the study as if they ran here."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lib import __version__, records
from lib.execution import bundle, run_folders
from lib.execution.bundle import RefusedError
from lib.execution.kaggle import KaggleError
from lib.execution.kaggle.client import FAILED, UNDER_WAY, Client
from lib.execution.kaggle.kernels import NOTEBOOK, read_manifest
from lib.execution.kaggle.push import PUSHING, REJECTED, Ledger, patiently
from lib.execution.run_process import LOG_NAME, failed_record, one_line
from lib.records import Record
from lib.study.config import RunFields
from lib.study.folder import StudyFolder

EXECUTED = "__notebook__.ipynb"
"""What Kaggle calls the executed notebook beside a session's own files."""


def pull_all(runs: Sequence[RunFields], study_dir: Path, client: Client) -> dict[str, str]:
    """Fetch what has ended on Kaggle, and move it into its place; what became of each run.

    Raises:
        KaggleError: If nothing was built, or Kaggle refuses the user.
        TransientError: If Kaggle does not answer; call again later.
    """
    commit, ledger = read_manifest(study_dir).commit, Ledger(study_dir)
    run_folders.clear(study_dir)
    return {run.run_id: _pull(run, study_dir, commit, ledger, client) for run in runs}


def take_all(runs: Sequence[RunFields], study_dir: Path, downloads: Path) -> dict[str, str]:
    """Copy what lies under `downloads`, at any depth, into its place; what became of each run.

    It is a folder with results of kernels, as Kaggle's site offers them, and left as it is.

    Raises:
        KaggleError: If nothing was built, or there is no such folder.
    """
    if not downloads.is_dir():
        raise KaggleError(f"no folder {downloads}")
    commit, ledger = read_manifest(study_dir).commit, Ledger(study_dir)
    run_folders.clear(study_dir)
    said = {}
    for config in runs:
        entry = ledger.get(config.run_id)
        commits = {commit, entry.commit if entry else commit}
        said[config.run_id] = _take(config, study_dir, downloads, commits)
    return said


def _pull(
    config: RunFields, study_dir: Path, built: str | None, ledger: Ledger, client: Client
) -> str:
    here = run_folders.look(config)
    if here.record is not None:
        return f"{here.state}, was here before"
    entry = ledger.get(config.run_id)
    if entry is None:
        return "not pushed"
    if entry.state == REJECTED:
        return f"rejected: {entry.message}"
    status = patiently(lambda: client.status(entry.kernel))
    if status is None:
        lost = "not arrived" if entry.state == PUSHING else f"no kernel {entry.kernel} any more"
        return f"{lost}; push again"
    if status.state in UNDER_WAY:
        return f"{status.state} on Kaggle"
    with tempfile.TemporaryDirectory() as name:
        downloads = Path(name)
        patiently(lambda: client.download(entry.kernel, downloads))
        if status.state != FAILED:
            return _take(config, study_dir, downloads, {built, entry.commit})
        staged = run_folders.staged(config, study_dir)
        staged.run_dir.mkdir(parents=True)
        _add_beside(downloads, staged.run_dir)
        said = one_line(f"on Kaggle: {status.message or 'the notebook failed'}")
        error = f"{said} ({LOG_NAME} says more)"
        there = {"git_commit": entry.commit, "versions": {"program": __version__}, "machine": None}
        failed_record(staged, error).model_copy(update=there).write(staged.run_dir)
        _move_in(config, study_dir)
        return error


def _take(config: RunFields, study_dir: Path, downloads: Path, commits: set[str | None]) -> str:
    """Bring one run's result from a folder into its place, if it is what it has to be."""
    run_id = config.run_id
    there = downloads.rglob(f"{run_id}/{records.FILE_NAME}")
    found = sorted(path for path in there if bundle.is_plain(path, downloads))
    if not found:
        others = sorted({path.parent.name for path in downloads.rglob(records.FILE_NAME)})
        of = f"; there are results of {', '.join(others)}" if others else ""
        return f"no runs/{run_id}/{records.FILE_NAME} among the results{of}"
    if len({path.read_bytes() for path in found}) > 1:
        return f"different results: {', '.join(str(path.parent) for path in found)}"
    if run_folders.look(config).state == run_folders.COMPLETE:
        same = (config.run_dir / records.FILE_NAME).read_bytes() == found[0].read_bytes()
        note = "the same result" if same else "another result, which is kept; this one is left out"
        return f"complete, here is {note}"
    source, staged = found[0].parent, run_folders.staged(config, study_dir)
    try:
        bundle.copy_run(source, staged.run_dir, downloads)
        if len(found[0].relative_to(downloads).parts) > 4:  # outputs/<study>/runs/<run id>/run.json
            _add_beside(source.parents[3], staged.run_dir)
        looked = run_folders.look(staged)
        if looked.record is None:
            raise RefusedError(looked.state)
        if looked.record.git_commit not in commits:
            made_by = looked.record.git_commit or "an unknown commit"
            raise RefusedError(f"made by {made_by} of the program, not by what was built")
        if problem := _cut_off(looked.record, staged.run_dir, config):
            raise RefusedError(f"{problem}; fetch it again")
        _move_in(config, study_dir)
    except RefusedError as error:
        return f"refused: {error}"
    finally:
        shutil.rmtree(staged.run_dir, ignore_errors=True)
    return looked.state


def _cut_off(record: Record, folder: Path, config: RunFields) -> str | None:
    # It may have stopped early; another notebook need not tell of epochs.
    epochs = record.extra.get("epochs_trained", getattr(config, "epochs", 0))
    if record.status != "completed" or not epochs:
        return None
    try:
        history = records.read_history(folder)
    except FileNotFoundError:
        return "history.csv is missing"
    except ValueError:
        return "history.csv is damaged"
    told = "val_accuracy" in history
    if len(history) != epochs or not (told or record.notebook):
        return f"history.csv has {len(history)} of {epochs} epochs"
    if told and history["val_accuracy"].iloc[-1] != record.accuracy:
        return "history.csv and the record give different accuracies"
    return None


def _add_beside(kernel: Path, folder: Path) -> None:
    bundle.copy(kernel / EXECUTED, folder / NOTEBOOK, kernel)
    logs = sorted(kernel.glob("*.log"))
    if len(logs) == 1:
        bundle.copy(logs[0], folder / LOG_NAME, kernel)


def _move_in(config: RunFields, study_dir: Path) -> None:
    """Move a run from among the unfinished into its place; what was there is set aside."""
    if config.run_dir.exists():
        run_folders.set_aside(config.run_dir, StudyFolder(study_dir).aside)
    run_folders.settle(config, study_dir)
