"""The figure of many runs' learning curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lib import text
from lib.quantities import number, ordered, quantity
from lib.report.figures import palette, run, style

MOST_MARKED = 24
"""Learning curves in one figure; of more, single epochs could not be told apart."""

MOST_CURVES = 120
"""Of more runs, each configuration is one curve: their mean, and how far they scatter."""

MOST_POINTS = 40_000
"""Of all curves of a figure together."""

_BAND = (0.1, 0.9)
_MARKED = 8
_DASHES = ("solid", "dot", "dash", "longdash", "dashdot", "longdashdot", "1px,8px", "12px,2px")


def learning_curves(
    histories: Mapping[str, pd.DataFrame],
    against: str = "epoch",
    variants: Mapping[str, str] | None = None,
) -> go.Figure:
    """Validation accuracy of many runs against epochs, time or energy.

    Colour is the architecture's; where there are variants, the dashes are theirs.

    Args:
        histories: By run id: epoch, val_accuracy, and `against`. What stands before the first
            hyphen of a run id is its architecture, before the second its dataset.
        against: `epoch`, `seconds`, or `energy_consumed` (kWh since the training began).
        variants: By run id, where there are several.
    """
    named = run.AGAINST.get(against, quantity(against))
    title = f"{quantity('accuracy').name} against {named.inline}"
    drawn = {
        run_id: history
        for run_id, history in histories.items()
        if style.has(history, against) and style.has(history, "val_accuracy")
    }
    if not drawn:
        return style.sentence(title, f"No run recorded its accuracy by {named.inline}.")
    largest = [history[against].max() for history in drawn.values()]
    factor, shown = run.scaled(against, pd.Series(largest))
    look = _Look(
        ordered({run_id.partition("-")[0] for run_id in drawn}),
        ordered(set(variants.values())) if variants else [],
        dict(variants or {}),
    )
    figure, note = go.Figure(), ""
    if len(drawn) > MOST_CURVES:
        groups = _groups(drawn, look)
        note = f"Each curve is the mean of a configuration's runs ({len(drawn):,} in all), "
        note += "the band holds the middle 80 % of them."
        if len(groups) > MOST_CURVES:
            kept = np.linspace(0, len(groups) - 1, MOST_CURVES).round().astype(int)
            note += f" Of {len(groups):,} configurations {MOST_CURVES} are drawn."
            groups = [groups[place] for place in kept]
        named_once: set[str] = set()
        for name, runs in groups:
            band, mean = _mean(runs, name, against, factor, look)
            mean.showlegend = mean.name not in named_once
            named_once.add(mean.name)
            figure.add_traces([band, mean])
    else:
        figure.add_traces(_each(drawn, against, factor, look))
    figure.add_traces(look.legend())
    longest = max(drawn.values(), key=len)
    figure.update_xaxes(**run.axis(against, shown, longest))
    figure.update_yaxes(title=quantity("accuracy").name)
    ends = pd.Series({name: h["val_accuracy"].dropna().iloc[-1] for name, h in drawn.items()})
    means = ends.groupby([name.partition("-")[0] for name in ends.index]).mean()
    words = ", ".join(f"{name} {number(means[name])}" for name in look.architectures)
    alt = f"{title}, {text.runs(len(drawn))}. Mean at the end: {words}."
    return style.finish(figure, title, alt, note=note)


class _Look:
    """The colour and the dashes of a run."""

    def __init__(self, architectures: list[str], variants: list[str], variant_of: dict[str, str]):
        self.architectures, self.variants = architectures, variants
        self._variant_of = variant_of

    def configuration(self, run_id: str) -> tuple[str, ...]:
        """Architecture, dataset and, where there are several, variant."""
        parts = tuple(run_id.split("-")[:2])
        return (*parts, self._variant_of[run_id]) if self.variants else parts

    def colour(self, run_id: str) -> str:
        return palette.colour(run_id.partition("-")[0])

    def dash(self, run_id: str) -> str:
        if not self.variants:
            return _DASHES[0]
        return self._dash(self._variant_of[run_id])

    def legend(self) -> list[go.Scatter]:
        """What the dashes say."""
        return [
            go.Scatter(
                x=[None],
                y=[None],
                mode="lines",
                line={"color": palette.PLAIN, "dash": self._dash(name), "width": 1.8},
                name=style.lines(name, style.LEGEND_LETTERS),
                hoverinfo="skip",
            )
            for name in self.variants
        ]

    def _dash(self, variant: str) -> str:
        return _DASHES[self.variants.index(variant) % len(_DASHES)]


def _each(
    drawn: Mapping[str, pd.DataFrame], against: str, factor: float, look: _Look
) -> list[go.Scatter]:
    """A curve for every run."""
    traces: list[go.Scatter] = []
    counted: Counter[str] = Counter()
    for run_id in _in_turn(drawn, look.architectures):
        name = run_id.partition("-")[0]
        tint, most = look.colour(run_id), max(MOST_POINTS // len(drawn), 100)
        trace = run.curve(drawn[run_id], against, factor, "validation", tint, run_id, most)
        trace.update(**style.entry(name, look.architectures), showlegend=not counted[name])
        trace.update(line_dash=look.dash(run_id))
        trace.marker = palette.marker(name, size=5)
        if len(drawn) > MOST_MARKED:
            # The first of each stays as it is, for the legend shows it.
            trace.update(line_width=1, mode="lines" if counted[name] else "lines+markers")
        counted[name] += 1
        traces.append(trace)
    return traces


def _in_turn(run_ids: Iterable[str], architectures: Sequence[str]) -> list[str]:
    """Runs with their architectures in turn, so that no architecture lies on top of the others."""
    seen: Counter[str] = Counter()
    places = {}
    for run_id in run_ids:
        name = run_id.partition("-")[0]
        places[run_id] = (seen[name], architectures.index(name))
        seen[name] += 1
    return sorted(places, key=lambda run_id: places[run_id])


def _groups(
    drawn: Mapping[str, pd.DataFrame], look: _Look
) -> list[tuple[str, dict[str, pd.DataFrame]]]:
    """The runs of each configuration, by its name."""
    groups: dict[tuple[str, ...], dict[str, pd.DataFrame]] = {}
    for run_id, history in drawn.items():
        groups.setdefault(look.configuration(run_id), {})[run_id] = history
    ranks = (look.architectures, ordered({key[1] for key in groups}), look.variants)
    in_order = sorted(
        groups, key=lambda key: [ranks[n].index(level) for n, level in enumerate(key)]
    )
    return [(" · ".join(key), groups[key]) for key in in_order]


def _mean(
    runs: Mapping[str, pd.DataFrame], name: str, against: str, factor: float, look: _Look
) -> tuple[go.Scatter, go.Scatter]:
    """The mean of a configuration's runs, epoch by epoch; before it the band of most of them."""
    table = pd.concat(runs.values())
    table = table.assign(epoch=np.concatenate([np.arange(1, len(h) + 1) for h in runs.values()]))
    epochs = table.groupby("epoch")
    x = (epochs[against].mean() if against != "epoch" else epochs["epoch"].first()) * factor
    shown = pd.DataFrame({"x": x, "y": epochs["val_accuracy"].mean(), "count": epochs.size()})
    shown["low"], shown["high"] = (epochs["val_accuracy"].quantile(share) for share in _BAND)
    shown = run.thinned(shown, ["y"], MOST_POINTS // MOST_CURVES)
    x, y, low, high, count = (shown[name] for name in ("x", "y", "low", "high", "count"))
    first = next(iter(runs))
    architecture, tint = first.partition("-")[0], look.colour(first)
    band = go.Scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=palette.faint(tint),
        line={"width": 0},
        mode="lines",
        legendgroup=architecture,
        showlegend=False,
        hoverinfo="skip",
    )
    mean = go.Scatter(
        x=x.to_numpy(),
        y=y.to_numpy(),
        mode="lines+markers",
        line={"color": tint, "dash": look.dash(first), "width": 1.8},
        marker=palette.marker(architecture, size=6) | {"maxdisplayed": _MARKED},
        **style.entry(architecture, look.architectures),
        customdata=np.column_stack([y.index, count]),
        hovertemplate=f"<b>{escape(name)}</b><br>epoch %{{customdata[0]}}: %{{y:.4f}}, mean of "
        "%{customdata[1]} runs<extra></extra>",
    )
    return band, mean
