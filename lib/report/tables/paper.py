"""The paper's tables next to ours, and what becomes of its conclusions."""

from typing import Any

import pandas as pd

from lib.analysis import papers_tests, variants
from lib.analysis.results import Analysis
from lib.logs import treatments
from lib.paper import conclusions as weighing
from lib.paper import published, reproduction
from lib.quantities import QUANTITIES, quantity
from lib.report import figures
from lib.report.page import Stack, Table
from lib.report.tables import shared

_VERDICTS = (
    "A result that an instrument could not have measured is undecided, not refuted; a conclusion "
    "falls only where a sound measurement, or arithmetic, speaks against it. Evidence names the "
    "tables under “The evidence”."
)

_TESTS = "Holm adjusts over the responses of one question to one part of the data."
_OTHER_MACHINE = (
    "Measured: mean of our runs of the same training, wherever they ran; the paper's figures are "
    "given for each of its locations. Energies of other machines reproduce nothing, and the "
    "paper's have faults of their own (docs/reanalysis.md), so only accuracies should agree."
)
_EVIDENCE = {
    "questions": ("the paper's questions, put to each part of the data", _TESTS),
    "by_design": (
        "whether architectures differ, by the design of a study and by the paper's test",
        "Exact: every order of the architectures within datasets and places. The paper's test is "
        "Kruskal-Wallis; over both datasets at once their energies mix its ranks. F is from the "
        "linear model of the logarithms.",
    ),
    "flops": (
        "FLOPs of one forward batch on either dataset",
        "Of the same network: its images are larger on MNIST.",
    ),
    "gpu_power": (
        "how the GPU energy of the runs came about",
        "Sampled all along, or one reading for the whole run. A mean power that equals the log's "
        "last reading was never sampled.",
    ),
    "vgg_pairs": (
        "VGG16 and VGG19 wherever both were measured soundly",
        "One row a Kaggle session (one sampled run each) and one a dataset of the wattmeter "
        "machine (medians of three, wattmeter's energy).",
    ),
    "energy_bounds": (
        "between which energies a Kaggle run lies if its GPU power isn't known",
        "CPU and RAM are constants times duration; the GPU draws the lowest or the highest power "
        "that was ever read there. Sampled: the run whose GPU was sampled, if there is one.",
    ),
    "wattmeter_medians": (
        "energy of each configuration on the wattmeter machine",
        "Medians of the runs, with their duration on Kaggle.",
    ),
    "wattmeter_power": (
        "mean power of each wattmeter run by both instruments",
        "Estimated: with the last CPU power that CodeCarbon read in place of its CPU energy.",
    ),
    "instrument_agreement": (
        "Spearman's rho between wattmeter and CodeCarbon",
        "Of energy, and of energy divided by duration.",
    ),
    "best_architectures": (
        "which architecture has the best Score, accuracy and energy",
        "Means of the runs; of the wattmeter machine, the wattmeter's energy. Architectures: how "
        "many were compared.",
    ),
    "within_locations": (
        "correlation of emissions with the dataset, overall and in each place",
        "Point-biserial r of corrected emissions; empty where one dataset is missing.",
    ),
}
"""Of each table: its title, and how to read it."""

_UNITS = {
    "cifar10": "flops_cifar10",
    "mnist": "flops_mnist",
    "ratio": "mnist_over_cifar10",
    "least_energy": "lowest_energy_architecture",
    "lowest": "lowest_energy",
    "highest": "highest_energy",
    "sampled": "sampled_energy",
    "wattmeter": "wattmeter_W",
    "codecarbon": "codecarbon_W",
    "codecarbon_estimated": "codecarbon_estimated_W",
    "gpu": "gpu_W",
    "ram": "ram_W",
    "cpu": "cpu_W",
    "cpu_last_reading": "cpu_last_reading_W",
    "gpu_energy_power_VGG16": "gpu_VGG16_W",
    "gpu_energy_power_VGG19": "gpu_VGG19_W",
}
"""Columns whose name says no unit, and what they are called where each has one."""


def conclusions(study: Analysis) -> Table:
    """The paper's conclusions, and what becomes of each when its data are read correctly."""
    found = weighing.to_frame(weighing.conclusions(study.completed, study.reanalysis))
    columns = ["verdict", "claim", "sentence", "where", "question", "evidence"]
    note = "" if found.empty else _VERDICTS
    shown = found[columns].rename(columns={"sentence": "why", "where": "in_the_paper"})
    return Table("conclusions", "" if shown.empty else "The paper's conclusions", shown, note)


