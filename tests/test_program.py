import os
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client import KernelManager

from lib import program

STRANGE = "raise SystemExit('this is not the package')"


@pytest.mark.parametrize("at_home", [True, False])
def test_a_kernel_takes_this_program_whatever_lies_where_it_works(tmp_path, at_home):
    """Also where it works in the program's own folder, which a kernel takes off its path."""
    (tmp_path / "lib").mkdir()
    for name in ("lib/__init__.py", "plotly.py", "pandas.py"):
        (tmp_path / name).write_text(STRANGE)
    # Ports may be taken between their choice and their use, by other tests; files are its own.
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "kernel"))
    manager.start_kernel(
        extra_arguments=list(program.KERNEL_ARGUMENTS),
        cwd=str(program.ROOT if at_home else tmp_path),
        env=os.environ | program.environment(),
    )
    client = manager.blocking_client()
    client.start_channels()
    said = []
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            "import lib, plotly, pathlib; print(pathlib.Path(lib.__file__).parents[1])",
            output_hook=lambda message: said.append(message["content"].get("text")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert f"{program.ROOT}\n" in said


def test_a_child_takes_this_program(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").write_text(STRANGE)
    done = subprocess.run(
        [sys.executable, "-m", "lib.program"],
        cwd=tmp_path,
        env=os.environ | program.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_path_that_is_not_absolute_is_the_working_directorys(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "here", "/there"]))
    paths = program.environment()["PYTHONPATH"].split(os.pathsep)
    assert str(program.ROOT) in paths
    assert paths[-1] == "/there"
    assert not {"here", ""} & {*paths}


def test_the_digest_is_that_of_the_content(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "ROOT", tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("1")
    first = program.digest.__wrapped__()
    (tmp_path / "lib" / "notes.txt").write_text("1")
    assert program.digest.__wrapped__() == first
    (tmp_path / "lib" / "a.py").write_text("2")
    assert program.digest.__wrapped__() != first


def test_the_program_is_the_same_where_there_is_no_git(tmp_path, monkeypatch):
    """What is unpacked on a worker, or on Kaggle, has no checkout to ask."""
    here = program.files()
    for name, content in here.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    tracked = program._tracked()
    if tracked is not None:
        assert {Path(name).suffix for name in tracked} <= program.KINDS
    digest = program.digest.__wrapped__()
    monkeypatch.setattr(program, "ROOT", tmp_path)
    assert program.digest.__wrapped__() == digest
