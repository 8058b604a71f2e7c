"""Operational emissions per training run, in the terms of SCI (ISO/IEC 21031:2024).

SCI = (E · I + M) per R. M, the emissions of making the hardware, shall be in it; nothing here knows
them, so what is written is called O per R, with every term declared.
"""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from lib.analysis.results import Analysis

UNIT = "training run"


def files(study: Analysis) -> dict[str, str]:
    """One file with a row a configuration."""
    rows = [levels | terms(runs) for levels, runs in configurations(study)]
    said = {
        "score": "O per R",
        "why_not_sci": "embodied emissions (M) are unknown, and SCI shall hold them",
        "functional_unit": UNIT,
        "boundary": "processor, GPU and memory of the machine during the measured training",
        "carbon_intensity": "location-based, yearly average; no offsets or certificates",
        "configurations": rows,
    }
    return {"sci.json": json.dumps(said, indent=1, ensure_ascii=False)}


def terms(runs: pd.DataFrame) -> dict[str, Any]:
    """E (kWh), I (g CO2-eq/kWh) and O (g CO2-eq) per run, with limits; None where unknown."""
    energy, intensity = mean(runs, "energy_consumed"), mean(runs, "carbon_intensity")
    return {
        "R": len(runs),
        "E_kWh": energy,
        "E_kWh_95": [mean(runs, f"energy_consumed_{end}") for end in ("low", "high")],
        "I_gCO2eq_per_kWh": intensity,
        "O_gCO2eq_per_R": None if energy is None or intensity is None else energy * intensity,
        "M_gCO2eq": None,
        "measured": {
            name: str(runs[f"{name}_method"].iloc[0])
            for name in ("cpu", "gpu", "ram")
            if f"{name}_method" in runs
        },
    }


def configurations(study: Analysis) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """The levels of each configuration, and its completed runs."""
    by = [name for name in study.configuration if name in study.completed]
    for key, runs in study.completed.groupby(by, sort=False, dropna=False):
        yield dict(zip(by, map(str, key), strict=True)), runs


def mean(runs: pd.DataFrame, column: str) -> float | None:
    """Of what is known of a column; None if that is nothing."""
    if column not in runs:
        return None
    mean = pd.to_numeric(runs[column], errors="coerce").mean()
    return None if pd.isna(mean) else float(mean)
