import numpy as np
import pytest

from lib.stats.agreement import limits_of_agreement, line


def powers(rng, *, groups=6, repetitions=3, spread=0.1, noise=0.01, offset=0.0, slope=1.1):
    """Two instruments' powers in W: one with `noise`, the other with a third of a per cent."""
    which = np.repeat(np.arange(groups), repetitions)
    true = 200 * (1 + spread * np.linspace(-1.7, 1.7, groups))[which]
    true = true * rng.normal(1, 0.005, len(which))
    x = true * rng.normal(1, noise, len(which))
    return x, offset + slope * true * rng.normal(1, 0.003, len(which)), which


@pytest.mark.parametrize("offset", [0, 50])
def test_an_offset_is_in_its_interval(offset):
    rng = np.random.default_rng(1)
    found = [line(*powers(rng, offset=offset)) for _ in range(300)]
    held = np.mean([one.intercept_low <= offset <= one.intercept_high for one in found])
    assert 0.92 <= held <= 0.995
    assert np.median([one.intercept for one in found]) == pytest.approx(offset, abs=1)
    held = np.mean([one.slope_low <= 1.1 <= one.slope_high for one in found])
    assert 0.92 <= held <= 0.995


def test_noise_in_one_instrument_is_no_constant_of_the_other():
    """Three per cent of noise made a line through the runs promise 47 W that are not there."""
    rng = np.random.default_rng(2)
    claimed = 0
    for _ in range(200):
        found = line(*powers(rng, spread=0.03, noise=0.03))
        claimed += found.reason is None and not found.intercept_low <= 0 <= found.intercept_high
    assert claimed <= 4


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"groups": 3}, "takes 4 configurations, not 3"),
        ({"repetitions": 1}, "without repetitions"),
        ({"spread": 0.0}, "differ by hardly more than repetitions"),
        ({"spread": 0.01, "noise": 0.03}, "differ by hardly more than repetitions"),
    ],
)
def test_no_line_has_a_reason(options, reason):
    found = line(*powers(np.random.default_rng(3), **options))
    assert reason in found.reason
    assert np.isnan(found.intercept)


def test_points_on_a_line_give_it():
    x = np.repeat([100.0, 150, 200, 250], 2)
    found = line(x, 20 + 1.5 * x, np.repeat(range(4), 2))
    assert (found.intercept, found.slope) == pytest.approx((20, 1.5))
    assert found.intercept_low == pytest.approx(found.intercept_high)


def test_limits_of_agreement_by_hand():
    reach = 4.302653 * np.sqrt(1 / 3 + 1.959964**2 / 4)
    assert limits_of_agreement(np.array([1.0, 2, 3])) == pytest.approx(
        (2, 2 - 1.959964, 2 + 1.959964, reach)
    )
    assert np.isnan(limits_of_agreement(np.array([1.0]))[1:]).all()
