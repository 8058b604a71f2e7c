"""Results tables of made-up studies, whose truth is known."""

import itertools

import numpy as np
import pandas as pd

from lib.analysis import questions
from lib.study.study import Study

LEVELS = ("VGG16", "VGG19", "ResNet50")


def study(levels=LEVELS, datasets=("cifar10", "mnist"), **said):
    factors = {"architecture": list(levels), "dataset": list(datasets)}
    return Study(**{"title": "made up", "factors": factors, "repetitions": 3} | said)


def results(
    ratios=(1.0, 1.1, 1.25),
    repetitions=3,
    datasets=("cifar10", "mnist"),
    cv=0.02,
    seed=0,
    machines=("a",),
    machine_ratios=(1.0,),
    interaction=1.0,
):
    """One row a run, in blocks, in an order of its own within each.

    Args:
        ratios: Energy of VGG16, VGG19 and ResNet50, as many as there are.
        repetitions: Runs of each, on each machine.
        datasets: Names; the second takes half the energy.
        cv: Relative SD among repetitions.
        seed: Of the noise and the order.
        machines: Names.
        machine_ratios: How many times the energy each takes.
        interaction: How many times as much the last level takes on the last dataset.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for repetition, (machine, factor) in itertools.product(
        range(1, repetitions + 1), zip(machines, machine_ratios, strict=True)
    ):
        cells = list(itertools.product(range(len(ratios)), range(len(datasets))))
        for level, dataset in rng.permutation(cells):
            last = level == len(ratios) - 1 and dataset == len(datasets) - 1
            energy = ratios[level] * factor / (1 + dataset) * (interaction if last else 1)
            number = len(rows)
            rows.append(
                {
                    "run_id": f"{LEVELS[level]}-{datasets[dataset]}-{machine}-r{repetition}",
                    "status": "completed",
                    "architecture": LEVELS[level],
                    "dataset": datasets[dataset],
                    "repetition": repetition,
                    "seed": repetition,
                    "machine": machine,
                    "started_at": f"2026-01-01T{number // 60:02}:{number % 60:02}:00+00:00",
                    "energy_consumed": energy * np.exp(rng.normal(0, cv)),
                    "duration": 100.0,
                    "accuracy": 0.9 + rng.normal(0, 0.01),
                    "loss": rng.uniform(0.2, 0.4),
                }
            )
    return pd.DataFrame(rows)


def answer(runs, asked=None, **options):
    """What these runs say to a study's questions; to those of `study` unless another is given."""
    return questions.answer(runs, asked or study(), **options)
