import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.stats import power
from lib.stats.model import LogModel
from lib.stats.observations import Observations
from lib.stats.pairs import pairs
from lib.stats.permutation import permutation_test


def design(levels, contexts, repetitions):
    rows = [
        (f"a{level}", f"d{context}", r)
        for r in range(repetitions)
        for context in range(contexts)
        for level in range(levels)
    ]
    df = pd.DataFrame(rows, columns=["a", "d", "r"]).assign(y=1.0)
    return Observations.of(df, "y", "a", context=["d"], block="r")


def test_the_papers_design_can_show_what_it_asks():
    found = power.effect(design(3, 2, 3), 0.05, 0.025)
    assert found.smallest_p == pytest.approx((6 / 1680) ** 2)
    assert found.reason is None
    assert 1.1 < found.ratio < 1.2


def test_two_repetitions_of_three_on_one_data_set_can_not():
    found = power.effect(design(3, 1, 2), 0.05)
    assert found.smallest_p == pytest.approx(6 / 90)
    assert math.isnan(found.ratio)
    assert "no data of this design" in found.reason


def test_the_smallest_difference_is_found_in_four_of_five_studies():
    planned = design(3, 2, 3)
    ratio = power.effect(planned, 0.05).ratio
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(200):
        logs = rng.normal(0, 0.05, 18) + math.log(ratio) * planned.compared.codes / 2
        seen = permutation_test(logs, planned.compared.codes, planned.strata)
        found += seen.p <= 0.05
    assert 0.7 <= found / 200 <= 0.9


def test_the_smallest_interaction_is_found_in_four_of_five_studies():
    planned = design(3, 2, 3)
    ratio = power.interaction(planned, 0.05).ratio
    rng = np.random.default_rng(6)
    logs = rng.normal(0, 0.05, (200, 18)) + math.log(ratio) * (planned.cells == 5)
    assert 0.7 <= (LogModel(planned).interaction_p(logs) < 0.05).mean() <= 0.9


@pytest.mark.parametrize("repetitions", [2, 5])
def test_intervals_reach_what_was_foretold(repetitions):
    rng = np.random.default_rng(7)
    responses = np.exp(rng.normal(0, 0.05, (100, 3 * repetitions)))
    planned = design(3, 1, repetitions)
    models = [LogModel(replace(planned, response=response)) for response in responses]
    widths = [pair.precision for model in models for pair in pairs(model)]
    foretold = power.precision(0.05, repetitions, 3)
    assert foretold / 2 < np.median(widths) < 2 * foretold


def test_more_precision_takes_more_repetitions():
    assert power.repetitions_for(0.05, 0.05, 6) == 17
    assert power.repetitions_for(0.1, 0.05, 6) < 17 < power.repetitions_for(0.03, 0.05, 6)
    assert power.precision(0.05, 17, 6) <= 0.05 < power.precision(0.05, 16, 6)
    assert power.repetitions_for(1e-6, 0.05, 6) is None


def test_a_spread_from_few_runs_may_be_larger():
    assert power.upper_sd(0.05, 3) > power.upper_sd(0.05, 30) > 0.05
    rng = np.random.default_rng(8)
    spreads = rng.normal(0, 1, (4000, 4)).std(axis=1, ddof=1)
    assert np.mean([power.upper_sd(sd, 3) > 1 for sd in spreads]) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("levels", "contexts", "repetitions"), [(3, 1, 3), (3, 2, 1)])
def test_no_interaction_has_a_reason(levels, contexts, repetitions):
    found = power.interaction(design(levels, contexts, repetitions), 0.05)
    assert found.smallest_p == 1
    assert found.reason
