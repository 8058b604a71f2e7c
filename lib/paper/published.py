"""The paper's tables as numbers, its raw data as a results table, and the two ways to read them.

Xu, Martínez-Fernández, Martinez, Franch: Energy Efficiency of Training Neural Network
Architectures, arXiv:2302.00967v1. `lib.paper.reproduction` computes each of its tables from the raw
data, `lib.paper.conclusions` says what becomes of its conclusions.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lib.logs import folder as log_folder
from lib.logs.codecarbon import LogError
from lib.logs.counters import COUNTERS, difference_cumulative
from lib.logs.folder import Imported
from lib.paper import package as replication
from lib.training import datasets

TABLES = Path(__file__).resolve().parents[2] / "params" / "published"

AS_PUBLISHED = "as published"
CORRECTED = "corrected"
MEASURED = "measured"

NETWORK = {"head": "paper"}
"""What makes a network of Table 2, beside architecture, dataset and image size."""

TRAINING = {
    **NETWORK,
    "weights": "imagenet",
    "trainable": "head",
    "features": "online",
    "epochs": 50,
    "early_stopping": None,
    "batch_size": 32,
    "optimizer": "adam",
    "precision": "float32",
    "augmentation": "paper",
    "train_limit": None,
    "test_limit": None,
}
"""What makes a training that Table 6 is about (paper, section 3.4). Not among it is what became of
the pixels, which the paper's text and its code say differently, and the framework."""

SCORE_ENERGY = "score_energy"
"""Energy that Scores are made of, kWh: as published it isn't `energy_consumed`."""


def table(name: str) -> pd.DataFrame:
    """Read one of the paper's tables.

    Args:
        name: `table2` to `table7`, `table2_exact`, `rq3`.

    Returns:
        Its cells as text, so that no printed digit is lost: 0.0920 stays 0.0920.
    """
    return pd.read_csv(TABLES / f"{name}.csv", dtype=str, comment="#", keep_default_na=False)


def source(name: str) -> str:
    """Say where the figures of a table come from: the first line of its file."""
    with (TABLES / f"{name}.csv").open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()


def alike(results: pd.DataFrame, design: dict[str, object]) -> pd.DataFrame:
    """The runs that are of the paper's design in all that `NETWORK` or `TRAINING` name.

    Args:
        results: A study's results table; of an import without these columns no run is known to be.
        design: Field of RunConfig and its value.
    """
    columns = ["architecture", "dataset", "image_size"]
    if not {*columns, *design} <= {*results.columns}:
        return results.iloc[:0]
    printed = table("table2").set_index(["architecture", "dataset"])["image_size"].astype(float)
    configuration = zip(results["architecture"], results["dataset"], strict=True)
    size = pd.Series([printed.get(key) for key in configuration], results.index, dtype=float)
    usual = {name: dataset.image_size for name, dataset in datasets.KNOWN.items()}
    own = pd.to_numeric(results["image_size"]).fillna(results["dataset"].map(usual))
    same = own == size
    for name, value in design.items():
        same &= results[name].isna() if value is None else results[name] == value
    return results[same]


def import_package(folder: Path) -> pd.DataFrame:
    """Read the authors' package, or a folder of anyone's CodeCarbon logs, as a results table.

    See `read_package`, which also tells which rows were skipped.
    """
    return read_package(folder).results


def read_package(folder: Path) -> Imported:
    """Read the authors' package, or a folder of anyone's CodeCarbon logs with a sidecar.

    Args:
        folder: For the package: its root, a folder above or below it.

    Returns:
        Results (one row a run, columns as in `lib.logs.folder.as_results`; for the package also
        those of `lib.paper.package.read` and of Table 2), skipped rows, notes and histories.

    Raises:
        ValueError: The folder is neither, or something in it can't be read.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise LogError(f"'{folder}' is no folder")
    root = replication.find_root(folder)
    if root is None:
        try:
            return log_folder.read_folder(folder)
        except LogError as error:
            raise LogError(
                f"{error}. Nor is it the authors' package, which has kaggle/accuracy.csv and "
                "grilla/results_summary/"
            ) from None
    package = replication.read(root)
    return Imported(
        _with_table_2(package.results), package.skipped, package.notes, package.histories
    )


def _with_table_2(results: pd.DataFrame) -> pd.DataFrame:
    """Add size, depth and FLOPs of each network, which the raw data don't hold."""
    printed = table("table2")[["architecture", "dataset", "image_size", "depth"]]
    exact = table("table2_exact").merge(printed, on=["architecture", "dataset"])
    numbers = exact.columns.drop(["architecture", "dataset"])
    return results.merge(
        exact.astype(dict.fromkeys(numbers, int)), on=["architecture", "dataset"], how="left"
    )


def readings(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Read the same rows in each way that they can be read.

    Args:
        results: A study's results table.

    Returns:
        For a study of our own `{"measured": results}`. For an import two tables with the same
        rows and columns: `as published`, in which the counters are what the log says and Scores
        follow Table 6, and `corrected`, in which they are what each run took. Both have
        `score_energy`. The paper has two energies: Tables 3 to 5 and Figures 2 and 4 take the
        log's, Table 6 differences between the rows of one architecture, so that the first run of
        ResNet50 holds all of VGG19's, which shared its tracker.
    """
    logged = [f"{name}_logged" for name in COUNTERS]
    if not set(logged) <= set(results.columns):
        return {MEASURED: results}
    corrected = results.drop(columns=logged)
    published = corrected.assign(**{name: results[f"{name}_logged"] for name in COUNTERS})
    within = difference_cumulative(
        published,
        by=["tracker_run_id", "architecture"],
        columns=["energy_consumed"],
        order="ended_at",
    )
    return {
        AS_PUBLISHED: _scored(published, within["energy_consumed"]),
        CORRECTED: _scored(corrected, corrected["energy_consumed"]),
    }


def _scored(frame: pd.DataFrame, energy: pd.Series) -> pd.DataFrame:
    """Score = accuracy / energy (Section 3.1); empty where the energy isn't positive."""
    score = frame["accuracy"] / energy.where(energy > 0)
    return frame.assign(**{SCORE_ENERGY: energy, "score": score})
