import pytest

from lib.paper import reanalysis
from tests import needs

pytestmark = needs.replication


@pytest.fixture(scope="module")
def results(authors):
    return authors.results


def test_the_wattmeter_runs_differ_by_the_design_of_a_study(results):
    table = reanalysis.by_design(results).set_index(["data", "dataset"])
    meter = table.loc["Wattmeter machine"]
    assert meter.loc["mnist", "p_exact"] == pytest.approx(1 / 280)
    assert meter.loc["both", "p_exact"] == pytest.approx(0.0005, abs=1e-4)
    assert meter.loc["mnist", "p_paper"] == pytest.approx(0.0273, abs=1e-4)
    assert meter.loc["both", "p_paper"] > 0.2
    assert meter.loc["both", "f_architecture"] == pytest.approx(280.3, abs=0.1)
    assert meter.loc["both", "f_interaction"] == pytest.approx(57.6, abs=0.1)
    assert meter.loc["both", "residual_sd_percent"] == pytest.approx(1.7, abs=0.05)
    assert (table.loc["Kaggle, corrected", "p_exact"] > 0.4).all()


def test_gpu_energies_are_sampled_or_one_reading(results):
    table = reanalysis.gpu_power(results)
    kaggle = table[table["campaign"] == "kaggle"]
    one = kaggle[kaggle["gpu_method"].str.contains("one reading")]
    assert one["runs"].sum() == 35
    assert (one["largest_distance_from_last_reading_W"] < 0.01).all()


def test_vgg19_takes_more_wherever_both_were_measured_soundly(results):
    assert (reanalysis.vgg_pairs(results)["vgg19_takes_more_percent"] > 8).all()


def test_energies_lie_within_their_bounds(results):
    bounds = reanalysis.energy_bounds(results)
    assert (bounds["lowest"] < bounds["highest"]).all()
    known = bounds.dropna(subset=["sampled"])
    assert known["sampled"].between(0.999 * known["lowest"], 1.001 * known["highest"]).all()


def test_every_table_has_rows(results):
    tables = reanalysis.tables(results)
    assert all(len(table) for table in tables.values())
    assert "by_design" in tables
