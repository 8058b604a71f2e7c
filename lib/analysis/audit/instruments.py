"""Checks of what the instruments said: could it have been measured, and was it?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.analysis import variants
from lib.analysis.audit.finding import (
    DOUBT,
    FAULT,
    NOTE,
    Found,
    NotCheckedError,
    check,
    parts,
)
from lib.instruments import RAM_TOLERANCE
from lib.logs.codecarbon import ONE_READING_TOLERANCE, last_readings, one_gpu_reading
from lib.logs.counters import ENERGIES
from lib.text import first, runs, span
from lib.units import mean_power

CONSTANT = 0.01
"""Relative spread of a component's mean power, up to which it is taken for a constant."""

SAME_POWER = 0.02
"""How far a run's mean GPU power may be from that after the training and still be the same."""

IDLE_BELOW = 0.75
"""Share of the least mean power of sampled runs, below which a single reading is of an idle GPU."""

MODES_APART = 1.5
"""Ratio of the medians of two groups of runs from which on they are two modes of power."""


@check(
    "Each run has its own energy",
    "A tracker that is started again goes on counting: each row then contains the rows before it, "
    "and whatever ran later seems to take more.",
    ("energy_consumed", "duration", "started_at"),
)
def growing_counters(results: pd.DataFrame) -> Found | None:
    """Logged energy that isn't the run's own, or that grows from each run to the next."""
    if "energy_consumed_logged" in results:
        logged, own = results["energy_consumed_logged"], results["energy_consumed"]
        grown = results[(logged - own).abs() > 1e-9 * logged.abs()]
        if grown.empty:
            return None
        trackers = grown["tracker_run_id"].nunique()
        return Found(
            FAULT,
            f"{runs(len(grown))} of {trackers} trackers hold the runs before them; the log says up "
            f"to {(logged / own.where(own > 0)).max():.1f} times the run's own energy. The "
            "corrected reading takes differences.",
            grown,
        )
    energy = results.sort_values("started_at")["energy_consumed"].dropna()
    if len(energy) < 5:
        raise NotCheckedError(f"{runs(len(energy))} can't show whether energy grows with time")
    if energy.is_monotonic_increasing:
        what = f"Energy grows from every run to the next, in all {len(energy)}."
        return Found(DOUBT, what, results)
    return None


@check(
    "Each network has its own tracker",
    "Differences within one architecture then charge the first run of the second network with all "
    "that the first network took.",
    ("tracker_run_id", "architecture"),
)
def shared_trackers(results: pd.DataFrame) -> Found | None:
    """Trackers whose rows belong to more than one architecture."""
    several = results.groupby("tracker_run_id")["architecture"].transform("nunique") > 1
    if not several.any():
        return None
    shared = results[several]
    names = " and ".join(dict.fromkeys(shared.sort_values("ended_at")["architecture"]))
    trackers = shared["tracker_run_id"].nunique()
    return Found(FAULT, f"{names} share a tracker, {trackers} times.", shared)


@check(
    "Every run has an energy",
    "A run without energy is missing from every comparison of energy.",
)
def missing_energy(results: pd.DataFrame) -> Found | None:
    """Completed runs whose energy is empty."""
    if "energy_consumed" not in results:
        raise NotCheckedError("the table has no column energy_consumed")
    missing = results[results["energy_consumed"].isna()]
    if missing.empty:
        return None
    return Found(DOUBT, f"{runs(len(missing))} of {len(results)} have no energy.", missing)


@check(
    "No energy is negative",
    "Energy can't be negative: a counter overflowed or was set back, and positive values of the "
    "same counter are no better.",
    ("energy_consumed",),
)
def negative_energy(results: pd.DataFrame) -> Found | None:
    """Any component, sum or reading of a wattmeter below zero."""
    meters = [name for name in results if name.endswith("_energy") and "wattmeter" in name]
    names = [*(name for name in ENERGIES if name in results), *meters]
    below = results[names].fillna(0) < 0
    if not below.any(axis=None):
        return None
    which = "; ".join(
        f"{name} in {runs(int(below[name].sum()))} (down to {results[name].min():.3f} kWh)"
        for name in names
        if below[name].any()
    )
    return Found(FAULT, f"Below zero: {which}.", results[below.any(axis=1)])


@check(
    "Components add up",
    "If CPU, GPU and RAM don't add up to the total, something was counted twice or not at all.",
    ("energy_consumed", "cpu_energy"),
)
def components_add_up(results: pd.DataFrame) -> Found | None:
    """Sum of the measured components against the total, within 1 %."""
    names = [name for name in ENERGIES[1:] if name in results]
    total = results["energy_consumed"]
    apart = (results[names].sum(axis=1) - total).abs() > 0.01 * total.abs()
    if not apart.any():
        return None
    return Found(FAULT, f"They don't in {runs(int(apart.sum()))}.", results[apart])


