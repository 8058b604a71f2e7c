"""What the analysis of a large study costs.

    python benchmarks/analysis_scale.py [--runs 1000 3000 10000]

Makes studies as `run_all.py` leaves them (run.json, history.csv and power.csv of every run), of
three kinds: *plain*, the paper's six configurations many times over, *varied*, sixty configurations
in five variants and two batch sizes, and *wide*, 1,500 configurations. Prints for each size, in
fresh processes that read the study anew, seconds, processor seconds and the peak memory of all
processes together

- to merge the records,
- to merge, and answer the study's question,
- to make the whole report (notebook, tables, page), and the page's size,

and the processor seconds for every 1,000 runs, which rise where the cost grows faster than their
number (aim: a report of 10,000 runs in under 60 s and 2 GB on two cores).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import yaml

from lib import records
from lib.instruments import TRACE_NAME
from lib.instruments.trace import COLUMNS
from lib.records import Phase, Record
from lib.records.uncertainty import with_limits
from lib.study import plan
from lib.study.config import RunConfig
from lib.study.study import Study

PAPERS = {"architecture": ["VGG16", "VGG19", "ResNet50"], "dataset": ["cifar10", "mnist"]}
OPTIONS = [
    {},
    {"features": "cached"},
    {"precision": "mixed"},
    {"head": "linear"},
    {"features": "cached", "head": "linear"},
]
STUDIES: dict[str, dict[str, Any]] = {
    "plain": {"factors": PAPERS},
    "varied": {"factors": PAPERS | {"batch_size": [32, 64]}, "variants": OPTIONS},
    "wide": {
        "factors": PAPERS
        | {"batch_size": [8, 16, 32, 64, 128], "optimizer": ["adam", "sgd"]}
        | {"learning_rate": [10.0**-n for n in range(1, 6)], "views": [1, 2, 3, 4, 5]}
    },
}
COMMON = {"weights": "imagenet", "epochs": 20, "location": "USA/oregon", "early_stopping": 5}
POWER = {"VGG16": 210.0, "VGG19": 240.0, "ResNet50": 180.0}
ACCURACY = {"VGG16": 0.71, "VGG19": 0.70, "ResNet50": 0.64}
FLOPS = {"VGG16": 21268268928, "VGG19": 26704938880, "ResNet50": 6675494400}
SECONDS = 120
"""Of a run, and lines of its `power.csv`."""

STEPS = {
    "merge": "records.merge(folder, plan.read(folder))",
    "answer": "results.load(folder).answer",
    "report": "build.build(folder)",
}
PROGRAM = """
import sys
from pathlib import Path
{imports}
folder = Path(sys.argv[1])
{step}
"""
IMPORTS = {
    "merge": "from lib import records; from lib.study import plan",
    "answer": "from lib.analysis import results",
    "report": "from lib.report import build",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 3000, 10000])
    parser.add_argument("--kinds", nargs="+", choices=STUDIES, default=list(STUDIES))
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for kind in options.kinds:
        for count in options.runs:
            with tempfile.TemporaryDirectory() as outputs:
                folder = Path(outputs) / kind
                made = make(kind, count, folder)
                for step in STEPS:
                    took = cost(step, folder)
                    print(
                        f"{kind}, {made:,} runs, {step}: {took.seconds:.1f} s "
                        f"({took.processor:.1f} s of processors), {took.megabytes:,.0f} MB, "
                        f"{1000 * took.processor / made:.2f} s per 1,000 runs",
                        flush=True,
                    )
                page = (folder / "report.html").stat().st_size / 1e6
                print(f"{kind}, {made:,} runs: a page of {page:.1f} MB", flush=True)


def make(kind: str, count: int, folder: Path) -> int:
    """Write a study of about `count` runs as `run_all.py` leaves it; the number of its runs."""
    content = STUDIES[kind] | {"title": f"A {kind} study", "defaults": COMMON}
    cells = len(Study(**content).runs(kind, folder.parent))
    content["repetitions"] = max(round(count / cells), 1)
    study = Study(**content)
    runs = study.runs(kind, folder.parent)
    plan.freeze(runs, folder)
    (folder / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    trace = power_trace()
    rng = np.random.default_rng(1)
    for place, config in enumerate(runs):
        config.run_dir.mkdir(parents=True)
        history = learned(config, rng)
        path = config.run_dir / records.HISTORY_NAME
        path.write_text(history.to_csv(index=False), encoding="utf-8")
        (config.run_dir / TRACE_NAME).write_text(trace, encoding="utf-8")
        record = with_limits(measured(config, history, place, rng))
        text = record.model_dump_json(indent=1)
        (config.run_dir / records.FILE_NAME).write_text(text, encoding="utf-8")
    return len(runs)


def learned(config: RunConfig, rng: np.random.Generator) -> pd.DataFrame:
    """A made-up `history.csv`: accuracy rises to its end, energy with every epoch."""
    epochs = np.arange(1, rng.integers(config.epochs // 2, config.epochs) + 1)
    frugal = 0.3 if config.features == "cached" else 0.8 if config.precision == "mixed" else 1.0
    seconds = SECONDS / config.epochs * np.cumsum(rng.normal(frugal, 0.05, len(epochs)))
    end = ACCURACY[config.architecture] - 0.02 * (config.head == "linear")
    accuracy = end * (1 - np.exp(-epochs / 3)) + rng.normal(0, 0.01, len(epochs))
    return pd.DataFrame(
        {
            "epoch": epochs,
            "accuracy": accuracy + 0.02,
            "loss": -np.log(accuracy.clip(0.05)),
            "val_accuracy": accuracy,
            "val_loss": -np.log(accuracy.clip(0.05)) + 0.1,
            "seconds": seconds,
            "energy_consumed": seconds * POWER[config.architecture] / 3.6e6,
        }
    )


def measured(config: RunConfig, history: pd.DataFrame, place: int, rng: Any) -> Record:
    """A made-up record, with a wattmeter's energy beside CodeCarbon's."""
    last = history.iloc[-1]
    energy = float(last["energy_consumed"]) * rng.lognormal(0, 0.03)
    parts = {"cpu_energy": 0.3 * energy, "gpu_energy": 0.6 * energy, "ram_energy": 0.1 * energy}
    methods = {"cpu_method": "counter (RAPL)", "gpu_method": "counter (NVML)"}
    begin = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=place * 2 * SECONDS)
    names = ("checks", "idle", "warmup", "training", "cooldown")
    time_of = begin.isoformat(timespec="milliseconds")
    reading = {"instrument": "codecarbon", "duration": SECONDS, "energies": parts, "doubts": []}
    return Record(
        run_id=config.run_id,
        status="completed",
        started_at=time_of,
        ended_at=(begin + pd.Timedelta(seconds=SECONDS)).isoformat(timespec="milliseconds"),
        duration=float(last["seconds"]),
        emissions=energy * 0.2,
        energy_consumed=energy,
        **parts,
        **methods,
        ram_method="model (20 W)",
        peak_power=1.2 * POWER[config.architecture],
        idle_energy=0.2 * energy,
        net_energy=0.8 * energy,
        accuracy=float(last["val_accuracy"]),
        loss=float(last["val_loss"]),
        score=float(last["val_accuracy"]) / energy,
        flops=FLOPS[config.architecture],
        flops_head=1210845056,
        flops_training=10**15,
        parameters=33638218,
        trainable_parameters=18923530,
        depth=16,
        carbon_intensity=200.0,
        machine="made-up",
        config=config.recorded,
        hardware={"cpu_model": "made-up", "cpu_count": 2, "gpu_count": 1, "ram_total_size": 16.0},
        versions={"python": "3.11.7", "keras": "3.15.1", "codecarbon": "3.3.2"},
        data={"classes": 10, "train_images": 50000, "test_images": 10000},
        phases=tuple(
            Phase(name=name, started_at=time_of, ended_at=time_of, duration=30.0) for name in names
        ),
        readings=(reading, reading | {"instrument": "nvml"}),
        extra={
            "wattmeter_energy": energy * rng.normal(1.25, 0.02),
            "wattmeter_duration": float(last["seconds"]),
        },
        doubts=(f"other programs use {rng.integers(5, 60)} % of the CPU",),
    )


def power_trace() -> str:
    """A made-up `power.csv`, the same for every run."""
    row = dict.fromkeys(COLUMNS) | {"timestamp": "2026-01-01T00:00:00.000+00:00", "interval": 1.0}
    row |= {"phase": "training", "cpu_power": 60.0, "gpu_power": 150.0, "ram_power": 20.0}
    lines = [row | {"time": float(n), "energy_consumed": n * 6e-5} for n in range(SECONDS)]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.to_csv(index=False, lineterminator="\n")


@dataclass(frozen=True)
class Cost:
    """Of one step: seconds, seconds of all processors, and the most memory (MB) at a time."""

    seconds: float
    processor: float
    megabytes: float


def cost(step: str, folder: Path) -> Cost:
    """Take a step in a process of its own.

    Memory is what `psutil` calls RSS, of the process and its children: what they share counts in
    each.
    """
    program = PROGRAM.format(imports=IMPORTS[step], step=STEPS[step])
    shutil.rmtree(folder / "tables", ignore_errors=True)
    before, started = _processor_seconds(), time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", program, str(folder)])
    most = [0]
    watcher = threading.Thread(target=_watch, args=(child, most))
    watcher.start()
    if child.wait():
        raise RuntimeError(f"{step} failed")
    seconds = time.perf_counter() - started
    watcher.join()
    return Cost(seconds, _processor_seconds() - before, most[0] / 1e6)


def _processor_seconds() -> float:
    """Of all children that have ended, and theirs."""
    times = os.times()
    return times.children_user + times.children_system


def _watch(child: subprocess.Popen, most: list[int]) -> None:
    while child.poll() is None:
        try:
            process = psutil.Process(child.pid)
            family = [process, *process.children(recursive=True)]
            most[0] = max(most[0], sum(one.memory_info().rss for one in family))
        except psutil.NoSuchProcess:
            pass  # one has ended meanwhile
        time.sleep(0.1)


if __name__ == "__main__":
    main()
