import pandas as pd
import pytest

from lib.analysis.places import elsewhere
from lib.instruments.carbon import PAPER_PLACES


def test_the_same_energy_on_other_grids():
    table = elsewhere(2.0, ["TWN", "FRA"])
    assert list(table["name"]) == ["France", "Taiwan"], "the least intense first"
    assert list(table["emissions"]) == pytest.approx([0.112078, 1.284756])


def test_the_papers_places_are_the_default():
    table = elsewhere(1.0)
    assert set(table["place"]) == set(PAPER_PLACES)
    assert table["emissions"].notna().all()
    assert set(table["year"]) == {"2023"}


def test_an_unknown_place_and_an_ignored_region_are_told():
    table = elsewhere(1.0, ["XYZ", "FRA/paris"]).set_index("place")
    assert pd.isna(table.loc["XYZ", "emissions"])
    assert "no data for country 'XYZ'" in table.loc["XYZ", "reason"]
    assert "region 'paris' is ignored" in table.loc["FRA/paris", "reason"]
