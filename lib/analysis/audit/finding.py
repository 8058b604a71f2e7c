"""What a check of a study's results is, and what it answers."""

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
    """What one check says of a study."""

    name: str  # of the check: what should be so, such as 'No energy is negative'
    severity: str  # one of `SEVERITIES`
    what: str  # what was found and where, or why it was not checked
    why: str  # why it matters
    rows: tuple[str, ...] = ()  # ids of the runs concerned
    confounds: bool = False  # whether what was found stands in the way of the study's comparison


class NotCheckedError(Exception):
    """A check can't be done on these results; the message says why."""


Said = tuple[str, pd.Series, str]
"""How bad it is, which rows it concerns (True; those that are left out, not), and what it is."""

Look = Callable[[pd.DataFrame], Iterator[Said]]


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
            self._require(results)
            found = [said for said in self.look(results) if said[1].any()]
        except NotCheckedError as reason:
            return Finding(self.name, UNCHECKED, f"Not checked, because {reason}.", self.why)
        if not found:
            return Finding(self.name, PASSED, f"Nothing found in {runs(len(results))}.", self.why)
        severities, rows, texts = zip(*found, strict=True)
        concerned = pd.concat([some[some] for some in rows]).index
        ids = results.loc[results.index.isin(concerned), "run_id"].astype(str)
        severity = min(severities, key=SEVERITIES.index)
        confounds = self.confounds and severity in (FAULT, DOUBT)
        return Finding(self.name, severity, " ".join(texts), self.why, tuple(ids), confounds)

    def _require(self, results: pd.DataFrame) -> None:
        if results.empty:
            raise NotCheckedError("no run has been completed")
        for column in self.needs:
            if column not in results:
                raise NotCheckedError(f"the table has no column {column}")
            if results[column].isna().all():
                raise NotCheckedError(f"{column} is empty in every run")


def check(
    name: str, why: str, needs: Iterable[str] = (), *, confounds: bool = False
) -> Callable[[Look], Check]:
    """Make a check of a function that takes completed runs and gives what it finds.

    What concerns no row is not said. Beside their own columns the runs have `compared` and
    `context`, what the study compares and what it compares it within, as text.
    """
    return lambda look: Check(name, why, tuple(needs), look, confounds)


def parts(results: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Part results by a column such as machine or campaign; one nameless part if there is none."""
    if column not in results or results[column].isna().all():
        yield "", results
        return
    for name, part in results.groupby(column, sort=False, dropna=False):
        yield str(name) if pd.notna(name) else f"no {column}", part


def all_of(results: pd.DataFrame) -> pd.Series:
    """All rows, as concerned."""
    return pd.Series(True, results.index)


def texts(results: pd.DataFrame, column: str) -> pd.Series:
    """A column as text; empty where it has no value or isn't there."""
    return results.get(column, pd.Series("", results.index)).fillna("").astype(str)
