"""Whether the runs were made and measured by one program, and by a clock that did not jump."""

from __future__ import annotations

import pandas as pd

from lib.analysis.audit.finding import DOUBT, FAULT, Found, check
from lib.text import first, runs

SOFTWARE = ("tensorflow", "keras", "codecarbon")
CLOCK_TOLERANCE = 2.0
"""Seconds, and besides a hundredth of the duration, by which a clock may be set right."""


@check(
    "One way of measuring",
    "Figures that were measured in different ways differ by that, whatever was trained.",
)
def one_measurement(results: pd.DataFrame) -> Found | None:
    """Runs of several versions of the measurement."""
    known = results.get("measurement_version", pd.Series(dtype=float)).dropna()
    counts = known.astype(int).value_counts().sort_index()
    if len(counts) < 2:
        return None
    parts = [f"version {version} in {runs(count)}" for version, count in counts.items()]
    what = f"{first(parts)}: they are kept apart, and can't be compared."
    return Found(FAULT, what, results)


@check(
    "One software",
    "Another version of what computes or measures may take another time and energy: a difference "
    "between runs may be one between programs.",
)
def one_software(results: pd.DataFrame) -> Found | None:
    """Runs with several versions of what computes and measures, or of this program."""
    columns = [f"version_{name}" for name in SOFTWARE]
    content = "version_program_content"
    known = content in results and results[content].notna().all()
    columns.append(content if known else "git_commit")
    mixed, rows = [], pd.Series(False, index=results.index)
    for column in columns:
        if column in results and results[column].nunique() > 1:
            counts = results[column].value_counts()
            name = column.removeprefix("version_").replace("_", " ")
            parts = [f"{str(value)[:12]} in {runs(count)}" for value, count in counts.items()]
            mixed.append(f"{name} {first(parts)}")
            rows |= results[column] != counts.index[0]
    return Found(DOUBT, f"Mixed: {first(mixed, '; ')}.", results[rows]) if mixed else None


@check(
    "The clock did not jump",
    "Where a clock is set during a training, what is laid beside the run by the time, such as a "
    "wattmeter's log, is that of another time.",
    ("started_at", "ended_at", "duration"),
)
def steady_clock(results: pd.DataFrame) -> Found | None:
    """Runs whose end minus start is not their duration, which no clock that can be set tells."""
    times = [
        pd.to_datetime(results[name], utc=True, errors="coerce", format="ISO8601")
        for name in ("started_at", "ended_at")
    ]
    lasted = (times[1] - times[0]).dt.total_seconds()
    jump = lasted - results["duration"]
    jumped = results[jump.abs() > CLOCK_TOLERANCE + 0.01 * results["duration"]]
    if jumped.empty:
        return None
    worst = jump[jumped.index].abs().idxmax()
    what = f"In {runs(len(jumped))} it did, by up to {jump[worst]:+.0f} s."
    return Found(DOUBT, what, jumped)
