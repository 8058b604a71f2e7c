"""What the energy of a study would have emitted elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lib.instruments.carbon import PAPER_PLACES, locate


def elsewhere(energy: float, places: Sequence[str] = PAPER_PLACES) -> pd.DataFrame:
    """What an energy would have emitted in other places.

    Args:
        energy: kWh.
        places: As `lib.instruments.carbon.locate` takes them.

    Returns:
        One row a place, the least intense first: place, name, carbon_intensity (g CO2-eq/kWh),
        year, source, emissions (kg CO2-eq), reason. An unknown place has no emissions and a reason.
    """
    table = pd.DataFrame([_place(text) for text in places])
    table["emissions"] = energy * pd.to_numeric(table["carbon_intensity"]) / 1000
    return table.sort_values("carbon_intensity", ignore_index=True)


def _place(text: str) -> dict[str, Any]:
    location = locate(text)
    return {
        "place": text,
        "name": location.name,
        "carbon_intensity": location.carbon_intensity,
        "year": str(location.year or ""),
        "source": location.source,
        "reason": "; ".join(filter(None, (*location.notes, location.reason))) or None,
    }
