"""`run_all.py` in a process of its own, with a stand-in for training and without a report."""

import gc
import json
import multiprocessing
import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import psutil

from lib import __version__
from lib.records import Record
from lib.study.config import RunConfig

ROOT = Path(__file__).resolve().parents[1]


def record(status, **fields):
    """The text of a record, to be completed by the run itself with its id and its configuration."""
    measured = {"accuracy": 0.5, "energy_consumed": 0.001, "score": 500.0, "duration": 1.0}
    return Record(
        run_id="-",
        status=status,
        config=RunConfig().recorded,
        versions={"program": __version__},
        **(measured if status == "completed" else {}),
        **fields,
    ).model_dump_json()


RUN_PROCESS = (
    *(sys.executable, "-S", str(ROOT / "tests" / "run_in_process.py")),
    record("failed", error="-"),
)
"""In place of `python -m lib.execution.run_process`: see `run_in_process`."""

RUN_ALL = "import json, sys; from tests import stand_in; stand_in.run_all(*json.loads(sys.argv[1]))"

PREPARED = multiprocessing.get_context("forkserver")
PREPARED.set_forkserver_preload(
    [
        *("lib.execution.run_study", "lib.execution.call", "lib.execution.cluster"),
        *("lib.analysis.questions", "lib.report.export", "scipy.stats", "tests.stand_in"),
    ]
)
"""Where calls are forked from: a process that has imported, once for all, what takes a second."""

NUMBERS = count()


def run_all(notebook, kernel, arguments):
    """Be `run_all.py` with these arguments, whose runs execute `notebook`.

    Without a `kernel` they take a fraction of a second each, wherever the program travels to.
    """
    from lib import cli, program
    from lib.execution import local

    RunConfig.notebook = Path(notebook)
    if not kernel:
        from lib.execution import cluster, cluster_admission

        local.RUN_PROCESS = RUN_PROCESS
        cluster.SECONDS_BETWEEN_LOOKS = cluster_admission.SECONDS_BETWEEN_LOOKS = 0.05
        files, here = program.files, "lib/execution/local.py"
        instead = f"\nRUN_PROCESS = {RUN_PROCESS!r}\n".encode()
        program.files = lambda: (found := files()) | {here: found[here] + instead}
    no_report = SimpleNamespace(build=lambda folder: folder, ReportError=RuntimeError)
    sys.modules["lib.report.build"] = no_report  # whose imports take longer than all that is tested
    sys.exit(cli.main(arguments))


def command(notebook, *arguments):
    """The command line of it, for a process that nothing was imported for."""
    return [sys.executable, "-c", RUN_ALL, json.dumps([str(notebook), True, arguments])]


def surroundings(folder, **environment):
    """Its working folder, session and environment; temporary files, and so its locks, lie there."""
    here = folder / "tmp"
    here.mkdir(exist_ok=True)
    places = {"PYTHONPATH": ROOT, "TMPDIR": here, "TRAINING_ENERGY_LOCKS": here} | environment
    return {
        "cwd": folder,
        "env": os.environ | {name: str(value) for name, value in places.items()},
        "start_new_session": True,
    }


class Call:
    """`run_all.py` under way in a process of its own."""

    def __init__(self, around, *call):
        self._output = around["cwd"] / "tmp" / f"said-{next(NUMBERS)}"
        self._output.touch()
        arguments = (str(around["cwd"]), around["env"], str(self._output), call)
        self._process = PREPARED.Process(target=_go, args=arguments, daemon=True)
        self._process.start()
        self.pid = self._process.pid

    @property
    def status(self):
        """Its exit status, or the negative number of the signal that ended it; None before."""
        return self._process.exitcode

    def said(self):
        """All that it printed so far."""
        return self._output.read_text()

    def family(self):
        """The processes that it has started, and what they have."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def send(self, number):
        """Send it a signal, if it isn't over."""
        if self.status is None:
            os.kill(self.pid, number)

    def end(self, seconds=300):
        """Wait for its end; all that it printed."""
        self._process.join(seconds)
        assert self.status is not None, f"it goes on after {seconds} s: {self.said()}"
        return self.said()


def _go(cwd, environment, output, call):
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    with Path(output).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    gc.freeze()
    os.fsync = lambda file: None  # as in `conftest`
    run_all(*call)


def start(notebook, folder, *arguments, kernel=True, **environment):
    """Start it in `folder`."""
    around = surroundings(folder, **environment)
    return Call(around, str(notebook), kernel, [*map(str, arguments)])


def run(notebook, folder, *arguments, kernel=True, **environment):
    """Run it to its end: exit status, and all that it printed."""
    process = start(notebook, folder, *arguments, kernel=kernel, **environment)
    said = process.end()
    return process.status, said
