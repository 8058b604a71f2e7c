"""What all figures share: lettering, legend, hover, and the figure that is a sentence."""

import textwrap
from collections.abc import Iterable, Sequence
from html import escape, unescape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lib.patching import import_nbformat
from lib.quantities import Quantity, number, quantity
from lib.report.figures.palette import COLOURS, FAINT, INK

import_nbformat()  # as plotly does with the first figure that is shown, at its full price

MOST_POINTS = 1000  # runs that a figure shows one by one, so that a page stays usable
MOST_CONFIGURATIONS = 120  # in a figure: no reader tells more apart, no browser draws thousands
TITLE_LETTERS = 36  # in a line above a panel, where three stand beside each other
LEGEND_LETTERS = 34  # in a line of a legend, on a phone too
NOTE_LETTERS = 52  # in a line below a title
ROW_LETTERS = 52  # in a line that names a row

LINE_HEIGHT = 17
LETTER_WIDTH = 8
PAGE_WIDTH = 900

_CONFIGURATION = ("treatment", "location", "dataset", "architecture", "variant")

_LEGEND_ROW = 30
_KEY_WIDTH = 60  # pixels of a line or a symbol in a legend, with the space up to the next entry

_NOTE_HEIGHT = 24
_TOP = 64


def entry(name: str, levels: Sequence[str]) -> dict[str, object]:
    """What puts a trace into the legend under the name of a level, in the order of `levels`."""
    shown = lines(name, LEGEND_LETTERS)
    return {"name": shown, "legendgroup": name, "legendrank": levels.index(name)}


def shown_once(figure: go.Figure) -> None:
    """Give each name that is in the legend one entry: at the first trace with points."""
    named: set[str] = set()
    for trace in figure.data:
        if trace.name and trace.showlegend is not False:
            trace.showlegend = trace.name not in named and len(trace.x) > 0
            named |= {trace.name} if trace.showlegend else set()


def marks(x: Any, y: Any, words: Sequence[str], **look: Any) -> go.Scatter:
    """Points, each with the words that it says where it is pointed at."""
    return go.Scatter(x=x, y=y, mode="markers", hovertext=words, hoverinfo="text", **look)


