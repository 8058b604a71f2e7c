import numpy as np
import pandas as pd
import pytest

from lib.analysis.calibration import CalibrationError, calibrate
from lib.study.sections import Gain
from lib.study.study import load_study


def runs(gain=1.1, supply=1.095, offset=40.0, duration=90.0, times=5, seed=1):
    """Idle and two loads of a machine whose components take `gain` times what they say."""
    rng = np.random.default_rng(seed)
    rows = []
    for load, watts in ((2, 60.0), (64, 140.0)):
        for _ in range(times):
            cpu, idle = watts * rng.normal(1, 0.02), 20 * rng.normal(1, 0.02)
            plug, idle_plug = (offset + supply * gain * w for w in (cpu, idle))
            rows.append(
                {
                    "batch_size": load,
                    "duration": duration,
                    "idle_duration": 70.0,
                    "energy_consumed": cpu * duration / 3.6e6,
                    "cpu_energy": cpu * duration / 3.6e6,
                    "cpu_idle_energy": idle * duration / 3.6e6,
                    "wattmeter_energy": plug * duration / 3.6e6,
                    "wattmeter_idle_power": idle_plug + rng.normal(0, 0.3),
                }
            )
    return pd.DataFrame(rows)


def test_the_gain_is_found_within_its_uncertainty():
    found = calibrate(runs(), ["batch_size"])
    assert found.gain == pytest.approx(1.1, rel=0.005)
    assert found.components == ("cpu",)
    assert 0.03 < found.u < 0.05  # the meter's class and the power supply
    better = calibrate(runs(), ["batch_size"], Gain(gain=1.0, u=0.001))
    assert 0.025 < better.u < found.u


def test_the_interval_holds_the_gain_for_any_power_supply():
    supplies = np.random.default_rng(2).uniform(1.04, 1.15, 200)
    held = [
        abs(found.gain / 1.1 - 1) < 2 * found.u
        for number, supply in enumerate(supplies)
        for found in [calibrate(runs(supply=supply, seed=number), ["batch_size"])]
    ]
    assert np.mean(held) > 0.95


def test_its_lines_are_lines_of_a_study(tmp_path):
    path = tmp_path / "study.yaml"
    lines = calibrate(runs(), ["batch_size"]).as_yaml()
    path.write_text("title: T\nfactors: {batch_size: [1]}\n" + lines)
    gain = load_study(path).calibration["cpu"]
    assert gain.gain == pytest.approx(1.1, rel=0.005)
    assert gain.u == pytest.approx(0.043, abs=0.003)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (runs().drop(columns="wattmeter_energy"), "a wattmeter"),
        (runs(duration=12.0), "lasts 12 s, not 60 s; raise epochs"),
        (runs(times=4), "two loads of 5 runs each, not 2 of 4 and 4 runs"),
        (runs().head(5), "not 1 of 5 runs"),
        (runs().assign(cpu_energy=0.0005, cpu_idle_energy=0.0005), "neither processor nor GPU"),
        (runs(supply=-0.2, offset=100.0), "plug's power does not rise .* -0.22 ± .* clock"),
        (runs(supply=0.0), "plug's power does not rise"),
    ],
)
def test_what_calibrates_nothing_says_why(table, said):
    with pytest.raises(CalibrationError, match=said):
        calibrate(table, ["batch_size"])
