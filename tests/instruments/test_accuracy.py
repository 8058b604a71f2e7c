import math
from dataclasses import replace
from pathlib import Path

import pytest

from lib.instruments import accuracy
from lib.stats.budget import MACHINE, combine, compare
from lib.study.sections import Gain

LAPTOP = {
    "energy_consumed": 16.5e-6,
    "cpu_energy": 3.9e-6,
    "gpu_energy": None,
    "ram_energy": 12.6e-6,
    "cpu_method": "load model (TDP 8 W, a guess)",
    "gpu_method": "none",
    "ram_method": "model (20 W)",
    "duration": 2.26,
    "machine": "a1",
}
SERVER = {
    "energy_consumed": 0.5,
    "cpu_energy": 0.1,
    "gpu_energy": 0.38,
    "ram_energy": 0.02,
    "cpu_method": "measured counter (RAPL)",
    "gpu_method": "measured counter (NVML)",
    "ram_method": "model (20 W)",
    "cpu_model": "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz",
    "gpu_model": "1 x NVIDIA A100-SXM4-40GB",
    "duration": 3600.0,
    "machine": "b2",
}
IDLE = {"cpu_idle_energy": 0.03, "gpu_idle_energy": 0.05, "ram_idle_energy": 0.02}


def names(budget):
    return [(source.name, source.part) for source in budget.sources]


def law(budget, source):
    return next(one.law for one in budget.sources if one.name == source.name)


def test_a_guessed_processor_and_a_memory_model_leave_an_order_of_magnitude():
    found = combine(accuracy.energy(LAPTOP))
    assert found.high / found.low > 10
    assert {found.lines[0].source.name, found.lines[1].source.name} == {
        accuracy.SOURCES["ram_model"].name,
        accuracy.SOURCES["guessed_tdp"].name,
    }


def test_counters_leave_a_tenth():
    budget = accuracy.energy(SERVER)
    found = combine(budget)
    assert 0.85 < found.low / 0.5 < 0.92
    assert 1.05 < found.high / 0.5 < 1.12
    assert found.largest.source.name == accuracy.SOURCES["gpu_sensor"].name
    lag = law(budget, accuracy.SOURCES["gpu_lag"])
    assert lag.spread == pytest.approx(0.38 / 3600 * 0.1)  # power x 0.1 s, in kWh


@pytest.mark.parametrize(
    ("model", "measures"),
    [
        ("Intel(R) Xeon(R) CPU E5-2620 v3 @ 2.40GHz", True),
        ("Intel(R) Core(TM) i7-8700 CPU", True),
        ("Intel(R) Xeon(R) CPU E3-1240 V2 @ 3.40GHz", False),
        ("Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz", False),
        ("Intel(R) Core(TM) i5-2500K CPU", False),
        ("AMD EPYC 7742 64-Core Processor", False),
        (None, False),
    ],
)
def test_which_processors_measure(model, measures):
    found = law(accuracy.energy({**SERVER, "cpu_model": model}), accuracy.SOURCES["rapl_intel"])
    assert (
        found
        == (accuracy.SOURCES["rapl_intel"] if measures else accuracy.SOURCES["rapl_modelled"]).law
    )


@pytest.mark.parametrize(
    ("model", "partly"),
    [
        ("NVIDIA A100-SXM4-40GB", True),
        ("2 x NVIDIA H100 80GB HBM3", True),
        ("NVIDIA H200", True),
        ("NVIDIA GH200 480GB", True),
        ("Tesla V100-SXM2-32GB", False),
        ("NVIDIA RTX A1000", False),
    ],
)
def test_which_cards_see_a_quarter_of_the_time(model, partly):
    found = names(accuracy.energy({**SERVER, "gpu_model": model}))
    assert ((accuracy.SOURCES["gpu_partly_seen"].name, "gpu") in found) is partly


@pytest.mark.parametrize(("load", "bias"), [(0.0, 1.35), (0.1, 2.7), (0.6, 2.0), (1.0, 0.7)])
def test_the_known_bias_of_the_load_model_is_corrected(load, bias):
    """CodeCarbon's W = TDP (0.1 + 0.9 load³), turned round."""
    kwh = 100 * (0.1 + 0.9 * load**3) * 60 / 3.6e6
    run = {"energy_consumed": kwh, "cpu_energy": kwh, "duration": 60.0}
    found = accuracy.energy({**run, "cpu_method": "load model (TDP 100 W)"})
    assert found.parts["cpu"] == pytest.approx(bias * kwh)
    assert combine(found).estimate == pytest.approx(bias * kwh, rel=0.01)


def test_a_constant_cancels_in_net_energy():
    """No memory is left in it, and a sensor's gain concerns the difference only."""
    run = {**SERVER, "net_energy": 0.4, **IDLE}
    found = combine(accuracy.net(run))
    assert all(line.share < 1e-9 for line in found.lines if line.source.part == "ram")
    without = combine(
        accuracy.net({**run, "ram_energy": 0.2, "ram_idle_energy": 0.2, "energy_consumed": 0.68})
    )
    assert (without.low, without.high) == pytest.approx((found.low, found.high), rel=1e-3)


