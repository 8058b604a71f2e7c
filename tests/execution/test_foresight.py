import json

import pytest

from lib.analysis import results
from lib.execution import foresight
from lib.study import catalog
from lib.study.study import Study, load_study
from tests import small_study, stand_in


def said(study, tmp_path, **options):
    runs = study.runs("s", tmp_path)
    return list(foresight.sentences(study, runs, tmp_path / "s", **options))


def asked(repetitions, **more):
    factors = {"architecture": ["VGG16", "VGG19", "ResNet50"], "epochs": [1, 2]}
    return Study(title="s", factors=factors | more, repetitions=repetitions)


def test_what_a_design_can_show(tmp_path):
    spread, effect, interaction, cost = said(asked(3), tmp_path)
    assert spread.startswith("At a spread of 5 % among repetitions (assumed")
    assert effect.startswith("- does architecture matter? Smallest p 1.3e-05; 80 % of such studies")
    assert interaction.startswith("- does its effect depend on the epochs? 80 % of such studies")
    assert cost.endswith("is unknown: nothing like it ran here.")


def test_what_a_design_cannot_show_is_said_beforehand(tmp_path):
    _, effect, _ = said(asked(2, epochs=[1]), tmp_path)
    assert effect.startswith("- does architecture matter? This design can't show it: smallest p")


def test_what_can_be_shown_only_beside_the_other_question_is_said_beforehand(tmp_path):
    """2 repetitions of 2 on 3 others: p is at least 1/27, which doubled is above 0.05."""
    study = asked(2, architecture=["VGG16", "VGG19"], epochs=[1, 2, 3])
    _, effect, interaction, _ = said(study, tmp_path)
    assert effect == (
        "- does architecture matter? This design can show it only together with the next: smallest "
        "p 0.037, and of two questions the first to be shown needs one below 0.025"
    )
    assert interaction.startswith("- does its effect depend on the epochs? 80 % of such studies")


def test_a_rule_is_told_and_nothing_compared_too(tmp_path):
    rule = {"precision": "5 %", "at_most": 12}
    assert "runs 3 to at most 12 repetitions" in " ".join(said(asked(rule), tmp_path))
    alone = Study(title="s", factors={"epochs": [1]}, repetitions=30)
    assert said(alone, tmp_path)[0].startswith("Nothing is compared")


def test_the_spread_of_an_earlier_study_is_taken(tmp_path):
    folder = small_study.make(tmp_path / "before")
    for number, path in enumerate(sorted(folder.glob("runs/*/run.json"))):
        record = json.loads(path.read_text())
        record["energy_consumed"] *= 1 + 0.01 * (number % 3)
        path.write_text(json.dumps(record))
    (folder / "results.csv").unlink(missing_ok=True)
    first = said(asked(3), tmp_path, like=folder)[0]
    assert str(folder) in first
    with pytest.raises(results.NoResultsError):
        said(asked(3), tmp_path, like=tmp_path / "nowhere")


def test_what_lies_around_a_training_takes_time_too(tmp_path):
    folder = small_study.make(tmp_path / "before", datasets=("digits",))
    study = load_study(folder / "study.yaml")
    moments = [f"2026-11-28T10:{minute}:00+00:00" for minute in ("00", "10", "20")]
    parts = zip(("idle", "training"), moments, moments[1:], strict=False)
    phases = [{"name": n, "started_at": a, "ended_at": b, "duration": 600.0} for n, a, b in parts]
    for path in folder.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        record |= {"phases": phases, "started_at": moments[1], "ended_at": moments[2]}
        path.write_text(json.dumps(record))
    cost = said(study, tmp_path)[-1]
    assert cost == "The run will take about 20 min 00 s, and its training 0.204 Wh."


@pytest.mark.parametrize("path", sorted(stand_in.ROOT.glob("params/*.yaml")), ids=lambda p: p.stem)
def test_every_study_that_comes_along_can_answer_what_it_asks(path, tmp_path, monkeypatch):
    """With two repetitions `quick` and `frameworks` could never show anything."""
    monkeypatch.setattr(catalog, "backend_installed", lambda name: True)
    told = said(load_study(path), tmp_path)
    assert not any("can't show" in sentence for sentence in told)
    questions = [sentence for sentence in told if sentence.startswith("- do")]
    assert all("% of such studies would find it" in sentence for sentence in questions)
    assert questions or told[0].startswith("Nothing is compared")