def evidence(study: Analysis) -> Stack:
    """The tables that the verdicts on the paper's conclusions point to."""
    return Stack(
        tuple(
            Table(f"evidence_{name}", f"{name}: {title}", _in_words(study.reanalysis[name]), note)
            for name, (title, note) in _EVIDENCE.items()
            if name in study.reanalysis
        )
    )


def _in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns by names that have units, and responses and factors as people call them."""
    return shared.in_words(frame.rename(columns=_UNITS))


def beside_paper(study: Analysis) -> Stack:
    """The paper's tables cell beside cell, as far as the study has what they are about.

    From the authors' data every table is computed, and the paper's figures and tests with them.
    Beside any other study stand the networks of Table 2 and the trainings of Table 6 that it has
    runs of.
    """
    if not study.is_the_papers:
        made = [_beside_ours(study, item) for item in reproduction.REPRODUCTIONS]
        return Stack(tuple(table for table in made if not table.frame.empty))
    parts: list[Any] = [cells(study, item) for item in reproduction.REPRODUCTIONS]
    parts += [figures.violins(study.runs, response, by=by) for response, by in _FIGURES]
    return Stack(tuple(parts))


_FIGURES = (
    *(("energy_consumed", "dataset"), ("energy_consumed", "architecture")),
    *(("emissions", "dataset"), ("emissions", "architecture")),
    *(("emissions", "location"), ("energy_consumed", "location")),
)
"""The paper's Figures 2 and 4. Figure 3 draws constants, which Table 2 has."""


def cells(study: Analysis, item: reproduction.Reproduction) -> Table:
    """One of the paper's tables, cell by cell: as printed, and computed from the authors' data."""
    found = pd.concat(
        [
            reproduction.beside_printed(item, runs).assign(treatment=treatment)
            for treatment, runs in treatments.treatments(study.completed).items()
        ]
    )
    keys = ["row", "column", "paper"]
    first, last = (
        found[found["treatment"] == treatment].set_index(keys)
        for treatment in (treatments.AS_PUBLISHED, treatments.CORRECTED)
    )
    frame = first[["ours", "difference", "match"]].rename(columns={"ours": "as_published"})
    frame = _named(frame.assign(corrected=last["ours"]).reset_index())
    agreeing = frame["match"].isin(reproduction.AGREEING).sum()
    return Table(
        f"{item.name}_beside_paper",
        f"{item.title}, cell by cell",
        frame,
        f"{agreeing} of {len(frame)} cells come out as the paper prints them. "
        f"{published.source(item.name)}.",
    )


def _beside_ours(study: Analysis, item: reproduction.Reproduction) -> Table:
    """Cells of Table 2 or 6 whose configuration this study has too; none for other tables."""
    file = f"{item.name}_beside_paper"
    if item.name == "table2":
        alike = published.alike(study.configurations, published.NETWORK)
        note = "Match: whether our figure, rounded or cut off as printed, is the paper's."
    elif item.name == "table6":
        alike = published.alike(study.believed, published.TRAINING)
        note = _OTHER_MACHINE
    else:
        alike = study.completed.iloc[:0]
    if alike.empty:
        return Table(file, "", pd.DataFrame())
    several = variants.COLUMN in alike and alike[variants.COLUMN].nunique() > 1
    if several:
        note += shared.first_variants(alike, "shown")
        alike = alike[alike[variants.COLUMN].isin(papers_tests.tested_variants(alike))]
    groups = alike.groupby(variants.COLUMN, sort=False) if several else [("", alike)]
    parts = []
    for variant, runs in groups:
        cells = reproduction.beside_own(item, runs)
        parts.append(cells.assign(row=cells["row"] + f" ({variant})") if several else cells)
    frame = _named(pd.concat(parts)[["row", "column", "paper", "ours", "difference", "match"]])
    frame = frame.rename(columns={"ours": "measured"})
    if item.name == "table6":
        frame = frame.drop(columns="match")
    return Table(
        file, f"{item.title}, with our own", frame, f"{note} {published.source(item.name)}."
    )


def _named(cells: pd.DataFrame) -> pd.DataFrame:
    """Quantities and rows as people call them."""
    frame = cells.rename(columns={"column": "quantity", "paper": "the_paper"})
    frame["quantity"] = [quantity(name).label for name in frame["quantity"]]
    frame["row"] = [quantity(row).name if row in QUANTITIES else row for row in frame["row"]]
    return frame
