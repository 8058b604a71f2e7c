"""What a study's variants save, each set against the reference; and what they change.

Energy by itself is saved by stopping earlier. So beside the energy of the whole training stands
that until an accuracy which both reached: energy at equal accuracy.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.analysis import frugality, uncertainty
from lib.analysis.variants import COLUMN, REFERENCE, Variants
from lib.instruments.accuracy import Calibrations
from lib.stats import ALPHA, equal_accuracy, multitest
from lib.stats.equal_accuracy import Curves
from lib.stats.estimate import ratio_of_means
from lib.stats.observations import numbers
from lib.study.config import RunConfig

COMPARED_WITH = "compared_with"

_RATIO, _SAVING, _BEYOND = "_ratio", "_saving", "_beyond"
"""Estimates that a row holds until it is known how many there are, and their doubt."""

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
        "float32": "32-bit arithmetic; `computed_in` of a run says where a GPU may round what it "
        "multiplies (TF32)",
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
    "measurement_version": {_ANY: "measured in another way, and not to be compared"},
    "test_limit": {_ANY: "another number of images to validate on"},
}
"""What each option changes in the mathematics, by field of RunConfig and value; of a field that is
not here, its description says it."""


def cached(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs whose base sees the images once, before the head trains: in their first epoch."""
    return runs[runs["features"] == "cached"] if "features" in runs else runs.iloc[:0]


def explained(variants: Variants, runs: pd.DataFrame) -> list[str]:
    """Say of every field that varies which values it has and what each changes."""
    views = sorted(set(cached(runs)["views"].dropna().astype(int))) if "views" in runs else []
    numbers = " or ".join(map(str, views)) or "some"
    said: dict[tuple[str, str], list[str]] = {}
    for field, values in variants.others.items():
        known = CHANGES.get(field) or {_ANY: str(RunConfig.model_fields[field].description)}
        for value in values:
            said.setdefault((field, known.get(value) or known[_ANY]), []).append(value)
    return [
        f"{field}: {' or '.join(values)} (instead of {variants.reference[field]}): "
        f"{change.format(views=numbers)}."
        for (field, change), values in said.items()
    ]


def savings(
    runs: pd.DataFrame,
    histories: Mapping[str, pd.DataFrame],
    first_architecture: str,
    calibrations: Calibrations | None = None,
) -> pd.DataFrame:
    """Set every configuration against the reference of its architecture, and of the study.

    Within a dataset, and within a location where there are several. Energy at equal accuracy is
    `lib.stats.equal_accuracy`'s, of the histories by run id; there is none where one of the two
    only guesses.

    Returns:
        One row a configuration and reference, by location (where several), dataset, architecture,
        variant and

        - compared_with: the reference; "" in the row of the study's own
        - runs, accuracy (mean at the end, 0 to 1), energy_consumed (mean, kWh)
        - energy_ratio: mean energy over the reference's
        - accuracy_difference: above the reference (0 to 1)
        - equal_accuracy, energy_to_equal, reference_energy_to_equal (kWh)
        - saved_percent: 100 (1 - energy_to_equal / reference_energy_to_equal), its p, and p_holm:
          adjusted for all comparisons with the same reference
        - reached, reference_reached: runs that had the equal accuracy in some epoch
        - reason: why something of the row is empty

        Ratio and saving have 95 % intervals, `_low` and `_high`, of the scatter and of what the
        instruments leave uncertain beside it. They are simultaneous: all that are set against the
        same reference hold their true value at once in 95 % of studies, so that of the best one
        does too. p is of the scatter alone.
    """
    several = "location" in runs and runs["location"].nunique() > 1
    place = [*(["location"] if several else []), "dataset"]
    figures = {name: numbers(runs[name]) for name in ("energy_consumed", "accuracy")}
    runs = runs.assign(guessing=frugality.guessing(runs), **figures)
    narrow = ["run_id", "architecture", COLUMN, "guessing", *figures]
    rows = []
    for where, part in runs.groupby(place, dropna=False):
        keys = [*zip(part["architecture"], part[COLUMN], strict=True)]
        known = uncertainty.known(part, keys, calibrations=calibrations)
        groups = {
            key: _Group(group, histories, known.get(key, {}))
            for key, group in part[narrow].groupby(["architecture", COLUMN])
        }
        for (architecture, variant), group in groups.items():
            row = dict(zip(place, where, strict=True))
            row |= {"architecture": architecture, COLUMN: variant, "runs": group.runs}
            row |= {"accuracy": _mean(group.accuracy), "energy_consumed": _mean(group.energy)}
            for base in dict.fromkeys((architecture, first_architecture)):
                name = reference_name(base)
                if (base, REFERENCE) != (architecture, variant):
                    found = _against(group, groups.get((base, REFERENCE)), name)
                    rows.append(row | {COMPARED_WITH: name} | found)
                elif base == first_architecture:
                    rows.append(row | {COMPARED_WITH: "", "reason": None})
    columns = [*place, "architecture", COLUMN, COMPARED_WITH, "runs", "accuracy"]
    columns += ["energy_consumed", "saved_percent", "saved_percent_low", "saved_percent_high"]
    columns += ["p", "p_holm", "accuracy_difference", "energy_ratio", "energy_ratio_low"]
    columns += ["energy_ratio_high", "equal_accuracy", "energy_to_equal"]
    columns += ["reference_energy_to_equal", "reached", "reference_reached"]
    frame = pd.DataFrame(_with_limits(rows), columns=[*columns, "reason"])
    frame["p_holm"] = frame.groupby(COMPARED_WITH)["p"].transform(multitest.holm)
    return frame


