"""Which of the paper's conclusions stand, which fall, and which its data can't decide.

Every verdict follows from the tables of `reanalysis` by the rule written in its function, and
every figure in a sentence comes from them. One rule holds for all: a result that an instrument
could not have measured is undecided, not refuted; it falls only where a sound measurement speaks
against it.
"""

from __future__ import annotations

from dataclasses import asdict, fields

import pandas as pd

from lib.paper import reanalysis
from lib.paper.conclusions import rq1, rq2, rq3
from lib.paper.conclusions.case import FALLS, STANDS, UNDECIDED, Case, Conclusion
from lib.paper.package import KAGGLE, WATTMETER

__all__ = ["FALLS", "STANDS", "UNDECIDED", "Conclusion", "conclusions", "to_frame"]

_WEIGHINGS = (
    rq1.dataset_and_energy,
    rq1.dataset_and_emissions,
    rq1.dataset_and_flops,
    rq1.architecture_kaggle,
    rq1.architecture_wattmeter,
    rq1.vgg_below_resnet,
    rq1.architecture_and_flops,
    rq1.location_and_emissions,
    rq1.location_and_energy,
    rq2.vgg19_best,
    rq2.vgg16_best_on_mnist,
    rq2.trade_off,
    rq2.resnet_worst,
    rq3.gap,
    rq3.correlation,
    rq3.profilers_reliable,
    rq3.extremes,
    rq3.median_removes_negatives,
    rq3.parameters,
)


def conclusions(
    results: pd.DataFrame, tables: dict[str, pd.DataFrame] | None = None
) -> tuple[Conclusion, ...]:
    """Weigh the paper's conclusions.

    Args:
        results: The authors' package (`lib.paper.published.read_package`).
        tables: `lib.paper.reanalysis.tables(results)`; None computes them.

    Returns:
        In the paper's order; empty for results that aren't the authors' package.
    """
    if "campaign" not in results or set(results["campaign"]) != {KAGGLE, WATTMETER}:
        return ()
    case = Case(results, reanalysis.tables(results) if tables is None else tables)
    return tuple(weigh(case) for weigh in _WEIGHINGS)


def to_frame(found: tuple[Conclusion, ...]) -> pd.DataFrame:
    """One row a conclusion."""
    columns = [field.name for field in fields(Conclusion)]
    rows = [asdict(one) | {"evidence": ", ".join(one.evidence)} for one in found]
    return pd.DataFrame(rows, columns=columns)
