"""Checks of imported logs: did CodeCarbon know where it was, and did it count one job once?"""

from collections.abc import Iterator

import pandas as pd

from lib.analysis.audit.finding import DOUBT, FAULT, NOTE, NotCheckedError, Said, check, texts
from lib.logs.folder import UNKNOWN_PLACE, alike, overlap
from lib.text import runs, span

IMPORTED = "energy_consumed_logged"  # a column that only imports have
OVERLAP = 60.0  # s by which two rows of one machine overlap; clocks and starts take less
LESS = 0.02  # share by which a wattmeter may show less than the software: both have an error

WHOLE = {
    "wattmeter_energy": "energy_consumed",
    "wattmeter_gpu_energy": "gpu_energy",
    "wattmeter_cpu_energy": "cpu_energy",
}
"""Energies by a wattmeter, and those by the software which are a part of them."""


@check(
    "CodeCarbon knew its location",
    "If its lookup fails, CodeCarbon takes Canada, Quebec, whose electricity has one of the "
    "lowest carbon intensities of all: emissions may then be a hundred times too low.",
)
def known_place(results: pd.DataFrame) -> Iterator[Said]:
    """Rows with the place that CodeCarbon takes when it finds none."""
    lost = texts(results, "location_source") == UNKNOWN_PLACE
    said = (
        f"CodeCarbon's lookup failed in {runs(lost.sum())} of {len(results)} (Canada, Quebec, "
        "longitude -71.2, latitude 46.8): their emissions and their place are left empty."
    )
    yield FAULT, lost, said


@check(
    "Each job was counted once",
    "CodeCarbon counts the whole machine: trackers that run at the same time on one machine, as "
    "the ranks of a job do, each count the same energy.",
)
def counted_once(results: pd.DataFrame) -> Iterator[Said]:
    """Rows that overlap in time on one machine."""
    if not {IMPORTED, "machine", "source_file", "source_row"} <= set(results):
        return  # runs of our own wait for each other
    times = {name: pd.to_datetime(results[name]) for name in ("started_at", "ended_at")}
    # What an import leaves empty of such rows was logged.
    frame = results.assign(**times, energy_consumed=results[IMPORTED])
    same = alike(frame)
    said = (
        f"Rows overlap in time on one machine: {runs(same.sum())} hold the same "
        f"{span(frame.loc[same, 'energy_consumed'], '.3g')} kWh of the same time, and are left "
        "empty. If these are several machines, name them in a column machine of the table "
        "next to the logs."
    )
    yield FAULT, same, said
    if not same.any():
        apart = overlap(frame) > OVERLAP
        yield DOUBT, apart, f"{runs(apart.sum())} began before another one on their machine ended."


@check(
    "Energy is of the whole machine",
    "With tracking_mode: process CodeCarbon counts CPU and RAM of one process, else those of the "
    "machine: the one can't be compared with the other.",
)
def tracking_modes(results: pd.DataFrame) -> Iterator[Said]:
    """Rows of one process."""
    process = texts(results, "tracking_mode") == "process"
    said = (
        f"tracking_mode is process in {runs(process.sum())} (CPU and RAM of one process only) "
        f"and machine in {(~process).sum()}."
    )
    yield DOUBT, process, said


@check(
    "Energy excludes the PUE",
    "CodeCarbon multiplies energy by the PUE that it is given, for cooling and the like, on which "
    "the network has no influence.",
)
def without_building(results: pd.DataFrame) -> Iterator[Said]:
    """Rows whose energy was multiplied by a PUE."""
    pue = results.get("pue", pd.Series(1.0, results.index))
    some = (pue > 0) & (pue != 1)
    said = (
        f"A PUE of {span(pue[some], '.3g')} was in the energies of {runs(some.sum())} of "
        f"{len(results)}; it was divided out."
    )
    yield NOTE, some, said


@check(
    "The wattmeter saw what the software saw",
    "A wattmeter sees all that the software sees and more: where it shows less, one of them is "
    "wrong, or they look at different machines. A factor of a thousand is a unit.",
)
def wattmeter_above_software(results: pd.DataFrame) -> Iterator[Said]:
    """Readings of a wattmeter below the software's, or a thousand times off."""
    pairs = {m: s for m, s in WHOLE.items() if {m, s} <= set(results) and results[m].notna().any()}
    if not pairs:
        raise NotCheckedError("no run was measured by a wattmeter and by software")
    for meter, software in pairs.items():
        ratio = results[meter] / results[software].where(results[software] > 0)
        unit = ratio.between(300, 30_000) | ratio.between(1 / 30_000, 1 / 300)
        low = (ratio < 1 - LESS) & ~unit
        times = f"{span(ratio[unit], '.3g')} times {software}, about a thousand"
        said = f"In {runs(unit.sum())} {meter} is {times}: is the unit of the log right?"
        yield FAULT, unit, said
        part = f"only {span(100 * ratio[low])} % of {software}"
        said = (
            f"In {runs(low.sum())} {meter} is {part}, which is impossible if both see the machine."
        )
        yield FAULT, low, said
