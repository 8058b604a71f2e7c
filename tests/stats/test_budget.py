"""Golden numbers: GTC 1.5.1 and uncertainties 3.2.3, on the same budgets."""

import dataclasses

import numpy as np
import pytest

from lib.stats import budget as budgets
from lib.stats.budget import (
    CONFIGURATION,
    MACHINE,
    RUN,
    Budget,
    Source,
    combine,
    compare,
    lognormal,
    loguniform,
    normal,
    possible,
    rectangular,
    t,
    triangular,
)


def source(name, part, law, level=MACHINE, **more):
    return Source(name, part, law, level, "a test", **more)


def forget():
    """What was drawn so far."""
    for kept in (budgets._drawn, budgets._gains):
        kept.cache_clear()


@pytest.fixture
def many(monkeypatch):
    """As many trials as the digits of golden numbers take."""
    forget()
    monkeypatch.setattr(budgets, "TRIALS", 1_000_000)
    yield
    forget()


SENSORS = (source("gain", "gpu", normal(1, 0.04)), source("gain", "cpu", normal(1, 0.06)))
WORKLOAD = source("workload", "gpu", normal(1, 0.025), CONFIGURATION)


def budget(gpu, cpu, configuration="a", machine="m", extra=()):
    return Budget(
        gpu + cpu,
        {"gpu": gpu, "cpu": cpu},
        (*SENSORS, WORKLOAD, *extra),
        {MACHINE: machine, CONFIGURATION: configuration},
    )


def standard_uncertainty(budget):
    return possible(dataclasses.replace(budget, scopes={})).std()


def test_a_sum_of_four_laws(many):
    parts = {"gpu": 0.38, "cpu": 0.10, "ram": 0.02}
    sources = (
        source("gain", "gpu", t(1, 0.045, 16)),
        source("gain", "cpu", rectangular(0.9, 1.1)),
        source("model", "ram", rectangular(0.15, 1.0)),
        source("lag", "gpu", triangular(0.001), RUN, adds=True),
    )
    whole = Budget(0.5, parts, sources)
    assert standard_uncertainty(whole) == pytest.approx(0.019793, rel=1e-3)
    assert combine(whole).estimate == pytest.approx(0.4915, rel=1e-3)


def test_gains_that_two_figures_share_cancel_in_their_ratio(many):
    a, b = budget(0.40, 0.10), budget(0.25, 0.15, "b")
    found = compare([a], [b])
    assert (found.high - found.low) / (2 * 1.95996) == pytest.approx(0.028344, rel=3e-3)
    apart = compare([a], [dataclasses.replace(b, scopes={MACHINE: "other"})])
    assert apart.high - apart.low > 1.5 * (found.high - found.low)


def test_what_is_subtracted_cancels_as_far_as_its_gain_is_the_same(many):
    net = Budget(
        0.42, {"gpu": 0.40, "gpu, at idle": -0.05, "cpu": 0.10, "cpu, at idle": -0.03}, SENSORS
    )
    assert standard_uncertainty(net) == pytest.approx(0.014616, rel=1e-3)
    constant = Budget(0.0, {"gpu": 0.4, "gpu, at idle": -0.4}, SENSORS[:1])
    assert standard_uncertainty(constant) == pytest.approx(0, abs=1e-12)


def test_a_factor_of_the_whole(many):
    intensity = source("intensity", None, normal(1, 0.2))
    kilograms = budget(0.40 * 0.3, 0.10 * 0.3, extra=(intensity,))
    assert standard_uncertainty(kilograms) == pytest.approx(0.030582, rel=2e-3)


@pytest.mark.parametrize(
    ("law", "quantiles"),
    [  # scipy.stats: norm, t, uniform, triang, lognorm, loguniform at 0.025, 0.5 and 0.975
        (normal(1, 0.1), (0.804004, 1, 1.195996)),
        (t(1, 0.045, 16), (0.904604, 1, 1.095396)),
        (rectangular(0.8, 1.2), (0.81, 1, 1.19)),
        (triangular(2.0), (-1.552786, 0, 1.552786)),
        (lognormal(0.9, 1.4), (0.465411, 0.9, 1.740396)),
        (loguniform(0.1, 2), (0.107779, 0.447214, 1.855648)),
    ],
)
def test_quantiles_of_the_laws(law, quantiles):
    assert law.at(np.array([0.025, 0.5, 0.975])) == pytest.approx(quantiles, rel=1e-4)


def test_draws_depend_on_the_source_and_not_on_the_order():
    first = possible(budget(0.4, 0.1))
    forget()
    possible(budget(0.2, 0.2, "b", "n"))
    assert (possible(budget(0.4, 0.1)) == first).all()


def test_the_largest_source_comes_first_and_shares_add_up():
    lines = combine(budget(0.40, 0.10)).lines
    assert [line.source.name for line in lines] == ["gain", "workload", "gain"]
    assert sum(line.share for line in lines) == pytest.approx(1)


def test_a_source_of_single_runs_does_not_enter_a_comparison():
    wild = source("noise", "gpu", normal(1, 0.5), RUN)
    quiet = compare([budget(0.4, 0.1)], [budget(0.4, 0.1, "b")])
    noisy = compare([budget(0.4, 0.1, extra=(wild,))], [budget(0.4, 0.1, "b", extra=(wild,))])
    assert (noisy.low, noisy.high) == pytest.approx((quiet.low, quiet.high))
