"""`run_all.py` in a process of its own, with a stand-in for training and without a report."""

import json
import os
import subprocess
import sys
from pathlib import Path

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

RUN_ALL = """
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from lib import cli
from lib.execution import local
from lib.study.config import RunConfig
RunConfig.notebook = Path(sys.argv[1])
local.RUN_PROCESS = json.loads(sys.argv[2])
no_report = SimpleNamespace(build=lambda folder: folder, ReportError=RuntimeError)
sys.modules["lib.report.build"] = no_report  # whose imports take longer than all that is tested
sys.exit(cli.main(sys.argv[3:]))
"""


def command(notebook, *arguments, kernel=True):
    """The command line of it; without a `kernel`, runs take a fraction of a second each."""
    from lib.execution import local

    run = json.dumps(local.RUN_PROCESS if kernel else RUN_PROCESS)
    return [sys.executable, "-c", RUN_ALL, str(notebook), run, *map(str, arguments)]


def surroundings(folder, **environment):
    """Its working folder, session and environment; temporary files, and so its locks, lie there."""
    (folder / "tmp").mkdir(exist_ok=True)
    places = {"PYTHONPATH": ROOT, "TRAINING_ENERGY_LOCKS": folder / "tmp"} | environment
    return {
        "cwd": folder,
        "env": os.environ | {name: str(value) for name, value in places.items()},
        "start_new_session": True,
    }


def start(notebook, folder, *arguments, kernel=True, **environment):
    """Start it in `folder`."""
    return subprocess.Popen(
        command(notebook, *arguments, kernel=kernel),
        **surroundings(folder, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(notebook, folder, *arguments, kernel=True, **environment):
    """Run it to its end: exit status, and all that it printed."""
    process = start(notebook, folder, *arguments, kernel=kernel, **environment)
    said, _ = process.communicate(timeout=300)
    return process.returncode, said
