"""What is known of how far each instrument's figures may be off: the default uncertainty budget.

The measurand is the energy of the components that were read (processor package, GPU board, memory),
or with a wattmeter the energy at the plug. Neither is ever converted to the other.

Every number says what it rests on. A calibration of the machine at hand, named in the study file,
takes a default's place. `docs/measurement.md` has the table for people.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.stats.budget import (
    CONFIGURATION,
    MACHINE,
    RUN,
    Budget,
    Law,
    Source,
    lognormal,
    loguniform,
    normal,
    rectangular,
    t,
    triangular,
)
from lib.study.sections import Gain
from lib.units import JOULES_PER_KWH

COUNTER_PERIOD = 0.1
"""s between two updates of a GPU's energy counter (ml.energy; NVIDIA states none)."""

SLOW_SAMPLES = 15.0
"""s between two samples of CodeCarbon, where nothing else is known: its default."""

UNSEEN_POWER = (0.0, 60.0)
"""W that a machine draws beside processor, GPU and memory, and that no component shows.

Intercepts of plug over CodeCarbon: 16 to 45 W on a desktop computer (arXiv:2509.22092, own
regression). A server's fans and supplies may draw several times that."""

_WATTMETER_REMEDY = "a wattmeter at the plug"
_RAPL_REMEDY = "the processor's energy counter (RAPL), where its files may be read"

GPU_SENSOR = Source(
    "the GPU's power sensor",
    "gpu",
    t(1.0, 0.045, 16),
    MACHINE,
    "17 cards against a DC meter: gain 0.91 to 1.06, SD 3.7 %; steady state mean -1.3 %, SD 4.0 % "
    "(arXiv:2312.02741 and its data). NVIDIA states ±5 % for Fermi and Kepler only.",
    "a calibration of the card, or a wattmeter",
)
GPU_PARTLY_SEEN = Source(
    "the part of the time that the GPU's sensor sees",
    "gpu",
    rectangular(0.97, 1.03),
    CONFIGURATION,
    "A100 and H100 average 25 of every 100 ms (arXiv:2312.02741); ±3 % is a judgement.",
    _WATTMETER_REMEDY,
)
GPU_LAG = Source(
    "the lag of the GPU's counter",
    "gpu",
    triangular(0.0),
    RUN,
    "The counter moves every 0.1 s, at either end of a run: half-width is power × 0.1 s.",
    "longer runs",
    adds=True,
)
GPU_SAMPLED = Source(
    "sampling of the GPU's power",
    "gpu",
    normal(1.0, 0.0),
    RUN,
    "Standard error of the mean of one sample in 15 s, power scattering by 20 %: a judgement.",
    "the GPU's energy counter",
)
GPU_READ_ONCE = Source(
    "one reading of the GPU's power for a whole run",
    "gpu",
    loguniform(0.75, 2.4),
    CONFIGURATION,
    "The authors' Kaggle runs of VGG16 and VGG19: the power that was sampled, 58 to 79 W, over "
    "readings after the training of the same configuration, 34 to 77 W.",
    "power that is sampled all along",
)
GPU_OTHER = Source(
    "the GPU's power sensor",
    "gpu",
    rectangular(0.8, 1.2),
    MACHINE,
    "No comparison with a meter was found: a judgement.",
    "a calibration of the card, or a wattmeter",
)
WORKLOAD = Source(
    "what the workload changes in the sensors",
    "gpu",
    normal(1.0, 0.025),
    CONFIGURATION,
    "After a straight line through one machine's plug and software energies 2 to 3.5 % of plug "
    "power remains (arXiv:2509.22092, own regression).",
    _WATTMETER_REMEDY,
)
RAPL_INTEL = Source(
    "the processor's energy counter",
    "cpu",
    rectangular(0.9, 1.1),
    MACHINE,
    "Intel from Haswell on measures (doi:10.1109/IPDPSW.2015.70); ±10 % is a judgement from "
    "published slopes against the plug.",
    "a calibration, or a wattmeter",
)
RAPL_MODELLED = dataclasses.replace(
    RAPL_INTEL,
    law=rectangular(0.8, 1.2),
    basis="AMD and Intel before Haswell model what the counter counts (arXiv:2108.00808); ±20 % "
    "is a judgement.",
)
LOAD_MODEL = Source(
    "the processor's load model",
    "cpu",
    lognormal(1.0, 1.70),
    MACHINE,
    "RAPL over CodeCarbon's cubic model on 4 processors (CodeCarbon's cpu_load_profiling, own "
    "computation). The curve is corrected: 1.35 at idle, 2.7 at a load of 10 %, 3.1 at 35 %, 2.0 "
    "at 60 %, 1.2 at 80 %, 0.7 at full load. Between processors a factor of 1.34 is left, widened "
    "to 1.70 for another than these four (t, 3 degrees of freedom).",
    _RAPL_REMEDY,
)
LOAD_MODEL_WORKLOAD = Source(
    "what the workload changes in the processor's load model",
    "cpu",
    lognormal(1.0, 1.32),
    CONFIGURATION,
    "The same data, within one processor: a factor of 1.32 about that curve.",
    _RAPL_REMEDY,
)
HALF_TDP = Source(
    "the processor's constant power",
    "cpu",
    lognormal(1.04, 1.75),
    MACHINE,
    "The same data: RAPL over half of the design power (TDP), above a load of 5 %; 1.36 between "
    "processors, widened likewise.",
    _RAPL_REMEDY,
)
HALF_TDP_WORKLOAD = Source(
    "what the workload changes in the processor's power",
    "cpu",
    lognormal(1.0, 1.53),
    CONFIGURATION,
    "The same data, within one processor.",
    _RAPL_REMEDY,
)
GUESSED_TDP = Source(
    "the guess of the processor's design power (TDP)",
    "cpu",
    lognormal(1.0, 2.5),
    MACHINE,
    "An unknown processor gets 4 W a thread, or 85 W; a factor of 2.5 is a judgement.",
    _RAPL_REMEDY,
)
UNKNOWN = Source(
    "how the energy was obtained",
    "sum",
    lognormal(1.0, 2.0),
    MACHINE,
    "A log that does not say how: counter, model or constant. A factor of 2 is a judgement.",
    "a log that says how its figures were obtained",
)
RAM_MODEL = Source(
    "the memory model",
    "ram",
    loguniform(0.1, 2.0),
    MACHINE,
    "CodeCarbon books 5 W a module and guesses their number (version 2: 0.375 W per GB); measured "
    "DDR4 modules draw 0.8 to 4.8 W (icpe-2024-rapl-validation, own computation).",
    _WATTMETER_REMEDY,
)
RAM_WORKLOAD = Source(
    "what the workload changes in the memory's power",
    "ram",
    rectangular(0.75, 1.25),
    CONFIGURATION,
    "The same data: 2.8 W a module while one core computes, 4.8 W in STREAM.",
    _WATTMETER_REMEDY,
)
PLUG = Source(
    "the wattmeter's class",
    "machine",
    rectangular(0.95, 1.05),
    MACHINE,
    "±5 % for the HLW8012 and BL0937 of consumer plugs (Tuya's data sheets). A better meter is "
    "named by a calibration: a WT310E is good for 0.1 % of reading and 0.05 % of range.",
    "a better wattmeter, or its calibration",
)
INTENSITY = Source(
    "the hour of the electricity",
    None,
    lognormal(1.0, 1.35),
    MACHINE,
    "Half-hourly carbon intensity over the year's mean in 2020: CV 34 % in France, 31 % in Great "
    "Britain, 35 % in Germany; daily means 25 to 32 % (dos-group/lets-wait-awhile, own "
    "computation).",
    "the carbon intensity of the hour",
)
UNSEEN = Source(
    "the power of what was not read",
    "unseen",
    rectangular(*UNSEEN_POWER),
    MACHINE,
    "Intercepts of plug over software power on desktop computers, 16 to 45 W.",
    _WATTMETER_REMEDY,
)

