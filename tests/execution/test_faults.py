"""What a batch survives: being killed at any moment, a full disk, a folder that is read-only."""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from lib import cli, records
from lib.execution import local
from lib.study.folder import StudyFolder
from tests import stand_in
from tests.conftest import RECORD

STUDY = "title: small\nfactors: {epochs: [1, 2]}\nrepetitions: 2\n"
KILLS = 20
WAYS = {
    "kill": signal.SIGKILL,
    "terminate": signal.SIGTERM,
    "hang up": signal.SIGHUP,
    "interrupt": signal.SIGINT,
    "interrupt twice": signal.SIGINT,
    "run": signal.SIGKILL,
    "kernel": signal.SIGKILL,
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small.yaml").write_text(STUDY)
    return tmp_path


def outcome(folder):
    """Id, status and content of every record, and the table; both without times."""
    study_dir = folder / "outputs" / "small"
    found = {path.parent.name: records.read(path) for path in study_dir.glob("runs/*/run.json")}
    table = records.read_results(study_dir).sort_values("run_id", ignore_index=True)
    return found, table.to_csv(index=False)


def complete(folder):
    """The files of complete runs: once there, they may not change."""
    paths = (folder / "outputs").glob("*/runs/*/run.json")
    done = [path for path in paths if json.loads(path.read_text())["status"] == "completed"]
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in done}


def strike(process, way):
    """Hit the batch, its run or the run's kernel."""
    family = psutil.Process(process.pid).children(recursive=True)
    # The run is a child of the batch, the kernel one of the run.
    victims = {"run": family[:1], "kernel": family[1:]}.get(way, [])
    if victims:
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        return
    process.send_signal(WAYS[way])
    if way == "interrupt twice":
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == [], f"left behind after {way}"


def test_killed_at_random_moments_the_study_comes_out_the_same(folder, notebook, tmp_path_factory):
    notebook(RECORD)
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    (undisturbed / "small.yaml").write_text(STUDY)
    status, said = stand_in.run(local.NOTEBOOK, undisturbed, "small.yaml")
    assert status == cli.COMPLETE, said

    dice = random.Random(1)
    process, known, strikes = None, {}, 0
    while strikes < KILLS:
        if process is None or process.poll() is not None:
            if process is not None and process.returncode == cli.COMPLETE:
                assert outcome(folder) == outcome(undisturbed)
                shutil.rmtree(folder / "outputs")
                known = {}
            process = stand_in.start(local.NOTEBOOK, folder, "small.yaml", "--retry-failed")
        time.sleep(dice.uniform(0.2, 2.2))
        if process.poll() is not None:
            continue
        strike(process, way := dice.choice(list(WAYS)))
        strikes += 1
        now = complete(folder)
        assert known.items() <= now.items(), f"a complete run was touched after {way}"
        known = now
    if process.poll() is None:
        process.kill()
        process.communicate()
    status, said = stand_in.run(local.NOTEBOOK, folder, "small.yaml", "--retry-failed")
    assert status == cli.COMPLETE, said
    assert known.items() <= complete(folder).items()
    assert outcome(folder) == outcome(undisturbed)
    study_dir = folder / "outputs" / "small"
    assert {path.name for path in study_dir.iterdir()} - {"aside"} == {
        *("plan.csv", "study.yaml", "results.csv", "runs")
    }
    assert not list(study_dir.rglob("*.tmp"))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


FILL = """
from pathlib import Path
if (room := Path("fill")).exists():
    with (config.run_dir / "ballast").open("wb") as file:
        while True:
            file.write(bytes(4096))
"""


