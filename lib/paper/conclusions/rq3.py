"""RQ3: how do wattmeter and profiler differ? And what the discussion makes of all of it."""

from __future__ import annotations

from lib.paper.conclusions.case import FALLS, STANDS, UNDECIDED, Case, Conclusion
from lib.paper.wattmeter_runs import RAPL_RANGE
from lib.stats import ALPHA
from lib.text import p_value, span


def gap(case: Case) -> Conclusion:
    """Falls if CodeCarbon's CPU energies fit an overflowed counter and not its CPU power."""
    runs = case.tables["wattmeter_power"]
    medians = runs.groupby(["dataset", "architecture"])[["wattmeter_energy", "codecarbon_energy"]]
    gap = medians.median().pipe(
        lambda m: 100 * (1 - m["codecarbon_energy"] / m["wattmeter_energy"])
    )
    remainder = (runs["cpu_energy"].abs() <= 2 * RAPL_RANGE).all()
    impossible = (runs["cpu"] < runs["cpu_last_reading"] / 2).all()
    estimated = runs["gap_estimated_percent"]
    return Conclusion(
        "RQ3",
        "The profiler misses 42 to 46 %, because it models, and sees three components only.",
        "Section 4.3, Table 7",
        FALLS if remainder and impossible else STANDS,
        f"The figures are right ({span(gap, '.1f')} %), but much of the gap is a fault. "
        "CodeCarbon's CPU energies would be a mean power of "
        f"{span(runs['cpu'], '.0f')} W, where its own last readings are "
        f"{span(runs['cpu_last_reading'], '.0f')} W. All {len(runs)} of them, not "
        f"only the {(runs['cpu_energy'] < 0).sum()} negative ones, are within "
        f"{2 * RAPL_RANGE:.3f} kWh, what the counters of two processors hold before they start "
        f"again. With the last reading in place of the mean the gap is {span(estimated, '.0f')} %, "
        f"standard deviation {estimated.std():.1f}: an estimate, but a steady one.",
        ("wattmeter_power",),
    )


def correlation(case: Case) -> Conclusion:
    """Stands if rho of all runs is beyond chance and strong."""
    medians, runs = case.rho("energy, medians of three (the paper's)"), case.rho("energy")
    return Conclusion(
        "RQ3",
        "The energies by wattmeter and by profiler are strongly correlated.",
        "Section 4.3",
        STANDS if runs.p < ALPHA and runs.statistic > 0.7 else FALLS,
        f"Spearman's rho is {medians.statistic:.2f} for the paper's {medians.n} medians and "
        f"{runs.statistic:.3f} for all {runs.n} runs.",
        ("instrument_agreement",),
    )


def profilers_reliable(case: Case) -> Conclusion:
    """Undecided if a stopwatch does as well and the power, CPU counter overflowed, does not."""
    time = case.rho("duration against wattmeter energy")
    six, time_six = (
        case.rho("energy, medians of three (the paper's)"),
        case.rho("duration against wattmeter energy, medians of three"),
    )
    power, estimated = case.rho("mean power"), case.rho("mean power, CPU from its last reading")
    gpu = case.tables["wattmeter_power"]["gpu"]
    medians = case.tables["wattmeter_medians"]
    slower = medians["duration"] / medians["kaggle_duration"]
    return Conclusion(
        "RQ3",
        "A profiler is a reliable way to compare the energy of trainings.",
        "Section 5",
        STANDS if power.p < ALPHA else UNDECIDED,
        "The correlation does not show it: a stopwatch ranks the runs with rho "
        f"{time.statistic:.2f} ({time_six.statistic:.2f} for the six medians, the profiler's own "
        f"{six.statistic:.2f}). What is left once time is divided out, the mean power, correlates "
        f"with rho {power.statistic:.2f} ({p_value(power.p)}). That is the overflowing CPU "
        f"counter: with the last CPU power in its place rho is {estimated.statistic:.2f}. Nor did "
        f"the GPUs matter: all 8 together drew {span(gpu, '.0f')} W in every run and as much "
        f"after it, and training took {span(slower, '.1f')} times as long as on Kaggle's one GPU, "
        "so they probably idled while the processors trained.",
        ("instrument_agreement", "wattmeter_power", "gpu_power", "wattmeter_medians"),
    )


def extremes(case: Case) -> Conclusion:
    """Stands if medians of both instruments have the same first and last configuration."""
    columns = ["wattmeter_energy", "energy_consumed"]
    medians = case.tables["wattmeter_medians"].set_index(["architecture", "dataset"])
    most = {medians[column].idxmax() for column in columns}
    least = {medians[column].idxmin() for column in columns}
    holds = most == {("ResNet50", "mnist")} and least == {("VGG16", "cifar10")}
    top, bottom = medians.loc[("ResNet50", "mnist")], medians.loc[("VGG16", "cifar10")]
    return Conclusion(
        "RQ3",
        "By both instruments ResNet50 on MNIST takes the most and VGG16 on CIFAR10 the least.",
        "Section 4.3",
        STANDS if holds else FALLS,
        f"{top['wattmeter_energy']:.2f} and {bottom['wattmeter_energy']:.2f} kWh by the wattmeter, "
        f"{top['energy_consumed']:.2f} and {bottom['energy_consumed']:.2f} kWh by CodeCarbon.",
        ("wattmeter_medians",),
    )


def median_removes_negatives(case: Case) -> Conclusion:
    """Falls if runs with a positive CPU energy have one that their CPU power rules out."""
    runs = case.tables["wattmeter_power"]
    negative = runs["cpu_energy"] < 0
    positive = runs[~negative]
    share = 100 * positive["cpu"] / positive["cpu_last_reading"]
    return Conclusion(
        "Validity",
        "Medians keep the negative CPU energies out of the findings.",
        "Section 5.1",
        FALLS if (share < 50).all() else UNDECIDED,
        f"The {negative.sum()} negative values are the visible part. The {len(positive)} positive "
        f"ones come from the same overflowing counter and make up {span(share, '.0f')} % of "
        "the CPU power that CodeCarbon read itself, so a median of three picks one wrong value "
        "out of three.",
        ("wattmeter_power",),
    )


def parameters(case: Case) -> Conclusion:
    """Undecided if size, depth and duration rank the architectures alike: no cause stands out."""
    medians = case.tables["wattmeter_medians"]
    columns = ["parameters", "depth", "duration"]
    alike = all(
        part[columns].rank().nunique(axis="columns").eq(1).all()
        for _, part in medians.groupby("dataset")
    )
    wide = medians.pivot(index="dataset", columns="architecture")
    trained, took = wide["trainable_parameters"], wide["wattmeter_energy"]
    same = (trained["VGG16"] == trained["VGG19"]).all()
    more = 100 * (took["VGG19"] / took["VGG16"] - 1)
    time = case.rho("duration against wattmeter energy")
    return Conclusion(
        "Discussion",
        "The more parameters are trained, the longer it takes and the more energy is used.",
        "Section 5",
        UNDECIDED if alike or same else FALLS,
        f"Energy does follow duration (rho {time.statistic:.2f}). But VGG16 and VGG19 train "
        f"{'the same number' if same else 'different numbers'} of parameters and VGG19 takes "
        f"{span(more, '.0f')} % more, and the architectures rank "
        f"{'alike' if alike else 'differently'} by all parameters, by depth and by duration, so "
        "the cause can't be told apart.",
        ("instrument_agreement", "wattmeter_medians"),
    )
