"""Wattmeter beside CodeCarbon: what each says of the same 18 runs, in energy and in power."""

import pandas as pd

from lib.paper.package import KAGGLE, WATTMETER
from lib.paper.reproduction import campaign
from lib.stats import hypotests
from lib.units import JOULES_PER_KWH, mean_power

RAPL_RANGE = 2**32 * 2**-14 / JOULES_PER_KWH
"""kWh that a RAPL counter of a Xeon E5 v4 holds before it starts at 0 again.

32 bits in units of 2^-14 J, 262 kJ: what Linux calls `max_energy_range_uj` = 262143328850.
"""

_CONFIGURATION = ["dataset", "architecture"]
_ENERGIES = ("codecarbon_energy", "duration")  # to be set against the wattmeter's energy


def with_power(runs: pd.DataFrame) -> pd.DataFrame:
    """Add mean power in W, energy over duration, of every instrument and component; the columns
    `cpu_power` and so on are the log's last reading.
    """
    energies = ("energy_consumed", "cpu_energy", "gpu_energy", "ram_energy")
    return runs.assign(
        wattmeter_power=mean_power(runs["wattmeter_energy"], runs["wattmeter_duration"]),
        **{f"{name}_power": mean_power(runs[name], runs["duration"]) for name in energies},
    )


def wattmeter_medians(results: pd.DataFrame) -> pd.DataFrame:
    """What each configuration took on the wattmeter machine (medians of the runs: kWh, s), beside
    its duration on Kaggle and the size of its network.
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
        One row a run: power (W), energies (kWh), and the gaps in percent.
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


def instrument_agreement(results: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rho between wattmeter and CodeCarbon: of energy, and of what is left of it.

    Energy is power times duration, and the duration is the same for both instruments. So a
    stopwatch agrees with a wattmeter too; whether a profiler measures anything shows in the power.
    """
    runs = wattmeter_power(results)
    medians = runs.groupby(_CONFIGURATION, as_index=False).median(numeric_only=True)
    asked = (
        ("energy, medians of three (the paper's)", medians, "codecarbon_energy"),
        ("energy", runs, "codecarbon_energy"),
        ("duration against wattmeter energy, medians of three", medians, "duration"),
        ("duration against wattmeter energy", runs, "duration"),
        ("mean power", runs, "codecarbon"),
        ("mean power, CPU from its last reading", runs, "codecarbon_estimated"),
        ("GPU power against wattmeter power", runs, "gpu"),
        ("CPU's last reading against wattmeter power", runs, "cpu_last_reading"),
    )
    tests = [
        hypotests.spearman(
            table, column, "wattmeter_energy" if column in _ENERGIES else "wattmeter"
        )
        for _, table, column in asked
    ]
    frame = hypotests.to_frame(hypotests.by_family(tests))
    frame.insert(0, "comparison", [what for what, *_ in asked])
    return frame
