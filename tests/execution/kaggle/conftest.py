"""What the tests of Kaggle share: a small study, the server, and the real client's surroundings."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from lib import program
from lib.execution.kaggle import kernels, push
from lib.study.config import RunConfig
from lib.study.sections import KaggleKernel
from tests.execution.kaggle import server

FAST = push.Pace(poll=0.05, busy=0.05, retry=0.01, tries=4)
KEY = "a-made-up-key-5f1c"

RESULT = """
from lib import __version__
from lib.instruments import machine
from lib.records import Record
from lib.study.config import RunConfig
config = RunConfig(**{name: globals()[name] for name in RunConfig.model_fields})
if config.batch_size == 13:
    raise ValueError("an unlucky batch")
config.run_dir.mkdir(parents=True, exist_ok=True)
rows = [f"{epoch},0.5" for epoch in range(1, config.epochs + 1)]
(config.run_dir / "history.csv").write_text("\\n".join(["epoch,val_accuracy", *rows, ""]))
Record(
    run_id=config.run_id, status="completed", accuracy=0.5, energy_consumed=0.001, score=500.0,
    duration=1.0, versions={"program": __version__}, git_commit=machine.commit(),
    config=config.recorded,
).write(config.run_dir)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The server, with the real client of this process turned to it and no credentials of ours."""
    kaggle = server.FakeKaggle()
    serving = server.serve(kaggle)
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "KAGGLE_CONFIG_DIR": str(home),
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "KAGGLE_USERNAME": "somebody",
        "KAGGLE_KEY": KEY,
        "http_proxy": f"http://127.0.0.1:{serving.server_address[1]}",
        "no_proxy": "127.0.0.1",
        "NO_PROXY": "127.0.0.1",
    }
    monkeypatch.setattr(push, "PACE", FAST)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("KAGGLE_API_TOKEN", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield kaggle
    kaggle.hold.clear()
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def study(tmp_path, notebook, monkeypatch):
    """Build kernels of a study of some repetitions of one run; its folder and runs.

    They are not to be executed: what they carry is no program.
    """
    monkeypatch.setattr(program, "files", lambda: {"lib/__init__.py": b""})

    def build(repetitions=3, settings=KaggleKernel(), **fields):  # noqa: B008 (frozen)
        notebook(RESULT)
        study_dir = tmp_path / "outputs" / "small"
        runs = [
            RunConfig(repetition=n, seed=n, output_dir=str(study_dir), **fields)
            for n in range(1, repetitions + 1)
        ]
        kernels.build(runs, study_dir, settings)
        return study_dir, runs

    return build


@pytest.fixture(scope="session")
def clean_python(tmp_path_factory):
    """Python with the same packages as here, but not this project: its path alone is not enough."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    query = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    there = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    # Files *.pth of that folder, as an editable install has one, are not read from here.
    (Path(there) / "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    found = subprocess.run([python, "-I", "-c", "import lib"], capture_output=True, cwd=folder)
    assert b"No module named 'lib'" in found.stderr
    return python
