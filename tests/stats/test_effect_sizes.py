import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib.stats import effect_sizes

pytestmark = pytest.mark.filterwarnings("error")

values = st.lists(st.integers(-5, 5), min_size=2, max_size=8).map(lambda v: np.array(v, float))


@given(values, values)
def test_cliffs_delta_counts_pairs(a, b):
    pairs = [np.sign(x - y) for x in a for y in b]
    assert effect_sizes.cliffs_delta(a, b) == pytest.approx(np.mean(pairs), abs=1e-9)


@given(values, values)
def test_cliffs_delta_is_antisymmetric(a, b):
    assert effect_sizes.cliffs_delta(a, b) == pytest.approx(
        -effect_sizes.cliffs_delta(b, a), abs=1e-12
    )


def test_epsilon_squared_is_the_share_of_rank_variance_between_groups():
    rng = np.random.default_rng(0)
    groups = [rng.integers(0, 9, size).astype(float) for size in (7, 4, 11)]
    ranks = np.split(stats.rankdata(np.concatenate(groups)), [7, 11])
    every = np.concatenate(ranks)
    between = sum(len(part) * (part.mean() - every.mean()) ** 2 for part in ranks)
    expected = between / ((every - every.mean()) ** 2).sum()
    assert effect_sizes.epsilon_squared(*groups) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "statistic",
    [
        effect_sizes.cliffs_delta,
        effect_sizes.epsilon_squared,
        effect_sizes.point_biserial_r,
        effect_sizes.pearson_r,
        effect_sizes.spearman_rho,
    ],
)
def test_a_statistic_of_many_resamples_is_that_of_each(statistic):
    a, b = np.random.default_rng(1).normal(size=(2, 5, 8))
    each = [statistic(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(statistic(a, b, axis=-1), each, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "effect", "words"),
    [
        ("point-biserial r", -0.0605, "negligible"),
        ("point-biserial r", -0.4135, "relatively strong"),
        ("point-biserial r", -0.6233, "strong"),
        ("Spearman rho", 1.0, "very strong"),
        ("epsilon squared", 0.0, "negligible"),
        ("epsilon squared", 0.04, "moderate"),
        ("Cliff's delta", 0.146, "negligible"),
        ("Cliff's delta", -0.147, "small"),
        ("Cliff's delta", 0.33, "medium"),
        ("Cliff's delta", -1.0, "large"),
    ],
)
def test_magnitude_follows_the_rule(name, effect, words):
    assert effect_sizes.magnitude(name, effect) == words


def test_limits_of_epsilon_squared_are_those_of_a_correlation_squared():
    squared = [limit**2 for limit in effect_sizes.RULES["Pearson r"]]
    assert list(effect_sizes.RULES["epsilon squared"]) == pytest.approx(squared)
    assert list(effect_sizes.RULES["epsilon squared"].values()) == list(
        effect_sizes.RULES["Pearson r"].values()
    )
