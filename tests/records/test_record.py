import pytest

from lib import records
from lib.records import Record
from lib.study.config import RunConfig


def make(config, **fields):
    content = {"run_id": config.run_id, "status": "completed", "config": config.model_dump()}
    return Record(**(content | fields))


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = make(RunConfig(), energy_consumed=0.25, reasons={"gpu_energy": "no GPU"})
    assert records.read(record.write(tmp_path)) == record


def test_a_failed_run_says_why():
    with pytest.raises(ValueError, match="says why it failed"):
        make(RunConfig(), status="failed")


def test_the_row_is_flat_and_names_no_folder():
    record = make(
        RunConfig(output_dir="somewhere"),
        hardware={"cpu_model": "a CPU"},
        versions={"keras": "3"},
        doubts=("one", "two"),
    )
    row = record.row()
    assert row["cpu_model"] == "a CPU"
    assert row["version_keras"] == "3"
    assert row.pop("doubts") == ("one", "two")
    assert row.pop("reasons") == {}
    assert "output_dir" not in row
    assert not any(isinstance(value, dict | list | tuple) for value in row.values())


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("config", {"epochs": "many"}),
        ("extra", {"wattmeter_energy": "much"}),
        ("extra", {"energy_consumed_low": "little"}),
        ("phases", [{"name": "idle", "started_at": "", "ended_at": "", "duration": float("inf")}]),
    ],
)
def test_text_in_the_place_of_a_figure_is_no_record(part, value):
    with pytest.raises(ValueError, match=r"no number|finite number"):
        Record(**{"run_id": "a", "status": "completed", "config": {}} | {part: value})


@pytest.mark.parametrize("value", [1e300, -1e300, 10**400])
def test_what_nobody_can_have_measured_is_not_known(value):
    record = make(RunConfig(), flops=value, extra={"other": value})
    assert (record.flops, record.extra) == (None, {"other": None})


def test_what_a_run_tells_replaces_nothing_that_was_measured():
    told = {"energy_consumed": 9.0, "run_id": 9, "doubts": 9, "own": 9}
    run = RunConfig()
    row = make(run, energy_consumed=0.5, extra=told, hardware={"accuracy": 9}, accuracy=0.5).row()
    assert (row["energy_consumed"], row["accuracy"], row["doubts"]) == (0.5, 0.5, ())
    assert (row["run_id"], row["own"]) == (run.run_id, 9)


def test_a_message_of_megabytes_does_not_fill_the_table():
    long = "x" * 5_000_000
    row = make(RunConfig(), doubts=[long], reasons={"accuracy": long}, error=long).row()
    for text in (row["error"], *row["doubts"], row["reasons"]["accuracy"]):
        assert len(text) < 3000
        assert text.endswith("and 4,998,000 characters more")
