"""The frozen order of a study's runs: `plan.csv`."""

from pathlib import Path

import pandas as pd

from lib.files import as_csv, plain, write_atomically
from lib.study.config import RunFields
from lib.study.errors import StoppedError, StudyError
from lib.study.folder import StudyFolder


def freeze(runs: list[RunFields], study_dir: Path) -> list[RunFields]:
    """Bring `runs` into the order that was frozen before, and freeze what is new behind it.

    Raising the number of repetitions must not reorder what has already run.
    """
    frozen = ordered(runs, study_dir)
    write_atomically(StudyFolder(study_dir).plan, as_csv(table(frozen)))
    return frozen


def ordered(runs: list[RunFields], study_dir: Path) -> list[RunFields]:
    """`runs` in the order that was frozen before, what is new behind it; writes nothing."""
    before = {run_id: place for place, run_id in enumerate(read(study_dir))}
    return sorted(runs, key=lambda run: before.get(run.run_id, len(before)))


def read(study_dir: Path) -> list[str]:
    """Run ids in their frozen order; empty where no plan has been frozen.

    Raises:
        StudyError: If the file is damaged.
        StoppedError: If it can't be read, which says nothing about what is in it.
    """
    path = StudyFolder(study_dir).plan
    try:
        return list(pd.read_csv(plain(path), usecols=["run_id"], dtype=str)["run_id"])
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoppedError(f"{path}: can't be read: {error.strerror}") from None
    except ValueError as error:
        problem = f"is no table of runs ({error}); without this file the order is drawn again"
        raise StudyError([problem], str(path)) from None


def table(runs: list[RunFields]) -> pd.DataFrame:
    """One row a run: position from 1, run id, and every field of its configuration."""
    rows = enumerate(runs, start=1)
    return pd.DataFrame([{"position": n, "run_id": run.run_id, **run.recorded} for n, run in rows])
