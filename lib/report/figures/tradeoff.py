"""The plane of accuracy against energy."""

import math
from collections.abc import Iterator
from html import escape
from itertools import product
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lib.quantities import ALONE, Quantity, is_renamed, number, ordered, quantity
from lib.report.figures import palette, style

_RIM = {"color": "white", "width": 1}
_ENERGY, _MEAN = "energy_consumed", "mean_energy_consumed"


def accuracy_energy(runs: pd.DataFrame, compared: pd.DataFrame) -> go.Figure:
    """Accuracy against energy: runs, means, the Pareto front and lines of equal Score.

    A panel for each dataset, since accuracies on different datasets can't be compared. Colour and
    symbol are the architecture's; where there are variants, the symbol is theirs.

    Args:
        runs: One row a run: run_id, architecture, dataset, accuracy, energy_consumed (kWh), and
            `variant` where there are several.
        compared: One row a configuration, as `score.rank` gives them within a dataset:
            architecture, dataset, mean_accuracy, mean_energy_consumed (kWh), pareto.
    """
    title = "Accuracy against energy"
    missing = style.missing(runs, ["accuracy", _ENERGY])
    if missing:
        return style.sentence(title, missing)
    known, fewer = style.runs_of_least(runs.dropna(subset=["accuracy", _ENERGY]), _ENERGY)
    datasets = ordered(known["dataset"])
    plane = _Plane(known)
    factor, shown = plane.scale
    figure = make_subplots(
        cols=len(datasets),
        horizontal_spacing=min(0.08, 0.5 / len(datasets)),
        subplot_titles=["" if name == ALONE else escape(name) for name in datasets],
    )
    words = []
    for column, dataset in enumerate(datasets, start=1):
        means = compared[compared["dataset"] == dataset].dropna(subset=[_MEAN])
        here = known[known["dataset"] == dataset]
        best = means[means["pareto"].fillna(False).astype(bool)].sort_values(_MEAN)
        across = _limits(pd.concat([here[_ENERGY], best[_MEAN]]))
        up = _limits(pd.concat([here["accuracy"], best["mean_accuracy"]]))
        traces = [*_equal_scores(means, across, up, factor), _front(best, factor)]
        traces += [*plane.points(here), *plane.means(style.of_same(means, here))]
        for trace in [*traces, *plane.legend(here)]:
            figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(range=[end * factor for end in across], row=1, col=column)
        figure.update_yaxes(range=up, row=1, col=column)
        named = [
            f"{row.architecture}{f' with {row.variant}' if plane.variants else ''} "
            f"({number(row.mean_accuracy, 3)} for "
            f"{number(row.mean_energy_consumed * factor, 3)} {shown.unit})"
            for row in best.itertuples()
        ]
        where = "" if dataset == ALONE else f"{dataset}: "
        words.append(f"{where}{', '.join(named) or 'nothing, for all networks guess'}")
    style.shown_once(figure)
    figure.update_xaxes(title=shown.label)
    figure.update_yaxes(title=quantity("accuracy").name, col=1)
    alt = f"{title}. On the Pareto front: {'; '.join(words)}."
    least_width = 40 + 220 * len(datasets)
    note = " ".join(filter(None, [fewer, plane.left_out]))
    return style.finish(figure, title, alt, 450, least_width, note)


