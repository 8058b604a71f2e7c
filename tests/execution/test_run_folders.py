import errno
import os
from pathlib import Path

import nbformat
import pytest

from lib import records
from lib.execution import run_folders
from lib.instruments import trace
from lib.logs import wattmeter
from lib.paper import published
from lib.records import Record
from lib.study import plan
from lib.study.config import RunConfig
from lib.study.errors import UserError
from lib.study.folder import StudyFolder
from lib.study.notebook import digest, fields_of
from lib.study.study import load_study
from lib.study.wattmeter_log import WattmeterLog


def config(tmp_path, **fields):
    return RunConfig(**fields).going_to(StudyFolder(tmp_path / "s"))


def leave(run, folder=None, **fields):
    content = {"run_id": run.run_id, "status": "completed", "config": run.recorded}
    return Record(**content | fields).write(folder or run.run_dir)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.EACCES])
def test_what_can_not_be_read_stops_and_is_not_damaged(tmp_path, monkeypatch, number):
    run = config(tmp_path)
    path = leave(run)
    real = Path.read_bytes

    def fails(self):
        if self == path:
            raise OSError(number, os.strerror(number), str(path))
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(run_folders.StoppedError, match=f"{run.run_id}/run.json: can't be read"):
        run_folders.look(run)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": []}', "[" * 50_000])
def test_content_that_was_read_and_is_wrong_is_damaged(tmp_path, text):
    run = config(tmp_path)
    run.run_dir.mkdir(parents=True)
    (run.run_dir / "run.json").write_text(text)
    found = run_folders.look(run)
    assert found.unusable
    assert found.state.startswith("damaged record")


def test_a_folder_in_the_place_of_a_record_is_damaged(tmp_path):
    run = config(tmp_path)
    (run.run_dir / "run.json").mkdir(parents=True)
    assert run_folders.look(run).unusable


def test_a_study_goes_on_through_releases(tmp_path, monkeypatch):
    """The program is raised, lowered and raised again; what is measured stays the same."""
    run = config(tmp_path)
    leave(run, versions={"program": "0.1.0"})
    for version in ("0.2.0", "0.0.9", "0.2.0"):
        monkeypatch.setattr("lib.__version__", version)
        assert run_folders.look(run).state == run_folders.COMPLETE


def test_an_older_schema_is_read_and_a_newer_one_as_far_as_it_is_known(tmp_path):
    run = config(tmp_path)
    path = leave(run, energy_consumed=0.5)
    old = path.read_text().replace('"schema_version": 2', '"schema_version": 1')
    path.write_text(old.replace(' "measurement_version": 1,\n', ""))
    assert run_folders.look(run).state == run_folders.COMPLETE
    path.write_text(old.replace('"schema_version": 1', '"schema_version": 99, "news": [1]'))
    found = run_folders.look(run)
    assert found.record.energy_consumed == 0.5
    with pytest.raises(UserError, match="newer version"):
        found.record.write(run.run_dir)


def test_what_was_set_aside_comes_back_when_it_fits_again(tmp_path, monkeypatch):
    run = config(tmp_path)
    leave(run, accuracy=0.75)
    monkeypatch.setattr(run_folders, "MEASUREMENT_VERSION", 2)
    here = run_folders.look(run)
    assert "version 1 of the measurement, this is 2" in here.state
    kept = run_folders.set_aside(run.run_dir, tmp_path / "s" / "aside", here.state)
    assert run_folders.all_aside(tmp_path / "s") == {kept: here.state}
    assert run_folders.recover([run]) == []
    monkeypatch.setattr(run_folders, "MEASUREMENT_VERSION", 1)
    (said,) = run_folders.recover([run])
    assert "fits the plan" in said
    assert records.read(run.run_dir / "run.json").accuracy == 0.75
    assert {path.name for path in run.run_dir.iterdir()} == {"run.json"}
    assert run_folders.all_aside(tmp_path / "s") == {}


def test_the_measurement_raised_lowered_and_raised_again_costs_no_second_training(
    tmp_path, monkeypatch
):
    """What was measured with another one meanwhile lies in the run's place."""
    run = config(tmp_path)
    leave(run, accuracy=0.5)
    run_folders.set_aside(run.run_dir, tmp_path / "s" / "aside", "older")
    leave(run, accuracy=0.75, measurement_version=2)
    for version, accuracy in ((1, 0.5), (2, 0.75), (1, 0.5)):
        monkeypatch.setattr(run_folders, "MEASUREMENT_VERSION", version)
        assert run_folders.look(run).state == run_folders.COMPLETE
        run_folders.recover([run])
        assert run_folders.look(run).folder is None
        assert records.read(run.run_dir / "run.json").accuracy == accuracy
        (reason,) = run_folders.all_aside(tmp_path / "s").values()
        assert f"this is {version}" in reason


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_what_was_set_aside_and_can_not_be_listed_stops_the_call(tmp_path, monkeypatch, number):
    run = config(tmp_path)
    shelf = tmp_path / "s" / "aside"
    leave(run, shelf / f"{run.run_id}.aside-1")
    real = os.listdir, os.scandir

    def failing(lists):
        def fails(path="."):
            if Path(path) == shelf:
                raise OSError(number, os.strerror(number), str(path))
            return lists(path)

        return fails

    monkeypatch.setattr(os, "listdir", failing(real[0]))
    monkeypatch.setattr(os, "scandir", failing(real[1]))
    for ask in (lambda: run_folders.look(run), lambda: run_folders.all_aside(tmp_path / "s")):
        with pytest.raises(run_folders.StoppedError, match="aside: can't be read"):
            ask()


def test_a_run_of_another_notebook_is_not_the_planned_one(tmp_path):
    """Unless it has the same code: then it was renamed."""
    cells = [nbformat.v4.new_code_cell(code) for code in ("rate = 0.1", "train(rate)")]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "new.ipynb")
    run = fields_of(tmp_path / "new.ipynb")().going_to(StudyFolder(tmp_path / "s"))
    leave(run, notebook="old.ipynb")
    assert "was made by old.ipynb, this is new.ipynb" in run_folders.look(run).state
    leave(run, notebook="old.ipynb", versions={"notebook": digest(tmp_path / "new.ipynb")})
    assert run_folders.look(run).state == run_folders.COMPLETE


