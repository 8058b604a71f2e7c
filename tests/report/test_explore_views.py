import pytest

from lib.analysis import results
from lib.report import explore_views
from tests import small_study


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return small_study.make_outputs(tmp_path_factory.mktemp("outputs"))


def test_studies_to_choose_from_are_those_with_results(outputs):
    assert list(explore_views.folders(outputs / "quick")) == ["damaged", "quick", "second"]
    assert "empty" in explore_views.folders(outputs / "empty"), "that one which was asked for"
    assert (explore_views.folders(outputs / "quick")["second"] / "study.yaml").is_file()


def test_measures_and_factors_are_those_that_a_study_has(outputs):
    runs = results.load(outputs / "quick").runs
    assert "wattmeter_energy" not in explore_views.responses(runs)
    assert {"energy_consumed", "power", "flops", "score"} <= set(explore_views.responses(runs))
    assert explore_views.factors(runs) == ["architecture", "dataset", "repetition"]


def test_what_is_not_set_is_a_level_of_its_factor(tmp_path):
    limits = ({}, {"train_limit": 100})
    study = results.load(small_study.make(tmp_path / "limits", repetitions=2, variants=limits))
    assert "train_limit" in explore_views.factors(study.runs)
    _, table = explore_views.by_factor(study, "energy_consumed", "train_limit")
    assert list(table.frame["train_limit"]) == ["100", "none"]
    assert list(table.frame["runs"]) == [12, 12]


def test_the_means_are_in_the_unit_of_their_caption(outputs):
    study = results.load(outputs / "quick")
    figure, table = explore_views.by_factor(study, "energy_consumed", "dataset")
    assert table.caption == "Energy (Wh) by dataset"
    assert figure.layout.yaxis.title.text == "Energy (Wh)"
    means = table.frame.set_index("dataset")["mean"]
    assert list(means.index) == ["mnist", "digits"]
    assert means["digits"] == pytest.approx((0.20 + 0.25 + 0.15) / 3 * 1.015)


def test_variants_are_kept_apart_unless_they_are_what_is_compared(tmp_path):
    sizes = ({"batch_size": 8}, {"batch_size": 32}, {"batch_size": 128})
    study = results.load(small_study.make(tmp_path / "sizes", repetitions=2, variants=sizes))
    figure, table = explore_views.by_factor(study, "duration", "architecture")
    assert len(figure.layout.annotations) == 6, "a panel each, on either dataset"
    assert list(table.frame["variant"][::3]) == ["reference", "batch_size: 8", "batch_size: 128"]
    for factor, levels in (
        ("batch_size", ["8", "32", "128"]),
        ("variant", ["reference", "batch_size: 8", "batch_size: 128"]),
    ):
        figure, table = explore_views.by_factor(study, "duration", factor)
        assert list(table.frame[factor]) == levels
        assert list(figure.layout.xaxis.ticktext) == levels
        assert set(table.frame["runs"]) == {12}
