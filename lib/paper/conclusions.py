"""Which of the paper's conclusions stand, which fall, and which its data can't decide.

Every verdict follows from the tables of `reanalysis` by the rule written in its function, and
every figure in a sentence comes from them. One rule holds for all: a result that an instrument
could not have measured is undecided, not refuted; it falls only where a sound measurement speaks
against it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
import scipy

from lib.paper import reanalysis
from lib.paper.package import KAGGLE, ONE_READING_GPU, WATTMETER
from lib.paper.reproduction import campaign
from lib.paper.wattmeter_runs import RAPL_RANGE, with_power
from lib.stats import ALPHA
from lib.text import listed, p_value, span

STANDS = "stands"
FALLS = "falls"
UNDECIDED = "undecided"

Verdict = tuple[str, str]  # the word, and why in plain words, with the figures that decide it


@dataclass(frozen=True)
class Conclusion:
    """One of the paper's conclusions, weighed."""

    question: str  # RQ1, RQ2, RQ3, the validity of the measurements, or the discussion
    claim: str  # what the paper says, in our words
    where: str  # section, table or figure of the paper
    verdict: str  # the word
    sentence: str  # why, in plain words, with the figures that decide it
    evidence: tuple[str, ...]  # names of the tables of `lib.paper.reanalysis` that hold them


@dataclass(frozen=True)
class Case:
    """What the weighing functions look things up in."""

    results: pd.DataFrame
    tables: dict[str, pd.DataFrame]

    def runs(self, name: str) -> pd.DataFrame:
        """The runs of a campaign."""
        return campaign(self.results, name)

    def test(self, data: str, response: str, factor: str, within: str = "") -> pd.Series:
        """One row of the table `questions`."""
        keys = ["data", "response", "factor", "within"]
        return self.tables["questions"].set_index(keys).loc[(data, response, factor, within)]

    def rho(self, comparison: str) -> pd.Series:
        """One row of the table `instrument_agreement`."""
        return self.tables["instrument_agreement"].set_index("comparison").loc[comparison]


_WEIGHINGS: list[Callable[[Case], Conclusion]] = []  # in the paper's order


