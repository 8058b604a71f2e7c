"""What `benchmarks/on_gpu.py` leaves, read again; and that a part which fails stops no other."""

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import on_gpu
from tests.conftest import ROOT

FOLDER = Path(__file__).parent / "on_gpu"
"""The card's trace and the results, of a stand-in for NVIDIA's library: 60 W, then 350 W, and a
counter that moves every 100 ms. No card has been seen yet."""


@pytest.fixture
def trace():
    return pd.read_csv(FOLDER / "trace.csv")


def test_the_results_follow_from_the_trace(trace):
    said = json.loads((FOLDER / "on_gpu.json").read_text())["energy"]["rows"]
    assert [list(row) for row in on_gpu.said_by(trace)] == said


def test_the_counter_and_the_power_agree(trace):
    found = on_gpu.agreement(trace)
    assert found["idle"]["watts"] == pytest.approx(60, rel=0.05)
    assert found["load"]["watts"] == pytest.approx(350, rel=0.05)
    for one in found.values():
        assert one["counter_joules"] == pytest.approx(one["power_joules"], rel=on_gpu.TOLERANCE)
        assert one["period"] == pytest.approx(0.1, abs=0.02)


def test_a_counter_that_says_too_little_is_seen(trace):
    half = trace.assign(
        energy=trace["energy"].iloc[0] + trace["energy"].diff().fillna(0).cumsum() / 2
    )
    wrong = [what for what, _, right in on_gpu.said_by(half) if right is False]
    assert wrong == ["idle: counter / power added up", "load: counter / power added up"]


def test_a_counter_that_stands_still_is_no_number(trace):
    with pytest.raises(ValueError, match="idle: the energy counter does not move"):
        on_gpu.agreement(trace.assign(energy=1.0))


def test_what_needs_a_card_is_skipped_by_name_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert on_gpu.do_all(["counting", "machine"], tmp_path) == 0
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "on_gpu.json").read_text())
    if "skipped" in found["counting"]:
        assert "| counting | skipped | it needs a card: " in said
    assert any(row[0] == "versions" for row in found["machine"]["rows"])
    assert "Nothing failed." in said


def test_a_part_that_fails_or_hangs_costs_itself_alone(tmp_path, monkeypatch):
    def broken(out):
        yield "first", "well", True
        raise ValueError("no such thing")

    monkeypatch.setitem(on_gpu.PARTS, "machine", (broken, 1))
    assert on_gpu.do("machine", tmp_path) == 1
    said = json.loads((tmp_path / ".machine.json").read_text())
    assert said == {"rows": [["first", "well", True]], "failed": "ValueError: no such thing"}
    assert on_gpu.outcome(said) == "failed: ValueError: no such thing"
    assert "| machine | failed | ValueError: no such thing | |" in [
        *on_gpu.table({"machine": said})
    ]
    hung = on_gpu.in_a_process("study", tmp_path, 0.05)
    assert hung["failed"] == "stopped after 0 s"
