"""What is known of how far each instrument's figures may be off: the default uncertainty budget.

The measurand is the energy of the components that were read (processor package, GPU board, memory),
or with a wattmeter the energy at the plug. Neither is ever converted to the other.

The numbers, with what they rest on, are in `uncertainties.toml`. A calibration of the machine at
hand, named in the study file, takes a default's place.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.instruments import COMPONENTS
from lib.stats import budget as laws
from lib.stats.budget import MACHINE, Budget, Source, normal
from lib.study.sections import Gain
from lib.units import JOULES_PER_KWH, mean_power

COUNTER_PERIOD = 0.1
"""s between two updates of a GPU's energy counter (ml.energy; NVIDIA states none)."""

SLOW_SAMPLES = 15.0  # s between two samples of CodeCarbon, where nothing else is known: its default


def _source(law: dict[str, list[float]], part: str | None = None, **fields: Any) -> Source:
    ((shape, numbers),) = law.items()
    return Source(law=getattr(laws, shape)(*numbers), part=part, **fields)


_TABLE = Path(__file__).with_name("uncertainties.toml").read_text(encoding="utf-8")
SOURCES = {name: _source(**fields) for name, fields in tomllib.loads(_TABLE).items()}
"""Everything that a budget may hold by default."""

_LOADS = (0.0, 0.1, 0.35, 0.6, 0.8, 1.0)
_TRUE_OVER_CUBIC = (1.35, 2.7, 3.1, 2.0, 1.2, 0.7)
_OLD_INTEL = re.compile(r"\b(?:E[357]-\d{4}\b(?! ?v[3-9])|i[357]-[23]\d{3}|[XE]5\d{3}\b)", re.I)
_PARTLY_SEEN = re.compile(r"\b(?:A30|A100|A800|G?H(?:20|100|200|800))\b")

Calibrations = Mapping[Any, Gain]
"""Of the machine at hand, by component (cpu, gpu, ram) or wattmeter."""