def conclusions(results: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> tuple[Conclusion, ...]:
    """Weigh the paper's conclusions by the tables of `reanalysis`, in its order; of results other
    than its own there are none.
    """
    if "campaign" not in results or set(results["campaign"]) != {KAGGLE, WATTMETER}:
        return ()
    case = Case(results, tables)
    return tuple(weigh(case) for weigh in _WEIGHINGS)


def to_frame(found: tuple[Conclusion, ...]) -> pd.DataFrame:
    """One row a conclusion."""
    columns = [field.name for field in fields(Conclusion)]
    rows = [asdict(one) | {"evidence": ", ".join(one.evidence)} for one in found]
    return pd.DataFrame(rows, columns=columns)


def _weighing(question: str, where: str, *evidence: str) -> Callable:
    """Mark what weighs a conclusion; the claim is its docstring."""

    def register(weigh: Callable[[Case], Verdict]) -> Callable[[Case], Verdict]:
        claim = " ".join((weigh.__doc__ or "").split())
        _WEIGHINGS.append(lambda case: Conclusion(question, claim, where, *weigh(case), evidence))
        return weigh

    return register


@_weighing("RQ1", "Section 4.1, Table 3, Figure 2", "questions")
def dataset_and_energy(case: Case) -> Verdict:
    """Training on CIFAR10 takes less energy than training on MNIST."""
    # Stands if both campaigns, corrected, show less energy on CIFAR10 beyond chance.
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
    return STANDS if agree else UNDECIDED, (
        f"The correlation that the growing counters gave as {logged.statistic:.2f} is "
        f"{own.statistic:.2f} once each run has its own energy, and {meter.statistic:.2f} by the "
        f"wattmeter. It does not hang on the doubtful GPU readings: the duration alone gives "
        f"{time.statistic:.2f}. MNIST differs in more than its content, though: its images were "
        "enlarged to 48 pixels a side and there are more of them."
    )


@_weighing("RQ1", "Section 4.1, Table 3", "within_locations")
def dataset_and_emissions(case: Case) -> Verdict:
    """Emissions hardly depend on the dataset."""
    # Falls if the correlation is strong in every location that trained both datasets.
    frame = case.tables["within_locations"].set_index("location")
    overall, within = frame.loc["all", "r"], frame.drop("all")
    inside = within["r"].dropna()
    alone = within[within["mnist_runs"].eq(0) | within["cifar10_runs"].eq(0)]
    confounded = bool(len(inside)) and (inside.abs() > 0.4).all() and (np.sign(inside) < 0).all()
    return FALLS if confounded else UNDECIDED, (
        f"The correlation of {overall:.3f} mixes places. {listed(alone.index)} trained one dataset "
        f"only, with {alone['carbon_intensity'].max():.0f} g CO2-eq/kWh against "
        f"{span(within.drop(alone.index)['carbon_intensity'], '.0f')} elsewhere. Where both "
        f"datasets were trained it is {span(inside, '.2f')}: there emissions are energy times a "
        "constant."
    )


@_weighing("RQ1", "Section 4.1, Table 3, Figure 3", "flops")
def dataset_and_flops(case: Case) -> Verdict:
    """A network needs fewer FLOPs on CIFAR10 than on MNIST."""
    # Stands if every architecture has fewer FLOPs on CIFAR10; it is arithmetic.
    ratios = case.tables["flops"]["ratio"]
    return STANDS if (ratios > 1).all() else FALLS, (
        f"Each architecture needs {span(ratios, '.2f')} times as many on MNIST, because its "
        "images were enlarged. That is counted, not sampled, so it needs no test. They are the "
        "FLOPs of one forward batch, not of a training."
    )


@_weighing("RQ1", "Section 4.1, Table 4", "questions", "gpu_power")
def architecture_kaggle(case: Case) -> Verdict:
    """On Kaggle, energy and emissions differ between the architectures (H1.1.0 is rejected)."""
    # Undecided while the GPU energy of most runs is a single reading, whatever the test says.
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
    return STANDS if own.p < ALPHA and not one.any() else UNDECIDED, (
        f"The published {p_value(logged.p)} comes from counters that grew from VGG16 to ResNet50, "
        f"always in this order. With each run's own energy it is {p_value(own.p)}, and "
        f"{p_value(emissions.p)} for emissions; by the design, within places and datasets, "
        f"{p_value(design['p_exact'])}. But neither decides it: in {one.sum()} of "
        f"{len(runs)} runs, and in {(one & resnet).sum()} of {resnet.sum()} of ResNet50, the GPU "
        "energy is one power reading, taken after the training, times the run's duration. What "
        f"was measured soundly, the duration, does differ within each dataset "
        f"({p_value(time[0])} and {p_value(time[1])})."
    )


@_weighing("RQ1", "Sections 5 and 6", "by_design", "wattmeter_medians")
def architecture_wattmeter(case: Case) -> Verdict:
    """The architecture has an impact on the energy of training."""
    # Stands if the permutation within the two datasets is beyond chance.
    parts = case.tables["by_design"].set_index(["data", "dataset"]).loc["Wattmeter machine"]
    both = parts.loc["both"]
    energy = case.runs(WATTMETER).groupby(["dataset", "architecture"])["wattmeter_energy"].median()
    spread = energy.groupby("dataset").max() / energy.groupby("dataset").min() - 1
    least = {energy[dataset].idxmin() for dataset in ("cifar10", "mnist")}
    mixed = (
        f"; over both datasets at once it gives {p_value(both['p_paper'])}, because the datasets' "
        "own energies mix the ranks"
    )
    return STANDS if both["p_exact"] < ALPHA else UNDECIDED, (
        "By the wattmeter, whose runs had a process each, it differs within the datasets, by "
        f"{span(100 * spread, '.0f')} % between the least and the most. Counting every order in "
        f"which the runs could have come, {p_value(parts.loc['cifar10', 'p_exact'])} on CIFAR10, "
        f"{p_value(parts.loc['mnist', 'p_exact'])} on MNIST and {p_value(both['p_exact'])} over "
        f"both; the log model has F = {both['f_architecture']:.0f} for the architecture and "
        f"{both['f_interaction']:.0f} for its dependence on the dataset, with runs that scatter by "
        f"{both['residual_sd_percent']:.1f} %. The paper's test gives "
        f"{p_value(parts.loc['cifar10', 'p_paper'])} and {p_value(parts.loc['mnist', 'p_paper'])}, "
        "since with three runs chi squared is far from the exact distribution of its ranks"
        f"{'' if both['p_paper'] < ALPHA else mixed}. {listed(sorted(least))} takes the least on "
        "both."
    )


@_weighing("RQ1", "Section 4.1, Figure 2", "energy_bounds", "wattmeter_medians")
def vgg_below_resnet(case: Case) -> Verdict:
    """Both VGG networks take less energy than ResNet50."""
    # Stands or falls only where wattmeter runs of ResNet50 lie wholly above or below.
    bounds = case.tables["energy_bounds"].pivot(
        index=["location", "dataset"], columns="architecture"
    )
    vgg = bounds["sampled"][["VGG16", "VGG19"]].max(axis=1)
    surely = (bounds["lowest"]["ResNet50"] > vgg).sum()
    possibly = (bounds["highest"]["ResNet50"] > vgg).sum()
    meter = case.runs(WATTMETER).groupby(["dataset", "architecture"])["wattmeter_energy"]
    least, most, medians = meter.min().unstack(), meter.max().unstack(), meter.median()
    above = least["ResNet50"] > most.drop(columns="ResNet50").max(axis=1)
    sentence = "; ".join(
        f"{'it holds' if holds else 'it does not hold'} on {dataset.upper()} (ResNet50 "
        f"{medians[dataset, 'ResNet50']:.2f} kWh, VGG19 {medians[dataset, 'VGG19']:.2f} kWh)"
        for dataset, holds in above.items()
    )
    return STANDS if above.all() and surely == len(bounds) else UNDECIDED, (
        "On Kaggle the GPU power of ResNet50 was never sampled. With the highest power that was "
        f"ever read it would take more than both VGG networks in {possibly} of {len(bounds)} "
        f"sessions, with the lowest in {surely}: its duration alone does not tell. By the "
        f"wattmeter {sentence}."
    )


@_weighing("RQ1", "Section 4.1, Table 4, Figure 3", "flops")
def architecture_and_flops(case: Case) -> Verdict:
    """FLOPs do not differ significantly between the architectures (H1.2.0 is kept)."""
    # Falls if FLOPs differ at all: they are counted, so there is no chance to rule out.
    frame = case.tables["flops"].set_index("architecture")[["cifar10", "mnist"]]
    # The most extreme ranking: each architecture's values next to each other.
    smallest = scipy.stats.kruskal(*np.arange(frame.size).reshape(frame.shape)).pvalue
    ratio = frame.max() / frame.min()
    return FALLS if (ratio > 1).all() else UNDECIDED, (
        f"The test has {frame.size} values in {len(frame)} groups and can't give less than "
        f"{p_value(smallest)} whatever they are, so it could not have rejected. FLOPs are counted, "
        f"not sampled: on the same dataset they differ by a factor of {span(ratio, '.1f')}."
    )


@_weighing("RQ1", "Section 4.1, Table 5, Figure 4", "questions", "within_locations")
def location_and_emissions(case: Case) -> Verdict:
    """Emissions depend on the location, and are highest in Taipei."""
    # Stands if significant within each dataset; intensity is one constant a place.
    tests = [
        case.test("Kaggle, corrected", "emissions", "location", within)
        for within in ("", "dataset = cifar10", "dataset = mnist")
    ]
    places = case.tables["within_locations"].set_index("location").drop("all")["carbon_intensity"]
    most = places.idxmax()
    return STANDS if all(test.p < ALPHA for test in tests) and "taipei" in most else UNDECIDED, (
        f"With each run's own emissions {p_value(tests[0].p)}; on CIFAR10 {p_value(tests[1].p)}, "
        f"on MNIST {p_value(tests[2].p)}. It could hardly be otherwise: CodeCarbon multiplies "
        f"energy by one constant a place, from {places.min():.0f} to {places.max():.0f} g "
        f"CO2-eq/kWh, the highest in {most}."
    )


@_weighing("RQ1", "Section 4.1, Table 5, Figure 4", "questions", "gpu_power")
def location_and_energy(case: Case) -> Verdict:
    """Energy does not depend on the location."""
    # Undecided: one session a place and dataset, with GPU energies of one reading.
    logged, own = (
        case.test(data, "energy_consumed", "location")
        for data in ("Kaggle, as published", "Kaggle, corrected")
    )
    cifar10 = case.test("Kaggle, corrected", "energy_consumed", "location", "dataset = cifar10")
    runs = case.runs(KAGGLE)
    sessions = runs.groupby(["location", "dataset"])["source_file"].nunique()
    one = (runs["gpu_method"] == ONE_READING_GPU).sum()
    return UNDECIDED, (
        f"The growing counters gave {p_value(logged.p)}; each run's own energy gives "
        f"{p_value(own.p)} overall and {p_value(cifar10.p)} on CIFAR10 alone. Neither decides it: "
        f"each place trained a dataset in {span(sessions, 'd')} session, so a place can't be told "
        f"from a session, and {one} GPU energies are single readings."
    )


@_weighing("RQ2", "Section 4.2, Table 6", "vgg_pairs", "gpu_power", "best_architectures")
def vgg19_best(case: Case) -> Verdict:
    """On CIFAR10 in Oregon and South Carolina VGG19 has the best Score, because it takes less
    energy than VGG16.
    """
    # Falls if VGG19 took more energy than VGG16 in every sound comparison on CIFAR10.
    pairs = case.tables["vgg_pairs"]
    kaggle, meter = pairs[pairs["where"] != "wattmeter"], pairs[pairs["where"] == "wattmeter"]
    more = pairs["vgg19_takes_more_percent"]
    runs = with_power(case.runs(KAGGLE)).query("architecture == 'VGG19' and dataset == 'cifar10'")
    runs = runs[runs["location"].str.startswith("USA")]
    one = runs["gpu_method"] == ONE_READING_GPU
    low, sampled = (runs.loc[which, "gpu_energy_power"] for which in (one, ~one))
    best = case.tables["best_architectures"]
    sound = best[best["data"].isin([reanalysis.SAMPLED, "Wattmeter machine"])]
    wins = (sound[sound["dataset"] == "cifar10"]["best_score"] == "VGG19").sum()
    falls = (more > 0).all() and wins == 0
    return FALLS if falls else UNDECIDED, (
        "VGG19's low energies there rest on GPU power read once a run, after the training: "
        f"{span(low, '.0f')} W, where its runs that were sampled all along drew "
        f"{span(sampled, '.0f')} W. "
        f"Wherever power was sampled, VGG19 took more than VGG16: by "
        f"{span(kaggle['vgg19_takes_more_percent'], '.0f')} % in {len(kaggle)} of {len(kaggle)} "
        f"Kaggle sessions and by {span(meter['vgg19_takes_more_percent'], '.0f')} % by the "
        "wattmeter. On CIFAR10 VGG16 has the better Score in all of them."
        if falls
        else f"VGG19 took {span(more, '.0f')} % more than VGG16 in the sound comparisons."
    )


@_weighing("RQ2", "Section 4.2, Table 6", "best_architectures")
def vgg16_best_on_mnist(case: Case) -> Verdict:
    """On MNIST VGG16 has the best Score, the highest accuracy and the lowest energy."""
    # Stands if VGG16 has the best Score on MNIST in every part of the data.
    best = case.tables["best_architectures"]
    mnist = best[best["dataset"] == "mnist"]
    wins = (mnist["best_score"] == "VGG16").sum()
    both = ((mnist["highest_accuracy"] == "VGG16") & (mnist["least_energy"] == "VGG16")).sum()
    return STANDS if wins == both == len(mnist) else UNDECIDED, (
        f"VGG16 has the best Score in {wins} of {len(mnist)} comparisons (as published, corrected, "
        f"sampled runs, wattmeter), and the highest accuracy with the least energy in {both}."
    )


@_weighing("RQ2", "Sections 4.2 and 5", "best_architectures", "wattmeter_medians")
def trade_off(case: Case) -> Verdict:
    """Networks that take less energy are less accurate: a little accuracy costs much energy."""
    # Falls if, by the wattmeter, the most accurate architecture also takes the least energy.
    best = case.tables["best_architectures"]
    meter = best[best["data"] == "Wattmeter machine"]
    same = meter["highest_accuracy"] == meter["least_energy"]
    medians = case.tables["wattmeter_medians"].set_index(["dataset", "architecture"])
    figures = ", ".join(
        f"{name} {100 * row['accuracy']:.1f} % for {row['wattmeter_energy']:.2f} kWh"
        for name, row in medians.loc["cifar10"].sort_values("wattmeter_energy").iterrows()
    )
    return FALLS if same.all() else UNDECIDED, (
        "By the wattmeter the most accurate network also takes the least energy on "
        f"{same.sum()} of {len(same)} datasets (CIFAR10: {figures}). It may well exist elsewhere: "
        "three networks with one head and one number of epochs can't show it."
    )


@_weighing("RQ2", "Section 4.2, Table 6", "best_architectures", "gpu_power")
def resnet_worst(case: Case) -> Verdict:
    """ResNet50 has the lowest Score everywhere."""
    # Undecided: both parts of ResNet50's Score are doubtful.
    best = case.tables["best_architectures"]
    full = best[best["architectures"] > 2]
    last = full[full["data"] != "Kaggle, as published"]["lowest_score"] == "ResNet50"
    runs = case.runs(KAGGLE)
    resnet = runs[(runs["architecture"] == "ResNet50") & (runs["dataset"] == "cifar10")]
    stuck = resnet[(resnet["accuracy"] - 0.1).abs() < 1e-9]
    return UNDECIDED, (
        f"Corrected, it is last in {last.sum()} of {len(last)} comparisons. But its accuracy on "
        f"CIFAR10, {span(100 * resnet['accuracy'], '.0f')} %, is of a network that got pixels "
        "from 0 to 1 where its ImageNet weights expect centred ones from 0 to 255, and "
        f"{len(stuck)} of {len(resnet)} runs were at chance level. On Kaggle its energy "
        "was never sampled either. The Score says how it was fed, not what it can do."
    )


@_weighing("RQ3", "Section 4.3, Table 7", "wattmeter_power")
def gap(case: Case) -> Verdict:
    """The profiler misses 42 to 46 %, because it models, and sees three components only."""
    # Falls if CodeCarbon's CPU energies fit an overflowed counter and not its CPU power.
    runs = case.tables["wattmeter_power"]
    medians = runs.groupby(["dataset", "architecture"]).median(numeric_only=True)
    gap = 100 * (1 - medians["codecarbon_energy"] / medians["wattmeter_energy"])
    remainder = (runs["cpu_energy"].abs() <= 2 * RAPL_RANGE).all()
    impossible = (runs["cpu"] < runs["cpu_last_reading"] / 2).all()
    estimated = runs["gap_estimated_percent"]
    return FALLS if remainder and impossible else STANDS, (
        f"The figures are right ({span(gap, '.1f')} %), but much of the gap is a fault. "
        "CodeCarbon's CPU energies would be a mean power of "
        f"{span(runs['cpu'], '.0f')} W, where its own last readings are "
        f"{span(runs['cpu_last_reading'], '.0f')} W. All {len(runs)} of them, not "
        f"only the {(runs['cpu_energy'] < 0).sum()} negative ones, are within "
        f"{2 * RAPL_RANGE:.3f} kWh, what the counters of two processors hold before they start "
        f"again. With the last reading in place of the mean the gap is {span(estimated, '.0f')} %, "
        f"standard deviation {estimated.std():.1f}: an estimate, but a steady one."
    )


@_weighing("RQ3", "Section 4.3", "instrument_agreement")
def correlation(case: Case) -> Verdict:
    """The energies by wattmeter and by profiler are strongly correlated."""
    # Stands if rho of all runs is beyond chance and strong.
    medians, runs = case.rho("energy, medians of three (the paper's)"), case.rho("energy")
    return STANDS if runs.p < ALPHA and runs.statistic > 0.7 else FALLS, (
        f"Spearman's rho is {medians.statistic:.2f} for the paper's {medians.n} medians and "
        f"{runs.statistic:.3f} for all {runs.n} runs."
    )


@_weighing(
    "RQ3", "Section 5", "instrument_agreement", "wattmeter_power", "gpu_power", "wattmeter_medians"
)
def profilers_reliable(case: Case) -> Verdict:
    """A profiler is a reliable way to compare the energy of trainings."""
    # Undecided if a stopwatch does as well and the power, CPU counter overflowed, does not.
    six = case.rho("energy, medians of three (the paper's)")
    time = case.rho("duration against wattmeter energy")
    time_six = case.rho("duration against wattmeter energy, medians of three")
    power, estimated = case.rho("mean power"), case.rho("mean power, CPU from its last reading")
    gpu = case.tables["wattmeter_power"]["gpu"]
    medians = case.tables["wattmeter_medians"]
    slower = medians["duration"] / medians["kaggle_duration"]
    return STANDS if power.p < ALPHA else UNDECIDED, (
        "The correlation does not show it: a stopwatch ranks the runs with rho "
        f"{time.statistic:.2f} ({time_six.statistic:.2f} for the six medians, the profiler's own "
        f"{six.statistic:.2f}). What is left once time is divided out, the mean power, correlates "
        f"with rho {power.statistic:.2f} ({p_value(power.p)}). That is the overflowing CPU "
        f"counter: with the last CPU power in its place rho is {estimated.statistic:.2f}. Nor did "
        f"the GPUs matter: all 8 together drew {span(gpu, '.0f')} W in every run and as much "
        f"after it, and training took {span(slower, '.1f')} times as long as on Kaggle's one GPU, "
        "so they probably idled while the processors trained."
    )


@_weighing("RQ3", "Section 4.3", "wattmeter_medians")
def extremes(case: Case) -> Verdict:
    """By both instruments ResNet50 on MNIST takes the most and VGG16 on CIFAR10 the least."""
    # Stands if medians of both instruments have the same first and last configuration.
    columns = ["wattmeter_energy", "energy_consumed"]
    medians = case.tables["wattmeter_medians"].set_index(["architecture", "dataset"])
    most = {medians[column].idxmax() for column in columns}
    least = {medians[column].idxmin() for column in columns}
    holds = most == {("ResNet50", "mnist")} and least == {("VGG16", "cifar10")}
    top, bottom = medians.loc[("ResNet50", "mnist")], medians.loc[("VGG16", "cifar10")]
    return STANDS if holds else FALLS, (
        f"{top['wattmeter_energy']:.2f} and {bottom['wattmeter_energy']:.2f} kWh by the wattmeter, "
        f"{top['energy_consumed']:.2f} and {bottom['energy_consumed']:.2f} kWh by CodeCarbon."
    )


@_weighing("Validity", "Section 5.1", "wattmeter_power")
def median_removes_negatives(case: Case) -> Verdict:
    """Medians keep the negative CPU energies out of the findings."""
    # Falls if runs with a positive CPU energy have one that their CPU power rules out.
    runs = case.tables["wattmeter_power"]
    negative = runs["cpu_energy"] < 0
    positive = runs[~negative]
    share = 100 * positive["cpu"] / positive["cpu_last_reading"]
    return FALLS if (share < 50).all() else UNDECIDED, (
        f"The {negative.sum()} negative values are the visible part. The {len(positive)} positive "
        f"ones come from the same overflowing counter and make up {span(share, '.0f')} % of "
        "the CPU power that CodeCarbon read itself, so a median of three picks one wrong value "
        "out of three."
    )


@_weighing("Discussion", "Section 5", "instrument_agreement", "wattmeter_medians")
def parameters(case: Case) -> Verdict:
    """The more parameters are trained, the longer it takes and the more energy is used."""
    # Undecided if size, depth and duration rank the architectures alike: no cause stands out.
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
    return UNDECIDED if alike or same else FALLS, (
        f"Energy does follow duration (rho {time.statistic:.2f}). But VGG16 and VGG19 train "
        f"{'the same number' if same else 'different numbers'} of parameters and VGG19 takes "
        f"{span(more, '.0f')} % more, and the architectures rank "
        f"{'alike' if alike else 'differently'} by all parameters, by depth and by duration, so "
        "the cause can't be told apart."
    )
