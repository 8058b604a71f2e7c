import json

import pandas as pd
import pytest

from lib import records
from lib.records import Record, uncertainty
from lib.records.uncertainty import MAIN, MAIN_SHARE
from lib.study.sections import Gain
from tests.instruments.test_accuracy import LAPTOP, SERVER

IDLE = {
    "instrument": uncertainty.IDLE,
    "duration": 30.0,
    "components": {
        "cpu": {"energy": 1e-5, "method": "load model (TDP 8 W, a guess)", "reason": None},
        "gpu": {"energy": None, "method": "none", "reason": "no GPU"},
        "ram": {"energy": 1.6e-4, "method": "model (20 W)", "reason": None},
    },
}


def record(run=LAPTOP, **more):
    row = {"run_id": "r", "status": "completed", "emissions": 5e-6, **run, **more}
    return records.from_row(row).model_copy(update={"readings": (IDLE,)})


def test_a_record_says_how_far_its_figures_may_be_off():
    run = uncertainty.with_limits(record(net_energy=3.4e-6))
    found = run.extra
    assert found["energy_consumed_low"] < 16.5e-6 < found["energy_consumed_high"]
    assert found["net_energy_low"] < 3.4e-6 < found["net_energy_high"]
    assert found["emissions_low"] < 5e-6 < found["emissions_high"]
    assert found[MAIN] == "the memory model"
    assert 0.3 < found[MAIN_SHARE] < 0.6
    assert found["cpu_idle_energy"] == pytest.approx(1e-5 * 2.26 / 30)
    assert "gpu_idle_energy" not in found
    assert Record.model_validate_json(run.model_dump_json()) == run
    assert uncertainty.with_limits(run) == run


def test_a_table_fills_in_what_older_records_and_imports_lack():
    old, new = record(), uncertainty.with_limits(record(SERVER))
    table = records.table([old, new.model_copy(update={"run_id": "s"})])
    assert table["energy_consumed_low"].notna().all()
    kept = table.set_index("run_id").loc["s", "energy_consumed_low"]
    assert kept == new.extra["energy_consumed_low"]
    assert list(table.columns[-2:]) == ["reasons", "doubts"]


def test_a_calibration_takes_the_place_of_what_the_records_say():
    table = records.table([uncertainty.with_limits(record(SERVER))])
    known = {"gpu": Gain(gain=1.1, u=0.005), "cpu": Gain(gain=1.0, u=0.005)}
    found = uncertainty.filled(table, known)
    assert found["energy_consumed_low"][0] > table["energy_consumed_low"][0]
    assert found["energy_consumed_high"][0] > 0.53
    assert list(found.columns) == list(table.columns)


def test_runs_without_energy_have_no_limits():
    failed = Record(run_id="f", status="failed", error="it broke", config={})
    assert "energy_consumed_low" not in uncertainty.with_limits(failed).extra
    table = records.table([failed])
    assert "energy_consumed_low" not in table or table["energy_consumed_low"].isna().all()


def test_limits_survive_csv(tmp_path):
    table = records.table([record(), record(SERVER).model_copy(update={"run_id": "s"})])
    records.write_results(table, tmp_path)
    again = uncertainty.filled(records.read_results(tmp_path))
    pd.testing.assert_series_equal(again["energy_consumed_low"], table["energy_consumed_low"])
    json.dumps(table["main_uncertainty"].tolist())
