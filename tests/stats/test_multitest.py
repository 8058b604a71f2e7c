import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from lib.stats import hypotests

NAN = float("nan")


def result(p, family="f", **fields):
    return hypotests.TestResult(family, "t", "energy", "group", p=p, **fields)


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed):
    p_values = np.random.default_rng(seed).uniform(0, 0.1, 9).round(2)
    adjusted = [found.p_holm for found in hypotests.by_family(map(result, p_values))]
    assert adjusted == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-9)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_or_reorders(p_values):
    adjusted = [found.p_holm for found in hypotests.by_family(map(result, p_values))]
    assert all(p <= p_holm <= 1 for p, p_holm in zip(p_values, adjusted, strict=True))
    ordered = [p_holm for _, p_holm in sorted(zip(p_values, adjusted, strict=True))]
    assert ordered == sorted(ordered)


def test_holm_keeps_families_apart_and_skips_empty_results():
    found = hypotests.by_family(
        [
            result(0.03, "x"),
            result(NAN, "x", reason="why"),
            result(0.02, "x"),
            result(0.04, "y"),
        ]
    )
    assert [item.p_holm for item in found] == pytest.approx([0.04, NAN, 0.04, 0.04], nan_ok=True)
    assert found[1].reason == "why"
