"""What a cell of the analysis shows besides figures: tables and sentences, as escaped HTML.

Both carry the classes that the report's style and script know; in JupyterLab they look plain.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

from lib.files import as_csv
from lib.quantities import Quantity, number, quantity

DIGITS = 4
SMALLEST_P = 0.001
MOST_ROWS = 500
"""Of a table on a page, which must stay usable; its file has all."""

# Letters of a column's longest text up to which it stands in one line, and up to which in few.
_SHORT, _WORDS = 32, 100
# JupyterLab, which knows none of the classes, would set text to the right and show every row.
_LEFT = 'style="text-align:left"'
_SCROLL = "max-height:34rem;overflow:auto"
# Words of a verdict, a severity or a status, and how they stand out.
_MARKS = {"fault": "bad", "falls": "bad", "failed": "bad", "doubt": "open", "undecided": "open"}
_MARKS |= {"stands": "good", "passed": "good"}
# A number as people print it: "< 0.001", "1,234", "1.2 ± 0.3", "12 %".
_NUMBER = r"[-−+]?[0-9][0-9,]*(?:[.][0-9]+)?(?:e[-−+]?[0-9]+)?"
_PRINTED = re.compile(rf"(?P<bound>[<>]?) ?(?P<value>{_NUMBER})(?: ?± ?{_NUMBER})?(?: ?%)?")
# Characters side by side that an upright page of a printed report has room for.
_UPRIGHT = 100
_COLUMN_OF_TEXT, _LONGEST_WORD = 14, 16
"""Characters that a line of sentences has at least in print, and a word that is not broken."""


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        name: Of its file under `tables/`, without the ending.
        caption: What it shows; "" where there is nothing to show.
        frame: Its rows; columns are named as in the results, in the results' units.
        note: How to read it, or, without a caption, why it is empty.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    note: str = ""

    def to_csv(self) -> str:
        """All digits, in the results' units, which stand in the heads."""
        heads = {column: quantity(column).label for column in self.frame}
        return as_csv(self.frame.rename(columns=heads))

    def __repr__(self) -> str:
        shown = self.frame.head(MOST_ROWS).to_string(index=False)
        return "\n".join([self.caption, shown, *filter(None, [self._rest(), self.note])])

    def _rest(self) -> str:
        """Where the rows are that are not shown."""
        if len(self.frame) <= MOST_ROWS:
            return ""
        return (
            f"The first {MOST_ROWS:,} of {len(self.frame):,} rows; tables/{self.name}.csv has all."
        )

    def _repr_html_(self) -> str:
        """Sensible digits in the handiest unit; each cell keeps its full value for sorting."""
        if self.frame.empty:
            return _note(
                f"{self.caption}: there is nothing to show." if self.caption else self.note
            )
        top = self.frame.head(MOST_ROWS)
        columns = [_Column(top[name], shown) for name, shown in self._quantities().items()]
        heads = "".join(column.head() for column in columns)
        rows = "".join(
            f"<tr>{''.join(column.cell(place) for column in columns)}</tr>"
            for place in range(len(top))
        )
        width = sum(column.width + 1 for column in columns)  # with the space between columns
        wide = " wide" if width > _UPRIGHT else ""
        file, caption = self.name, self.caption
        if self._rest():
            # What the page saves is what it shows.
            file += f"-first-{MOST_ROWS}"
            caption += f" (first {MOST_ROWS:,} of {len(self.frame):,} rows)"
        return (
            f'<div class="table{wide}" data-name="{escape(self.name)}" data-file="{escape(file)}">'
            f'<div class="bar"><p class="title"><b>{escape(caption)}</b></p></div>'
            f'<div class="scroll" role="region" aria-label="{escape(self.caption)}" tabindex="0" '
            f'style="{_SCROLL}">'
            f'<table style="--chars:{width}"><thead><tr>{heads}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
            f"{_note(' '.join(filter(None, [self._rest(), self.note])))}</div>"
        )

    def _quantities(self) -> dict[str, Quantity]:
        """What each column is called; quantities of one unit keep one unit, to be compared."""
        named = {name: quantity(name) for name in self.frame}
        shared = {shown.ladder: [] for shown in named.values() if shown.unit and shown.ladder}
        for name, shown in named.items():
            if shown.ladder in shared:
                shared[shown.ladder].append(pd.to_numeric(self.frame[name]).abs().max())
        return {
            name: shown.limited_to(shared[shown.ladder]) if shown.ladder in shared else shown
            for name, shown in named.items()
        }


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>' if text else ""


