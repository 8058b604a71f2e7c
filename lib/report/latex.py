r"""Tables as LaTeX: booktabs rules, siunitx columns, a caption and a label each.

They need `\usepackage{booktabs, graphicx, longtable, siunitx}`, which acmart and most journals'
classes load or take. Nothing here is compiled; `tables.tex` shows all of a study's.
"""

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from lib.quantities import Quantity, quantity, significant

LONG = 40  # rows from which on a table may break over pages, and ...
TALL = 3500  # ... characters in all, in a few columns
MANY = 8  # columns from which on it is set small

WIDE = (40, 20, 12, 6)
"""Characters of a text from which on its column wraps: the most that leave the wrapped ones ..."""

LEAST, MOST = 0.045, 0.35  # ... this part of the line at least; none gets more than the other

LINE, SMALL_LINE, SPACE, POWER = 180, 220, 2, 5
"""Characters of a line of `tables.tex`, of one that is set small, between two columns, and of a
power of ten."""

HEAD = 16  # letters of a line in the head of a column

DIGITS = 4
_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""What is wider than the text is made smaller (graphicx)."""

_SMALL = r"{\tiny\setlength{\tabcolsep}{2pt}"
_MISSING = "{--}"

_SPECIAL = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "₂": r"\textsubscript{2}",
    **{"²": r"\textsuperscript{2}", "³": r"\textsuperscript{3}", "×": r"$\times$"},
    **{"±": r"$\pm$", "−": r"$-$", "√": r"$\surd$", "·": r"$\cdot$", "°": r"$^\circ$"},
    **{"≥": r"$\geq$", "≤": r"$\leq$", "∞": r"$\infty$", "Δ": r"$\Delta$", "ε": r"$\epsilon$"},
}


def escaped(text: object) -> str:
    """Text as LaTeX prints it; control characters, which it can't read, are left out."""
    plain = "".join(sign for sign in str(text) if sign.isprintable())
    return "".join(_SPECIAL.get(sign, sign) for sign in plain)


