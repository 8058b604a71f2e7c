import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lib.execution import run_folders
from lib.execution.kaggle import KaggleError, kernels, pull, push
from lib.execution.kaggle.client import Client, QuotaError, TransientError
from lib.study.folder import StudyFolder
from tests.conftest import ROOT
from tests.execution.kaggle import results, server
from tests.execution.kaggle.conftest import FAST, KEY


def push_all(study_dir, runs, **options):
    said = []
    entries = push.push_all(runs, study_dir, Client(), said.append, **options)
    return [entry.state for entry in entries], "\n".join(said)


@pytest.fixture
def finishing(fake):
    """Sessions end after a moment."""

    def run(session):
        time.sleep(0.15)
        session.state = "COMPLETE"

    fake.run = run
    return fake


def test_every_run_is_started_once_and_two_at_a_time(finishing, study):
    study_dir, runs = study(5)

    def run(session):
        """Wait for a second one, and then for a third, which is not to come."""
        while len(finishing.running) < 2 and len(finishing.pushed) < len(runs):
            time.sleep(0.01)
        time.sleep(0.15)
        session.state = "COMPLETE"

    finishing.run = run
    push_all(study_dir, runs)
    expected = [results.reference(study_dir, run.run_id) for run in runs]
    assert finishing.pushed == expected
    assert finishing.at_once == 2
    finishing.join()
    states, said = push_all(study_dir, runs)
    assert finishing.pushed == expected
    assert states == ["complete"] * 5
    assert said.count("was started before") == 5


def test_what_arrives_is_what_was_built(finishing, study):
    settings = {"machine_shape": "NvidiaTeslaT4", "dataset_sources": ("someone/images",)}
    study_dir, runs = study(1, kernels.KaggleKernel(**settings))
    push_all(study_dir, runs)
    (session,) = finishing.kernels.values()
    built = json.loads((kernels.folder_of(study_dir, runs[0].run_id) / "train.ipynb").read_text())
    arrived = json.loads(session.request["text"])
    assert [c["id"] for c in arrived["cells"]] == [c["id"] for c in built["cells"]]
    assert arrived["metadata"] == built["metadata"]
    assert session.request["isPrivate"] is True
    assert session.request["enableGpu"] is True
    assert session.request["enableInternet"] is True
    assert session.request["machineShape"] == "NvidiaTeslaT4"
    assert session.request["datasetDataSources"] == ["someone/images"]
    assert session.request["newTitle"] == session.request["slug"].partition("/")[2]


def test_a_rejected_kernel_stops_no_other_and_is_tried_again(finishing, study):
    study_dir, runs = study(2)
    finishing.errors.append("The title is already in use")
    states, said = push_all(study_dir, runs)
    assert states[0] == "rejected"
    assert "The title is already in use" in said
    assert len(finishing.pushed) == 1
    states, _ = push_all(study_dir, runs)
    assert "rejected" not in states
    assert len(finishing.pushed) == 2


def test_it_waits_while_others_take_the_places(finishing, study):
    study_dir, runs = study(1)
    finishing.errors.extend([server.CAPACITY] * 3)
    _, said = push_all(study_dir, runs)
    assert said.count(server.CAPACITY) == 3
    assert len(finishing.pushed) == 1


def test_a_full_quota_ends_the_call_and_a_later_one_goes_on(finishing, study):
    study_dir, runs = study(2)
    finishing.errors.append(server.QUOTA)
    with pytest.raises(QuotaError, match="reset to 30 hours"):
        push_all(study_dir, runs)
    assert finishing.pushed == []
    push_all(study_dir, runs)
    assert len(finishing.pushed) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_faults_are_waited_for(finishing, study, status):
    study_dir, runs = study(1)
    finishing.faults["SaveKernel"].extend([status] * 2)
    finishing.faults["GetKernelSessionStatus"].extend([status] * 2)
    push_all(study_dir, runs)
    assert len(finishing.pushed) == 1


def test_lasting_faults_end_the_call_and_a_later_one_goes_on(finishing, study):
    study_dir, runs = study(1)
    finishing.faults["SaveKernel"].extend([500] * FAST.tries)
    with pytest.raises(TransientError, match="500"):
        push_all(study_dir, runs)
    assert push.Ledger(study_dir).get(runs[0].run_id).state == "pushing"
    push_all(study_dir, runs)
    assert len(finishing.pushed) == 1


