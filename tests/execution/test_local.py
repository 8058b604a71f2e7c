import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest

from lib import __version__, records
from lib.execution import local, run_folders
from lib.records.progress import Progress
from lib.study.config import RunConfig
from lib.study.folder import StudyFolder
from tests.conftest import RECORD, ROOT, RUN_DIR, write_notebook


class Notes:
    """A watcher that remembers what it was told."""

    def __init__(self):
        self.begun, self.seen, self.ended = [], {}, []

    def begin(self, config):
        self.begun.append(config.run_id)
        self.seen[config.run_id] = []

    def progress(self, config, progress, left):
        self.seen[config.run_id].append(progress)

    def end(self, record, seconds, left):
        self.ended.append(record)

    def say(self, sentence):
        pass


def run(tmp_path, *configs, notes=None, **options):
    notes = notes or Notes()
    ended = list(local.execute_all(list(configs), tmp_path, notes, **options))
    assert ended == notes.ended
    return ended


def config(tmp_path, **fields):
    return RunConfig(output_dir=str(tmp_path), **fields)


@pytest.fixture
def no_process_left():
    """What a test starts has ended with it."""
    before = psutil.Process().children(recursive=True)
    yield
    assert psutil.Process().children(recursive=True) == before


WAYS_TO_FAIL = {
    "raise ValueError('no such\\nthing')": "ValueError: no such thing",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "import os; os._exit(0)": "the kernel died",
    "import os; os.kill(os.getpid(), 9)": "the kernel died",
    "pass": "the notebook ended without leaving a record; its last call is to be run.finish",
}

SOUND = f"""
{RUN_DIR}
from lib.records.progress import Progress, ProgressFile
import time
file = ProgressFile(run_dir)
file.write(Progress('training', 1, 2, 0.5, 0.75, 12.0, 0.001), now=True)
time.sleep(0.6)
file.remove()
print(Path.home() / 'secret')
{RECORD}
"""


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """A run for each way to fail and a sound one, in one call: its folder, runs and watcher."""
    folder, cells = tmp_path_factory.mktemp("batch"), [*WAYS_TO_FAIL, SOUND]
    before = psutil.Process().children(recursive=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        path = write_notebook(folder / "stand-in", f"exec({cells}[epochs - 1])")
        patch.setattr(RunConfig, "notebook", path)
        runs = [config(folder, epochs=number) for number, _ in enumerate(cells, start=1)]
        notes = Notes()
        run(folder, *runs, notes=notes)
        assert psutil.Process().children(recursive=True) == before
        yield folder, runs, notes


def test_a_failing_run_says_why_and_stops_no_other(batch):
    _, runs, notes = batch
    *failed, last = notes.ended
    assert last.status == "completed"
    for record, bad, error in zip(failed, runs, WAYS_TO_FAIL.values(), strict=False):
        assert record.status == "failed"
        assert error in record.error
        assert "\n" not in record.error
        left = {path.name for path in bad.run_dir.iterdir()}
        assert {"run.json", "train.ipynb", "log.txt"} <= left


def test_a_run_is_watched_and_moves_into_its_place_whole(batch):
    folder, (*_, one), notes = batch
    assert notes.ended[-1].error is None
    assert {path.name for path in one.run_dir.iterdir()} == {"run.json", "train.ipynb", "log.txt"}
    assert run_folders.look(one).state == run_folders.COMPLETE
    assert not (StudyFolder(folder).unfinished.path).exists()
    # The executed notebook names no folder of this machine.
    text = (one.run_dir / "train.ipynb").read_text()
    assert "~/secret" in text
    assert str(folder) not in text

    assert notes.begun[-1] == one.run_id
    seen = notes.seen[one.run_id]
    assert any(told.fraction == 0.5 and told.accuracy == 0.75 for told in seen)
    assert list(dict.fromkeys(told.phase for told in seen)) == ["starting", "training", "saving"]
    assert seen[-1].energy_consumed == 0.001, "what was measured stays known"


WITH_A_HELPER = """
import subprocess, time
helper = subprocess.Popen(["sleep", "600"], start_new_session=True)
(run_dir / "helper").write_text(str(helper.pid))
time.sleep(600)
"""
"""Starts what loads data, say. A kernel that dies does not end it: whoever ends the kernel must."""


@pytest.mark.usefixtures("no_process_left")
def test_a_run_that_takes_too_long_is_stopped(tmp_path, notebook, monkeypatch):
    """An hour has passed as soon as the helper is there."""
    notebook(RUN_DIR, WITH_A_HELPER)
    helpers = lambda: [path.read_text() for path in tmp_path.rglob("helper")]  # noqa: E731
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600 * any(helpers()))
    monkeypatch.setattr(local, "time", clock)
    (record,) = run(tmp_path, config(tmp_path), timeout=1800)
    assert "stopped after 1800 s, the study's run_timeout" in record.error
    (helper,) = helpers()
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(helper)).wait(10)


