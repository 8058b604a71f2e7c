"""What runs inside a Dask worker: admit it to the measurement, and measure runs there.

This module is sent to workers by value, for they have the environment but not this package. It must
therefore import nothing of it, and leaves the work to `cluster_worker` in a process of its own.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_TO_END = 10


class Admission(WorkerPlugin):
    """Gives every worker that fits one unit of a Dask resource, and with it the right to measure.

    A worker must have `versions` of packages, and the files of `runs`. `name` is that of the
    plugin, of the resource, and of the topic on which it reports.
    """

    def __init__(
        self, name: str, program: bytes, versions: dict[str, str | None], runs: list[dict[str, Any]]
    ):
        self.name, self.program = name, program
        self.versions, self.runs = versions, runs

    async def setup(self, worker: Any) -> None:
        """Look at the worker, now or when it joins; report, and admit it if nothing is wrong."""
        self.folder = Path(tempfile.mkdtemp(prefix="training-energy-study-"))
        with zipfile.ZipFile(BytesIO(self.program)) as archive:
            archive.extractall(self.folder)
        loop = asyncio.get_running_loop()
        machine, problems = await loop.run_in_executor(None, self._look)
        await worker.set_resources(**{self.name: 0 if problems else 1})
        report = {"worker": worker.address, "machine": machine, "problems": problems}
        worker.log_event(self.name, report)

    async def teardown(self, worker: Any) -> None:
        """Take the right to measure back."""
        await worker.set_resources(**{self.name: 0})
        shutil.rmtree(self.folder, ignore_errors=True)

    def _look(self) -> tuple[str | None, list[str]]:
        child = start_child(self.folder, {"runs": self.runs})
        answer, trouble = child.communicate()
        if child.returncode:
            last = trouble.strip().splitlines()[-1:] or ["no message"]
            return None, [f"the program does not start there: {last[0]}"]
        said = json.loads(answer)
        problems = [
            f"{package} is {said['versions'].get(package) or 'missing'} there, {version} here"
            for package, version in self.versions.items()
            if said["versions"].get(package) != version
        ]
        return said["machine"], problems + said["missing"]


def start_child(folder: Path, task: dict[str, Any]) -> subprocess.Popen:
    """Start `cluster_worker` of the unpacked program with `task` on its standard input."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        [sys.executable, "-m", "lib.execution.cluster_worker"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(task | {"parent": os.getpid()}))
    child.stdin.flush()
    return child


def measure(name: str, parameters: dict[str, Any], timeout: float | None) -> bytes:
    """Execute one run on the worker that calls this, which the plugin `name` admitted: its folder
    as `lib.execution.bundle.pack_run` packs it.

    Raises:
        RuntimeError: If the run left nothing; says what went wrong.
    """
    worker = get_worker()
    key = worker.get_current_task()
    admission: Any = worker.plugins[name]
    folder: Path = admission.folder
    worker.log_event(name, {"run": key})
    child = start_child(folder, {"parameters": parameters, "timeout": timeout})
    assert child.stdin is not None
    assert child.stderr is not None
    child.stdin.close()
    try:
        while child.poll() is None:
            task = worker.state.tasks.get(key)
            if task is None or task.state != "executing":
                raise RuntimeError("this run is no longer wanted")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if child.returncode:
            raise RuntimeError(child.stderr.read().strip().splitlines()[-1])
    finally:
        _stop(child)
    return (folder / "run.zip").read_bytes()


def _stop(child: subprocess.Popen) -> None:
    """Ask the child to end with all that it started; insist after a while."""
    child.terminate()
    try:
        child.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
