import math

import numpy as np
import pytest
from scipy import stats

from lib.stats.hypotests import correlation_interval, magnitude, spearman_rho


def test_a_statistic_of_many_resamples_is_that_of_each():
    a, b = np.random.default_rng(1).normal(size=(2, 5, 8))
    each = [stats.spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(spearman_rho(a, b, axis=-1), each, atol=1e-12)


@pytest.mark.parametrize(
    ("r", "words"),
    [
        (-0.0605, "negligible"),
        (-0.4135, "relatively strong"),
        (-0.6233, "strong"),
        (0.1, "weak"),
        (1.0, "very strong"),
    ],
)
def test_magnitude_follows_the_rule(r, words):
    assert magnitude(r) == words


def test_the_interval_of_pearsons_is_scipys():
    x, y = np.random.default_rng(2).normal(size=(2, 12))
    expected = stats.pearsonr(x, y)
    assert correlation_interval(expected.statistic, 12) == pytest.approx(
        tuple(expected.confidence_interval())
    )


@pytest.mark.parametrize("of_ranks", [False, True])
def test_intervals_hold_the_true_correlation(of_ranks):
    rng = np.random.default_rng(3)
    true = 0.6 if not of_ranks else 6 / math.pi * math.asin(0.3)
    correlate = spearman_rho if of_ranks else lambda x, y: stats.pearsonr(x, y).statistic
    held = 0
    for _ in range(300):
        x, y = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 20).T
        low, high = correlation_interval(correlate(x, y), 20, of_ranks=of_ranks)
        held += low <= true <= high
    assert 0.91 <= held / 300 <= 0.98


@pytest.mark.parametrize(("r", "n"), [(0.5, 3), (1.0, 10), (-1.0, 10)])
def test_no_interval_of_too_little_or_of_perfect_order(r, n):
    assert all(map(math.isnan, correlation_interval(r, n)))
