"""What a batch costs beside its trainings.

    python benchmarks/orchestration.py [--runs 3] [--study 10000]

Prints two findings:
1. the seconds that a run takes beyond its bare training, and where they go,
2. the seconds of a call that plans a large study and finds every run complete, without its report
   (aim: below 10).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml

from lib import records
from lib.execution import local
from lib.execution.forecast import Left
from lib.records import Record
from lib.records.progress import Progress
from lib.study.config import RunConfig
from lib.study.study import load_study

LARGE = {
    "architecture": ["VGG16", "VGG19", "ResNet50"],
    "batch_size": [16, 32],
    "epochs": [1, 2, 5, 10, 20],
}
CELLS = 30

RESUME = """
import sys
from lib import cli
from lib.execution import run_study
run_study.report = lambda *study, **options: True
sys.exit(cli.main(sys.argv[1:]))
"""


class Stopwatch:
    """A watcher that keeps the seconds of every run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def begin(self, config: RunConfig) -> None:
        """A run starts."""

    def progress(self, config: RunConfig, progress: Progress, left: Left) -> None:
        """The run has come this far."""

    def end(self, record: Record, seconds: float, left: Left) -> None:
        """The run is over."""
        self.seconds[record.run_id] = seconds

    def say(self, sentence: str) -> None:
        """Something else happened."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="of the first finding")
    parser.add_argument("--study", type=int, default=10_000, help="runs of the second finding")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = added_seconds(options.runs, Path(folder))
        resuming(options.study, Path(folder), record)


def added_seconds(count: int, folder: Path) -> Record:
    """Print where the time of a run goes: medians over `count` runs. Returns one of the records."""
    runs = [
        RunConfig(
            repetition=number,
            head="linear",
            train_limit=320,
            test_limit=64,
            idle_seconds=2,
            output_dir=str(folder / "small"),
        )
        for number in range(1, count + 1)
    ]
    watch = Stopwatch()
    ended = list(local.execute_all(runs, folder / "small", watch))
    seconds: dict[str, list[float]] = defaultdict(list)
    for run, record in zip(runs, ended, strict=True):
        for name, value in parts(run.run_dir, record, watch.seconds[record.run_id]).items():
            seconds[name].append(value)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    training = medians.pop("training")
    added = sum(medians.values())
    print(f"1. a training of {training:.1f} s takes {added:.1f} s more (median of {count} runs)")
    for name, value in medians.items():
        print(f"   {name}: {value:.1f}")
    print(f"   TensorFlow and Keras, imported by themselves: {import_seconds():.1f}")
    return ended[0]


def parts(folder: Path, record: Record, whole: float) -> dict[str, float]:
    """Seconds of one run by what they were spent on, from its record and its notebook."""
    notebook = json.loads((folder / "train.ipynb").read_text(encoding="utf-8"))
    cells = {
        cell["id"]: cell["metadata"]["papermill"]["duration"] or 0.0
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "papermill" in cell["metadata"]
    }
    executing = notebook["metadata"]["papermill"]["duration"]
    phases = {phase.name: phase.duration for phase in record.phases}
    named = {
        "training": record.duration,
        "processes, and import of papermill": whole - executing,
        "kernel, start and end": executing - sum(cells.values()),
        "images (imports TensorFlow)": cells["data"],
        "network, building and counting": cells["model"],
        "protocol, checks": phases["checks"],
        "protocol, idle baseline (2 s of it asked for)": phases["idle"],
        "protocol, warm-up": phases["warmup"],
        "instruments, start and stop": phases["training"] - record.duration,
        "saving the record": cells["record"],
    }
    return named | {"figures, tables and other imports": whole - sum(named.values())}


def import_seconds() -> float:
    """Seconds of the import that no run can do without."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "import tensorflow, keras"], check=True, capture_output=True
    )
    return time.perf_counter() - started


def resuming(count: int, folder: Path, like: Record) -> None:
    """Print the seconds of a call that finds every run complete; their records are as `like`."""
    study = folder / "large.yaml"
    content = {"title": "large", "factors": LARGE, "repetitions": -(-count // CELLS)}
    study.write_text(yaml.safe_dump(content), encoding="utf-8")
    runs = load_study(study).runs("large", folder)
    for run in runs:
        config = run.recorded
        record = like.model_copy(update={"run_id": run.run_id, "config": config})
        run.run_dir.mkdir(parents=True)
        path = run.run_dir / records.FILE_NAME
        path.write_text(record.model_dump_json(indent=1), encoding="utf-8")
    command = [sys.executable, "-c", RESUME, str(study), "--outputs", str(folder)]
    for attempt in ("first", "again"):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        print(
            f"2. a study of {len(runs)} runs that are complete, {attempt}: "
            f"{time.perf_counter() - started:.1f} s"
        )


if __name__ == "__main__":
    main()