class _Column:
    """One column of a table as text: a unit and a number of decimals for all of its cells."""

    def __init__(self, values: pd.Series, named: Quantity):
        values = values.infer_objects()
        self.values = values
        self.is_number = is_numeric_dtype(values) and not is_bool_dtype(values)
        self.plain = int if is_integer_dtype(values) else float
        # The values stay in the unit of the results; what is shown of them may be in another.
        self.factor, self.named, self.label = 1.0, named, named.label
        if self.is_number:
            numbers = pd.to_numeric(values).to_numpy(float, na_value=np.nan)
            self.factor, self.named = named.scaled_to(numbers)
            # What only rounding has kept from being 0 is 0.
            largest = np.max(np.abs(numbers), initial=0, where=np.isfinite(numbers))
            self.numbers = np.where(np.abs(numbers) < 1e-12 * largest, 0, numbers)
            self.decimals, self.is_mixed = _decimals(self.numbers * self.factor)

        # Numbers that are text, because every digit of theirs was printed so, stand like numbers.
        texts = [] if self.is_number else [_text(value) for value in values]
        self.is_printed = any(texts) and all(_PRINTED.fullmatch(text) for text in texts if text)
        longest = max(map(len, texts), default=0)
        self.kind = "short" if longest <= _SHORT else "words" if longest <= _WORDS else "long"
        # Heads wrap, and so does text; what wraps takes the room of its longest word.
        shown = texts or [self._number(value) for value in self.numbers]
        breakable = [self.named.name, self.named.unit, *texts]
        self.width = max(len(word) for text in breakable for word in text.split() or [""])
        if self.is_number or self.is_printed:
            self.width = max([self.width, *map(len, shown)])
        elif self.kind != "short":
            self.width = max(self.width, _COLUMN_OF_TEXT)
        self.width = min(self.width, _LONGEST_WORD)

    def head(self) -> str:
        is_number = self.is_number or self.is_printed
        align = 'class="number" style="' if is_number else _LEFT.removesuffix('"') + ";"
        kind = f'{align}--chars:{self.width}"'
        name, unit = escape(self.named.name), escape(self.named.unit)
        shown = f'{name} <span class="unit">({unit})</span>' if unit else name
        return f'<th scope="col" data-full="{escape(self.label)}" {kind}>{shown}</th>'

    def cell(self, place: int) -> str:
        value = self.values.iloc[place]
        if self.is_number:
            text = self._number(self.numbers[place])
            full = "" if pd.isna(value) else repr(self.plain(value))
            # What is infinite has another name in JavaScript.
            sort = f' data-sort="{full.replace("inf", "Infinity")}"' if full.endswith("inf") else ""
            return f'<td class="number" data-value="{full}"{sort}>{escape(text)}</td>'
        if isinstance(value, Link):
            return f'<td {_LEFT}><a href="{escape(value.target)}">{escape(value.text)}</a></td>'
        text = _text(value)
        if self.is_printed:
            return f'<td class="number" data-sort="{_sort_key(text)}">{escape(text)}</td>'
        return f'<td class="{_MARKS.get(text, self.kind)}" {_LEFT}>{escape(text)}</td>'

    def _number(self, value: float) -> str:
        if self.named.is_p and 0 <= value < SMALLEST_P:
            return f"< {SMALLEST_P}"
        value *= self.factor
        if not math.isfinite(value) or self.decimals is None:
            return number(value, DIGITS)
        decimals = 4 if self.named.is_p else self.decimals
        if self.is_mixed and not self.named.is_p:
            if value.is_integer() or abs(value) < 10 ** -(decimals + 2):
                return number(value, DIGITS)
            own = DIGITS - 1 - math.floor(math.log10(abs(value)))
            decimals = min(max(own, 0), decimals + 2)
        return f"{value:,.{decimals}f}".replace("-", "−")


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere: to a file beside the report."""

    text: str
    target: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Prose:
    """Sentences, each a paragraph or an item of a list.

    Attributes:
        sentences: As text.
        kind: `p` for paragraphs, `ul` or `ol` for a list.
        lead: Whether it stands out, as the answer that the page begins with.
    """

    sentences: tuple[str, ...]
    kind: str = "p"
    lead: bool = False

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        style = f'class="prose{" lead" if self.lead else ""}"'
        texts = [escape(sentence) for sentence in self.sentences]
        if self.kind == "p":
            return "".join(f"<p {style}>{text}</p>" for text in texts)
        items = "".join(f"<li>{text}</li>" for text in texts)
        return f"<{self.kind} {style}>{items}</{self.kind}>"


@dataclass(frozen=True)
class Stack:
    """Several things to show, one under the other."""

    parts: tuple[Table | Prose, ...]

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.parts))

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in self.parts)


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return "" if value is None or value is pd.NA or value != value else str(value)


def _sort_key(text: str) -> str:
    """A printed number as JavaScript reads it; what is bounded stands just beyond its bound."""
    if not text:
        return ""
    found = _PRINTED.fullmatch(text)
    value = float(found["value"].replace(",", "").replace("−", "-"))
    if found["bound"]:
        value = math.nextafter(value, -math.inf if found["bound"] == "<" else math.inf)
    return repr(value)


def _decimals(values: np.ndarray) -> tuple[int | None, bool]:
    """Decimals that give the largest value `DIGITS` digits; None where exponents serve better.

    Also whether the values differ so much that each should have its own, within limits.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes) or sizes.max() < 1e-6 or sizes.max() >= 1e15:
        return None, False
    if (sizes == np.round(sizes)).all():
        return 0, False
    decimals = max(DIGITS - 1 - math.floor(math.log10(sizes.max())), 0)
    return decimals, bool(sizes.max() > 100 * sizes.min())
