"""What becomes of a run, however its notebook ends; papermill is played, and no kernel starts."""

import json
import subprocess
import sys
import time
from pathlib import Path

import papermill
import psutil
import pytest
from nbclient.exceptions import DeadKernelError

from lib import program, records
from lib.execution import run_process
from lib.records import Record
from lib.study.config import RunConfig
from lib.study.folder import StudyFolder


@pytest.fixture
def run(tmp_path):
    return RunConfig().going_to(StudyFolder(tmp_path))


def ending(monkeypatch, outcome=None):
    """Let papermill end a notebook with an error, or with what a function does; its arguments."""
    seen = {}

    def execute_notebook(source, target, **arguments):
        seen.update(arguments)
        Path(target).write_text(json.dumps({"cells": [], "metadata": {"papermill": {}}}))
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is not None:
            outcome()

    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    return seen


def failing(name, value):
    return papermill.PapermillExecutionError(0, 1, "x = 1", name, value, ["..."])


def test_a_notebook_that_leaves_a_record_has_no_error(run, monkeypatch):
    record = Record(run_id=run.run_id, status="completed", config=run.recorded)
    seen = ending(monkeypatch, lambda: record.write(run.run_dir))
    assert run_process.execute(run) is None
    assert seen["parameters"] == run.model_dump(mode="json")
    assert seen["extra_arguments"] == list(program.KERNEL_ARGUMENTS)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (None, "the notebook ended without leaving a record"),
        (failing("ValueError", "no such\nthing"), "ValueError: no such thing"),
        (failing("KeyboardInterrupt", ""), "KeyboardInterrupt"),
        (failing("MemoryError", ""), "out of memory: MemoryError"),
        (failing("ResourceExhaustedError", "OOM"), "out of memory: ResourceExhaustedError: OOM"),
        (DeadKernelError("died"), "the kernel died; the last lines of log.txt may say why"),
        (RuntimeError("Kernel didn't\nrespond"), "RuntimeError: Kernel didn't respond"),
    ],
)
def test_every_end_is_one_line(run, monkeypatch, outcome, said):
    monkeypatch.setattr(run_process, "memory_kills", lambda: 0)
    ending(monkeypatch, outcome)
    assert run_process.execute(run).startswith(said)


def test_a_kernel_that_the_system_killed_was_out_of_memory(run, monkeypatch):
    kills = iter([3, 4])
    monkeypatch.setattr(run_process, "memory_kills", lambda: next(kills))
    ending(monkeypatch, DeadKernelError("died"))
    assert run_process.execute(run) == "out of memory: the system killed the kernel"


def test_the_log_of_a_dead_kernel_may_say_that_it_was_memory(run, monkeypatch):
    monkeypatch.setattr(run_process, "memory_kills", lambda: 0)
    run.run_dir.mkdir(parents=True)
    with (run.run_dir / "log.txt").open("wb") as log:
        log.truncate(2**40)  # holes, but who read it all would run out of memory as well
        log.seek(2**40)
        log.write(b"\nstd::bad_alloc\n\xff" + b"x" * 9_000)
    ending(monkeypatch, DeadKernelError("died"))
    assert run_process.execute(run).startswith("out of memory: the kernel died")


@pytest.mark.parametrize(("text", "kills"), [("oom_kill 7\n", 7), ("pgfault 1\n", 0)])
def test_kills_are_counted_where_the_system_counts_them(tmp_path, monkeypatch, text, kills):
    path = tmp_path / "vmstat"
    monkeypatch.setattr(run_process, "_VMSTAT", path)
    assert run_process.memory_kills() == 0
    path.write_text(f"nr_free_pages 1\n{text}")
    assert run_process.memory_kills() == kills


def test_an_executed_notebook_names_no_folder_of_a_person(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "train.ipynb"
    papermills = {"input_path": "a", "output_path": "b", "duration": 1}
    content = {"cells": [f"{tmp_path}/data"], "metadata": {"papermill": papermills}}
    path.write_text(json.dumps(content))
    run_process.leave_out_private_paths(path)
    left = json.loads(path.read_text())
    assert left == {"cells": ["~/data"], "metadata": {"papermill": {"duration": 1}}}


def test_a_notebook_that_was_cut_off_is_taken_away(tmp_path):
    path = tmp_path / "train.ipynb"
    path.write_text('{"cells": [')
    run_process.leave_out_private_paths(path)
    assert not path.exists()
    run_process.leave_out_private_paths(path)


def test_a_failed_run_is_recorded_with_what_it_was(run):
    run_process.failed_record(run, "no").write(run.run_dir)
    record = records.read(run.run_dir / "run.json")
    assert (record.status, record.error, record.run_id) == ("failed", "no", run.run_id)
    assert record.config == run.recorded
    assert record.versions["program_content"] == program.digest()
    assert record.measurement_version == records.MEASUREMENT_VERSION


ORPHAN = """
import subprocess, sys, time
from lib.execution.run_process import end_with_parent
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print(child.pid, flush=True)
end_with_parent(int(sys.argv[1]))
time.sleep(300)
"""


def test_what_has_lost_its_parent_ends_with_its_children():
    other = 1  # never the parent of what is started here
    orphan = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(other)], stdout=subprocess.PIPE, text=True
    )
    said = orphan.stdout.read()
    assert orphan.wait(200) == 1
    orphan.stdout.close()
    # Its output ends a moment before it does, and the system may never clear it away.
    until = time.monotonic() + 200
    while is_running(int(said)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(int(said))


def is_running(process):
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
