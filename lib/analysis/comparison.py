"""Two studies side by side: what both trained, and whether they measured it alike."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.analysis import variants
from lib.analysis.results import Analysis
from lib.quantities import ordered, quantity
from lib.stats.estimate import ratio_of_means
from lib.stats.observations import numbers
from lib.study.catalog import DATASETS
from lib.study.config import RunConfig, Use, names
from lib.study.errors import UserError
from lib.text import level, listed

NOT_RECORDED = "not recorded"

COUNTED = ("flops", "flops_training", "parameters", "trainable_parameters", "depth")
"""Quantities that don't depend on the machine."""

LEARNED = ("accuracy", "loss")  # quantities that don't depend on how energy and time are measured

_CODECARBON = "codecarbon_major"
_MEASUREMENT = (
    *("machine", "cpu_model", "gpu_model", _CODECARBON, "cpu_method", "gpu_method", "ram_method"),
    *names(Use.PLACE, Use.PROTOCOL),
)
"""What must be the same in two studies before their energies can be compared."""

_TRAINING = (
    *variants.VARIED,
    *("data_train_images", "data_test_images", "version_tensorflow", "version_keras"),
)


class NothingSharedError(UserError, ValueError):
    """Two studies have no architecture on the same dataset; the message says what each has."""


@dataclass(frozen=True)
class Comparison:
    """A quantity in two studies, A and B, of the architectures and datasets that both have."""

    response: str  # the quantity's column
    runs: pd.DataFrame  # of both, told apart by `study` (A or B)
    # one row for each architecture and dataset: runs_A, runs_B (with a value), mean_A, mean_B,
    # ratio (B / A) with the limits of its 95 % interval, and the reason why something is empty
    means: pd.DataFrame
    unlike: pd.DataFrame  # what was not measured alike: what, A, B
    # in what else the runs differ, as software and the training's settings: the same
    settings: pd.DataFrame
    notes: tuple[str, ...] = ()  # what of the two was compared, where it isn't all of it

    @property
    def warning(self) -> str:
        """Why the two can't be compared in this quantity; "" where they can, as far as is known."""
        if self.unlike.empty or self.response in (*COUNTED, *LEARNED):
            return ""
        return (
            "A and B were not measured alike, or do not both say how: see "
            f"{listed(self.unlike['what'])} below. So their {quantity(self.response).inline} can't "
            "be compared: a ratio may come from that, and not from the networks."
        )


def side_by_side(first: Analysis, second: Analysis, response: str) -> Comparison:
    """Set two studies, A and B, side by side in the column of a quantity.

    Of a study with several treatments the last is taken, of one with variants the reference.

    Raises:
        NothingSharedError: If the two share no architecture on the same dataset.
    """
    sides = {"A": _runs(first), "B": _runs(second)}
    keys = ["architecture", "dataset"]
    configurations = {name: _configurations(runs, keys) for name, runs in sides.items()}
    shared = [pair for pair in configurations["A"] if pair in configurations["B"]]
    if not shared:
        has = [
            f"{name} has {listed(' on '.join(pair) for pair in pairs) or 'no complete run'}"
            for name, pairs in configurations.items()
        ]
        said = f"A and B share no architecture on the same dataset: {'; '.join(has)}."
        raise NothingSharedError(said)
    chosen = {
        name: pd.concat([groups[pair] for pair in shared]).sort_index()
        for name, groups in configurations.items()
    }
    means = [
        dict(zip(keys, pair, strict=True))
        | _means(*(_values(each[pair], response) for each in configurations.values()))
        for pair in shared
    ]
    columns = [*keys, "runs_A", "mean_A", "runs_B", "mean_B"]
    columns += ["ratio", "ratio_low", "ratio_high", "reason"]
    return Comparison(
        response=response,
        runs=pd.concat([runs.assign(study=name) for name, runs in chosen.items()]),
        means=pd.DataFrame(means, columns=columns),
        unlike=_differences(chosen["A"], chosen["B"], _MEASUREMENT),
        # A field that one of them did not record may still have been the same.
        settings=_differences(chosen["A"], chosen["B"], _TRAINING, known=True),
        notes=(*_notes("A", first), *_notes("B", second)),
    )


def _runs(study: Analysis) -> pd.DataFrame:
    runs = variants.reference_runs(study.believed)
    absent = pd.Series(None, index=runs.index, dtype=object)
    version = runs.get("version_codecarbon", runs.get("codecarbon_version", absent))
    # Where it is not set, it is what the dataset's images are brought to by default.
    sizes = runs["dataset"].map({name: one.image_size for name, one in DATASETS.items()})
    return runs.assign(
        image_size=runs.get("image_size", absent).fillna(sizes),
        **{_CODECARBON: version.map(lambda text: str(text).partition(".")[0], na_action="ignore")},
    )


def _notes(name: str, study: Analysis) -> Iterable[str]:
    if len(study.treatments) > 1:
        yield f"Of {name} the treatment '{list(study.treatments)[-1]}' is compared."
    if variants.column_of(study.believed):
        yield f"{name} has several variants, of which the reference is compared."


def _configurations(runs: pd.DataFrame, keys: list[str]) -> dict[tuple[str, ...], pd.DataFrame]:
    """The runs of every architecture on every dataset of a study, in the order of all tables."""
    groups = dict(list(runs.groupby([runs[key].astype(str) for key in keys])))
    return {
        (architecture, dataset): groups[architecture, dataset]
        for dataset in ordered(runs["dataset"])
        for architecture in ordered(runs["architecture"])
        if (architecture, dataset) in groups
    }


def _values(runs: pd.DataFrame, response: str) -> np.ndarray:
    return numbers(runs.get(response, pd.Series(dtype=float))).dropna().to_numpy()


def _means(a: np.ndarray, b: np.ndarray) -> dict[str, object]:
    found: dict[str, object] = {"runs_A": len(a), "runs_B": len(b)}
    found |= {f"mean_{name}": x.mean() for name, x in (("A", a), ("B", b)) if len(x)}
    if empty := [name for name, values in (("A", a), ("B", b)) if not len(values)]:
        return found | {"reason": f"no run of {listed(empty)} has a value"}
    ratio = ratio_of_means(b, a)
    if ratio.is_known:
        found["ratio_low"], found["ratio_high"] = ratio.ratio_within()
    return found | {"ratio": math.exp(ratio.value), "reason": ratio.reason}


def _differences(
    a: pd.DataFrame, b: pd.DataFrame, columns: Iterable[str], *, known: bool = False
) -> pd.DataFrame:
    """Columns whose values are not the same in both; with `known`, only those that both have."""
    rows = []
    for column in columns:
        one, other = _levels(a, column), _levels(b, column)
        if one != other and not (known and NOT_RECORDED in (one, other)):
            rows.append({"what": quantity(column).name, "A": one, "B": other})
    return pd.DataFrame(rows, columns=["what", "A", "B"])


def _levels(runs: pd.DataFrame, column: str) -> str:
    """The values of a column in words."""
    if column not in runs:
        return NOT_RECORDED
    values = [*runs[column].dropna().map(level)]
    field = RunConfig.model_fields.get(column)
    if len(values) < len(runs) and field is not None and field.default is None:
        values.append("none")
    return ", ".join(ordered(values)) or NOT_RECORDED
