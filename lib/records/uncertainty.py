"""How far the figures of a run may be off: the limits of each of them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lib.instruments.accuracy import BUDGETS, Calibrations
from lib.records.record import Record
from lib.stats.budget import Uncertainty, combine

IDLE = "codecarbon, idle baseline"  # the instrument whose reading is of the idle machine

MAIN, MAIN_SHARE = "main_uncertainty", "main_uncertainty_share"
"""Columns with the source that makes `energy_consumed` most uncertain, and its share, 0 to 1."""


def with_limits(record: Record) -> Record:
    """A record with what `columns` says of it, and the idle machine's energy by component (kWh)."""
    idle = _idle_parts(record)
    found = columns(record.row() | idle)
    return record.model_copy(update={"extra": record.extra | idle | found})


def columns(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> dict[str, Any]:
    """The limits of each figure of a run that has a budget, and what they are mostly due to.

    `<figure>_low` and `<figure>_high` are 95 % limits in the figure's unit, for each of `BUDGETS`;
    calibrations of the study take the place of defaults.
    """
    known: dict[str, Any] = {}
    for figure in BUDGETS:
        found = uncertainty(run, figure, calibrations)
        if found is None:
            continue
        known |= {f"{figure}_low": found.low, f"{figure}_high": found.high}
        if figure == "energy_consumed" and found.largest:
            known |= {MAIN: found.largest.source.name, MAIN_SHARE: found.largest.share}
    return known


def uncertainty(
    run: Mapping[str, Any],
    figure: str = "energy_consumed",
    calibrations: Calibrations | None = None,
) -> Uncertainty | None:
    """The combined budget of a figure of a run; None where it is empty or nothing is known."""
    budget = BUDGETS[figure](run, calibrations)
    return None if budget is None else combine(budget)


def filled(results: pd.DataFrame, calibrations: Calibrations | None = None) -> pd.DataFrame:
    """A results table in which every run has its limits.

    Those that came with a record stay, unless the study has a calibration, which its runs did not
    know of.
    """
    known = results.get("energy_consumed_low", pd.Series(index=results.index, dtype=float))
    wanted = results if calibrations else results[known.isna()]
    found = pd.DataFrame(
        [columns(row, calibrations) for row in wanted.to_dict("records")], index=wanted.index
    )
    if not calibrations:
        found = found.combine_first(results[results.columns.intersection(found.columns)])
    others = results.drop(columns=found.columns, errors="ignore")
    return others.join(found)[[*dict.fromkeys([*results.columns, *found.columns])]]


def _idle_parts(record: Record) -> dict[str, float]:
    """kWh that each component of the idle machine would have used in the run's duration."""
    idle = next((one for one in record.readings if one["instrument"] == IDLE), None)
    if idle is None or not idle["duration"] or record.duration is None:
        return {}
    share = record.duration / idle["duration"]
    return {
        f"{name}_idle_energy": part["energy"] * share
        for name, part in idle["components"].items()
        if part["energy"] is not None
    }
