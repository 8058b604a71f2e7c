import pandas as pd
import pytest

from lib.analysis import cost
from lib.instruments.carbon import PAPER_PLACES
from lib.instruments.trace import PowerTrace


def test_stages_around_the_training(tmp_path):
    runs = pd.DataFrame(
        {
            "energy_consumed": [0.001, 0.002],
            "idle_energy": [0.0005, None],
            "duration": [100.0, 100.0],
            "carbon_intensity": [100.0, 100.0],
            "idle_duration": [10.0, 10.0],
            "warmup_duration": [5.0, 0.0],
        }
    )
    with_trace, without = tmp_path / "failed", tmp_path / "killed"
    without.mkdir()
    trace = PowerTrace(with_trace / "power.csv")
    for _ in range(2):
        trace.add(interval=1.0, cpu_power=30.0, gpu_power=None, ram_power=6.0, energy_consumed=0)
    trace.close()
    found = cost.by_stage(runs, [with_trace, without]).set_index("stage")
    assert list(found.index) == ["training", "idle", "warmup", "failed or interrupted"]
    assert found.loc["training", "energy_consumed"] == pytest.approx(0.003)
    assert found.loc["training", "emissions"] == pytest.approx(0.0003)
    # The idle power of the run that measured it stands for the other's.
    assert found.loc["idle", "energy_consumed"] == pytest.approx(2 * 0.0005 / 10)
    assert found.loc["warmup", "energy_consumed"] == pytest.approx(0.001 / 20)
    assert found.loc["warmup", "how"] == cost.ESTIMATED
    assert found.loc["failed or interrupted", "energy_consumed"] == pytest.approx(72 / 3.6e6)
    assert found.loc["failed or interrupted", "runs"] == 1


def test_no_run_is_no_cost():
    assert cost.by_stage(pd.DataFrame(), []).empty


def test_emissions_of_a_part_do_not_pass_for_those_of_the_whole():
    runs = pd.DataFrame(
        {
            "energy_consumed": [0.001, 0.002, None],
            "duration": [100.0, 100.0, 100.0],
            "carbon_intensity": [100.0, 100.0, None],  # of a run without an energy none is missing
            "warmup_duration": [5.0, 0.0, None],
        }
    )
    for second, emissions in ((100.0, 0.0003), (None, float("nan"))):
        runs.loc[1, "carbon_intensity"] = second
        found = cost.by_stage(runs, []).set_index("stage")
        assert found.loc["training", "emissions"] == pytest.approx(emissions, nan_ok=True)
        total = cost.whole(found["emissions"], found["energy_consumed"])
        assert total == pytest.approx(emissions + 0.00005 * 0.1, nan_ok=True)


def test_the_same_energy_on_other_grids():
    table = cost.elsewhere(2.0, ["TWN", "FRA"])
    assert list(table["name"]) == ["France", "Taiwan"], "the least intense first"
    assert list(table["emissions"]) == pytest.approx([0.112078, 1.284756])


def test_the_papers_places_are_the_default():
    table = cost.elsewhere(1.0)
    assert set(table["place"]) == set(PAPER_PLACES)
    assert table["emissions"].notna().all()
    assert set(table["year"]) == {"2023"}


def test_an_unknown_place_and_an_ignored_region_are_told():
    table = cost.elsewhere(1.0, ["XYZ", "FRA/paris"]).set_index("place")
    assert pd.isna(table.loc["XYZ", "emissions"])
    assert "no data for country 'XYZ'" in table.loc["XYZ", "reason"]
    assert "region 'paris' is ignored" in table.loc["FRA/paris", "reason"]