def test_a_failed_run_does_not_come_back(tmp_path):
    run = config(tmp_path)
    leave(run, tmp_path / "s" / "aside" / f"{run.run_id}.aside-1", status="failed", error="no")
    assert run_folders.look(run).state == run_folders.MISSING


def test_a_run_of_before_places_left_the_id_is_still_complete(tmp_path):
    run = config(tmp_path, location="FRA")
    folder = run.run_dir.with_name(run.former_id)
    assert run.former_id != run.run_id
    leave(run, folder, run_id=run.former_id)
    assert run_folders.look(run).state == run_folders.COMPLETE
    run_folders.recover([run])
    assert not folder.exists()
    assert records.read(run.run_dir / "run.json").run_id == run.run_id


def test_a_run_is_moved_to_another_disk(tmp_path, monkeypatch):
    run = config(tmp_path)
    staged = run_folders.staged(run, tmp_path / "s")
    leave(staged)
    (staged.run_dir / "power.csv").write_text("1,2")
    (tmp_path / "other").mkdir()
    (tmp_path / "s" / "runs").symlink_to(tmp_path / "other")
    real = Path.rename

    def rename(self, target):
        if "unfinished" in self.parts and "unfinished" not in Path(target).parts:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    run_folders.settle(run, tmp_path / "s")
    assert run_folders.look(run).state == run_folders.COMPLETE
    assert (tmp_path / "other" / run.run_id / "power.csv").read_text() == "1,2"
    assert [path.name for path in (tmp_path / "other").iterdir()] == [run.run_id]
    assert not staged.run_dir.exists()


@pytest.mark.parametrize("name", ["runs", "aside"])
def test_a_disk_that_is_not_there_holds_not_nothing(tmp_path, name):
    run = config(tmp_path)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).symlink_to(tmp_path / "unmounted")
    with pytest.raises(run_folders.StoppedError, match=f"{name}: links to a folder that is not"):
        run_folders.look(run)


def test_what_is_called_complete_is_on_disk_before(tmp_path, monkeypatch):
    """Every file of the run is synced before it gets its final name, and the folder after."""
    run = config(tmp_path)
    staged = run_folders.staged(run, tmp_path / "s")
    leave(staged)
    (staged.run_dir / "power.csv").write_text("1,2")
    done = []
    monkeypatch.setattr(run_folders, "sync", lambda path: done.append(path.name))
    real = Path.rename
    monkeypatch.setattr(
        Path, "rename", lambda self, target: (done.append("moved"), real(self, target))[1]
    )
    run_folders.settle(run, tmp_path / "s")
    assert set(done[:2]) == {"run.json", "power.csv"}
    assert done[2:] == ["moved", "runs"]


def test_setting_aside_overwrites_nothing_and_follows_no_link(tmp_path):
    shelf = tmp_path / "aside"
    shelf.mkdir()
    (shelf / "run.aside-1").symlink_to(tmp_path / "nowhere")
    (tmp_path / "run").mkdir()
    kept = run_folders.set_aside(tmp_path / "run", shelf, "why")
    assert kept.name == "run.aside-2"
    assert (kept / "aside.txt").read_text() == "why\n"


def test_what_killed_writes_left_is_removed_wherever_in_a_study_they_were(tmp_path):
    here = StudyFolder(tmp_path / "s")
    for folder in (here.path, here.run("a"), here.aside / "a.aside-1"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".run.json.x1.tmp").write_text("{")
        (folder / "run.json").write_text("{}")
    (here.runs / "file").write_text("of a user")
    run_folders.clear(here.path)
    assert len([*here.path.rglob("run.json")]) == 3
    assert not [*here.path.rglob("*.tmp")]


READERS = {
    "run.json": lambda folder: records.read(folder / "run.json"),
    "history.csv": records.read_history,
    "results.csv": records.read_results,
    "plan.csv": plan.read,
    "power.csv": lambda folder: trace.read_trace(folder / "power.csv"),
    "log.csv": lambda folder: wattmeter.read(
        folder / "log.csv", WattmeterLog(time="t", power="p", unit="W")
    ),
    "emissions.csv": lambda folder: published.read_package(folder),
    "study.yaml": lambda folder: load_study(folder / "study.yaml"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises((OSError, UserError), match="is no plain file"):
        READERS[name](tmp_path)
