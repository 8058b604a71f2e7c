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