DEFAULTS = (
    *(GPU_SENSOR, GPU_PARTLY_SEEN, GPU_LAG, GPU_SAMPLED, GPU_READ_ONCE, GPU_OTHER, WORKLOAD),
    *(RAPL_INTEL, RAPL_MODELLED, LOAD_MODEL, LOAD_MODEL_WORKLOAD, HALF_TDP, HALF_TDP_WORKLOAD),
    *(GUESSED_TDP, UNKNOWN, RAM_MODEL, RAM_WORKLOAD, PLUG, INTENSITY, UNSEEN),
)
"""Everything that a budget may hold by default."""

_LOADS = (0.0, 0.1, 0.35, 0.6, 0.8, 1.0)
_TRUE_OVER_CUBIC = (1.35, 2.7, 3.1, 2.0, 1.2, 0.7)
_OLD_INTEL = re.compile(r"\b(?:E[357]-\d{4}\b(?! ?v[3-9])|i[357]-[23]\d{3}|[XE]5\d{3}\b)", re.I)
_PARTLY_SEEN = re.compile(r"\b(?:A30|A100|A800|G?H(?:20|100|200|800))\b")

Calibrations = Mapping[Any, Gain]
"""Of the machine at hand, by component (cpu, gpu, ram) or wattmeter."""


