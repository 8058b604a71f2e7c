"""What the tests of a run share: small notebooks that stand in for training."""

import os
import signal
from pathlib import Path

import nbformat
import pytest

from lib.study.study import RunConfig

ROOT = Path(__file__).resolve().parents[1]

PARAMETERS = f"{' = '.join(RunConfig.model_fields)} = None"

RECORD = """
from lib import __version__
from lib.records.record import Record
from lib.study.study import RunConfig
config = RunConfig(**{name: globals()[name] for name in RunConfig.model_fields})
Record(
    run_id=config.run_id, status="completed", accuracy=0.5, energy_consumed=0.001, score=500.0,
    duration=1.0, versions={"program": __version__},
    config=config.model_dump(exclude={"output_dir"}),
).write(config.run_dir)
"""


@pytest.fixture(autouse=True, scope="session")
def _signals_as_in_a_terminal():
    """Programs that tests start inherit what is ignored: by nohup, by a shell in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _own_lock_and_quiet_tensorflow(tmp_path_factory, monkeypatch):
    """A study that runs on this machine meanwhile is no business of the tests."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("lock")))
    monkeypatch.setitem(os.environ, "TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Make the runner execute a notebook of these cells in place of train.ipynb."""
    from lib.execution import local

    def use(*cells):
        node = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in (PARAMETERS, *cells)],
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3"},
                "language_info": {"name": "python"},
            },
        )
        node.cells[0].metadata["tags"] = ["parameters"]
        path = tmp_path / "stand-in.ipynb"
        nbformat.write(node, path)
        monkeypatch.setattr(local, "NOTEBOOK", path)

    return use


@pytest.fixture(scope="session")
def hostile_study(tmp_path_factory):
    """A small study with its report, and with markup wherever it holds text of others."""
    from tests import reports

    return reports.hostile(tmp_path_factory.mktemp("studies") / "small")


@pytest.fixture(scope="session")
def papers_study(tmp_path_factory):
    """The authors' raw data with their report."""
    from tests import reports
    from tests.replication_package import FOLDER

    if not FOLDER.is_dir():
        pytest.skip("the authors' replication package is not in ../shared/replication")
    return reports.papers(tmp_path_factory.mktemp("studies") / "published")
