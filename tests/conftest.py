"""What the tests of a run share: small notebooks that stand in for training."""

import os
import signal
from itertools import count

import pytest
from hypothesis import settings

from lib.patching import import_nbformat, imported_to_stay
from lib.study.config import RunConfig
from tests import needs, stand_in
from tests.stand_in import ROOT as ROOT

for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(variable, "1")  # as many processes test as there are cores
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each process that a test starts compiles lib

nbformat = import_nbformat()

settings.register_profile("no seconds", deadline=None)  # a busy machine fails no test
settings.load_profile("no seconds")

LONG = (
    *("test_in_browser", "test_cluster", "test_end_to_end", "test_lab", "test_shipped_studies"),
    *("test_faults", "test_backends", "test_flops", "test_architectures"),
    *("test_own_notebook", "test_cached_features", "test_codecarbon", "test_package"),
    *("test_until_precise", "test_findings", "test_prometheus", "test_equal_accuracy"),
    *("test_export", "test_folder", "test_docs", "test_attach"),
)
"""Files of tests that take the longest. Those that mostly wait begin beside those that compute."""

DEADLY = ("test_faults", "test_local", "test_run_process")
"""Files in which kernels die, or are killed for their memory."""

PARAMETERS = "\n".join(
    f"{name} = {field.default!r}" for name, field in RunConfig.model_fields.items()
)

RUN_DIR = """
import json
from pathlib import Path
(run_dir,) = Path(output_dir).expanduser().glob("runs/*")
"""
"""A cell that finds the folder of its run; it imports next to nothing, for it is executed often."""

RECORD = f"""{RUN_DIR}
record = json.loads({stand_in.record("completed")!r}) | {{"run_id": run_dir.name}}
record["config"] = {{name: globals()[name] for name in record["config"]}}
(run_dir / "run.json").write_text(json.dumps(record))
"""
"""The cells of a notebook that leaves a record, and nothing else."""

SCATTERED = RECORD.replace(
    '(run_dir / "run.json")',
    'record["energy_consumed"] *= epochs * (1 + (7 * repetition + 3 * epochs) % 5 / 100)\n'
    '(run_dir / "run.json")',
)
"""The same, with energies that follow from epochs and repetition."""


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Import the tests, and all that they import, in half the time."""
    with imported_to_stay():
        return (yield)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """A file's tests stay in one process, where they share fixtures; so do those of one report.

    So do those of kernels that die: Linux counts what was killed for its memory for the whole
    machine, and a kernel that dies while another test has one killed seems to be that one.

    What takes longest begins first, so that no process is left waiting for it at the end.
    """
    made_once = {"hostile_study", "papers_study", "studies"}
    of_reports = {item.path for item in items if made_once & {*item.fixturenames}}
    for item in items:
        group = "reports" if item.path in of_reports else str(item.path)
        group = "deaths" if item.path.stem in DEADLY else group
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


def pytest_sessionfinish(session):
    """Nothing that `.ci/run` brought may be missing; see `needs`."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if "NOTHING_MISSING" not in os.environ or terminal is None:
        return
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ") for report in terminal.stats.get("skipped", ())
    ]
    for reason in needs.missing(reasons):
        terminal.write_line(f"\nSkipped, though it should have been brought: {reason}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True, scope="session")
def _signals_as_in_a_terminal():
    """Programs that tests start inherit what is ignored: by nohup, by a shell in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def _nothing_waits_for_the_disk():
    """What tests write need not outlive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _lock_folders(tmp_path_factory):
    """A study that runs on this machine meanwhile is no business of the tests and their fixtures.

    Each `next` is a new folder; pytest's own would count all that there are before it.
    """
    folders = map(tmp_path_factory.mktemp("locks").joinpath, map(str, count()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINING_ENERGY_LOCKS", str(next(folders)))
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
        yield folders


@pytest.fixture(autouse=True)
def _own_lock(_lock_folders, monkeypatch):
    """What one test leaves locked stops no other."""
    folder = next(_lock_folders)
    folder.mkdir()
    monkeypatch.setenv("TRAINING_ENERGY_LOCKS", str(folder))


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Make the runner execute a notebook of these cells in place of train.ipynb."""

    def use(*cells):
        path = write_notebook(tmp_path / "stand-in", *cells)
        monkeypatch.setattr(RunConfig, "notebook", path)

    return use


def write_notebook(folder, *cells):
    """One of these cells that takes what `train.ipynb` takes; its path."""
    node = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (PARAMETERS, *cells)],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        },
    )
    node.cells[0].metadata["tags"] = ["parameters"]
    path = folder / "train.ipynb"
    folder.mkdir(exist_ok=True)
    nbformat.write(node, path)
    return path


@pytest.fixture
def no_kernel(monkeypatch):
    """Have runs execute their notebook in a small process of their own, without a kernel."""
    from lib.execution import local

    monkeypatch.setattr(local, "RUN_PROCESS", stand_in.RUN_PROCESS)


@pytest.fixture(scope="session")
def hostile_study(tmp_path_factory):
    """A small study with its report, and with markup wherever it holds text of others."""
    from tests import reports

    return reports.hostile(tmp_path_factory.mktemp("studies") / "small")


@pytest.fixture(scope="session")
def authors():
    """The authors' package as it is read, for all that only look at it."""
    from lib.paper import published

    needs.ask_for(needs.replication)
    return published.read_package(needs.REPLICATION)


@pytest.fixture(scope="session")
def papers_study(authors, tmp_path_factory):
    """The authors' raw data with their report."""
    from tests import reports

    return reports.papers(authors, tmp_path_factory.mktemp("studies") / "published")
