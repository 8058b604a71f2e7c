"""What a study's variants save, each set against the reference; and what they change.

Energy by itself is saved by stopping earlier. So beside the energy of the whole training stands
that until an accuracy which both reached: energy at equal accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib import derived, effects, samples
from lib.variants import COLUMN, REFERENCE, Variants

COMPARED_WITH = "compared_with"

_ROUNDING = 1e-9
"""A mean may come out above equal values by as much."""

_ANY = ""
CHANGES: dict[str, dict[str, str]] = {
    "weights": {_ANY: "the training starts from other weights"},
    "trainable": {
        "all": "the base learns too, so the backward pass goes through the whole network",
        "head": "the base is frozen, so the backward pass ends at the head",
    },
    "head": {
        "linear": "another classifier: one dense layer to the classes",
        "paper": "another classifier: two dense layers of 4,096 before that to the classes",
    },
    "features": {
        "cached": "the frozen base sees {views} fixed augmented views of each image instead of a "
        "new one each epoch",
        "online": "the frozen base sees a new augmented view of each image each epoch",
    },
    "views": {_ANY: "another number of fixed augmented views, where features are cached"},
    "epochs": {_ANY: "the training goes another number of times through the images"},
    "early_stopping": {
        _ANY: "fewer epochs: the training ends when the validation loss has not fallen for so many",
        "none": "every epoch is trained, whatever the validation loss does",
    },
    "batch_size": {
        _ANY: "another number of steps at the same learning rate: larger batches make fewer and "
        "larger ones"
    },
    "optimizer": {_ANY: "another rule for the steps"},
    "learning_rate": {_ANY: "steps of another size"},
    "precision": {
        "mixed": "16-bit arithmetic; weights and output stay in 32 bits",
        "float32": "32-bit arithmetic throughout",
    },
    "backend": {_ANY: "nothing, up to rounding and random numbers"},
    "image_size": {_ANY: "images of another size, so another number of operations"},
    "preprocessing": {_ANY: "pixels on another scale"},
    "grey_to_rgb": {_ANY: "another way to make three channels of one"},
    "augmentation": {
        "paper": "images are changed at random, anew each epoch",
        "none": "images are the same in every epoch",
    },
    "train_limit": {_ANY: "another number of training images"},
    "test_limit": {_ANY: "another number of images to validate on"},
}
"""What each option changes in the mathematics, by field of RunConfig and value."""


def cached(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs whose base sees the images once, before the head trains: in their first epoch."""
    return runs[runs["features"] == "cached"] if "features" in runs else runs.iloc[:0]


def explained(variants: Variants, runs: pd.DataFrame) -> list[str]:
    """Say of every field that varies which values it has and what each changes.

    Args:
        variants: Of the study.
        runs: One row a run, for the number of `views`.
    """
    views = sorted(set(cached(runs)["views"].dropna().astype(int))) if "views" in runs else []
    numbers = " or ".join(map(str, views)) or "some"
    said: dict[tuple[str, str], list[str]] = {}
    for field, values in variants.others.items():
        known = CHANGES[field]
        for value in values:
            said.setdefault((field, known.get(value) or known[_ANY]), []).append(value)
    return [
        f"{field}: {' or '.join(values)} (instead of {variants.reference[field]}): "
        f"{change.format(views=numbers)}."
        for (field, change), values in said.items()
    ]


def compared(
    runs: pd.DataFrame, histories: Mapping[str, pd.DataFrame], first_architecture: str
) -> pd.DataFrame:
    """Set every configuration against the reference of its architecture, and of the study.

    Within a dataset, and within a location where there are several. Energy at equal accuracy takes
    the lower of the two means of the runs' best validation accuracies; of every run that reached it
    the energy until the end of the first epoch that did; and of these energies the means. There is
    none where one of the two only guesses.

    Args:
        runs: Completed runs, with the column `variant`.
        histories: `history.csv` by run id: val_accuracy, energy_consumed (kWh since the start).
        first_architecture: Of the study's reference.

    Returns:
        One row a configuration and reference, by location (where several), dataset, architecture,
        variant and

        - compared_with: the reference; "" in the row of the study's own
        - runs, accuracy (mean at the end, 0 to 1), energy_consumed (mean, kWh)
        - energy_ratio: mean energy over the reference's, with a 95 % bootstrap interval
          `_low`, `_high`
        - accuracy_difference: percentage points above the reference
        - equal_accuracy, energy_to_equal, reference_energy_to_equal (kWh)
        - saved_percent: 100 (1 - energy_to_equal / reference_energy_to_equal)
        - reached, reference_reached: runs behind the two energies
        - reason: why something of the row is empty
    """
    several = "location" in runs and runs["location"].nunique() > 1
    place = [*(["location"] if several else []), "dataset"]
    rows = []
    for where, part in runs.groupby(place, dropna=False):
        groups = {
            key: _Group(group, histories) for key, group in part.groupby(["architecture", COLUMN])
        }
        for (architecture, variant), group in groups.items():
            row = dict(zip(place, where, strict=True))
            row |= {"architecture": architecture, COLUMN: variant} | group.means()
            for base in _references(architecture, variant, first_architecture):
                rows.append(row | _against(group, groups.get(base), base))
            if (architecture, variant) == (first_architecture, REFERENCE):
                rows.append(row | {COMPARED_WITH: "", "reason": ""})
    columns = [*place, "architecture", COLUMN, COMPARED_WITH, "runs", "accuracy"]
    columns += ["energy_consumed", "saved_percent", "accuracy_difference", "energy_ratio"]
    columns += ["energy_ratio_low", "energy_ratio_high", "equal_accuracy", "energy_to_equal"]
    columns += ["reference_energy_to_equal", "reached", "reference_reached"]
    return pd.DataFrame(rows, columns=[*columns, "reason"])


