from contextlib import contextmanager, nullcontext

import pytest

from lib.execution import lock, so_far
from lib.execution.so_far import LiveReport
from lib.records import Record
from lib.report import build as report


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(so_far.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def built(clock, monkeypatch):
    """The times at which a report was begun; each takes 12 s."""
    times = []

    def build(study_dir):
        times.append(clock.now)
        clock.now += 12
        return study_dir / "report.html"

    monkeypatch.setattr(report, "build", build)
    return times


def test_short_runs_share_a_report(clock, built, tmp_path):
    said = []
    report_so_far = LiveReport(tmp_path, said.append, nullcontext)
    for _ in range(10):
        clock.now += 40
        report_so_far.refresh()
    # It is expected to take 8 s, a twentieth of 160 s; then it is known to take 12 s.
    assert built == [1160, 1412]
    assert said == [f"Report so far: {tmp_path / 'report.html'} (12 s)"] * 2


def test_a_table_that_is_cheap_is_written_after_every_run(clock, monkeypatch, tmp_path):
    written = []

    def write(table, study_dir):
        written.append(len(table))
        clock.now += cost

    monkeypatch.setattr(so_far.results, "write_results", write)
    cost = 0.05
    results = so_far.Results({}, [], tmp_path)
    for number in range(3):
        results.add(Record(run_id=f"r{number}", status="failed", error="no", config={}))
    assert written == [0, 1, 2, 3]
    cost = 1.0  # a twentieth of 20 s
    results.add(Record(run_id="a", status="failed", error="no", config={}))
    results.add(Record(run_id="b", status="failed", error="no", config={}))
    assert written == [0, 1, 2, 3, 4]
    clock.now += 21
    results.add(Record(run_id="c", status="failed", error="no", config={}))
    assert written[5:] == [6]


def test_runs_of_minutes_have_a_report_each(clock, built, tmp_path):
    report_so_far = LiveReport(tmp_path, lambda _: None, nullcontext)
    for _ in range(10):
        clock.now += 240
        report_so_far.refresh()
    assert len(built) == 10


def test_a_report_that_fails_stops_nothing_and_is_not_tried_at_every_run(
    clock, monkeypatch, tmp_path
):
    said = []

    def fail(_):
        clock.now += 12
        raise report.ReportError("analysis.ipynb: `x`\nfailed")

    monkeypatch.setattr(report, "build", fail)
    report_so_far = LiveReport(tmp_path, said.append, nullcontext)
    clock.now += 240
    report_so_far.refresh()
    report_so_far.refresh()
    assert said == ["No report so far: analysis.ipynb: `x` failed (12 s)"]


def test_a_report_waits_while_this_machine_measures(clock, built, tmp_path):
    report_so_far = LiveReport(
        tmp_path, lambda _: None, lambda: lock.alone_on_this_machine("report")
    )
    clock.now += 240
    with lock.alone_on_this_machine("a run"):
        report_so_far.refresh()
    assert built == []
    report_so_far.refresh()
    assert len(built) == 1


def test_measurements_wait_while_a_report_is_made(monkeypatch, tmp_path):
    refused = []

    def build(study_dir):
        with pytest.raises(lock.BusyError, match="report"), lock.alone_on_this_machine("a run"):
            pass
        refused.append(1)
        return study_dir

    monkeypatch.setattr(report, "build", build)
    monkeypatch.setattr(LiveReport, "EXPECTED", 0.0)
    LiveReport(tmp_path, lambda _: None, lambda: lock.alone_on_this_machine("report")).refresh()
    assert refused


def test_interrupting_a_report_interrupts_the_study(monkeypatch, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    ended = []

    @contextmanager
    def alone():
        try:
            yield
        finally:
            ended.append(1)

    monkeypatch.setattr(report, "build", interrupt)
    monkeypatch.setattr(LiveReport, "EXPECTED", 0.0)
    with pytest.raises(KeyboardInterrupt):
        LiveReport(tmp_path, lambda _: None, alone).refresh()
    assert ended
