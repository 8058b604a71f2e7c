"""Checks of imported logs: did CodeCarbon know where it was, and did it count one job once?"""

from __future__ import annotations

import pandas as pd

from lib.analysis.audit.finding import DOUBT, FAULT, NOTE, Found, NotCheckedError, check
from lib.logs.folder import UNKNOWN_PLACE, alike, overlap
from lib.text import runs, span

IMPORTED = "energy_consumed_logged"
"""A column that only imports have."""

OVERLAP = 60.0
"""s from which on two rows of one machine are of the same time; clocks and starts take less."""

LESS = 0.02
"""Share by which a wattmeter may show less than the software: both have an error."""

WHOLE = {
    "wattmeter_energy": "energy_consumed",
    "wattmeter_gpu_energy": "gpu_energy",
    "wattmeter_cpu_energy": "cpu_energy",
}
"""Energies by a wattmeter, and those by the software which are a part of them."""


@check(
    "CodeCarbon knew its place",
    "If its lookup fails, CodeCarbon takes Canada, Quebec, whose electricity has one of the "
    "lowest carbon intensities of all: emissions may then be a hundred times too low.",
)
def known_place(results: pd.DataFrame) -> Found | None:
    """Rows with the place that CodeCarbon takes when it finds none."""
    if "location_source" not in results:
        return None
    lost = results[results["location_source"] == UNKNOWN_PLACE]
    if lost.empty:
        return None
    what = (
        f"In {runs(len(lost))} of {len(results)} the lookup failed (Canada, Quebec, longitude "
        "-71.2, latitude 46.8): their emissions and their place are left empty."
    )
    return Found(FAULT, what, lost)


@check(
    "Each job was counted once",
    "CodeCarbon counts the whole machine: trackers that run at the same time on one machine, as "
    "the ranks of a job do, each count what the others count too.",
)
def counted_once(results: pd.DataFrame) -> Found | None:
    """Rows that overlap in time on one machine."""
    if not {IMPORTED, "machine", "source_file", "source_row"} <= set(results):
        return None  # runs of our own wait for each other
    times = {name: pd.to_datetime(results[name]) for name in ("started_at", "ended_at")}
    # What an import leaves empty of such rows was logged.
    frame = results.assign(**times, energy_consumed=results[IMPORTED])
    same, overlapping = alike(frame), overlap(frame) > OVERLAP
    if same.any():
        what = (
            f"Rows overlap in time on one machine: {runs(int(same.sum()))} hold the same "
            f"{span(frame.loc[same, 'energy_consumed'], '.3g')} kWh of the same time, and are left "
            "empty. If these are several machines, name them in a column machine of the table "
            "beside the logs."
        )
        return Found(FAULT, what, results[same])
    if overlapping.any():
        what = f"{runs(int(overlapping.sum()))} began before another one on their machine ended."
        return Found(DOUBT, what, results[overlapping])
    return None


@check(
    "Energy is of the whole machine",
    "With tracking_mode: process CodeCarbon counts CPU and RAM of one process, else those of the "
    "machine: the one can't be compared with the other.",
)
def tracking_modes(results: pd.DataFrame) -> Found | None:
    """Rows of one process."""
    process = results.get("tracking_mode", pd.Series(None, results.index)) == "process"
    if not process.any():
        return None
    what = (
        f"tracking_mode is process in {runs(int(process.sum()))} (CPU and RAM of one process only) "
        f"and machine in {int((~process).sum())}."
    )
    return Found(DOUBT, what, results[process])


@check(
    "Energy is without the building",
    "CodeCarbon multiplies energy by the PUE that it is given, for cooling and the like, which no "
    "network has a part in.",
)
def without_building(results: pd.DataFrame) -> Found | None:
    """Rows whose energy was multiplied by a PUE."""
    if "pue" not in results or results["pue"].isna().all():
        return None
    some = results[(results["pue"] > 0) & (results["pue"] != 1)]
    what = (
        f"A PUE of {span(some['pue'], '.3g')} was in the energies of {runs(len(some))} of "
        f"{len(results)}; it was taken out of them."
    )
    return Found(NOTE, what, some)


@check(
    "The wattmeter saw what the software saw",
    "A wattmeter sees all that the software sees and more: where it shows less, one of them is "
    "wrong, or they look at different machines. A factor of a thousand is a unit.",
)
def wattmeter_above_software(results: pd.DataFrame) -> Found | None:
    """Readings of a wattmeter below the software's, or a thousand times off."""
    pairs = {m: s for m, s in WHOLE.items() if {m, s} <= set(results) and results[m].notna().any()}
    if not pairs:
        raise NotCheckedError("no run was measured by a wattmeter and by software")
    sentences, concerned = [], pd.Series(False, results.index)
    for meter, software in pairs.items():
        ratio = results[meter] / results[software].where(results[software] > 0)
        unit = ratio.between(300, 30_000) | ratio.between(1 / 30_000, 1 / 300)
        low = (ratio < 1 - LESS) & ~unit
        if unit.any():
            sentences.append(
                f"In {runs(int(unit.sum()))} {meter} is {span(ratio[unit], '.3g')} times "
                f"{software}, about a thousand: is the unit of the log right?"
            )
        if low.any():
            sentences.append(
                f"In {runs(int(low.sum()))} {meter} is only {span(100 * ratio[low])} % of "
                f"{software}, which is impossible if both see the machine."
            )
        concerned |= unit | low
    return Found(FAULT, " ".join(sentences), results[concerned]) if sentences else None
