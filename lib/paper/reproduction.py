"""Each of the paper's tables computed from its raw data, cell beside cell with the printed one.

The procedures are the paper's, found by what it takes to hit its figures: Tables 3 to 5 take the
Kaggle runs one by one, FLOPs once a configuration (n = 6); Table 6 takes means of three runs, its
Score being the mean of the three Scores; Table 7 takes medians of three; rho ranks those six
medians. Most figures are cut off rather than rounded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import pandas as pd
import scipy

from lib.logs import treatments
from lib.paper import published
from lib.paper.package import KAGGLE, WATTMETER

ROUNDED = "rounded"
CUT_OFF = "cut off"
BELOW = "below the bound"
DIFFERS = "differs"
AGREEING = (ROUNDED, CUT_OFF, BELOW)

_CONFIGURATION = ["architecture", "dataset"]


@dataclass(frozen=True)
class Reproduction:
    """How one table of the paper is computed."""

    name: str  # of the file under `params/published/`
    title: str  # for people, with the paper's number
    keys: tuple[str, ...]  # columns that name a row
    # takes the runs under one treatment (`lib.logs.treatments`) and gives the keys and the paper's
    # numeric columns
    compute: Callable[[pd.DataFrame], pd.DataFrame]


def campaign(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The runs of one campaign, `kaggle` or `wattmeter`."""
    return runs[runs["campaign"] == name]


