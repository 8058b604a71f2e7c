import json
import os

import pytest

from lib.instruments import metering
from lib.logs import summaries
from lib.logs.summaries import SummaryError
from lib.records import Record


def a_run(**config):
    config = {"dataset": "digits", "architecture": "VGG16", "repetition": 1} | config
    return Record(run_id="a", status="completed", duration=100.0, config=config)


def write(folder, identifier="17-DIGITS_VGG16_1", **changes):
    content = {"executionIdentifier": identifier, "joules": 3.6e6, "samples": 1000}
    path = folder / f"summary_{identifier}.json"
    path.write_text(json.dumps(content | {"timeExecution": 101.0} | changes))
    return path


def test_energy_seconds_and_samples_are_the_summarys_own(tmp_path):
    path = write(tmp_path)
    (reading,) = summaries.readings("wattmeter", [a_run()], tmp_path)
    assert reading.components[metering.COMPONENT].energy == pytest.approx(1.0)
    assert (reading.duration, reading.samples) == (101.0, 1000)
    assert reading.details["source"] == path.name
    assert reading.doubts == ("a summary does not tell its gaps",)


@pytest.mark.parametrize(
    "identifier", ["DIGITS_VGG16_1", "17-DIGITS_VGG16_1", "a-b-digits_vgg16_1"]
)
def test_a_job_may_stand_before_the_configuration(tmp_path, identifier):
    (reading,) = summaries.readings("wattmeter", [a_run()], write(tmp_path, identifier))
    assert reading.energy_consumed == pytest.approx(1.0)


def test_readings_come_in_the_order_of_the_runs_with_reasons(tmp_path):
    write(tmp_path, "DIGITS_VGG16_1")
    write(tmp_path, "DIGITS_VGG16_2", timeExecution=50.0)
    runs = [a_run(repetition=number) for number in (3, 2, 1)]
    found = summaries.readings("wattmeter", runs, tmp_path)
    reasons = [one.components[metering.COMPONENT].reason for one in found]
    assert reasons == [
        "no summary is of digits, vgg16, 3",
        "the wattmeter's 50 s are not the run's 100 s",
        None,
    ]


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"executionIdentifier": "A_B_1"}'])
def test_a_damaged_summary_is_named_with_what_was_expected(tmp_path, text):
    (tmp_path / "summary_x.json").write_text(text)
    with pytest.raises(SummaryError, match=r"summary_x\.json: expected executionIdentifier"):
        summaries.readings("wattmeter", [a_run()], tmp_path)


def test_a_pipe_in_the_place_of_a_summary_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "summary_x.json")
    with pytest.raises(SummaryError, match=r"summary_x\.json can't be read: is no plain file"):
        summaries.readings("wattmeter", [a_run()], tmp_path)


def test_a_folder_without_summaries_says_what_it_looked_for(tmp_path):
    with pytest.raises(SummaryError, match=r"holds no files summary_\*\.json"):
        summaries.readings("wattmeter", [a_run()], tmp_path)
