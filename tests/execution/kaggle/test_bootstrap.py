import subprocess
import sys

import pytest

from lib.execution.kaggle import bootstrap


def test_only_what_is_missing_is_missing():
    assert bootstrap.missing(["numpy", "pydantic>=2", "keras-flops==0.1.2"]) == []
    assert bootstrap.missing(["pydantic>=99", "no-such-thing==1", "numpy"]) == [
        *("pydantic>=99", "no-such-thing==1"),
    ]


def test_a_module_of_another_distribution_is_not_missing(monkeypatch):
    def unknown(name):
        raise bootstrap.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(bootstrap.importlib.metadata, "version", unknown)
    assert bootstrap.missing(["numpy>=1", "no-such-thing"]) == ["no-such-thing"]


@pytest.fixture
def without_index(monkeypatch):
    """Nothing can be installed, as with the internet off."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


def test_without_internet_it_says_what_stays_empty(without_index, capsys):
    bootstrap.install(["codecarbon==999"])
    said = capsys.readouterr().out
    assert "codecarbon==999 could not be installed, so what it measures stays empty" in said
    assert "No matching distribution" in said


def test_without_internet_it_stops_where_it_can_not_train(without_index):
    with pytest.raises(RuntimeError, match=r"no-such-thing could not be installed, and training"):
        bootstrap.install(["no-such-thing", "codecarbon==999"])


def test_nothing_else_is_replaced_for_keras_flops(monkeypatch):
    calls = []

    def run(command, **_):
        calls.append(command[command.index("install") + 1 :])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    bootstrap.install(["codecarbon==999", "keras-flops==999"])
    assert [("codecarbon==999" in c, "keras-flops==999" in c) for c in calls] == [
        (True, False),
        (False, True),
    ]
    assert "--no-deps" in calls[1]


def test_the_program_is_unpacked_outside_the_working_folder(tmp_path, monkeypatch):
    """In a process of its own, for it changes what `import lib` finds."""
    script = """
import base64, inspect, io, sys, tempfile, zipfile
from pathlib import Path
from lib.execution.kaggle import bootstrap
tempfile.tempdir = sys.argv[1]
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as archive:
    archive.writestr("lib/__init__.py", "word = 'unpacked'")
for _ in range(2):
    bootstrap.set_up([], base64.b64encode(buffer.getvalue()).decode())
import lib
assert lib.word == "unpacked", lib
assert not list(Path.cwd().iterdir())
"""
    working, temporary = tmp_path / "working", tmp_path / "temporary"
    working.mkdir()
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(temporary)],
        cwd=working,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not list(temporary.iterdir()), "nothing is left when the notebook ends"
