import io

import pytest
from rich.console import Console

from lib import records
from lib.execution import local, run_folders, run_study, so_far
from lib.execution.call import _trial, prepare
from lib.records import Record
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder

STUDY = """
title: Two networks
defaults: {weights: none, train_limit: 64}
factors: {architecture: [VGG16, ResNet50]}
repetitions: 2
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study file, and runs that cost nothing: each leaves what `outcome` makes of it."""
    monkeypatch.setattr("lib.report.build.build", lambda folder: folder / "report.html")
    path = tmp_path / "mine.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def executed(monkeypatch):
    """The ids of the runs that were executed, in order."""
    return outcomes(monkeypatch, lambda run: {"accuracy": 0.5, "energy_consumed": 0.25})


def outcomes(monkeypatch, outcome):
    done = []

    def execute_all(runs, study_dir, watcher, timeout):
        for run in runs:
            done.append(run.run_id)
            fields = {"run_id": run.run_id, "status": "completed", "config": run.recorded}
            record = Record(**fields | outcome(run))
            record.write(run.run_dir)
            yield record

    monkeypatch.setattr(local, "execute_all", execute_all)
    return done


def call(path, only=None, **overrides):
    return prepare(path, path.parent / "outputs", overrides, only or {})


def execute(path, only=None, **overrides):
    console = Console(file=io.StringIO(), width=200, markup=False)
    done = run_study.execute(call(path, only, **overrides), console)
    return done, console.file.getvalue()


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_study_is_run_once(study, executed):
    assert execute(study)[0]
    assert len(executed) == 4
    assert execute(study)[0]
    assert len(executed) == 4
    folder = study.parent / "outputs" / "mine"
    table = records.read_results(folder)
    assert list(table["run_id"]) == executed, "in the order of the plan"


def test_a_trial_leaves_the_study_as_it_was(study, executed):
    execute(study)
    before = content(study.parent / "outputs" / "mine")
    _, said = execute(study, epochs=1)
    assert "results go to" in said
    assert content(study.parent / "outputs" / "mine") == before
    trial = study.parent / "outputs" / "mine+epochs=1"
    assert len(records.read_results(trial)) == 4
    execute(study, {"repetition": [1]}, epochs=1, head="linear")
    assert content(study.parent / "outputs" / "mine") == before


def test_a_part_of_the_study_is_the_study(study, executed):
    """A factor reduced to one of its levels makes no other runs."""
    execute(study)
    before = content(study.parent / "outputs" / "mine")
    assert execute(study, {"repetition": [2]}, architecture="VGG16")[0]
    assert content(study.parent / "outputs" / "mine") == before
    execute(study, repetitions=1)
    assert content(study.parent / "outputs" / "mine") == before
    assert len(executed) == 4


def test_files_of_another_folder_make_another_study(study, executed, tmp_path):
    """They may hold other images, so that these are other runs."""
    execute(study)
    before = content(study.parent / "outputs" / "mine")
    _, said = execute(study, data_dir=str(tmp_path))
    assert "results go to" in said
    assert content(study.parent / "outputs" / "mine") == before


def test_what_is_odd_in_a_value_is_not_in_the_name_of_a_folder():
    assert _trial("s", {"weights": "../x y"}).startswith("s+")
    assert "/" not in _trial("s", {"weights": "../x y"})


def test_an_unknown_place_is_refused_before_anything_runs(study, executed):
    pytest.importorskip("codecarbon")
    for place in ("Atlantis", "Mars", ""):
        with pytest.raises(StudyError, match=r"location: (CodeCarbon has no data|no location)"):
            call(study, location=place)
    study.write_text(STUDY + "places: [Atlantis]\n")
    with pytest.raises(StudyError, match="location: CodeCarbon has no data"):
        call(study)


def test_a_place_that_is_said_afterwards_gives_emissions_to_finished_runs(study, executed):
    pytest.importorskip("codecarbon")
    execute(study)
    execute(study, location="FRA")
    assert len(executed) == 4, "nothing is trained again"
    table = records.read_results(study.parent / "outputs" / "mine")
    france = table["emissions"].unique()
    assert (france > 0).all()
    assert table["location_source"].str.contains("said on .* after the run").all()
    assert (table["location"] == "FRA").all()
    execute(study, location="POL")
    corrected = records.read_results(study.parent / "outputs" / "mine")
    assert (corrected["emissions"] > france[0]).all()
    execute(study)
    kept = records.read_results(study.parent / "outputs" / "mine")
    assert (kept["location"] == "POL").all(), "until another one is given"
    assert len(executed) == 4


