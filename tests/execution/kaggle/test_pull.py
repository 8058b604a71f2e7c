import json
import shutil

import pytest

from lib import records
from lib.execution import run_folders
from lib.execution.kaggle import KaggleError, pull, push
from lib.execution.kaggle.client import Client, TransientError
from lib.study.folder import StudyFolder
from tests.execution.kaggle import results
from tests.execution.kaggle.conftest import FAST


def pull_all(study_dir, runs):
    return pull.pull_all(runs, study_dir, Client())


def is_here(*runs):
    return all((run.run_dir / "run.json").is_file() for run in runs)


@pytest.fixture
def pushed(fake, study):
    """Two runs under way on Kaggle."""
    study_dir, runs = study(2)
    push.push_all(runs, study_dir, Client(), print)
    return study_dir, runs


def notes(pulled):
    return "\n".join(pulled.values())


def test_what_has_ended_is_merged_and_the_rest_is_named(fake, pushed):
    study_dir, (first, second) = pushed
    results.finish(fake, study_dir, first.run_id)
    pulled = pull_all(study_dir, [first, second])
    assert is_here(first)
    assert not is_here(second)
    assert "running on Kaggle" in pulled[second.run_id]
    # Four files and a log, though a page has two.
    assert {path.name for path in first.run_dir.iterdir()} == {
        *("run.json", "history.csv", "power.csv", "train.ipynb", "log.txt")
    }
    assert (first.run_dir / "log.txt").read_text() == "all is well"
    assert not second.run_dir.exists()
    assert not list((StudyFolder(study_dir).unfinished.path).rglob("*.json"))
    results.finish(fake, study_dir, second.run_id)
    pull_all(study_dir, [first, second])
    assert is_here(first, second)


def test_a_run_that_stopped_early_is_whole(fake, pushed):
    study_dir, (first, _) = pushed
    results.finish(fake, study_dir, first.run_id, extra={"epochs_trained": 1})
    session = results.session_of(fake, study_dir, first.run_id)
    (name,) = [name for name in session.files if name.endswith("history.csv")]
    session.files[name] = b"epoch,val_accuracy\n1,0.5\n"
    pull_all(study_dir, [first])
    assert is_here(first)


def test_a_kernel_that_failed_becomes_a_failed_run(fake, pushed):
    study_dir, (first, _) = pushed
    results.fail(fake, study_dir, first.run_id, "out of luck\nand time")
    assert "out of luck and time" in notes(pull_all(study_dir, [first]))
    found = run_folders.look(first)
    assert found.state == run_folders.FAILED
    assert "on Kaggle: out of luck and time" in found.record.error
    assert found.record.machine is None
    assert "Traceback" in (first.run_dir / "log.txt").read_text()


def damage(name, change):
    def do(files, run_id):
        path = next(path for path in files if path.endswith(name))
        files[path] = change(files[path])
        if files[path] is None:
            del files[path]

    return do


def other_field(content):
    record = json.loads(content)
    record["config"]["epochs"] = 9
    return json.dumps(record).encode()


def other_version(content):
    return content.replace(b'"measurement_version":1', b'"measurement_version":9')


def other_commit(content):
    record = json.loads(content)
    return json.dumps(record | {"git_commit": "0123abc"}).encode()


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("run.json", lambda content: content[:100], "damaged record"),
        ("run.json", lambda content: b"<html>502</html>", "damaged record"),
        ("run.json", lambda content: None, "no runs/"),
        ("run.json", lambda c: c.replace(b"-r1-", b"-r2-", 1), "holds the record of"),
        ("run.json", other_field, "of another configuration: epochs"),
        ("run.json", other_version, "was measured by version 9 of the measurement"),
        ("run.json", other_commit, "made by 0123abc of the program"),
        ("history.csv", lambda content: content[:-6], "has 1 of 2 epochs"),
        ("history.csv", lambda content: b"", "has 0 of 2 epochs"),
        ("history.csv", lambda content: None, "history.csv is missing"),
        ("history.csv", lambda c: c.replace(b"2,0.5", b"2,0.6"), "different accuracies"),
    ],
)
def test_results_that_are_cut_off_or_foreign_are_refused(fake, pushed, name, change, complaint):
    study_dir, (first, _) = pushed
    results.finish(fake, study_dir, first.run_id)
    session = results.session_of(fake, study_dir, first.run_id)
    whole = dict(session.files)
    damage(name, change)(session.files, first.run_id)
    pulled = pull_all(study_dir, [first])
    assert complaint in notes(pulled)
    assert not is_here(first)
    assert not first.run_dir.exists()
    session.files = whole
    pull_all(study_dir, [first])
    assert is_here(first)


