import numpy as np
import pytest

from lib.instruments import metering, sampling
from lib.instruments.metering import Samples

TICK = 0.01
IDLE, BUSY = 60.0, 250.0


class Plug:
    """A run of known power beside an idle machine, as a meter sees it.

    Args:
        rng: For where the samples lie and for noise.
        length: Seconds of the run.
        noise: W, standard deviation of white noise on the power.
    """

    def __init__(self, rng, length, noise=0.0):
        self.start = 20 + rng.uniform()
        self.stop = self.start + length
        self.time = np.arange(0, self.stop + 20, TICK)
        busy = (self.time >= self.start) & (self.time < self.stop)
        self.power = np.where(busy, BUSY, IDLE) + noise * rng.standard_normal(self.time.size)
        self.joules = np.r_[0, np.cumsum(self.power) * TICK]
        self.asked = np.arange(1.0, self.stop + 19)

    def until(self, moments):
        return np.interp(moments, np.r_[self.time, self.time[-1] + TICK], self.joules)

    @property
    def energy(self):
        return self.until(self.stop) - self.until(self.start)

    def seen(self, kind):
        if kind == "counter":
            return Samples(self.asked, counter=self.until(self.asked))
        if kind == "means":
            return Samples(self.asked, power=self.until(self.asked) - self.until(self.asked - 1))
        return Samples(self.asked, power=self.power[np.rint(self.asked / TICK).astype(int)])


def errors(kind, length, noise=0.0, runs=300):
    """Of the trapezoid rule and of the corrected energy, J, with what is said of the latter."""
    rng = np.random.default_rng(1)
    rows = []
    for _ in range(runs):
        plug = Plug(rng, length, noise)
        samples = plug.seen(kind)
        plain = metering.integrate(samples, plug.start, plug.stop).energy * 3.6e6 - plug.energy
        found = metering.sampling(samples, plug.start, plug.stop)
        u = np.hypot(found.sampling_u, found.edge_u)
        rows.append((plain, plain + found.correction, u))
    return np.array(rows).T


@pytest.mark.parametrize("kind", ["moments", "means"])
@pytest.mark.parametrize("length", [20, 100])
def test_the_bias_at_a_step_is_corrected(kind, length):
    plain, corrected, _ = errors(kind, length)
    # ΔP·Δ/6 at either edge; a meter of means smears the step over one more interval.
    expected = -(BUSY - IDLE) / 6 * 2
    assert plain.mean() == pytest.approx(expected * (1 if kind == "moments" else 7 / 4), rel=0.1)
    assert abs(corrected.mean()) < 5


def test_a_counter_knows_its_edges():
    plain, corrected, _ = errors("counter", 20)
    assert abs(plain.mean()) > 40
    assert abs(corrected.mean()) < 2


def test_a_counter_that_restarts_knows_its_edges_too():
    """250 W for half an hour, read each minute; from 1234 kWh it falls to 0 in the middle."""
    time = np.arange(-622.0, 2400, 60)
    joules = np.interp(time, [-1e4, 0, 1800, 1e4], [-6e5, 0, 4.5e5, 4.5e5 + 8200 * 60])
    restarted = np.where(time < 900, 4.4e9 + joules, joules - 225_000)
    whole, found = (sampling.of_counter(time, one, 1800, 1.0) for one in (joules, restarted))
    assert found.correction == pytest.approx(whole.correction, abs=5)
    assert (found.edge_u, found.step) == (pytest.approx(0, abs=1), pytest.approx(whole.step))


@pytest.mark.parametrize("length", [10, 60])
def test_noise_is_covered(length):
    """White noise, of which a sample a second sees one moment."""
    _, corrected, u = errors("moments", length, noise=20.0)
    assert 0.93 <= np.mean(np.abs(corrected) <= 1.96 * u) <= 0.99


def test_without_a_step_nothing_is_corrected():
    time = np.arange(-5.0, 30)
    found = sampling.of_power(time, 100 + 2 * time, 20.5)
    assert (found.correction, found.step) == (0, 0)


def test_too_few_samples_say_how_little_they_know():
    found = sampling.of_power(np.array([-5.0, 5, 15]), np.array([60.0, 250, 60]), 9.0)
    assert found.correction == 0
    assert found.edge_u == pytest.approx(190 * 9 / 3)


def test_the_steps_of_a_display():
    time = np.arange(-5.0, 65)
    watts = np.rint(200 + 10 * np.sin(time))
    assert sampling.of_power(time, watts, 60).resolution_u == pytest.approx(60 / 12**0.5)
    watt_hours = np.floor(time * 230 / 3600) * 3600
    assert metering.sampling(
        Samples(time, counter=watt_hours), 0, 60
    ).resolution_u == pytest.approx(3600 / 6**0.5)
