"""Do 95 % limits hold the truth in 95 of 100 cases? 1,000 simulated machines of known energy.

    python benchmarks/uncertainty.py [--machines 1000]

Every machine has errors of its own, drawn from what the program assumes of its instruments, and
runs whose power is known to the millisecond: constant with noise, with the steps of epochs, or
periodic, between two idle times. Instruments read it as real ones do: counters that lag, models
with gains, a meter with a resolution, its own samples and a clock that is off. From there on all
is the program's own path: reading, record, table, comparison.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from lib import records
from lib.analysis.uncertainty import beyond_scatter, known
from lib.instruments import accuracy, metering
from lib.instruments.accuracy import BUDGETS
from lib.instruments.metering import Samples
from lib.records import uncertainty
from lib.stats.budget import Source
from lib.stats.estimate import widened
from lib.units import JOULES_PER_KWH

TICK = 0.02
IDLE_SECONDS = 30.0
REPETITIONS = 5
SCATTER = 0.02
"""Coefficient of variation of the true energy between repetitions."""

SERVER = {
    "cpu_method": "measured counter (RAPL)",
    "gpu_method": "measured counter (NVML)",
    "ram_method": "model (40 W)",
    "cpu_model": "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz",
    "gpu_model": "1 x NVIDIA A100-SXM4-40GB",
}
DESKTOP = {
    "cpu_method": "load model (TDP 65 W)",
    "gpu_method": "none",
    "ram_method": "model (20 W)",
    "cpu_model": "AMD Ryzen 7 3700X",
}
IDLE_WATTS = {"cpu": 30.0, "gpu": 50.0, "ram": 40.0}
BUSY_WATTS = {"cpu": 90.0, "gpu": 280.0, "ram": 40.0}


@dataclass
class Machine:
    """One machine, with the errors of its instruments.

    Attributes:
        rng: Its random numbers.
        kind: `SERVER` or `DESKTOP`.
        name: Its own.
    """

    rng: np.random.Generator
    kind: dict[str, str]
    name: str

    @cached_property
    def _errors(self) -> dict[tuple, float]:
        return {}

    def error(self, source: Source, scope: object = None) -> float:
        """True over reported of a source: drawn once in its scope, of what the program assumes."""
        key = (source.name, source.part, scope)
        if key not in self._errors:
            self._errors[key] = float(source.law.at(self.rng.uniform()))
        return self._errors[key]

    def reported(self, true: dict[str, float], duration: float, configuration: str) -> dict:
        """What the components are said to have used, kWh, where `true` is what they used."""
        run = {**self.kind, "duration": duration, "machine": self.name}
        said = dict(true)
        for _ in range(3):  # a load model's bias depends on what it says
            row = run | {f"{part}_energy": kwh for part, kwh in said.items()}
            row["energy_consumed"] = sum(said.values())
            budget = accuracy.energy(row)
            factor = {part: budget.parts[part] / said[part] for part in said}
            for source in budget.sources:
                if not source.adds:
                    scope = None if source.level == "machine" else configuration
                    for part in said:
                        if source.concerns(part):
                            factor[part] *= self.error(source, scope)
            said = {part: true[part] / factor[part] for part in said}
        row |= {f"{part}_energy": kwh for part, kwh in said.items()}
        return row | {"energy_consumed": sum(said.values())}


def power(rng: np.random.Generator, seconds: float, level: float, load: str) -> NDArray:
    """W every `TICK` seconds of a training with a mean of about `level`."""
    time = np.arange(0, seconds, TICK)
    if load == "noise":
        return level * (1 + 0.1 * rng.standard_normal(time.size))
    if load == "steps":
        epoch = rng.uniform(3, 9)
        return level * np.where(time % epoch < 0.8 * epoch, 1.05, 0.8)
    period = rng.uniform(0.3, 2.5)
    return level * (1 + 0.3 * np.sin(2 * np.pi * time / period + rng.uniform(0, 6)))


def run(machine: Machine, configuration: str, scale: float = 1.0, seconds: float = 60.0) -> dict:
    """One run: its row of the results table, and what is true of it."""
    rng = machine.rng
    load = ("noise", "steps", "periodic")[rng.integers(3)]
    parts = ["cpu", "ram"] + (["gpu"] if machine.kind is SERVER else [])
    scatter = scale * math.exp(SCATTER * rng.standard_normal())
    watts = {part: power(rng, seconds, BUSY_WATTS[part] * scatter, load) for part in parts}
    true = {part: float(w.sum()) * TICK / JOULES_PER_KWH for part, w in watts.items()}
    row = machine.reported(true, seconds, configuration)
    truth = {"energy_consumed": sum(true.values())}
    if "gpu" in parts:  # the counter moves every 0.1 s, so either end is late by up to that
        late = rng.uniform(0, accuracy.COUNTER_PERIOD, 2)
        missed = float(np.diff(late)[0]) * BUSY_WATTS["gpu"] * scatter / JOULES_PER_KWH
        row["gpu_energy"] -= missed
        row["energy_consumed"] -= missed
    _net(machine, row, true, truth, configuration, seconds)
    intensity = 0.3
    row["emissions"] = row["energy_consumed"] * intensity
    hour = machine.error(accuracy.SOURCES["intensity"])
    truth["emissions"] = truth["energy_consumed"] * intensity * hour
    _wattmeter(machine, row, watts, truth, seconds)
    row |= {"run_id": f"{machine.name}-{configuration}", "status": "completed"}
    return row | {"truth": truth}


def _net(machine, row, true, truth, configuration, seconds) -> None:
    """The idle baseline. What a constant model says of the memory is the same in both."""
    idle = {part: IDLE_WATTS[part] * seconds / JOULES_PER_KWH for part in true}
    said = machine.reported(idle, seconds, "idle")
    row |= {f"{part}_idle_energy": said[f"{part}_energy"] for part in idle}
    row["ram_idle_energy"] = row["ram_energy"]
    net = {part: row[f"{part}_energy"] - row[f"{part}_idle_energy"] for part in idle}
    row["net_energy"] = sum(net.values())
    truth["net_energy"] = sum(true[part] - idle[part] for part in idle if part != "ram")


def _wattmeter(machine, row, watts, truth, seconds) -> None:
    """A plug that shows whole watts each second, by a clock that is known to ±0.1 s."""
    rng = machine.rng
    start, around = 40.0 + rng.uniform(), np.full(int(60 / TICK), 120.0)
    inside = sum(watts.values()) + 60.0
    whole = np.concatenate([around[: int(start / TICK)], inside, around])
    moments = np.arange(1.0, whole.size * TICK - 1)
    joules = np.concatenate([[0.0], np.cumsum(whole) * TICK])
    ticks = np.arange(whole.size + 1) * TICK
    if rng.uniform() < 0.5:
        seen = whole[np.rint(moments / TICK).astype(int)]
    else:
        seen = np.interp(moments, ticks, joules) - np.interp(moments - 1, ticks, joules)
    shown = np.rint(seen / machine.error(accuracy.SOURCES["plug"]))
    begin = int(start / TICK) * TICK
    late = metering.CLOCK_U * rng.standard_normal()
    reading = metering.read_window(
        "plug", [Samples(moments, power=shown)], begin + late, begin + late + seconds
    )
    row |= metering.columns(reading)
    truth["wattmeter_energy"] = float(inside.sum()) * TICK / JOULES_PER_KWH


def cover_of_runs(machines: list[Machine]) -> dict[str, list[bool]]:
    """By figure: whether the limits in the record hold the truth."""
    held = defaultdict(list)
    for machine in machines:
        row = run(machine, "a", machine.rng.uniform(0.7, 1.3), machine.rng.uniform(20, 120))
        truth = row.pop("truth")
        found = uncertainty.with_limits(records.from_row(row)).extra
        found |= uncertainty.columns(row)  # the net energy's parts come with the row
        for figure in BUDGETS:
            low, high = found[f"{figure}_low"], found[f"{figure}_high"]
            held[figure].append(low <= truth[figure] <= high)
    return held


def interval(a: pd.DataFrame, b: pd.DataFrame, *, scatter_only: bool = False) -> tuple:
    """95 % interval of ln(a / b), as the program gives it: Welch's, and what instruments add."""
    logs = [np.log(runs["energy_consumed"].to_numpy(float)) for runs in (a, b)]
    found = stats.ttest_ind(*logs, equal_var=False).confidence_interval()
    middle = logs[0].mean() - logs[1].mean()
    if scatter_only:
        return found.low, found.high
    beyond = beyond_scatter(*(known(runs, [0] * len(runs))[0] for runs in (a, b)))
    return widened(found.low, middle, found.high, beyond.limits)


