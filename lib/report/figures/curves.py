"""The figure of many runs' learning curves."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lib import text
from lib.quantities import ALONE, number, ordered, quantity
from lib.report.figures import palette, run, style

MOST_RUNS = 40  # of more, each configuration is one curve: the mean of its runs, and their scatter
MOST_POINTS = 40_000  # of all curves of a figure together

_CONFIGURATION = ("architecture", "dataset", "variant")
_BAND = (0.1, 0.9)
_DASHES = ("solid", "dot", "dash", "longdash", "dashdot", "longdashdot", "1px,8px", "12px,2px")


def learning_curves(histories: Mapping[str, pd.DataFrame], runs: pd.DataFrame) -> go.Figure:
    """Validation accuracy of many runs against energy.

    Colour is the architecture's; where there are variants, the dashes are theirs.

    Args:
        histories: By run id: val_accuracy, and energy_consumed (kWh since the training began).
        runs: One row a run: run_id, architecture, dataset, and variant where there are several.
    """
    title = f"{quantity('accuracy').name} against energy"
    drawn = {
        run_id: history
        for run_id, history in histories.items()
        if style.has(history, "energy_consumed") and style.has(history, "val_accuracy")
    }
    if not drawn:
        return style.sentence(title, "No run recorded its accuracy by energy.")
    columns = [name for name in _CONFIGURATION if name in runs]
    configurations = runs.set_index("run_id")[columns].astype(str).T.to_dict()
    pooled = len(drawn) > MOST_RUNS
    groups: dict[tuple[str, ...], list[pd.DataFrame]] = {}
    for run_id, history in drawn.items():
        configuration = [configurations[run_id].get(name, "") for name in _CONFIGURATION]
        groups.setdefault((*configuration, "" if pooled else run_id), []).append(history)
    levels = [ordered({key[place] for key in groups}) for place in range(3)]
    keys = sorted(groups, key=lambda key: [names.index(key[n]) for n, names in enumerate(levels)])
    note = ""
    if pooled:
        note = f"Each curve is the mean of a configuration's runs ({len(drawn):,} in all), "
        note += "the band holds the middle 80 % of them."
    ends = [history["energy_consumed"].max() for history in drawn.values()]
    took = [np.mean([one["energy_consumed"].max() for one in groups[key]]) for key in keys]
    kept, fewer = style.of_least(pd.Series(took, dtype=float))
    keys = [keys[n] for n in sorted(kept)]
    note = " ".join(filter(None, [note, fewer]))
    factor, shown = quantity("energy_consumed").scaled_to(ends)
    architectures, dashes = levels[0], dict(zip(levels[2], cycle(_DASHES), strict=False))
    figure = go.Figure()
    for key in keys:
        means = _means(groups[key], factor, MOST_POINTS // len(keys))
        name = key[3] or " · ".join(part for part in key if part not in ("", ALONE))
        figure.add_traces(_curve(means, name, key[0], dashes[key[2]], architectures, pooled=pooled))
    style.shown_once(figure)
    figure.add_traces([_key(name, dash) for name, dash in dashes.items() if name])
    figure.update_xaxes(title=shown.label, rangemode="tozero")
    figure.update_yaxes(title=quantity("accuracy").name)
    last = pd.Series({name: h["val_accuracy"].dropna().iloc[-1] for name, h in drawn.items()})
    of_each = last.groupby([configurations[run_id]["architecture"] for run_id in last.index]).mean()
    words = ", ".join(f"{name} {number(of_each[name])}" for name in architectures)
    alt = f"{title}, {text.runs(len(drawn))}. Mean at the end: {words}."
    return style.finish(figure, title, alt, note=note)


def _means(histories: Sequence[pd.DataFrame], factor: float, most: int) -> pd.DataFrame:
    """Epoch by epoch: the mean of runs, how many there are, and the band of most of them."""
    table = pd.concat(histories)
    by_epoch = table.groupby(np.concatenate([np.arange(1, len(h) + 1) for h in histories]))
    accuracy = by_epoch["val_accuracy"]
    means = pd.DataFrame(
        {
            "x": by_epoch["energy_consumed"].mean() * factor,
            "y": accuracy.mean(),
            "low": accuracy.quantile(_BAND[0]),
            "high": accuracy.quantile(_BAND[1]),
            "count": by_epoch.size(),
        }
    )
    return run.thinned(means, ["y"], most)


def _curve(
    means: pd.DataFrame,
    name: str,
    architecture: str,
    dash: str,
    architectures: Sequence[str],
    *,
    pooled: bool,
) -> list[go.Scatter]:
    """The line of one run, or the mean of several in their band."""
    tint = palette.colour(architecture)
    entry = style.entry(architecture, architectures)
    said = f"<b>{escape(name)}</b><br>epoch %{{customdata[0]}}: %{{y:.4f}}"
    said += ", mean of %{customdata[1]} runs" if pooled else ""
    line = go.Scatter(
        x=means["x"].to_numpy(),
        y=means["y"].to_numpy(),
        mode="lines+markers",
        line={"color": tint, "dash": dash, "width": 1.8},
        marker=palette.marker(architecture, size=5) | {"maxdisplayed": 12},
        **entry,
        customdata=np.column_stack([means.index, means["count"]]),
        hovertemplate=f"{said}<extra></extra>",
    )
    if not pooled:
        return [line]
    band = go.Scatter(
        x=np.concatenate([means["x"], means["x"][::-1]]),
        y=np.concatenate([means["high"], means["low"][::-1]]),
        fill="toself",
        fillcolor=palette.faint(tint),
        line={"width": 0},
        mode="lines",
        legendgroup=architecture,
        showlegend=False,
        hoverinfo="skip",
    )
    return [band, line]


def _key(variant: str, dash: str) -> go.Scatter:
    """What the dashes of a variant say, in the legend."""
    return go.Scatter(
        x=[None],
        y=[None],
        mode="lines",
        line={"color": palette.PLAIN, "dash": dash, "width": 1.8},
        name=style.lines(variant, style.LEGEND_LETTERS),
        hoverinfo="skip",
    )