def energy(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> Budget | None:
    """The budget of a run's `energy_consumed`, kWh; None where that is unknown.

    Args:
        run: A row of the results table, or what of it is known: energies (kWh) and methods by
            component, duration (s), cpu_model, gpu_model, machine.
        calibrations: What takes the place of defaults.
    """
    value = _number(run, "energy_consumed")
    if value is None or value <= 0:
        return None
    parts = {name: _number(run, f"{name}_energy") or 0.0 for name in ("cpu", "gpu", "ram")}
    parts = {name: kwh for name, kwh in parts.items() if kwh}
    if abs(value - sum(parts.values())) > 0.01 * value:
        # A log that tells the sum only, or parts that do not add up to it.
        return Budget(value, {"sum": value}, (UNKNOWN,), scopes(run))
    if min(parts.values()) < 0:
        return None  # a counter that overflowed: what it says is no energy
    known = calibrations or {}
    sources = [source for name in parts for source in _of_part(name, run, known)]
    if "cpu" in parts:
        parts["cpu"] *= _known_bias(run, known)
    return Budget(value, parts, tuple(sources), scopes(run))


def net(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> Budget | None:
    """The budget of a run's `net_energy`, kWh, if the idle machine's components are known.

    A sensor has the same gain at idle, so what it reads too much cancels; a constant cancels
    altogether, so that the net energy of a memory model holds no memory. A load model errs
    otherwise at idle, and what a workload changes counts on both.
    """
    value = _number(run, "net_energy")
    duration = _number(run, "duration")
    gross = energy(run, calibrations)
    if value is None or gross is None or not duration or "sum" in gross.parts:
        return None
    idle = {name: _number(run, f"{name}_idle_energy") or 0.0 for name in gross.parts}
    if not any(idle.values()):
        return None
    parts = dict(gross.parts)
    sources = []
    for source in gross.sources:
        if source.part and source.name == WORKLOAD.name:
            spread = WORKLOAD.law.spread * float(np.hypot(parts[source.part], idle[source.part]))
            source = dataclasses.replace(source, law=normal(0.0, spread), adds=True)
        sources.append(source)
    quiet = {**run, "cpu_energy": idle.get("cpu")}
    idle["cpu"] = idle.get("cpu", 0.0) * _known_bias(quiet, calibrations or {})
    if LOAD_MODEL_WORKLOAD in sources:
        # The processor's own error is the same at idle, that of the load is another.
        sources.remove(LOAD_MODEL_WORKLOAD)
        parts["cpu, in training"] = parts.pop("cpu")
        for part in ("cpu, in training", "cpu, at idle"):
            sources.append(dataclasses.replace(LOAD_MODEL_WORKLOAD, part=part))
    parts |= {f"{name}, at idle": -kwh for name, kwh in idle.items()}
    return Budget(value, parts, tuple(sources), scopes(run))


def emissions(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> Budget | None:
    """The budget of a run's `emissions`, kg CO2-eq, by the yearly average of a place."""
    found, value = energy(run, calibrations), _number(run, "emissions")
    if found is None or value is None or value <= 0:
        return None
    share = value / found.value
    parts = {name: kwh * share for name, kwh in found.parts.items()}
    sources = [_times(source, share) if source.adds else source for source in found.sources]
    return Budget(value, parts, (*sources, INTENSITY), found.scopes)


def wattmeter(run: Mapping[str, Any], calibrations: Calibrations | None = None) -> Budget | None:
    """The budget of the energy at the plug, kWh: `wattmeter_energy`."""
    value = _number(run, "wattmeter_energy")
    if value is None or value <= 0:
        return None
    known = (calibrations or {}).get("wattmeter")
    sources = [_calibrated(PLUG, known) if known else PLUG]
    for column, name, basis, remedy in _METERED:
        u = _number(run, column)
        if u:
            sources.append(Source(name, "machine", normal(0.0, u), RUN, basis, remedy, adds=True))
    return Budget(value, {"machine": value}, tuple(sources), scopes(run))


_METERED = (
    (
        "wattmeter_sampling_u",
        "the wattmeter's sampling",
        "Scatter of successive samples: s·Δ·√n, s² half their mean squared difference.",
        "a wattmeter that samples more often, or longer runs",
    ),
    (
        "wattmeter_edge_u",
        "the edges of the wattmeter's window",
        "A step of power between two samples, of which it isn't known how they average.",
        "a wattmeter that samples more often, or longer runs",
    ),
    (
        "wattmeter_resolution_u",
        "the wattmeter's resolution",
        "The smallest step of its log, q: q/√6 of a counter, rounding of power by q/√12.",
        "a wattmeter with a finer display, or longer runs",
    ),
    (
        "wattmeter_clock_u",
        "the offset of the wattmeter's clock",
        "0.06 s times the difference of power inside and outside of the window.",
        "clocks that are set by a time server",
    ),
)

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
    return dataclasses.replace(budget, parts=parts, sources=(*budget.sources, UNSEEN))


def scopes(run: Mapping[str, Any]) -> dict[str, Any]:
    """Whose errors a run shares: those of its machine, or where it has no name of its kind."""
    machine = _text(run, "machine") or f"{_text(run, 'cpu_model')}, {_text(run, 'gpu_model')}"
    return {MACHINE: machine}


def _of_part(name: str, run: Mapping[str, Any], calibrations: Calibrations) -> Iterator[Source]:
    found = list({"cpu": _cpu, "gpu": _gpu, "ram": _ram}[name](run))
    known = calibrations.get(name)
    if known is None:
        yield from found
        return
    named = [source for source in found if source.level == MACHINE]
    yield _calibrated(named[0], known)
    yield from (source for source in found if source.level != MACHINE)


def _calibrated(source: Source, known: Gain) -> Source:
    return dataclasses.replace(
        source,
        law=normal(known.gain, known.gain * known.u),
        basis="The study's calibration of this machine.",
        remedy="a better calibration",
    )


def _gpu(run: Mapping[str, Any]) -> Iterator[Source]:
    method = _text(run, "gpu_method")
    if "NVML" not in method and method:
        yield GPU_OTHER
        return
    yield GPU_SENSOR
    yield WORKLOAD
    if is_partly_seen(_text(run, "gpu_model")):
        yield GPU_PARTLY_SEEN
    kwh, duration = _number(run, "gpu_energy") or 0.0, _number(run, "duration")
    if "one reading" in method:
        yield GPU_READ_ONCE
    elif "counter" in method and duration:
        yield dataclasses.replace(GPU_LAG, law=triangular(kwh / duration * COUNTER_PERIOD))
    elif duration:
        spread = 0.2 / max(duration / SLOW_SAMPLES, 1.0) ** 0.5
        yield dataclasses.replace(GPU_SAMPLED, law=normal(1.0, spread))


def _cpu(run: Mapping[str, Any]) -> Iterator[Source]:
    method = _text(run, "cpu_method")
    if "counter" in method or "sampled" in method:
        yield RAPL_INTEL if _measures(_text(run, "cpu_model")) else RAPL_MODELLED
        yield dataclasses.replace(WORKLOAD, part="cpu")
    elif "load model" in method:
        yield from (LOAD_MODEL, LOAD_MODEL_WORKLOAD)
    elif "constant" in method:
        yield from (HALF_TDP, HALF_TDP_WORKLOAD)
    else:
        yield dataclasses.replace(UNKNOWN, part="cpu")
    if "guess" in method or "unknown" in method:
        yield GUESSED_TDP


def _ram(run: Mapping[str, Any]) -> Iterator[Source]:
    yield from (RAM_MODEL, RAM_WORKLOAD)


def _known_bias(run: Mapping[str, Any], calibrations: Calibrations) -> float:
    """What the load model's energy is to be multiplied by at the run's load; 1 for all else."""
    if "load model" not in _text(run, "cpu_method") or "cpu" in calibrations:
        return 1.0
    return float(np.exp(np.interp(_cubic_load(run), _LOADS, np.log(_TRUE_OVER_CUBIC))))


def _cubic_load(run: Mapping[str, Any]) -> float:
    """The load, 0 to 1, at which CodeCarbon's model gives the run's mean power.

    W = TDP · (0.1 + 0.9 · load³), as CodeCarbon 3 reckons it (`codecarbon.external.hardware`).
    """
    tdp = re.search(r"TDP ([\d.]+) W", _text(run, "cpu_method"))
    duration = _number(run, "duration")
    if not tdp or not duration:
        return 0.5
    watts = (_number(run, "cpu_energy") or 0.0) * JOULES_PER_KWH / duration
    return float(np.clip((watts / float(tdp[1]) - 0.1) / 0.9, 0.0, 1.0) ** (1 / 3))


def is_partly_seen(gpu_model: str) -> bool:
    """Whether a card's sensor averages a quarter of the time: GA100 and GH100."""
    return bool(_PARTLY_SEEN.search(gpu_model))


def _measures(cpu_model: str) -> bool:
    """Whether the processor's counter measures: Intel from Haswell on."""
    return "Intel" in cpu_model and not _OLD_INTEL.search(cpu_model)


def _times(source: Source, share: float) -> Source:
    law: Law = dataclasses.replace(
        source.law, centre=source.law.centre * share, spread=source.law.spread * share
    )
    return dataclasses.replace(source, law=law)


def _number(run: Mapping[str, Any], column: str) -> float | None:
    value = run.get(column)
    if value is None or pd.isna(value):
        return None
    return float(value)


def _text(run: Mapping[str, Any], column: str) -> str:
    value = run.get(column)
    return "" if value is None or pd.isna(value) else str(value)
