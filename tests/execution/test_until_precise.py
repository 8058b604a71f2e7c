import random
import time
from dataclasses import replace

import pytest
from rich.console import Console

from lib import cli, records
from lib.analysis import questions
from lib.execution import until_precise
from lib.execution.call import Call
from lib.execution.kaggle import command
from lib.study import plan
from lib.study.config import RunConfig
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.study import Study, read_back
from tests import stand_in
from tests.analysis import studies
from tests.conftest import SCATTERED, write_notebook
from tests.execution.test_faults import complete, outcome, over, strike

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
    assert " % or better by the runs' scatter (wanted: " in said
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


def test_a_part_of_a_study_leaves_the_blocks_that_were_planned(tmp_path, monkeypatch):
    asked = call(tmp_path)
    ended(monkeypatch, cv=0.1)
    further, _ = until_precise.next_block(asked, [])
    plan.freeze(further.everything, asked.study_dir)
    part = replace(asked, chosen=frozenset([asked.everything[0].run_id]))
    resumed = until_precise.resumed(part)
    assert resumed.everything == further.everything
    assert resumed.chosen == part.chosen
    assert until_precise.next_block(resumed, []) == (None, "")


def test_a_number_of_repetitions_is_what_it_says(tmp_path):
    fixed = call(tmp_path, repetitions=4)
    assert until_precise.resumed(fixed) is fixed
    assert until_precise.next_block(fixed, []) == (None, "")


def test_kaggle_takes_no_rule(tmp_path):
    with pytest.raises(StudyError, match="uploaded beforehand; set a number"):
        command.run("build", call(tmp_path), Console(), None)


# Whole calls, with runs that measure what is made up.

STUDY = "title: small\nfactors: {epochs: [1, 2]}\nrepetitions: {precision: 2 %, at_most: 9}\n"


def repetitions(folder):
    """How many complete runs each configuration has; and what was planned."""
    study_dir = folder / "outputs" / "small"
    table = records.read_results(study_dir)
    assert set(table["run_id"]) == set(plan.read(study_dir))
    return table["epochs"].value_counts().to_dict()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small.yaml").write_text(STUDY)
    return tmp_path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Where the study ran to its end at one go, and what the call said."""
    folder = tmp_path_factory.mktemp("undisturbed")
    notebook = write_notebook(folder / "stand-in", SCATTERED)
    (folder / "small.yaml").write_text(STUDY)
    status, said = stand_in.run(notebook, folder, "small.yaml", kernel=False)
    assert status == cli.COMPLETE, said
    return folder, said


def test_a_study_goes_on_by_whole_blocks_and_says_how_far_it_is(undisturbed):
    folder, said = undisturbed
    told = [line for line in said.splitlines() if line.startswith("After ")]
    counts = [int(line.split()[1]) for line in told]
    assert counts == list(range(3, counts[-1] + 1))
    assert 4 < counts[-1] < 9
    assert repetitions(folder) == {1: counts[-1], 2: counts[-1]}
    assert all("likely to follow" in line for line in told[:-1])
    assert told[-1].endswith("or better by the runs' scatter (wanted: ± 2 %).")
    found = records.read_results(folder / "outputs" / "small")
    known = questions.answer(found, read_back(StudyFolder(folder / "outputs" / "small")))
    assert known.reach <= 0.02
    before = complete(folder)
    notebook = folder / "stand-in" / "train.ipynb"
    assert stand_in.run(notebook, folder, "small.yaml", kernel=False)[0] == cli.COMPLETE
    assert complete(folder) == before, "nothing was left to do"


def test_killed_between_and_within_blocks_it_comes_out_the_same(folder, notebook, undisturbed):
    notebook(SCATTERED)
    dice, known, killed = random.Random(4), {}, 0
    again = (RunConfig.notebook, folder, "small.yaml", "--retry-failed")
    while killed < 4:
        process = stand_in.start(*again, kernel=False)
        before = len(over(folder / "outputs" / "small"))
        while process.status is None and len(over(folder / "outputs" / "small")) <= before + 1:
            time.sleep(0.005)
        time.sleep(dice.uniform(0, 0.2))
        if process.status is not None:
            break
        strike(process, "kill")
        killed += 1
        now = complete(folder)
        assert known.items() <= now.items(), "a complete run was touched"
        known = now
    process.end()
    assert killed > 1
    status, said = stand_in.run(*again, kernel=False)
    assert status == cli.COMPLETE, said
    assert outcome(folder) == outcome(undisturbed[0])
