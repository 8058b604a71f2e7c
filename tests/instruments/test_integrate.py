import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.instruments.integrate import (
    integrate_counter,
    integrate_held,
    integrate_power,
    spikes,
)
from lib.units import JOULES_PER_KWH

steps = st.lists(st.floats(0.01, 10), min_size=2, max_size=40)
watts = st.floats(0, 1e4)


def joules(integral):
    return integral.energy * JOULES_PER_KWH


def test_one_kilowatt_for_one_hour_is_a_kilowatt_hour():
    integral = integrate_power([0, 1800, 3600], [1000, 1000, 1000])
    assert integral.energy == 1
    assert (integral.samples, integral.coverage) == (3, 1)
    assert integral.doubts == ()


def test_a_line_is_integrated_without_error_between_any_two_moments():
    time = np.arange(0, 61.0)
    integral = integrate_power(time, 3 * time + 5, 10.25, 30.5)
    assert joules(integral) == pytest.approx(1.5 * (30.5**2 - 10.25**2) + 5 * 20.25)


def test_uneven_and_repeated_timestamps():
    # A step, written as two samples at the same moment.
    assert joules(integrate_power([0, 2, 2, 5], [10, 10, 40, 40])) == 140


def test_a_gap_is_bridged_and_reported():
    time = np.r_[0:21, 50:61].astype(float)
    integral = integrate_power(time, np.full(time.size, 7.0))
    assert joules(integral) == pytest.approx(7 * 60)
    assert integral.longest_gap == 30
    assert integral.coverage == pytest.approx(0.5)
    assert integral.doubts == ("no sample from 20.0 s to 50.0 s; the power there was assumed",)


def test_no_line_is_drawn_across_a_gap():
    """Between 100 W and 20 W: when the power changed is not known."""
    time = np.r_[0:11, 20:41].astype(float)
    power = np.where(time <= 10, 100.0, 20.0)
    integral = integrate_power(time, power)
    assert joules(integral) == pytest.approx((1000 + 400) / 30 * 40)
    assert integral.coverage == pytest.approx(30 / 40)


def test_the_usual_interval_tells_a_gap_that_is_all_there_is():
    integral = integrate_power([0, 31], [100, 20], 5, 25, interval=1.0)
    assert (integral.energy, integral.coverage) == (None, 0)


def test_a_window_that_holds_no_two_samples_is_not_covered():
    integral = integrate_power([0, 60, 120], [100, 20, 30], 50, 70)
    assert (integral.samples, integral.coverage) == (1, 0)


def test_a_log_of_changes_is_held():
    integral = integrate_held([0, 30, 50, 90], [20.5, 62, 20, 7], 30.9, 49.5)
    assert joules(integral) == pytest.approx(62 * 18.6)
    assert (integral.samples, integral.coverage, integral.doubts) == (1, 1, ())
    integral = integrate_held([0, 30, 50, 90], [20, 60, math.nan, 7], 40, 60)
    assert joules(integral) == pytest.approx(1200)
    assert integral.coverage == 0.5
    said = "values cover 10.0 of the 20.0 s; the power of the rest was assumed"
    assert integral.doubts == (said,)
    assert integrate_held([0, 30], [20, 60], 40, 60).energy is None


@pytest.mark.parametrize("joules_added", [65_536.0, 262_144.0])
def test_a_counter_that_leaps_is_read_over(joules_added):
    time = np.arange(0, 101.0)
    counter = 50 * time + np.where(time >= 40, joules_added, 0.0)
    integral = integrate_counter(time, counter)
    assert joules(integral) == pytest.approx(5000)
    assert integral.coverage == pytest.approx(0.99)
    said = "the counter leapt from 39.0 s to 40.0 s; the power there was assumed"
    assert integral.doubts == (said,)


def test_a_gpu_that_begins_to_train_is_no_spike():
    assert not spikes(np.r_[np.full(40, 10.0), np.full(8, 700.0)]).any()
    assert spikes(np.r_[np.full(19, 46.0), 262_144.0]).tolist() == [False] * 19 + [True]


def test_missing_samples_are_gaps_not_zeros():
    power = [5.0] * 10 + [math.nan] * 10 + [5.0] * 10
    integral = integrate_power(range(30), power)
    assert joules(integral) == pytest.approx(5 * 29)
    assert "no sample from 9.0 s to 20.0 s" in integral.doubts[0]


