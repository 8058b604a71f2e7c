"""RQ3 for any study: how two instruments that measured the same runs agree.

Correlation (as in the paper's section 4.3) says whether both see the same differences; the gap, the
regression and the limits of agreement say what one sees and the other does not.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from itertools import combinations

import numpy as np
import pandas as pd

from lib.analysis import variants
from lib.stats import ALPHA, hypotests
from lib.stats.agreement import limits_of_agreement, line
from lib.stats.estimate import ratio_of_means
from lib.units import mean_power


@dataclass(frozen=True)
class Instrument:
    """An instrument, and the columns that hold what it measured.

    Those of energy (kWh) are by what it is of, the machine or its gpu; where the column of the
    seconds that it measured is empty, `duration` is taken.
    """

    name: str
    columns: dict[str, str]
    duration: str = "duration"


INSTRUMENTS = (
    Instrument("wattmeter", {"machine": "wattmeter_energy"}, "wattmeter_duration"),
    Instrument("live wattmeter", {"machine": "live_wattmeter_energy"}),
    Instrument("NVML counter", {"gpu": "nvml_energy"}),
    Instrument("CodeCarbon", {"machine": "energy_consumed", "gpu": "gpu_energy"}),
)
"""In the order in which they are believed: of a pair, the first is the reference."""

ONE_WITNESS = ("NVML counter", "CodeCarbon")  # which read one register: their errors are the same


@dataclass(frozen=True)
class Pair:
    """Two instruments, and the runs that both measured."""

    reference: str  # name of the one to be believed
    other: str  # name of the one that is compared with it
    # what the energies are of: machine, gpu, or "gpu of machine" where the instruments see
    # different parts
    energy_of: str
    # one row a run: run_id and the configuration where known, `reference` and `other` (kWh),
    # `reference_power` and `other_power` (W)
    runs: pd.DataFrame


@dataclass(frozen=True)
class Agreement:
    """How two instruments agree; what can't be computed is NaN or None, with a reason."""

    reference: str  # with `other` and `energy_of` as in `Pair`
    other: str
    energy_of: str
    n: int  # runs
    n_medians: int  # configurations
    rho_medians: float = math.nan  # Spearman's rho of the medians, as the paper has it
    rho: float = math.nan  # Spearman's rho of all runs, with its 95 % interval and p
    rho_low: float = math.nan
    rho_high: float = math.nan
    p: float = math.nan
    pearson: float = math.nan  # Pearson's r of all runs
    # whether both put the configurations' medians in the same order; False only where two
    # configurations are surely one way round for one instrument and the other way for the other;
    # None where neither can be said
    same_ranking: bool | None = None
    # median of how much less than the reference the other says, from the least of all runs,
    # `gap_percent_low`, to the most; and the same in mean power, `gap_W`
    gap_percent: float = math.nan
    gap_percent_low: float = math.nan
    gap_percent_high: float = math.nan
    gap_W: float = math.nan  # noqa: N815
    # What the reference shows where the other shows 0 W: the intercept of
    # `lib.stats.agreement.line` through the configurations' mean powers, with its 95 % interval. It
    # is the constant power that the other can't see, as far as a line is right; below 0, one that
    # the other counts and the reference does not see.
    constant_power_W: float = math.nan  # noqa: N815
    constant_power_low_W: float = math.nan  # noqa: N815
    constant_power_high_W: float = math.nan  # noqa: N815
    slope: float = math.nan  # W of the reference for each W of the other, on that line
    slope_low: float = math.nan
    slope_high: float = math.nan
    # kWh, mean of reference minus other (Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8),
    # with the limits of agreement, `limit_low` and `limit_high`; the 95 % interval of each reaches
    # `limit_reach` to both of its sides
    bias: float = math.nan
    limit_low: float = math.nan
    limit_high: float = math.nan
    limit_reach: float = math.nan
    reason: str | None = None  # why something is empty; None where nothing is


def pairs(results: pd.DataFrame) -> list[Pair]:
    """Every two instruments that measured at least one of these completed runs together."""
    present = [one for one in INSTRUMENTS if _has(results, one)]
    found = (_joined(results, *both) for both in combinations(present, 2))
    return [pair for pair in found if len(pair.runs)]


def _has(results: pd.DataFrame, instrument: Instrument) -> bool:
    columns = [name for name in instrument.columns.values() if name in results]
    if "wattmeter_energy" in results and "live_wattmeter_energy" in columns:
        # What the live meter said is the wattmeter's reading, unless a log took its place.
        live = results["live_wattmeter_energy"].dropna()
        if live.equals(results["wattmeter_energy"].reindex(live.index)):
            return False
    return any(results[name].notna().any() for name in columns)


def _joined(results: pd.DataFrame, reference: Instrument, other: Instrument) -> Pair:
    shared = [part for part in reference.columns if part in other.columns]
    part = shared[0] if shared else next(iter(reference.columns))
    other_part = part if shared else next(iter(other.columns))
    columns = ("run_id", *variants.configuration(results))
    frame = results[[name for name in columns if name in results]]
    for role, one, of in (("reference", reference, part), ("other", other, other_part)):
        energy = pd.to_numeric(results[one.columns[of]])
        seconds = pd.to_numeric(results.get(one.duration, results["duration"]))
        power = mean_power(energy, seconds.fillna(results["duration"]))
        frame = frame.assign(**{role: energy, f"{role}_power": power})
    what = part if part == other_part else f"{other_part} and {part}"
    runs = frame.dropna(subset=["reference", "other"]).reset_index(drop=True)
    return Pair(reference.name, other.name, what, runs)


