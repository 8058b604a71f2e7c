import numpy as np
import pandas as pd
import pytest

from lib.instruments.metering import Samples
from lib.logs.clock_offset import LARGEST, estimate

BEGIN = 1.7e9


def load(time):
    """Idle, then a training whose epochs differ, with an evaluation after each."""
    phase = time - BEGIN
    training = (phase > 10) & (phase < 130)
    epoch = (phase - 10) // 17
    evaluation = (phase - 10) % 17 > 13 + epoch % 3
    return np.where(training, np.where(evaluation, 90.0, 150.0 + 4 * epoch), 40.0)


def trace(watts=lambda time: load(time) * 0.6 - 10, seconds=140):
    """What the profiler saw, a mean over each second; it misses a constant and some of the rest."""
    ends = BEGIN + np.arange(1.0, seconds)
    fine = ends[:, None] - np.linspace(0, 1, 100)
    return pd.DataFrame(
        {
            "timestamp": [pd.Timestamp(end, unit="s", tz="UTC").isoformat() for end in ends],
            "interval": 1.0,
            "cpu_power": watts(fine).mean(axis=1),
            "gpu_power": np.nan,
            "ram_power": 5.0,
        }
    )


def log(offset, interval=0.5, noise=2.0, counter=False, watts=load):
    """What the wattmeter saw, by its own clock."""
    time = np.arange(BEGIN - 200, BEGIN + 400, interval)
    power = watts(time) + np.random.default_rng(1).normal(0, noise, time.size)
    if counter:
        return Samples(time + offset, counter=np.cumsum(power) * interval % 20_000)
    return Samples(time + offset, power=power)


@pytest.mark.parametrize("offset", [-93.3, -3.0, 0.0, 0.4, 60.25, 119.0])
@pytest.mark.parametrize("interval", [0.02, 0.5, 2.0])
def test_the_offset_of_a_clock_is_found(offset, interval):
    found = estimate([log(offset, interval)], trace())
    assert found.seconds == pytest.approx(offset, abs=0.15 if interval < 1 else 0.5)
    assert found.correlation > (0.95 if interval < 1 else 0.85)
    assert found.reason is None


def test_it_is_found_from_a_counter_that_restarts():
    assert estimate([log(7.5, 0.1, counter=True)], trace()).seconds == pytest.approx(7.5, abs=0.3)


@pytest.mark.parametrize(
    ("samples", "of", "said"),
    [
        (log(0), trace(lambda time: np.full(time.shape, 8.0)), "did not change enough"),
        (log(0, watts=lambda time: np.full(time.shape, 90.0), noise=0), trace(), "change enough"),
        (log(0, watts=lambda time: np.full(time.shape, 90.0)), trace(), "hardly correlate"),
        (log(0), trace(seconds=5), "the power trace has 4 samples only"),
        (Samples(np.array([]), power=np.array([])), trace(), "next to no samples"),
        (
            log(0, watts=lambda time: 100 + 50 * (time % 10 > 5)),
            trace(lambda time: 100 + 50 * (time % 10 > 5)),
            "several offsets fit alike",
        ),
    ],
    ids=["flat trace", "flat log", "another load", "short", "empty", "periodic"],
)
def test_what_can_not_be_told_has_a_reason(samples, of, said):
    found = estimate([samples], of)
    assert found.seconds is None
    assert said in found.reason


def test_clocks_too_far_apart_are_not_taken_for_near_ones():
    found = estimate([log(LARGEST + 30)], trace())
    assert found.seconds is None or found.correlation < 0.95
