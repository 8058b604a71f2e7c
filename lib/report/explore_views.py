"""What a reader can choose to see of studies, and what there is to see of each choice."""

import os
from pathlib import Path

import pandas as pd

from lib import records
from lib.analysis import comparison, variants
from lib.analysis.results import Analysis
from lib.quantities import quantity
from lib.report import figures
from lib.report.page import Prose, Table
from lib.report.tables import shared
from lib.study.config import Use, names
from lib.study.folder import StudyFolder
from lib.text import level

RESPONSES = (
    *("energy_consumed", "emissions", "duration", "power", "accuracy", "score"),
    *("wattmeter_energy", "net_energy", "cpu_energy", "gpu_energy", "ram_energy", "peak_power"),
    *("loss", "flops", "flops_training", "parameters", "trainable_parameters"),
)
"""Quantities to choose from, as far as a study has them."""

FACTORS = (
    *("architecture", "dataset", "variant", "location"),
    *names(Use.CONFIGURATION, Use.PLACE, Use.PROTOCOL),
    "repetition",
    *("machine", "cpu_model", "gpu_model", "campaign"),
)
"""Factors to choose from, as far as they vary."""


def folders(study_dir: Path) -> dict[str, Path]:
    """The studies to choose from, by name: `study_dir` and those beside it that hold results."""
    here = study_dir.resolve()
    found = {here}
    for path in here.parent.iterdir() if here.parent.is_dir() else []:
        study = StudyFolder(path)
        if study.results.is_file() or any(study.runs.glob(f"*/{records.FILE_NAME}")):
            found.add(path)
    return {path.name: Path(os.path.relpath(path)) for path in sorted(found)}


def responses(runs: pd.DataFrame) -> list[str]:
    """Quantities of which some run has a value."""
    return [name for name in RESPONSES if name in runs and runs[name].notna().any()]


def factors(runs: pd.DataFrame) -> list[str]:
    """Columns with several levels; the architecture in any case."""
    several = [name for name in FACTORS if name in runs and _levels(runs[name]).nunique() > 1]
    return list(dict.fromkeys(["architecture", *several]))


def _levels(column: pd.Series) -> pd.Series:
    """The levels of a factor as text; what is not set is a level too."""
    return column.map(lambda value: "none" if pd.isna(value) else level(value))


def by_factor(study: Analysis, response: str, factor: str) -> list[object]:
    """One of `responses` by one of `factors`: the figure, and a table of the means."""
    runs = study.runs.assign(**{factor: _levels(study.runs[factor])})
    if factor in study.variants.others:
        # The variants are what differs in it, so that each has one level only.
        runs = runs.drop(columns=variants.COLUMN)
    scale, shown = quantity(response).scaled_to(runs[response])
    panel = [name for name in ("treatment", variants.COLUMN) if name in runs and name != factor]
    groups = runs.assign(_value=runs[response] * scale).groupby([*panel, factor])["_value"]
    means = groups.agg(
        runs="count", mean="mean", standard_deviation="std", lowest="min", highest="max"
    )
    table = means.reset_index().sort_values([*panel, factor], key=shared.order, kind="stable")
    caption = f"{shown.label} by {quantity(factor).inline}"
    return [
        figures.violins(runs, response, by=factor),
        Table("means", caption, table, " ".join(study.unusable)),
    ]


def beside(first: Analysis, second: Analysis, response: str) -> list[object]:
    """Two studies, A and B: what to beware of, the figure, the ratios, and in what they differ.

    Raises:
        comparison.NothingSharedError: If they share no architecture on the same dataset.
    """
    found = comparison.side_by_side(first, second, response)
    both = ["mean_A", "mean_B"]
    scale, scaled = quantity(response).scaled_to(found.means[both].stack())
    means = found.means.copy()
    means[both] *= scale
    names = {"A": f"A: {first.folder.resolve().name}", "B": f"B: {second.folder.resolve().name}"}
    panels = found.runs["dataset"].astype(str) + " · " + found.runs["study"].map(names)
    means, why = shared.reasoned(means)
    caption = f"{scaled.label}: means, and B over A"
    shown = [
        Prose((found.warning,)),
        figures.violins(found.runs.assign(treatment=panels), response, by="architecture"),
        Table("comparison", caption, means, " ".join(found.notes) + why),
        Table("unlike", "How A and B were measured, where it differs", found.unlike),
        Table("settings", "In what else their runs differ", found.settings),
    ]
    return [
        part
        for part in shown
        if not (isinstance(part, Table) and part.frame.empty) and part != Prose(("",))
    ]
