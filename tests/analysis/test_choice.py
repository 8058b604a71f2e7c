import numpy as np
import pandas as pd
import pytest

from lib.analysis import choice


def runs(**groups):
    rows = [
        {"name": name, "accuracy": accuracy, "energy_consumed": energy}
        for name, (accuracies, energies) in groups.items()
        for accuracy, energy in zip(accuracies, energies, strict=True)
    ]
    return pd.DataFrame(rows)


def test_the_least_energy_of_those_not_shown_to_be_less_accurate():
    found = choice.among(
        runs(
            A=([0.90, 0.91, 0.92], [3.0, 3.1, 3.2]),
            B=([0.89, 0.91, 0.92], [2.0, 2.1, 2.2]),
            C=([0.50, 0.51, 0.52], [1.0, 1.0, 1.1]),
        )
    )
    assert (found.name, found.candidates, found.runner_up) == ("B", ("B", "A"), "A")
    assert found.energy_ratio == pytest.approx(3.1 / 2.1)
    assert found.is_sure


def test_of_single_runs_nothing_is_sure():
    found = choice.among(runs(A=([0.9], [3.0]), B=([0.9], [2.0]), C=([0.8], [1.0])))
    assert (found.name, found.p, found.is_sure) == ("B", None, False)


def test_one_that_is_alone_is_sure():
    found = choice.among(runs(A=([0.9, 0.91], [3.0, 3.1]), B=([0.1, 0.11], [2.0, 2.1])))
    assert (found.name, found.runner_up, found.is_sure) == ("A", None, True)


def test_nothing_is_chosen_from_nothing():
    assert choice.among(runs(A=([np.nan], [1.0]), B=([0.9], [0.0]))) is None


def test_alike_configurations_are_seldom_called_sure():
    rng = np.random.default_rng(1)
    sure = 0
    for _ in range(200):
        alike = {
            name: (rng.normal(0.9, 0.01, 5), rng.lognormal(0, 0.05, 5)) for name in ("A", "B", "C")
        }
        sure += choice.among(runs(**alike)).is_sure
    assert sure / 200 < 0.08
