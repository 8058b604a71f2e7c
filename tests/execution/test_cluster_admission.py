"""What a worker is asked before it may measure; the process that answers is played."""

import json
import os
import subprocess
import sys

import pytest

from lib.execution import cluster_admission
from lib.execution.cluster_admission import Admission

OURS = {"tensorflow": "2.21.0", "keras": "3.15.1"}


class Child:
    """A process that has ended, and what it said."""

    def __init__(self, answer="", trouble="", returncode=0):
        self._said, self.returncode = (answer, trouble), returncode

    def communicate(self):
        return self._said


def looked(monkeypatch, tmp_path, child):
    monkeypatch.setattr(cluster_admission, "start_child", lambda folder, task: child)
    admission = Admission("measurement", b"", OURS, [])
    admission.folder = tmp_path
    return admission._look()


def answer(**changes):
    said = {"machine": "0f", "versions": OURS, "missing": []} | changes
    return Child(json.dumps(said))


def test_a_worker_like_this_machine_has_no_problem(monkeypatch, tmp_path):
    assert looked(monkeypatch, tmp_path, answer()) == ("0f", [])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"versions": OURS | {"keras": "3.0"}}, "keras is 3.0 there, 3.15.1 here"),
        ({"versions": {"keras": "3.15.1"}}, "tensorflow is missing there, 2.21.0 here"),
        ({"missing": ["data_dir: no folder 'x'"]}, "data_dir: no folder 'x'"),
    ],
)
def test_what_differs_is_named(monkeypatch, tmp_path, changes, problem):
    assert looked(monkeypatch, tmp_path, answer(**changes)) == ("0f", [problem])


@pytest.mark.parametrize(
    ("trouble", "said"),
    [("Traceback\nImportError: no x\n", "ImportError: no x"), ("", "no message")],
)
def test_a_program_that_does_not_start_there_is_said(monkeypatch, tmp_path, trouble, said):
    machine, problems = looked(monkeypatch, tmp_path, Child(trouble=trouble, returncode=1))
    assert machine is None
    assert problems == [f"the program does not start there: {said}"]


def test_a_child_takes_the_program_that_travelled(tmp_path, monkeypatch):
    """Not a `lib` that lies elsewhere; and it is told whose child it is."""
    (tmp_path / "lib" / "execution").mkdir(parents=True)
    for name in ("lib/__init__.py", "lib/execution/__init__.py"):
        (tmp_path / name).touch()
    (tmp_path / "lib" / "execution" / "cluster_worker.py").write_text(
        "import json, sys; print(json.load(sys.stdin))"
    )
    child = cluster_admission.start_child(tmp_path, {"runs": []})
    said, trouble = child.communicate()
    assert said.strip() == str({"runs": [], "parent": os.getpid()}), trouble


def test_a_child_that_does_not_end_when_asked_is_killed(monkeypatch):
    monkeypatch.setattr(cluster_admission, "SECONDS_TO_END", 0.1)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); "
    deaf += "time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "on\n"
    cluster_admission._stop(child)
    assert child.returncode == -9
    child.stdout.close()
