"""RQ2: what is the relationship between accuracy and energy?"""

from __future__ import annotations

from lib.paper import reanalysis
from lib.paper.conclusions.case import FALLS, STANDS, UNDECIDED, Case, Conclusion
from lib.paper.package import KAGGLE, ONE_READING_GPU
from lib.paper.wattmeter_runs import with_power
from lib.text import span


def vgg19_best(case: Case) -> Conclusion:
    """Falls if VGG19 took more energy than VGG16 in every sound comparison on CIFAR10."""
    pairs = case.tables["vgg_pairs"]
    kaggle, meter = pairs[pairs["where"] != "wattmeter"], pairs[pairs["where"] == "wattmeter"]
    more = pairs["vgg19_takes_more_percent"]
    runs = with_power(case.runs(KAGGLE))
    us_cifar10 = runs[
        (runs["architecture"] == "VGG19")
        & (runs["dataset"] == "cifar10")
        & runs["location"].str.startswith("USA")
    ]
    low = us_cifar10[us_cifar10["gpu_method"] == ONE_READING_GPU]["gpu_energy_power"]
    sampled = us_cifar10[us_cifar10["gpu_method"] != ONE_READING_GPU]["gpu_energy_power"]
    best = case.tables["best_architectures"]
    sound = best[best["data"].isin([reanalysis.SAMPLED, "Wattmeter machine"])]
    wins = (sound[sound["dataset"] == "cifar10"]["best_score"] == "VGG19").sum()
    falls = (more > 0).all() and wins == 0
    return Conclusion(
        "RQ2",
        "On CIFAR10 in Oregon and South Carolina VGG19 has the best Score, because it takes less "
        "energy than VGG16.",
        "Section 4.2, Table 6",
        FALLS if falls else UNDECIDED,
        "VGG19's low energies there rest on GPU power read once a run, after the training: "
        f"{span(low, '.0f')} W, where its runs that were sampled all along drew "
        f"{span(sampled, '.0f')} W. "
        f"Wherever power was sampled, VGG19 took more than VGG16: by "
        f"{span(kaggle['vgg19_takes_more_percent'], '.0f')} % in {len(kaggle)} of {len(kaggle)} "
        f"Kaggle sessions and by {span(meter['vgg19_takes_more_percent'], '.0f')} % by the "
        "wattmeter. On CIFAR10 VGG16 has the better Score in all of them."
        if falls
        else f"VGG19 took {span(more, '.0f')} % more than VGG16 in the sound comparisons.",
        ("vgg_pairs", "gpu_power", "best_architectures"),
    )


def vgg16_best_on_mnist(case: Case) -> Conclusion:
    """Stands if VGG16 has the best Score on MNIST in every part of the data."""
    best = case.tables["best_architectures"]
    mnist = best[best["dataset"] == "mnist"]
    wins = (mnist["best_score"] == "VGG16").sum()
    both = ((mnist["highest_accuracy"] == "VGG16") & (mnist["least_energy"] == "VGG16")).sum()
    return Conclusion(
        "RQ2",
        "On MNIST VGG16 has the best Score, the highest accuracy and the lowest energy.",
        "Section 4.2, Table 6",
        STANDS if wins == both == len(mnist) else UNDECIDED,
        f"VGG16 has the best Score in {wins} of {len(mnist)} comparisons (as published, corrected, "
        f"sampled runs, wattmeter), and the highest accuracy with the least energy in {both}.",
        ("best_architectures",),
    )


def trade_off(case: Case) -> Conclusion:
    """Falls if, by the wattmeter, the most accurate architecture also takes the least energy."""
    best = case.tables["best_architectures"]
    meter = best[best["data"] == "Wattmeter machine"]
    same = meter["highest_accuracy"] == meter["least_energy"]
    medians = case.tables["wattmeter_medians"].set_index(["dataset", "architecture"])
    figures = ", ".join(
        f"{name} {100 * row['accuracy']:.1f} % for {row['wattmeter_energy']:.2f} kWh"
        for name, row in medians.loc["cifar10"].sort_values("wattmeter_energy").iterrows()
    )
    return Conclusion(
        "RQ2",
        "Networks that take less energy are less accurate: a little accuracy costs much energy.",
        "Sections 4.2 and 5",
        FALLS if same.all() else UNDECIDED,
        "By the wattmeter the most accurate network also takes the least energy on "
        f"{same.sum()} of {len(same)} datasets (CIFAR10: {figures}). It may well exist elsewhere: "
        "three networks with one head and one number of epochs can't show it.",
        ("best_architectures", "wattmeter_medians"),
    )


def resnet_worst(case: Case) -> Conclusion:
    """Undecided: both parts of ResNet50's Score are doubtful."""
    best = case.tables["best_architectures"]
    full = best[best["architectures"] > 2]
    last = full[full["data"] != "Kaggle, as published"]["lowest_score"] == "ResNet50"
    runs = case.runs(KAGGLE)
    resnet = runs[(runs["architecture"] == "ResNet50") & (runs["dataset"] == "cifar10")]
    stuck = resnet[(resnet["accuracy"] - 0.1).abs() < 1e-9]
    return Conclusion(
        "RQ2",
        "ResNet50 has the lowest Score everywhere.",
        "Section 4.2, Table 6",
        UNDECIDED,
        f"Corrected, it is last in {last.sum()} of {len(last)} comparisons. But its accuracy on "
        f"CIFAR10, {span(100 * resnet['accuracy'], '.0f')} %, is of a network that got pixels "
        "from 0 to 1 where its ImageNet weights expect centred ones from 0 to 255, and "
        f"{len(stuck)} of {len(resnet)} runs stood at the level of guessing. On Kaggle its energy "
        "was never sampled either. The Score says how it was fed, not what it can do.",
        ("best_architectures", "gpu_power"),
    )