def test_the_results_of_another_run_are_named(fake, pushed):
    study_dir, (first, second) = pushed
    results.finish(fake, study_dir, first.run_id)
    session = results.session_of(fake, study_dir, first.run_id)
    session.files = results.files(study_dir, second.run_id)
    assert f"there are results of {second.run_id}" in notes(pull_all(study_dir, [first]))


def test_faults_of_the_server_are_waited_for_or_said(fake, pushed):
    study_dir, (first, _) = pushed
    results.finish(fake, study_dir, first.run_id)
    fake.faults["GetKernelSessionStatus"].extend([500, 429])
    fake.faults["ListKernelSessionOutput"].extend([500, 503])
    pull_all(study_dir, [first])
    assert is_here(first)
    fake.faults["GetKernelSessionStatus"].extend([500] * FAST.tries)
    with pytest.raises(TransientError):
        pull_all(study_dir, pushed[1])


def test_what_was_never_pushed_or_is_gone_is_said(fake, study):
    study_dir, (first, second) = study(2)
    assert "not pushed" in notes(pull_all(study_dir, [first]))
    push.push_all([first], study_dir, Client(), print)
    fake.kernels.clear()
    assert "push again" in notes(pull_all(study_dir, [first, second]))


@pytest.fixture
def downloads(study, tmp_path):
    """Results of two runs as somebody downloads and unpacks them, with those of a stranger."""
    study_dir, runs = study(2)
    for place, run in enumerate(runs):
        for name, content in results.files(study_dir, run.run_id).items():
            path = tmp_path / "downloads" / f"kernel {place}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    stranger = tmp_path / "downloads" / "else" / "VGG16-digits-r9-00000000"
    shutil.copytree(next((tmp_path / "downloads").rglob("run.json")).parent, stranger)
    return study_dir, runs, tmp_path / "downloads"


def take_all(study_dir, runs, folder):
    return pull.take_all(runs, study_dir, folder)


def test_folders_downloaded_by_hand_are_taken(downloads):
    study_dir, runs, folder = downloads
    before = sorted(folder.rglob("*"))
    take_all(study_dir, runs, folder)
    assert is_here(*runs)
    assert [run_folders.look(run).state for run in runs] == [run_folders.COMPLETE] * 2
    assert all((run.run_dir / "train.ipynb").is_file() for run in runs)
    assert len(records.merge(study_dir).results) == 2
    assert sorted(folder.rglob("*")) == before
    assert "here is the same result" in notes(take_all(study_dir, runs, folder))


def test_one_run_folder_alone_is_enough(downloads, tmp_path):
    study_dir, (first, second), folder = downloads
    source = next(folder.rglob(f"{first.run_id}/run.json")).parent
    shutil.copytree(source, tmp_path / "one" / first.run_id)
    take_all(study_dir, [first, second], tmp_path / "one")
    assert [is_here(first), is_here(second)] == [True, False]


def test_a_different_result_is_never_overwritten(downloads):
    study_dir, (first, _), folder = downloads
    take_all(study_dir, [first], folder)
    kept = (first.run_dir / "run.json").read_bytes()
    path = next(folder.rglob(f"{first.run_id}/run.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"loss": 0.25}))
    assert "another result, which is kept" in notes(take_all(study_dir, [first], folder))
    assert (first.run_dir / "run.json").read_bytes() == kept


def test_two_different_results_of_one_run_are_refused(downloads):
    study_dir, (first, _), folder = downloads
    path = next(folder.rglob(f"{first.run_id}/run.json"))
    second = folder / "again" / first.run_id
    shutil.copytree(path.parent, second)
    changed = json.loads(path.read_text()) | {"loss": 0.25}
    (second / "run.json").write_text(json.dumps(changed))
    pulled = take_all(study_dir, [first], folder)
    assert "different results" in notes(pulled)
    assert not first.run_dir.exists()


def test_what_is_broken_here_is_set_aside(downloads):
    study_dir, (first, _), folder = downloads
    first.run_dir.mkdir(parents=True)
    (first.run_dir / "run.json").write_text("{")
    take_all(study_dir, [first], folder)
    assert is_here(first)
    aside = StudyFolder(study_dir).aside / f"{first.run_id}.aside-1"
    assert (aside / "run.json").read_text() == "{"


def test_no_folder_no_build(downloads, tmp_path):
    study_dir, runs, folder = downloads
    with pytest.raises(KaggleError, match="no folder"):
        take_all(study_dir, runs, tmp_path / "nowhere")
    with pytest.raises(KaggleError, match="no kernels were built"):
        take_all(tmp_path / "outputs" / "other", runs, folder)
