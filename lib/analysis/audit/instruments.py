"""Checks of what the instruments said: could it have been measured, was it, and all of the time?"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from lib.analysis import variants
from lib.analysis.audit.finding import (
    DOUBT,
    FAULT,
    NOTE,
    NotCheckedError,
    Said,
    all_of,
    check,
    parts,
    texts,
)
from lib.instruments import COMPONENTS, RAM_TOLERANCE, accuracy
from lib.logs.codecarbon import ONE_READING_TOLERANCE, last_readings, one_gpu_reading
from lib.logs.counters import ENERGIES
from lib.text import first, runs, span
from lib.units import mean_power

CONSTANT = 0.01  # relative spread of a mean power, up to which it is taken for a constant
SAME_POWER = 0.02  # how far mean GPU power may be from that after the training and be the same
IDLE_BELOW = 0.75  # share of the least mean of sampled runs, below which one reading is of idle
MODES_APART = 1.5  # ratio of the medians of two groups of runs, from which on they are two modes
FEWEST_SAMPLES = 60  # of a run, as MLPerf Training asks of power measurements (training_policies)
FEWEST_PERIODS = 50  # update periods of a counter in a run: then its lag is less than 2 %
IDLE_AT_MOST = 80.0  # W of an idle GPU: a judgement, the authors' eight draw 44 W each


@check(
    "Each run has its own energy",
    "A tracker that is started again goes on counting: each row then contains the rows before it, "
    "and whatever ran later seems to take more.",
    ("energy_consumed", "duration", "started_at"),
)
def growing_counters(results: pd.DataFrame) -> Iterator[Said]:
    """Logged energy that isn't the run's own, or that grows from each run to the next."""
    if "energy_consumed_logged" in results:
        logged, own = results["energy_consumed_logged"], results["energy_consumed"]
        grown = (logged - own).abs() > 1e-9 * logged.abs()
        said = (
            f"{runs(grown.sum())} of {results['tracker_run_id'][grown].nunique()} trackers include "
            "the runs before them; the log shows up to "
            f"{(logged / own.where(own > 0))[grown].max():.1f} times the run's own energy. The "
            "corrected reading takes differences."
        )
        yield FAULT, grown, said
        return
    energy = results.sort_values("started_at")["energy_consumed"].dropna()
    if len(energy) < 5:
        raise NotCheckedError(f"{runs(len(energy))} can't show whether energy grows with time")
    if energy.is_monotonic_increasing:
        what = f"Energy grows from every run to the next, in all {len(energy)}."
        yield DOUBT, all_of(results), what


@check(
    "Each network has its own tracker",
    "Differences within one architecture then charge the first run of the second network with all "
    "that the first network took.",
    ("tracker_run_id", "architecture"),
)
def shared_trackers(results: pd.DataFrame) -> Iterator[Said]:
    """Trackers whose rows belong to more than one architecture."""
    several = results.groupby("tracker_run_id")["architecture"].transform("nunique") > 1
    if several.any():
        shared = results[several]
        names = " and ".join(dict.fromkeys(shared.sort_values("ended_at")["architecture"]))
        trackers = shared["tracker_run_id"].nunique()
        yield FAULT, several, f"{names} share a tracker, {trackers} times."


@check(
    "Every run has an energy", "A run without energy is missing from every comparison of energy."
)
def missing_energy(results: pd.DataFrame) -> Iterator[Said]:
    """Completed runs whose energy is empty."""
    if "energy_consumed" not in results:
        raise NotCheckedError("the table has no column energy_consumed")
    missing = results["energy_consumed"].isna()
    reasons = results.loc[missing, "reasons"] if "reasons" in results else []
    counts = Counter(why["energy_consumed"] for why in reasons if "energy_consumed" in why)
    known = first((f"{why} ({runs(count)})" for why, count in counts.items()), "; ")
    which = f"No energy in {runs(missing.sum())} of {len(results)}"
    yield DOUBT, missing, f"{which}{': ' if known else ''}{known}."


@check(
    "No energy is negative",
    "Energy can't be negative: a counter overflowed or was set back, and positive values of the "
    "same counter are no better.",
    ("energy_consumed",),
)
def negative_energy(results: pd.DataFrame) -> Iterator[Said]:
    """Any component, sum or reading of a wattmeter below zero."""
    meters = [name for name in results if name.endswith("_energy") and "wattmeter" in name]
    names = [*(name for name in ENERGIES if name in results), *meters]
    below = results[names].fillna(0) < 0
    which = "; ".join(
        f"{name} in {runs(below[name].sum())} (down to {results[name].min():.3f} kWh)"
        for name in names
        if below[name].any()
    )
    yield FAULT, below.any(axis=1), f"Negative energy: {which}."


@check(
    "Components add up",
    "If CPU, GPU and RAM don't add up to the total, something was counted twice or not at all.",
    ("energy_consumed", "cpu_energy"),
)
def components_add_up(results: pd.DataFrame) -> Iterator[Said]:
    """Sum of the measured components against the total, within 1 %."""
    names = [name for name in ENERGIES[1:] if name in results]
    total = results["energy_consumed"]
    apart = (results[names].sum(axis=1) - total).abs() > 0.01 * total.abs()
    yield FAULT, apart, f"Components don't add up to the total in {runs(apart.sum())}."


@check(
    "Energy matches power",
    "Energy is power times duration. Where it isn't, intervals were lost, counted twice, or a "
    "counter overflowed: CodeCarbon 2 ignored that RAPL counters wrap around to 0.",
    ("cpu_energy", "cpu_power", "duration"),
)
def energy_matches_power(results: pd.DataFrame) -> Iterator[Said]:
    """RAM within 3 % of its constant power; CPU within a factor of 2 of its last reading."""
    cpu = _power(results, "cpu")
    off = ~(cpu / results["cpu_power"]).between(0.5, 2) & cpu.notna() & results["cpu_power"].notna()
    said = (
        f"CPU energy of {runs(off.sum())} would be {span(cpu[off])} W, the log's last readings are "
        f"{span(results.loc[off, 'cpu_power'])} W."
    )
    yield FAULT, off, said
    if {"ram_energy", "ram_power"} <= set(results):
        ratio = _power(results, "ram") / results["ram_power"].where(results["ram_power"] > 0)
        # Of a process it is no constant.
        off = ((ratio - 1).abs() > RAM_TOLERANCE) & texts(results, "tracking_mode").ne("process")
        said = (
            f"RAM energy of {runs(off.sum())} is {span(ratio[off], '.2f')} times its power times "
            "the duration."
        )
        yield FAULT, off, said


@check(
    "CPU power was measured",
    "A constant or a load model can't tell networks apart: CPU energy is then duration in another "
    "unit, or load.",
    ("cpu_energy", "duration"),
)
def modelled_cpu(results: pd.DataFrame) -> Iterator[Said]:
    """A method that isn't a counter, or one mean power in all runs of a machine."""
    modelled = _is_modelled(results, "cpu")
    names = ", ".join(sorted(set(texts(results[modelled], "cpu_method")) - {""}))
    power = span(_power(results, "cpu")[modelled], ".1f")
    how = f"{runs(modelled.sum())}: {names or 'one power in every run'}; {power} W."
    yield DOUBT, modelled, f"CPU power was not measured in {how}"


