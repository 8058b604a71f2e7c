"""RQ1: does the architecture, the dataset or the location have an impact on energy?"""

from __future__ import annotations

import numpy as np
from scipy import stats

from lib.paper.conclusions.case import (
    FALLS,
    STANDS,
    UNDECIDED,
    Case,
    Conclusion,
)
from lib.paper.package import KAGGLE, ONE_READING_GPU, WATTMETER
from lib.stats import ALPHA
from lib.text import listed, p_value, span


def dataset_and_energy(case: Case) -> Conclusion:
    """Stands if both campaigns, corrected, show less energy on CIFAR10 beyond chance."""
    logged, own, meter = (
        case.test(data, response, "dataset")
        for data, response in (
            ("Kaggle, as published", "energy_consumed"),
            ("Kaggle, corrected", "energy_consumed"),
            ("Wattmeter machine", "wattmeter_energy"),
        )
    )
    agree = all(test.statistic < 0 and test.p < ALPHA for test in (own, meter))
    time = case.test("Kaggle, corrected", "duration", "dataset")
    return Conclusion(
        "RQ1",
        "Training on CIFAR10 takes less energy than training on MNIST.",
        "Section 4.1, Table 3, Figure 2",
        STANDS if agree else UNDECIDED,
        f"The correlation that the growing counters gave as {logged.statistic:.2f} is "
        f"{own.statistic:.2f} once each run has its own energy, and {meter.statistic:.2f} by the "
        f"wattmeter. It does not hang on the doubtful GPU readings: the duration alone gives "
        f"{time.statistic:.2f}. MNIST differs in more than its content, though: its images were "
        "enlarged to 48 pixels a side and there are more of them.",
        ("questions",),
    )


def dataset_and_emissions(case: Case) -> Conclusion:
    """Falls if the correlation is strong in every location that trained both datasets."""
    frame = case.tables["within_locations"].set_index("location")
    overall, within = frame.loc["all", "r"], frame.drop("all")
    inside = within["r"].dropna()
    alone = within[within["mnist_runs"].eq(0) | within["cifar10_runs"].eq(0)]
    confounded = bool(len(inside)) and (inside.abs() > 0.4).all() and (np.sign(inside) < 0).all()
    return Conclusion(
        "RQ1",
        "Emissions hardly depend on the dataset.",
        "Section 4.1, Table 3",
        FALLS if confounded else UNDECIDED,
        f"The correlation of {overall:.3f} mixes places. {listed(alone.index)} trained one dataset "
        f"only, with {alone['carbon_intensity'].max():.0f} g CO2-eq/kWh against "
        f"{span(within.drop(alone.index)['carbon_intensity'], '.0f')} elsewhere. Where both "
        f"datasets were trained it is {span(inside, '.2f')}: there emissions are energy times a "
        "constant.",
        ("within_locations",),
    )


def dataset_and_flops(case: Case) -> Conclusion:
    """Stands if every architecture has fewer FLOPs on CIFAR10; it is arithmetic."""
    ratios = case.tables["flops"]["ratio"]
    return Conclusion(
        "RQ1",
        "A network needs fewer FLOPs on CIFAR10 than on MNIST.",
        "Section 4.1, Table 3, Figure 3",
        STANDS if (ratios > 1).all() else FALLS,
        f"Each architecture needs {span(ratios, '.2f')} times as many on MNIST, because its "
        "images were enlarged. That is counted, not sampled, so it needs no test. They are the "
        "FLOPs of one forward batch, not of a training.",
        ("flops",),
    )


