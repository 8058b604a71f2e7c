import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.instruments.metering import Samples, columns, integrate, read_window
from lib.units import JOULES_PER_KWH

BEGIN = 1.7e9
TIME = BEGIN + np.arange(0, 101.0)
POWER = 100 + 2 * (TIME - BEGIN)
COUNTER = 5e6 + 100 * (TIME - BEGIN) + (TIME - BEGIN) ** 2


def joules(start, stop):
    """Of 100 W + 2 W/s from `start` to `stop`, s after BEGIN."""
    return 100 * (stop - start) + stop**2 - start**2


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 90), st.floats(1, 10), st.booleans())
def test_a_window_is_integrated_with_exact_edges(start, length, by_counter):
    samples = Samples(TIME, counter=COUNTER) if by_counter else Samples(TIME, power=POWER)
    start, stop = BEGIN + start, BEGIN + start + length
    found = integrate(samples, start, stop)
    # Between two readings of a counter the power is taken as constant.
    expected = joules(start - BEGIN, stop - BEGIN)
    tolerance = 0.6 if by_counter else 1e-3
    assert found.energy * JOULES_PER_KWH == pytest.approx(expected, abs=tolerance)
    assert found.coverage == pytest.approx(1)


def without(begin, end):
    return (begin >= TIME - BEGIN) | (end <= TIME - BEGIN)


@pytest.mark.parametrize("gaps", [[(30, 60)], [(10, 20), (50, 80)]])
def test_the_counter_bridges_gaps_of_the_power(gaps):
    kept = np.logical_and.reduce([without(*gap) for gap in gaps])
    samples = Samples(TIME[kept], POWER[kept], COUNTER[kept])
    found = integrate(samples, BEGIN + 0.5, BEGIN + 99.5)
    assert found.energy * JOULES_PER_KWH == pytest.approx(joules(0.5, 99.5))
    assert found.coverage == pytest.approx(1)
    assert found.longest_gap == max(end - begin for begin, end in gaps)
    assert found.samples == kept.sum() - 2
    assert len(found.doubts) == len(gaps)
    assert "the energy counter tells what was used from" in found.doubts[0]


def test_a_gap_in_which_the_counter_restarted_stays_a_gap():
    kept = without(30, 60)
    counter = np.where(TIME - BEGIN > 40, COUNTER - 5e6, COUNTER)[kept]
    found = integrate(Samples(TIME[kept], POWER[kept], counter), BEGIN, BEGIN + 100)
    assert found.coverage == pytest.approx(0.7)
    assert "no sample from 30.0 s to 60.0 s" in found.doubts[0]


@pytest.mark.parametrize("power", [POWER, None], ids=["power and counter", "counter"])
@pytest.mark.parametrize(("start", "stop"), [(0, 45), (45, 100)], ids=["end", "begin"])
def test_a_gap_with_the_edge_of_the_window_in_it_is_not_bridged(power, start, stop):
    """The counter tells what was used in the gap, but not how much of it inside the window."""
    kept = without(30, 60)
    samples = Samples(TIME[kept], None if power is None else power[kept], COUNTER[kept])
    found = integrate(samples, BEGIN + start, BEGIN + stop)
    assert found.coverage == pytest.approx(1 - 15 / (stop - start))
    assert any("the power there was assumed" in doubt for doubt in found.doubts)


def test_channels_add_up_and_the_worst_covered_one_counts():
    first = Samples(TIME, power=POWER)
    second = Samples(TIME, power=np.full(TIME.size, 50.0))
    reading = read_window("pdu", [first, second], BEGIN, BEGIN + 100)
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(joules(0, 100) + 5000)
    assert reading.samples == 202
    kept = without(30, 60)
    reading = read_window("pdu", [first, Samples(TIME[kept], POWER[kept])], BEGIN, BEGIN + 100)
    assert reading.energy_consumed is None
    assert reading.details["coverage"] == pytest.approx(0.7)
    assert columns(reading)["wattmeter_energy"] is None
    assert columns(reading)["wattmeter_coverage"] == pytest.approx(0.7)


@pytest.mark.parametrize(("missing", "refused"), [(4.0, False), (6.0, True)])
@pytest.mark.parametrize("at", [-1, 1], ids=["its begin", "its end"])
def test_a_window_of_which_less_than_95_percent_is_covered_is_refused(missing, refused, at):
    start = BEGIN + at * missing
    reading = read_window("plug", [Samples(TIME, power=POWER)], start, start + 100)
    assert (reading.energy_consumed is None) == refused
    assert reading.details["coverage"] == pytest.approx(1 - missing / 100)
    if refused:
        assert "cover 94.0 % of the run's 100.0 s" in reading.components["machine"].reason


def test_samples_of_another_time_and_no_samples_have_a_reason():
    reading = read_window("plug", [Samples(TIME, power=POWER)], BEGIN + 7200, BEGIN + 7300)
    reason = reading.components["machine"].reason
    assert "from 2023-11-14 22:13:20 UTC to 2023-11-14 22:15:00 UTC, are all outside" in reason
    nothing = Samples(np.array([]), power=np.array([]))
    for channels in ([], [nothing]):
        reading = read_window("plug", channels, BEGIN, BEGIN + 10)
        assert reading.components["machine"].reason == "the wattmeter has no samples"
        assert reading.duration == 10
