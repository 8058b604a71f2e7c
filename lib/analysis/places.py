"""What the energy of a study would have emitted elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lib.instruments.carbon import PAPER_PLACES, locate


def elsewhere(
    results: pd.DataFrame,
    places: Sequence[str] = PAPER_PLACES,
    by: Sequence[str] = ("architecture", "dataset"),
) -> pd.DataFrame:
    """What each configuration would have emitted elsewhere, had it used the same energy there.

    Args:
        results: One row a run, with `energy_consumed` in kWh and the columns in `by`.
        places: As `lib.instruments.carbon.locate` takes them.
        by: Columns that make a configuration.

    Returns:
        One row a configuration and place: `by`, runs, energy_consumed (mean of the runs, kWh),
        place, name, carbon_intensity (g CO2-eq/kWh), emissions (kg CO2-eq), year, source, reason.
        Runs without energy are left out; an unknown place has no emissions and a reason.
    """
    by = list(by)
    measured = results.dropna(subset=["energy_consumed"])
    groups = measured.groupby(by, sort=False)["energy_consumed"]
    energy = groups.agg(runs="size", energy_consumed="mean").reset_index()
    table = energy.merge(pd.DataFrame([_place(text) for text in places]), how="cross")
    table["emissions"] = table["energy_consumed"] * table["carbon_intensity"] / 1000
    order = ["runs", "energy_consumed", "place", "name", "carbon_intensity", "emissions"]
    return table[by + order + ["year", "source", "reason"]]


def _place(text: str) -> dict[str, Any]:
    location = locate(text)
    return {
        "place": text,
        "name": location.name,
        "carbon_intensity": location.carbon_intensity,
        "year": location.year,
        "source": location.source,
        "reason": "; ".join(filter(None, (*location.notes, location.reason))) or None,
    }
