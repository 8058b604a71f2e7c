"""Figures of a whole study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lib import text
from lib.quantities import Quantity, number, ordered, quantity
from lib.report.figures import palette, style

_GOLDEN_RATIO = (5**0.5 - 1) / 2

_ABREAST = 3
"""Panels beside each other; more stand below."""

_ROW = 224
"""Pixels of a panel."""

_TURNED_WIDTH = 30
"""Pixels that a label takes which is turned."""


def violins(runs: pd.DataFrame, response: str, by: str) -> go.Figure:
    """Distribution of a quantity by a factor: violin, box, and every run as a point.

    The paper's Figures 2 (energy and emissions), 3 (FLOPs) and 4 (by location).

    Args:
        runs: One row a run: run_id, architecture, `response` and `by`; with a column `treatment`
            there is a panel for each treatment, with `variant` one for each variant.
        response: The column to show.
        by: The factor on the horizontal axis.
    """
    title = f"{quantity(response).name} by {quantity(by).inline}"
    missing = style.missing(runs, [response, by])
    if missing:
        return style.sentence(title, missing)
    runs = runs.dropna(subset=[response, by])
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
    figure = make_subplots(
        rows=rows,
        cols=columns,
        specs=[
            [{} if row * columns + n < len(panels) else None for n in range(columns)]
            for row in range(rows)
        ],
        shared_yaxes="all" if rows > 1 else True,
        horizontal_spacing=0.03,
        vertical_spacing=between / plot,
        subplot_titles=titles,
    )
    words = []
    most = style.MOST_POINTS // max(len(levels) * len(panels), 1)
    drawn = 0
    for place_of_panel, (treatment, panel) in enumerate(panels):
        row, column = place_of_panel // _ABREAST + 1, place_of_panel % _ABREAST + 1
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
                figure.add_trace(_violin(_outline(values), place, tint), row=row, col=column)
            group = style.spread(group, response, most)
            drawn += len(group)
            for points in _points(group, response, (factor, shown), place, architectures):
                points.showlegend = by != "architecture"
                figure.add_trace(points, row=row, col=column)
        words.append(f"{treatment}: {', '.join(medians)}" if treatment else ", ".join(medians))
    style.shown_once(figure)
    figure.update_xaxes(
        tickvals=list(range(len(levels))),
        ticktext=labels,
        showticklabels=False,
        range=[-0.6, len(levels) - 0.4],
        showgrid=False,
        zeroline=False,
    )
    for place_of_panel in range(len(panels) - columns, len(panels)):
        row, column = place_of_panel // _ABREAST + 1, place_of_panel % _ABREAST + 1
        figure.update_xaxes(showticklabels=True, title=quantity(by).name, row=row, col=column)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title=shown.label, col=1)
    alt = f"{title}. {'. '.join(words)}."
    across = len(levels) * style.longest_line(labels) * columns * style.LETTER_WIDTH
    if across > style.PAGE_WIDTH:  # Plotly turns them
        across = len(levels) * columns * _TURNED_WIDTH
    least_width = 60 + max(across, style.longest_line(titles) * columns * style.LETTER_WIDTH)
    note = style.left_out(drawn, len(runs))
    return style.finish(figure, title, alt, 196 + plot, least_width, note)


def _panels(runs: pd.DataFrame, by: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """A panel for each treatment and, unless they are compared, each variant: where several are."""
    for treatment, part in style.panels(runs):
        variants = ordered(part["variant"]) if "variant" in part and by != "variant" else [""]
        for variant in variants:
            rows = part[part["variant"] == variant] if variant else part
            yield " · ".join(filter(None, (treatment, variant))), rows


def _outline(values: pd.Series) -> pd.Series:
    """Values with the same distribution, no more than shape and box of a violin can show."""
    if len(values) <= style.MOST_POINTS:
        return values
    return values.quantile(np.linspace(0, 1, style.MOST_POINTS))


def _violin(values: pd.Series, place: int, tint: str) -> go.Violin:
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
    group = group.assign(
        _x=place + ((np.arange(len(group)) * _GOLDEN_RATIO + 0.5) % 1 - 0.5) * 0.5,
    )
    for name in ordered(group["architecture"]):
        part = group[group["architecture"].astype(str) == name]
        yield go.Scatter(
            x=part["_x"].to_numpy(),
            y=(part[response] * scale[0]).to_numpy(),
            mode="markers",
            **style.entry(name, architectures),
            marker=palette.marker(name, 7),
            hovertext=style.hover(part, [response], scale),
            hoverinfo="text",
        )


def emissions_by_place(places: pd.DataFrame) -> go.Figure:
    """What each configuration would have emitted elsewhere, had it used the same energy there.

    Args:
        places: What `lib.analysis.places.elsewhere` returns: architecture, dataset, name,
            carbon_intensity (g CO2-eq/kWh) and emissions (kg CO2-eq). With a column `variant` the
            reference's are shown: all others emit in proportion to their energy.
    """
    title = "Emissions of the same energy elsewhere"
    if "variant" in places and len(places):
        shown_variant = ordered(places["variant"])[0]
        title = f"{title}, {shown_variant}"
        places = places[places["variant"] == shown_variant]
    missing = style.missing(places, ["emissions", "name", "architecture"])
    if missing:
        return style.sentence(title, missing)
    places = places.dropna(subset=["emissions"]).sort_values("carbon_intensity", kind="stable")
    factor, shown = quantity("emissions").scaled_to(places["emissions"])
    hovered = ["emissions", "energy_consumed", "carbon_intensity"]
    architectures = ordered(places["architecture"])
    names = list(dict.fromkeys(places["name"].astype(str)))
    datasets = ordered(places["dataset"]) if "dataset" in places else [""]
    figure = make_subplots(
        cols=len(datasets),
        shared_xaxes="all",
        shared_yaxes=True,
        horizontal_spacing=min(0.03, 0.5 / len(datasets)),
        subplot_titles=[escape(name) for name in datasets],
    )
    for column, dataset in enumerate(datasets, start=1):
        panel = places[places["dataset"].astype(str) == dataset] if dataset else places
        for name in architectures:
            part = panel[panel["architecture"].astype(str) == name]
            figure.add_trace(
                go.Bar(
                    x=(part["emissions"] * factor).to_numpy(),
                    y=[escape(place) for place in part["name"]],
                    orientation="h",
                    **style.entry(name, architectures),
                    marker=palette.bar(name),
                    hovertext=style.hover(part, hovered, (factor, shown)),
                    hoverinfo="text",
                ),
                row=1,
                col=column,
            )
    style.shown_once(figure)
    figure.update_xaxes(title=shown.label, rangemode="tozero")
    # Reversed, so that bars stand in the order of the legend.
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=[escape(name) for name in names],
        autorange="reversed",
    )
    means = places.groupby("name", sort=False)["emissions"].mean() * factor
    words = ", ".join(f"{name} {number(value)} {shown.unit}" for name, value in means.items())
    alt = f"{title}. Mean over the configurations: {words}."
    height = 180 + 26 * len(names) * len(architectures)
    return style.finish(figure, title, alt, height, least_width=200 + 190 * len(datasets))
