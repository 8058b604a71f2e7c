"""What the paper's raw data say when they are read correctly: the tables behind the conclusions.

Correct differences are not yet correct measurements. On Kaggle 35 of 45 GPU energies are a single
power reading times the run's duration; on the wattmeter machine CodeCarbon's CPU energies are what
an overflowing counter left over. The tables here set such figures apart from sound ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib import published, statistics
from lib.instruments import JOULES_PER_KWH
from lib.replication import KAGGLE, SAMPLED_GPU, WATTMETER
from lib.reproduction import campaign, configurations

RAPL_RANGE = 2**32 * 2**-14 / JOULES_PER_KWH
"""kWh that a RAPL counter of a Xeon E5 v4 holds before it starts at 0 again.

32 bits in units of 2^-14 J, 262 kJ: what Linux calls `max_energy_range_uj` = 262143328850.
"""

SAMPLED = "Kaggle, sampled runs"
"""Runs whose GPU power CodeCarbon read all along: the first of each tracker."""

_CONFIGURATION = ["dataset", "architecture"]


def tables(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Compute every table that a conclusion may point to, by name.

    Args:
        results: The authors' package (`lib.published.import_package`).
    """
    makers: tuple[Callable[[pd.DataFrame], pd.DataFrame], ...] = (
        questions,
        flops,
        gpu_power,
        vgg_pairs,
        energy_bounds,
        wattmeter_medians,
        wattmeter_power,
        instrument_agreement,
        best_architectures,
        within_locations,
    )
    return {make.__name__: make(results) for make in makers}


def questions(results: pd.DataFrame) -> pd.DataFrame:
    """Put the paper's questions, and the same of every component, to each part of the data.

    Returns:
        One row a test: `data` (Kaggle as published, Kaggle corrected, wattmeter machine) and the
        columns of `lib.statistics.to_frame`. Holm adjusts over the responses of one question to
        one part of the data.
    """
    asked = list(_asked(results))
    adjusted = statistics.holm(test for _, test in asked)
    frame = statistics.to_frame(adjusted)
    frame.insert(0, "data", [data for data, _ in asked])
    return frame


def _asked(results: pd.DataFrame) -> Iterator[tuple[str, statistics.TestResult]]:
    sums = ("energy_consumed", "emissions", "duration")
    components = ("cpu_energy", "gpu_energy", "ram_energy")
    readings = published.readings(results)
    wattmeter = with_power(campaign(readings[published.CORRECTED], WATTMETER))
    parts = (
        ("Kaggle, as published", campaign(readings[published.AS_PUBLISHED], KAGGLE), sums),
        ("Kaggle, corrected", campaign(readings[published.CORRECTED], KAGGLE), sums + components),
        (
            "Wattmeter machine",
            wattmeter,
            ("wattmeter_energy", "wattmeter_power", "energy_consumed", "duration", *components),
        ),
    )
    for data, runs, responses in parts:
        for response in responses:
            for test in _tests_of(runs, response):
                yield data, replace(test, family=f"{data}: {test.family}")


def _tests_of(runs: pd.DataFrame, response: str) -> Iterator[statistics.TestResult]:
    kruskal_wallis = statistics.kruskal_wallis
    yield statistics.point_biserial(runs, response, "dataset")
    for factor in ("architecture", "location"):
        if runs[factor].nunique() > 1:
            yield kruskal_wallis(runs, response, factor)
            yield from statistics.by_level(runs, kruskal_wallis, response, factor, within="dataset")


def with_power(runs: pd.DataFrame) -> pd.DataFrame:
    """Add mean power in W: energy over duration, of every instrument and component.

    Returns:
        With `wattmeter_power, energy_consumed_power, cpu_energy_power, gpu_energy_power,
        ram_energy_power`; the columns `cpu_power` and so on are the log's last reading.
    """
    means = {"wattmeter_power": runs["wattmeter_energy"] / runs["wattmeter_duration"]} | {
        f"{name}_power": runs[name] / runs["duration"]
        for name in ("energy_consumed", "cpu_energy", "gpu_energy", "ram_energy")
    }
    return runs.assign(**{name: mean * JOULES_PER_KWH for name, mean in means.items()})


def flops(results: pd.DataFrame) -> pd.DataFrame:
    """FLOPs of one forward batch on either dataset, and how many times as many on MNIST.

    Returns:
        One row an architecture: `cifar10`, `mnist`, `ratio`.
    """
    each = configurations(results).pivot(index="architecture", columns="dataset", values="flops")
    return (
        each.assign(ratio=each["mnist"] / each["cifar10"]).reset_index().rename_axis(None, axis=1)
    )


def gpu_power(results: pd.DataFrame) -> pd.DataFrame:
    """How each run's GPU energy came about: sampled all along, or one reading for the whole run.

    Returns:
        One row a campaign, architecture and method: number of runs, lowest and highest mean GPU
        power (W), and the largest distance of that mean from the log's last reading (W).
    """
    runs = with_power(results)
    runs = runs.assign(distance=(runs["gpu_energy_power"] - runs["gpu_power"]).abs())
    return (
        runs.groupby(["campaign", "architecture", "gpu_method"])
        .agg(
            runs=("run_id", "size"),
            lowest_mean_W=("gpu_energy_power", "min"),
            highest_mean_W=("gpu_energy_power", "max"),
            largest_distance_from_last_reading_W=("distance", "max"),
        )
        .reset_index()
    )


