import dataclasses
import math

import pandas as pd
import pytest

from lib.analysis.uncertainty import (
    NOTHING,
    beyond_scatter,
    judged,
    known,
    of_configurations,
)
from lib.instruments import accuracy
from lib.stats.estimate import Estimate, widened
from lib.stats.pairs import ALIKE, DIFFERS, NOT_DECIDED, Pair
from tests.instruments.test_accuracy import LAPTOP, SERVER


def runs(run, factor=1.0, machine=None, times=3, **more):
    """So many runs, `factor` times as large in energy and duration."""
    scaled = {
        name: value * factor if name.endswith(("energy", "energy_consumed", "duration")) else value
        for name, value in run.items()
        if value is not None
    }
    return pd.DataFrame([{**scaled, "machine": machine or run["machine"], **more}] * times)


def beyond(a, b, response="energy_consumed", **options):
    """What instruments leave uncertain about the ratio of two sets of runs."""
    return beyond_scatter(*sides(a, b, response), **options)


def heeded(found, a, b, response="energy_consumed"):
    """A pair with what the instruments of two sets of runs leave uncertain."""
    return judged(found, *sides(a, b, response))


def sides(a, b, response):
    both = pd.concat([a, b])
    found = known(both, ["a"] * len(a) + ["b"] * len(b), response)
    return [found.get(name, {}) for name in ("a", "b")]


def width(beyond):
    return beyond.high - beyond.low


def test_what_two_sets_share_cancels():
    one, twice = runs(SERVER), runs(SERVER, 2.0)
    here = beyond(twice, one)
    assert width(here) < 0.15  # what the workload changes: 2.5 % each, and the A100's sight
    elsewhere = beyond(twice.assign(machine="other"), one)
    assert width(elsewhere) > 0.2


def test_one_gain_for_all_of_a_machine_moves_no_ratio():
    one, twice = runs(SERVER), runs(SERVER, 2.0)
    found = beyond(twice, one)
    energies = [name for name in one if "energy" in name]
    scaled = [
        frame.assign(**{name: frame[name] * 1.05 for name in energies}) for frame in (twice, one)
    ]
    assert beyond(*scaled).low == pytest.approx(found.low, abs=1e-3)


def test_runs_on_two_machines_are_compared_within_each():
    one = pd.concat([runs(SERVER), runs(SERVER, machine="other", times=9)])
    twice = pd.concat([runs(SERVER, 2.0, times=9), runs(SERVER, 2.0, machine="other")])
    assert width(beyond(twice, one)) < width(beyond(runs(SERVER, 2.0), runs(SERVER)))


def test_models_do_not_know_workloads():
    found = beyond(runs(LAPTOP, 1.5), runs(LAPTOP), itemised=True)
    assert width(found) > 0.5
    assert "RAPL" in found.settled_by


def test_watts_that_nobody_reads_favour_nobody_at_equal_duration():
    one, twice = runs(SERVER), runs(SERVER, 2.0)
    proportional = beyond(twice, one)
    assert proportional.with_unseen[1] == pytest.approx(proportional.middle, abs=0.01)
    hungrier = twice.assign(duration=one["duration"])
    low, middle, _ = beyond(hungrier, one).with_unseen
    assert middle < -0.02  # the same constant is added above and below the line
    assert low < beyond(hungrier, one).low


@pytest.mark.parametrize("response", ["accuracy", "duration", "emissions", "flops"])
def test_other_quantities_are_exact_or_have_energys_uncertainty(response):
    assert beyond(runs(SERVER), runs(SERVER), response) == NOTHING


def test_runs_without_energy_say_nothing():
    assert beyond(runs(SERVER).assign(energy_consumed=math.nan), runs(SERVER)) == NOTHING


def test_half_widths_add_as_squares():
    low, high = widened(-0.03, 0.1, 0.23, (-0.07, 0.0, 0.05))
    assert low == pytest.approx(0.1 - math.hypot(0.13, 0.07))
    assert high == pytest.approx(0.1 + math.hypot(0.13, 0.05))


def test_of_many_ratios_instruments_are_held_to_what_the_scatter_is_held_to():
    """Of 15 pairs the interval of each misses with a chance of 0.33 %: 2.94 in place of 1.96 SD."""
    doubt = (-0.0196, 0.0, 0.0392)
    low, high = widened(0.0, 0.0, 0.0, doubt, 0.05 / 15)
    assert (low, high) == pytest.approx((-0.0294, 0.0587), abs=1e-4)
    assert Estimate(0.0, 1e-9, 9).in_all(0.05 / 15, [doubt]) == pytest.approx((low, high))


