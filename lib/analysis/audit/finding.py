"""What a check of a study's results is, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from lib.text import runs

FAULT = "fault"
DOUBT = "doubt"
NOTE = "note"
UNCHECKED = "not checked"
PASSED = "passed"
SEVERITIES = (FAULT, DOUBT, NOTE, UNCHECKED, PASSED)
"""Worst first. Fault: the figures are wrong as they stand. Doubt: they may be. Note: to know."""


@dataclass(frozen=True)
class Finding:
    """What one check says of a study.

    Attributes:
        name: Of the check: what should be so, such as 'No energy is negative'.
        severity: One of `SEVERITIES`.
        what: What was found and where, or why it was not checked.
        why: Why it matters.
        rows: Ids of the runs concerned.
        confounds: Whether what was found stands in the way of the study's comparison.
    """

    name: str
    severity: str
    what: str
    why: str
    rows: tuple[str, ...] = ()
    confounds: bool = False


@dataclass(frozen=True)
class Found:
    """What a check answers that found something.

    Attributes:
        severity: `FAULT`, `DOUBT` or `NOTE`.
        what: In words, with figures.
        runs: The rows of the results concerned.
    """

    severity: str
    what: str
    runs: pd.DataFrame


class NotCheckedError(Exception):
    """A check can't be done on these results; the message says why."""


Look = Callable[[pd.DataFrame], Found | None]


@dataclass(frozen=True)
class Check:
    """One check: a name, why it matters, the columns it needs, and the function that looks."""

    name: str
    why: str
    needs: tuple[str, ...]
    look: Look
    confounds: bool = False

    def __call__(self, results: pd.DataFrame) -> Finding:
        """Look at results, and say so where that is not possible."""
        try:
            found = self._looked(results)
        except NotCheckedError as reason:
            return Finding(self.name, UNCHECKED, f"Not checked, because {reason}.", self.why)
        if found is None:
            return Finding(self.name, PASSED, f"Nothing found in {runs(len(results))}.", self.why)
        ids = tuple(found.runs["run_id"].astype(str))
        confounds = self.confounds and found.severity in (FAULT, DOUBT)
        return Finding(self.name, found.severity, found.what, self.why, ids, confounds)

    def _looked(self, results: pd.DataFrame) -> Found | None:
        if results.empty:
            raise NotCheckedError("no run has been completed")
        for column in self.needs:
            if column not in results:
                raise NotCheckedError(f"the table has no column {column}")
            if results[column].isna().all():
                raise NotCheckedError(f"{column} is empty in every run")
        return self.look(results)


def check(
    name: str, why: str, needs: Iterable[str] = (), *, confounds: bool = False
) -> Callable[[Look], Check]:
    """Make a check of a function that takes completed runs and gives what it found, or None.

    Beside their own columns the runs have `compared` and `context`, what the study compares and
    what it compares it within, as text.
    """
    return lambda look: Check(name, why, tuple(needs), look, confounds)


def parts(results: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Part results by a column such as machine or campaign; one nameless part if there is none."""
    if column not in results or results[column].isna().all():
        yield "", results
        return
    for name, part in results.groupby(column, sort=False, dropna=False):
        yield str(name), part