@check(
    "RAM power was measured",
    "CodeCarbon models RAM by its size, so RAM energy is duration times a constant, however the "
    "network uses it; and the model changed in version 3.",
    ("ram_energy", "duration", "energy_consumed"),
)
def modelled_ram(results: pd.DataFrame) -> Iterator[Said]:
    """A method that isn't a counter, or one mean power in all runs of a machine."""
    modelled = _is_modelled(results, "ram")
    some = results[modelled]
    whole = some["energy_consumed"].sum()
    share = some["ram_energy"].sum() / whole if whole else 0.0
    power = " and ".join(
        dict.fromkeys(f"{_power(part, 'ram').median():.1f} W" for _, part in parts(some, "machine"))
    )
    part = f", {100 * share:.0f} % of their energy" if whole else ""
    said = f"RAM power is a model in {runs(len(some))}: {power}{part}."
    yield DOUBT if share > 0.1 else NOTE, modelled, said


def _is_modelled(results: pd.DataFrame, component: str) -> pd.Series:
    modelled = texts(results, f"{component}_method").str.contains("constant|model", case=False)
    for _, part in parts(results, "machine"):
        known = _power(part, component).dropna()
        if len(known) > 2 and np.ptp(known) <= CONSTANT * abs(known.mean()):
            modelled[part.index] = True
    return modelled


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
def sampled_gpu(results: pd.DataFrame) -> Iterator[Said]:
    """Runs whose mean GPU power is the log's last reading, to a thousandth of a watt."""
    _needs_a_gpu(results)
    one = one_gpu_reading(results)
    each = one.groupby(results["architecture"]).agg(["sum", "size"])
    which = ", ".join(f"{row['sum']} of {row['size']} of {name}" for name, row in each.iterrows())
    said = (
        f"In {runs(one.sum())} ({which}) mean GPU power equals the last reading within "
        f"{ONE_READING_TOLERANCE} W: {span(_power(results, 'gpu')[one])} W."
    )
    yield FAULT, one, said


