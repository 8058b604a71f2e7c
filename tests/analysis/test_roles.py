import pandas as pd
import pytest

from lib import quantities
from lib.analysis import results, roles
from lib.report import answer, figures, tables
from lib.study.study import Study
from tests import own_study

RUNS = pd.DataFrame(
    {
        "notebook": "own.ipynb",
        "kind": ["gru", "gru", "cnn"],
        "width": [32, 64, 32],
        "perplexity": [3.0, 2.0, 4.0],
    }
)


@pytest.fixture(autouse=True)
def words(monkeypatch):
    """What is called otherwise here is not so elsewhere."""
    said = {}
    call = quantities.call
    monkeypatch.setattr(quantities, "QUANTITIES", quantities.QUANTITIES.copy())
    monkeypatch.setattr(quantities, "_RENAMED", set())
    monkeypatch.setattr(quantities, "call", lambda names: [said.update(names), call(names)])
    return said


def study(**said):
    factors = {"kind": ["gru", "cnn"], "width": [32, 64]}
    return Study(**{"title": "Own", "factors": factors, "notebook": "own.ipynb"} | said)


def test_factors_and_quality_take_the_parts(words):
    quality = {"name": "perplexity", "better": "lower"}
    played = roles.played(RUNS, study(quality=quality))
    assert played["architecture"].tolist() == ["gru", "gru", "cnn"]
    assert played["dataset"].tolist() == ["width 32", "width 64", "width 32"]
    assert played["accuracy"].tolist() == [-3, -2, -4], "more is better"
    assert words == {
        **{"architecture": "Kind", "dataset": "Width"},
        **{"accuracy": "−perplexity", "mean_accuracy": "−perplexity, mean"},
        **{"accuracy_difference": "−perplexity, difference", "threshold": "−perplexity, target"},
        "equal_accuracy": "−perplexity, equal",
    }


def test_what_is_compared_may_be_a_number(words):
    played = roles.played(RUNS.assign(accuracy=0.5), study(compare="width"))
    assert played["architecture"].tolist() == ["width 32", "width 64", "width 32"]
    assert played["dataset"].tolist() == ["gru", "gru", "cnn"]
    assert "accuracy" not in words, "it is what it is"


def test_one_factor_is_compared_within_nothing_else():
    played = roles.played(RUNS, study(factors={"kind": ["gru", "cnn"]}))
    assert set(played["dataset"]) == {quantities.ALONE}
    nothing = roles.played(RUNS, study(factors={}))
    assert set(nothing["architecture"]) == {"Own"}


def test_runs_of_train_ipynb_stay_as_they_are():
    runs = RUNS.drop(columns="notebook")
    assert roles.played(runs, study()) is runs
    assert roles.played(RUNS.assign(notebook=None), study())["kind"].tolist() == [*RUNS["kind"]]


def test_histories_have_the_quality_where_curves_look():
    told = {"a": pd.DataFrame({"perplexity": [4.0, 3.0]}), "b": pd.DataFrame({"loss": [1.0]})}
    lower = study(quality={"name": "perplexity", "better": "lower"})
    found = roles.histories(told, lower)
    assert found["a"]["val_accuracy"].tolist() == [-4, -3]
    assert list(found["b"]) == ["loss"]
    assert roles.histories(told, study()) is told


@pytest.mark.parametrize("quality", [("bits_per_character", "lower"), ("accuracy", "higher")])
def test_a_report_speaks_the_studys_words(tmp_path, quality):
    study = results.load(own_study.make(tmp_path / "study", *quality))
    question = answer.question(study)
    found = " ".join(map(str, answer.found(study).sentences))
    shown = tables.answer(study).frame.to_csv() + tables.scores(study).frame.to_csv()
    aim = quality[0].replace("_", " ")
    asked = "to train gru and transformer with width 32 and width 64, and for what"
    assert f"{asked} {aim}?" in question
    assert f"transformer with width 32 ({aim} " in found
    assert "architecture" not in question
    assert ("score" in question + found + shown) == (aim == "accuracy")


def test_a_saving_is_told_in_the_words_of_the_studys_quality(tmp_path):
    options = {"factors": {"kind": ["gru", "transformer"]}, "variants": ({}, {"epochs": 1})}
    study = results.load(own_study.make(tmp_path / "study", **options))
    gru = (study.saved["architecture"] == "gru") & (study.saved["variant"] != "reference")
    known = ["p_holm", "saved_percent", "saved_percent_low", "saved_percent_high"]
    study.saved.loc[gru, known] = 0.01, 30.0, 20.0, 40.0
    saved = answer.found(study).sentences[-1]
    # 5 % more bits than 3.04, the best mean of both.
    assert saved.startswith("Gru · epochs: 1 reaches bits per character 3.19 with 30 % less"), saved
    beside = figures.savings(study.saved).layout.xaxis2.title.text
    assert beside == "−bits per character, difference", "which are no percentage points"


def test_of_a_quality_that_is_no_accuracy_no_chance_level_is_known(tmp_path, monkeypatch):
    """Bits below 0 were below the tenth that guessing reaches on mnist."""
    monkeypatch.setattr(own_study, "CELL", f'{own_study.CELL}\ndataset = "mnist"')
    factors = {"kind": ["gru", "transformer"], "dataset": ["mnist", "cifar10"]}
    study = results.load(own_study.make(tmp_path / "study", factors=factors))
    assert study.guessing == []
    assert "energy_to_threshold" in tables.frugality(study).frame