def reference_name(architecture: str) -> str:
    """How a comparison with an architecture's reference is called."""
    return f"{architecture}, {REFERENCE}"


class _Group:
    """The runs of one configuration in one place."""

    def __init__(
        self, runs: pd.DataFrame, histories: Mapping[str, pd.DataFrame], known: uncertainty.Known
    ):
        self.known = known
        self.runs = len(runs)
        self.guessing = runs["guessing"].max()
        self.energy = runs["energy_consumed"].dropna().to_numpy()
        self.accuracy = runs["accuracy"].dropna().to_numpy()
        self.curves = Curves.of(histories[run] for run in runs["run_id"] if run in histories)


def _against(group: _Group, base: _Group | None, name: str) -> dict[str, Any]:
    if base is None:
        return {"reason": f"there is no run of {name}"}
    ratio = ratio_of_means(group.energy, base.energy)
    saving = equal_accuracy.saving(group.curves, base.curves, group.guessing)
    # Without an interval nothing is widened.
    known = ratio.is_known or saving.log_ratio.is_known
    return {
        "energy_ratio": math.exp(ratio.value),
        "accuracy_difference": _mean(group.accuracy) - _mean(base.accuracy),
        "equal_accuracy": saving.accuracy,
        "energy_to_equal": saving.energy,
        "reference_energy_to_equal": saving.reference_energy,
        "saved_percent": saving.percent,
        "reached": saving.reached,
        "reference_reached": saving.reference_reached,
        "p": saving.log_ratio.p if saving.log_ratio.is_known else math.nan,
        "reason": "; ".join(filter(None, [ratio.reason, saving.reason])) or None,
        _RATIO: ratio,
        _SAVING: saving.log_ratio,
        _BEYOND: uncertainty.beyond_scatter(group.known, base.known) if known else None,
    }


def _with_limits(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with intervals, each as wide as the number of its kind calls for."""
    for name in (_RATIO, _SAVING):
        known = [row for row in rows if name in row and row[name].is_known]
        number = Counter(row[COMPARED_WITH] for row in known)
        for row in known:
            alpha = ALPHA / number[row[COMPARED_WITH]]
            low, high = row[name].ratio_within(alpha, row[_BEYOND].doubts)
            if name == _RATIO:
                row |= {"energy_ratio_low": low, "energy_ratio_high": high}
            else:
                row["saved_percent_low"] = 100 * (1 - high)
                row["saved_percent_high"] = 100 * (1 - low)
    return rows


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan
