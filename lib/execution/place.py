"""Where runs were; it changes nothing in a training, and can be said, or put right, afterwards."""

import importlib.util
from collections.abc import Iterable
from datetime import UTC, datetime

from lib.instruments import carbon
from lib.records import Record
from lib.records.uncertainty import with_limits

AUTO = "auto"


def unknown(places: Iterable[str | None]) -> list[str]:
    """A sentence for each place of which nobody knows the carbon intensity.

    Empty where CodeCarbon, which has the intensities, is not installed: then runs say so.
    """
    if importlib.util.find_spec("codecarbon") is None:
        return []
    asked = dict.fromkeys(one for one in places if one is not None and one.lower() != AUTO)
    found = [carbon.locate(place) for place in asked]
    return [f"location: {one.reason}" for one in found if one.carbon_intensity is None]


def put(record: Record, place: str | None) -> Record:
    """The record with the emissions of a place that was said after the run; else as it is.

    A place that was recorded stays until another one is given. Where a machine is by its address
    now says nothing about where it was then.
    """
    before = record.config.get("location")
    if place in (None, AUTO, before) or record.status != "completed":
        return record
    location = carbon.locate(place)
    emissions = location.emissions(record.energy_consumed)
    reasons = {name: why for name, why in record.reasons.items() if name != "emissions"}
    if emissions is None:
        reasons["emissions"] = location.reason or "there is no energy"
    outdated = set(carbon.locate(before).notes) if before != AUTO else set()
    today = datetime.now(UTC).date().isoformat()
    placed = record.model_copy(
        update={
            "emissions": emissions,
            "carbon_intensity": location.carbon_intensity,
            "location_source": f"{location.source}; said on {today}, after the run",
            "config": record.config | {"location": place},
            "reasons": reasons,
            "doubts": (*(one for one in record.doubts if one not in outdated), *location.notes),
        }
    )
    return with_limits(placed)
