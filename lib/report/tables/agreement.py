"""RQ3: how the instruments that measured the same runs agree, every pair of them."""

from __future__ import annotations

import pandas as pd

from lib.analysis import instrument_pairs
from lib.analysis.results import Analysis
from lib.report.page import Table
from lib.report.tables import shared

_WHO = ["reference", "other", "energy_of"]
_ONE_INSTRUMENT = "Agreement of instruments: no two of them measured the same runs."


def agreement(study: Analysis) -> Table:
    """Whether two instruments see the same differences: correlations and ranking."""
    columns = ["n_medians", "rho_medians", "n", "rho", "rho_low", "rho_high", "p", "pearson"]
    return _table(
        study,
        "agreement",
        "Do the instruments see the same differences?",
        [*columns, "same_ranking"],
        "rho is Spearman's: of the configurations' medians, as in the paper, and of all runs. Both "
        "are high wherever runs differ in duration, which every instrument multiplies by. "
        "CodeCarbon reads a GPU from NVML's counter: those two are one witness.",
    )


def instrument_gaps(study: Analysis) -> Table:
    """What one instrument shows and another does not: gap, regression, limits of agreement."""
    columns = ["n", "gap_percent", "gap_percent_low", "gap_percent_high", "gap_W"]
    columns += ["constant_power_W", "constant_power_low_W", "constant_power_high_W"]
    columns += ["slope", "slope_low", "slope_high", "bias", "limit_low", "limit_high"]
    columns += ["limit_reach"]
    return _table(
        study,
        "instrument_gaps",
        "What does one instrument show that the other does not?",
        columns,
        "Gap: how much less the other says, median of the runs, from the least to the most. "
        "Constant power and slope are of a line through the configurations' mean powers that "
        "allows for errors in both (Deming): what the reference shows where the other shows 0 W, "
        "and how much it rises for each W of the other. Bias and limits of agreement are those of "
        "Bland and Altman, with the reach of the limits' own 95 % interval.",
    )


def _table(study: Analysis, name: str, caption: str, columns: list[str], note: str) -> Table:
    frame = instrument_pairs.to_frame(map(instrument_pairs.agreement, study.pairs))
    if frame.empty:
        return Table(name, "", pd.DataFrame(), _ONE_INSTRUMENT)
    shown, said = shared.reasoned(frame[[*_WHO, *columns, "reason"]])
    return Table(name, caption, shown, note + said)
