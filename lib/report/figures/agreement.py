"""Two instruments on the same runs, as Bland and Altman draw them."""

from html import escape

import pandas as pd
import plotly.graph_objects as go

from lib import text
from lib.analysis.instrument_pairs import Pair, agreement
from lib.quantities import number, ordered, quantity
from lib.report.figures import palette, style


def bland_altman(pair: Pair) -> go.Figure:
    """Difference of two instruments over their mean, a point a run, with the limits of agreement.

    Points on a level line differ by a constant; a slope says that the difference grows with the
    energy (Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8).
    """
    title = f"{pair.reference.capitalize()} less {pair.other}"
    runs = pair.runs
    factor, shown = quantity("energy_consumed").scaled_to(runs["reference"])
    architectures = ordered(runs["architecture"])
    figure, drawn = go.Figure(), 0
    for name in architectures:
        mine = runs[runs["architecture"].astype(str) == name]
        mine = style.spread(mine, "reference", style.MOST_POINTS // len(architectures))
        drawn += len(mine)
        figure.add_trace(
            style.marks(
                ((mine["reference"] + mine["other"]) / 2 * factor).to_numpy(),
                ((mine["reference"] - mine["other"]) * factor).to_numpy(),
                _hover(pair, mine, factor, shown.unit),
                marker=palette.marker(name, size=9),
                **style.entry(name, architectures),
            )
        )
    found = agreement(pair)
    bias = f"{number(found.bias * factor, 3)} {shown.unit}"
    alt = f"{title}, {text.runs(len(runs))}: {bias} on average"
    limits = {"mean − 1.96 SD": found.limit_low, "mean + 1.96 SD": found.limit_high}
    for name, level in {"mean": found.bias, **limits}.items():
        if not pd.isna(level):
            line = {"color": palette.PLAIN, "dash": "dot" if name in limits else "solid"}
            label = {"text": name, "font": {"size": 11}}
            figure.add_hline(y=level * factor, line=line, line_width=1, annotation=label)
    if not pd.isna(found.limit_low):
        alt += (
            f", for 95 % of runs between {number(found.limit_low * factor, 3)} and "
            f"{number(found.limit_high * factor, 3)} {shown.unit}"
        )
    figure.update_xaxes(title=f"Mean of both ({shown.unit})")
    figure.update_yaxes(title=f"Difference ({shown.unit})")
    note = style.left_out(drawn, len(runs))
    return style.finish(figure, title, f"{alt}.", note=note)


def _hover(pair: Pair, runs: pd.DataFrame, factor: float, unit: str) -> list[str]:
    """What each point says: its run, and its energy by both instruments."""
    names = {"reference": pair.reference, "other": pair.other}
    return [
        f"<b>{escape(str(run.get('run_id', run['architecture'])))}</b>"
        + "".join(
            f"<br>{escape(name)}: {number(run[role] * factor)} {unit}, "
            f"{number(run[f'{role}_power'])} W"
            for role, name in names.items()
        )
        for _, run in runs.iterrows()
    ]
