"""What the paper's raw data say when they are read correctly: the tables behind the conclusions.

Correct differences are not yet correct measurements. On Kaggle 35 of 45 GPU energies are a single
power reading times the run's duration; on the wattmeter machine CodeCarbon's CPU energies are what
an overflowing counter left over. The tables here set such figures apart from sound ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from lib.logs import treatments
from lib.paper.package import KAGGLE, SAMPLED_GPU, WATTMETER
from lib.paper.reproduction import campaign, configurations
from lib.paper.wattmeter_runs import (
    instrument_agreement,
    wattmeter_medians,
    wattmeter_power,
    with_power,
)
from lib.stats import hypotests
from lib.stats.model import LogModel
from lib.stats.observations import Observations
from lib.stats.permutation import permutation_test
from lib.stats.score import score
from lib.units import JOULES_PER_KWH

SAMPLED = "Kaggle, sampled runs"  # whose GPU power was read all along: the first of each tracker

_CONFIGURATION = ["dataset", "architecture"]


def tables(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Compute every table that a conclusion may point to from the authors' package, by name."""
    makers: tuple[Callable[[pd.DataFrame], pd.DataFrame], ...] = (
        questions,
        by_design,
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

    Holm adjusts over the responses of one question to one part of the data.
    """
    asked = list(_asked(results))
    adjusted = hypotests.by_family(test for _, test in asked)
    frame = hypotests.to_frame(adjusted)
    frame.insert(0, "data", [data for data, _ in asked])
    return frame


def _asked(results: pd.DataFrame) -> Iterator[tuple[str, hypotests.TestResult]]:
    sums = ("energy_consumed", "emissions", "duration")
    components = ("cpu_energy", "gpu_energy", "ram_energy")
    treated = treatments.treatments(results)
    wattmeter = with_power(campaign(treated[treatments.CORRECTED], WATTMETER))
    metered = ("wattmeter_energy", "wattmeter_power", "energy_consumed", "duration", *components)
    parts = (
        ("Kaggle, as published", campaign(treated[treatments.AS_PUBLISHED], KAGGLE), sums),
        ("Kaggle, corrected", campaign(treated[treatments.CORRECTED], KAGGLE), sums + components),
        ("Wattmeter machine", wattmeter, metered),
    )
    for data, runs, responses in parts:
        for response in responses:
            for test in _tests_of(runs, response):
                yield data, replace(test, family=f"{data}: {test.family}")


def _tests_of(runs: pd.DataFrame, response: str) -> Iterator[hypotests.TestResult]:
    kruskal_wallis = hypotests.kruskal_wallis
    yield hypotests.point_biserial(runs, response, "dataset")
    for factor in ("architecture", "location"):
        if runs[factor].nunique() > 1:
            yield kruskal_wallis(runs, response, factor)
            yield from hypotests.by_level(runs, kruskal_wallis, response, factor, within="dataset")


def by_design(results: pd.DataFrame) -> pd.DataFrame:
    """Put the question of RQ1 by the design of a study (permutation of architectures within
    datasets and places, log model over both datasets), beside the paper's test.
    """
    runs = campaign(treatments.treatments(results)[treatments.CORRECTED], KAGGLE)
    parts = {
        "Kaggle, corrected": (runs, "energy_consumed", ["location"]),
        "Wattmeter machine": (campaign(results, WATTMETER), "wattmeter_energy", []),
    }
    rows = []
    for data, (part, response, place) in parts.items():
        for dataset in ("cifar10", "mnist", "both"):
            here = part if dataset == "both" else part[part["dataset"] == dataset]
            seen = Observations.of(here, response, "architecture", context=["dataset"], place=place)
            row = {
                "data": data,
                "dataset": dataset,
                "p_exact": permutation_test(seen.response, seen.compared.codes, seen.strata).p,
                "p_paper": hypotests.kruskal_wallis(here, response, "architecture").p,
            }
            if dataset == "both":
                model = LogModel(seen)
                row |= {
                    "f_architecture": model.effect.f,
                    "f_interaction": model.interaction.f,
                    "residual_sd_percent": 100 * model.residual_sd,
                }
            rows.append(row)
    return pd.DataFrame(rows)


def flops(results: pd.DataFrame) -> pd.DataFrame:
    """FLOPs of one forward batch on either dataset, and how many times as many on MNIST."""
    each = configurations(results).pivot(index="architecture", columns="dataset", values="flops")
    each = each.assign(ratio=each["mnist"] / each["cifar10"])
    return each.reset_index().rename_axis(None, axis=1)


def gpu_power(results: pd.DataFrame) -> pd.DataFrame:
    """How each run's GPU energy came about: sampled all along, or one reading for the whole run.

    The mean power of the latter equals the log's last reading.
    """
    runs = with_power(results)
    runs = runs.assign(distance=(runs["gpu_energy_power"] - runs["gpu_power"]).abs())
    groups = runs.groupby(["campaign", "architecture", "gpu_method"], as_index=False)
    return groups.agg(
        runs=("run_id", "size"),
        lowest_mean_W=("gpu_energy_power", "min"),
        highest_mean_W=("gpu_energy_power", "max"),
        largest_distance_from_last_reading_W=("distance", "max"),
    )


def sampled(results: pd.DataFrame) -> pd.DataFrame:
    """The Kaggle runs whose GPU power was sampled: VGG16 and VGG19, once in each session."""
    runs = campaign(results, KAGGLE)
    return runs[runs["gpu_method"] == SAMPLED_GPU]


def vgg_pairs(results: pd.DataFrame) -> pd.DataFrame:
    """VGG16 beside VGG19 wherever both were measured soundly: in each Kaggle session (one sampled
    run each), and by the wattmeter (medians of three) on each dataset.
    """
    kaggle = sampled(results).assign(where=lambda runs: "Kaggle, " + runs["location"])
    meter = campaign(results, WATTMETER)
    meter = meter.assign(where="wattmeter", energy_consumed=meter["wattmeter_energy"])
    columns = ["accuracy", "energy_consumed", "gpu_energy_power"]
    runs = with_power(pd.concat([kaggle, meter], ignore_index=True))
    runs = runs[runs["architecture"].isin(["VGG16", "VGG19"])]
    pairs = runs.pivot_table(columns, ["where", "dataset"], "architecture", aggfunc="median")
    pairs = pairs[columns]
    energy = pairs["energy_consumed"]
    more = 100 * (energy["VGG19"] / energy["VGG16"] - 1)
    pairs.columns = [f"{column}_{architecture}" for column, architecture in pairs.columns]
    return pairs.assign(vgg19_takes_more_percent=more).reset_index()


def energy_bounds(results: pd.DataFrame) -> pd.DataFrame:
    """Between which energies each Kaggle configuration lies if its GPU power isn't known.

    CPU and RAM are constants times duration, so only the GPU is open. The bounds let it draw the
    lowest or the highest power that CodeCarbon ever read on Kaggle, for the whole run.
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


def best_architectures(results: pd.DataFrame) -> pd.DataFrame:
    """Which architecture has the best Score, the highest accuracy and the least energy, and where.

    Means of the runs; of the wattmeter machine, the wattmeter's energy.
    """
    treated = treatments.treatments(results)
    kaggle = {name: campaign(runs, KAGGLE) for name, runs in treated.items()}
    meter = campaign(results, WATTMETER)
    energy = meter["wattmeter_energy"]
    parts = {
        "Kaggle, as published": kaggle[treatments.AS_PUBLISHED],
        "Kaggle, corrected": kaggle[treatments.CORRECTED],
        SAMPLED: sampled(treated[treatments.CORRECTED]),
        "Wattmeter machine": meter.assign(
            score=score(meter["accuracy"], energy), score_energy=energy
        ),
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
    """Point-biserial r of corrected emissions with the dataset, overall and where both datasets
    were trained; intensity in g CO2-eq/kWh.
    """
    runs = campaign(treatments.treatments(results)[treatments.CORRECTED], KAGGLE)
    parts = [("all", runs), *runs.groupby("location")]
    return pd.DataFrame(
        [
            {
                "location": location,
                "carbon_intensity": part["carbon_intensity"].mean(),
                "carbon_intensity_spread": np.ptp(part["carbon_intensity"]),
                "cifar10_runs": int((part["dataset"] == "cifar10").sum()),
                "mnist_runs": int((part["dataset"] == "mnist").sum()),
                "r": hypotests.point_biserial(part, "emissions", "dataset").statistic,
            }
            for location, part in parts
        ]
    )