def test_what_a_killed_runner_left_is_cleared_away_and_run_again(tmp_path, notebook, no_kernel):
    notebook(RECORD)
    one = config(tmp_path)
    leftover = StudyFolder(tmp_path).unfinished.path / "runs" / one.run_id
    leftover.mkdir(parents=True)
    (leftover / "run.json").write_text("{")
    assert run_folders.look(one).state == run_folders.MISSING
    (record,) = run(tmp_path, one)
    assert record.status == "completed"


KILLED = """
import sys
from pathlib import Path
from lib.execution import local as runner
from lib.study.config import RunConfig
RunConfig.notebook = Path(sys.argv[1])
list(runner.execute_all([RunConfig(output_dir=sys.argv[2])], Path(sys.argv[2]), runner.Watcher()))
"""


def test_a_killed_runner_leaves_no_process_behind(tmp_path, notebook):
    notebook(RUN_DIR, WITH_A_HELPER)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(RunConfig.notebook), str(tmp_path)],
        cwd=ROOT,
    )
    deadline = time.monotonic() + 30
    while not [*tmp_path.rglob("helper")] and time.monotonic() < deadline:
        time.sleep(0.02)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 3, "the run's process, its kernel and the helper"
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (None, "holds no run.json"),
        ("{", "damaged record"),
        ({"run_id": "other"}, "holds the record of other"),
        ({"config": {"epochs": 9}}, "of another configuration: epochs"),
        ({"measurement_version": 99}, "was measured by version 99 of the measurement"),
    ],
)
def test_what_lies_in_a_runs_place_is_named(tmp_path, content, state):
    one = config(tmp_path)
    one.run_dir.mkdir(parents=True)
    if isinstance(content, dict):
        ours = {"run_id": one.run_id, "versions": {"program": __version__}}
        fields = one.model_dump() | content.pop("config", {})
        records.Record(**{**ours, **content}, status="completed", config=fields).write(one.run_dir)
    elif content:
        (one.run_dir / "run.json").write_text(content)
    found = run_folders.look(one)
    assert found.unusable
    assert state in found.state


def test_setting_aside_overwrites_nothing(tmp_path):
    for _ in range(2):
        (tmp_path / "run").mkdir()
        run_folders.set_aside(tmp_path / "run")
    assert {path.name for path in tmp_path.iterdir()} == {"run.aside-1", "run.aside-2"}


def test_a_run_that_stands_still_is_said_once(monkeypatch):
    """It neither uses the processor nor reports; what does one of them does not stand still."""
    now, worked = [0.0], [0.0]
    monkeypatch.setattr(local.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(local, "_processor_seconds", lambda pid: worked[0])
    stall = local._Stall(1, patience=600)

    def look(seconds, progress, busy=0.0):
        now[0] += seconds
        worked[0] += busy
        return stall.is_new(progress)

    one, two = Progress("training", epoch=1), Progress("training", epoch=2)
    assert not look(60, one)
    assert not any(look(60, one, busy=30) for _ in range(20)), "it computes"
    assert not look(590, one)
    assert not look(60, two), "it reports"
    assert [look(60, two) for _ in range(12)].index(True) == 9
    assert not any(look(60, two) for _ in range(20)), "it is said once"
