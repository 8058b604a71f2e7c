"""The plane of accuracy against energy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lib.quantities import Quantity, is_renamed, number, ordered, quantity
from lib.report.figures import palette, style

_RIM = {"color": "white", "width": 1}
_FACTORS = ("architecture", "dataset", "variant", "location")


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
    missing = style.missing(runs, ["accuracy", "energy_consumed"])
    if missing:
        return style.sentence(title, missing)
    known = runs.dropna(subset=["accuracy", "energy_consumed"])
    datasets = ordered(known["dataset"])
    factor, shown = quantity("energy_consumed").scaled_to(known["energy_consumed"])
    figure = make_subplots(
        cols=len(datasets),
        horizontal_spacing=min(0.08, 0.5 / len(datasets)),
        subplot_titles=[escape(dataset) for dataset in datasets],
    )
    words, drawn = [], 0
    groups = ["architecture", "dataset"] + [n for n in ("variant",) if n in runs]
    most = max(style.MOST_POINTS // max(known.groupby(groups).ngroups, 1), 2)
    for column, dataset in enumerate(datasets, start=1):
        panel = _Plane(
            known[known["dataset"] == dataset],
            compared[compared["dataset"] == dataset].dropna(subset=["mean_energy_consumed"]),
            (factor, shown),
            ordered(known["architecture"]),
            ordered(known["variant"]) if "variant" in known else [],
            most,
        )
        drawn += panel.drawn()
        for trace in panel.traces():
            figure.add_trace(trace, row=1, col=column)
        across, up = panel.limits()
        figure.update_xaxes(range=[end * factor for end in across], row=1, col=column)
        figure.update_yaxes(range=up, row=1, col=column)
        words.append(f"{dataset}: {panel.words() or 'nothing, for all networks guess'}")
    style.shown_once(figure)
    figure.update_xaxes(title=shown.label)
    figure.update_yaxes(title=quantity("accuracy").name, col=1)
    alt = f"{title}. On the Pareto front, {'; '.join(words)}."
    least_width = 40 + 220 * len(datasets)
    return style.finish(figure, title, alt, 450, least_width, style.left_out(drawn, len(known)))


class _Plane:
    """One panel of the plane of accuracy and energy."""

    def __init__(
        self,
        runs: pd.DataFrame,
        means: pd.DataFrame,
        scale: tuple[float, Quantity],
        architectures: list[str],
        variants: list[str],
        most: int,
    ):
        self.runs, self.table, self.scale = runs, means, scale
        self.factor, self.unit = scale[0], scale[1].unit
        self.architectures, self.variants, self.most = architectures, variants, most

    def traces(self) -> list[go.Scatter]:
        """Everything in the panel, the lowest first."""
        lines = [*self.equal_scores(), *self.front()]
        return [*lines, *self.points(), *self.means(), *self.legend()]

    def points(self) -> list[go.Scatter]:
        """Every run, small."""
        shown = ["accuracy", "energy_consumed", "score"]
        return [
            go.Scatter(
                x=(rows["energy_consumed"] * self.factor).to_numpy(),
                y=rows["accuracy"].to_numpy(),
                mode="markers",
                marker=self._marker(name, variant, size=5),
                legendgroup=name,
                showlegend=False,
                hovertext=style.hover(rows, shown, self.scale),
                hoverinfo="text",
            )
            for name, variant, runs in self._parts(self.runs)
            for rows in [style.spread(runs, "energy_consumed", self.most)]
        ]

    def means(self) -> list[go.Scatter]:
        """The mean of every configuration, large."""
        shown = ["mean_accuracy", "mean_energy_consumed", "score_ratio_of_means", "n"]
        return [
            go.Scatter(
                x=(rows["mean_energy_consumed"] * self.factor).to_numpy(),
                y=rows["mean_accuracy"].to_numpy(),
                mode="markers",
                # On a cloud of its own colour it is seen by its rim.
                marker=self._marker(name, variant, size=12) | {"line": _RIM},
                **style.entry(name, self.architectures),
                showlegend=not self.variants,
                hovertext=style.hover(rows, shown, self.scale),
                hoverinfo="text",
            )
            for name, variant, rows in self._parts(self.table)
        ]

    def legend(self) -> list[go.Scatter]:
        """What the colours and the symbols say, where they say two things."""
        if not self.variants:
            return []
        drawn = set(self.runs["architecture"].astype(str))
        colours = {
            name: palette.with_symbol(name, "circle", 10)
            for name in self.architectures
            if name in drawn
        }
        symbols = {
            name: {"color": palette.PLAIN, "symbol": self._symbol(name), "size": 10}
            for name in self.variants
        }
        levels = [*self.architectures, *self.variants]
        return [
            go.Scatter(
                x=[None],
                y=[None],
                mode="markers",
                marker=marker,
                **style.entry(name, levels),
                hoverinfo="skip",
            )
            for name, marker in (*colours.items(), *symbols.items())
        ]

    def _parts(self, table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
        for name in self.architectures:
            rows = table[table["architecture"].astype(str) == name]
            for variant in self.variants or [""]:
                part = rows[rows["variant"].astype(str) == variant] if variant else rows
                if len(part) or not variant:
                    yield name, variant, part

    def _marker(self, name: str, variant: str, size: int) -> dict[str, object]:
        if not variant:
            return palette.marker(name, size)
        return palette.with_symbol(name, self._symbol(variant), size)

    def _symbol(self, variant: str) -> str:
        return palette.SYMBOLS[self.variants.index(variant) % len(palette.SYMBOLS)]

    def front(self) -> list[go.Scatter]:
        """The Pareto front: along it, more accuracy costs more energy."""
        best = self._best()
        return [
            go.Scatter(
                x=(best["mean_energy_consumed"] * self.factor).to_numpy(),
                y=best["mean_accuracy"].to_numpy(),
                mode="lines",
                line={"color": palette.PLAIN, "width": 1.5, "shape": "hv"},
                name="Pareto front",
                hoverinfo="skip",
            )
        ]

    def equal_scores(self) -> list[go.Scatter]:
        """Lines on which accuracy / energy is the same, at round values that cross the panel."""
        if is_renamed("accuracy"):
            return []
        (left, right), (bottom, top) = self.limits()
        scores = self.table["mean_accuracy"] / self.table["mean_energy_consumed"]
        traces = []
        for score in _round_values(scores.min(), scores.max()):
            start, end = max(left, bottom / score), min(right, top / score)
            if start >= end:
                continue
            traces.append(
                go.Scatter(
                    x=[start * self.factor, end * self.factor],
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
            )
        return traces

    def drawn(self) -> int:
        """How many runs are shown."""
        return sum(min(len(runs), self.most) for _, _, runs in self._parts(self.runs))

    def limits(self) -> list[tuple[float, float]]:
        """What the panel shows of energy (kWh) and of accuracy: all runs, and a margin."""
        limits = []
        for values in (self.runs["energy_consumed"], self.runs["accuracy"]):
            margin = 0.12 * (values.max() - values.min()) or 0.1 * values.max()
            limits.append((max(values.min() - margin, 0.0), values.max() + margin))
        return limits

    def words(self) -> str:
        """The configurations that no other beats."""
        return ", ".join(
            f"{' '.join([row.architecture, *self._called(row)])} "
            f"({number(row.mean_accuracy, 3)} for "
            f"{number(row.mean_energy_consumed * self.factor, 3)} {self.unit})"
            for row in self._best().itertuples()
        )

    def _called(self, row: Any) -> list[str]:
        return [f"with {row.variant}"] if self.variants else []

    def _best(self) -> pd.DataFrame:
        best = self.table[self.table["pareto"].fillna(False).astype(bool)]
        return best.sort_values("mean_energy_consumed")


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