def configurations(runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each architecture on each dataset: what FLOPs and parameters belong to."""
    return runs.drop_duplicates(_CONFIGURATION)


def characteristics(runs: pd.DataFrame) -> pd.DataFrame:
    """Table 2: what each network is made of, in the paper's units."""
    each = configurations(runs)
    return each[[*_CONFIGURATION, "image_size", "depth"]].assign(
        parameters_M=each["parameters"] / 1e6,
        trainable_parameters_M=each["trainable_parameters"] / 1e6,
        flops_G=each["flops"] / 1e9,
        flops_head_G=each["flops_head"] / 1e9,
    )


def dataset_correlations(runs: pd.DataFrame) -> pd.DataFrame:
    """Table 3: point-biserial r with the dataset; negative where CIFAR10 has the lower values."""

    def r(frame: pd.DataFrame, response: str) -> float:
        return scipy.stats.pointbiserialr(frame["dataset"] == "cifar10", frame[response]).statistic

    return pd.DataFrame(
        [(response, r(frame, response)) for response, frame in _responses(runs)],
        columns=["response", "correlation"],
    )


def architecture_tests(runs: pd.DataFrame) -> pd.DataFrame:
    """Table 4: p of Kruskal-Wallis between architectures."""
    return _kruskal_wallis(_responses(runs), "architecture")


def location_tests(runs: pd.DataFrame) -> pd.DataFrame:
    """Table 5: p of Kruskal-Wallis between locations."""
    return _kruskal_wallis(_responses(runs)[:2], "location")


def _responses(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    runs = campaign(runs, KAGGLE)
    return [("emissions", runs), ("energy_consumed", runs), ("flops", configurations(runs))]


def _kruskal_wallis(responses: list[tuple[str, pd.DataFrame]], factor: str) -> pd.DataFrame:
    rows = [
        (
            response,
            scipy.stats.kruskal(*(group[response] for _, group in frame.groupby(factor))).pvalue,
        )
        for response, frame in responses
    ]
    return pd.DataFrame(rows, columns=["response", "p"])


def scores(runs: pd.DataFrame) -> pd.DataFrame:
    """Table 6: means of accuracy, of the energy that Scores are made of, and of the Scores."""
    keys = ["location", *_CONFIGURATION]
    means = campaign(runs, KAGGLE).groupby(keys, as_index=False).mean(numeric_only=True)
    means = means.assign(energy_consumed=means[treatments.SCORE_ENERGY])
    return means[[*keys, "accuracy", "energy_consumed", "score"]]


def medians(runs: pd.DataFrame) -> pd.DataFrame:
    """Table 7: medians of the wattmeter's energy and of CodeCarbon's, by component, kWh."""
    columns = ["wattmeter_energy", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed"]
    runs = campaign(runs, WATTMETER)
    return runs.groupby(_CONFIGURATION, as_index=False)[columns].median()


def instrument_agreement(runs: pd.DataFrame) -> pd.DataFrame:
    """Section 4.3: Spearman's rho of Table 7's medians, and the gap between them in percent."""
    table = medians(runs)
    gap = 100 * (1 - table["energy_consumed"] / table["wattmeter_energy"])
    rho = scipy.stats.spearmanr(table["wattmeter_energy"], table["energy_consumed"]).statistic
    quantities = {
        "spearman_rho": rho,
        "smallest_gap_percent": gap.min(),
        "largest_gap_percent": gap.max(),
    }
    return pd.DataFrame(quantities.items(), columns=["quantity", "value"])


REPRODUCTIONS = (
    Reproduction("table2", "Table 2: the networks", ("architecture", "dataset"), characteristics),
    Reproduction(
        "table3", "Table 3: correlation with the dataset", ("response",), dataset_correlations
    ),
    Reproduction(
        "table4", "Table 4: differences between architectures", ("response",), architecture_tests
    ),
    Reproduction("table5", "Table 5: differences between locations", ("response",), location_tests),
    Reproduction("table6", "Table 6: Scores", ("location", "dataset", "architecture"), scores),
    Reproduction(
        "table7", "Table 7: wattmeter and CodeCarbon", ("dataset", "architecture"), medians
    ),
    Reproduction(
        "rq3", "Section 4.3: agreement of the instruments", ("quantity",), instrument_agreement
    ),
)


def beside_printed(item: Reproduction, runs: pd.DataFrame) -> pd.DataFrame:
    """Set one computed table beside the paper's, one row a cell, in the paper's order."""
    return _cells(item, item.compute(runs), list(item.keys))


def beside_own(item: Reproduction, runs: pd.DataFrame) -> pd.DataFrame:
    """Set runs of our own beside Table 2 or 6, one row a printed cell that they have.

    A place is none of them: beside each of the paper's locations stands the same mean.
    """
    if item.name == "table2":
        ours = characteristics(runs).drop(columns="image_size")
    else:
        values = ["accuracy", "energy_consumed", "score"]
        numbers = runs.assign(**{name: pd.to_numeric(runs[name]) for name in values})
        ours = numbers.groupby(_CONFIGURATION, as_index=False)[values].mean()
    return _cells(item, ours, _CONFIGURATION).dropna(subset=["ours"])


def _cells(item: Reproduction, ours: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The printed cells, each with ours of the same `keys`."""
    ours = ours.astype(dict.fromkeys(keys, str))
    printed = published.table(item.name)
    values = [name for name in ours if name in printed and name not in keys]
    cells = printed.melt(list(item.keys), values, "column", "paper").merge(
        ours.melt(keys, values, "column", "ours"), on=[*keys, "column"], how="left"
    )
    paper = pd.to_numeric(cells["paper"], errors="coerce")
    return cells.assign(
        table=item.title,
        row=cells[list(item.keys)].agg(", ".join, axis="columns"),
        difference=cells["ours"] - paper,
        match=[match(a, b) for a, b in zip(cells["ours"], cells["paper"], strict=True)],
    )


def match(ours: float, printed: str) -> str:
    """Tell how a figure meets the printed one: rounded, cut off, below the bound, or differs."""
    if printed.startswith("<"):
        return BELOW if ours < float(printed[1:]) else DIFFERS
    if pd.isna(ours):
        return DIFFERS
    target, value = Decimal(printed), Decimal(repr(float(ours)))
    for name, way in ((ROUNDED, ROUND_HALF_UP), (CUT_OFF, ROUND_DOWN)):
        if value.quantize(target, rounding=way) == target:
            return name
    return DIFFERS
