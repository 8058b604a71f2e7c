import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lib.stats import permutation
from lib.stats.permutation import critical_sum, permutation_test, smallest_p


def by_hand(values, levels, strata):
    """The p of all arrangements, one by one."""
    values, levels, strata = map(np.array, (values, levels, strata))

    def h(s, arranged):
        parts = [values[strata == s][np.array(arranged) == level] for level in set(arranged)]
        return stats.kruskal(*parts).statistic

    names = np.unique(strata)
    observed = sum(h(s, levels[strata == s].tolist()) for s in names)
    each = [
        [h(s, arranged) for arranged in set(itertools.permutations(levels[strata == s].tolist()))]
        for s in names
    ]
    sums = [sum(arrangement) for arrangement in itertools.product(*each)]
    return observed, np.mean(np.array(sums) >= observed - 1e-9)


def test_it_counts_every_arrangement_ties_included():
    values = [3, 1, 2, 2, 5, 6, 6, 1, 4, 4.0]
    levels = [0, 0, 1, 1, 2, 2, 0, 0, 1, 1]
    strata = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    found = permutation_test(*map(np.array, (values, levels, strata)))
    assert (found.statistic, found.p) == pytest.approx(by_hand(values, levels, strata))
    assert found.exact


def test_of_one_stratum_it_is_scipys_permutation_test():
    rng = np.random.default_rng(2)
    groups = [rng.normal(size=3), rng.normal(size=3), rng.normal(1, 1, size=2)]
    expected = stats.permutation_test(
        groups,
        lambda *x, axis: stats.kruskal(*x, axis=axis).statistic,
        permutation_type="independent",
        vectorized=True,
        alternative="greater",
        n_resamples=100_000,
    )
    levels = np.repeat([0, 1, 2], [3, 3, 2])
    found = permutation_test(np.concatenate(groups), levels, np.zeros(8, int))
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_the_least_p_of_designs():
    assert smallest_p([(3, 3, 3)]) == pytest.approx(6 / 1680)
    assert smallest_p([(3, 3, 3)] * 2) == pytest.approx((6 / 1680) ** 2)
    assert smallest_p([(2, 2, 2)]) == pytest.approx(6 / 90)
    assert smallest_p([(2, 2)]) == pytest.approx(1 / 3)
    assert smallest_p([(4, 4)]) == pytest.approx(2 / 70)
    assert smallest_p([(3, 0), (1, 1)]) == 1
    assert smallest_p([(30, 30, 30)]) == 1e-4


def test_perfect_order_attains_the_least_p():
    values, levels = np.arange(9.0), np.repeat([0, 1, 2], 3)
    found = permutation_test(values, levels, np.zeros(9, int))
    assert found.p == found.smallest_p == pytest.approx(6 / 1680)


def test_many_arrangements_are_drawn_and_agree_with_chi_squared():
    rng = np.random.default_rng(3)
    values, levels = rng.normal(size=90), np.repeat([0, 1, 2], 30)
    found = permutation_test(values, levels, np.zeros(90, int))
    assert not found.exact
    assert found.p == pytest.approx(stats.chi2.sf(found.statistic, 2), abs=0.02)
    assert found == permutation_test(values, levels, np.zeros(90, int))


def test_counted_and_drawn_agree(monkeypatch):
    rng = np.random.default_rng(4)
    values, levels = rng.normal(size=24), np.tile(np.repeat([0, 1, 2], 4), 2)
    values += levels / 3
    strata = np.repeat([0, 1], 12)
    exact = permutation_test(values, levels, strata)
    critical = critical_sum([(4, 4, 4)] * 2, 0.05)
    monkeypatch.setattr(permutation, "MOST_ARRANGEMENTS", 10)
    drawn = permutation_test(values, levels, strata)
    assert exact.exact
    assert not drawn.exact
    assert drawn.p == pytest.approx(exact.p, abs=0.015)
    assert critical_sum([(4, 4, 4)] * 2, 0.05) == pytest.approx(critical, rel=0.05)


def test_a_critical_sum_is_the_least_whose_p_is_small_enough():
    assert critical_sum([(2, 2, 2)], 0.05) == math.inf
    assert critical_sum([(3, 3, 3)], 0.05) == pytest.approx(5.6)  # of published tables of H
    assert critical_sum([(3, 3, 3)], 0.004) == pytest.approx(7.2)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=6, max_size=9), st.randoms(use_true_random=False))
def test_only_order_matters(values, random):
    levels = np.array([0, 1] * 5)[: len(values)]
    strata = np.zeros(len(values), int)
    found = permutation_test(np.array(values, float), levels, strata)
    bent = permutation_test(np.exp(np.array(values, float)), levels, strata)
    assert bent == found
    assert 0 < found.p <= 1
    order = random.sample(range(len(values)), len(values))
    again = permutation_test(np.array(values, float)[order], levels[order], strata)
    assert again.p == pytest.approx(found.p)


def test_it_holds_its_size():
    """Of 400 studies without a difference about 20 may show one, fewer as p comes in steps."""
    rng = np.random.default_rng(5)
    levels, strata = np.tile(np.repeat([0, 1, 2], 3), 2), np.repeat([0, 1], 9)
    found = [permutation_test(rng.standard_t(3, 18), levels, strata).p < 0.05 for _ in range(400)]
    assert 8 <= sum(found) <= 32


def test_nothing_to_test_has_a_reason():
    found = permutation_test(np.array([1.0, 2, 3]), np.array([0, 0, 0]), np.zeros(3, int))
    assert math.isnan(found.p)
    assert found.reason
