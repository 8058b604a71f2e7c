"""`--wattmeter` of a study that calibrates; tests/logs/test_attach.py has all else."""

import pytest
from rich.console import Console

from lib.analysis.calibration import calibrate
from lib.execution import attach_wattmeter
from lib.study.study import load_study
from tests.analysis.test_calibration import runs
from tests.conftest import ROOT


@pytest.fixture
def calibrated(tmp_path):
    """What is said of such runs of a study, and the file of lines for study files."""

    def say(results, study="calibrate"):
        asked, path = load_study(ROOT / "params" / f"{study}.yaml"), tmp_path / "calibration.yaml"
        console = Console(record=True, width=200)
        attach_wattmeter._calibrate(results.assign(status="completed"), asked, path, console)
        return console.export_text(), path

    return say


def test_a_calibration_is_said_and_written_as_lines_of_a_study(calibrated):
    said, path = calibrated(runs())
    assert "the energy of cpu is 1.10" in said
    assert path.read_text() == calibrate(runs(), ["batch_size"]).as_yaml()
    assert path.read_text() in said


def test_why_there_is_no_calibration_is_said(calibrated):
    said, path = calibrated(runs(duration=30.0))
    assert said.startswith("No calibration: ")
    assert not path.exists()


def test_a_study_that_was_not_made_for_it_hears_nothing_of_it(calibrated):
    said, path = calibrated(runs(), "quick")
    assert said == ""
    assert not path.exists()
