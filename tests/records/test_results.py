import json

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


said = st.tuples(
    st.lists(st.text(min_size=1), max_size=3),
    st.dictionaries(st.sampled_from(["emissions", "depth"]), st.text(min_size=1)),
)


@settings(max_examples=25)
@given(st.lists(said, min_size=4, max_size=4))
def test_doubts_and_reasons_survive_the_file_whatever_they_say(tmp_path_factory, all_said):
    folder = tmp_path_factory.mktemp("study")
    left = records.table(
        make(RunConfig(repetition=number), doubts=tuple(doubts), reasons=reasons)
        for number, (doubts, reasons) in enumerate(all_said, start=1)
    )
    records.write_results(left[["run_id", "doubts", "reasons"]], folder)
    found = records.read_results(folder).sort_values("run_id")
    assert found["doubts"].tolist() == [tuple(doubts) for doubts, _ in all_said]
    assert found["reasons"].tolist() == [reasons for _, reasons in all_said]


@pytest.mark.parametrize("odd", [[], {}, 3, "", None])
def test_a_record_that_does_not_say_of_what_costs_itself(tmp_path, odd):
    good, bad = RunConfig(), RunConfig(epochs=9)
    make(good).write(tmp_path / "runs" / good.run_id)
    folder = tmp_path / "runs" / bad.run_id
    path = make(bad).write(folder)
    content = json.loads(path.read_text())
    content["config"]["architecture"] = odd
    path.write_text(json.dumps(content))
    merged = records.merge(tmp_path)
    assert list(merged.results["run_id"]) == [good.run_id]
    assert "architecture" in merged.damaged[0]


def test_another_notebooks_record_has_fields_of_its_own(tmp_path):
    record = Record(
        run_id="a", status="completed", config={"model": "gru"}, notebook="language_model.ipynb"
    )
    record.write(tmp_path / "runs" / "a")
    merged = records.merge(tmp_path)
    assert not merged.damaged
    assert list(merged.results["model"]) == ["gru"]


def test_what_is_infinite_is_not_known(tmp_path):
    run = RunConfig()
    path = make(run, loss=float("nan")).write(tmp_path / "runs" / run.run_id)
    path.write_text(path.read_text().replace('"duration": null', '"duration": Infinity'))
    (found,) = records.merge(tmp_path).results.to_dict("records")
    assert found["loss"] is None
    assert found["duration"] is None


def test_a_damaged_history_costs_itself(tmp_path):
    """Stray quotes made rows of one run part of another."""
    head = "epoch,val_accuracy\n"
    texts = {
        "a": head + "1,0.5\n2,0.6\n",
        "quote": head + '1,"0.5\n2,0.6\n',
        "b": head + "1,0.7\n2,0.8\n",
        "other": head + '1,0.1"\n2,0.2\n',
        "words": head + "1,half\n",
        "wide": head + "1,0.5,9\n",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "history.csv").write_text(text)
    (tmp_path / "folder" / "history.csv").mkdir(parents=True)
    (tmp_path / "bytes").mkdir()
    (tmp_path / "bytes" / "history.csv").write_bytes(b"\xff\xfe\x00")
    found = records.read_histories({name: tmp_path / name for name in (*texts, "folder", "bytes")})
    assert list(found.tables) == ["a", "b"]
    assert found.tables["a"]["val_accuracy"].tolist() == [0.5, 0.6]
    assert found.tables["b"]["val_accuracy"].tolist() == [0.7, 0.8]
    assert set(found.damaged) == {"quote", "other", "words", "wide", "folder", "bytes"}
    assert all(f"{name}/history.csv" in why for name, why in found.damaged.items())