def architecture_kaggle(case: Case) -> Conclusion:
    """Undecided while the GPU energy of most runs is a single reading, whatever the test says."""
    logged, own = (
        case.test(data, "energy_consumed", "architecture")
        for data in ("Kaggle, as published", "Kaggle, corrected")
    )
    emissions = case.test("Kaggle, corrected", "emissions", "architecture")
    by_design = case.tables["by_design"].set_index(["data", "dataset"])
    design = by_design.loc[("Kaggle, corrected", "both")]
    runs = case.runs(KAGGLE)
    one = runs["gpu_method"] == ONE_READING_GPU
    resnet = runs["architecture"] == "ResNet50"
    time = [
        case.test("Kaggle, corrected", "duration", "architecture", f"dataset = {dataset}").p
        for dataset in ("cifar10", "mnist")
    ]
    return Conclusion(
        "RQ1",
        "On Kaggle, energy and emissions differ between the architectures (H1.1.0 is rejected).",
        "Section 4.1, Table 4",
        STANDS if own.p < ALPHA and not one.any() else UNDECIDED,
        f"The published {p_value(logged.p)} comes from counters that grew from VGG16 to ResNet50, "
        f"always in this order. With each run's own energy it is {p_value(own.p)}, and "
        f"{p_value(emissions.p)} for emissions; by the design, within places and datasets, "
        f"{p_value(design['p_exact'])}. But neither decides it: in {one.sum()} of "
        f"{len(runs)} runs, and in {(one & resnet).sum()} of {resnet.sum()} of ResNet50, the GPU "
        "energy is one power reading, taken after the training, times the run's duration. What "
        f"was measured soundly, the duration, does differ within each dataset "
        f"({p_value(time[0])} and {p_value(time[1])}).",
        ("questions", "gpu_power"),
    )


def architecture_wattmeter(case: Case) -> Conclusion:
    """Stands if the permutation within the two datasets is beyond chance."""
    parts = case.tables["by_design"].set_index(["data", "dataset"]).loc["Wattmeter machine"]
    both = parts.loc["both"]
    by_ranks = both["p_paper"] < ALPHA
    energy = case.runs(WATTMETER).groupby(["dataset", "architecture"])["wattmeter_energy"].median()
    spread = energy.groupby("dataset").max() / energy.groupby("dataset").min() - 1
    least = {energy[dataset].idxmin() for dataset in ("cifar10", "mnist")}
    return Conclusion(
        "RQ1",
        "The architecture has an impact on the energy of training.",
        "Sections 5 and 6",
        STANDS if both["p_exact"] < ALPHA else UNDECIDED,
        "By the wattmeter, whose runs had a process each, it differs within the datasets, by "
        f"{span(100 * spread, '.0f')} % between the least and the most. Counting every order in "
        f"which the runs could have come, {p_value(parts.loc['cifar10', 'p_exact'])} on CIFAR10, "
        f"{p_value(parts.loc['mnist', 'p_exact'])} on MNIST and {p_value(both['p_exact'])} over "
        f"both; the log model has F = {both['f_architecture']:.0f} for the architecture and "
        f"{both['f_interaction']:.0f} for its dependence on the dataset, with runs that scatter by "
        f"{both['residual_sd_percent']:.1f} %. The paper's test gives "
        f"{p_value(parts.loc['cifar10', 'p_paper'])} and {p_value(parts.loc['mnist', 'p_paper'])}, "
        "since with three runs chi squared is far from the exact distribution of its ranks"
        + (
            "."
            if by_ranks
            else f"; over both datasets at once it gives {p_value(both['p_paper'])}, because the "
            "datasets' own energies mix the ranks."
        )
        + f" {listed(sorted(least))} takes the least on both.",
        ("by_design", "wattmeter_medians"),
    )


def vgg_below_resnet(case: Case) -> Conclusion:
    """Stands or falls only where wattmeter runs of ResNet50 lie wholly above or below."""
    bounds = case.tables["energy_bounds"].pivot(
        index=["location", "dataset"],
        columns="architecture",
        values=["lowest", "highest", "sampled"],
    )
    vgg = bounds["sampled"][["VGG16", "VGG19"]].max(axis=1)
    surely = (bounds["lowest"]["ResNet50"] > vgg).sum()
    possibly = (bounds["highest"]["ResNet50"] > vgg).sum()
    meter = case.runs(WATTMETER)
    above = {
        dataset: runs.loc[runs["architecture"] == "ResNet50", "wattmeter_energy"].min()
        > runs.loc[runs["architecture"] != "ResNet50", "wattmeter_energy"].max()
        for dataset, runs in meter.groupby("dataset")
    }
    medians = meter.groupby(["dataset", "architecture"])["wattmeter_energy"].median()
    sentence = "; ".join(
        f"{'it holds' if holds else 'it does not hold'} on {dataset.upper()} (ResNet50 "
        f"{medians[dataset, 'ResNet50']:.2f} kWh, VGG19 {medians[dataset, 'VGG19']:.2f} kWh)"
        for dataset, holds in above.items()
    )
    return Conclusion(
        "RQ1",
        "Both VGG networks take less energy than ResNet50.",
        "Section 4.1, Figure 2",
        STANDS if all(above.values()) and surely == len(bounds) else UNDECIDED,
        "On Kaggle the GPU power of ResNet50 was never sampled. With the highest power that was "
        f"ever read it would take more than both VGG networks in {possibly} of {len(bounds)} "
        f"sessions, with the lowest in {surely}: its duration alone does not tell. By the "
        f"wattmeter {sentence}.",
        ("energy_bounds", "wattmeter_medians"),
    )


