"""`run_all.py` in a process of its own, with a stand-in for training and without a report."""

import os
import subprocess
import sys

from tests.conftest import ROOT

RUN_ALL = """
import sys
from pathlib import Path
from lib import cli
from lib.execution import local as runner
from lib.report import build as report
runner.NOTEBOOK = Path(sys.argv[1])
report.build = lambda folder: folder
sys.exit(cli.main(sys.argv[2:]))
"""


def surroundings(folder, **environment):
    """Its working folder, session and environment; temporary files, and so its locks, lie there."""
    (folder / "tmp").mkdir(exist_ok=True)
    places = {"PYTHONPATH": ROOT, "TMPDIR": folder / "tmp"} | environment
    return {
        "cwd": folder,
        "env": os.environ | {name: str(value) for name, value in places.items()},
        "start_new_session": True,
    }


def start(notebook, folder, *arguments, **environment):
    """Start it in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN_ALL, str(notebook), *map(str, arguments)],
        **surroundings(folder, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(notebook, folder, *arguments, **environment):
    """Run it to its end: exit status, and all that it printed."""
    process = start(notebook, folder, *arguments, **environment)
    said, _ = process.communicate(timeout=200)
    return process.returncode, said
