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


ALIKE = [0.9, 0.91]


def test_the_least_energy_of_those_not_shown_to_be_less_accurate():
    found = choice.among(
        runs(
            A=([0.90, 0.91, 0.92], [3.0, 3.1, 3.2]),
            B=([0.89, 0.91, 0.92], [2.0, 2.1, 2.2]),
            C=([0.50, 0.51, 0.52], [1.0, 1.0, 1.1]),
        ),
        {("A", "B"): (1.49, True), ("B", "C"): (2.0, True), ("A", "C"): (3.0, True)},
    )
    assert (found.name, found.ratios, found.undecided) == ("B", {"A": 1.49}, ())
    assert found.accuracy == pytest.approx(2.72 / 3)


def test_what_the_answer_does_not_say_is_undecided():
    of_three = runs(A=(ALIKE, [3.0, 3.1]), B=(ALIKE, [2.0, 2.1]), C=(ALIKE, [1.0, 1.1]))
    found = choice.among(of_three, {("B", "C"): (2.0, False)})
    assert (found.name, found.undecided) == ("C", ("B", "A"))
    assert found.ratios == {"B": 2.0, "A": pytest.approx(3.05 / 1.05)}, "or else of the means"
    unknown = choice.among(of_three, {("B", "C"): (np.nan, False), ("A", "C"): (2.9, True)})
    assert (unknown.name, unknown.undecided) == ("C", ("B",))


def test_that_of_the_least_mean_is_not_chosen_where_the_answer_says_that_it_takes_more():
    """As within repetitions of which some are missing."""
    found = choice.among(
        runs(A=(ALIKE, [1.0, 1.1]), B=(ALIKE, [2.0, 2.1])), {("A", "B"): (1.2, True)}
    )
    assert (found.name, found.ratios, found.undecided) == ("B", {"A": 1.2}, ())


def test_of_single_runs_nothing_is_chosen():
    single = runs(A=([0.9], [3.0]), B=([0.9], [2.0]), C=([0.8], [1.0]))
    assert choice.among(single, {("A", "B"): (1.5, False)}) is None


def test_a_single_run_is_not_shown_to_be_less_accurate():
    found = choice.among(runs(A=(ALIKE, [3.0, 3.1]), B=([0.5], [2.0])), {("A", "B"): (1.5, False)})
    assert (found.name, found.undecided) == ("B", ("A",))


def test_one_that_is_alone_has_no_other():
    found = choice.among(runs(A=(ALIKE, [3.0, 3.1]), B=([0.1, 0.11], [2.0, 2.1])), {})
    assert (found.name, found.ratios, found.undecided) == ("A", {}, ())


def test_nothing_is_chosen_from_nothing():
    assert choice.among(runs(A=([np.nan], [1.0]), B=([0.9], [0.0])), {}) is None
