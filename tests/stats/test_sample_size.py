import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lib.stats import sample_size

pytestmark = pytest.mark.filterwarnings("error")


def needed(groups, **options):
    rows = [(name, value) for name, values in groups.items() for value in values]
    df = pd.DataFrame(rows, columns=["architecture", "energy"])
    return sample_size.repetitions_needed(df, "energy", ["architecture"], **options)


@pytest.mark.parametrize(
    ("relative_sd", "difference", "expected"),
    # Cohen (1988), table 2.4.1, and R's power.t.test: d = 0.2, 0.5, 0.8, 1.0.
    [(0.5, 0.10, 394), (0.2, 0.10, 64), (0.125, 0.10, 26), (0.05, 0.05, 17)],
)
def test_cohens_table(relative_sd, difference, expected):
    values = [1 - relative_sd, 1, 1 + relative_sd]  # mean 1, SD relative_sd
    found = needed({"VGG16": values}, differences=[difference])
    assert found["repetitions"].tolist() == [expected, expected]
    assert found["relative_sd"].tolist() == pytest.approx([relative_sd] * 2)


def power(d, n):
    """Chance that a two-sided t-test of two groups of n at 5 % sees a difference of d SD."""
    df, shift = 2 * n - 2, d * math.sqrt(n / 2)
    limit = stats.t.isf(0.025, df)
    return stats.nct.sf(limit, df, shift) + stats.nct.cdf(-limit, df, shift)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 1), st.floats(0.02, 0.3))
def test_the_answer_is_the_smallest_that_has_the_power(relative_sd, difference):
    found = needed({"VGG16": [1 - relative_sd, 1, 1 + relative_sd]}, differences=[difference])
    n = found["repetitions"].iloc[0]
    assert power(difference / relative_sd, n) >= 0.8 - 1e-9
    assert n == 2 or power(difference / relative_sd, n - 1) < 0.8 + 1e-9


def test_a_huge_effect_takes_the_fewest():
    """There the power of large groups can't be computed: statsmodels' own search gives NaN."""
    found = needed({"VGG16": [0.99999, 1, 1.00001]}, differences=[0.5])
    assert found["repetitions"].tolist() == [2, 2]


def test_the_pooled_row_weighs_groups_by_their_repetitions():
    found = needed({"VGG16": [9.0, 10, 11], "VGG19": [1.0, 2, 3, 2, 2]}, differences=[0.1])
    pooled = found.iloc[-1]
    assert pooled["architecture"] == sample_size.POOLED
    variances = [np.var([9, 10, 11], ddof=1) / 100, np.var([1, 2, 3, 2, 2], ddof=1) / 4]
    assert pooled["relative_sd"] == pytest.approx(
        math.sqrt((2 * variances[0] + 4 * variances[1]) / 6)
    )
    assert pooled["n"] == 8


def test_a_smaller_difference_takes_more():
    found = needed({"VGG16": [9.0, 10, 12]})
    assert found["difference"].tolist() == [0.05, 0.1] * 2
    assert found["repetitions"][0] > found["repetitions"][1]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0], "a spread takes 2 values, not 1"),
        ([math.nan, math.inf], "a spread takes 2 values, not 0"),
        ([0.1, 0.1, 0.1], "every value of the group is 0.1"),
        ([-1.0, 1, -3], "the mean is not above 0"),
        ([1.0, 1e9], None),
    ],
)
def test_no_answer_has_a_reason(values, reason):
    found = needed({"VGG16": values, "VGG19": [9.0, 10, 11]}).iloc[0]
    assert found["reason"] == reason if reason is None else reason in found["reason"]
    assert pd.isna(found["repetitions"]) == (reason is not None)


def test_more_than_a_million_is_no_answer():
    found = needed({"VGG16": [1.0, 1e9]}, differences=[1e-6]).iloc[0]
    assert pd.isna(found["repetitions"])
    assert found["reason"] == "more than 1,000,000"


@pytest.mark.parametrize("groups", [{}, {"VGG16": [1.0]}])
def test_without_any_spread_the_pooled_row_says_so(groups):
    found = needed(groups).iloc[-1]
    assert found["reason"] == "no group shows a spread"
    assert pd.isna(found["repetitions"])


def test_values_left_out_are_counted():
    found = needed({"VGG16": [9.0, 10, None], "VGG19": [5.0]}, differences=[0.1])
    assert found[["n", "dropped"]].to_numpy().tolist() == [[2, 1], [1, 0], [2, 2]]


def test_a_missing_column_is_named():
    df = pd.DataFrame({"architecture": ["VGG16"]})
    with pytest.raises(ValueError, match="no column dataset or energy"):
        sample_size.repetitions_needed(df, "energy", ["architecture", "dataset"])
