"""What runs read, opened before the first of them: none is to fail for what was known before."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from lib.instruments.wattmeters import meters
from lib.study.config import RunConfig, RunFields
from lib.study.errors import StudyError
from lib.study.study import check_presence
from lib.training import datasets

_HDF5 = b"\x89HDF\r\n\x1a\n"


def check(runs: Iterable[RunFields]) -> None:
    """Open every file of images, of weights and of meters that `runs` name.

    Raises:
        StudyError: With everything that isn't there, or is not what it has to be, each said once.
    """
    runs = list(runs)
    check_presence(runs)
    ours = [run for run in runs if isinstance(run, RunConfig)]
    problems = [_images(*one) for one in dict.fromkeys((run.dataset, run.data_dir) for run in ours)]
    problems += [_meter(name) for name in dict.fromkeys(run.meter for run in runs)]
    problems += [_weights(name) for name in dict.fromkeys(run.weights for run in ours)]
    if found := [problem for problem in problems if problem]:
        raise StudyError(found)


def _images(dataset: str, data_dir: str | None) -> str | None:
    try:
        datasets.read_file(dataset, data_dir)
    except (ValueError, OSError) as error:
        return f"dataset: {error}"
    return None


def _meter(name: str | None) -> str | None:
    try:
        if name is not None:
            meters.open_meter(Path(name))
    except ValueError as error:
        return f"meter: {error}"
    return None


def _weights(name: str) -> str | None:
    """Whether a file is of a format that Keras reads; whose weights they are, Keras says."""
    if name in ("imagenet", "none"):
        return None
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            known = file.read(len(_HDF5)) == _HDF5 or zipfile.is_zipfile(path)
            known = known and path.suffix in (".h5", ".hdf5", ".keras")  # Keras goes by the name
    except OSError as error:
        return f"weights: '{name}' can't be read: {error.strerror}"
    return None if known else f"weights: '{name}' is no file of weights (.h5 or .keras)"
