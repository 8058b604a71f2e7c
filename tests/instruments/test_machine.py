import json
import os
import platform
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from lib import program
from lib.instruments import checks, machine


def test_hardware_in_codecarbons_words():
    found = machine.hardware()
    assert list(found) == [
        "machine",
        "cpu_model",
        "cpu_count",
        "gpu_model",
        "gpu_count",
        "ram_total_size",
        "os",
        "service",
        "machine_shape",
    ]
    assert found["cpu_count"] == os.cpu_count()
    assert found["ram_total_size"] * 1024**3 == psutil.virtual_memory().total
    if not found["gpu_count"]:
        assert found["gpu_model"] is None
    json.dumps(found)


def test_versions_without_importing_what_is_heavy():
    code = """
        import json, sys
        from lib.instruments import checks, machine
        versions = machine.versions()
        print(json.dumps([versions, [m for m in ("tensorflow", "keras") if m in sys.modules]]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=program.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    versions, imported = json.loads(done.stdout)
    assert imported == []
    assert versions["python"] == platform.python_version()
    assert versions["codecarbon"] == "3.3.2"
    assert None not in (versions["tensorflow"], versions["keras"])


def test_a_missing_package_has_no_version(monkeypatch):
    def missing(package):
        raise machine.importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(machine.importlib.metadata, "version", missing)
    assert machine.versions()["tensorflow"] is None


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout that the program believes to be its own."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    monkeypatch.setattr(program, "ROOT", tmp_path)
    (tmp_path / "file").write_text("one")
    for arguments in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    return tmp_path


def test_the_commit_and_whether_the_files_are_those_of_it(checkout):
    clean = machine.commit()
    assert len(clean) == 40
    (checkout / "new").write_text("untracked files change no result")
    assert machine.commit() == clean
    (checkout / "file").write_text("two")
    assert machine.commit() == f"{clean}+dirty"


def test_a_copy_inside_somebody_elses_repository_has_no_commit(checkout, monkeypatch):
    inner = checkout / "site-packages"
    inner.mkdir()
    monkeypatch.setattr(program, "ROOT", inner)
    assert machine.commit() is None


def test_no_checkout_and_no_git_have_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "ROOT", tmp_path)
    assert machine.commit() is None
    monkeypatch.setenv("PATH", "")
    assert machine.commit() is None
    assert any("not checked: the program's commit" in line for line in checks.look(0.01))


def test_the_machines_number_is_stable_and_tells_nothing():
    number = machine.machine_id()
    assert number == machine.machine_id()
    text = json.dumps([machine.hardware(), machine.versions(), checks.look(0.01)])
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text


def test_machines_differ_by_their_id_or_else_their_network_card(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("5a" * 16 + "\n")
    second.write_text("5b" * 16)
    numbers = set()
    for path in (first, second):
        monkeypatch.setattr(machine, "_MACHINE_IDS", (tmp_path / "missing", path))
        numbers.add(machine.machine_id())
    monkeypatch.setattr(machine, "_MACHINE_IDS", (tmp_path / "missing",))
    for card in (0x0242AC110002, 0x0242AC110003):
        monkeypatch.setattr(machine.uuid, "getnode", lambda card=card: card)
        numbers.add(machine.machine_id())
    assert len(numbers) == 4
    assert all(len(number) == 12 for number in numbers)
    monkeypatch.setattr(machine.uuid, "getnode", lambda: 0x010000000000)
    assert machine.machine_id() is None
