"""What a cell of the analysis shows besides figures: tables and sentences, as escaped HTML.

Both carry the classes that the report's style and script know; in JupyterLab they look plain.
A table takes all of its digits along as CSV, and what has nothing to show says so in a form that
the report can gather: see `CSV` and `ABSENT`.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

from lib.files import as_csv
from lib.quantities import ALONE, Quantity, number, quantity
from lib.report import latex

CSV, LATEX = "text/csv", "application/x-tex"
"""How a table leaves its notebook, with all digits and for papers; the name of its file is in the
metadata."""

ABSENT = "application/vnd.training-energy.absent+json"  # what is not shown, and why: a JSON string

DIGITS = 4
SMALLEST_P = 0.001
MOST_ROWS = 500  # of a table on a page, which must stay usable; its file has all

# Letters of a column's longest text up to which it stands in one line, and up to which in few.
_SHORT, _WORDS = 32, 100
# JupyterLab, which knows none of the classes, would set text to the right and show every row.
_LEFT = 'style="text-align:left"'
_SCROLL = "max-height:34rem;overflow:auto"
# Words of a verdict, a severity or a status, and how they stand out.
_MARKS = {"fault": "bad", "falls": "bad", "failed": "bad", "doubt": "open", "undecided": "open"}
_MARKS |= {"stands": "good", "passed": "good", "differs": "good", "not decided": "open"}
# A number as people print it: "< 0.001", "1,234", "1.2 ± 0.3", "12 %".
_NUMBER = r"[-−+]?[0-9][0-9,]*(?:[.][0-9]+)?(?:e[-−+]?[0-9]+)?"
_PRINTED = re.compile(rf"(?P<bound>[<>]?) ?(?P<value>{_NUMBER})(?: ?± ?{_NUMBER})?(?: ?%)?")
# Characters side by side that an upright page of a printed report has room for.
_UPRIGHT = 100
_COLUMN_OF_TEXT, _LONGEST_WORD = 14, 16
"""Characters that a line of sentences has at least in print, and a word that is not broken."""


@dataclass(frozen=True)
class Table:
    """A table of the report."""

    name: str  # of its file under `tables/`, without the ending
    caption: str  # what it shows; "" where there is nothing to show
    frame: pd.DataFrame  # its rows; columns are named as in the results, in the results' units
    note: str = ""  # how to read it, or, without a caption, why it is empty

    def __post_init__(self) -> None:
        """What every row has only because there is nothing else is no column."""
        texts = self.frame.select_dtypes(exclude="number")
        alone = [name for name, column in texts.items() if column.eq(ALONE).all()]
        if alone and not self.frame.empty:
            object.__setattr__(self, "frame", self.frame.drop(columns=alone))

    def to_csv(self) -> str:
        """All digits, in the results' units, which stand in the heads."""
        heads = {column: quantity(column).label for column in self.frame}
        return as_csv(self.frame.rename(columns=heads))

    def to_latex(self) -> str:
        """For papers: booktabs and siunitx, see `lib.report.latex`."""
        return latex.table(self.name, self.caption, self.frame, self.note, self._quantities())

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

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """What its cell leaves in the notebook: to be looked at, and to be saved."""
        shown = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if self.frame.empty:
            return _absent(self.note), {}
        files = {CSV: self.to_csv(), LATEX: self.to_latex()}
        return shown | files, {kind: {"name": self.name} for kind in files}

    def _repr_html_(self) -> str:
        """Sensible digits in the handiest unit; each cell keeps its full value for sorting."""
        if self.frame.empty:
            return _note(self.note)
        top = self.frame.head(MOST_ROWS)
        columns = list(self._columns(top))
        factors = [column for column in itertools.takewhile(_is_level, columns) if not column.same]
        rows = "".join(
            f"<tr>{''.join(column.cell(place, factors) for column in columns)}</tr>"
            for place in range(len(top))
        )
        heads = "".join(column.head(factors) for column in columns)
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

    def _columns(self, rows: pd.DataFrame) -> Iterator[_Column]:
        """A value and the ends of its interval are one column."""
        named = self._quantities()
        ends = {
            end: name
            for name in named
            for end in (f"{name}_low", f"{name}_high")
            if end in named and quantity(f"{name}_low").is_limit
        }
        for name, shown in named.items():
            if name not in ends:
                limits = [(rows[end], named[end].label) for end, of in ends.items() if of == name]
                yield _Column(rows[name], shown, limits)

    def _quantities(self) -> dict[str, Quantity]:
        """What each column is called; quantities of one unit keep one unit, to be compared."""
        named = {name: quantity(name) for name in self.frame}
        shared: dict[Any, list[float]] = {
            shown.ladder: [] for shown in named.values() if shown.unit and shown.ladder
        }
        for name, shown in named.items():
            if shown.ladder in shared:
                shared[shown.ladder].append(pd.to_numeric(self.frame[name]).abs().max())
        return {
            name: shown.limited_to(shared[shown.ladder]) if shown.ladder in shared else shown
            for name, shown in named.items()
        }


def _is_level(column: _Column) -> bool:
    return column.kind == "short" and not column.is_number and not column.is_printed


def _absent(why: str) -> dict[str, str]:
    return {"text/plain": why, "text/html": _note(why), ABSENT: why}


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>' if text else ""


