import pandas as pd
import pytest

from lib.analysis.places import elsewhere
from lib.instruments.carbon import PAPER_PLACES

RESULTS = pd.DataFrame(
    {
        "architecture": ["VGG16", "VGG16", "ResNet50", "VGG16"],
        "dataset": "mnist",
        "energy_consumed": [1.0, 3.0, 10.0, None],
    }
)


def test_the_same_energy_on_other_grids():
    table = elsewhere(RESULTS, ["FRA", "TWN"])
    assert list(table["architecture"]) == ["VGG16", "VGG16", "ResNet50", "ResNet50"]
    assert list(table["runs"]) == [2, 2, 1, 1]
    assert list(table["energy_consumed"]) == [2, 2, 10, 10]
    assert list(table["emissions"]) == pytest.approx([0.112078, 1.284756, 0.56039, 6.42378])
    assert list(table["name"]) == ["France", "Taiwan"] * 2


def test_the_papers_places_are_the_default():
    table = elsewhere(RESULTS)
    assert tuple(table["place"].unique()) == PAPER_PLACES
    assert table["emissions"].notna().all()
    assert set(table["year"]) == {2023}


def test_an_unknown_place_and_an_ignored_region_are_told():
    table = elsewhere(RESULTS, ["XYZ", "FRA/paris"], by=["dataset"]).set_index("place")
    assert pd.isna(table.loc["XYZ", "emissions"])
    assert "no data for country 'XYZ'" in table.loc["XYZ", "reason"]
    assert "region 'paris' is ignored" in table.loc["FRA/paris", "reason"]


def test_results_without_energy_leave_an_empty_table():
    empty = elsewhere(RESULTS.iloc[3:])
    assert empty.empty
    assert "emissions" in empty.columns
