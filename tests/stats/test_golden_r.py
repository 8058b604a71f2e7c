"""Ten data sets and what R 4.2 says of them.

The numbers come from `anova(lm(log(y) ~ b + a + a:b))`, with the block before `a` in the set with
blocks; from `t.test(log(x), log(y))` at 1 - 0.05 / number of pairs, and twice with `mu` of plus and
minus log(1.05) for the two one-sided tests; and from `kruskal.test` within each level of `b`, over
all arrangements where there are fewer than 4,000,000.
"""

import json
from pathlib import Path

import pandas as pd
import pytest

from lib.stats.model import LogModel
from lib.stats.observations import Observations
from lib.stats.pairs import pairs
from lib.stats.permutation import permutation_test

SETS = json.loads((Path(__file__).parent / "golden_r.json").read_text())


@pytest.fixture(params=SETS, ids=[one["name"] for one in SETS])
def known(request):
    one = request.param
    runs = pd.DataFrame(one["runs"], columns=["a", "b", "repetition", "y"])
    observed = Observations.of(
        runs, "y", "a", context=["b"], block="repetition" if one["block"] else None
    )
    return observed, one["r"], one["block"]


def exactly(value):
    return pytest.approx(value, rel=1e-9, abs=1e-12)


def test_the_model_is_rs(known):
    observed, r, _ = known
    model = LogModel(observed)
    assert (model.effect.f, model.effect.p) == (exactly(r["F"]), exactly(r["p"]))
    assert model.residual_sd == exactly(r["sd"])
    if r["Fi"] is None:
        assert model.interaction.reason == "there is one context only"
    else:
        assert (model.interaction.f, model.interaction.p) == (exactly(r["Fi"]), exactly(r["pi"]))


def test_the_permutation_is_rs(known):
    observed, r, _ = known
    found = permutation_test(observed.response, observed.compared.codes, observed.strata)
    assert found.statistic == exactly(r["H"])
    if r["perm"] is not None:
        assert found.p == exactly(r["perm"])


def test_pairs_and_equivalence_are_rs(known):
    observed, r, blocks = known
    if blocks:
        pytest.skip("R's t-test knows no blocks")
    found = {
        (*pair.context, *sorted([pair.first, pair.second])): pair
        for pair in pairs(LogModel(observed), margin=0.05)
    }
    assert len(found) == len(r["pairs"])
    for context, first, second, p, df, low, high, tost in r["pairs"]:
        pair = found[context, first, second]
        if pair.first != first:  # the larger comes first
            low, high = 1 / high, 1 / low
        assert (pair.p, pair.df) == (exactly(p), exactly(df))
        assert (pair.low, pair.high) == (exactly(low), exactly(high))
        assert pair.p_alike == exactly(tost)
