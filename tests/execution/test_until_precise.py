import pytest
from rich.console import Console

from lib.execution import until_precise
from lib.execution.call import Call
from lib.execution.kaggle import command
from lib.study import plan
from lib.study.errors import StudyError
from lib.study.study import Study
from tests.analysis import studies

RULE = {"precision": "5 %", "at_least": 3, "at_most": 6}


def call(tmp_path, **said):
    factors = {"architecture": ["VGG16", "VGG19"], "epochs": [1]}
    study = Study(title="s", factors=factors, **{"repetitions": RULE} | said)
    runs = study.runs("s", tmp_path)
    ids = frozenset(run.run_id for run in runs)
    return Call(study, "s", tmp_path / "s.yaml", tmp_path, runs, ids)


def ended(monkeypatch, cv, repetitions=3):
    """Let the records of a call say what a made-up study measured."""
    runs = studies.results((1, 1.1), repetitions=repetitions, datasets=("digits",), cv=cv)
    monkeypatch.setattr(until_precise.records, "table", lambda _: runs)


def test_another_block_follows_until_ratios_are_known(tmp_path, monkeypatch):
    first = call(tmp_path)
    ended(monkeypatch, cv=0.1)
    second, said = until_precise.next_block(first, [])
    assert said.startswith("After 3 repetitions every ratio is known to ± ")
    assert said.endswith("3 more are likely to follow.")
    assert second.everything[:6] == first.everything
    assert [run.repetition for run in second.everything[6:]] == [4, 4]
    assert second.chosen == {run.run_id for run in second.everything}
    ended(monkeypatch, cv=0.001)
    over, said = until_precise.next_block(second, [])
    assert over is None
    assert said.startswith("After 4 repetitions every ratio is known to ± 0.")


def test_it_ends_at_the_most_that_is_allowed(tmp_path, monkeypatch):
    asked = call(tmp_path)
    ended(monkeypatch, cv=0.3)
    for _ in range(3):
        asked, _ = until_precise.next_block(asked, [])
    over, said = until_precise.next_block(asked, [])
    assert over is None
    assert "6 are the most that the study allows" in said


def test_a_killed_call_goes_on_with_the_blocks_that_were_planned(tmp_path, monkeypatch):
    asked = call(tmp_path)
    ended(monkeypatch, cv=0.1)
    further, _ = until_precise.next_block(asked, [])
    plan.freeze(further.everything, asked.study_dir)
    assert until_precise.resumed(asked).everything == further.everything
    assert until_precise.resumed(call(tmp_path / "other")).everything[-1].repetition == 3


def test_a_number_of_repetitions_is_what_it_says(tmp_path):
    fixed = call(tmp_path, repetitions=4)
    assert until_precise.resumed(fixed) is fixed
    assert until_precise.next_block(fixed, []) == (None, "")


def test_kaggle_takes_no_rule(tmp_path):
    with pytest.raises(StudyError, match="uploaded beforehand; set a number"):
        command.run("build", call(tmp_path), Console(), None)
