import numpy as np
import pandas as pd
import pytest

from lib.analysis import instrument_pairs
from lib.units import JOULES_PER_KWH

WATTS = np.array([[200, 205, 210], [300, 290, 310], [250, 260, 255]], dtype=float)
SECONDS = np.array([[1000, 1010, 990], [1500, 1520, 1490], [1200, 1180, 1210]], dtype=float)


def results(**columns):
    """Three architectures, three runs each, by CodeCarbon; `columns` are W of other instruments."""
    frame = pd.DataFrame(
        {
            "run_id": [f"run-{i}" for i in range(9)],
            "architecture": np.repeat(["VGG16", "VGG19", "ResNet50"], 3),
            "dataset": "digits",
            "duration": SECONDS.ravel(),
            "energy_consumed": kwh(WATTS.ravel()),
            "gpu_energy": kwh(0.5 * WATTS.ravel()),
        }
    )
    return frame.assign(**{name: kwh(watts) for name, watts in columns.items()})


def kwh(watts):
    return np.broadcast_to(watts, 9) * SECONDS.ravel() / JOULES_PER_KWH


def only(frame):
    (pair,) = instrument_pairs.pairs(frame)
    return instrument_pairs.agreement(pair)


def test_the_intercept_is_the_constant_power_that_the_profiler_can_not_see():
    watts = np.append(WATTS, [220, 222, 225])
    frame = results(wattmeter_energy=80 + 1.5 * WATTS.ravel())
    fourth = frame.iloc[:3].assign(
        run_id=["run-9", "run-10", "run-11"],
        architecture="MobileNetV2",
        energy_consumed=watts[9:] * SECONDS[0] / JOULES_PER_KWH,
        wattmeter_energy=(80 + 1.5 * watts[9:]) * SECONDS[0] / JOULES_PER_KWH,
    )
    found = only(pd.concat([frame, fourth], ignore_index=True))
    assert (found.reference, found.other) == ("wattmeter", "CodeCarbon")
    assert found.energy_of == "machine"
    assert found.constant_power_W == pytest.approx(80)
    assert found.slope == pytest.approx(1.5)
    assert found.constant_power_low_W == pytest.approx(80, abs=1e-3)
    assert found.pearson > found.rho > 0.95
    assert found.same_ranking
    assert (found.n, found.n_medians) == (12, 4)
    gaps = 100 * (1 - watts / (80 + 1.5 * watts))
    assert found.gap_percent == pytest.approx(np.median(gaps))
    assert found.gap_percent_low == pytest.approx(gaps.min())
    assert found.gap_percent_high == pytest.approx(gaps.max())
    assert found.gap_W == pytest.approx(np.median(80 + 0.5 * watts))
    said = instrument_pairs.in_words(found)
    assert "80 W (95 %: 80 to 80): the constant power that it can't see." in said
    assert "in the same order." in said


def test_power_that_nobody_drew_is_not_power_that_the_profiler_can_not_see():
    """CodeCarbon's model of memory says 20 W of modules that draw 5 W."""
    watts = np.tile([30.0, 50, 70, 110], 3)
    frame = pd.DataFrame(
        {
            "run_id": range(12),
            "architecture": np.tile(list("abcd"), 3),
            "dataset": "digits",
            "duration": 3600.0,
            "energy_consumed": (watts + 20) / 1000,
            "wattmeter_energy": (watts + 5) / 1000,
        }
    )
    said = instrument_pairs.in_words(only(frame))
    assert "shows -15 W (95 %: -15 to -15): it counts a constant power that the" in said
    assert "can't see" not in said


def test_the_limits_of_agreement_are_those_of_bland_and_altman():
    noise = np.array([3, -2, 5, 0, 1, -4, 2, 2, -1.0])
    frame = results(wattmeter_energy=WATTS.ravel() + 40 + noise)
    found = only(frame)
    difference = frame["wattmeter_energy"] - frame["energy_consumed"]
    assert found.bias == pytest.approx(difference.mean())
    assert found.limit_low == pytest.approx(difference.mean() - 1.96 * difference.std(), rel=1e-4)
    assert found.limit_high == pytest.approx(difference.mean() + 1.96 * difference.std(), rel=1e-4)


def test_a_different_order_is_said():
    noise = np.tile([-1.0, 0, 1], 3)
    frame = results(wattmeter_energy=np.repeat([500.0, 200.0, 300.0], 3) + noise)
    found = only(frame)
    assert found.same_ranking is False
    assert "in different orders." in instrument_pairs.in_words(found)


def test_orders_of_single_runs_may_differ_by_chance():
    """There are no repetitions that could tell."""
    frame = results(wattmeter_energy=np.repeat([500.0, 200.0, 300.0], 3)).iloc[::3]
    said = instrument_pairs.in_words(only(frame))
    assert "the 3 configurations in different orders, which may be chance." in said
    assert "repetitions" not in said