@check(
    "Energy matches power",
    "Energy is power times duration. Where it isn't, intervals were lost, counted twice, or a "
    "counter overflowed: CodeCarbon 2 did not mind that RAPL counters start again at 0.",
    ("cpu_energy", "cpu_power", "duration"),
)
def energy_matches_power(results: pd.DataFrame) -> Found | None:
    """RAM within 3 % of its constant power; CPU within a factor of 2 of its last reading."""
    sentences, concerned = [], pd.Series(False, index=results.index)
    cpu = _power(results, "cpu")
    off = ~(cpu / results["cpu_power"]).between(0.5, 2) & cpu.notna() & results["cpu_power"].notna()
    if off.any():
        concerned |= off
        sentences.append(
            f"CPU energy of {runs(int(off.sum()))} would be {span(cpu[off])} W, the log's last "
            f"readings are {span(results.loc[off, 'cpu_power'])} W."
        )
    if {"ram_energy", "ram_power"} <= set(results):
        ratio = _power(results, "ram") / results["ram_power"].where(results["ram_power"] > 0)
        off = (ratio - 1).abs() > RAM_TOLERANCE
        if off.any():
            concerned |= off
            sentences.append(
                f"RAM energy of {runs(int(off.sum()))} is {span(ratio[off], '.2f')} times its "
                "power times the duration."
            )
    return Found(FAULT, " ".join(sentences), results[concerned]) if sentences else None


@check(
    "CPU power was measured",
    "A constant or a load model can't tell networks apart: CPU energy is then duration in another "
    "unit, or load.",
    ("cpu_energy", "duration"),
)
def modelled_cpu(results: pd.DataFrame) -> Found | None:
    """A method that isn't a counter, or one mean power in all runs of a machine."""
    method = results.get("cpu_method", pd.Series("", index=results.index)).fillna("").astype(str)
    modelled = method.str.contains("constant|model", case=False)
    for _, part in parts(results, "machine"):
        modelled.loc[part.index] |= _is_constant(_power(part, "cpu"))
    if not modelled.any():
        return None
    power = _power(results, "cpu")[modelled]
    names = ", ".join(sorted(set(method[modelled]) - {""})) or "one power in every run"
    what = f"CPU power was not measured in {runs(int(modelled.sum()))}: {names}; "
    what += f"{span(power, '.1f')} W."
    return Found(DOUBT, what, results[modelled])


@check(
    "RAM power was measured",
    "CodeCarbon models RAM by its size, so RAM energy is duration times a constant, however the "
    "network uses it; and the model changed in version 3.",
    ("ram_energy", "duration", "energy_consumed"),
)
def modelled_ram(results: pd.DataFrame) -> Found | None:
    """A method that isn't a counter, or one mean power in all runs of a machine."""
    method = results.get("ram_method", pd.Series("", index=results.index)).fillna("").astype(str)
    modelled = method.str.contains("constant|model", case=False)
    for _, part in parts(results, "machine"):
        modelled.loc[part.index] |= _is_constant(_power(part, "ram"))
    if not modelled.any():
        return None
    some = results[modelled]
    whole = some["energy_consumed"].sum()
    share = some["ram_energy"].sum() / whole if whole else 0.0
    power = " and ".join(
        dict.fromkeys(f"{_power(part, 'ram').median():.1f} W" for _, part in parts(some, "machine"))
    )
    part = f", {100 * share:.0f} % of their energy" if whole else ""
    what = f"RAM power is a model in {runs(len(some))}: {power}{part}."
    return Found(DOUBT if share > 0.1 else NOTE, what, some)


def _is_constant(power: pd.Series) -> bool:
    known = power.dropna()
    return len(known) > 2 and np.ptp(known) <= CONSTANT * abs(known.mean())


def _needs_a_gpu(results: pd.DataFrame) -> None:
    if not (results["gpu_energy"] > 0).any():
        raise NotCheckedError("there is no GPU")
    if not last_readings(results).any():
        raise NotCheckedError("since version 3.1.2 CodeCarbon logs a mean, not the last reading")