def sampled(results: pd.DataFrame) -> pd.DataFrame:
    """The Kaggle runs whose GPU power was sampled: VGG16 and VGG19, once in each session."""
    runs = campaign(results, KAGGLE)
    return runs[runs["gpu_method"] == SAMPLED_GPU]


def vgg_pairs(results: pd.DataFrame) -> pd.DataFrame:
    """VGG16 beside VGG19 wherever both were measured soundly.

    Returns:
        One row a Kaggle session (one sampled run each) and one a dataset of the wattmeter machine
        (medians of three, wattmeter's energy): accuracy, energy (kWh) and mean GPU power (W) of
        both, and how much more VGG19 took (percent).
    """
    kaggle = sampled(results).assign(where=lambda runs: "Kaggle, " + runs["location"])
    meter = campaign(results, WATTMETER)
    meter = meter.assign(where="wattmeter", energy_consumed=meter["wattmeter_energy"])
    columns = ["accuracy", "energy_consumed", "gpu_energy_power"]
    runs = with_power(pd.concat([kaggle, meter], ignore_index=True))
    pairs = (
        runs[runs["architecture"].isin(["VGG16", "VGG19"])]
        .groupby(["where", "dataset", "architecture"])[columns]
        .median()
        .unstack("architecture")
    )
    energy = pairs["energy_consumed"]
    more = 100 * (energy["VGG19"] / energy["VGG16"] - 1)
    pairs.columns = [f"{column}_{architecture}" for column, architecture in pairs.columns]
    return pairs.assign(vgg19_takes_more_percent=more).reset_index()


def energy_bounds(results: pd.DataFrame) -> pd.DataFrame:
    """Between which energies each Kaggle configuration lies if its GPU power isn't known.

    CPU and RAM are constants times duration, so only the GPU is open. The bounds let it draw the
    lowest or the highest power that CodeCarbon ever read on Kaggle, for the whole run.

    Returns:
        One row a location, dataset and architecture: mean duration (s), `lowest` and `highest`
        energy (kWh), and `sampled`, the energy of the run whose GPU was sampled, if there is one.
    """
    runs = with_power(campaign(results, KAGGLE))
    power = pd.concat([runs["gpu_energy_power"], runs["gpu_power"]])
    others = runs["cpu_energy"] + runs["ram_energy"]
    low, high = (
        others + watts * runs["duration"] / JOULES_PER_KWH for watts in (power.min(), power.max())
    )
    measured = runs["energy_consumed"].where(runs["gpu_method"] == SAMPLED_GPU)
    return (
        runs.assign(lowest=low, highest=high, sampled=measured)
        .groupby(["location", *_CONFIGURATION])[["duration", "lowest", "highest", "sampled"]]
        .mean()
        .reset_index()
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
        One row a comparison: `comparison` and the columns of `lib.statistics.to_frame`.
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
        statistics.spearman(medians if item.medians else runs, item.column, item.against)
        for item in asked
    ]
    frame = statistics.to_frame(statistics.holm(tests))
    frame.insert(0, "comparison", [item.what for item in asked])
    return frame


def best_architectures(results: pd.DataFrame) -> pd.DataFrame:
    """Which architecture has the best Score, the highest accuracy and the least energy, and where.

    Returns:
        One row a part of the data, location and dataset, with three names and `architectures`,
        the number compared. Means of the runs; of the wattmeter machine, the wattmeter's energy.
    """
    readings = published.readings(results)
    kaggle = {name: campaign(reading, KAGGLE) for name, reading in readings.items()}
    meter = campaign(results, WATTMETER)
    meter = meter.assign(score_energy=meter["wattmeter_energy"])
    parts = {
        "Kaggle, as published": kaggle[published.AS_PUBLISHED],
        "Kaggle, corrected": kaggle[published.CORRECTED],
        SAMPLED: sampled(readings[published.CORRECTED]),
        "Wattmeter machine": meter.assign(score=meter["accuracy"] / meter["wattmeter_energy"]),
    }
    rows = []
    for data, runs in parts.items():
        for (location, dataset), group in runs.groupby(["location", "dataset"]):
            means = group.groupby("architecture")[["score", "accuracy", "score_energy"]].mean()
            rows.append(
                {
                    "data": data,
                    "location": location,
                    "dataset": dataset,
                    "best_score": means["score"].idxmax(),
                    "highest_accuracy": means["accuracy"].idxmax(),
                    "least_energy": means["score_energy"].idxmin(),
                    "lowest_score": means["score"].idxmin(),
                    "architectures": len(means),
                }
            )
    return pd.DataFrame(rows)


def within_locations(results: pd.DataFrame) -> pd.DataFrame:
    """Correlation of emissions with the dataset, overall and where both datasets were trained.

    Returns:
        One row a location and one over all: mean carbon intensity (g CO2-eq/kWh), runs on each
        dataset, point-biserial r of emissions (corrected; empty where one dataset is missing).
    """
    runs = campaign(published.readings(results)[published.CORRECTED], KAGGLE)
    parts = [("all", runs), *runs.groupby("location")]
    return pd.DataFrame(
        [
            {
                "location": location,
                "carbon_intensity": part["carbon_intensity"].mean(),
                "carbon_intensity_spread": np.ptp(part["carbon_intensity"]),
                "cifar10_runs": int((part["dataset"] == "cifar10").sum()),
                "mnist_runs": int((part["dataset"] == "mnist").sum()),
                "r": statistics.point_biserial(part, "emissions", "dataset").statistic,
            }
            for location, part in parts
        ]
    )
