"""Figures that follow from a run's energy: per image, per epoch, to a target accuracy.

All take gross energy. What can't be computed is NaN.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.quantities import is_renamed
from lib.stats.equal_accuracy import below
from lib.study.catalog import DATASETS
from lib.units import JOULES_PER_KWH, mean_power

KEYS = ["run_id", "architecture", "dataset", "repetition"]

SHORT_OF_BEST = 0.1  # share below the best accuracy on its dataset, at which a run is good enough
TEST_IMAGES = 10_000  # of MNIST and CIFAR10, where a table does not say how many were used
FIRST_EPOCHS = (1, 2, 5, 10)  # from how many epochs the energy of a whole run is predicted


def per_run(results: pd.DataFrame, histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Derive figures for every completed run.

    Histories are by run id; a run without one has no `energy_to_threshold` and is taken to have
    trained for all its epochs.

    Returns:
        run_id, architecture, dataset, repetition, and

        - joules_per_image: J for one training image once, validation included
        - joules_per_epoch: J
        - mean_power: W, energy over duration (not CodeCarbon's mean of samples)
        - peak_power: W, the highest one-second mean
        - threshold: the validation accuracy that `energy_to_threshold` is about; NaN where guessing
          reaches it
        - energy_to_threshold: kWh until an epoch ended with it; NaN if none did
        - energy_per_point: kWh for each percentage point of accuracy over guessing; NaN if the run
          is not above what guessing explains
    """
    frame = results[KEYS].copy()
    energy = number(results, "energy_consumed")
    joules = energy * JOULES_PER_KWH
    # Training may have stopped early.
    epochs = results["run_id"].map({run: len(history) for run, history in histories.items()})
    epochs = epochs.fillna(number(results, "epochs"))
    frame["joules_per_image"] = joules / (epochs * number(results, "data_train_images"))
    frame["joules_per_epoch"] = joules / epochs
    frame["mean_power"] = mean_power(energy, number(results, "duration"))
    frame["peak_power"] = number(results, "peak_power")
    accuracy = number(results, "accuracy")
    threshold = below(accuracy.groupby(results["dataset"]).transform("max"), SHORT_OF_BEST)
    frame["threshold"] = threshold.mask(threshold <= guessing(results))
    frame["energy_to_threshold"] = [
        energy_to_reach(histories[run], threshold) if run in histories else np.nan
        for run, threshold in zip(frame["run_id"], frame["threshold"], strict=True)
    ]
    points = 100 * (accuracy - 1 / number(results, "data_classes"))
    learned = accuracy > guessing(results)
    frame["energy_per_point"] = energy / points.where(learned)
    return frame


def guessing(results: pd.DataFrame) -> pd.Series:
    """The highest validation accuracy that guessing explains, by run: 0 to 1.

    Three standard errors above chance; NaN where the number of classes isn't known, or where the
    study's quality is no accuracy.
    """
    if is_renamed("accuracy"):
        return pd.Series(np.nan, index=results.index)
    known = {name: len(dataset.class_names) for name, dataset in DATASETS.items()}
    chance = 1 / number(results, "data_classes").fillna(results["dataset"].map(known))
    images = number(results, "data_test_images").fillna(TEST_IMAGES)
    return chance + 3 * np.sqrt(chance * (1 - chance) / images)


def energy_to_reach(history: pd.DataFrame, accuracy: float) -> float:
    """Energy (kWh) at the end of the first epoch with a validation accuracy; NaN if none had it."""
    if not {"energy_consumed", "val_accuracy"} <= {*history}:
        return np.nan
    reached = history["energy_consumed"][history["val_accuracy"] >= accuracy]
    return float(reached.iloc[0]) if len(reached) else np.nan


def prediction_errors(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How far predictions from the first epochs were off, for runs that did finish.

    The prediction is the mean of the first epochs, times the number of epochs: those of a training
    resemble each other, as carbontracker has it (Anthony et al. 2020, arXiv:2007.03051, section 3).

    Returns:
        One row a run and number of first epochs: run_id, epochs, first_epochs, predicted and
        actual energy (kWh, training and validation up to the last epoch's end), error (predicted
        over actual, less 1).
    """
    rows = []
    for run, history in histories.items():
        energy = history.get("energy_consumed", pd.Series(dtype=float)).to_numpy(float)
        epochs, actual = len(energy), energy[-1] if len(energy) else np.nan
        for first in FIRST_EPOCHS:
            if first < epochs and actual > 0 and np.isfinite(energy[first - 1]):
                predicted = energy[first - 1] / first * epochs
                rows.append((run, epochs, first, predicted, actual, predicted / actual - 1))
    columns = ["run_id", "epochs", "first_epochs", "predicted", "actual", "error"]
    return pd.DataFrame(rows, columns=columns)


def number(results: pd.DataFrame, column: str) -> pd.Series:
    """A column as numbers; NaN in every row where the table does not have it."""
    if column not in results:
        return pd.Series(np.nan, index=results.index)
    return pd.to_numeric(results[column])
