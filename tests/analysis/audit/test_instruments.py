import pandas as pd
import pytest

from lib.analysis.audit import DOUBT, NOTE, PASSED, UNCHECKED, instruments
from tests.instruments.test_accuracy import LAPTOP, SERVER


def table(*runs):
    return pd.DataFrame([{"run_id": f"r{n}", **run} for n, run in enumerate(runs)])


@pytest.mark.parametrize(
    ("run", "severity"),
    [
        ({**LAPTOP, "duration": 59.0}, DOUBT),
        ({**LAPTOP, "duration": 61.0}, PASSED),
        ({**SERVER, "duration": 4.0}, DOUBT),
        ({**SERVER, "duration": 6.0}, PASSED),
        ({**SERVER, "duration": 70.0, "wattmeter_samples": 35}, DOUBT),
        ({**SERVER, "duration": 70.0, "wattmeter_samples": 70}, PASSED),
        ({"duration": 1.0, "cpu_method": "measured counter (RAPL)"}, PASSED),
    ],
)
def test_how_long_a_run_is_to_be_for_its_sensors(run, severity):
    assert instruments.long_enough(table(run)).severity == severity


def test_cards_that_are_seen_a_quarter_of_the_time():
    finding = instruments.partly_seen(table(SERVER))
    assert finding.severity == NOTE
    assert "A100" in finding.what
    other = {**SERVER, "gpu_model": "1 x Tesla V100-SXM2-32GB"}
    assert instruments.partly_seen(table(other)).severity == PASSED
    assert instruments.partly_seen(table(LAPTOP)).severity == UNCHECKED


def test_a_counter_beside_a_model():
    finding = instruments.one_instrument(table(SERVER, SERVER, LAPTOP))
    assert finding.severity == DOUBT
    assert finding.what == "CPU was measured in 2 runs and modelled in 1."
    assert finding.rows == ("r2",)
    assert instruments.one_instrument(table(SERVER, SERVER)).severity == PASSED
