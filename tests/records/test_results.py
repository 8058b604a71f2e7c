import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import records
from lib.records import Record
from lib.study.config import RunConfig


def make(config, **fields):
    return Record(
        **{"run_id": config.run_id, "status": "completed", "config": config.recorded} | fields
    )


@pytest.mark.parametrize("text", ["", "{", '{"run_id": 1}', "[]", '{"schema_version": 99}'])
def test_a_damaged_record_is_named_not_merged(tmp_path, text):
    good = RunConfig()
    make(good).write(tmp_path / "runs" / good.run_id)
    bad = tmp_path / "runs" / "bad"
    bad.mkdir()
    (bad / "run.json").write_text(text)
    merged = records.merge(tmp_path)
    assert list(merged.results["run_id"]) == [good.run_id]
    assert len(merged.damaged) == 1
    assert "bad/run.json" in merged.damaged[0]


def test_merging_keeps_to_the_plan(tmp_path):
    ours, other = RunConfig(), RunConfig(epochs=9)
    for config in (ours, other):
        make(config).write(tmp_path / "runs" / config.run_id)
    merged = records.merge(tmp_path, [ours.run_id])
    assert list(merged.results["run_id"]) == [ours.run_id]
    assert merged.left_out == (other.run_id,)


def test_results_are_in_the_order_in_which_they_were_started(tmp_path):
    first, second = RunConfig(repetition=2), RunConfig(repetition=1)
    make(first, started_at="2026-01-01T00:00:00.000+00:00").write(tmp_path / "runs" / first.run_id)
    make(second, started_at="2026-01-02T00:00:00.000+00:00").write(
        tmp_path / "runs" / second.run_id
    )
    assert list(records.merge(tmp_path).results["repetition"]) == [2, 1]


def test_an_empty_study_is_a_table_without_rows(tmp_path):
    results = records.merge(tmp_path).results
    assert len(results) == 0
    assert {"run_id", "architecture", "energy_consumed", "accuracy", "doubts"} <= set(results)


def test_results_survive_the_file(tmp_path):
    records.write_results(records.table([make(RunConfig(), accuracy=0.5)]), tmp_path)
    results = records.read_results(tmp_path)
    assert results.loc[0, "accuracy"] == 0.5
    assert results.loc[0, "architecture"] == "VGG16"


def test_histories_are_read_together_as_one_by_one(tmp_path):
    texts = {
        "a": "epoch,val_accuracy,energy_consumed\n1,0.5,0.001\n2,0.625,0.002\n",
        "b": "epoch,val_accuracy\n1,0.25\n",
        "c": "epoch,val_accuracy,energy_consumed\n1,0.125,\n",
        "d": "epoch,val_accuracy,energy_consumed\n",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "history.csv").write_text(text)
    found = records.read_histories({name: tmp_path / name for name in [*texts, "none"]}).tables
    assert list(found) == list(texts)
    for name in "abc":
        alone = records.read_history(tmp_path / name)
        pd.testing.assert_frame_equal(found[name], alone, check_dtype=False)
    assert found["d"].empty


@settings(deadline=None)
@given(
    doubts=st.lists(st.text(min_size=1), max_size=3),
    reasons=st.dictionaries(st.sampled_from(["emissions", "depth"]), st.text(min_size=1)),
)
def test_doubts_and_reasons_survive_the_file_whatever_they_say(tmp_path_factory, doubts, reasons):
    folder = tmp_path_factory.mktemp("study")
    left = records.table([make(RunConfig(), doubts=tuple(doubts), reasons=reasons)])
    records.write_results(left, folder)
    (found,) = records.read_results(folder).to_dict("records")
    assert found["doubts"] == tuple(doubts)
    assert found["reasons"] == reasons