def test_an_upload_whose_answer_is_lost_is_not_repeated(finishing, study):
    study_dir, runs = study(2)
    finishing.lose_answers = 1
    _, said = push_all(study_dir, runs)
    assert "is on Kaggle already" in said
    assert len(finishing.pushed) == len(set(finishing.pushed)) == 2


def test_a_copy_of_the_study_starts_nothing_again(finishing, study):
    study_dir, runs = study(2)
    push_all(study_dir, runs)
    (study_dir / "kaggle" / "pushed.json").unlink()
    push_all(study_dir, runs)
    assert len(finishing.pushed) == 2


PUSH = """
import sys
from pathlib import Path
from lib.execution.kaggle import kernels, push
from lib.execution.kaggle.client import Client
from lib.study.config import RunConfig
study_dir = Path(sys.argv[1])
runs = [
    RunConfig(**kernel.parameters | {"output_dir": str(study_dir)})
    for kernel in kernels.read_manifest(study_dir).kernels
]
push.push_all(runs, study_dir, Client(), print)
"""


def test_killed_in_the_middle_of_an_upload_it_goes_on(fake, study):
    study_dir, runs = study(2)
    fake.hold.set()
    child = subprocess.Popen(
        [sys.executable, "-c", PUSH, study_dir], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    deadline = time.monotonic() + 60
    while not fake.pushed and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert push.Ledger(study_dir).get(runs[0].run_id).state == "pushing"
    fake.hold.clear()
    states, said = push_all(study_dir, runs)
    assert "is on Kaggle already" in said
    assert states == ["running", "queued"]
    assert fake.pushed == [results.reference(study_dir, run.run_id) for run in runs]


def test_failed_runs_are_started_again_only_if_asked(fake, study):
    study_dir, (config,) = study(1)
    push_all(study_dir, [config])
    results.fail(fake, study_dir, config.run_id, "ran out of luck")
    pull.pull_all([config], study_dir, Client())
    states, said = push_all(study_dir, [config])
    assert states == ["failed"]
    assert "--retry-failed" in said
    assert len(fake.pushed) == 1
    push_all(study_dir, [config], retry_failed=True)
    assert results.session_of(fake, study_dir, config.run_id).version == 2
    assert run_folders.look(config).state == run_folders.MISSING
    assert list((StudyFolder(study_dir).aside).iterdir())
    results.finish(fake, study_dir, config.run_id)
    pull.pull_all([config], study_dir, Client())
    assert run_folders.look(config).state == run_folders.COMPLETE
    push_all(study_dir, [config], retry_failed=True)
    assert len(fake.pushed) == 2


def test_runs_that_are_complete_here_are_not_started(fake, study):
    study_dir, (config,) = study(1)
    folder = config.run_dir.parents[3]
    for name, content in results.files(study_dir, config.run_id).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert push_all(study_dir, [config]) == ([], "")
    assert fake.pushed == []


def test_bad_states_are_said(fake, study, tmp_path):
    study_dir, runs = study(1)
    other = runs[0].model_copy(update={"epochs": 7})
    with pytest.raises(KaggleError, match="not built"):
        push_all(study_dir, [other])
    file = kernels.folder_of(study_dir, runs[0].run_id) / "train.ipynb"
    file.write_text(file.read_text() + " ")
    with pytest.raises(KaggleError, match="was changed after it was built"):
        push_all(study_dir, runs)
    (study_dir / "kaggle" / "pushed.json").write_text("{")
    with pytest.raises(KaggleError, match=r"pushed.json is damaged"):
        push_all(study_dir, runs)


def test_credentials_that_are_missing_or_refused(fake, study, monkeypatch):
    study_dir, runs = study(1)
    fake.faults["SaveKernel"].append(401)
    with pytest.raises(KaggleError, match=r"docs/kaggle.md"):
        push_all(study_dir, runs)
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(KaggleError, match=r"no credentials"):
        Client()


def test_credentials_are_in_no_file_and_no_message(finishing, study, tmp_path, capfd):
    study_dir, runs = study(1)
    finishing.errors.append("nothing works")
    _, said = push_all(study_dir, runs)
    push_all(study_dir, runs)
    printed = "".join(capfd.readouterr())
    assert KEY not in said + printed
    for path in study_dir.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