def test_what_fails_alike_stops_early(study, monkeypatch):
    failing = {"status": "failed", "error": "OSError: No space left on device"}
    study.write_text(STUDY.replace("repetitions: 2", "repetitions: 9"))
    done = outcomes(monkeypatch, lambda run: failing)
    with pytest.raises(run_folders.StoppedError, match=r"3 runs failed at once.*No space left"):
        execute(study)
    assert 3 <= len(done) < 18
    assert len(records.read_results(study.parent / "outputs" / "mine")) == len(done)


def test_what_fails_for_reasons_of_its_own_stops_nothing(study, monkeypatch):
    def outcome(run):
        if run.architecture == "VGG16":
            return {"status": "failed", "error": "out of memory"}
        return {"accuracy": 0.5}

    study.write_text(STUDY.replace("repetitions: 2", "repetitions: 5"))
    done = outcomes(monkeypatch, outcome)
    assert not execute(study)[0]
    assert len(done) == 10


def test_a_run_that_was_taken_away_meanwhile_is_missing(study, monkeypatch):
    def outcome(run):
        folder = StudyFolder(study.parent / "outputs" / "mine")
        for path in folder.runs.glob("*/run.json"):
            path.unlink()
        return {"accuracy": 0.5}

    outcomes(monkeypatch, outcome)
    done, said = execute(study)
    assert not done
    assert "1 of 4 runs complete, 3 to run" in said


def test_what_was_set_aside_is_listed_with_its_reason(study, executed, monkeypatch):
    execute(study)
    monkeypatch.setattr(run_folders, "MEASUREMENT_VERSION", 2)
    monkeypatch.setattr("lib.records.record.MEASUREMENT_VERSION", 2)
    outcomes(monkeypatch, lambda run: {"accuracy": 0.5, "measurement_version": 2})
    execute(study, {"repetition": [1]})
    console = Console(file=io.StringIO(), width=200, markup=False)
    run_study.show_aside(call(study), console)
    said = console.file.getvalue()
    assert said.count("was measured by version 1 of the measurement") == 2
    assert "fits the plan again" not in said


def test_what_would_be_done_is_shown_beforehand(study, monkeypatch):
    """A fresh start sets all aside, and says so afterwards; another try takes what has failed."""
    outcomes(monkeypatch, lambda run: {"status": "failed", "error": run.architecture})
    _, said = execute(study, {"architecture": ["VGG16"]})
    assert "the same command with --retry-failed" in said
    outcomes(monkeypatch, lambda run: {"accuracy": 0.5})
    execute(study, {"architecture": ["ResNet50"]})

    def shown(show, **options):
        console = Console(file=io.StringIO(), width=200, markup=False)
        show(prepare(study, study.parent / "outputs", {}, {}, **options), console)
        return console.file.getvalue()

    assert "4 runs: 2 complete, 2 failed" in shown(run_study.show)
    assert "4 runs: 2 complete, 2 to run" in shown(run_study.show, retry_failed=True)
    assert "4 runs: 4 to run" in shown(run_study.show, fresh=True)
    shown(run_study.execute, fresh=True)
    assert "mine.aside-1: --fresh" in shown(run_study.show_aside)


def test_results_are_written_at_the_end_however_long_that_takes(study, monkeypatch):
    """Not after each run, where that would cost more than the runs."""
    written = []
    real = so_far.results.write_results
    monkeypatch.setattr(
        so_far.results, "write_results", lambda *arguments: (written.append(1), real(*arguments))
    )
    monkeypatch.setattr(so_far.Results, "SHARE", 0.0)
    monkeypatch.setattr(so_far.Results, "SECONDS", 0.0)
    outcomes(monkeypatch, lambda run: {"accuracy": 0.5})
    execute(study)
    assert len(written) == 2
    assert len(records.read_results(study.parent / "outputs" / "mine")) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"repetitions": 10**9}, "repetitions"),
        ({"title": "x" * 10**6, "train_limit": -1}, "train_limit"),
        ({"dataset": "d" * 300}, "dataset"),
        ({"data_dir": "x" * 5000}, "data_dir"),
    ],
)
def test_hostile_studies_get_one_short_message(study, fields, message):
    with pytest.raises(StudyError, match=message) as refused:
        call(study, **fields)
    assert len(str(refused.value)) < 20_000