class _Plane:
    """What all panels share: the unit, and what architectures and variants look like."""

    def __init__(self, runs: pd.DataFrame):
        self.scale: tuple[float, Quantity] = quantity(_ENERGY).scaled_to(runs[_ENERGY])
        self.architectures = ordered(runs["architecture"])
        self.variants = ordered(runs["variant"]) if "variant" in runs else []
        groups = runs.groupby(["dataset", "architecture", *(["variant"] * bool(self.variants))])
        sizes = groups.size()
        self._most = max(style.MOST_POINTS // max(len(sizes), 1), 2)
        self.left_out = style.left_out(int(sizes.clip(upper=self._most).sum()), len(runs))

    def points(self, runs: pd.DataFrame) -> Iterator[go.Scatter]:
        """Every run, small."""
        for name, variant, part in self._parts(runs):
            rows = style.spread(part, _ENERGY, self._most)
            look = {"marker": self._marker(name, variant, size=5), "legendgroup": name}
            shown = ["accuracy", _ENERGY, "score"]
            yield self._marks(rows, _ENERGY, "accuracy", shown, showlegend=False, **look)

    def means(self, table: pd.DataFrame) -> Iterator[go.Scatter]:
        """The mean of every configuration, large."""
        shown = ["mean_accuracy", _MEAN, "score_ratio_of_means", "n"]
        for name, variant, rows in self._parts(table):
            # On a cloud of its own colour it is seen by its rim.
            look = {"marker": self._marker(name, variant, size=12) | {"line": _RIM}}
            entry = style.entry(name, self.architectures) | {"showlegend": not self.variants}
            yield self._marks(rows, _MEAN, "mean_accuracy", shown, **look, **entry)

    def legend(self, runs: pd.DataFrame) -> Iterator[go.Scatter]:
        """What the colours and the symbols say, where they say two things."""
        drawn = set(runs["architecture"].astype(str))
        levels = [name for name in self.architectures if name in drawn] if self.variants else []
        looks = {name: palette.with_symbol(name, "circle", 10) for name in levels}
        for name in self.variants:
            looks[name] = {"color": palette.PLAIN, "symbol": self._symbol(name), "size": 10}
        for name, marker in looks.items():
            entry = style.entry(name, [*self.architectures, *self.variants])
            yield go.Scatter(x=[None], y=[None], mode="markers", marker=marker, **entry)

    def _marks(
        self, rows: pd.DataFrame, x: str, y: str, shown: list[str], **look: Any
    ) -> go.Scatter:
        words = style.hover(rows, shown, self.scale)
        return style.marks((rows[x] * self.scale[0]).to_numpy(), rows[y].to_numpy(), words, **look)

    def _parts(self, table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
        keys = ["architecture", *(["variant"] if self.variants else [])]
        parts = dict(iter(table.groupby([table[key].astype(str) for key in keys], sort=False)))
        for name, variant in product(self.architectures, self.variants or [""]):
            key = (name, variant) if self.variants else (name,)
            if key in parts or not variant:
                yield name, variant, parts.get(key, table.iloc[:0])

    def _marker(self, name: str, variant: str, size: int) -> dict[str, object]:
        if not variant:
            return palette.marker(name, size)
        return palette.with_symbol(name, self._symbol(variant), size)

    def _symbol(self, variant: str) -> str:
        return palette.SYMBOLS[self.variants.index(variant) % len(palette.SYMBOLS)]


def _limits(values: pd.Series) -> tuple[float, float]:
    """What a panel shows: all runs, and a margin."""
    margin = 0.12 * (values.max() - values.min()) or 0.1 * values.max()
    return max(values.min() - margin, 0.0), values.max() + margin


def _front(best: pd.DataFrame, factor: float) -> go.Scatter:
    """The Pareto front: along it, more accuracy costs more energy."""
    return go.Scatter(
        x=(best[_MEAN] * factor).to_numpy(),
        y=best["mean_accuracy"].to_numpy(),
        mode="lines",
        line={"color": palette.PLAIN, "width": 1.5, "shape": "hv"},
        name="Pareto front",
        hoverinfo="skip",
    )


def _equal_scores(
    means: pd.DataFrame, across: tuple[float, float], up: tuple[float, float], factor: float
) -> Iterator[go.Scatter]:
    """Lines on which accuracy / energy is the same, at round values that cross the panel."""
    if is_renamed("accuracy"):
        return
    (left, right), (bottom, top) = across, up
    scores = means["mean_accuracy"] / means[_MEAN]
    for score in _round_values(scores.min(), scores.max()):
        start, end = max(left, bottom / score), min(right, top / score)
        if start < end:
            yield go.Scatter(
                x=[start * factor, end * factor],
                y=[start * score, end * score],
                mode="lines+text",
                text=["", f"{score:,.10g}"],
                textposition="bottom right" if end < right else "top left",
                textfont={"size": 10},
                line={"color": palette.PLAIN, "width": 1, "dash": "dot"},
                name="equal Score (accuracy per kWh)",
                legendgroup="score",
                hoverinfo="skip",
            )


def _round_values(low: float, high: float, most: int = 4) -> list[float]:
    """Round values from `low` to `high`, at most `most`: 1, 2 or 5 times a power of ten, and where
    none lies between, more of them.
    """
    if not (0 < low < math.inf and 0 < high < math.inf):
        return []
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for leads in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        steps = [lead * 10.0**exponent for exponent in exponents for lead in leads]
        inside = [value for value in steps if low * 0.8 <= value <= high * 1.25]
        if inside:
            return inside[:: -(-len(inside) // most)]
    return []
