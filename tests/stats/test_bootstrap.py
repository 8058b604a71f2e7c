import math

import numpy as np
import pytest
from scipy import stats

from lib.stats import bootstrap, effect_sizes

pytestmark = pytest.mark.filterwarnings("error")


def test_interval_is_scipys_bca():
    a, b = np.random.default_rng(2).normal(size=(2, 12))
    expected = stats.bootstrap(
        (a, b),
        effect_sizes.cliffs_delta,
        n_resamples=bootstrap.RESAMPLES,
        rng=bootstrap.SEED,
        method="BCa",
        vectorized=True,
    ).confidence_interval
    found = bootstrap.interval(effect_sizes.cliffs_delta, (a, b))
    assert (found.low, found.high, found.reason) == (*expected, None)


def test_interval_is_the_same_whatever_came_before():
    a, b = np.random.default_rng(3).normal(size=(2, 12))
    first = bootstrap.interval(effect_sizes.pearson_r, (a, b), paired=True)
    bootstrap.interval(effect_sizes.cliffs_delta, (a, b))
    assert bootstrap.interval(effect_sizes.pearson_r, (a, b), paired=True) == first


def test_interval_holds_the_true_effect_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    true = 1 - 2 * stats.norm.cdf(1 / math.sqrt(2))  # P(a > b) - P(a < b) of normals 1 SD apart
    found = [
        bootstrap.interval(effect_sizes.cliffs_delta, (rng.normal(0, 1, 15), rng.normal(1, 1, 15)))
        for _ in range(100)
    ]
    assert 88 <= sum(interval.low <= true <= interval.high for interval in found) <= 100


@pytest.mark.parametrize(
    ("statistic", "number"),
    [
        (effect_sizes.cliffs_delta, 2),
        (effect_sizes.epsilon_squared, 3),
        (effect_sizes.point_biserial_r, 2),
    ],
)
def test_of_many_values_the_interval_is_about_that_of_few(statistic, number, monkeypatch):
    rng = np.random.default_rng(6)
    groups = [rng.normal(place / 2, 1, 250) for place in range(number)]
    large = bootstrap.interval(statistic, groups)
    monkeypatch.setattr(bootstrap, "LARGE", 10_000)
    whole = bootstrap.interval(statistic, groups)
    width = whole.high - whole.low
    assert large.low == pytest.approx(whole.low, abs=0.15 * width)
    assert large.high == pytest.approx(whole.high, abs=0.15 * width)


def test_rows_of_many_pairs_stay_together():
    x = np.random.default_rng(7).normal(size=1000)
    noisy = x + np.random.default_rng(8).normal(size=1000)
    found = bootstrap.interval(effect_sizes.pearson_r, (x, noisy), paired=True)
    assert 0.6 < found.low < effect_sizes.pearson_r(x, noisy) < found.high < 0.75
    same = bootstrap.interval(effect_sizes.pearson_r, (x, x), paired=True)
    assert "every resample gives the same" in same.reason


def test_a_small_group_beside_a_large_one_is_resampled_too():
    rng = np.random.default_rng(9)
    found = bootstrap.interval(
        effect_sizes.cliffs_delta, (rng.normal(size=5), rng.normal(size=5000))
    )
    assert -1 <= found.low < found.high <= 1


def test_paired_samples_are_resampled_row_by_row():
    """Resampled apart, two equal columns would no longer correlate perfectly."""
    x = np.arange(10.0)
    found = bootstrap.interval(effect_sizes.pearson_r, (x, x), paired=True)
    assert "every resample gives the same" in found.reason


@pytest.mark.parametrize(
    ("groups", "paired", "reason"),
    [
        (([1.0, 2, 3, 4], [1.0, 2, 3, 4, 5]), False, "takes 5 values in a group, not 4"),
        (([1.0, 2, 3], [1.0, 3, 2]), True, "takes 5 values, not 3"),
        (([6.0, 7, 8, 9, 10], [1.0, 2, 3, 4, 5]), False, "every resample gives the same"),
        (([1.0, 1, 1, 1, 1, 2], [1.0, 2, 3, 4, 5, 6]), True, "undefined in"),
    ],
)
def test_no_interval_has_a_reason(groups, paired, reason):
    statistic = effect_sizes.spearman_rho if paired else effect_sizes.cliffs_delta
    found = bootstrap.interval(statistic, [np.array(s) for s in groups], paired=paired)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert reason in found.reason


def test_an_interval_that_misses_its_own_statistic_is_none():
    """Two of three groups mix and the third stands apart: resampling can only raise the effect."""
    groups = [
        np.array([1.0, 4, 5, 8, 9, 12]),
        np.array([2.0, 3, 6, 7, 10, 11]),
        np.arange(20.0, 26),
    ]
    found = bootstrap.interval(effect_sizes.epsilon_squared, groups)
    assert math.isnan(found.low)
    assert "lopsided" in found.reason


def test_a_few_undefined_resamples_are_left_out():
    """Of 5 ** 5 resamples of five pairs, 5 are constant: scipy alone would give NaN."""
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 4, 3, 5])
    with pytest.warns(stats.DegenerateDataWarning):
        drawn = stats.bootstrap(
            (x, y),
            effect_sizes.spearman_rho,
            paired=True,
            vectorized=True,
            n_resamples=bootstrap.RESAMPLES,
            rng=bootstrap.SEED,
            method="percentile",
        )
    assert math.isnan(drawn.confidence_interval.low)
    assert bootstrap.interval(effect_sizes.spearman_rho, (x, y), paired=True).reason is None
