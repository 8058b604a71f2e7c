"""The figure of what variants save."""

from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lib.quantities import number, ordered, quantity
from lib.report.figures import palette, style

_BESIDE = "accuracy_difference"


def savings(compared: pd.DataFrame) -> go.Figure:
    """Energy saved at equal accuracy, and beside it how accuracy ended, by configuration.

    Marks are set against the study's reference, with 95 % intervals that go on where the axis ends;
    open diamonds against the reference of the same architecture. Below 0 more energy was used.
    """
    title = "Energy saved at equal accuracy"
    missing = style.missing(compared, ["saved_percent"])
    if missing:
        why = next(filter(None, compared.get("reason", [])), "") if len(compared) else ""
        return style.sentence(title, f"Nothing was compared{f': {why}' if why else ''}.")
    known, fewer = style.runs_of_least(compared.dropna(subset=["saved_percent"]), "energy_consumed")
    known = known.sort_values(["dataset", "architecture", "variant"], kind="stable", key=_place)
    names = known["architecture"].astype(str) + " · " + known["variant"].astype(str)
    known = known.assign(_label=[style.lines(name, style.ROW_LETTERS) for name in names])
    place = [name for name in ("location", "dataset") if name in known]
    panels = list(known.groupby(place, sort=False))
    overall = _overall(compared)
    architectures = ordered(known["architecture"])
    figure = make_subplots(
        rows=len(panels),
        cols=2,
        column_widths=[0.68, 0.32],
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.16 / len(panels),
        subplot_titles=[
            title
            for where, _ in panels
            for title in (escape(" · ".join(map(str, where))), "at the end")
        ],
    )
    words = []
    for row, (where, panel) in enumerate(panels, start=1):
        whole = panel[panel["compared_with"] == overall]
        for name in ordered(whole["architecture"]):
            part = whole[whole["architecture"].astype(str) == name]
            look = {"marker": palette.marker(name, size=9), **style.entry(name, architectures)}
            ends = style.whiskers(*(part[f"saved_percent{end}"] for end in ("", "_low", "_high")))
            figure.add_trace(_marks(part, "saved_percent", error_x=ends, **look), row=row, col=1)
            beside = _marks(part, _BESIDE, showlegend=False, **look)
            figure.add_trace(beside, row=row, col=2)
        # Against the reference of the same architecture, where that is not the study's.
        own = panel[~panel["compared_with"].isin([overall, ""])]
        diamond = {"symbol": "diamond-open", "size": 10, "color": palette.INK, "line_width": 2}
        of_own = style.lines("against the same architecture's reference", style.LEGEND_LETTERS)
        marks = _marks(own, "saved_percent", marker=diamond, name=of_own)
        figure.add_traces([marks] if len(own) else [], rows=row, cols=1)
        order = list(dict.fromkeys(panel["_label"]))[::-1]
        figure.update_yaxes(type="category", categoryorder="array", categoryarray=order, row=row)
        shown = ", ".join(
            f"{one.architecture} with {one.variant} {number(one.saved_percent, 3)} %"
            for one in whole.itertuples()
        )
        words.append(f"{' '.join(map(str, where))}: {shown}")
    style.shown_once(figure)
    # From all marks to all that can be saved; of two runs an interval may go far beyond.
    least = known["saved_percent"].min()
    left = min(-10, max(known["saved_percent_low"].min(), least - 50), 1.1 * least)
    figure.update_xaxes(range=[left, 102], col=1)
    figure.update_xaxes(title="Energy saved (%)", row=len(panels), col=1)
    _, difference = quantity(_BESIDE).scaled_to(known[_BESIDE])
    figure.update_xaxes(title=difference.label, row=len(panels), col=2)
    alt = f"{title} against {overall or 'nothing'}, {'; '.join(words)}."
    rows = max(panel["_label"].nunique() for _, panel in panels)
    height = 150 + len(panels) * (60 + style.row_height(known["_label"]) * rows)
    least_width = 400 + style.longest_line(known["_label"]) * style.LETTER_WIDTH
    return style.finish(figure, title, alt, height, least_width, fewer)


def _place(column: pd.Series) -> pd.Series:
    levels = ordered(column)
    return column.astype(str).map(levels.index)


def _overall(compared: pd.DataFrame) -> str:
    """What the study's reference is called: it alone is compared with nothing."""
    base = compared[compared["compared_with"] == ""]
    return ", ".join(base[["architecture", "variant"]].iloc[0]) if len(base) else ""


def _marks(rows: pd.DataFrame, column: str, **look: Any) -> go.Scatter:
    shown = ["saved_percent", "saved_percent_low", "saved_percent_high", "p_holm"]
    shown += ["equal_accuracy", "energy_to_equal", "reference_energy_to_equal", "reached"]
    shown += ["reference_reached", _BESIDE]
    scale = quantity(_BESIDE).scaled_to(rows[_BESIDE])
    against = rows["compared_with"].map(escape)
    words = [
        f"{text}<br>compared with {name}"
        for text, name in zip(style.hover(rows, shown, scale), against, strict=True)
    ]
    values = rows[column] * (scale[0] if column == _BESIDE else 1.0)
    return style.marks(values.to_numpy(), rows["_label"].to_numpy(), words, **look)