def test_a_net_energy_is_less_certain_than_its_gross():
    run = {**SERVER, "gpu_idle_energy": 0.35, "cpu_idle_energy": 0.09, "net_energy": 0.04}
    net, gross = combine(accuracy.net(run)), combine(accuracy.energy(run))
    assert (net.high - net.low) / 0.04 > 5 * (gross.high - gross.low) / 0.5


def test_no_idle_components_no_net_budget():
    assert accuracy.net({**SERVER, "net_energy": 0.4}) is None


def test_emissions_add_the_hour():
    budget = accuracy.emissions({**SERVER, "emissions": 0.2})
    found = combine(budget)
    assert found.largest.source.name == accuracy.SOURCES["intensity"].name
    assert 0.45 < found.low / 0.2 < 0.6
    assert 1.6 < found.high / 0.2 < 2.0


def test_a_log_that_tells_a_sum_only():
    assert names(accuracy.energy({"energy_consumed": 1.0})) == [
        (accuracy.SOURCES["unknown"].name, "sum")
    ]


@pytest.mark.parametrize("value", [None, math.nan, 0.0, -1.0])
def test_no_energy_no_budget(value):
    assert accuracy.energy({**SERVER, "energy_consumed": value}) is None


def test_a_counter_that_overflowed_has_no_budget():
    assert accuracy.energy({**SERVER, "cpu_energy": -0.1, "energy_consumed": 0.3}) is None


def test_a_calibration_takes_the_place_of_the_default():
    known = {"gpu": Gain(gain=1.02, u=0.01), "cpu": Gain(gain=1.1, u=0.02)}
    budget = accuracy.energy(SERVER, known)
    calibrated = next(one.law for one in budget.sources if one.concerns("gpu"))
    assert calibrated.centre == 1.02
    assert calibrated.spread == pytest.approx(0.0102)
    assert accuracy.SOURCES["gpu_sensor"].name not in dict(names(budget))
    found, default = combine(budget), combine(accuracy.energy(SERVER))
    assert found.high - found.low < default.high - default.low
    modelled = accuracy.energy(LAPTOP, known)
    assert modelled.parts["cpu"] == LAPTOP["cpu_energy"]  # its bias is in the gain
    assert accuracy.SOURCES["guessed_tdp"].name not in dict(names(modelled))


@pytest.mark.parametrize(
    ("gpu", "half"),
    [
        (Gain(gain=1.06, u=0.04), 1.96 * 0.04),  # of one fit: off alike
        (Gain(gain=1.07, u=0.04), 1.96 * 0.04 / math.sqrt(2)),
    ],
)
def test_components_that_were_calibrated_together_are_off_together(gpu, half):
    known = {"cpu": Gain(gain=1.06, u=0.04), "gpu": gpu, "wattmeter": Gain(gain=1.06, u=0.04)}
    run = SERVER | {"cpu_energy": 0.25, "gpu_energy": 0.25, "ram_energy": None}
    budget = accuracy.energy(run, known)
    found = combine(replace(budget, sources=of_machine(budget)))
    assert (found.high - found.low) / 2 == pytest.approx(half * found.estimate, rel=0.01)
    assert sum(line.share for line in found.lines) == pytest.approx(1)


def test_the_gain_of_one_calibration_cancels_between_components():
    gain = Gain(gain=1.06, u=0.04)
    known = {"cpu": gain, "gpu": gain}
    on_cpu = SERVER | {"cpu_energy": 0.5, "gpu_energy": None, "ram_energy": None}
    on_gpu = SERVER | {"cpu_energy": None, "gpu_energy": 0.5, "ram_energy": None}
    budgets = [accuracy.energy(run, known) for run in (on_cpu, on_gpu)]
    one, other = ([replace(each, sources=of_machine(each))] for each in budgets)
    assert compare(one, other).high == pytest.approx(0, abs=1e-12)


def of_machine(budget):
    return tuple(one for one in budget.sources if one.level == MACHINE)


def test_a_wattmeter_and_its_log():
    run = {"wattmeter_energy": 1.0, "wattmeter_edge_u": 0.02, "wattmeter_clock_u": None}
    budget = accuracy.wattmeter(run)
    assert names(budget) == [
        (accuracy.SOURCES["plug"].name, "machine"),
        ("the edges of the wattmeter's window", "machine"),
    ]
    better = accuracy.wattmeter(run, {"wattmeter": Gain(gain=1.0, u=0.001)})
    found = combine(better)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(0.02, rel=0.02)


def test_every_default_says_what_it_rests_on_and_what_would_help():
    assert all(source.basis and source.remedy for source in accuracy.SOURCES.values())


@pytest.mark.parametrize("source", accuracy.SOURCES.values(), ids=lambda source: source.name)
def test_the_documentation_says_what_is_assumed(source):
    said = Path("docs/measurement.md").read_text(encoding="utf-8")
    (row,) = [
        line
        for line in said.splitlines()
        if line.startswith(f"| {source.name} (") and source.basis in line
    ]
    if source.law.spread:  # else it depends on the run
        assert str(source.law) in row
