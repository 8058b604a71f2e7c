import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.stats.equal_accuracy import SHORT_OF_BEST, Curves, saving

EPOCHS = np.arange(1, 21)


def learned(rng, runs, share_of_energy=1.0, best=0.8):
    """Curves of runs that differ by an SD of 0.02, and of 5 % in energy."""
    accuracy = best * (1 - np.exp(-EPOCHS / 4)) + rng.normal(0, 0.02, (runs, 1))
    accuracy += rng.normal(0, 0.01, accuracy.shape)
    energy = share_of_energy * EPOCHS * rng.normal(1, 0.05, (runs, 1))
    return Curves(accuracy, energy)


def curves(*runs):
    return Curves.of(
        pd.DataFrame({"val_accuracy": accuracy, "energy_consumed": energy})
        for accuracy, energy in runs
    )


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_of_alike_configurations_the_largest_saving_is_seldom_significant(runs):
    """What a report would put into its first lines: the best of five, adjusted for their number."""
    rng = np.random.default_rng(1)
    called, largest = 0, []
    for _ in range(200):
        reference = learned(rng, runs)
        found = [saving(learned(rng, runs), reference, 0.1) for _ in range(5)]
        largest.append(max(one.percent for one in found))
        called += min(one.log_ratio.p for one in found) * len(found) < 0.05
    # Taken by itself, the largest would look like a finding.
    assert np.mean(largest) > 5
    assert called <= 0.08 * 200


@pytest.mark.parametrize("runs", [2, 3, 5, 10, 30])
def test_a_true_saving_is_found_and_lies_in_its_interval(runs):
    rng = np.random.default_rng(2)
    found = [saving(learned(rng, runs, 0.75), learned(rng, runs), 0.1) for _ in range(200)]
    assert np.median([one.percent for one in found]) == pytest.approx(25, abs=3)
    limits = [one.log_ratio.ratio_within() for one in found]
    assert 0.91 <= np.mean([low <= 0.75 <= high for low, high in limits]) <= 0.99


def test_the_less_accurate_is_not_flattered():
    """Half the steps to the same accuracy: what it ends with doesn't matter."""
    rng = np.random.default_rng(3)
    found = [
        saving(learned(rng, 5, best=0.6), Curves(a, e), 0.1).percent
        for a, e in (
            (other.accuracy, 2 * other.energy) for other in (learned(rng, 5) for _ in range(200))
        )
    ]
    mark = (1 - SHORT_OF_BEST) * 0.6 * (1 - np.exp(-5))
    took = -np.log(1 - mark / np.array([0.6, 0.8]))
    assert np.median(found) == pytest.approx(100 * (1 - took[0] / (2 * took[1])), abs=5)


def test_of_a_quality_of_which_less_is_better_equal_is_more_than_the_best():
    """Half the energy an epoch, but three epochs for each of the other's: nothing is saved."""
    rng = np.random.default_rng(4)

    def bits(share_of_energy, epochs):
        learned = 2 + 3 * np.exp(-EPOCHS / epochs) + rng.normal(0, 0.01, (5, len(EPOCHS)))
        return Curves(-learned, share_of_energy * EPOCHS * rng.normal(1, 0.02, (5, 1)))

    found = saving(bits(0.5, 3), bits(1.0, 1), np.nan)
    assert found.accuracy == pytest.approx(-2 * (1 + SHORT_OF_BEST), rel=0.01)
    assert (found.reached, found.reference_reached) == (5, 5)
    assert found.percent == pytest.approx(-50, abs=10)
    assert found.log_ratio.ratio_within()[0] > 1


def test_a_run_that_stopped_keeps_its_last_values():
    both = curves(([0.5, 0.6], [1.0, 2.0]), ([0.4, 0.7, 0.8], [1.0, 2.0, 3.0]))
    assert both.best == pytest.approx(0.7)
    assert both.energy_to(0.7) == pytest.approx(2.5)


def test_between_the_ends_of_two_epochs_a_curve_is_a_straight_line():
    one = curves(([0.2, 0.6], [1.0, 2.0]))
    assert one.energy_to(0.5) == pytest.approx(1.75)
    assert one.energy_to(0.1) == 1.0


def test_a_history_with_an_epoch_unknown_is_left_out():
    known = curves(([0.5, 0.6], [1.0, np.nan]), ([0.5, np.nan], [1.0, 2.0]), ([0.4], [1.0]))
    assert len(known) == 1
    assert not len(Curves.of([pd.DataFrame({"loss": [0.1]}), pd.DataFrame()]))


def test_equal_runs_reach_their_own_mean():
    # The mean of three times 0.2 is a little more than 0.2.
    same = curves(*[([0.2], [1.0])] * 3)
    found = saving(same, same, 0.1)
    assert (found.reached, found.percent) == (3, 0)
    assert not found.log_ratio.is_known
    assert found.reason == "not tested: all runs agree"


def test_one_run_is_compared_but_not_tested():
    one, two = curves(([0.8], [1.0])), curves(([0.8], [2.0]), ([0.7], [2.1]))
    found = saving(one, two, 0.1)
    assert found.percent == pytest.approx(100 * (1 - 1 / 2.05))
    assert not found.log_ratio.is_known
    assert found.reason == "not tested: one run alone has no spread"


def test_what_took_no_energy_saves_nothing():
    nothing, some = curves(([0.8], [0.0])), curves(([0.8], [1.0]))
    assert "the energy until then is not above 0" in saving(nothing, some, 0.1).reason
    assert "the reference's energy until then is not" in saving(some, nothing, 0.1).reason
    assert np.isnan(saving(some, nothing, 0.1).percent)
    dear = curves(([0.8], [1.0]), ([0.8], [-0.5]))
    assert "without some of the runs" in saving(dear, curves(*[([0.8], [1.0])] * 2), 0.1).reason


wild = st.lists(
    st.lists(st.tuples(st.floats(0.2, 1), st.floats(1e-9, 1)), min_size=1, max_size=6).map(
        lambda epochs: ([a for a, _ in epochs], np.cumsum([e for _, e in epochs]))
    ),
    min_size=1,
    max_size=4,
).map(lambda runs: curves(*runs))


@given(wild, wild)
def test_a_saving_follows_from_its_energies(one, other):
    found = saving(one, other, 0.1)
    assert found.percent == pytest.approx(100 * (1 - found.energy / found.reference_energy))
    assert one.energy[:, 0].mean() <= found.energy * (1 + 1e-9)
    assert found.energy <= one.energy[:, -1].mean() * (1 + 1e-9)
    assert 1 <= found.reached <= len(one)
    if found.log_ratio.is_known:
        low, high = found.log_ratio.ratio_within()
        assert low - 1e-6 <= found.energy / found.reference_energy <= high + 1e-6
    back = saving(other, one, 0.1)
    assert back.energy == found.reference_energy
    assert back.log_ratio.error == pytest.approx(found.log_ratio.error, nan_ok=True)
    assert saving(one, one, 0.1).percent == 0
