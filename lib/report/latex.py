r"""Tables as LaTeX: booktabs rules, siunitx columns, a caption and a label each.

They need `\usepackage{booktabs, graphicx, longtable, siunitx}`, which acmart and most journals'
classes load or take. Nothing here is compiled; `tables.tex` shows all of a study's.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from lib.quantities import Quantity, quantity, significant

LONG = 40
"""Rows from which on a table may break over pages, and ..."""

TALL = 3500
"""... characters in all."""

MANY = 8
"""Columns from which on it is set small, and texts wrap sooner."""

WIDE = 40
"""Characters of a text from which on its column wraps."""

HEAD = 16
"""Letters of a line in the head of a column."""

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
    wide = WIDE if len(known) <= MANY else WIDE // 2
    share = (0.7 if wide == WIDE else 0.4) / max(
        sum(_is_long(frame[column], wide) for column in frame), 1
    )
    columns = [_column(known[column], frame[column], min(share, 0.35), wide) for column in frame]
    formats = "".join(form for form, _, _ in columns)
    heads = " & ".join(f"{{{_head(head)}}}" for _, head, _ in columns)
    rows = [" & ".join(cells) + r" \\" for cells in zip(*(c for _, _, c in columns), strict=True)]
    said = escaped(". ".join(part.rstrip(".") for part in (caption, note) if part) + ".")
    label = re.sub(r"[^\w-]", "-", name)
    top = rf"\caption{{{said}}}\label{{tab:{label}}}"
    if len(rows) > LONG or len("".join(rows)) > TALL:
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


def _is_long(values: pd.Series, wide: int) -> bool:
    return not is_numeric_dtype(values) and values.astype(str).str.len().max() > wide


def _column(
    named: Quantity, values: pd.Series, share: float, wide: int
) -> tuple[str, str, list[str]]:
    """Its format, head and cells; text that wraps gets a share of the line."""
    if not is_numeric_dtype(values) or is_bool_dtype(values):
        texts = ["" if pd.isna(value) else str(value) for value in values]
        form = rf"p{{{share:.2f}\linewidth}}" if _is_long(values, wide) else "l"
        return form, named.label, list(map(escaped, texts))
    numbers = pd.to_numeric(values).to_numpy(float, na_value=np.nan)
    factor, shown = named.scaled_to(numbers)
    cells = [_number(value * factor, whole=_is_whole(numbers)) for value in numbers]
    return _siunitx(cells), shown.label, cells


def _is_whole(numbers: np.ndarray) -> bool:
    known = numbers[np.isfinite(numbers)]
    return bool((known == np.rint(known)).all()) and bool((np.abs(known) < 1e15).all())


def _number(value: float, *, whole: bool) -> str:
    """As siunitx reads it: ASCII, no separators of thousands."""
    if math.isnan(value):
        return _MISSING
    if math.isinf(value):
        return "{$\\infty$}" if value > 0 else "{$-\\infty$}"
    if whole:
        return f"{value:.0f}"
    if value and not 1e-6 <= abs(value) < 1e15:
        return f"{value:.{DIGITS - 1}e}"
    return significant(value, DIGITS).replace(",", "").replace("−", "-")


def _siunitx(cells: list[str]) -> str:
    """The column's format: digits before and after the point, and of the exponent."""
    plain = [cell for cell in cells if not cell.startswith("{")]
    mantissas = [cell.partition("e")[0] for cell in plain]
    before = max((len(one.partition(".")[0]) for one in mantissas), default=1)
    after = max((len(one.partition(".")[2]) for one in mantissas), default=0)
    exponent = "e-2" if any("e" in cell for cell in plain) else ""
    sign = "-" if any(cell.startswith("-") for cell in plain) else ""
    return f"S[table-format={sign}{before - bool(sign) or 1}.{after}{exponent}]"
