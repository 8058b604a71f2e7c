"""Figures that set one source beside another: the paper beside ours, instrument by instrument."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lib import text
from lib.quantities import number, ordered, quantity
from lib.report.figures import palette, style

_PAIR = ["wattmeter_energy", "energy_consumed"]


def beside_paper(cells: pd.DataFrame, quantities: tuple[str, ...]) -> go.Figure:
    """What the paper prints beside what its data give, or what our own runs took, row by row.

    Args:
        cells: As `tables.beside_paper` has them: row, quantity, the_paper (as printed), and
            as_published and corrected, or measured.
        quantities: Which of them to show, a panel each.
    """
    title = "The paper's figures beside ours"
    if cells.empty:
        return style.sentence(title, "The paper has no such runs.")
    figure = make_subplots(
        cols=len(quantities),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[quantity(name).label for name in quantities],
    )
    sources = {
        "the_paper": ("the paper", {"symbol": "circle-open", "size": 13, "color": palette.PLAIN}),
        "as_published": (
            "as published",
            {"symbol": "circle", "size": 6, "color": palette.COLOURS[1]},
        ),
        "corrected": ("corrected", {"symbol": "diamond", "size": 9, "color": palette.COLOURS[0]}),
        "measured": ("our runs", {"symbol": "diamond", "size": 9, "color": palette.COLOURS[0]}),
    }
    sources = {source: look for source, look in sources.items() if source in cells}
    for column, name in enumerate(quantities, start=1):
        rows = cells[cells["quantity"] == quantity(name).label]
        for source, (label, marker) in sources.items():
            figure.add_trace(
                go.Scatter(
                    x=pd.to_numeric(rows[source], errors="coerce").to_numpy(),
                    y=[escape(row) for row in rows["row"]],
                    mode="markers",
                    marker=marker,
                    name=label,
                    legendgroup=label,
                    showlegend=column == 1,
                    hovertemplate="<b>%{y}</b><br>" + label + ": %{x:.4~g}<extra></extra>",
                ),
                row=1,
                col=column,
            )
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(type="category", autorange="reversed")
    changed = cells[cells["quantity"].isin([quantity(name).label for name in quantities])]
    new, old = ("measured", "the_paper") if "measured" in cells else ("corrected", "as_published")
    ratio = (changed[new] / pd.to_numeric(changed[old], errors="coerce")).dropna()
    whose = {"measured": "Ours", "corrected": "Corrected values"}[new]
    alt = (
        f"{title}. {whose} are between {number(ratio.min(), 3)} and "
        f"{number(ratio.max(), 3)} times the published ones."
    )
    return style.finish(figure, title, alt, 170 + 24 * cells["row"].nunique(), least_width=600)


def side_by_side(runs: pd.DataFrame, response: str) -> go.Figure:
    """A quantity in two studies: each architecture and dataset has a box a study, a point a run.

    Args:
        runs: One row a run: study, architecture, dataset and `response`.
        response: The column to show.
    """
    title = f"{quantity(response).name}, study beside study"
    if missing := style.missing(runs, [response]):
        return style.sentence(title, missing)
    runs = runs.dropna(subset=[response])
    factor, shown = quantity(response).scaled_to(runs[response])
    configuration = ["dataset", "architecture"]
    for name in configuration:
        runs[name] = pd.Categorical(runs[name].astype(str), ordered(runs[name]))
    figure, words = go.Figure(), []
    for place, study in enumerate(ordered(runs["study"])):
        # Plotly has the levels of both in the order in which they come.
        mine = runs[runs["study"].astype(str) == study].sort_values(configuration, kind="stable")
        tint = palette.COLOURS[place % len(palette.COLOURS)]
        symbol = palette.SYMBOLS[place % len(palette.SYMBOLS)]
        figure.add_trace(
            go.Box(
                x=[[escape(level) for level in mine[name]] for name in configuration],
                y=(mine[response] * factor).to_numpy(),
                name=style.lines(study, style.LEGEND_LETTERS),
                boxpoints="all",
                jitter=0.4,
                pointpos=0,
                line={"color": tint, "width": 1.2},
                fillcolor=palette.faint(tint),
                marker={"symbol": symbol, "size": 7, "color": tint},
                hovertext=style.hover(mine, [response], (factor, shown)),
                hoverinfo="text",
                hoveron="points",
            )
        )
        means = mine.groupby(configuration, observed=True)[response].mean() * factor
        each = (
            f"{architecture} on {dataset} {number(value)} {shown.unit}".rstrip()
            for (dataset, architecture), value in means.items()
        )
        words.append(f"{study}: {', '.join(each)}")
    figure.update_layout(boxmode="group")
    figure.update_xaxes(dividercolor=palette.FAINT)
    figure.update_yaxes(title=shown.label, rangemode="tozero")
    return style.finish(figure, title, f"{title}. Means. {'. '.join(words)}.")


def instruments(runs: pd.DataFrame) -> go.Figure:
    """Energy that CodeCarbon reports against that of the wattmeter, one point a run.

    Args:
        runs: run_id, architecture, dataset, wattmeter_energy and energy_consumed (kWh).
    """
    title = "CodeCarbon against the wattmeter"
    if style.missing(runs, _PAIR):
        return style.sentence(title, "No run of this study was measured by a wattmeter.")
    factor, shown = quantity("wattmeter_energy").scaled_to(runs["wattmeter_energy"])
    architectures = ordered(runs["architecture"])
    figure, drawn = go.Figure(), 0
    for name in architectures:
        rows = runs[runs["architecture"].astype(str) == name]
        rows = style.spread(rows, "wattmeter_energy", style.MOST_POINTS // len(architectures))
        drawn += len(rows)
        figure.add_trace(
            go.Scatter(
                x=(rows["wattmeter_energy"] * factor).to_numpy(),
                y=(rows["energy_consumed"] * factor).to_numpy(),
                mode="markers",
                marker=palette.marker(name, size=9),
                **style.entry(name, architectures),
                hovertext=style.hover(rows, [*_PAIR, "power"], (factor, shown)),
                hoverinfo="text",
            )
        )
    end = runs["wattmeter_energy"].max() * factor
    figure.add_trace(
        go.Scatter(
            x=[0, end],
            y=[0, end],
            mode="lines+text",
            text=["", "the same energy"],
            textposition="bottom left",
            line={"color": palette.PLAIN, "dash": "dot", "width": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    figure.update_xaxes(title=f"Wattmeter ({shown.unit})", rangemode="tozero")
    figure.update_yaxes(title=f"CodeCarbon ({shown.unit})", rangemode="tozero")
    share = 100 * (runs["energy_consumed"] / runs["wattmeter_energy"]).replace(np.inf, np.nan)
    alt = (
        f"{title}, {text.runs(len(runs))}. CodeCarbon reports between "
        f"{number(share.min(), 3)} % and {number(share.max(), 3)} % of the wattmeter's energy."
    )
    return style.finish(figure, title, alt, note=style.left_out(drawn, len(runs)))