def sentence(title: str, text: str) -> go.Figure:
    """A figure that says why there is nothing to see."""
    figure = go.Figure()
    figure.add_annotation(
        text=escape(text), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper"
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return finish(figure, title, f"{title}: {text}", height=160)


def finish(
    figure: go.Figure, title: str, alt: str, height: int = 420, least_width: int = 0, note: str = ""
) -> go.Figure:
    """Give a figure its title, its description and the style of all.

    Args:
        figure: With its traces and axes.
        title: As text; it is escaped here.
        alt: What the figure shows, in words, for those who can't see it.
        height: Pixels with one row of a legend, for further rows are added here; the width is that
            of the page. How high the legend is taken to be stands in `layout.meta["legend"]`.
        least_width: Pixels below which it can't be read: a narrower page lets it be moved.
        note: What it leaves out, as text; it stands below the title and in the description.
    """
    # Plotly sets the titles of panels larger than that of the figure.
    titles = [panel.text for panel in figure.select_annotations({"font": {"size": 16}})]
    figure.update_annotations(selector={"font": {"size": 16}}, font_size=13)
    subtitle = lines(note, NOTE_LETTERS)
    more = LINE_HEIGHT * (further_lines(titles) + further_lines([subtitle]))
    more += _NOTE_HEIGHT if note else 0
    if more:
        figure.update_layout(title_subtitle_text=subtitle or None, margin_t=_TOP + more)
    legend = _legend_height(figure)
    return figure.update_layout(
        template=_TEMPLATE,
        title_text=escape(title),
        meta={"alt": f"{alt} {note}".strip(), "least_width": least_width, "legend": legend},
        height=height + more + legend - _LEGEND_ROW,
    )


def _legend_height(figure: go.Figure) -> int:
    """Pixels of the legend on a page of `PAGE_WIDTH`, where its entries stand in rows."""
    names = [trace.name for trace in figure.data if trace.name and trace.showlegend is not False]
    height, left = _LEGEND_ROW, 0
    for name in names:
        width = _KEY_WIDTH + LETTER_WIDTH * longest_line([name])
        if left + width > PAGE_WIDTH:
            height, left = height + _LEGEND_ROW, 0
        left += width
    return height + LINE_HEIGHT * further_lines(names)


def missing(frame: pd.DataFrame, columns: Sequence[str]) -> str | None:
    """Why a figure of `columns` can't be drawn, as a sentence; None if it can."""
    for column in columns:
        if column not in frame:
            return f"These results have no column {column}."
        if not frame[column].notna().any():
            reason = next((why[column] for why in frame.get("reasons", []) if column in why), "")
            why = f": {reason}" if reason else ""
            return f"No run has a value for {quantity(column).inline}{why}."
    if frame[list(columns)].dropna().empty:
        return f"No run has all of {', '.join(quantity(column).inline for column in columns)}."
    return None


def has(frame: pd.DataFrame, column: str) -> bool:
    """Whether `column` is there with at least one value."""
    return column in frame and bool(frame[column].notna().any())


def lines(text: str, letters: int) -> str:
    """A text that does not run into the next one: escaped, and in several lines if it is long."""
    return "<br>".join(map(escape, textwrap.wrap(text, letters)))


def longest_line(texts: Iterable[str]) -> int:
    """Letters of the longest line among texts of `lines`."""
    return max(len(unescape(line)) for text in texts for line in text.split("<br>"))


def further_lines(texts: Iterable[str]) -> int:
    """Lines after the first, of that text of `lines` which has most."""
    return max((text.count("<br>") for text in texts), default=0)


def row_height(labels: Iterable[str]) -> int:
    """Pixels of a row that one of these labels of `lines` names."""
    return 26 + LINE_HEIGHT * further_lines(labels)


def hover(
    rows: pd.DataFrame, columns: Sequence[str], scale: tuple[float, Quantity] = (1.0, Quantity(""))
) -> list[str]:
    """What each point says: its run, or else its configuration, and its values with units.

    Columns that are absent are left out. `scale` is the factor and the quantity of the axis, as
    `Quantity.scaled_to` gives them: what is of the same kind has its unit.
    """
    of_a_run, of_a_group = ("run_id", "variant"), ("architecture", "dataset", "variant", "location")
    heads = [name for name in (of_a_run if "run_id" in rows else of_a_group) if name in rows]
    named = [
        [escape(str(value)) if not pd.isna(value) else "" for value in rows[name]] for name in heads
    ]
    lines = [["<b>" + " · ".join(filter(None, head)) + "</b>" for head in zip(*named, strict=True)]]
    for name in (name for name in columns if name in rows):
        shown = quantity(name)
        alike = (scale[1].unit, scale[0]) in shown.ladder
        factor, unit = (scale[0], scale[1].unit) if alike else (1.0, shown.unit)
        lines.append(
            [
                "" if pd.isna(value) else f"{shown.name}: {number(value * factor)} {unit}".rstrip()
                for value in rows[name]
            ]
        )
    return ["<br>".join(filter(None, texts)) for texts in zip(*lines, strict=True)]


def spread(rows: pd.DataFrame, column: str, most: int = MOST_POINTS) -> pd.DataFrame:
    """At most so many rows, evenly along a column, the least and the largest among them."""
    if len(rows) <= most:
        return rows
    places = np.linspace(0, len(rows) - 1, most).round().astype(int)
    return rows.iloc[np.sort(np.argsort(rows[column].to_numpy(float), kind="stable")[places])]


def of_least(means: pd.Series) -> tuple[pd.Index, str]:
    """The configurations that a figure shows, by what each took, and what to say if not all."""
    if len(means) <= MOST_CONFIGURATIONS:
        return means.index, ""
    said = f"Of {len(means):,} configurations the {MOST_CONFIGURATIONS} that took least are drawn."
    return means.sort_values(kind="stable").index[:MOST_CONFIGURATIONS], said


def runs_of_least(runs: pd.DataFrame, column: str) -> tuple[pd.DataFrame, str]:
    """The runs of the configurations `of_least`, by a column's mean, and what to say of that."""
    names = [name for name in _CONFIGURATION if name in runs]
    if not names:
        return runs, ""
    groups = runs.groupby(names, dropna=False)
    kept, said = of_least(groups[column].mean().reset_index(drop=True))
    return (runs[groups.ngroup().isin(kept)] if said else runs), said


def of_same(means: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of those configurations that some of the runs are of."""
    names = [name for name in _CONFIGURATION if name in means and name in runs]
    drawn = set(runs[names].astype(str).itertuples(index=False, name=None))
    rows = means[names].astype(str).itertuples(index=False, name=None)
    return means[np.array([row in drawn for row in rows], dtype=bool)]


def left_out(drawn: int, runs: int) -> str:
    """What to say of a figure that shows a part of the runs only."""
    if drawn >= runs:
        return ""
    return f"Points are {drawn:,} of {runs:,} runs, evenly from the least to the largest."


def whiskers(values: Any, low: Any, high: Any) -> dict[str, object]:
    """Error bars from `low` to `high`, none where there is no interval."""
    above, below = np.nan_to_num(high - values), np.nan_to_num(values - low)
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 3}


_AXIS = {
    "gridcolor": FAINT,
    "zerolinecolor": FAINT,
    "linecolor": INK,
    "automargin": True,
    "separatethousands": True,
    "ticklabelstandoff": 4,
    "title": {"standoff": 8},
}
_TEMPLATE = go.layout.Template(
    layout={
        "autosize": True,
        "colorway": list(COLOURS),
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "title": {
            "x": 0,
            "xref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 18},
            "font": {"size": 15},
        },
        # At the bottom of the figure, whatever its height; the axes end above it.
        "legend": {
            "orientation": "h",
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
        },
        "margin": {"l": 10, "r": 10, "t": _TOP, "b": 10},
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"color": "#1c2126"}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": INK, "activecolor": COLOURS[0]},
    }
)