def architecture_and_flops(case: Case) -> Conclusion:
    """Falls if FLOPs differ at all: they are counted, so there is no chance to rule out."""
    frame = case.tables["flops"].set_index("architecture")[["cifar10", "mnist"]]
    # The most extreme ranking: each architecture's values next to each other.
    smallest = stats.kruskal(*np.arange(frame.size).reshape(frame.shape)).pvalue
    ratio = frame.max() / frame.min()
    return Conclusion(
        "RQ1",
        "FLOPs do not differ significantly between the architectures (H1.2.0 is kept).",
        "Section 4.1, Table 4, Figure 3",
        FALLS if (ratio > 1).all() else UNDECIDED,
        f"The test has {frame.size} values in {len(frame)} groups and can't give less than "
        f"{p_value(smallest)} whatever they are, so it could not have rejected. FLOPs are counted, "
        f"not sampled: on the same dataset they differ by a factor of {span(ratio, '.1f')}.",
        ("flops",),
    )


def location_and_emissions(case: Case) -> Conclusion:
    """Stands if significant within each dataset; intensity is one constant a place."""
    tests = [
        case.test("Kaggle, corrected", "emissions", "location", within)
        for within in ("", "dataset = cifar10", "dataset = mnist")
    ]
    places = case.tables["within_locations"].set_index("location").drop("all")["carbon_intensity"]
    most = places.idxmax()
    return Conclusion(
        "RQ1",
        "Emissions depend on the location, and are highest in Taipei.",
        "Section 4.1, Table 5, Figure 4",
        STANDS if all(test.p < ALPHA for test in tests) and "taipei" in most else UNDECIDED,
        f"With each run's own emissions {p_value(tests[0].p)}; on CIFAR10 {p_value(tests[1].p)}, "
        f"on MNIST {p_value(tests[2].p)}. It could hardly be otherwise: CodeCarbon multiplies "
        f"energy by one constant a place, from {places.min():.0f} to {places.max():.0f} g "
        f"CO2-eq/kWh, the highest in {most}.",
        ("questions", "within_locations"),
    )


def location_and_energy(case: Case) -> Conclusion:
    """Undecided: one session a place and dataset, with GPU energies of one reading."""
    logged, own, cifar10 = (
        case.test(data, "energy_consumed", "location", within)
        for data, within in (
            ("Kaggle, as published", ""),
            ("Kaggle, corrected", ""),
            ("Kaggle, corrected", "dataset = cifar10"),
        )
    )
    runs = case.runs(KAGGLE)
    sessions = runs.groupby(["location", "dataset"])["source_file"].nunique()
    one = (runs["gpu_method"] == ONE_READING_GPU).sum()
    return Conclusion(
        "RQ1",
        "Energy does not depend on the location.",
        "Section 4.1, Table 5, Figure 4",
        UNDECIDED,
        f"The growing counters gave {p_value(logged.p)}; each run's own energy gives "
        f"{p_value(own.p)} overall and {p_value(cifar10.p)} on CIFAR10 alone. Neither decides it: "
        f"each place trained a dataset in {span(sessions, 'd')} session, so a place can't be told "
        f"from a session, and {one} GPU energies are single readings.",
        ("questions", "gpu_power"),
    )
