"""What is doubtful in a study's results: every check says what it found, or that it found nothing.

The checks come from errors that were made, in the paper's raw data or elsewhere, and run on every
study. What a check needs and a table does not have is said too: silence would look like a pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields

import pandas as pd

from lib.analysis import design, variants
from lib.analysis.audit import instruments, logs, protocol
from lib.analysis.audit.finding import (
    DOUBT,
    FAULT,
    NOTE,
    PASSED,
    SEVERITIES,
    UNCHECKED,
    Check,
    Finding,
)
from lib.study.study import Study

CHECKS: tuple[Check, ...] = tuple(
    one
    for module in (protocol, instruments, logs)
    for one in vars(module).values()
    if isinstance(one, Check)
)

_TEXTS = (
    *("run_id", "status", "architecture", "dataset", "location", "campaign", "machine"),
    *("started_at", "ended_at", "tracker_run_id", "doubts", "reasons"),
    *("cpu_method", "gpu_method", "ram_method", "location_source", "tracking_mode"),
    "codecarbon_version",
)


def audit(
    results: pd.DataFrame, checks: Iterable[Check] = CHECKS, *, study: Study | None = None
) -> list[Finding]:
    """Run checks on the completed runs of a study, which says what is compared, if it is known.

    Returns:
        One finding a check, the worst first, otherwise in the order of `checks`.
    """
    done = results[results["status"] == "completed"] if "status" in results else results
    # What is empty comes as None in columns of objects, which can't be reckoned with.
    for name in [one for one in done if one not in _TEXTS and done[one].dtype == object]:
        numbers = pd.to_numeric(done[name], errors="coerce")
        if numbers.isna().equals(done[name].isna()):
            done = done.assign(**{name: numbers})
    asked = design.of(done, study)
    done = done.assign(
        compared=_together(done, asked.compared), context=_together(done, asked.context)
    ).reset_index(drop=True)
    findings = [check(done) for check in checks]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def confounders(runs: pd.DataFrame, study: Study | None) -> tuple[str, ...]:
    """What stands in the way of comparing these runs, a sentence or more each."""
    found = audit(runs, (one for one in CHECKS if one.confounds), study=study)
    return tuple(one.what for one in found if one.confounds)


def _together(runs: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Columns as one text; empty where there are none."""
    if not columns:
        return pd.Series(None, index=runs.index, dtype=object)
    return variants.together(runs[name].astype(str) for name in columns)


def to_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row a finding; `rows` as text, with `runs`, their number."""
    columns = [field.name for field in fields(Finding)]
    table = pd.DataFrame([asdict(finding) for finding in findings], columns=columns)
    counts = table["rows"].map(len)
    return table.assign(rows=table["rows"].map(", ".join)).assign(runs=counts)
