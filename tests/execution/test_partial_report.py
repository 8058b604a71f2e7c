from contextlib import contextmanager, nullcontext

import pytest

from lib.execution import lock, partial_report
from lib.execution.partial_report import LiveReport
from lib.report import build as report


@pytest.mark.parametrize(
    ("cost", "since", "due"),
    [
        (None, 0.0, True),  # the first run
        (12.0, 47.0, False),
        (12.0, 48.0, True),
        (0.5, 2.0, True),
        (12.0, 0.0, False),
    ],
)
def test_a_report_is_due_while_reports_take_a_quarter_of_the_time(cost, since, due):
    assert partial_report.is_due(cost, since) == due


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(partial_report.time, "monotonic", lambda: self.now)


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
    so_far = LiveReport(tmp_path, said.append, nullcontext)
    for _ in range(10):
        clock.now += 40
        so_far.refresh()
    # After the first run, then once 48 s have passed, which is every second run.
    assert built == [1040, 1132, 1224, 1316, 1408]
    assert said == [f"Report so far: {tmp_path / 'report.html'} (12 s)"] * 5


def test_runs_of_a_minute_have_a_report_each(clock, built, tmp_path):
    so_far = LiveReport(tmp_path, lambda _: None, nullcontext)
    for _ in range(10):
        clock.now += 60
        so_far.refresh()
    assert len(built) == 10


def test_a_report_that_fails_stops_nothing_and_is_not_tried_at_every_run(
    clock, monkeypatch, tmp_path
):
    said = []

    def fail(_):
        clock.now += 12
        raise report.ReportError("analysis.ipynb: `x`\nfailed")

    monkeypatch.setattr(report, "build", fail)
    so_far = LiveReport(tmp_path, said.append, nullcontext)
    so_far.refresh()
    so_far.refresh()
    assert said == ["No report so far: analysis.ipynb: `x` failed (12 s)"]


def test_a_report_waits_while_this_machine_measures(built, tmp_path):
    so_far = LiveReport(tmp_path, lambda _: None, lambda: lock.alone_on_this_machine("report"))
    with lock.alone_on_this_machine("a run"):
        so_far.refresh()
    assert built == []
    so_far.refresh()
    assert len(built) == 1


def test_measurements_wait_while_a_report_is_made(monkeypatch, tmp_path):
    refused = []

    def build(study_dir):
        with pytest.raises(lock.BusyError, match="report"), lock.alone_on_this_machine("a run"):
            pass
        refused.append(1)
        return study_dir

    monkeypatch.setattr(report, "build", build)
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
    with pytest.raises(KeyboardInterrupt):
        LiveReport(tmp_path, lambda _: None, alone).refresh()
    assert ended
