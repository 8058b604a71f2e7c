"""Checks of how well the sensors could see: long enough, all of the time, and the same for all."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.analysis.audit.finding import DOUBT, NOTE, Found, check
from lib.instruments import COMPONENTS, accuracy
from lib.text import first, runs, span

FEWEST_SAMPLES = 60
"""Of a run, as MLPerf Training asks of power measurements (training_policies)."""

FEWEST_PERIODS = 50
"""Update periods of a counter that a run is to last: then its lag is less than 2 %."""


@check(
    "Runs are long enough for their sensors",
    "A run of a few samples is mostly its edges: whether a sample fell before or after the end "
    "then decides its energy.",
    ("duration",),
)
def long_enough(results: pd.DataFrame) -> Found | None:
    """Runs of fewer than 60 samples, or 50 update periods of a GPU's counter."""
    least = pd.Series(0.0, index=results.index)
    for name in ("cpu", "gpu"):
        method = _method(results, name)
        sampled = method.str.contains("load model|sampled")
        counter = method.str.contains("counter") & (name == "gpu")
        interval = pd.Series(1.0, index=results.index)
        if "measure_power_secs" in results:
            interval = results["measure_power_secs"].fillna(1.0)
        needed = np.where(sampled, FEWEST_SAMPLES * interval, 0.0)
        needed = np.where(counter, FEWEST_PERIODS * accuracy.COUNTER_PERIOD, needed)
        least = least.where(least >= needed, needed)
    short = results["duration"] < least
    if "wattmeter_samples" in results:
        short |= results["wattmeter_samples"] < FEWEST_SAMPLES
    if not short.any():
        return None
    some = results[short]
    lasted = span(some["duration"], ".3g")
    what = (
        f"{runs(len(some))} of {len(results)} last {lasted} s. Power that is "
        f"sampled, be it modelled or measured, takes {FEWEST_SAMPLES} samples, a GPU's counter "
        f"{FEWEST_PERIODS * accuracy.COUNTER_PERIOD:g} s; more images or epochs make runs longer."
    )
    return Found(DOUBT, what, some)


@check(
    "The GPU's sensor sees all of the time",
    "The sensors of A100 and H100 average a quarter of the time. A load that swings in step with "
    "them is measured wrongly, and alike in every repetition.",
    ("gpu_energy",),
)
def partly_seen(results: pd.DataFrame) -> Found | None:
    """Runs on a card whose power is seen for 25 of every 100 ms (arXiv:2312.02741)."""
    model = results.get("gpu_model", pd.Series("", index=results.index)).fillna("").astype(str)
    seen = model.map(accuracy.is_partly_seen)
    some = results[seen & (results["gpu_energy"] > 0)]
    if some.empty:
        return None
    cards = first(dict.fromkeys(some["gpu_model"]))
    return Found(NOTE, f"{runs(len(some))} on {cards}: seen a quarter of the time.", some)


@check(
    "One instrument for all that is compared",
    "A counter and a model differ by more than most networks do: a difference between runs of "
    "which one was measured and the other modelled is one of instruments.",
    ("energy_consumed",),
)
def one_instrument(results: pd.DataFrame) -> Found | None:
    """Components that were measured in some runs and modelled in others."""
    said, concerned = [], pd.Series(False, index=results.index)
    for name in COMPONENTS:
        method = _method(results, name)
        modelled = method.str.contains("model|constant")
        measured = method.str.contains("measured|NVML") & ~modelled
        if modelled.any() and measured.any():
            fewer = modelled if modelled.sum() <= measured.sum() else measured
            concerned |= fewer
            said.append(
                f"{name.upper()} was measured in {runs(int(measured.sum()))} and modelled in "
                f"{int(modelled.sum())}"
            )
    return Found(DOUBT, f"{'; '.join(said)}.", results[concerned]) if said else None


def _method(results: pd.DataFrame, component: str) -> pd.Series:
    column = results.get(f"{component}_method", pd.Series("", index=results.index))
    return column.fillna("").astype(str)
