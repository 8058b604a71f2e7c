"""What a conclusion is, what it is weighed against, and how its figures are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from lib.paper.reproduction import campaign

STANDS = "stands"
FALLS = "falls"
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Conclusion:
    """One of the paper's conclusions, weighed.

    Attributes:
        question: RQ1, RQ2, RQ3 or the validity of the measurements.
        claim: What the paper says, in our words.
        where: Section, table or figure of the paper.
        verdict: `stands`, `falls` or `undecided`.
        sentence: Why, in plain words, with the figures that decide it.
        evidence: Names of the tables of `lib.paper.reanalysis.tables` that hold those figures.
    """

    question: str
    claim: str
    where: str
    verdict: str
    sentence: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """What the weighing functions look things up in."""

    results: pd.DataFrame
    tables: dict[str, pd.DataFrame]

    def runs(self, name: str) -> pd.DataFrame:
        """The runs of a campaign."""
        return campaign(self.results, name)

    def test(self, data: str, response: str, factor: str, within: str = "") -> pd.Series:
        """One row of the table `questions`."""
        frame = self.tables["questions"]
        row = frame[
            (frame["data"] == data)
            & (frame["response"] == response)
            & (frame["factor"] == factor)
            & (frame["within"] == within)
        ]
        return row.iloc[0]

    def rho(self, comparison: str) -> pd.Series:
        """One row of the table `instrument_agreement`."""
        return self.tables["instrument_agreement"].set_index("comparison").loc[comparison]


def p_value(value: float) -> str:
    """A p-value as one writes it: 'p = 0.027', 'p < 0.001', 'p = 0.10'."""
    if value < 0.001:
        return "p < 0.001"
    return f"p = {value:.2f}" if value >= 0.0995 else f"p = {value:.2g}"


def span(values: pd.Series, digits: str) -> str:
    """'8 to 15', or one figure where both ends look the same."""
    low, high = f"{values.min():{digits}}", f"{values.max():{digits}}"
    return low if low == high else f"{low} to {high}"


def listed(names: Iterable[object]) -> str:
    """'a, b and c'."""
    words = [str(name) for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
