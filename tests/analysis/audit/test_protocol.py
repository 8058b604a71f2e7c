import pandas as pd
import pytest

from lib.analysis.audit import DOUBT, FAULT, PASSED, UNCHECKED, protocol


def runs(**columns):
    frame = pd.DataFrame({"run_id": [f"r{n}" for n in range(4)], "status": "completed"})
    return frame.assign(**columns)


@pytest.mark.parametrize(
    "column", ["version_tensorflow", "version_keras", "version_codecarbon", "git_commit"]
)
def test_mixed_software_is_a_doubt(column):
    found = protocol.one_software(runs(**{column: ["1", "1", "1", "2"]}))
    assert found.severity == DOUBT
    assert found.rows == ("r3",)
    assert "1 in 3 runs, 2 in 1 run" in found.what


def test_the_programs_content_tells_more_than_its_commit():
    commits = ["a", "b", "a", "b"]
    same = protocol.one_software(runs(git_commit=commits, version_program_content="c"))
    assert same.severity == PASSED
    mixed = runs(git_commit="a", version_program_content=["c", "c", "d", "d"])
    assert "program content" in protocol.one_software(mixed).what


def test_a_notebook_that_was_changed_between_runs_is_a_doubt():
    code = ["a", "a", "a", "b"]
    mixed = protocol.one_software(runs(version_notebook=code, notebook="mine.ipynb"))
    assert mixed.what == "Mixed versions: notebook a in 3 runs, b in 1 run."
    scripts = ["one.py", "one.py", "one.py", "two.py"]
    each = protocol.one_software(runs(version_notebook=code, notebook=scripts))
    assert each.severity == PASSED


def test_versions_that_nobody_told_are_not_the_same():
    assert protocol.one_software(runs()).severity == UNCHECKED
    mixed = protocol.one_software(runs(codecarbon_version=["2.3.4", "2.3.4", "3.0.4", "3.0.4"]))
    assert mixed.what == "Mixed versions: codecarbon 2.3.4 in 2 runs, 3.0.4 in 2 runs."


def test_the_clock_of_a_log_without_starts_is_not_checked():
    frame = runs(started_at="a", ended_at="b", duration=60.0, energy_consumed_logged=0.1)
    assert protocol.steady_clock(frame).severity == UNCHECKED


def test_another_backend_that_is_not_used_is_no_doubt():
    assert protocol.one_software(runs(version_jax=["1", "2", "3", None])).severity == PASSED


def test_two_ways_of_measuring_are_a_fault():
    found = protocol.one_measurement(runs(measurement_version=[1, 1, 2, 2]))
    assert found.severity == FAULT
    assert "version 1 in 2 runs, version 2 in 2 runs" in found.what


def test_a_clock_that_jumped_during_a_training_is_a_doubt():
    start = "2026-03-29T01:59:50.000+00:00"
    ends = ["02:00:50", "02:00:51", "03:00:50", "00:00:50"]
    frame = runs(
        started_at=start,
        ended_at=[f"2026-03-29T{end}.000+00:00" for end in ends],
        duration=60.0,
    )
    found = protocol.steady_clock(frame)
    assert found.severity == DOUBT
    assert found.rows == ("r2", "r3")
    assert "by up to -7200 s" in found.what
