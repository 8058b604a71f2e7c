import pytest

from lib.instruments import JOULES_PER_KWH
from lib.instruments.replay import Replay, constant, counting, ramp, recorded, spikes
from lib.instruments.trace import COLUMNS


def play(profile, seconds):
    """Play the first `seconds` of a profile; nobody waits."""
    moments = iter([1000.0, 1000.0 + seconds])
    replay = Replay(profile, clock=lambda: next(moments))
    replay.start()
    return replay.stop()


def joules(reading):
    return reading.energy_consumed * JOULES_PER_KWH


@pytest.mark.parametrize("interval", [0.1, 1.0, 2.5])
@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (lambda dt: constant(42.5, 100, dt), 4250),
        (lambda dt: ramp(10, 200, 100, dt), 10_500),
        # In 100 s, a spike every 8 samples, none of them the last one.
        (lambda dt: spikes(20, 300, 8, 99.5, dt), None),
        (lambda dt: counting(70, 100, dt), 7000),
    ],
    ids=["constant", "ramp", "spikes", "counter"],
)
def test_profiles_integrate_to_their_energy(profile, expected, interval):
    made = profile(interval)
    seconds = made.time[-1]
    if expected is None:
        step = made.time[1]
        count = (made.time.size - 1) // 8
        last_is_spike = (made.time.size - 1) % 8 == 0
        expected = 20 * seconds + 300 * step * (count - 0.5 * last_is_spike)
    reading = play(made, seconds)
    assert joules(reading) == pytest.approx(expected, rel=1e-3)
    assert reading.duration == pytest.approx(seconds)
    assert reading.doubts == ()


def test_a_part_of_a_profile():
    assert joules(play(ramp(0, 100, 100), 50.5)) == pytest.approx(50.5**2 / 2)


def test_a_gap_is_reported_and_costs_no_energy():
    reading = play(constant(30, 100).without(40, 60), 100)
    assert joules(reading) == pytest.approx(3000, rel=1e-3)
    assert reading.doubts == ("cpu: no sample from 40.0 s to 60.0 s; the power there was assumed",)


def test_a_counter_that_restarts_is_reported_and_costs_no_energy():
    reading = play(counting(250, 100).restarting(33), 100)
    assert joules(reading) == pytest.approx(25_000, rel=1e-3)
    assert "restarted before 33.0 s" in reading.doubts[0]
    assert reading.components["gpu"].method == "replayed counter"


def test_a_profile_that_is_shorter_than_the_run():
    reading = play(constant(10, 60), 80)
    assert joules(reading) == pytest.approx(600)
    assert reading.doubts == ("cpu: samples cover 60.0 of the 80.0 s",)


def test_a_recorded_trace_comes_back_with_all_its_energy(tmp_path):
    path = tmp_path / "power.csv"
    rows = [
        # time, interval, cpu, ram: uneven intervals, as they are in life
        (1.004, 1.001, 8.0, 20.0),
        (2.101, 1.097, 1.5, 20.0),
        (2.600, 0.499, 4.0, 20.0),
    ]
    lines = [
        f"{time},2026-01-01T00:00:00+00:00,training,{interval},{cpu},,{ram},0,,,,,"
        for time, interval, cpu, ram in rows
    ]
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    reading = play(recorded(path), 2.597)
    assert joules(reading) == pytest.approx(sum(dt * (cpu + ram) for _, dt, cpu, ram in rows))
    assert set(reading.components) == {"cpu", "ram"}


def test_a_trace_without_samples_is_refused(tmp_path):
    path = tmp_path / "power.csv"
    path.write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(ValueError, match=r"power\.csv: has no samples"):
        recorded(path)


def test_a_replay_that_was_not_started():
    with pytest.raises(RuntimeError, match="not started"):
        Replay(constant(1, 1)).stop()
