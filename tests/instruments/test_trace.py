import csv

import pytest

from lib.instruments.trace import COLUMNS, PowerTrace, read_trace


def add(trace, cpu=4.0, gpu=None, ram=20.0, interval=1.0, energy=0.0):
    return trace.add(
        interval=interval, cpu_power=cpu, gpu_power=gpu, ram_power=ram, energy_consumed=energy
    )


def test_every_sample_is_on_disk_at_once(tmp_path):
    trace = PowerTrace(tmp_path / "run" / "power.csv")
    for count in (1, 2, 3):
        add(trace)
        # Nothing is closed: this is what a killed run leaves.
        assert len(read_trace(tmp_path / "run" / "power.csv")) == count


def test_phases_unmeasured_components_and_watts(tmp_path):
    trace = PowerTrace(tmp_path / "power.csv", phase="idle")
    first = add(trace)
    trace.mark("training")
    second = add(trace, gpu=150.0)
    trace.close()
    assert (first.power, second.power) == (24, 174)
    table = read_trace(tmp_path / "power.csv")
    assert list(table.columns) == list(COLUMNS)
    assert list(table["phase"]) == ["idle", "training"]
    assert table["gpu_power"].isna().tolist() == [True, False]
    assert table["time"].is_monotonic_increasing
    assert table["timestamp"].str.endswith("+00:00").all()


def test_a_cut_off_line_is_left_out(tmp_path):
    path = tmp_path / "power.csv"
    trace = PowerTrace(path)
    add(trace)
    add(trace)
    trace.close()
    whole = path.read_text()
    for cut in (1, 5, 60):
        path.write_text(whole[:-cut])
        assert len(read_trace(path)) == 1


def test_a_new_trace_replaces_one_of_an_earlier_attempt(tmp_path):
    for _ in range(2):
        trace = PowerTrace(tmp_path / "power.csv")
        add(trace)
        trace.close()
    with (tmp_path / "power.csv").open() as file:
        assert len(list(csv.reader(file))) == 2


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "power.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="has not the columns of a power trace"):
        read_trace(path)


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trace = PowerTrace(None)
    assert add(trace).power == 24
    trace.close()
    assert list(tmp_path.iterdir()) == []
