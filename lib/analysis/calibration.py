"""How a wattmeter calibrates the instruments of a machine: its idle time and two loads beside it.

MLPerf's rules ask for idle and two loads, five windows of a minute each, before an instrument is
believed (training_policies). Between two loads the plug's power grows by what the components take
more, over the efficiency of the power supply; how much more than they say themselves is the gain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
import yaml

from lib import text
from lib.analysis.frugality import number
from lib.instruments import accuracy
from lib.study.errors import UserError
from lib.study.sections import Gain
from lib.units import mean_power

SUPPLY = (1.04, 1.15)
"""Plug over what a power supply delivers: 80 PLUS Titanium to Gold at half load, 230 V internal."""

FEWEST_WINDOWS = 5
SHORTEST_WINDOW = 60.0  # s, of every load and of idle
LEAST_CHANGE = 0.2  # share of a component's highest power by which loads must differ


class CalibrationError(UserError):
    """These runs calibrate nothing; the message says why and what would."""


@dataclass(frozen=True)
class Calibrated:
    """What a wattmeter says of the components' own figures."""

    gain: float  # true over reported power, of the components that changed
    u: float  # its relative standard uncertainty: of the line, the meter and the power supply
    components: tuple[str, ...]  # those that changed with the load; one gain is of all of them

    def as_yaml(self) -> str:
        """The lines for a study file."""
        found = {"gain": round(self.gain, 3), "u": f"{100 * self.u:.2g} %"}
        said = {"calibration": {name: dict(found) for name in self.components}}
        return yaml.safe_dump(said, sort_keys=False)


def calibrate(
    runs: pd.DataFrame, loads: Sequence[str], wattmeter: Gain | None = None
) -> Calibrated:
    """Compare the plug's power with the components', over idle and two loads or more.

    Args:
        runs: Completed runs with a wattmeter's energy and idle power, and idle baselines.
        loads: Columns that tell loads apart: the study's factors.
        wattmeter: What is known of the meter; None for the default of its class.

    Raises:
        CalibrationError: If the runs are too few, too short or too alike, or the wattmeter's power
            does not rise with theirs.
    """
    needed = ["wattmeter_energy", "wattmeter_idle_power", "idle_duration"]
    if not {*needed} <= {*runs} or runs[needed].dropna().empty:
        raise CalibrationError(
            "a calibration takes runs with an idle baseline (idle_seconds: 60) and a wattmeter's "
            "log of both"
        )
    runs = runs.dropna(subset=needed)
    shortest = float(min(runs["duration"].min(), runs["idle_duration"].min()))
    if shortest < SHORTEST_WINDOW:
        raise CalibrationError(
            f"the shortest window lasts {shortest:.3g} s, not {SHORTEST_WINDOW:g} s; raise epochs "
            "and idle_seconds"
        )
    counts = runs.groupby([*loads], dropna=False).size() if loads else pd.Series([len(runs)])
    if len(counts) < 2 or counts.min() < FEWEST_WINDOWS:
        raise CalibrationError(
            f"a calibration takes two loads of {FEWEST_WINDOWS} runs each, not {len(counts)} of "
            f"{text.listed(counts)} runs"
        )
    busy, idle = (_powers(runs, end) for end in ("energy", "idle_energy"))
    changed = tuple(
        name
        for name in ("cpu", "gpu")
        if (top := max(busy[name].max(), idle[name].max())) > 0
        and top - min(busy[name].min(), idle[name].min()) > LEAST_CHANGE * top
    )
    if not changed:
        raise CalibrationError("neither processor nor GPU draws more under load than at idle")
    read = pd.concat([frame[[*changed]].sum(axis=1) for frame in (busy, idle)])
    plug = pd.concat(
        [mean_power(runs["wattmeter_energy"], runs["duration"]), runs["wattmeter_idle_power"]]
    )
    return _fitted(read.to_numpy(float), plug.to_numpy(float), changed, wattmeter)


def _fitted(
    read: np.ndarray, plug: np.ndarray, changed: Sequence[str], wattmeter: Gain | None
) -> Calibrated:
    line = scipy.stats.linregress(read, plug)
    if not line.slope > 2 * line.stderr:  # its 95 % interval holds 0, or all of it is below
        raise CalibrationError(
            "the plug's power does not rise with that of the components (by "
            f"{line.slope:.2g} ± {2 * line.stderr:.2g} W for each W); take the log of this "
            "machine's wattmeter, and see that its clock is right (wattmeter: clock_offset)"
        )
    middle = sum(SUPPLY) / 2
    supply = (SUPPLY[1] - SUPPLY[0]) / 2 / math.sqrt(3) / middle
    meter = wattmeter or Gain(gain=1.0, u=accuracy.SOURCES["plug"].law.spread / math.sqrt(3))
    return Calibrated(
        gain=float(meter.gain * line.slope / middle),
        u=math.hypot(line.stderr / line.slope, meter.u, supply),
        components=tuple(changed),
    )


def _powers(runs: pd.DataFrame, end: str) -> pd.DataFrame:
    """Mean W of each component in each run: of the training, or of the idle machine."""
    return pd.DataFrame(
        {
            name: mean_power(number(runs, f"{name}_{end}").fillna(0.0), runs["duration"])
            for name in ("cpu", "gpu")
        }
    )
