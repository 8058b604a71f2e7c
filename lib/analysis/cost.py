"""What a whole study cost, its trainings and all around them; and what it would emit elsewhere."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from lib.analysis.frugality import number
from lib.instruments import TRACE_NAME
from lib.instruments.carbon import PAPER_PLACES, locate
from lib.instruments.trace import read_trace
from lib.units import JOULES_PER_KWH

MEASURED, ESTIMATED = "measured", "estimated"

_AROUND = {"checks": "idle_power", "idle": "idle_power", "cooldown": "idle_power"}
_AROUND |= {"warmup": "power"}
"""The parts of a run besides the training, and whose power each is taken to have drawn."""


def by_stage(completed: pd.DataFrame, attempts: list[Path]) -> pd.DataFrame:
    """Energy, time and emissions of a study, stage by stage.

    Around the training only the idle baseline is measured. Checks and cool-down are taken to have
    drawn the idle power, the warm-up the mean power of the training that follows it. What a run of
    which only its power over time is left drew is the area under that curve.

    Args:
        completed: Runs that ended well: energy_consumed (kWh), duration (s), and where known
            idle_energy (kWh), carbon_intensity (g CO2-eq/kWh) and the seconds of each phase.
        attempts: Folders of runs that failed or were interrupted.

    Returns:
        One row a stage that took time: stage, runs, duration (s), energy_consumed (kWh), how
        (measured or estimated), and emissions (kg CO2-eq), empty where not all have an intensity.
    """
    training, seconds = number(completed, "energy_consumed"), number(completed, "duration")
    powers = {"power": training / seconds, "idle_power": number(completed, "idle_energy") / seconds}
    powers["idle_power"] = powers["idle_power"].fillna(powers["idle_power"].mean())
    intensity = number(completed, "carbon_intensity") / 1000
    stages = [("training", seconds, training, MEASURED)]
    for phase, power in _AROUND.items():
        lasted = number(completed, f"{phase}_duration")
        how = MEASURED if phase == "idle" else ESTIMATED
        stages.append((phase, lasted, lasted * powers[power], how))
    rows = [
        (
            *(stage, int((lasted > 0).sum()), lasted.sum(), energy.sum(min_count=1), how),
            whole(energy * intensity, energy),
        )
        for stage, lasted, energy, how in stages
        if lasted.sum() > 0
    ]
    if lost := list(_drawn(attempts)):
        took, used = map(sum, zip(*lost, strict=True))
        emitted = used * intensity.mean()
        rows.append(("failed or interrupted", len(lost), took, used, MEASURED, emitted))
    columns = ["stage", "runs", "duration", "energy_consumed", "how", "emissions"]
    return pd.DataFrame(rows, columns=columns)


def whole(emissions: pd.Series, energy: pd.Series) -> float:
    """The sum of emissions; NaN if any of the energy has none: a part is not the whole."""
    return float(emissions.sum(min_count=max(energy.count(), 1)))


def _drawn(folders: list[Path]) -> Iterator[tuple[float, float]]:
    """Seconds and kWh of each run that left its power over time."""
    for folder in folders:
        try:
            trace = read_trace(folder / TRACE_NAME)
        except (OSError, ValueError):
            continue
        if len(trace):
            watts = trace[["cpu_power", "gpu_power", "ram_power"]].sum(axis=1)
            joules = (watts * trace["interval"]).sum()
            yield float(trace["time"].iloc[-1]), float(joules / JOULES_PER_KWH)


def elsewhere(energy: float, places: Sequence[str] = PAPER_PLACES) -> pd.DataFrame:
    """What an energy (kWh) would have emitted in places, as `carbon.locate` takes them.

    Returns:
        One row a place, the least intense first: place, name, carbon_intensity (g CO2-eq/kWh),
        year, source, emissions (kg CO2-eq), reason. An unknown place has no emissions and a reason.
    """
    rows = [
        {
            "place": text,
            "name": location.name,
            "carbon_intensity": location.carbon_intensity,
            "year": str(location.year or ""),
            "source": location.source,
            "reason": "; ".join(filter(None, (*location.notes, location.reason))) or None,
        }
        for text, location in zip(places, map(locate, places), strict=True)
    ]
    table = pd.DataFrame(rows)
    table["emissions"] = energy * pd.to_numeric(table["carbon_intensity"]) / 1000
    return table.sort_values("carbon_intensity", ignore_index=True)
