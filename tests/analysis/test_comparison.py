from dataclasses import replace

import numpy as np
import pytest

from lib.analysis import comparison, results
from tests import small_study

HOSTILE = "<a href='javascript:alert(1)'>x</a>"


def edited(study, **changes):
    """The same study with other values in all its runs."""
    return replace(study, results=study.results.assign(**changes))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return results.load(small_study.make(tmp_path_factory.mktemp("first"), repetitions=5))


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """Twice the energy; without mnist."""
    twice = {name: 2 * energy for name, energy in small_study.ENERGY.items()}
    folder = tmp_path_factory.mktemp("second")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_study, "ENERGY", twice)
        return results.load(small_study.make(folder, repetitions=6, datasets=("digits",)))


def compared(one, other, response="energy_consumed"):
    return comparison.side_by_side(one, other, response)


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
    few = results.load(small_study.make(tmp_path / "few", repetitions=1))
    (reason,) = set(compared(first, few).means["reason"])
    assert reason == "one run alone has no spread"
    assert compared(first, few).means["ratio"].notna().all()


def test_what_is_missing_in_one_is_empty_and_says_why(first, tmp_path):
    nowhere = small_study.make(tmp_path / "nowhere", repetitions=5, location=None)
    nowhere = results.load(nowhere)
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
        ({"version_codecarbon": "2.8.0"}, "Major version of CodeCarbon"),
        ({"location": "FRA"}, "Location"),
        ({"warmup_seconds": 30.0}, "Warmup seconds"),
    ],
)
def test_what_was_not_measured_alike_is_said(first, second, changes, what):
    first = edited(first, machine="ba9876543210", version_codecarbon="3.3.2")
    second = edited(second, **{"machine": "ba9876543210", "version_codecarbon": "3.9.0"} | changes)
    found = compared(first, second)
    assert list(found.unlike["what"]) == [what]
    assert what in found.warning
    assert "energy can't be compared" in found.warning
    assert compared(first, second, "flops").warning == ""
    assert compared(first, second, "accuracy").warning == ""


def test_other_settings_are_listed_but_are_no_warning(first, second):
    found = compared(first, edited(second, epochs=5, train_limit=100))
    assert found.settings.to_dict("records") == [
        {"what": "Epochs", "A": "2", "B": "5"},
        {"what": "Train limit", "A": "none", "B": "100"},
    ]
    assert found.warning == ""


def test_an_image_size_that_is_not_set_is_that_of_the_dataset(first, second):
    assert compared(first, edited(second, image_size=32)).settings.empty
    assert list(compared(first, edited(second, image_size=64)).settings["B"]) == ["64"]


def test_studies_that_share_nothing_say_what_they_have(first, tmp_path):
    other = results.load(small_study.make(tmp_path / "other", datasets=("cifar10",)))
    with pytest.raises(comparison.NothingSharedError, match=r"A has VGG16 on mnist.* VGG16 on cif"):
        compared(first, other)


def test_of_several_variants_the_reference_is_compared(second, tmp_path):
    several = small_study.make(tmp_path / "several", variants=({}, {"batch_size": 64}))
    found = compared(results.load(several), second)
    assert set(found.means["runs_A"]) == {3}
    assert found.notes == ("A has several variants, of which the reference is compared.",)