def table(
    name: str,
    caption: str,
    frame: pd.DataFrame,
    note: str = "",
    named: Mapping[str, Quantity] | None = None,
) -> str:
    """One table as LaTeX.

    Args:
        name: Of its label, `tab:<name>`.
        caption: As text.
        frame: Its rows; columns are named as in the results, in the results' units.
        note: How to read it; goes into the caption.
        named: What the columns are called, and their units; None for each by itself.

    Returns:
        A `table`, or a `longtable` where it has more than `LONG` rows. Missing numbers are `{--}`.
    """
    known = named or {column: quantity(column) for column in frame}
    columns = [_column(known[column], frame[column]) for column in frame]
    heads = " & ".join(f"{{{_head(head)}}}" for _, head, *_ in columns)
    rows = [
        " & ".join(cells) + r" \\" for cells in zip(*(one.cells for one in columns), strict=True)
    ]
    said = escaped(". ".join(part.rstrip(".") for part in (caption, note) if part) + ".")
    label = re.sub(r"[^\w-]", "-", name)
    top = rf"\caption{{{said}}}\label{{tab:{label}}}"
    long = len(rows) > LONG or (len(known) <= MANY and len("".join(rows)) > TALL)
    formats = "".join(_formats(columns, WIDE if long else WIDE[:1]))
    if long:
        lines = [_SMALL] if len(known) > MANY else ["{"]
        lines += [rf"\begin{{longtable}}{{{formats}}}", top + r" \\", r"\toprule", heads + r" \\"]
        lines += [r"\midrule", r"\endfirsthead", r"\toprule", heads + r" \\", r"\midrule"]
        lines += [r"\endhead", *rows, r"\bottomrule", r"\end{longtable}}"]
    else:
        lines = [r"\begin{table}", r"\centering", top, _FIT]
        lines += [rf"\begin{{tabular}}{{{formats}}}"]
        lines += [r"\toprule", heads + r" \\", r"\midrule", *rows, r"\bottomrule"]
        lines += [r"\end{tabular}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def document(names: Iterable[str]) -> str:
    """`tables.tex`: a document that shows tables, to be compiled where they lie."""
    inputs = "\n".join(rf"\input{{{name}.tex}}" + "\n\\clearpage" for name in sorted(names))
    return (
        "% pdflatex tables.tex\n"
        r"\documentclass[a4paper]{article}" + "\n"
        r"\usepackage[utf8]{inputenc}" + "\n"
        r"\usepackage[T1]{fontenc}" + "\n"
        r"\usepackage[margin=1cm,landscape]{geometry}" + "\n"
        r"\usepackage{booktabs, graphicx, longtable, siunitx}" + "\n"
        r"\begin{document}\scriptsize" + "\n" + inputs + "\n" + r"\end{document}" + "\n"
    )


def _head(text: str) -> str:
    """The head of a column, in several lines where it is long."""
    lines = list(map(escaped, textwrap.wrap(text, HEAD, break_long_words=False)))
    if len(lines) < 2:
        return escaped(text)
    return r"\begin{tabular}[b]{@{}c@{}}" + r" \\ ".join(lines) + r"\end{tabular}"


class _Column(NamedTuple):
    """A column as LaTeX has it: its format where it doesn't wrap, its head, its cells, and the
    characters that its format keeps free.
    """

    form: str
    head: str
    cells: list[str]
    room: int


def _formats(columns: Sequence[_Column], widths: Sequence[int]) -> Iterator[str]:
    """Those of all columns: texts that are too long for the line wrap, each in a share of it."""
    sizes = [
        max([room, min(len(head), HEAD), *map(len, cells)]) for _, head, cells, room in columns
    ]
    line = SMALL_LINE if len(columns) > MANY else LINE
    for wide in widths:
        wraps = [
            form == "l" and size > wide for (form, *_), size in zip(columns, sizes, strict=True)
        ]
        kept = sum(size for size, wrap in zip(sizes, wraps, strict=True) if not wrap)
        share = (1 - (kept + SPACE * len(columns)) / line) / max(sum(wraps), 1)
        if share >= LEAST:
            break
    for (form, *_), wrap in zip(columns, wraps, strict=True):
        yield rf"p{{{min(max(share, LEAST), MOST):.2f}\linewidth}}" if wrap else form


def _column(named: Quantity, values: pd.Series) -> _Column:
    if not is_numeric_dtype(values) or is_bool_dtype(values):
        texts = ["" if pd.isna(value) else str(value) for value in values]
        return _Column("l", named.label, list(map(escaped, texts)), 0)
    numbers = pd.to_numeric(values).to_numpy(float, na_value=np.nan)
    factor, shown = named.scaled_to(numbers)
    known = numbers[np.isfinite(numbers)]
    whole = bool(((known == np.rint(known)) & (np.abs(known) < 1e15)).all())
    cells = [_number(value * factor, whole=whole) for value in numbers]
    form, room = _siunitx(cells)
    return _Column(form, shown.label, cells, room)


def _number(value: float, *, whole: bool) -> str:
    """As siunitx reads it: ASCII, no separators of thousands."""
    if math.isnan(value):
        return _MISSING
    if math.isinf(value):
        return "{$\\infty$}" if value > 0 else "{$-\\infty$}"
    if whole:
        return f"{value:.0f}"
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{DIGITS - 1}e}"
    return significant(value, DIGITS).replace(",", "").replace("−", "-")


def _siunitx(cells: list[str]) -> tuple[str, int]:
    """The column's format, digits before and after the point and of the exponent, and its room."""
    plain = [cell for cell in cells if not cell.startswith("{")]
    mantissas = [cell.partition("e")[0] for cell in plain]
    before = max((len(one.partition(".")[0]) for one in mantissas), default=1)
    after = max((len(one.partition(".")[2]) for one in mantissas), default=0)
    has_power = any("e" in cell for cell in plain)
    sign = "-" if any(cell.startswith("-") for cell in plain) else ""
    before = before - bool(sign) or 1
    form = f"S[table-format={sign}{before}.{after}{'e-2' if has_power else ''}]"
    return form, before + after + POWER * has_power
