"""The paper's tables as numbers, and its raw data as a results table.

Xu, Martínez-Fernández, Martinez, Franch: Energy Efficiency of Training Neural Network
Architectures, arXiv:2302.00967v1. `lib.paper.reproduction` computes each of its tables from the raw
data, `lib.paper.conclusions` says what becomes of its conclusions.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lib.logs import tables
from lib.logs.codecarbon import LogError
from lib.logs.folder import Imported, NoSidecarError, read_folder
from lib.paper import package
from lib.study.catalog import DATASETS

TABLES = Path(__file__).resolve().parents[2] / "params" / "published"

NETWORK = {"head": "paper"}  # of Table 2, besides architecture, dataset and image size

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


def table(name: str) -> pd.DataFrame:
    """Read one of the paper's tables (`table2` to `table7`, `table2_exact`, `rq3`), its cells as
    text, so that no printed digit is lost: 0.0920 stays 0.0920.
    """
    return pd.read_csv(TABLES / f"{name}.csv", dtype=str, comment="#", keep_default_na=False)


def source(name: str) -> str:
    """Say where the figures of a table come from: the first line of its file."""
    with (TABLES / f"{name}.csv").open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()


def alike(results: pd.DataFrame, design: Mapping[str, object]) -> pd.DataFrame:
    """The runs that are of the paper's design in all that `NETWORK` or `TRAINING` name.

    Of an import without these columns no run is known to be.
    """
    columns = ["architecture", "dataset", "image_size"]
    if not {*columns, *design} <= {*results.columns}:
        return results.iloc[:0]
    printed = table("table2").set_index(["architecture", "dataset"])["image_size"].astype(float)
    configuration = zip(results["architecture"], results["dataset"], strict=True)
    size = pd.Series([printed.get(key) for key in configuration], results.index, dtype=float)
    usual = {name: dataset.image_size for name, dataset in DATASETS.items()}
    own = pd.to_numeric(results["image_size"]).fillna(results["dataset"].map(usual))
    same = own == size
    for name, value in design.items():
        same &= results[name].isna() if value is None else results[name] == value
    return results[same]


def read_package(folder: Path) -> Imported:
    """Read the authors' package, anyone's CodeCarbon logs with a sidecar, or a tool's table.

    The package is found from its root and from a folder above or below it. Its results have
    besides what `lib.logs.folder.as_results` gives what `lib.paper.package.read` adds, and Table 2.

    Raises:
        ValueError: The folder is neither, or something in it can't be read.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise LogError(f"'{folder}' is no folder")
    root = package.find_root(folder)
    if root is None:
        try:
            return tables.read_table(folder) or read_folder(folder)
        except NoSidecarError:
            raise
        except LogError as error:
            raise LogError(
                f"{error}. Nor is it the authors' package, which has kaggle/accuracy.csv and "
                "grilla/results_summary/"
            ) from None
    read = package.read(root)
    return dataclasses.replace(read, results=_with_table_2(read.results))


def _with_table_2(results: pd.DataFrame) -> pd.DataFrame:
    """Add size, depth and FLOPs of each network, which the raw data don't hold."""
    printed = table("table2")[["architecture", "dataset", "image_size", "depth"]]
    exact = table("table2_exact").merge(printed, on=["architecture", "dataset"])
    numbers = exact.columns.drop(["architecture", "dataset"])
    return results.merge(
        exact.astype(dict.fromkeys(numbers, int)), on=["architecture", "dataset"], how="left"
    )
