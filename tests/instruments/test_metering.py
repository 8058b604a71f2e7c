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


@settings(max_examples=100)
@given(st.floats(0, 90), st.floats(3, 10), st.booleans())
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


def plug(power, **fields):
    return read_window("plug", [Samples(TIME, power=power, **fields)], BEGIN + 10.5, BEGIN + 60.5)


def said(reading):
    return reading.components["machine"].reason or " ".join(reading.doubts)


def at(places, value, power=60.0):
    changed = np.full(TIME.size, power)
    changed[places] = value
    return changed


def test_samples_that_no_machine_can_have_drawn_are_left_out_by_name():
    for wrong, what in (
        (262_144.0, "up to 2.621e+05 W, as of a counter that wrapped"),
        (0.0, "0 W while the machine was on"),
    ):
        for place in (10, 30, 61):  # the neighbours of the window's edges count too
            reading = plug(at([place], wrong))
            assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(3000)
            assert said(reading) == f"1 sample left out: {what}"
    reading = plug(at(slice(20, 40), 0.0))
    assert reading.energy_consumed is None
    assert reading.details["coverage"] < 0.6


def test_negative_power_and_a_meter_that_saw_nothing_are_refused():
    reading = plug(at([30], -1000.0))
    assert reading.energy_consumed is None
    assert "power is negative in 1 of the run's samples, down to -1000 W" in said(reading)
    assert "did not see the machine" in said(plug(np.zeros(TIME.size)))
    assert plug(at([90], -1000.0)).energy_consumed is not None


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("later", [0.0, 0.003])
def test_one_of_several_supplies_may_draw_nothing(held, later):
    """Idle, by turns, or in bursts; what was read a little later belongs to the same moment."""
    constant = Samples(TIME, power=np.full(TIME.size, 120.0), held=held)
    seconds = TIME - BEGIN
    for power, mean in (
        (np.zeros(TIME.size), 0),
        (np.where(seconds % 2, 0.0, 60.0), 30),
        (np.where(seconds % 10 < 8, 0.0, 200.0), 40),
    ):
        other = Samples(TIME + later, power=power, held=held)
        reading = read_window("pdu", [constant, other], BEGIN + 10.5, BEGIN + 60.5)
        expected = (120 + mean) * 50
        assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(expected, rel=0.015)
        assert (reading.details["coverage"], reading.doubts) == (pytest.approx(1), ())


def test_all_supplies_draw_nothing_only_where_the_meter_did_not_see_them():
    channels = [
        Samples(TIME, power=at([30], 0.0)),
        Samples(TIME + 0.003, power=at([30], 0.0)),
        Samples(TIME, power=np.zeros(TIME.size)),
    ]
    reading = read_window("pdu", channels, BEGIN + 10.5, BEGIN + 60.5)
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(2 * 3000)
    assert reading.doubts == ("1 sample left out: 0 W while the machine was on",) * 3
    reading = read_window("pdu", channels[2:] * 2, BEGIN + 10.5, BEGIN + 60.5)
    assert "did not see the machine" in said(reading)


def test_zero_in_a_log_of_changes_holds_nothing():
    reading = plug(at([20], 0.0), held=True)
    assert reading.details["coverage"] == pytest.approx(0.98)
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(60 * 50)


def test_a_silent_logger_is_refused_however_the_window_lies_in_the_gap():
    kept = without(20, 51)
    reading = read_window("plug", [Samples(TIME[kept], POWER[kept])], BEGIN + 31, BEGIN + 49)
    assert (reading.energy_consumed, reading.details["coverage"]) == (None, 0)
    assert "no sample of the wattmeter lies in the run's 18.0 s" in said(reading)


def test_few_samples_are_a_doubt():
    few = Samples(TIME[::10], power=POWER[::10])
    assert "only 5 samples lie in the run's 50.0 s" in said(
        read_window("plug", [few], BEGIN + 5, BEGIN + 55)
    )


@pytest.mark.parametrize(("step", "expected"), [(3600, None), (360, "±6 %"), (36, "")])
def test_the_step_of_a_counter_bounds_its_energy(step, expected):
    counter = np.floor(120 * (TIME - BEGIN) / step) * step
    reading = read_window("plug", [Samples(TIME, counter=counter)], BEGIN + 10, BEGIN + 60)
    if expected is None:
        assert "goes up in steps of 1 Wh, and read" in said(reading)
        assert reading.energy_consumed is None
    else:
        assert expected in said(reading)
        assert bool(expected) == bool(reading.doubts)


def test_a_counter_that_stands_still_saw_nothing():
    still = Samples(TIME, counter=np.full(TIME.size, 7.0))
    reading = read_window("plug", [still], BEGIN + 10, BEGIN + 60)
    assert said(reading).startswith("the wattmeter's energy does not go up during the run")


def test_one_of_several_outlets_may_move_no_counter_or_a_step_only():
    used, unused = Samples(TIME, counter=COUNTER), Samples(TIME, counter=np.full(TIME.size, 7.0))
    standby = Samples(TIME, counter=np.where(TIME < BEGIN + 30, 0.0, 36.0))
    for other, joules_more in ((unused, 0), (standby, 36)):
        reading = read_window("pdu", [used, other], BEGIN + 10, BEGIN + 60)
        expected = joules(10, 60) + joules_more
        assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(expected)
        assert reading.doubts == ()


def test_a_run_that_ends_before_it_begins_has_no_energy():
    """The machine's clock was put back while it trained."""
    reading = read_window("meter", [Samples(TIME, power=POWER)], BEGIN + 50, BEGIN + 40)
    assert reading.energy_consumed is None
    assert "the machine's clock was put back" in reading.components["machine"].reason
