"""What a conclusion is, what it is weighed against, and where its figures are looked up."""

from __future__ import annotations

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