def energy(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> Budget | None:
    """The budget of a run's `energy_consumed`, kWh; None where that is unknown.

    Of `run`, a row of the results table, it takes energies (kWh) and methods by component, duration
    (s), cpu_model, gpu_model and machine. Calibrations take the place of defaults.
    """
    value = _number(run, "energy_consumed")
    if value is None or value <= 0:
        return None
    parts = {name: _number(run, f"{name}_energy") or 0.0 for name in COMPONENTS}
    parts = {name: kwh for name, kwh in parts.items() if kwh}
    if abs(value - sum(parts.values())) > 0.01 * value:
        # A log that tells the sum only, or parts that do not add up to it.
        return Budget(value, {"sum": value}, (SOURCES["unknown"],), scopes(run))
    if min(parts.values()) < 0:
        return None  # a counter that overflowed: what it says is no energy
    known = calibrations or {}
    # A source that several parts have in common is one.
    sources = tuple(dict.fromkeys(one for name in parts for one in _of_part(name, run, known)))
    if "cpu" in parts:
        parts["cpu"] *= _known_bias(run, known)
    return Budget(value, parts, sources, scopes(run))


def net(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> Budget | None:
    """The budget of a run's `net_energy`, kWh, if the idle machine's components are known.

    A sensor has the same gain at idle, so what it reads too much cancels; a constant cancels
    altogether, so that the net energy of a memory model holds no memory. A load model errs
    otherwise at idle, and what a workload changes counts on both.
    """
    value, duration = _number(run, "net_energy"), _number(run, "duration")
    gross = energy(run, calibrations)
    if value is None or gross is None or not duration or "sum" in gross.parts:
        return None
    idle = {name: _number(run, f"{name}_idle_energy") or 0.0 for name in gross.parts}
    if not any(idle.values()):
        return None
    parts = dict(gross.parts)
    workload, load = SOURCES["workload"], SOURCES["load_model_workload"]
    sources = []
    for source in gross.sources:
        if isinstance(source.part, str) and source.name == workload.name:
            spread = workload.law.spread * float(np.hypot(parts[source.part], idle[source.part]))
            source = replace(source, law=normal(0.0, spread), adds=True)
        sources.append(source)
    quiet = {**run, "cpu_energy": idle.get("cpu")}
    idle["cpu"] = idle.get("cpu", 0.0) * _known_bias(quiet, calibrations or {})
    if load in sources:
        # The processor's own error is the same at idle, that of the load is another.
        sources.remove(load)
        parts["cpu, in training"] = parts.pop("cpu")
        sources += [replace(load, part=f"cpu, {when}") for when in ("in training", "at idle")]
    parts |= {f"{name}, at idle": -kwh for name, kwh in idle.items()}
    return Budget(value, parts, tuple(sources), scopes(run))


def emissions(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> Budget | None:
    """The budget of a run's `emissions`, kg CO2-eq, by the yearly average of a place."""
    found, value = energy(run, calibrations), _number(run, "emissions")
    if found is None or value is None or value <= 0:
        return None
    share = value / found.value
    parts = {name: kwh * share for name, kwh in found.parts.items()}
    sources = [
        replace(one, law=replace(one.law, spread=one.law.spread * share)) if one.adds else one
        for one in found.sources
    ]
    return Budget(value, parts, (*sources, SOURCES["intensity"]), found.scopes)


def wattmeter(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> Budget | None:
    """The budget of the energy at the plug, kWh: `wattmeter_energy`."""
    value = _number(run, "wattmeter_energy")
    if value is None or value <= 0:
        return None
    known = (calibrations or {}).get("wattmeter")
    sources = [_calibrated(known, "machine") if known else SOURCES["plug"]]
    for column in (name for name in SOURCES if name.startswith("wattmeter_")):
        if u := _number(run, column):
            sources.append(replace(SOURCES[column], law=normal(0.0, u)))
    return Budget(value, {"machine": value}, tuple(sources), scopes(run))


BUDGETS = {
    "energy_consumed": energy,
    "net_energy": net,
    "emissions": emissions,
    "wattmeter_energy": wattmeter,
}
"""The figures of a run that have a budget, by column."""


def with_unseen(budget: Budget, run: Mapping[str, Any]) -> Budget:
    """The budget with what the machine drew beside its components: for comparisons only.

    It favours nobody among runs of equal duration.
    """
    duration = _number(run, "duration")
    if not duration or "machine" in budget.parts:
        return budget
    parts = {**budget.parts, "unseen": duration / JOULES_PER_KWH}  # kWh for each W
    return replace(budget, parts=parts, sources=(*budget.sources, SOURCES["unseen"]))


def scopes(run: Mapping[str, Any]) -> dict[str, Any]:
    """Whose errors a run shares: those of its machine, or where it has no name of its kind."""
    machine = _text(run, "machine") or f"{_text(run, 'cpu_model')}, {_text(run, 'gpu_model')}"
    return {MACHINE: machine}


def _of_part(name: str, run: Mapping[str, Any], calibrations: Calibrations) -> Iterator[Source]:
    found = [SOURCES["ram_model"], SOURCES["ram_workload"]]
    if name != "ram":
        found = [*(_cpu if name == "cpu" else _gpu)(run, _text(run, f"{name}_method"))]
    if known := calibrations.get(name):
        yield _calibrated(known, *(one for one in COMPONENTS if calibrations.get(one) == known))
        found = [source for source in found if source.level != MACHINE]
    yield from found


def _calibrated(known: Gain, *parts: str) -> Source:
    """What a calibration leaves uncertain: of all that it was one and the same for, one error."""
    law = normal(known.gain, known.gain * known.u)
    basis = "The study's calibration of this machine."
    name = f"the calibration ({', '.join(parts)})"
    return Source(name, parts, law, MACHINE, basis, "a better calibration")


def _gpu(run: Mapping[str, Any], method: str) -> Iterator[Source]:
    if "NVML" not in method and method:
        yield SOURCES["gpu_other"]
        return
    yield SOURCES["gpu_sensor"]
    yield SOURCES["workload"]
    if is_partly_seen(_text(run, "gpu_model")):
        yield SOURCES["gpu_partly_seen"]
    kwh, duration = _number(run, "gpu_energy") or 0.0, _number(run, "duration")
    if "one reading" in method:
        yield SOURCES["gpu_read_once"]
    elif "counter" in method and duration:
        yield replace(SOURCES["gpu_lag"], law=laws.triangular(kwh / duration * COUNTER_PERIOD))
    elif duration:
        spread = 0.2 / max(duration / SLOW_SAMPLES, 1.0) ** 0.5
        yield replace(SOURCES["gpu_sampled"], law=normal(1.0, spread))


def _cpu(run: Mapping[str, Any], method: str) -> Iterator[Source]:
    if "counter" in method or "sampled" in method:
        # Intel's counters measure from Haswell on.
        cpu = _text(run, "cpu_model")
        measures = "Intel" in cpu and not _OLD_INTEL.search(cpu)
        yield SOURCES["rapl_intel" if measures else "rapl_modelled"]
        yield replace(SOURCES["workload"], part="cpu")
    elif "load model" in method or "constant" in method:
        model = "load_model" if "load model" in method else "half_tdp"
        yield from (SOURCES[model], SOURCES[f"{model}_workload"])
    else:
        yield replace(SOURCES["unknown"], part="cpu")
    if "guess" in method or "unknown" in method:
        yield SOURCES["guessed_tdp"]


def _known_bias(run: Mapping[str, Any], calibrations: Calibrations) -> float:
    """What the load model's energy is to be multiplied by at the run's load; 1 for all else.

    The load, 0 to 1, is that at which CodeCarbon's model gives the run's mean power:
    W = TDP · (0.1 + 0.9 · load³), as CodeCarbon 3 reckons it (`codecarbon.external.hardware`).
    """
    method, duration = _text(run, "cpu_method"), _number(run, "duration")
    if "load model" not in method or "cpu" in calibrations:
        return 1.0
    load = 0.5
    if (tdp := re.search(r"TDP ([\d.]+) W", method)) and duration:
        watts = mean_power(_number(run, "cpu_energy") or 0.0, duration)
        load = np.clip((watts / float(tdp[1]) - 0.1) / 0.9, 0.0, 1.0) ** (1 / 3)
    return float(np.exp(np.interp(load, _LOADS, np.log(_TRUE_OVER_CUBIC))))


def is_partly_seen(gpu_model: str) -> bool:
    """Whether a card's sensor averages a quarter of the time: GA100 and GH100."""
    return bool(_PARTLY_SEEN.search(gpu_model))


def _number(run: Mapping[str, Any], column: str) -> float | None:
    value = run.get(column)
    return None if value is None or pd.isna(value) else float(value)


def _text(run: Mapping[str, Any], column: str) -> str:
    value = run.get(column)
    return "" if pd.isna(value) else str(value)
