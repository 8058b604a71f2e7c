"""The paper's tables beside ours, and what becomes of its conclusions."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pandas as pd

from lib import conclusions, published, reanalysis, reproduction
from lib.analysis import Analysis
from lib.measures import MEASURES, measure
from lib.page import Stack, Table

_VERDICTS = (
    "A result that an instrument could not have measured is undecided, not refuted; a conclusion "
    "falls only where a sound measurement, or arithmetic, speaks against it. Evidence names the "
    "tables under “The evidence”."
)


def weighed(study: Analysis) -> Table:
    """The paper's conclusions, and what becomes of each when its data are read correctly."""
    found = conclusions.to_frame(conclusions.conclusions(study.completed, study.reanalysis))
    columns = ["verdict", "claim", "sentence", "where", "question", "evidence"]
    note = "" if found.empty else _VERDICTS
    shown = found[columns].rename(columns={"sentence": "why", "where": "in_the_paper"})
    return Table("conclusions", "" if shown.empty else "The paper's conclusions", shown, note)


def evidence(study: Analysis) -> Stack:
    """The tables that the verdicts on the paper's conclusions point to, explained by their code."""
    return Stack(
        tuple(
            Table(f"evidence_{name}", name, frame, _explained(getattr(reanalysis, name)))
            for name, frame in study.reanalysis.items()
        )
    )


def _explained(make: Callable[..., pd.DataFrame]) -> str:
    """What a function's docstring says it does and returns, as one paragraph."""
    paragraphs = inspect.getdoc(make).split("\n\n")
    said = [paragraphs[0], *(text for text in paragraphs if text.startswith("Returns:"))]
    text = " ".join(" ".join(said).replace("Returns:", "").split())
    return text.replace("`", "")


def beside_paper(study: Analysis, name: str) -> Table:
    """One of the paper's tables computed from its raw data, cell beside cell with the printed one.

    Args:
        study: The authors' data; for any other study the table is empty.
        name: Of the paper's table: `table2` to `table7`, `rq3`.
    """
    (item,) = [item for item in reproduction.REPRODUCTIONS if item.name == name]
    file = f"{name}_beside_paper"
    if not study.is_the_papers:
        return Table(file, "", pd.DataFrame())
    cells = pd.concat(
        [
            reproduction.compare(item, reading).assign(reading=reading_name)
            for reading_name, reading in published.readings(study.completed).items()
        ]
    )
    keys = ["row", "column", "paper"]
    first, last = (
        cells[cells["reading"] == reading].set_index(keys)
        for reading in (published.AS_PUBLISHED, published.CORRECTED)
    )
    frame = pd.DataFrame(
        {
            "as_published": first["ours"],
            "difference": first["difference"],
            "match": first["match"],
            "corrected": last["ours"],
        }
    ).reset_index()
    frame = frame.rename(columns={"column": "quantity", "paper": "the_paper"})
    frame["quantity"] = [measure(quantity).label for quantity in frame["quantity"]]
    frame["row"] = [measure(row).name if row in MEASURES else row for row in frame["row"]]
    agreeing = frame["match"].isin(reproduction.AGREEING).sum()
    return Table(
        file,
        f"{item.title}, cell by cell",
        frame,
        f"{agreeing} of {len(frame)} cells come out as the paper prints them. "
        f"{published.source(name)}.",
    )