def test_alike_configurations_are_not_said_to_be_in_different_orders():
    """Medians of what is alike come in any order, so two instruments seldom agree on it."""
    rng = np.random.default_rng(1)
    said = []
    for _ in range(40):
        frame = results().assign(
            duration=1000.0,
            wattmeter_energy=rng.normal(0.25, 0.005, 9),
            energy_consumed=rng.normal(0.2, 0.004, 9),
        )
        said.append(only(frame).same_ranking)
    assert said.count(False) <= 2
    assert said.count(None) >= 20


def test_the_wattmeter_has_its_own_seconds():
    frame = results(wattmeter_energy=100.0).assign(wattmeter_duration=SECONDS.ravel() * 2)
    (pair,) = instrument_pairs.pairs(frame)
    assert pair.runs["reference_power"].to_numpy() == pytest.approx(50)
    assert pair.runs["other_power"].to_numpy() == pytest.approx(WATTS.ravel())


def test_with_more_instruments_every_pair_is_compared():
    frame = results(
        wattmeter_energy=2 * WATTS.ravel(),
        live_wattmeter_energy=2.1 * WATTS.ravel(),
        nvml_energy=0.6 * WATTS.ravel(),
    )
    found = [(p.reference, p.other, p.energy_of) for p in instrument_pairs.pairs(frame)]
    assert found == [
        ("wattmeter", "live wattmeter", "machine"),
        ("wattmeter", "NVML counter", "gpu and machine"),
        ("wattmeter", "CodeCarbon", "machine"),
        ("live wattmeter", "NVML counter", "gpu and machine"),
        ("live wattmeter", "CodeCarbon", "machine"),
        ("NVML counter", "CodeCarbon", "gpu"),
    ]
    table = instrument_pairs.to_frame(
        map(instrument_pairs.agreement, instrument_pairs.pairs(frame))
    )
    gpu = table[table["energy_of"] == "gpu"].iloc[0]
    assert gpu["gap_percent"] == pytest.approx(100 * (1 - 0.5 / 0.6))


def test_a_live_meter_without_a_log_is_one_instrument():
    frame = results(wattmeter_energy=300.0, live_wattmeter_energy=300.0)
    assert len(instrument_pairs.pairs(frame)) == 1


def test_only_runs_that_both_measured_are_compared():
    frame = results(wattmeter_energy=300.0)
    frame.loc[2:, "wattmeter_energy"] = np.nan
    found = only(frame)
    assert found.n == 2
    assert "a correlation takes 3 pairs, not 2; a line takes 4 configurations" in found.reason
    assert np.isnan(found.rho)
    assert np.isnan(found.constant_power_W)
    assert found.gap_percent > 0


def test_without_a_second_instrument_there_is_no_pair():
    assert instrument_pairs.pairs(results()) == []
    assert instrument_pairs.to_frame([]).empty
    assert instrument_pairs.pairs(results().assign(wattmeter_energy=np.nan)) == []


def test_power_that_does_not_differ_gives_no_line():
    frame = results(wattmeter_energy=300.0).assign(energy_consumed=kwh(100.0))
    found = only(frame)
    assert "a line takes 4 configurations, not 3" in found.reason
    assert "constant power" not in instrument_pairs.in_words(found)


def test_bland_altman_draws_differences_over_means():
    from lib.report import figures

    frame = results(wattmeter_energy=WATTS.ravel() + 40)
    (pair,) = instrument_pairs.pairs(frame)
    figure = figures.bland_altman(pair)
    assert figure.layout.title.text == "Wattmeter less CodeCarbon"
    drawn = {trace.name: trace for trace in figure.data}
    assert set(drawn) == {"VGG16", "VGG19", "ResNet50"}
    vgg = frame[frame["architecture"] == "VGG16"]
    factor = 1e3 if "(Wh)" in figure.layout.xaxis.title.text else 1.0
    difference = (vgg["wattmeter_energy"] - vgg["energy_consumed"]) * factor
    assert drawn["VGG16"].y == pytest.approx(difference.to_numpy())
    mean = (vgg["wattmeter_energy"] + vgg["energy_consumed"]) / 2 * factor
    assert drawn["VGG16"].x == pytest.approx(mean.to_numpy())
    found = instrument_pairs.agreement(pair)
    levels = [shape.y0 for shape in figure.layout.shapes]
    assert levels == pytest.approx(
        [level * factor for level in (found.bias, found.limit_low, found.limit_high)]
    )
    assert "9 runs" in figure.layout.meta["alt"]
    assert "<b>run-0</b>" in drawn["VGG16"].hovertext[0]


def test_one_run_has_no_limits():
    from lib.report import figures

    (pair,) = instrument_pairs.pairs(results(wattmeter_energy=300.0).iloc[:1])
    figure = figures.bland_altman(pair)
    assert len(figure.layout.shapes) == 1
    assert "95 %" not in figure.layout.meta["alt"]
    assert "1 run:" in figure.layout.meta["alt"]
