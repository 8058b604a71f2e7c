"""From a study to kernels and back, as a person calls it."""

import pandas as pd
import pytest
import yaml

from lib import cli, records
from lib.execution import local, lock, run_study
from lib.execution.kaggle import kernels, push
from lib.execution.lock import BusyError
from tests import stand_in
from tests.execution.kaggle import results, server
from tests.execution.kaggle.conftest import FAST, RESULT


@pytest.fixture
def run_all(tmp_path, monkeypatch):
    """Call `run_all.py` on a study without a report; exit status and folder of the study."""
    monkeypatch.setattr(push, "PACE", FAST)
    monkeypatch.setattr(run_study, "report", lambda console, study_dir, figures: True)

    def call(*arguments, outputs="outputs", **study):
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump({"title": "small", **study}))
        status = cli.main([str(path), "--outputs", str(tmp_path / outputs), *arguments])
        return status, tmp_path / outputs / "small"

    return call


def test_a_study_on_kaggle_equals_the_study_here(
    fake, notebook, run_all, clean_python, tmp_path, capsys, monkeypatch
):
    notebook(RESULT)
    # The other one has a kernel.
    plain = [part for part in stand_in.RUN_PROCESS if part != "-S"]
    monkeypatch.setattr(local, "RUN_PROCESS", plain)
    study = {"factors": {"batch_size": [12, 13]}, "order": {"shuffle": False}}
    fake.run = server.executing(clean_python, tmp_path / "sessions")

    assert run_all("--kaggle", "build", **study)[0] == cli.COMPLETE
    assert run_all("--kaggle", "push", **study)[0] == cli.COMPLETE
    assert run_all("--kaggle", "status", **study)[0] == cli.COMPLETE
    assert "somebody/small-vgg16-digits-r1-" in capsys.readouterr().out
    fake.join()
    status, pulled = run_all("--kaggle", "pull", **study)
    said = capsys.readouterr().out
    assert status == cli.SOME_FAILED
    assert "the notebook raised an exception" in said

    status, here = run_all(outputs="here", **study)
    assert status == cli.SOME_FAILED
    ours, theirs = (
        records.read_results(folder).sort_values("run_id").reset_index(drop=True)
        for folder in (here, pulled)
    )
    assert list(theirs["status"].sort_values()) == ["completed", "failed"]
    # Of a failed run the error says where it failed, and only that which ran here has a machine.
    complete = theirs["status"] == "completed"
    unlike = ["git_commit"]  # the checkout may change meanwhile
    pd.testing.assert_frame_equal(
        theirs[complete].drop(columns=unlike).dropna(axis="columns", how="all"),
        ours[complete].drop(columns=unlike).dropna(axis="columns", how="all"),
        check_dtype=False,
    )
    assert set(theirs.loc[complete, "git_commit"]) == {kernels.read_manifest(pulled).commit}
    assert (pulled / "plan.csv").read_text() == (here / "plan.csv").read_text()
    assert len(fake.pushed) == 2


def test_folders_downloaded_by_hand_are_imported(notebook, run_all, tmp_path):
    notebook(RESULT)
    _, study_dir = run_all("--kaggle", "build", repetitions=2)
    first, second = (k.run_id for k in kernels.read_manifest(study_dir).kernels)
    for run_id in (first, second):
        for name, content in results.files(study_dir, run_id).items():
            path = tmp_path / "downloads" / run_id[-8:] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    pull = ("--kaggle", "pull", "--import")
    status, _ = run_all(*pull, str(tmp_path / "downloads" / first[-8:]), repetitions=2)
    assert status == cli.SOME_FAILED
    status, _ = run_all(*pull, str(tmp_path / "downloads"), repetitions=2)
    assert status == cli.COMPLETE
    assert len(records.read_results(study_dir)) == 2


def test_calls_that_can_not_work_say_why(fake, notebook, run_all, tmp_path, capsys, monkeypatch):
    notebook(RESULT)

    def refused(*arguments, **study):
        status, _ = run_all(*arguments, **study)
        assert status == cli.BAD_INPUT
        return capsys.readouterr().err

    assert "no kernels were built; call --kaggle build" in refused("--kaggle", "push")
    assert "--import does not go with --kaggle push" in refused(
        "--kaggle", "push", "--import", str(tmp_path)
    )
    for option in ("--fresh", "--retry-failed"):
        assert f"{option} does not go" in refused("--kaggle", "pull", option)
    monkeypatch.setattr("lib.report.export.check", lambda: None)
    assert "--figures does not go" in refused("--kaggle", "build", "--figures")
    wants_data = {"defaults": {"dataset": "mnist", "data_dir": "somewhere"}}
    assert "that holds mnist.npz" in refused("--kaggle", "build", **wants_data)
    run_all("--kaggle", "build")
    monkeypatch.delenv("KAGGLE_KEY")
    assert "finds no credentials" in refused("--kaggle", "push")


def test_what_has_ended_can_be_pulled_while_a_push_waits(fake, notebook, run_all):
    notebook(RESULT)
    study = {"repetitions": 2}
    _, study_dir = run_all("--kaggle", "build", **study)
    run_all("--kaggle", "push", **study)
    first = kernels.read_manifest(study_dir).kernels[0].run_id
    results.finish(fake, study_dir, first)
    with lock.alone_in_study(study_dir / "kaggle"):
        assert run_all("--kaggle", "push", **study)[0] == BusyError.exit_status
        assert run_all("--kaggle", "build", **study)[0] == BusyError.exit_status
        assert run_all("--kaggle", "status", **study)[0] == cli.COMPLETE
        assert run_all("--kaggle", "pull", **study)[0] == cli.SOME_FAILED
    assert [path.name for path in (study_dir / "runs").iterdir()] == [first]


def test_kaggle_without_a_place_or_an_answer_ends_the_call(fake, notebook, run_all, capsys):
    notebook(RESULT)
    run_all("--kaggle", "build")
    fake.errors.append(server.QUOTA)
    assert run_all("--kaggle", "push")[0] == cli.SOME_FAILED
    assert "Quota Exceeded" in capsys.readouterr().err
    assert run_all("--kaggle", "push")[0] == cli.COMPLETE


def test_fresh_builds_anew(notebook, run_all):
    notebook(RESULT)
    _, study_dir = run_all("--kaggle", "build")
    (study_dir / "kaggle" / "pushed.json").write_text('{"kernels": {}}')
    run_all("--kaggle", "build", "--fresh")
    assert not (study_dir / "kaggle" / "pushed.json").exists()
    assert (study_dir.parent / "small.aside-1" / "kaggle" / "pushed.json").exists()
