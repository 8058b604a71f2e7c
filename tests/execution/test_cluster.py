"""A real Dask scheduler and workers: processes in folders of their own, without this repository."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest

from lib import cli, records
from lib.execution import cluster, cluster_worker
from lib.study.config import RunConfig
from tests import stand_in
from tests.conftest import RECORD, ROOT, SCATTERED
from tests.execution.test_own_notebook import CELL, LIGHT
from tests.execution.test_own_notebook import STUDY as OWN
from tests.study.test_notebook import written

STUDY = "title: small\nfactors: {epochs: [1, 2]}\nrepetitions: 2\n"
ONE = ("--only", "epochs=1", "repetition=1")
PATIENCE = 300
"""s. Only what hangs takes as long, on a busy machine too."""
IDLE = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
}
"""Else Dask looks fifty and a hundred times a second at what it does."""

PREPARED = """
import json, os, signal, sys
from distributed.cli import dask_scheduler, dask_worker

signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what is killed is gone at once
for line in sys.stdin:
    kind, arguments, folder, environment = json.loads(line)
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(folder)
    os.environ.update(environment)
    for file, number in ((open(os.devnull), 0), (open("log", "w"), 1)):
        os.dup2(file.fileno(), number)
    os.dup2(1, 2)
    {"scheduler": dask_scheduler, "worker": dask_worker}[kind].main(arguments)
