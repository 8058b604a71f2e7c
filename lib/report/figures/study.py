"""Figures of a whole study."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lib import text
from lib.quantities import Quantity, number, ordered, quantity
from lib.report.figures import palette, style

_GOLDEN_RATIO = (5**0.5 - 1) / 2

_ABREAST = 3  # panels beside each other; more stand below
_ROW = 224  # pixels of a panel
_TURNED_WIDTH = 30  # pixels that a label takes which is turned


def violins(runs: pd.DataFrame, response: str, by: str) -> go.Figure:
    """Distribution of a quantity by a factor: violin, box, and every run as a point.

    The paper's Figures 2 (energy and emissions), 3 (FLOPs) and 4 (by location).

    Args:
        runs: One row a run: run_id, architecture, `response` and `by`; there is a panel for each
            `treatment`, where that is a column, else for each `variant` and `dataset`.
        response: The column to show.
        by: The factor on the horizontal axis.
    """
    title = f"{quantity(response).name} by {quantity(by).inline}"
    missing = style.missing(runs, [response, by])
    if missing:
        return style.sentence(title, missing)
    runs, fewer = style.runs_of_least(runs.dropna(subset=[response, by]), response)
    factor, shown = quantity(response).scaled_to(runs[response])
    levels = ordered(runs[by])
    if "architecture" not in runs:
        runs = runs.assign(architecture="runs")
    architectures = ordered(runs["architecture"])
    panels = list(_panels(runs, by))
    rows, columns = -(-len(panels) // _ABREAST), min(len(panels), _ABREAST)
    titles = [style.lines(name, style.TITLE_LETTERS) for name, _ in panels]
    labels = [style.lines(level, style.TITLE_LETTERS) for level in levels]
    between = style.LINE_HEIGHT * (2 + style.further_lines(titles))
    plot = _ROW * rows + between * (rows - 1)
    places = [divmod(n, _ABREAST) for n in range(len(panels))]
    figure = make_subplots(
        rows=rows,
        cols=columns,
        specs=[[{} if (row, n) in places else None for n in range(columns)] for row in range(rows)],
        shared_yaxes="all" if rows > 1 else True,
        horizontal_spacing=0.03,
        vertical_spacing=between / plot,
        subplot_titles=titles,
    )
    words = []
    most = style.MOST_POINTS // max(len(levels) * len(panels), 1)
    drawn = 0
    for (row, column), (reading, panel) in zip(places, panels, strict=True):
        at = {"row": row + 1, "col": column + 1}
        medians = []
        for place, level in enumerate(levels):
            group = panel[panel[by].astype(str) == level]
            values = group[response] * factor
            if group.empty:
                continue
            size = text.runs(len(group))
            medians.append(f"{level} median {number(values.median())} {shown.unit} ({size})")
            tint = palette.colour(level) if by == "architecture" else palette.PLAIN
            if values.nunique() > 1:
                figure.add_trace(_violin(values, place, tint), **at)
            group = style.spread(group, response, most)
            drawn += len(group)
            for points in _points(group, response, (factor, shown), place, architectures):
                points.showlegend = by != "architecture"
                figure.add_trace(points, **at)
        words.append(f"{reading}: {', '.join(medians)}" if reading else ", ".join(medians))
    style.shown_once(figure)
    figure.update_xaxes(
        tickvals=list(range(len(levels))),
        ticktext=labels,
        showticklabels=False,
        range=[-0.6, len(levels) - 0.4],
        showgrid=False,
        zeroline=False,
    )
    named = {"showticklabels": True, "title": quantity(by).name}
    for row, column in places[-columns:]:
        figure.update_xaxes(**named, row=row + 1, col=column + 1)
    figure.update_yaxes(rangemode="tozero").update_yaxes(title=shown.label, col=1)
    alt = f"{title}. {'. '.join(words)}."
    across = len(levels) * style.longest_line(labels) * columns * style.LETTER_WIDTH
    if across > style.PAGE_WIDTH:  # Plotly turns them
        across = len(levels) * columns * _TURNED_WIDTH
    least_width = 60 + max(across, style.longest_line(titles) * columns * style.LETTER_WIDTH)
    note = " ".join(filter(None, [fewer, style.left_out(drawn, len(runs))]))
    return style.finish(figure, title, alt, 196 + plot, least_width, note)


def _panels(runs: pd.DataFrame, by: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """A panel for each treatment, else for each variant and dataset, unless that is `by`."""
    columns = ["treatment"] if "treatment" in runs else ["variant", "dataset"]
    panels = [("", runs)]
    for column in columns:
        if column in runs and column != by and runs[column].nunique() > 1:
            panels = [
                (" · ".join(filter(None, (name, level))), rows[rows[column].astype(str) == level])
                for name, rows in panels
                for level in ordered(rows[column])
            ]
    yield from panels


def _violin(values: pd.Series, place: int, tint: str) -> go.Violin:
    if len(values) > style.MOST_POINTS:  # more than shape and box can show
        values = values.quantile(np.linspace(0, 1, style.MOST_POINTS))
    return go.Violin(
        x0=place,
        y=values.to_numpy(),
        width=0.9,
        points=False,
        spanmode="hard",
        box={"visible": True, "width": 0.18, "fillcolor": palette.FAINT, "line": {"color": tint}},
        meanline={"visible": False},
        line={"color": tint, "width": 1.2},
        fillcolor=palette.faint(tint),
        hoverinfo="skip",
        showlegend=False,
    )


def _points(
    group: pd.DataFrame,
    response: str,
    scale: tuple[float, Quantity],
    place: int,
    architectures: Sequence[str],
) -> Iterator[go.Scatter]:
    """Every run of a violin, spread sideways by a fixed rule so that none hides another."""
    aside = (np.arange(len(group)) * _GOLDEN_RATIO + 0.5) % 1 - 0.5
    group = group.assign(_x=place + aside * 0.5)
    for name in ordered(group["architecture"]):
        part = group[group["architecture"].astype(str) == name]
        yield style.marks(
            part["_x"].to_numpy(),
            (part[response] * scale[0]).to_numpy(),
            style.hover(part, [response], scale),
            **style.entry(name, architectures),
            marker=palette.marker(name, 7),
        )