@check(
    "GPU power was sampled all along",
    "A tracker that is started again samples no more (CodeCarbon 2): one reading, taken after the "
    "training, then stands for the whole run, and says whether the GPU had calmed down by then.",
    ("gpu_energy", "gpu_power", "duration", "architecture"),
)
def sampled_gpu(results: pd.DataFrame) -> Found | None:
    """Runs whose mean GPU power is the log's last reading, to the hundredth of a watt."""
    _needs_a_gpu(results)
    one = one_gpu_reading(results)
    if not one.any():
        return None
    each = results.groupby("architecture")["run_id"].size()
    parts_of = one.groupby(results["architecture"]).sum()
    which = ", ".join(f"{count} of {each[name]} of {name}" for name, count in parts_of.items())
    what = (
        f"In {runs(int(one.sum()))} ({which}) mean GPU power equals the last reading within "
        f"{ONE_READING_TOLERANCE} W: {span(_power(results, 'gpu')[one])} W."
    )
    return Found(FAULT, what, results[one])


@check(
    "GPU power has one mode",
    "The same network on the same data should draw the same power. Two modes hide any difference "
    "between networks.",
    ("gpu_energy", "duration", "architecture", "dataset"),
)
def gpu_modes(results: pd.DataFrame) -> Found | None:
    """Two groups of runs on one machine, far apart, one configuration in both."""
    for machine, part in parts(results, "machine"):
        power = _power(part, "gpu")
        power = power[power > 0].sort_values()
        if len(power) < 6:
            continue
        split = int(np.argmax(np.diff(np.log(power)))) + 1
        low, high = power.iloc[:split], power.iloc[split:]
        keys = ["architecture", "dataset", *variants.column_of(part)]
        configuration = part.groupby(keys).ngroup()
        both = set(configuration[low.index]) & set(configuration[high.index])
        if min(len(low), len(high)) > 2 and both and high.median() > MODES_APART * low.median():
            what = (
                f"{span(low)} W in {runs(len(low))} and {span(high)} W in {len(high)}, for "
                f"the same configuration in {len(both)} cases{f' ({machine})' if machine else ''}."
            )
            return Found(FAULT, what, part.loc[low.index])
    if (_power(results, "gpu") > 0).sum() < 6:
        raise NotCheckedError("fewer than 6 runs have GPU energy")
    return None


@check(
    "GPU power is above idle",
    "A GPU that draws as much during the training as after it did not train, or was not seen "
    "training. Its energy is then duration in another unit.",
    ("gpu_energy", "gpu_power", "duration"),
)
def idle_gpu(results: pd.DataFrame) -> Found | None:
    """Sampled runs with the power of the time after; single readings below all sampled means."""
    _needs_a_gpu(results)
    power, one = _power(results, "gpu"), one_gpu_reading(results)
    flat = ((power / results["gpu_power"] - 1).abs() < SAME_POWER) & ~one & last_readings(results)
    sentences = []
    if flat.any():
        count = results.loc[flat, "gpu_count"].max() if "gpu_count" in results else np.nan
        each = f", {power[flat].mean() / count:.0f} W for each of {count:.0f}" if count > 1 else ""
        sentences.append(
            f"{runs(int(flat.sum()))} drew {span(power[flat])} W all along and the same after "
            f"the training{each}."
        )
    concerned = flat
    for _, part in parts(results, "machine"):
        single = one[part.index]
        least = power[part.index][~single].min()
        low = single & (power[part.index] < IDLE_BELOW * least)
        if low.any():
            concerned = concerned | low.reindex(results.index, fill_value=False)
            sentences.append(
                f"{runs(int(low.sum()))} of a single reading have {span(power[low[low].index])} "
                f"W, where sampled runs on the same machine drew at least {least:.0f} W."
            )
    return Found(FAULT, " ".join(sentences), results[concerned]) if sentences else None


@check(
    "One GPU was counted",
    "CodeCarbon counts every GPU of the machine unless told otherwise; one network trains on one.",
    ("gpu_count",),
)
def all_gpus_counted(results: pd.DataFrame) -> Found | None:
    """Runs with more than one GPU."""
    several = results[results["gpu_count"] > 1]
    if several.empty:
        return None
    what = f"{span(several['gpu_count'])} GPUs were counted in {runs(len(several))}."
    return Found(DOUBT, what, several)


@check(
    "No run recorded a doubt",
    "Instruments say themselves what makes a reading less trustworthy.",
    ("doubts",),
)
def recorded_doubts(results: pd.DataFrame) -> Found | None:
    """The doubts that came with the records, each with the number of runs."""
    counts = results["doubts"].explode().dropna().value_counts()
    if counts.empty:
        return None
    what = first((f"{doubt} ({runs(count)})" for doubt, count in counts.items()), "; ")
    return Found(NOTE, f"{what}.", results[results["doubts"].map(len) > 0])


def _power(results: pd.DataFrame, component: str) -> pd.Series:
    return mean_power(results[f"{component}_energy"], results["duration"])