def test_a_full_disk_stops_the_batch_and_the_next_call_goes_on(folder, notebook, small_disk):
    head = RECORD.split("Record(")[0]
    notebook(head, "if epochs == 2:" + FILL.replace("\n", "\n    "), RECORD)
    (folder / "fill").touch()
    arguments = ("small.yaml", "--outputs", small_disk, "--only", "repetition=1")
    status, said = stand_in.run(local.NOTEBOOK, folder, *arguments)
    assert status == cli.SOME_FAILED
    assert "results can't be written: No space left on device; what is complete is kept" in said
    assert "Traceback" not in said
    study_dir = small_disk / "small"
    assert not (StudyFolder(study_dir).unfinished.path).exists(), "it gives the room back"
    records_there = list(study_dir.rglob("run.json"))
    assert all(records.read(path).status == "completed" for path in records_there)

    (folder / "fill").unlink()
    status, said = stand_in.run(local.NOTEBOOK, folder, *arguments)
    assert status == cli.COMPLETE, said
    assert len(list(study_dir.rglob("run.json"))) == 2


def test_a_full_disk_is_seen_before_the_first_run(folder, notebook, small_disk):
    notebook(RECORD)
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    status, said = stand_in.run(local.NOTEBOOK, folder, "small.yaml", "--outputs", small_disk)
    assert status == cli.BAD_INPUT
    assert f"--outputs: 1 mistake\n  - {small_disk}/small: results can't be written: No" in said
    assert not list(small_disk.rglob("*.csv"))


def test_a_read_only_folder_is_one_message(folder, notebook, small_disk):
    notebook(RECORD)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    status, said = stand_in.run(local.NOTEBOOK, folder, "small.yaml", "--outputs", small_disk)
    assert status == cli.BAD_INPUT
    assert f"{small_disk}/small: results can't be written: Read-only file system" in said


def test_a_file_in_place_of_the_folder_is_one_message(folder, notebook):
    notebook(RECORD)
    (folder / "outputs").touch()
    status, said = stand_in.run(local.NOTEBOOK, folder, "small.yaml")
    assert status == cli.BAD_INPUT
    assert "--outputs: outputs is a file, not a folder" in said


ONE = ("small.yaml", "--only", "epochs=1", "repetition=1")


@pytest.mark.parametrize(
    "cell",
    [
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\nbytearray(2**31)",
        "import numpy\nnumpy.zeros(2**50)",
        "import os\nos.write(2, b'terminate called: std::bad_alloc')\nos.abort()",
    ],
)
def test_out_of_memory_is_named(folder, notebook, cell):
    notebook(cell)
    status, said = stand_in.run(local.NOTEBOOK, folder, *ONE)
    assert status == cli.SOME_FAILED
    assert "0 of 1 runs complete, 1 failed, the last one is VGG16" in said
    (path,) = folder.rglob("run.json")
    assert records.read(path).error.startswith("out of memory: ")


@pytest.fixture
def memory_group():
    """A control group of 300 MB that this user may put processes into."""
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = root / f"training-energy-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(300 * 2**20))
        except OSError:
            with suppress(OSError):
                group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("only root may limit the memory of a control group")


def test_a_kernel_killed_for_its_memory_is_named(folder, notebook, memory_group):
    notebook(
        f"import os\nopen({str(memory_group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))",
        "hog = []\nwhile True: hog.append(bytearray(2**24))",
    )
    stand_in.run(local.NOTEBOOK, folder, *ONE)
    (path,) = folder.rglob("run.json")
    assert records.read(path).error == "out of memory: the system killed the kernel"


def test_a_lost_terminal_is_survived(folder, notebook):
    """Writing to a terminal that is gone fails: the batch must still end in order."""
    notebook("import time; time.sleep(60)")
    terminal, of_the_batch = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", stand_in.RUN_ALL, str(local.NOTEBOOK), "small.yaml"],
        **stand_in.surroundings(folder),
        stdin=of_the_batch,
        stdout=of_the_batch,
        stderr=of_the_batch,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(of_the_batch)
    deadline = time.monotonic() + 60
    while len(psutil.Process(process.pid).children(recursive=True)) < 2:
        os.read(terminal, 100_000)
        assert time.monotonic() < deadline
    family = psutil.Process(process.pid).children(recursive=True)
    os.close(terminal)
    assert process.wait(30) == cli.INTERRUPTED
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert not (StudyFolder(folder / "outputs" / "small").unfinished.path).exists()