@pytest.mark.parametrize(("start", "stop"), [(0, 40), (-20, 20), (-10, 30)])
def test_what_is_missing_at_the_ends_gets_the_mean_power_of_the_rest(start, stop):
    """As a gap inside does."""
    for integral in (
        integrate_power([0, 10, 20], [3, 4, 3], start, stop),
        integrate_counter([0, 10, 20], [0, 40, 70], start, stop),
    ):
        assert joules(integral) == pytest.approx(140)
        assert integral.coverage == pytest.approx(0.5)
        said = "samples cover 20.0 of the 40.0 s; the power of the rest was assumed"
        assert integral.doubts == (said,)


def test_gaps_and_missing_ends_get_the_same_power():
    time = np.r_[0:11, 20:31].astype(float)
    integral = integrate_power(time, np.where(time <= 10, 100.0, 20.0), 0, 40)
    assert joules(integral) == pytest.approx((1000 + 200) / 20 * 40)
    assert integral.coverage == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("time", "power", "start", "stop"),
    [([], [], None, None), ([1], [5], None, None), ([0, 1], [5, 5], 2, 3)],
)
def test_no_energy_where_no_two_samples_cover_anything(time, power, start, stop):
    integral = integrate_power(time, power, start, stop)
    assert integral.energy is None
    assert integral.doubts


def test_a_counter_that_restarts():
    time = np.arange(0, 101.0)
    counter = np.where(time < 40, 9000 + 25 * time, 25 * (time - 40))
    integral = integrate_counter(time, counter)
    assert joules(integral) == pytest.approx(2500, rel=1e-3)
    assert integral.coverage == pytest.approx(0.99)
    said = "restarted, or the log has a hole, from 39.0 s to 40.0 s; the power there was assumed"
    assert integral.doubts == (f"the counter {said}",)


def test_a_counter_that_restarts_in_a_gap_does_not_tell_what_was_used_there():
    """100, 400, 100 W by thirds; the middle one is missing, and the counter stood at 0 after it."""
    time = np.r_[0:601:10, 1200:1801:10].astype(float)
    counter = np.where(time <= 600, 5000 + 100 * time, 100 * (time - 1200))
    integral = integrate_counter(time, counter)
    assert integral.coverage == pytest.approx(2 / 3)
    assert "from 600.0 s to 1200.0 s; the power there was assumed" in integral.doubts[0]


def test_a_counter_loses_nothing_in_a_gap():
    integral = integrate_counter([0, 1, 2, 50, 51], [0, 10, 20, 500, 510])
    assert joules(integral) == pytest.approx(510)
    assert (integral.doubts, integral.coverage) == ((), 1)
    assert integral.longest_gap == 48


@given(steps, st.data())
def test_a_window_is_the_sum_of_its_parts(steps, data):
    time = np.cumsum([0.0, *steps])
    power = data.draw(st.lists(watts, min_size=time.size, max_size=time.size))
    cut = data.draw(st.floats(0.001, 0.999)) * time[-1]
    whole, left, right = (
        integrate_power(time, power, start, stop, interval=10)
        for start, stop in ((None, None), (None, cut), (cut, None))
    )
    assert joules(left) + joules(right) == pytest.approx(joules(whole), rel=1e-9, abs=1e-6)


@given(steps, st.data())
def test_energy_lies_between_the_least_and_the_most_power_times_time(steps, data):
    time = np.cumsum([0.0, *steps])
    power = data.draw(st.lists(watts, min_size=time.size, max_size=time.size))
    energy = joules(integrate_power(time, power))
    slack = 1e-6 + 1e-9 * max(power) * time[-1]
    assert min(power) * time[-1] - slack <= energy <= max(power) * time[-1] + slack


@given(steps, st.data())
def test_power_and_its_counter_agree(steps, data):
    time = np.cumsum([0.0, *steps])
    power = np.array(data.draw(st.lists(st.floats(0, 900), min_size=time.size, max_size=time.size)))
    counter = np.r_[0, np.cumsum(np.diff(time) * (power[1:] + power[:-1]) / 2)]
    by_power = integrate_power(time, power, interval=10)
    by_counter = integrate_counter(time, counter, interval=10)
    assert joules(by_counter) == pytest.approx(joules(by_power), rel=1e-9, abs=1e-6)