class _Column:
    """One column of a table as text: a unit and a number of decimals for all of its cells.

    Its limits are the lower and the upper end of an interval around each value, each with its name.
    On a phone, where all cells are the same, it is not shown, and the levels of several factors
    stand in the column of the first.
    """

    def __init__(
        self, values: pd.Series, named: Quantity, limits: Sequence[tuple[pd.Series, str]] = ()
    ):
        values = values.infer_objects()
        self.limits = [(pd.to_numeric(ends).to_numpy(float), label) for ends, label in limits]
        self.same = len(values) > 1 and len({*map(_text, values)}) == 1
        self.values = list(values)
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
        shown = texts or [
            f"{self._number(value)} {self._interval(place)}"
            for place, value in enumerate(self.numbers)
        ]
        breakable = [self.named.name, self.named.unit, *texts]
        self.width = max(len(word) for text in breakable for word in text.split() or [""])
        if self.is_number or self.is_printed:
            self.width = max([self.width, *map(len, shown)])
        elif self.kind != "short":
            self.width = max(self.width, _COLUMN_OF_TEXT)
        self.width = min(self.width, _LONGEST_WORD)

    def head(self, factors: Sequence[_Column] = ()) -> str:
        is_number = self.is_number or self.is_printed
        align = "" if is_number else _LEFT.removesuffix('"').removeprefix('style="') + ";"
        unit = ", ".join(filter(None, [self.named.unit, "95 % interval" if self.limits else ""]))
        shown = escape(self.named.name)
        if unit:
            shown += f' <span class="unit">({escape(unit)})</span>'
        full = [self.label, *(label for _, label in self.limits)]
        data = f'data-full="{escape(json.dumps(full, ensure_ascii=False))}"'
        kind = self._classes("number" if is_number else "", factors)
        return f'<th scope="col" {data} {kind} style="{align}--chars:{self.width}">{shown}</th>'

    def cell(self, place: int, factors: Sequence[_Column] = ()) -> str:
        value = self.values[place]
        if self.is_number:
            text, interval = self._number(self.numbers[place]), self._interval(place)
            data = f'data-value="{_full(value, self.plain)}"'
            for end, (values, _) in zip(("low", "high"), self.limits, strict=False):
                data += f' data-{end}="{_full(values[place], float)}"'
            if not pd.isna(value) and math.isinf(value):  # which has another name in JavaScript
                data += f' data-sort="{"-" if value < 0 else ""}Infinity"'
            shown = f'{escape(text)} <span class="interval">{interval}</span>'
            return (
                f"<td {self._classes('number', factors)} {data}>{shown if interval else text}</td>"
            )
        if isinstance(value, Link):
            return f'<td {_LEFT}><a href="{escape(value.target)}">{escape(value.text)}</a></td>'
        text = _text(value)
        if self.is_printed:
            kind = self._classes("number", factors)
            return f'<td {kind} data-sort="{_sort_key(text)}">{escape(text)}</td>'
        kind, shown = self._classes(_MARKS.get(text, self.kind), factors), escape(text)
        if len(factors) > 1 and self is factors[0]:
            others = " · ".join(_text(one.values[place]) for one in factors[1:])
            return (
                f'<td {kind} {_LEFT} data-value="{shown}">{shown}'
                f'<span class="also" hidden> · {escape(others)}</span></td>'
            )
        return f"<td {kind} {_LEFT}>{shown}</td>"

    def _classes(self, kind: str, factors: Sequence[_Column]) -> str:
        """Of a cell: its kind, and whether a phone has no room for it."""
        spare = self.same or self in factors[1:]
        return f'class="{" ".join(filter(None, [kind, "spare" if spare else ""]))}"'

    def _interval(self, place: int) -> str:
        """`0.97 to 1.03`; nothing where there is none."""
        ends = [values[place] for values, _ in self.limits]
        if not ends or any(map(math.isnan, ends)):
            return ""
        return " to ".join(map(self._number, ends))

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
    """Sentences, as text: paragraphs (`p`) or the items of a list (`ul`, `ol`), which stand out if
    they `lead`, as the answer that the page begins with.
    """

    sentences: tuple[str, ...]
    kind: str = "p"
    lead: bool = False

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        shown = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return shown if self.sentences else _absent("")

    def _repr_html_(self) -> str:
        style = f'class="prose{" lead" if self.lead else ""}"'
        texts = [escape(sentence) for sentence in self.sentences]
        if self.kind == "p":
            return "".join(f"<p {style}>{text}</p>" for text in texts)
        items = "".join(f"<li>{text}</li>" for text in texts)
        return f"<{self.kind} {style}>{items}</{self.kind}>"


@dataclass(frozen=True)
class Html:
    """A part of the page that is made where its words are, with what is from the data escaped; and
    these words for where there is no HTML.
    """

    html: str
    words: str

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return self.html


@dataclass(frozen=True)
class Stack:
    """Several things to show, one under the other: tables, figures, sentences."""

    parts: tuple[Any, ...]

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.parts))

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(*self.parts)


def _full(value: Any, plain: type) -> str:
    return "" if pd.isna(value) else repr(plain(value))


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return "" if value is None or value is pd.NA or value != value else str(value)


def _sort_key(text: str) -> str:
    """A printed number as JavaScript reads it; what is bounded stands just beyond its bound."""
    if not text:
        return ""
    found = _PRINTED.fullmatch(text)
    assert found is not None, "only what is printed so is asked for"
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
