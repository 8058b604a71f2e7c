"""Intervals: the energy of every configuration, the ratio of every pair that a study compares, and
whether that depends on context.
"""

from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lib.analysis.questions import Answer
from lib.quantities import ALONE, number, ordered, quantity
from lib.report.figures import palette, style
from lib.report.verdicts import within
from lib.stats.budget import Uncertainty
from lib.stats.pairs import ALIKE, DIFFERS, Pair
from lib.text import with_limits

TITLE = "Ratios of energy"

_LOOKS = {DIFFERS: (palette.COLOURS[0], "square"), ALIKE: (palette.COLOURS[2], "diamond")}
_OPEN = (palette.INK, "circle-open")


def ratios(found: Answer) -> go.Figure:
    """A forest of ratios: each pair's, with its simultaneous 95 % limits for scatter and
    instruments, around 1.

    What may be called different stands out by colour and symbol; the margin is shaded.
    """
    pairs = [pair for pair in found.pairs if pair.ratio > 0]
    if not pairs:
        return style.sentence(TITLE, f"Nothing is compared: {found.effect.reason or 'no pairs'}.")
    labels = {pair: style.lines(_plain(found, pair), style.ROW_LETTERS) for pair in pairs}
    figure = go.Figure()
    for verdict in dict.fromkeys(_said(found, pair) for pair in pairs):
        rows = [pair for pair in pairs if _said(found, pair) == verdict]
        ratio = np.array([pair.ratio for pair in rows])
        low, high = (np.array([getattr(pair, end) for pair in rows]) for end in ("low", "high"))
        colour, symbol = _LOOKS.get(verdict, _OPEN)
        figure.add_trace(
            style.marks(
                ratio,
                [labels[pair] for pair in rows],
                [f"<b>{labels[pair]}</b><br>{_limits(pair)}" for pair in rows],
                name=verdict,
                marker={"color": colour, "symbol": symbol, "size": 9},
                error_x=style.whiskers(ratio, low, high),
            )
        )
    figure.add_vline(x=1, line={"color": palette.INK, "dash": "dot", "width": 1})
    if found.design.margin:
        reach = 1 + found.design.margin
        figure.add_vrect(x0=1 / reach, x1=reach, fillcolor=palette.FAINT, line_width=0)
    figure.update_xaxes(title="Ratio of geometric means", type="log")
    words = "; ".join(
        f"{_plain(found, pair)} {_limits(pair)}, {_said(found, pair)}" for pair in pairs
    )
    height, least_width = _in_rows(figure, list(labels.values()))
    return style.finish(figure, TITLE, f"{TITLE}: {words}.", height, least_width)


def energies(found: Mapping[tuple, Uncertainty]) -> go.Figure:
    """The mean energy (kWh) of each configuration, by its levels, with the 95 % limits of
    instruments and scatter.
    """
    title = "Energies with their 95 % limits"
    every = list(found.items())
    if not every:
        return style.sentence(title, "Nothing is known of how the energies were obtained.")
    kept, note = style.of_least(pd.Series([one.value for _, one in every]))
    shown = [every[place] for place in kept]
    names = [" · ".join(str(part) for part in key if part != ALONE) for key, _ in shown]
    labels = [style.lines(name, style.ROW_LETTERS) for name in names]
    factor, named = quantity("energy_consumed").scaled_to(one.high for _, one in shown)
    value, low, high = (
        np.array([getattr(one, end) for _, one in shown]) * factor
        for end in ("value", "low", "high")
    )
    words = [
        f"{name} {with_limits(one.value, one.low, one.high)}"
        for name, (_, one) in zip(names, shown, strict=True)
    ]
    look = {"marker": {"color": palette.INK, "size": 9}}
    ends = style.whiskers(value, low, high)
    marks = style.marks(value, labels, list(map(escape, words)), error_x=ends, **look)
    figure = go.Figure(marks)
    figure.update_xaxes(title=named.label, rangemode="tozero")
    height, least_width = _in_rows(figure, labels)
    alt = f"{title}: {'; '.join(words)}."
    return style.finish(figure, title, alt, height, least_width, note)


def _in_rows(figure: go.Figure, labels: list[str]) -> tuple[int, int]:
    """Name the rows of a figure, the first on top; its height and least width (pixels)."""
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=labels[::-1])
    least_width = 320 + style.longest_line(labels) * style.LETTER_WIDTH
    return 130 + style.row_height(labels) * len(labels), least_width


def interaction(found: Answer, runs: pd.DataFrame) -> go.Figure:
    """The geometric mean of each level in each context: lines that are parallel mean that the
    effect is the same in every context.
    """
    title = "Mean energy in each context"
    if not found.design.context or found.response not in runs:
        return style.sentence(title, "There is one context only, so no interaction.")
    energy = pd.to_numeric(runs[found.response])
    rows = pd.DataFrame(
        {
            "level": found.design.levels(runs),
            "context": list(map(", ".join, found.design.contexts(runs))),
            "log": np.log(energy.where(energy > 0)),
        }
    ).dropna()
    means = np.exp(rows.groupby(["context", "level"])["log"].mean()).unstack("level")
    means = means.loc[ordered(means.index), ordered(means.columns)]
    factor, shown = quantity(found.response).scaled_to(means.to_numpy().ravel())
    figure = go.Figure()
    for level in means:
        # The first of several columns is the architecture, whose look is the same everywhere.
        name = level.split(", ")[0] if len(found.design.compared) > 1 else level
        figure.add_trace(
            go.Scatter(
                x=[escape(context) for context in means.index],
                y=(means[level] * factor).to_numpy(),
                mode="lines+markers",
                marker=palette.marker(name, size=9),
                line={"color": palette.colour(name)},
                **style.entry(level, list(means)),
            )
        )
    figure.update_xaxes(type="category", title=" · ".join(found.design.context))
    figure.update_yaxes(title=shown.label, type="log")
    words = "; ".join(
        f"{context}: "
        + ", ".join(f"{level} {number(value * factor, 3)}" for level, value in row.items())
        for context, row in means.iterrows()
    )
    return style.finish(figure, title, f"{title} {words} {shown.unit}.")


def _said(found: Answer, pair: Pair) -> str:
    return found.verdict(pair) if found.is_final else "not tested yet"


def _plain(found: Answer, pair: Pair) -> str:
    return f"{pair.first} over {pair.second} {within(found.design.context, pair.context)}".strip()


def _limits(pair: Pair) -> str:
    if np.isnan(pair.low):
        return f"{number(pair.ratio, 3)} ({pair.reason})"
    return f"{number(pair.ratio, 3)} ({number(pair.low, 3)} to {number(pair.high, 3)})"