def test_a_mean_of_repetitions_has_their_scatter_in_place_of_each_runs_own():
    frame = runs(SERVER, times=4)
    frame["energy_consumed"] *= [0.9, 1.0, 1.0, 1.1]
    frame["gpu_energy"] *= [0.9, 1.0, 1.0, 1.1]
    frame["cpu_energy"] *= [0.9, 1.0, 1.0, 1.1]
    frame["ram_energy"] *= [0.9, 1.0, 1.0, 1.1]
    found = of_configurations(frame, ["cpu_model"])[(SERVER["cpu_model"],)]
    lines = {line.source.name: line for line in found.lines}
    scatter = lines["the scatter of the repetitions"]
    half = 3.182 * 0.5 * 0.0816 / 2  # t(3) x kWh x SD over the root of 4
    assert (scatter.high - scatter.low) / 2 == pytest.approx(half, rel=0.03)
    assert "the lag of the GPU's counter" not in lines
    single = of_configurations(frame.head(1), ["cpu_model"])[(SERVER["cpu_model"],)]
    assert "the lag of the GPU's counter" in {line.source.name for line in single.lines}


def test_a_run_without_an_energy_changes_nothing_of_a_mean():
    """Its components, of which one is missing, would keep the parts from adding up."""
    lost = runs(SERVER, 1.5, times=1, energy_consumed=math.nan, gpu_energy=None)
    good, more = runs(SERVER), pd.concat([lost, runs(SERVER), lost])
    assert of_configurations(more, ["machine"]) == of_configurations(good, ["machine"])
    other = runs(SERVER, 2.0)
    assert beyond(more, other) == beyond(good, other)
    assert of_configurations(lost, ["machine"]) == {}


def test_a_component_that_a_machine_has_not_took_nothing_there():
    energy = SERVER["energy_consumed"] - SERVER["gpu_energy"]
    without = runs(SERVER, machine="other", energy_consumed=energy, gpu_energy=None)
    found = of_configurations(pd.concat([runs(SERVER), without]), ["cpu_model"])
    (limits,) = found.values()
    assert accuracy.SOURCES["unknown"].name not in {line.source.name for line in limits.lines}


def pair(ratio=1.2, error=0.012, **more):
    found = Estimate(math.log(ratio), error, 4)
    tested = {"alpha": 0.05 / 2, "p": found.p, "p_holm": 2 * found.p}
    known = {"ratio": ratio, "error": error, "df": 4, **tested, **more}
    return Pair(("digits",), "VGG19", "VGG16", (3, 3), **known)


def test_counters_let_a_fifth_be_told_and_models_do_not():
    told = heeded(pair(), runs(SERVER, 1.2), runs(SERVER))
    assert told.verdict == DIFFERS
    in_doubt = heeded(pair(), runs(LAPTOP, 1.2), runs(LAPTOP))
    assert in_doubt.verdict == NOT_DECIDED
    assert in_doubt.is_in_doubt
    assert "RAPL" in in_doubt.settled_by


def test_limits_are_of_instruments_too_and_precision_of_the_scatter_alone():
    by_scatter = pair()
    in_all = heeded(by_scatter, runs(LAPTOP, 1.2), runs(LAPTOP))
    assert in_all.low < 1 < 1.4 < in_all.high
    assert 1.1 < by_scatter.low < by_scatter.high < 1.3
    assert in_all.precision == by_scatter.precision < 0.05


def test_two_machines_need_more_than_one():
    elsewhere = runs(SERVER, 1.2, machine="other")
    one, two = (
        heeded(pair(1.12), runs, runs_)
        for runs, runs_ in ((runs(SERVER, 1.12), runs(SERVER)), (elsewhere, runs(SERVER)))
    )
    assert (one.verdict, two.verdict) == (DIFFERS, NOT_DECIDED)


def test_alike_needs_instruments_that_know():
    known = {"p_alike": 0.0005, "p_alike_holm": 0.001, "margin": 0.05}
    close = pair(1.0, 0.003, **known)
    assert close.verdict == ALIKE
    assert heeded(close, runs(SERVER), runs(SERVER)).verdict == NOT_DECIDED
    assert heeded(close, runs(SERVER), runs(SERVER), "duration") == close


def test_instruments_that_leave_nothing_open_change_no_verdict():
    """Holm's p is below 5 % where a simultaneous interval may still hold 1."""
    found = pair(1.2, 0.06)
    found = dataclasses.replace(found, p_holm=found.p)  # the larger p of two
    assert found.low < 1
    assert found.verdict == DIFFERS
    same = runs(SERVER).assign(gpu_energy=None, cpu_energy=None, ram_energy=None)
    heeded_ = heeded(found, same, same)
    assert heeded_.verdict == DIFFERS
