"""What a batch survives: being killed at any moment, a full disk, a folder that is read-only."""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import termios
import time
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path

import psutil
import pytest

from lib import cli, records
from lib.study.config import RunConfig
from lib.study.folder import StudyFolder
from tests import stand_in
from tests.conftest import RECORD, RUN_DIR

STUDY = "title: small\nfactors: {epochs: [1, 2]}\nrepetitions: 2\n"
WAYS = {
    "kill": signal.SIGKILL,
    "terminate": signal.SIGTERM,
    "hang up": signal.SIGHUP,
    "interrupt": signal.SIGINT,
    "interrupt twice": signal.SIGINT,
    "run": signal.SIGKILL,
}
MOMENTS = {
    "it starts": lambda study_dir, before: True,
    "a run is under way": lambda study_dir, before: any(study_dir.glob("unfinished/runs/*")),
    "another run is over": lambda study_dir, before: len(over(study_dir)) > before,
    "results are there": lambda study_dir, before: (study_dir / "results.csv").exists(),
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


def over(study_dir):
    """The records of runs that are over."""
    return [*study_dir.glob("runs/*/run.json")]


def strike(process, way):
    """Hit the batch, or the run that it waits for."""
    family = process.family()
    if way == "run" and family:
        with suppress(psutil.NoSuchProcess):
            family[0].kill()
        return
    process.send(WAYS[way])
    if way == "interrupt twice":
        time.sleep(0.1)
        process.send(signal.SIGINT)
    process.end(30)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == [], f"left behind after {way}"


def killed(folder, undisturbed, notebook, blows):
    """Strike a study in `folder` in so many ways and at so many moments, then let it end.

    It goes on from where it was and comes out as `undisturbed`, over and over.
    """
    dice = random.Random(1)
    study_dir = folder / "outputs" / "small"
    again = (notebook, folder, "small.yaml", "--retry-failed")
    process, known = stand_in.start(*again, kernel=False), {}
    for way, moment in islice(zip(cycle(WAYS), cycle(MOMENTS), strict=False), blows):
        before = len(over(study_dir))
        while not MOMENTS[moment](study_dir, before) or process.status is not None:
            if process.status is not None:
                if process.status == cli.COMPLETE:
                    assert outcome(folder) == outcome(undisturbed)
                    shutil.rmtree(folder / "outputs")
                    known, before = {}, 0
                process = stand_in.start(*again, kernel=False)
            time.sleep(0.005)
        time.sleep(dice.uniform(0, 0.1))
        strike(process, way)
        now = complete(folder)
        assert known.items() <= now.items(), f"a complete run was touched after {way} when {moment}"
        known = now
    process.send(signal.SIGKILL)
    process.end()
    status, said = stand_in.run(*again, kernel=False)
    assert status == cli.COMPLETE, said
    assert known.items() <= complete(folder).items()
    assert outcome(folder) == outcome(undisturbed)
    assert {path.name for path in study_dir.iterdir()} - {"aside"} == {
        *("plan.csv", "study.yaml", "results.csv", "runs")
    }
    assert not list(study_dir.rglob("*.tmp"))


def test_killed_at_any_moment_the_study_comes_out_the_same(folder, notebook, tmp_path_factory):
    """In every way twice, at every moment thrice."""
    notebook(RECORD)
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    (undisturbed / "small.yaml").write_text(STUDY)
    status, said = stand_in.run(RunConfig.notebook, undisturbed, "small.yaml", kernel=False)
    assert status == cli.COMPLETE, said
    killed(folder, undisturbed, RunConfig.notebook, 12)


@pytest.mark.parametrize("way", ["terminate", "interrupt twice"])
def test_a_kernel_ends_with_its_batch(folder, notebook, way):
    notebook("import time; time.sleep(300)")
    process = stand_in.start(RunConfig.notebook, folder, "small.yaml")
    while len(process.family()) < 2:
        assert process.status is None, process.said()
        time.sleep(0.05)
    strike(process, way)
    assert not over(folder / "outputs" / "small")


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
    with (run_dir / "ballast").open("wb") as file:
        while True:
            file.write(bytes(4096))
"""


def test_a_full_disk_stops_the_batch_and_the_next_call_goes_on(folder, notebook, small_disk):
    notebook(RUN_DIR, "if epochs == 2:" + FILL.replace("\n", "\n    "), RECORD)
    (folder / "fill").touch()
    arguments = ("small.yaml", "--outputs", small_disk, "--only", "repetition=1")
    status, said = stand_in.run(RunConfig.notebook, folder, *arguments, kernel=False)
    assert status == cli.SOME_FAILED
    assert "results can't be written: No space left on device; complete runs are kept" in said
    assert "Traceback" not in said
    study_dir = small_disk / "small"
    assert not (StudyFolder(study_dir).unfinished.path).exists(), "it gives the room back"
    records_there = list(study_dir.rglob("run.json"))
    assert all(records.read(path).status == "completed" for path in records_there)

    (folder / "fill").unlink()
    status, said = stand_in.run(RunConfig.notebook, folder, *arguments, kernel=False)
    assert status == cli.COMPLETE, said
    assert len(list(study_dir.rglob("run.json"))) == 2


def test_a_full_disk_is_seen_before_the_first_run(folder, notebook, small_disk):
    notebook(RECORD)
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    options = ("--outputs", small_disk)
    status, said = stand_in.run(RunConfig.notebook, folder, "small.yaml", *options, kernel=False)
    assert status == cli.BAD_INPUT
    assert f"--outputs: 1 mistake\n  - {small_disk}/small: results can't be written: No" in said
    assert not list(small_disk.rglob("*.csv"))


def test_a_read_only_folder_is_one_message(folder, notebook, small_disk):
    notebook(RECORD)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    options = ("--outputs", small_disk)
    status, said = stand_in.run(RunConfig.notebook, folder, "small.yaml", *options, kernel=False)
    assert status == cli.BAD_INPUT
    assert f"{small_disk}/small: results can't be written: Read-only file system" in said


def test_a_file_in_place_of_the_folder_is_one_message(folder, notebook):
    notebook(RECORD)
    (folder / "outputs").touch()
    status, said = stand_in.run(RunConfig.notebook, folder, "small.yaml")
    assert status == cli.BAD_INPUT
    assert "--outputs: outputs is a file, not a folder" in said


ONE = ("small.yaml", "--only", "epochs=1", "repetition=1")


def test_out_of_memory_is_named(folder, notebook):
    notebook(
        "import os, resource",
        "if epochs == 1: resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); bytearray(2**31)",
        "if epochs == 2: import numpy; numpy.zeros(2**50)",
        "os.write(2, b'terminate called: std::bad_alloc'); os.abort()",
    )
    (folder / "small.yaml").write_text(STUDY.replace("[1, 2]", "[1, 2, 3]"))
    status, said = stand_in.run(RunConfig.notebook, folder, "small.yaml", "--only", "repetition=1")
    assert status == cli.SOME_FAILED
    assert "0 of 3 runs complete, 3 failed, the last one is VGG16" in said
    errors = [records.read(path).error for path in folder.rglob("run.json")]
    assert [error[:15] for error in errors] == ["out of memory: "] * 3


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
    stand_in.run(RunConfig.notebook, folder, *ONE)
    (path,) = folder.rglob("run.json")
    assert records.read(path).error == "out of memory: the system killed the kernel"


def test_a_lost_terminal_is_survived(folder, notebook):
    """Writing to a terminal that is gone fails: the batch must still end in order."""
    notebook("import time; time.sleep(60)")
    terminal, of_the_batch = os.openpty()
    process = subprocess.Popen(
        stand_in.command(RunConfig.notebook, "small.yaml"),
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
