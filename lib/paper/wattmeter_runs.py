"""Wattmeter beside CodeCarbon: what each says of the same 18 runs, in energy and in power."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from lib.paper.package import KAGGLE, WATTMETER
from lib.paper.reproduction import campaign
from lib.stats import hypotests, multitest
from lib.units import JOULES_PER_KWH, mean_power

RAPL_RANGE = 2**32 * 2**-14 / JOULES_PER_KWH
"""kWh that a RAPL counter of a Xeon E5 v4 holds before it starts at 0 again.

32 bits in units of 2^-14 J, 262 kJ: what Linux calls `max_energy_range_uj` = 262143328850.
"""

_CONFIGURATION = ["dataset", "architecture"]


def with_power(runs: pd.DataFrame) -> pd.DataFrame:
    """Add mean power in W: energy over duration, of every instrument and component.

    Returns:
        With `wattmeter_power, energy_consumed_power, cpu_energy_power, gpu_energy_power,
        ram_energy_power`; the columns `cpu_power` and so on are the log's last reading.
    """
    energies = ("energy_consumed", "cpu_energy", "gpu_energy", "ram_energy")
    return runs.assign(
        wattmeter_power=mean_power(runs["wattmeter_energy"], runs["wattmeter_duration"]),
        **{f"{name}_power": mean_power(runs[name], runs["duration"]) for name in energies},
    )


def wattmeter_medians(results: pd.DataFrame) -> pd.DataFrame:
    """What each configuration took on the wattmeter machine, beside its duration on Kaggle.

    Returns:
        One row a dataset and architecture, medians of the runs: `wattmeter_energy` and CodeCarbon's
        `energy_consumed` (kWh), `duration` and `kaggle_duration` (s), `accuracy`, with the
        network's `parameters`, `trainable_parameters` and `depth`.
    """
    columns = ["wattmeter_energy", "energy_consumed", "duration", "accuracy"]
    network = ["parameters", "trainable_parameters", "depth"]
    medians = campaign(results, WATTMETER).groupby(_CONFIGURATION)[[*columns, *network]].median()
    kaggle = campaign(results, KAGGLE).groupby(_CONFIGURATION)["duration"].median()
    return medians.assign(kaggle_duration=kaggle).reset_index()


def wattmeter_power(results: pd.DataFrame) -> pd.DataFrame:
    """Mean power of each wattmeter run by both instruments, and what CodeCarbon's CPU share lacks.

    CodeCarbon 2 added up differences of RAPL counters without minding that they start again at 0
    every `RAPL_RANGE`, so its CPU energy is the last reading minus the first: between minus and
    plus one range a processor, whatever the run took. The last CPU power that it logged is of one
    interval and sound; it is put in the place of the missing mean here. That is an estimate.

    Returns:
        One row a run, power in W: `wattmeter`, `codecarbon`, its `gpu`, `ram` and `cpu`,
        `cpu_last_reading`, `codecarbon_estimated` (with that), the energies `wattmeter_energy`,
        `codecarbon_energy`, `codecarbon_energy_estimated` (kWh), and the gaps in percent.
    """
    runs = with_power(campaign(results, WATTMETER))
    watts_estimated = runs["gpu_energy_power"] + runs["ram_energy_power"] + runs["cpu_power"]
    estimated = watts_estimated * runs["duration"] / JOULES_PER_KWH
    frame = runs[["run_id", *_CONFIGURATION, "repetition"]].assign(
        wattmeter=runs["wattmeter_power"],
        codecarbon=runs["energy_consumed_power"],
        gpu=runs["gpu_energy_power"],
        ram=runs["ram_energy_power"],
        cpu=runs["cpu_energy_power"],
        cpu_last_reading=runs["cpu_power"],
        codecarbon_estimated=watts_estimated,
        duration=runs["duration"],
        cpu_energy=runs["cpu_energy"],
        wattmeter_energy=runs["wattmeter_energy"],
        codecarbon_energy=runs["energy_consumed"],
        codecarbon_energy_estimated=estimated,
        gap_percent=100 * (1 - runs["energy_consumed"] / runs["wattmeter_energy"]),
        gap_estimated_percent=100 * (1 - estimated / runs["wattmeter_energy"]),
    )
    return frame.sort_values([*_CONFIGURATION, "repetition"], ignore_index=True)


@dataclass(frozen=True)
class _Agreement:
    what: str
    column: str
    against: str
    medians: bool = False


def instrument_agreement(results: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rho between wattmeter and CodeCarbon: of energy, and of what is left of it.

    Energy is power times duration, and the duration is the same for both instruments. So a
    stopwatch agrees with a wattmeter too; whether a profiler measures anything shows in the power.

    Returns:
        One row a comparison: `comparison` and the columns of `lib.stats.hypotests.to_frame`.
    """
    runs = wattmeter_power(results)
    medians = runs.groupby(_CONFIGURATION, as_index=False).median(numeric_only=True)
    asked = (
        _Agreement(
            "energy, medians of three (the paper's)", "codecarbon_energy", "wattmeter_energy", True
        ),
        _Agreement("energy", "codecarbon_energy", "wattmeter_energy"),
        _Agreement(
            "duration against wattmeter energy, medians of three",
            "duration",
            "wattmeter_energy",
            True,
        ),
        _Agreement("duration against wattmeter energy", "duration", "wattmeter_energy"),
        _Agreement("mean power", "codecarbon", "wattmeter"),
        _Agreement("mean power, CPU from its last reading", "codecarbon_estimated", "wattmeter"),
        _Agreement("GPU power against wattmeter power", "gpu", "wattmeter"),
        _Agreement("CPU's last reading against wattmeter power", "cpu_last_reading", "wattmeter"),
    )
    tests = [
        hypotests.spearman(medians if item.medians else runs, item.column, item.against)
        for item in asked
    ]
    frame = hypotests.to_frame(multitest.by_family(tests))
    frame.insert(0, "comparison", [item.what for item in asked])
    return frame