def reference_name(architecture: str) -> str:
    """How a comparison with an architecture's reference is called."""
    return f"{architecture}, {REFERENCE}"


def _references(architecture: str, variant: str, first: str) -> list[tuple[str, str]]:
    own, overall = (architecture, REFERENCE), (first, REFERENCE)
    return [base for base in dict.fromkeys((own, overall)) if base != (architecture, variant)]


class _Group:
    """The runs of one configuration in one place."""

    def __init__(self, runs: pd.DataFrame, histories: Mapping[str, pd.DataFrame]):
        self.size = len(runs)
        self.energy = samples.numbers(runs["energy_consumed"]).dropna().to_numpy()
        self.accuracy = samples.numbers(runs["accuracy"]).dropna().to_numpy()
        self.guessing = derived.guessing(runs).max()
        known = [histories[run] for run in runs["run_id"] if run in histories]
        self.histories = [history for history in known if _has_both(history)]

    def means(self) -> dict[str, float]:
        return {
            "runs": self.size,
            "accuracy": _mean(self.accuracy),
            "energy_consumed": _mean(self.energy),
        }

    def best_accuracy(self) -> float:
        """Mean of the runs' best validation accuracies."""
        return _mean([history["val_accuracy"].max() for history in self.histories])

    def energy_to(self, accuracy: float) -> np.ndarray:
        """Energy of each run that reached an accuracy until it did."""
        energies = [
            derived.energy_to_reach(history, accuracy - _ROUNDING) for history in self.histories
        ]
        return np.array([energy for energy in energies if np.isfinite(energy)])


def _has_both(history: pd.DataFrame) -> bool:
    """Whether some epoch has accuracy and energy."""
    if not {"val_accuracy", "energy_consumed"} <= set(history):
        return False
    return bool(np.isfinite(history["val_accuracy"] * history["energy_consumed"]).any())


def _against(group: _Group, base: _Group | None, name: tuple[str, str]) -> dict[str, object]:
    found: dict[str, object] = {COMPARED_WITH: reference_name(name[0])}
    if base is None:
        return found | {"reason": f"there is no run of {reference_name(name[0])}"}
    reasons = []
    if len(group.energy) and len(base.energy) and _mean(base.energy) > 0:
        interval = effects.bootstrap_interval(_ratio, (group.energy, base.energy))
        reasons.append(interval.reason)
        found["energy_ratio"] = _mean(group.energy) / _mean(base.energy)
        found |= {"energy_ratio_low": interval.low, "energy_ratio_high": interval.high}
    else:
        reasons.append("no ratio: one of the two has no energy")
    found["accuracy_difference"] = 100 * (_mean(group.accuracy) - _mean(base.accuracy))
    equal, reason = _at_equal_accuracy(group, base)
    return found | equal | {"reason": "; ".join(filter(None, [*reasons, reason]))}


def _at_equal_accuracy(group: _Group, base: _Group) -> tuple[dict[str, float], str]:
    """The energies of both until the accuracy that both reached, or why there are none."""
    if not group.histories or not base.histories:
        who = "no run" if not group.histories else "no run of the reference"
        return {}, f"no energy at equal accuracy: {who} has the energy of its epochs"
    accuracy = min(group.best_accuracy(), base.best_accuracy())
    if accuracy <= group.guessing:
        who = "it" if group.best_accuracy() <= group.guessing else "the reference"
        return {}, f"no energy at equal accuracy: {who} is no better than guessing"
    mine, theirs = group.energy_to(accuracy), base.energy_to(accuracy)
    found = {"equal_accuracy": accuracy, "reached": len(mine), "reference_reached": len(theirs)}
    if not len(mine) or not len(theirs):
        who = "no run" if not len(mine) else "no run of the reference"
        return found, f"no energy at equal accuracy: {who} reached it"
    found |= {"energy_to_equal": _mean(mine), "reference_energy_to_equal": _mean(theirs)}
    if _mean(theirs) <= 0:
        return found, "nothing saved: the reference's energy is not above 0"
    return found | {"saved_percent": 100 * (1 - _mean(mine) / _mean(theirs))}, ""


def _ratio(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    return x.mean(axis=axis) / y.mean(axis=axis)


def _mean(values: np.ndarray | list[float]) -> float:
    return float(np.mean(values)) if len(values) else np.nan
