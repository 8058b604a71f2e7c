"""What columns are called in front of people: names, units, digits, and the order of levels.

Figures and tables both speak these words, so that a quantity has one name and one unit everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

ARCHITECTURES = ("VGG16", "VGG19", "ResNet50")
"""The paper's order; any other architecture follows alphabetically."""

DATASETS = ("cifar10", "mnist")  # the paper's order; any other dataset follows alphabetically

LOCATIONS = ("USA/oregon", "USA/south carolina", "TWN/taipei city")
"""The paper's order; any other location follows alphabetically."""

REFERENCE = "reference"  # the variant that others are set against; it comes first


@dataclass(frozen=True)
class Quantity:
    """A column, for people."""

    name: str  # with a capital letter, without a unit
    unit: str = ""  # of the column's values; empty for a pure number
    ladder: tuple[tuple[str, float], ...] = ()  # units to show it in, largest first, and factors
    is_p: bool = False  # whether it is a probability, of which only a bound matters if it is tiny

    @property
    def label(self) -> str:
        """Name and unit: 'Energy (kWh)'."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def is_limit(self) -> bool:
        """Whether it is the end of a 95 % interval around another column."""
        return self.name.startswith("95 %")

    @property
    def inline(self) -> str:
        """The name within a sentence: 'energy', but 'FLOPs' and 'CPU energy'."""
        return self.name if self.name[1:2].isupper() else self.name[:1].lower() + self.name[1:]

    def scaled_to(self, values: Iterable[float]) -> tuple[float, Quantity]:
        """Choose the largest unit in which the largest of `values` is at least 0.1.

        Returns:
            The factor to multiply values by, and this quantity in that unit.
        """
        sizes = (abs(float(value)) for value in values if value is not None)
        largest = max(filter(math.isfinite, sizes), default=0)
        if not self.ladder or not largest:
            return 1.0, self
        fitting = (step for step in self.ladder if largest * step[1] >= 0.1)
        unit, factor = next(fitting, self.ladder[-1])
        return factor, replace(self, unit=unit, ladder=())

    def limited_to(self, values: Iterable[float]) -> Quantity:
        """This quantity with the one unit that suits `values`, whatever it is then used for."""
        factor, shown = self.scaled_to(values)
        return replace(self, ladder=((shown.unit, factor),)) if self.ladder else self


_KWH = ("kWh", (("kWh", 1.0), ("Wh", 1e3), ("mWh", 1e6)))
_KG = ("kg CO₂-eq", (("kg CO₂-eq", 1.0), ("g CO₂-eq", 1e3), ("mg CO₂-eq", 1e6)))
_FLOPS = ("", (("P", 1e-15), ("T", 1e-12), ("G", 1e-9), ("M", 1e-6), ("", 1.0)))
_PER_KWH = "per kWh"
_COUNT = ("", (("million", 1e-6), ("", 1.0)))

QUANTITIES: dict[str, Quantity] = {
    "energy_consumed": Quantity("Energy", *_KWH),
    "mean_energy_consumed": Quantity("Mean energy", *_KWH),
    "energy_consumed_logged": Quantity("Logged energy", *_KWH),
    "inference_energy_per_1000": Quantity("Energy of 1,000 inferences", *_KWH),
    "inference_net_energy_per_1000": Quantity("Net energy of 1,000 inferences", *_KWH),
    "inference_seconds_per_1000": Quantity("Time of 1,000 inferences", "s"),
    "inferences_like_training": Quantity("Inferences that equal the training", *_COUNT),
    "idle_share": Quantity("Idle share of the energy"),
    "joules_per_image": Quantity("Energy per training image", "J"),
    "joules_per_epoch": Quantity("Energy per epoch", "J"),
    "mean_power": Quantity("Mean power", "W"),
    "peak_power": Quantity("Peak power", "W"),
    "threshold": Quantity("Target accuracy"),
    "energy_to_threshold": Quantity("Energy to target accuracy", *_KWH),
    "energy_per_point": Quantity("Energy per percentage point above chance level", *_KWH),
    "first_epochs": Quantity("First epochs used"),
    "emissions": Quantity("Emissions", *_KG),
    "bias": Quantity("Bias", *_KWH),
    "limit_low": Quantity("Limits of agreement from", *_KWH),
    "limit_high": Quantity("Limits to", *_KWH),
    "limit_reach": Quantity("Limits, each ±", *_KWH),
    "gap_percent_low": Quantity("Least gap", "%"),
    "gap_percent_high": Quantity("Largest gap", "%"),
    "n_medians": Quantity("Configurations"),
    "rho_medians": Quantity("rho of medians"),
    "rho": Quantity("rho of runs"),
    "pearson": Quantity("Pearson's r"),
    "carbon_intensity": Quantity("Carbon intensity", "g CO₂-eq/kWh"),
    "duration": Quantity("Duration", "s"),
    "power": Quantity("Mean power", "W"),
    "accuracy": Quantity("Validation accuracy"),
    "loss": Quantity("Validation loss"),
    "energy_ratio": Quantity("Energy / reference"),
    "accuracy_difference": Quantity("Accuracy difference", ladder=(("points", 100.0),)),
    "energy_to_equal": Quantity("Energy until then", *_KWH),
    "reference_energy_to_equal": Quantity("Reference's until then", *_KWH),
    "saved_percent": Quantity("Saved at equal accuracy", "%"),
    "times_as_much": Quantity("Ratio of energies"),
    "n_first": Quantity("Runs of the first"),
    "n_second": Quantity("Runs of the second"),
    "p_exact": Quantity("p (exact)", is_p=True),
    "p_paper": Quantity("p (the paper's test)", is_p=True),
    "f_architecture": Quantity("F of the architecture"),
    "f_interaction": Quantity("F of the interaction"),
    "residual_sd_percent": Quantity("Spread of the runs", "%"),
    "smallest_p": Quantity("Smallest p of this design", is_p=True),
    "ratio": Quantity("B / A"),
    "score": Quantity("Score", _PER_KWH),
    "score_ratio_of_means": Quantity("Score", _PER_KWH),
    "score_mean_of_ratios": Quantity("Score, mean of runs", _PER_KWH),
    "score_min": Quantity("Lowest run", _PER_KWH),
    "score_max": Quantity("Highest run", _PER_KWH),
    "flops": Quantity("FLOPs of a forward batch", *_FLOPS),
    "flops_head": Quantity("FLOPs of the head", *_FLOPS),
    "flops_training": Quantity("FLOPs of the training", *_FLOPS),
    "parameters": Quantity("Parameters", *_COUNT),
    "trainable_parameters": Quantity("Trainable parameters", *_COUNT),
    "parameters_M": Quantity("Parameters", "million"),
    "trainable_parameters_M": Quantity("Trainable parameters", "million"),
    "flops_G": Quantity("FLOPs of a forward batch", "G"),
    "flops_head_G": Quantity("FLOPs of the head", "G"),
    "depth": Quantity("Depth", "layers"),
    "image_size": Quantity("Image size", "pixels"),
    "p": Quantity("p", is_p=True),
    "p_holm": Quantity("p (Holm)", is_p=True),
    "n": Quantity("n"),
    "run_id": Quantity("Run"),
    "cpu_model": Quantity("CPU"),
    "cpu_count": Quantity("CPU threads"),
    "gpu_model": Quantity("GPU"),
    "gpu_count": Quantity("GPUs"),
    "ram_total_size": Quantity("RAM", "GiB"),
    "os": Quantity("Operating system"),
    "codecarbon_major": Quantity("Major version of CodeCarbon"),
    "pareto": Quantity("On the Pareto front"),
    "flops_cifar10": Quantity("FLOPs on cifar10", *_FLOPS),
    "flops_mnist": Quantity("FLOPs on mnist", *_FLOPS),
    "accuracy_VGG16": Quantity("Accuracy of VGG16"),
    "accuracy_VGG19": Quantity("Accuracy of VGG19"),
    "energy_consumed_VGG16": Quantity("Energy of VGG16", *_KWH),
    "energy_consumed_VGG19": Quantity("Energy of VGG19", *_KWH),
    "gpu_VGG16_W": Quantity("GPU of VGG16", "W"),
    "gpu_VGG19_W": Quantity("GPU of VGG19", "W"),
    "vgg19_takes_more_percent": Quantity("VGG19 takes more", "%"),
    "kaggle_duration": Quantity("Duration on Kaggle", "s"),
    "codecarbon_estimated_W": Quantity("CodeCarbon, estimated", "W"),
    "cpu_last_reading_W": Quantity("CPU, last reading", "W"),
    "least_energy": Quantity("Least energy"),  # the name of a network
    "codecarbon_energy_estimated": Quantity("CodeCarbon energy, estimated", *_KWH),
    "carbon_intensity_spread": Quantity("Its spread", "g CO₂-eq/kWh"),
    "spearman_rho": Quantity("Spearman's rho"),
    "mnist_over_cifar10": Quantity("MNIST over CIFAR-10"),
    "smallest_gap_percent": Quantity("Smallest gap (%)"),
    "largest_gap_percent": Quantity("Largest gap (%)"),
}
"""Columns whose name is no word for people, or that have a unit."""

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")
_SUFFIXES = {"_percent": "%", "_W": "W"}
_LIMIT = re.compile(r"(.+)_(low|high)(_W)?")
_WORDS = {"cpu": "CPU", "gpu": "GPU", "ram": "RAM", "flops": "FLOPs", "codecarbon": "CodeCarbon"}
_LIMITS = {"low": "95 % from", "high": "95 % to"}


def quantity(column: str) -> Quantity:
    """What `column` is called; one without an entry is its own name, underscores removed.

    The limits `_low` and `_high` of a column have its unit.
    """
    if column in QUANTITIES:
        return QUANTITIES[column]
    if limit := _LIMIT.fullmatch(column):
        return replace(quantity(limit[1] + (limit[3] or "")), name=_LIMITS[limit[2]])
    suffix = next((end for end in _SUFFIXES if column.endswith(end)), "")
    words = column.removesuffix(suffix).replace("%", " %").split("_")
    text = " ".join(_WORDS.get(word, word) for word in words).strip()
    unit = _KWH if column.endswith("_energy") else (_SUFFIXES.get(suffix, ""),)
    return Quantity(text[:1].upper() + text[1:], *unit)


_RENAMED: set[str] = set()


def call(names: Mapping[str, str]) -> None:
    """Call columns otherwise from now on: a study of other factors has words of its own.

    What they are in the units of, nobody says.
    """
    for column, name in names.items():
        QUANTITIES[column] = Quantity(name)
        _RENAMED.add(column)


def is_renamed(column: str) -> bool:
    """Whether the study calls a column otherwise."""
    return column in _RENAMED


def word(column: str) -> str:
    """A factor in a sentence: the name of its field, or what the study calls it."""
    return quantity(column).inline if is_renamed(column) else column


ALONE = "its data"  # in the place of a dataset: what is compared within nothing else


def within(level: object) -> str:
    """` on mnist`; ` with width 32` where something else than a dataset is varied; else nothing."""
    if level == ALONE:
        return ""
    return f" with {level}" if is_renamed("dataset") else f" on {level}"


def reached(value: float) -> str:
    """`accuracy 0.970`, or what else the study is to reach: `bits per character 2.74`."""
    named = quantity("accuracy").inline if is_renamed("accuracy") else "accuracy"
    if named.startswith("−"):  # of which less is better
        named, value = named[1:], -value
    return f"{named} {significant(value, 3)}"


def ordered(values: Iterable[object]) -> list[str]:
    """Levels of a factor in the order of every figure and table: the paper's, then the alphabet.

    Numbers in a level count by their size: 8 comes before 32. Missing values are left out.
    """
    import pandas as pd  # here, for most of what says quantities has no table

    first = (REFERENCE, *ARCHITECTURES, *DATASETS, *LOCATIONS)
    known = {name: place for place, name in enumerate(first)}
    levels = {str(value) for value in values if not pd.isna(value)}
    return sorted(levels, key=lambda level: (known.get(level, len(known)), _natural(level), level))


def _natural(level: str) -> list[str | float]:
    """A key that sorts text by the alphabet and the numbers in it by size."""
    parts = _NUMBER.split(level)
    return [float(part) if place % 2 else part for place, part in enumerate(parts)]


def number(value: float | None, digits: int = 4) -> str:
    """A number with sensible digits: `digits` significant ones, grouped thousands, no exponent
    where a reader can do without.

    Nothing is written for NaN or None: what is not known is empty.
    """
    if value is None or not math.isfinite(value):
        return "" if value is None or math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if float(value).is_integer() and exponent < 15:
        return f"{value:,.0f}".replace("-", "−")
    if exponent < -6 or exponent >= 15:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    return significant(value, digits)


def significant(value: float, digits: int) -> str:
    """A finite number with so many significant digits, zeros at its end too: `4.00`, `1,230`."""
    exponent = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}".replace("-", "−")