def agreement(pair: Pair) -> Agreement:
    """Compute how the instruments of a pair agree."""
    runs = pair.runs
    by = variants.configuration(runs)
    medians = runs.groupby(by, dropna=False)[["reference", "other"]].median()
    ranks = hypotests.spearman(medians, "other", "reference")
    all_runs = hypotests.spearman(runs, "other", "reference")
    difference = runs["reference"] - runs["other"]
    gap = (100 * difference / runs["reference"].where(runs["reference"] > 0)).dropna()
    bias, limit_low, limit_high, limit_reach = limits_of_agreement(difference.to_numpy())
    powers = runs[["other_power", "reference_power"]].astype(float)
    finite = np.isfinite(powers).all(axis=1)
    which = variants.together(runs[name].astype(str) for name in by)
    x, y = powers[finite].to_numpy().T
    through = line(x, y, which[finite].to_numpy())
    reasons = [all_runs.reason, through.reason]
    return Agreement(
        reference=pair.reference,
        other=pair.other,
        energy_of=pair.energy_of,
        n=len(runs),
        n_medians=len(medians),
        rho_medians=ranks.statistic,
        rho=all_runs.statistic,
        rho_low=all_runs.statistic_low,
        rho_high=all_runs.statistic_high,
        p=all_runs.p,
        pearson=hypotests.pearson(runs, "other", "reference").statistic,
        same_ranking=_same_order(runs, which),
        gap_percent=gap.median(),
        gap_percent_low=gap.min(),
        gap_percent_high=gap.max(),
        gap_W=(runs["reference_power"] - runs["other_power"]).median(),
        constant_power_W=through.intercept,
        constant_power_low_W=through.intercept_low,
        constant_power_high_W=through.intercept_high,
        slope=through.slope,
        slope_low=through.slope_low,
        slope_high=through.slope_high,
        bias=bias,
        limit_low=limit_low,
        limit_high=limit_high,
        limit_reach=limit_reach,
        reason="; ".join(dict.fromkeys(filter(None, reasons))) or None,
    )


def to_frame(agreements: Iterable[Agreement]) -> pd.DataFrame:
    """One row a pair of instruments, the columns of `Agreement`."""
    return pd.DataFrame(
        map(asdict, agreements), columns=[field.name for field in fields(Agreement)]
    )


def _same_order(runs: pd.DataFrame, which: pd.Series) -> bool | None:
    energies = runs.groupby(which)[["reference", "other"]]
    groups = [part for _, part in energies]
    if len(groups) < 2:
        return None
    medians = energies.median()
    if (medians["reference"].rank() == medians["other"].rank()).all():
        return True
    alpha = ALPHA / (len(groups) * (len(groups) - 1))  # of each couple by both instruments
    # Only what has repetitions, and has the other order of means, can surely be the other way.
    known = np.flatnonzero(energies.size() > 1)
    reference, other = energies.mean().to_numpy()[known].T
    turned = np.triu((reference[:, None] - reference) * (other[:, None] - other) < 0)
    for couple in np.argwhere(turned):
        one, two = (groups[known[place]] for place in couple)
        directions = {_direction(one[name], two[name], alpha) for name in ("reference", "other")}
        if directions == {1, -1}:
            return False
    return None


def _direction(one: pd.Series, other: pd.Series, alpha: float) -> int:
    """1 where the first mean is surely larger, -1 where it is surely smaller, else 0."""
    ratio = ratio_of_means(one.to_numpy(), other.to_numpy())
    return int(np.sign(ratio.value)) if ratio.is_known and ratio.p < alpha else 0


def in_words(found: Agreement) -> str:
    """What the agreement of two instruments comes to, in sentences."""
    less = "less" if found.gap_percent >= 0 else "more"
    if (found.reference, found.other) == ONE_WITNESS:
        gaps = f"{found.gap_percent_low:.1f} to {found.gap_percent_high:.1f}"
        return (
            "CodeCarbon and NVML read the same counter of the GPU: a gap of "
            f"{found.gap_percent:.1f} % (median; {gaps} %) checks the bookkeeping. It says nothing "
            "of how accurate the counter is."
        )
    said = [
        f"{found.other} reports {abs(found.gap_percent):.1f} % {less} than the {found.reference} "
        f"(median; the gap is {found.gap_percent_low:.1f} to {found.gap_percent_high:.1f} %), "
        f"which is {abs(found.gap_W):.4g} W."
    ]
    if found.n_medians > 1:
        order = "the same order" if found.same_ranking else "different orders"
        chance = ", which may be chance" if found.same_ranking is None else ""
        said.append(f"They put the {found.n_medians} configurations in {order}{chance}.")
    low, high = found.constant_power_low_W, found.constant_power_high_W
    if low <= 0 <= high:
        said.append(
            f"A constant power that {found.other} can't see was not found: between {low:.4g} and "
            f"{high:.4g} W (95 %)."
        )
    elif not math.isnan(low):
        what = (
            "the constant power that it can't see"
            if low > 0
            else f"it counts a constant power that the {found.reference} does not see"
        )
        said.append(
            f"Where {found.other} shows 0 W, the line through the configurations' mean powers "
            f"shows {found.constant_power_W:.4g} W (95 %: {low:.4g} to {high:.4g}): {what}."
        )
    return " ".join(said)