@check(
    "GPU power has one mode",
    "The same network on the same data should draw the same power. Two modes hide any difference "
    "between networks.",
    ("gpu_energy", "duration", "architecture", "dataset"),
)
def gpu_modes(results: pd.DataFrame) -> Iterator[Said]:
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
            yield (
                FAULT,
                low > 0,
                f"{span(low)} W in {runs(len(low))} and {span(high)} W in {len(high)}, for "
                f"the same configuration in {len(both)} cases{f' ({machine})' if machine else ''}.",
            )
            return
    if (_power(results, "gpu") > 0).sum() < 6:
        raise NotCheckedError("fewer than 6 runs have GPU energy")


@check(
    "GPU power is above idle",
    "A GPU that draws as much during the training as after it did not train, or was not seen "
    "training. Its energy is then duration in another unit.",
    ("gpu_energy", "gpu_power", "duration"),
)
def idle_gpu(results: pd.DataFrame) -> Iterator[Said]:
    """Sampled runs with the power of the time after; single readings below all sampled means."""
    _needs_a_gpu(results)
    power, one = _power(results, "gpu"), one_gpu_reading(results)
    flat = ((power / results["gpu_power"] - 1).abs() < SAME_POWER) & ~one & last_readings(results)
    # One that trains at full load draws the same to the end as well, and a small one always little.
    gpus = results.get("gpu_count", pd.Series(1.0, results.index)).astype(float).fillna(1.0)
    models = results.get("gpu_model", pd.Series("", results.index)).astype(str)
    flat &= (power / gpus < IDLE_AT_MOST) & ~models.str.contains("Apple")
    count = gpus[flat].max()
    each = f", {power[flat].mean() / count:.0f} W for each of {count:.0f}" if count > 1 else ""
    said = (
        f"{runs(flat.sum())} drew {span(power[flat])} W all along and the same after the "
        f"training{each}."
    )
    yield FAULT, flat, said
    for _, part in parts(results, "machine"):
        single, mine = one[part.index], power[part.index]
        least = mine[~single].min()
        low = single & (mine < IDLE_BELOW * least)
        said = (
            f"{runs(low.sum())} with a single reading have {span(mine[low])} W; sampled runs "
            f"on the same machine drew at least {least:.0f} W."
        )
        yield FAULT, low, said


