"""Figures of single runs: their images, what they learned, and the power that it took."""

import base64
import io
from collections.abc import Sequence
from html import escape
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lib.quantities import number, quantity
from lib.report.figures import palette, style

MOST_SAMPLES = 2000  # of the power of a run in a figure: more would lie on the same pixels

_COMPONENTS = ("cpu", "gpu", "ram")
_KINDS = {"validation": ("val_accuracy", "solid"), "training": ("accuracy", "dot")}


def samples(
    plain: np.ndarray, seen: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> go.Figure:
    """Training images as they are, and below each the same as the network sees it.

    Args:
        plain: uint8 [count, height, width, 3].
        seen: The same images after augmentation, of the same shape.
        labels: Class numbers [count].
        class_names: One word a class, in the order of the labels.
    """
    title = "Training images, as they are and as the network sees them"
    if not len(plain):
        return style.sentence(title, "There is no image to show.")
    names = [class_names[int(label)] for label in labels]
    height, width = plain.shape[1:3]
    gap = max(width // 8, 1)
    step, drop = width + gap, height + gap
    figure = go.Figure()
    for column, (name, *pair) in enumerate(zip(names, plain, seen, strict=True)):
        for row, image in enumerate(pair):
            figure.add_layout_image(
                source=_png(image),
                **{"x": column * step, "y": -row * drop, "sizex": width, "sizey": height},
                **{"xref": "x", "yref": "y", "sizing": "stretch", "layer": "above"},
            )
        figure.add_annotation(
            x=column * step + width / 2, y=-2 * drop, text=escape(name), showarrow=False
        ).update_annotations(yanchor="top", font_size=11)
    # Plotly draws no axes, and so places no images, without a trace.
    figure.add_trace(go.Scatter(x=[0], y=[0], opacity=0, hoverinfo="skip"))
    figure.update_xaxes(visible=False, range=[0, len(names) * step])
    figure.update_yaxes(visible=False, range=[-2 * drop - height / 2, 0], scaleanchor="x")
    alt = f"{title}: {len(names)} images of {width} by {height} pixels: {', '.join(names)}."
    return style.finish(figure, title, alt, height=300)


def _png(image: np.ndarray) -> str:
    """An image as a data address, enlarged without smoothing so that its pixels can be seen."""
    from PIL import Image

    factor = max(1, 96 // max(image.shape[:2]))
    buffer = io.BytesIO()
    enlarged = image.repeat(factor, axis=0).repeat(factor, axis=1)
    Image.fromarray(enlarged).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def learning_curve(history: pd.DataFrame, run_id: str = "") -> go.Figure:
    """Accuracy of one run in training and validation, against epochs and against energy.

    The history has one row an epoch, as `history.csv`: epoch, accuracy, val_accuracy, and
    energy_consumed (kWh since the training began).
    """
    title = _titled("Learning curve", run_id)
    axes = [name for name in ("epoch", "energy_consumed") if style.has(history, name)]
    if not axes or not style.has(history, "val_accuracy"):
        return style.sentence(title, "No accuracy was recorded for this run.")
    figure = make_subplots(cols=len(axes), shared_yaxes=True, horizontal_spacing=0.05)
    named = f"<b>{escape(run_id)}</b><br>" if run_id else ""
    for column, against in enumerate(axes, start=1):
        factor, shown = quantity(against).scaled_to(history[against])
        for tint, (kind, (accuracy, dash)) in zip(palette.COLOURS, _KINDS.items(), strict=False):
            rows = thinned(history, [accuracy], MOST_SAMPLES)
            trace = go.Scatter(
                x=(rows[against] * factor).to_numpy(),
                y=rows.get(accuracy, pd.Series(np.nan, index=rows.index)).to_numpy(),
                mode="lines+markers",
                line={"color": tint, "dash": dash, "width": 1.8},
                marker={"size": 4},
                name=kind,
                legendgroup=kind,
                showlegend=column == 1,
                customdata=rows["epoch"].to_numpy() if "epoch" in rows else None,
                hovertemplate=f"{named}epoch %{{customdata}}: %{{y:.4f}} ({kind})<extra></extra>",
            )
            figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(title=shown.label, col=column)
    figure.update_xaxes(rangemode="tozero", col=len(axes))
    figure.update_yaxes(title="Accuracy", col=1)
    last, best = history["val_accuracy"].dropna().iloc[-1], history["val_accuracy"].max()
    alt = (
        f"{title}: validation accuracy ends at {number(last)} after {len(history)} epochs; "
        f"its highest value is {number(best)}."
    )
    return style.finish(figure, title, alt, height=380)


def thinned(rows: pd.DataFrame, columns: Sequence[str], most: int) -> pd.DataFrame:
    """About `most` of many rows that look like all: the extreme ones of each stretch."""
    there = [name for name in columns if name in rows]
    if len(rows) <= most or not there:
        return rows
    return rows.iloc[_extremes(rows[there], pd.Series(0, index=rows.index), most)]


def power(trace: pd.DataFrame, run_id: str | None = None) -> go.Figure:
    """Power of one run over time, component upon component, with its phases named.

    Of more than `MOST_SAMPLES` those are drawn that are extreme; the words are of all. The trace is
    that of `power.csv`: time (s), phase, cpu_power, gpu_power and ram_power (W).
    """
    title = _titled("Power over time", run_id)
    parts = [name for name in _COMPONENTS if style.has(trace, f"{name}_power")]
    if not parts or not style.has(trace, "time"):
        return style.sentence(title, "No power was recorded.")
    phases = trace.get("phase", pd.Series("run", index=trace.index)).fillna("run")
    columns = [f"{name}_power" for name in parts]
    together = trace[columns].sum(axis=1)
    kept = _extremes(trace[columns].assign(together=together), phases)
    drawn, note = trace.iloc[kept], ""
    if len(kept) < len(trace):
        note = f"Drawn are {len(kept):,} of {len(trace):,} samples, the lowest and the highest of "
        note += "every stretch."
    figure = go.Figure()
    for name in parts:
        tint = palette.COLOURS[_COMPONENTS.index(name)]
        figure.add_trace(
            go.Scatter(
                x=drawn["time"].to_numpy(),
                y=drawn[f"{name}_power"].to_numpy(),
                name=name.upper(),
                stackgroup="power",
                mode="lines",
                # Each sample is the mean over the interval that ends at its time.
                line={"color": tint, "width": 1.5, "shape": "vh"},
                fillcolor=palette.faint(tint),
                hovertemplate="%{y:.1f} W",
            )
        )
    figure.update_xaxes(title="Time (s)")
    # The phases have their names above the curve.
    figure.update_yaxes(title="Power (W)", range=[0, 1.2 * together.max() or 1])
    figure.update_layout(hovermode="x unified", legend_traceorder="normal")
    _name_phases(figure, trace["time"], phases)
    means = together.groupby(phases, sort=False).mean()
    words = ", ".join(f"{phase} {number(watts, 3)} W" for phase, watts in means.items())
    alt = f"{title}. Mean of {', '.join(name.upper() for name in parts)} together: {words}."
    return style.finish(figure, title, alt, note=note)


def _extremes(columns: pd.DataFrame, phases: pd.Series, most: int = MOST_SAMPLES) -> np.ndarray:
    """Places of about `most` samples that look like all: of each stretch of time the least and the
    largest, and the first and the last of each phase.
    """
    count = len(columns)
    if count <= most:
        return np.arange(count)
    ends = np.linspace(0, count, most // (2 * columns.shape[1]) + 1).astype(int)
    kept = set(np.flatnonzero(phases != phases.shift())) | {count - 1}
    kept |= {place - 1 for place in kept if place}
    for values in columns.to_numpy(float).T:
        low, high = np.where(np.isnan(values), np.inf, values), np.nan_to_num(values, nan=-np.inf)
        for begin, end in pairwise(ends):
            kept |= {begin + low[begin:end].argmin(), begin + high[begin:end].argmax()}
    return np.array(sorted(kept))


def _name_phases(figure: go.Figure, time: pd.Series, phases: pd.Series) -> None:
    """Name each part of the run above its stretch of time; what is not training is shaded."""
    begin, last = time.min(), time.max()
    for _, part in phases.groupby((phases != phases.shift()).cumsum()):
        end, name = time[part.index[-1]], str(part.iloc[0])
        figure.add_vrect(
            x0=begin,
            x1=end,
            fillcolor="rgba(0,0,0,0)" if name == "training" else palette.FAINT,
            line_width=0,
            layer="below",
            annotation_text=escape(name),
            annotation_textangle=-90 if end - begin < 0.12 * last else 0,
            annotation_position="top left",
        )
        begin = end


def _titled(title: str, run_id: str | None) -> str:
    return f"{title} of {run_id}" if run_id else title
