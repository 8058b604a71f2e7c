import numpy as np
import pytest

from lib.analysis import comparison, results
from lib.records import read
from tests import small_study

HOSTILE = "<a href='javascript:alert(1)'>x</a>"


def edited(folder, **changes):
    """The same study with other values in the records of all its runs."""
    for path in folder.glob("runs/*/run.json"):
        record = read(path)
        known = {
            name: value for name, value in changes.items() if name in type(record).model_fields
        }
        config = {name: value for name, value in changes.items() if name in record.config}
        record.model_copy(update=known | {"config": record.config | config}).write(path.parent)
    return folder


@pytest.fixture
def first(tmp_path):
    return small_study.make(tmp_path / "first", repetitions=5)


@pytest.fixture
def second(tmp_path, monkeypatch):
    """Twice the energy; without mnist."""
    twice = {name: 2 * energy for name, energy in small_study.ENERGY.items()}
    monkeypatch.setattr(small_study, "ENERGY", twice)
    return small_study.make(tmp_path / "second", repetitions=6, datasets=("digits",))


def compared(one, other, response="energy_consumed"):
    return comparison.side_by_side(results.load(one), results.load(other), response)


def test_what_both_trained_is_set_side_by_side(first, second):
    found = compared(first, second)
    means = found.means.set_index("architecture")
    assert list(means.index) == ["VGG16", "VGG19", "ResNet50"]
    assert set(means["dataset"]) == {"digits"}
    assert set(means["runs_A"]) == {5}
    assert set(means["runs_B"]) == {6}
    # Repetitions take 1 %, 2 % ... more: 3 % of five, 3.5 % of six on average.
    np.testing.assert_allclose(means["mean_A"], [0.206e-3, 0.2575e-3, 0.1545e-3])
    np.testing.assert_allclose(means["ratio"], 2 * 1.035 / 1.03)
    assert (means["ratio_low"] < means["ratio"]).all()
    assert (means["ratio"] < means["ratio_high"]).all()
    assert not means["reason"].any()
    assert dict(found.runs["study"].value_counts()) == {"A": 15, "B": 18}


def test_the_interval_holds_the_true_ratio_nearly_as_often_as_it_says():
    numbers = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        a, b = numbers.normal(10, 1, 8), numbers.normal(20, 2, 8)
        row = comparison._means(a, b)
        held += row["ratio_low"] <= 2 <= row["ratio_high"]
    assert 0.85 <= held / 200 <= 0.99


def test_one_run_gives_a_ratio_and_the_reason_why_there_is_no_interval(first, tmp_path):
    few = small_study.make(tmp_path / "few", repetitions=1)
    (reason,) = set(compared(first, few).means["reason"])
    assert reason == "one run alone has no spread"
    assert compared(first, few).means["ratio"].notna().all()


def test_what_is_missing_in_one_is_empty_and_says_why(first, tmp_path):
    nowhere = small_study.make(tmp_path / "nowhere", repetitions=5, location=None)
    means = compared(first, nowhere, "emissions").means
    assert set(means["reason"]) == {"no run of B has a value"}
    assert means["ratio"].isna().all()
    assert means["mean_A"].notna().all()


def test_studies_that_were_measured_alike_get_no_warning(first, second):
    found = compared(first, second)
    assert found.unlike.empty
    assert found.settings.empty
    assert found.warning == ""


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"machine": "0123456789ab"}, "Machine"),
        ({"cpu_method": "measured counter (RAPL)"}, "CPU method"),
        ({"ram_method": "model (10 W)"}, "RAM method"),
        ({"versions": {"codecarbon": "2.8.0"}}, "Major version of CodeCarbon"),
        ({"location": "FRA"}, "Location"),
        ({"warmup_seconds": 30.0}, "Warmup seconds"),
    ],
)
def test_what_was_not_measured_alike_is_said(first, second, changes, what):
    edited(first, machine="ba9876543210", versions={"codecarbon": "3.3.2"})
    edited(second, **({"machine": "ba9876543210", "versions": {"codecarbon": "3.9.0"}} | changes))
    found = compared(first, second)
    assert list(found.unlike["what"]) == [what]
    assert what in found.warning
    assert "energy can't be compared" in found.warning
    assert compared(first, second, "flops").warning == ""
    assert compared(first, second, "accuracy").warning == ""


def test_other_settings_are_listed_but_are_no_warning(first, second):
    edited(second, epochs=5, train_limit=100)
    found = compared(first, second)
    assert found.settings.to_dict("records") == [
        {"what": "Epochs", "A": "2", "B": "5"},
        {"what": "Train limit", "A": "none", "B": "100"},
    ]
    assert found.warning == ""


def test_an_image_size_that_is_not_set_is_that_of_the_dataset(first, second):
    edited(second, image_size=32)
    assert compared(first, second).settings.empty
    edited(second, image_size=64)
    assert list(compared(first, second).settings["B"]) == ["64"]


def test_studies_that_share_nothing_say_what_they_have(first, tmp_path):
    other = small_study.make(tmp_path / "other", datasets=("cifar10",))
    with pytest.raises(comparison.NothingSharedError, match=r"A has VGG16 on mnist.* VGG16 on cif"):
        compared(first, other)


def test_of_several_variants_the_reference_is_compared(first, second):
    paths = sorted(first.glob("runs/*-r5-*/run.json"))
    for path in paths:
        record = read(path)
        record.model_copy(update={"config": record.config | {"batch_size": 64}}).write(path.parent)
    found = compared(first, second)
    assert set(found.means["runs_A"]) == {4}
    assert found.notes == ("A has several variants, of which the reference is compared.",)