@check(
    "One GPU was counted",
    "CodeCarbon counts every GPU of the machine unless told otherwise; one network trains on one.",
    ("gpu_count",),
)
def all_gpus_counted(results: pd.DataFrame) -> Iterator[Said]:
    """Runs with more than one GPU."""
    several = results["gpu_count"] > 1
    counts = span(results["gpu_count"][several])
    yield DOUBT, several, f"{counts} GPUs were counted in {runs(several.sum())}."


@check(
    "Runs are long enough for their sensors",
    "A run of a few samples is mostly its edges: whether a sample fell before or after the end "
    "then decides its energy.",
    ("duration",),
)
def long_enough(results: pd.DataFrame) -> Iterator[Said]:
    """Runs of fewer than 60 samples, or 50 update periods of a GPU's counter."""
    interval = results.get("measure_power_secs", pd.Series(1.0, results.index)).fillna(1.0)
    least = pd.Series(0.0, results.index)
    for name in ("cpu", "gpu"):
        sampled = texts(results, f"{name}_method").str.contains("load model|sampled")
        least = least.where(~sampled, np.maximum(least, FEWEST_SAMPLES * interval))
    counter = texts(results, "gpu_method").str.contains("counter")
    periods = FEWEST_PERIODS * accuracy.COUNTER_PERIOD
    short = results["duration"] < least.where(~counter, least.clip(lower=periods))
    if "wattmeter_samples" in results:
        short |= results["wattmeter_samples"] < FEWEST_SAMPLES
    said = (
        f"{runs(short.sum())} of {len(results)} last {span(results['duration'][short], '.3g')} s. "
        f"Sampled power, modelled or measured, needs {FEWEST_SAMPLES} samples, a GPU's counter "
        f"{periods:g} s; more images or epochs make runs longer."
    )
    yield DOUBT, short, said


@check(
    "The GPU's sensor sees all of the time",
    "The sensors of A100 and H100 average a quarter of the time. A load that swings in step with "
    "them is measured wrongly, and alike in every repetition.",
    ("gpu_energy",),
)
def partly_seen(results: pd.DataFrame) -> Iterator[Said]:
    """Runs on a card whose power is seen for 25 of every 100 ms (arXiv:2312.02741)."""
    model = texts(results, "gpu_model")
    seen = model.map(accuracy.is_partly_seen).astype(bool) & (results["gpu_energy"] > 0)
    cards = first(dict.fromkeys(model[seen]))
    yield NOTE, seen, f"{runs(seen.sum())} on {cards}: power is seen a quarter of the time."


@check(
    "One instrument for all that is compared",
    "A counter and a model differ by more than most networks do: a difference between runs of "
    "which one was measured and the other modelled is one of instruments.",
    ("energy_consumed",),
)
def one_instrument(results: pd.DataFrame) -> Iterator[Said]:
    """Components that were measured in some runs and modelled in others."""
    for name in COMPONENTS:
        method = texts(results, f"{name}_method")
        modelled = method.str.contains("model|constant")
        measured = method.str.contains("measured|NVML") & ~modelled
        if modelled.any() and measured.any():
            yield (
                DOUBT,
                modelled if modelled.sum() <= measured.sum() else measured,
                f"{name.upper()} was measured in {runs(measured.sum())} and modelled in "
                f"{modelled.sum()}.",
            )


@check(
    "No run recorded a doubt",
    "Instruments themselves report what makes a reading less trustworthy.",
    ("doubts",),
)
def recorded_doubts(results: pd.DataFrame) -> Iterator[Said]:
    """The doubts that came with the records, each with the number of runs."""
    counts = results["doubts"].explode().dropna().value_counts()
    what = first((f"{doubt} ({runs(count)})" for doubt, count in counts.items()), "; ")
    yield NOTE, results["doubts"].map(len) > 0, f"{what}."


def _power(results: pd.DataFrame, component: str) -> pd.Series:
    return mean_power(results[f"{component}_energy"], results["duration"])
