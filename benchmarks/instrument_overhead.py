"""What measuring costs: CPU time, seconds around a run, and wall time of a training.

    python benchmarks/instrument_overhead.py [--seconds 30] [--pairs 8]

Prints three findings:
1. the CPU time of all instruments at one sample a second, as a share of one core (aim: below 1 %),
2. the seconds that the protocol of a run adds to its training, part by part,
3. the wall time of the same training with and without instruments, in pairs of changing order.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from lib.experiment import Run
from lib.instruments import measuring
from lib.instruments.carbon import locate
from lib.instruments.codecarbon import CodeCarbon
from lib.instruments.nvml import energy_counter
from lib.study.config import RunConfig
from lib.training import classifier, datasets, input_pipeline
from lib.training import fit as fitting


def instruments(folder: Path) -> list:
    """Those that a run has."""
    return [CodeCarbon(locate("FRA"), folder), energy_counter()]


def cpu_seconds(work: Callable[[], None]) -> float:
    """CPU time of this process, all threads, while `work` runs."""
    before = time.process_time()
    work()
    return time.process_time() - before


def idle_share(seconds: float, folder: Path) -> float:
    """CPU time of running instruments as a share of one core, this process being idle otherwise."""
    with measuring(instruments(folder)):
        used = cpu_seconds(lambda: time.sleep(seconds))
    return (used - cpu_seconds(lambda: time.sleep(seconds))) / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=30, help="of the first finding")
    parser.add_argument("--pairs", type=int, default=8, help="of the third finding")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(options.seconds, options.pairs, Path(folder))


def run(seconds: float, pairs: int, folder: Path) -> None:
    """Print the three findings; files go into `folder`."""
    with measuring(instruments(folder / "first")):
        pass  # hardware is looked for, once a process
    share = idle_share(seconds, folder / "idle")
    print(f"1. instruments, 1 sample a second: {share:.2%} of one core over {seconds:g} s")

    config = RunConfig(
        epochs=3, head="linear", train_limit=320, test_limit=64, output_dir=str(folder)
    )
    data = datasets.load(config)
    training = classifier.Training(config, data)
    one = Run(config)
    with one.measured(training.rehearse):
        training.learn(one)
    record = one.record(**training.results)
    measured, model = record.duration, training.model
    print("2. seconds of the protocol:")
    for phase in record.phases:
        around = phase.duration - (measured if phase.name == "training" else 0)
        name = "start and stop of instruments" if phase.name == "training" else phase.name
        print(f"   {name}: {around:.2f}")
    print(f"   (the training itself: {measured:.2f})")

    feeds = input_pipeline.images(data, config)

    def fit() -> None:
        fitting.fit(model, *feeds, config.epochs)

    fit()  # the first one is slower
    wall, cpu = np.empty((pairs, 2)), np.empty((pairs, 2))
    for pair in range(pairs):
        for measured in (0, 1) if pair % 2 else (1, 0):
            with measuring(instruments(folder / str(pair)) if measured else []):
                started = time.perf_counter()
                cpu[pair, measured] = cpu_seconds(fit)
                wall[pair, measured] = time.perf_counter() - started
    print(f"3. {pairs} pairs of a training of {np.median(wall[:, 0]):.2f} s, with and without:")
    for name, seconds in (("wall time", wall), ("CPU time", cpu)):
        extra = seconds[:, 1] / seconds[:, 0] - 1
        interval = stats.bootstrap((extra,), np.median, rng=1).confidence_interval
        print(
            f"   {name} changes by {np.median(extra):+.2%} "
            f"(median; 95 % confidence {interval.low:+.2%} to {interval.high:+.2%})"
        )


if __name__ == "__main__":
    main()