def cover_of_ratios(machines: list[Machine]) -> dict[str, list[bool]]:
    """Whether the interval holds the true ratio, within a machine and across two."""
    held = defaultdict(list)
    for machine in machines:
        scale = machine.rng.uniform(0.8, 1.3)
        other = Machine(machine.rng, machine.kind, machine.name + "'")
        sets = {
            "a": _frame(machine, "a", 1.0),
            "b": _frame(machine, "b", scale),
            "b elsewhere": _frame(other, "b", scale),
            "a again": _frame(machine, "a", 1.0),
        }
        a, b = sets["a"], sets["b"]
        truth = -math.log(scale)
        for name, (low, high), true in (
            ("ratio, one machine", interval(a, b), truth),
            ("ratio, two machines", interval(a, sets["b elsewhere"]), truth),
            (
                "one configuration, two names: scatter",
                interval(a, sets["a again"], scatter_only=True),
                0.0,
            ),
            ("one configuration, two names: all", interval(a, sets["a again"]), 0.0),
        ):
            held[name].append(low <= true <= high)
    return held


def _frame(machine: Machine, configuration: str, scale: float) -> pd.DataFrame:
    rows = [run(machine, configuration, scale) for _ in range(REPETITIONS)]
    return pd.DataFrame(rows).drop(columns="truth")


def moved_ratios(machine: Machine) -> float:
    """By how much a ratio's limits move if every trace of a machine is 1.05 times as high."""
    a, b = _frame(machine, "a", 1.0), _frame(machine, "b", 1.3)
    energies = [name for name in a if "energy" in name and a[name].dtype == float]
    more = [runs.assign(**{name: runs[name] * 1.05 for name in energies}) for runs in (a, b)]
    before, after = interval(a, b), interval(*more)
    return max(abs(one - other) for one, other in zip(before, after, strict=True))


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    for name, kind in (("RAPL and NVML", SERVER), ("load and memory models", DESKTOP)):
        rng = np.random.default_rng(chosen.seed)
        machines = [Machine(rng, kind, f"m{number}") for number in range(chosen.machines)]
        held = cover_of_runs(machines) | cover_of_ratios(machines[: chosen.machines])
        print(f"{name}: share of 95 % limits that hold the truth, {chosen.machines} machines")
        for figure, hits in held.items():
            print(f"  {figure:40} {100 * np.mean(hits):5.1f} %")
        print(f"  all traces times 1.05 move ln(ratio) by   {moved_ratios(machines[0]):.1e}")


if __name__ == "__main__":
    main()