"""
"""A program that has imported Dask, and nothing of this one; each line makes it start a process."""

SHIPPED = """
import lib
from pathlib import Path
print("program in", Path(lib.__file__).parents[1])
"""


def until(what, process=None):
    """Wait until `what` is true."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain"
        assert process is None or process.status is None, process.said()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The process that those of Dask are forked from."""
    with subprocess.Popen(
        [sys.executable, "-c", PREPARED],
        cwd=tmp_path_factory.mktemp("prepared"),
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | IDLE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process


class Cluster:
    """A scheduler and its workers, each in a folder of its own, as on machines of their own."""

    def __init__(self, prepared, folder):
        self.prepared, self.folder, self.processes = prepared, folder, []
        self.scheduler = None

    def start_scheduler(self):
        file = self.folder / f"scheduler-{len(self.processes)}.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", file)
        until(lambda: file.is_file() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def start_worker(self, **environment):
        options = ["--nthreads", "2", "--no-nanny", "--local-directory", "."]
        return self._start("worker", self.address, *options, **environment)

    def _start(self, kind, *arguments, **environment):
        here = self.folder / f"{kind}-{len(self.processes)}"
        (here / "tmp").mkdir(parents=True)
        options = ["--host", "127.0.0.1", "--no-dashboard", *map(str, arguments)]
        own = dict.fromkeys(("TMPDIR", "TRAINING_ENERGY_LOCKS"), str(here / "tmp"))
        line = json.dumps([kind, options, str(here), own | environment])
        print(line, file=self.prepared.stdin, flush=True)
        process = psutil.Process(int(self.prepared.stdout.readline()))
        self.processes.append(process)
        return process

    def family(self):
        """Everything that workers have started."""
        found = []
        for process in self.processes:
            if process.is_running():
                found += process.children(recursive=True)
        return found

    def close(self):
        for process in filter(psutil.Process.is_running, self.processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def two_workers(prepared, tmp_path_factory):
    with closing(Cluster(prepared, tmp_path_factory.mktemp("cluster"))) as dask:
        dask.start_scheduler()
        dask.start_worker()
        dask.start_worker()
        yield dask


@pytest.fixture
def dask(prepared, tmp_path):
    """A scheduler without workers."""
    with closing(Cluster(prepared, tmp_path)) as dask:
        dask.start_scheduler()
        yield dask


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small.yaml").write_text(STUDY)
    return tmp_path


def table(folder):
    return records.read_results(folder / "outputs" / "small").sort_values(
        "run_id", ignore_index=True
    )


def begun(folder, dask, *arguments, kernel=False):
    """A call that lets the study be executed on a cluster."""
    call = (RunConfig.notebook, folder, "small.yaml", "--scheduler", dask.address, *arguments)
    return stand_in.start(*call, kernel=kernel)


def there(folder, dask, *arguments, **how):
    """Execute the study on a cluster: exit status, and all that was printed."""
    call = begun(folder, dask, *arguments, **how)
    said = call.end(PATIENCE)
    return call.status, said


def travelled(printed):
    """See that a run took the program from where it was sent to."""
    assert "program in" in printed
    assert f"program in {ROOT}" not in printed, "the program must have travelled"


def test_a_cluster_gives_what_one_machine_gives(folder, two_workers, notebook, tmp_path_factory):
    """Block after block, until ratios are known."""
    notebook(SHIPPED, SCATTERED)
    elsewhere = tmp_path_factory.mktemp("one-machine")
    for place in (folder, elsewhere):
        rule = "{precision: 2 %, at_least: 2, at_most: 3}"
        (place / "small.yaml").write_text(STUDY.replace("repetitions: 2", f"repetitions: {rule}"))
    status, said = there(folder, two_workers)
    assert status == cli.COMPLETE, said
    assert "After 2 repetitions every ratio is known to ± " in said
    assert "3 are the most that the study allows" in said
    assert said.count(": admitted") >= 2
    here = stand_in.run(RunConfig.notebook, elsewhere, "small.yaml", kernel=False)
    assert here[0] == cli.COMPLETE, here[1]
    assert len(table(folder)) == 6
    assert table(folder).equals(table(elsewhere))
    for run in (folder / "outputs" / "small" / "runs").iterdir():
        here = elsewhere / "outputs" / "small" / "runs" / run.name
        assert {p.name for p in run.iterdir()} == {p.name for p in here.iterdir()}
        assert f"program in {ROOT}" in (here / "log.txt").read_text()
        travelled((run / "log.txt").read_text())
        assert not any("127.0.0.1" in path.read_text() for path in run.iterdir())


def test_a_notebook_of_ones_own_travels_too_and_fails_as_on_one_machine(folder, two_workers):
    written(folder, CELL, SHIPPED, "if size == 1: raise ValueError('no such thing')", LIGHT)
    (folder / "small.yaml").write_text(OWN)
    status, said = there(folder, two_workers, "--only", "repetition=1", kernel=True)
    assert status == cli.SOME_FAILED, said
    found = {one.config["size"]: one for one in records.merge(folder / "outputs" / "small").records}
    assert found[2].status == "completed"
    assert found[1].error == "ValueError: no such thing"
    assert found[1].machine is not None
    for run in (folder / "outputs").glob("small/runs/*"):
        assert (run / "log.txt").is_file()
        travelled((run / "own.ipynb").read_text())


def test_a_late_run_is_recorded_as_on_one_machine(folder, two_workers, notebook):
    notebook("import time; time.sleep(600)")
    (folder / "small.yaml").write_text(STUDY + "run_timeout: 1\n")
    status, said = there(folder, two_workers, *ONE)
    assert status == cli.SOME_FAILED, said
    (late,) = records.merge(folder / "outputs" / "small").records
    assert "run_timeout" in late.error
    assert late.machine is not None
    assert len(list((folder / "outputs").glob("small/runs/*/log.txt"))) == 1


@pytest.mark.parametrize(("number", "kernel"), [(signal.SIGINT, True), (signal.SIGKILL, False)])
def test_an_interrupted_call_stops_its_runs_on_the_workers(
    folder, two_workers, notebook, number, kernel
):
    notebook("import time; time.sleep(600)")
    only = ONE if kernel else ("--only", "repetition=1")
    process = begun(folder, two_workers, *only, kernel=kernel)
    # Each is lib.execution.cluster_worker and lib.execution.run_process with a kernel, or another.
    expected = 3 if kernel else 2 * 2
    until(lambda: len(two_workers.family()) >= expected, process)
    family = two_workers.family()
    process.send(number)
    process.end(PATIENCE)
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert alive == [], "left behind"
    assert not list((folder / "outputs").rglob("run.json"))


LIKE_A_KERNEL = """
import os, subprocess, time
kernel = subprocess.Popen(["sleep", "600"], start_new_session=True)
time.sleep(600 if "worker-1" in os.environ["TRAINING_ENERGY_LOCKS"] else 1)
kernel.kill()
"""
"""On the first worker it never ends."""


def test_a_dead_worker_loses_its_run_and_a_dead_scheduler_nothing(folder, dask, notebook):
    """The same call then goes on, once a worker joins it."""
    (folder / "small.yaml").write_text(STUDY.replace("[1, 2]", "[1, 2, 3]").replace(": 2", ": 1"))
    notebook(RECORD, LIKE_A_KERNEL)
    victim, other = dask.start_worker(), dask.start_worker()
    records_there = lambda: set((folder / "outputs").glob("small/runs/*/run.json"))  # noqa: E731
    process = begun(folder, dask)
    until(lambda: len(victim.children(recursive=True)) >= 3, process)
    family = victim.children(recursive=True)
    victim.kill()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert alive == [], "what the dead worker began goes on"
    until(lambda: "its worker is gone, another one takes it" in process.said(), process)
    until(records_there, process)
    dask.scheduler.kill()
    said = process.end(PATIENCE)
    assert process.status == cli.SOME_FAILED, said
    assert "scheduler" in said
    assert "same command resumes" in said
    assert "Traceback" not in said
    before = {path: path.stat().st_mtime_ns for path in records_there()}
    assert 1 <= len(before) < 3
    assert len(table(folder)) == len(before), "results.csv is up to date"
    other.kill()

    notebook(RECORD)
    dask.start_scheduler()
    process = begun(folder, dask)
    until(lambda: "waiting for a worker to join" in process.said(), process)
    dask.start_worker()
    until(lambda: ": admitted" in process.said(), process)
    said = process.end(PATIENCE)
    assert process.status == cli.COMPLETE, said
    assert before.items() <= {p: p.stat().st_mtime_ns for p in records_there()}.items()
    assert len(table(folder)) == 3
    assert set(table(folder)["status"]) == {"completed"}


def test_a_run_whose_only_worker_died_goes_to_one_that_joins(folder, dask, notebook):
    """Dask looks at what waits when a worker joins, and that is before it is admitted."""
    notebook(RECORD, LIKE_A_KERNEL)
    victim = dask.start_worker()
    process = begun(folder, dask, *ONE)
    until(lambda: len(victim.children(recursive=True)) >= 3, process)
    victim.kill()
    until(lambda: process.said().endswith("waiting for a worker to join the cluster\n"), process)
    dask.start_worker()
    said = process.end(PATIENCE)
    assert process.status == cli.COMPLETE, said
    assert "its worker is gone, another one takes it" in said


def test_workers_that_do_not_fit_are_refused_by_name(folder, dask, notebook):
    notebook(RECORD)
    fake = folder / "old" / "codecarbon-2.0.0.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: codecarbon\nVersion: 2.0.0\n")
    (folder / "home" / "images").mkdir(parents=True)
    dask.start_worker(PYTHONPATH=str(fake.parent), HOME=str(folder / "home"))
    dask.start_worker(HOME=str(folder))
    # Here nobody needs the images.
    status, said = there(folder, dask, "--set", "data_dir=~/images")
    assert status == cli.BAD_INPUT
    assert "refused: codecarbon is 2.0.0 there, 3." in said
    assert "refused: data_dir: no folder '~/images'" in said
    assert "every worker of the cluster was refused" in said
    assert "127.0.0.1" not in said
    assert not list((folder / "outputs").rglob("run.json"))


def test_nobody_at_the_address_is_one_message(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 1)
    assert cli.main(["small.yaml", "--scheduler", "tcp://127.0.0.1:9"]) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert "--scheduler: 1 mistake\n  - no Dask scheduler answers at tcp://127.0.0.1:9" in said
    assert not (folder / "outputs").exists()


def test_a_worker_says_what_runs_would_miss():
    said = cluster_worker.describe([RunConfig(data_dir="/nowhere", weights="/none.h5")] * 2)
    assert said["missing"] == [
        "weights: no file '/none.h5'; allowed are imagenet, none or a weights file",
        "data_dir: no folder '/nowhere'",
    ]
    assert said["versions"]["keras"]
