import pytest

from lib.paper import wattmeter_runs
from tests import needs

pytestmark = needs.replication


@pytest.fixture(scope="module")
def results(authors):
    return authors.results


def test_a_rapl_counter_holds_a_quarter_of_a_megajoule():
    joules = wattmeter_runs.RAPL_RANGE * 3.6e6
    assert joules == pytest.approx(262_144)


def test_mean_powers_are_energies_over_durations(results):
    runs = wattmeter_runs.with_power(results)
    first = runs.iloc[0]
    assert first["gpu_energy_power"] == first["gpu_energy"] * 3.6e6 / first["duration"]
    assert runs["wattmeter_power"].notna().sum() == 18


def test_medians_are_those_of_table_7(results):
    table = wattmeter_runs.wattmeter_medians(results).set_index(["dataset", "architecture"])
    assert len(table) == 6
    assert table["wattmeter_energy"].idxmin() == ("cifar10", "VGG16")
    assert (table["kaggle_duration"] < table["duration"]).all()


def test_what_an_overflow_left_is_estimated(results):
    runs = wattmeter_runs.wattmeter_power(results)
    assert len(runs) == 18
    assert (runs["cpu_energy"].abs() <= 2 * wattmeter_runs.RAPL_RANGE).all()
    assert runs["gap_estimated_percent"].between(24, 30).all()


def test_a_stopwatch_agrees_with_the_wattmeter_as_well(results):
    rho = wattmeter_runs.instrument_agreement(results).set_index("comparison")["statistic"]
    assert rho["energy, medians of three (the paper's)"] == pytest.approx(0.943, abs=1e-3)
    assert rho["duration against wattmeter energy"] > 0.9
    assert rho["mean power"] < 0.5
