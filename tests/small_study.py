"""A study as `run_all.py` leaves it, made up: for tests of what reads one."""

import math
from pathlib import Path

import pandas as pd
import yaml

from lib.instruments.trace import COLUMNS
from lib.records import Record
from lib.study import plan
from lib.study.config import RunConfig

ENERGY = {"VGG16": 0.20, "VGG19": 0.25, "ResNet50": 0.15}
ACCURACY = {"VGG16": 0.62, "VGG19": 0.60, "ResNet50": 0.40}
FLOPS = {"VGG16": 21268268928, "VGG19": 26704938880, "ResNet50": 6675494400}

SHARE = {"cached": 0.2, "mixed": 0.7, "linear": 0.5}
"""Of the energy, what is left with an option; each costs two points of accuracy."""


def make(
    folder: Path,
    *,
    title: str = "Three networks on two datasets",
    datasets: tuple[str, ...] = ("digits", "mnist"),
    repetitions: int = 3,
    location: str | None = "USA/oregon",
    failed: str | None = None,
    unfinished: bool = False,
    variants: tuple[dict, ...] = (),
) -> Path:
    """Write records, histories, traces, plan and study.yaml of a made-up study.

    Args:
        folder: Where; its name is the study's.
        title: As study.yaml says it.
        datasets: A factor.
        repetitions: Of each configuration.
        location: Of all runs; None leaves emissions empty.
        failed: The error of the last run, if it is to have failed.
        unfinished: Whether the last run is planned but not there.
        variants: Fields of a configuration, each crossed with architectures and datasets.
    """
    configs = [
        RunConfig(
            architecture=architecture,
            dataset=dataset,
            repetition=repetition,
            seed=repetition,
            location=location,
            output_dir=str(folder),
            **variant,
        )
        for repetition in range(1, repetitions + 1)
        for dataset in datasets
        for architecture in ENERGY
        for variant in variants or ({},)
    ]
    plan.freeze(configs, folder)
    for place, config in enumerate(configs):
        last = place == len(configs) - 1
        if last and unfinished:
            continue
        if last and failed:
            Record(
                run_id=config.run_id, status="failed", error=failed, config=_fields(config)
            ).write(config.run_dir)
            continue
        _record(config, place).write(config.run_dir)
        _files(config)
    study = {"title": title, "order": {"shuffle": True, "seed": 7}, "variants": [*variants]}
    (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return folder


def _record(config: RunConfig, place: int) -> Record:
    scale = 1.5 if config.dataset == "mnist" else 1.0
    energy = ENERGY[config.architecture] * scale * (1 + 0.01 * config.repetition) / 1000
    accuracy = ACCURACY[config.architecture] + 0.01 * config.repetition + 0.2 * (scale > 1)
    energy, accuracy = energy * _share(config), accuracy - 0.02 * len(_options(config))
    return Record(
        run_id=config.run_id,
        status="completed",
        started_at=f"2026-01-01T{place // 60:02}:{place % 60:02}:00.000+00:00",
        ended_at=f"2026-01-01T{place // 60:02}:{place % 60:02}:40.000+00:00",
        duration=40.0,
        energy_consumed=energy,
        cpu_energy=energy * 0.3,
        ram_energy=energy * 0.7,
        cpu_method="load model (TDP 8 W, a guess)",
        gpu_method="none",
        ram_method="model (20 W)",
        emissions=energy * 0.1655 if config.location else None,
        carbon_intensity=165.5 if config.location else None,
        accuracy=accuracy,
        loss=1.0,
        score=accuracy / energy,
        flops=FLOPS[config.architecture],
        flops_head=1210845056,
        flops_training=FLOPS[config.architecture] * 100,
        parameters=33638218,
        trainable_parameters=18923530,
        depth=16,
        config=_fields(config),
        versions={"python": "3.11.7", "keras": "3.15.1"},
        reasons={
            "gpu_energy": "no GPU",
            **({} if config.location else {"emissions": "no location is configured"}),
        },
        doubts=("other programs use 12 % of the CPU",),
    )


def _options(config: RunConfig) -> list[str]:
    return [value for value in (config.features, config.precision, config.head) if value in SHARE]


def _share(config: RunConfig) -> float:
    return math.prod(SHARE[option] for option in _options(config))


def _files(config: RunConfig) -> None:
    scatter = 1 + 0.01 * config.repetition
    energy = [share * _share(config) * scatter for share in (0.5e-4, 1e-4)]
    columns = {"epoch": [1, 2], "accuracy": [0.3, 0.5], "val_accuracy": [0.4, 0.6]}
    columns |= {"loss": [2.0, 1.0], "val_loss": [2.0, 1.0], "seconds": [20.0, 40.0]}
    history = pd.DataFrame({**columns, "energy_consumed": energy})
    history.to_csv(config.run_dir / "history.csv", index=False)
    rows = [
        {"time": float(second), "timestamp": "2026-01-01T00:00:00+00:00", "phase": phase}
        | {"interval": 1.0, "cpu_power": 8.0, "ram_power": 20.0, "energy_consumed": 0.0}
        for second, phase in enumerate(["idle", "idle", "training", "training", "cooldown"], 1)
    ]
    trace = pd.DataFrame(rows, columns=list(COLUMNS))
    trace.to_csv(config.run_dir / "power.csv", index=False, lineterminator="\n")


def _fields(config: RunConfig) -> dict:
    return config.recorded


def make_outputs(folder):
    """Two studies, one that has no results, one that is damaged, and what is no study."""
    make(folder / "quick", repetitions=2)
    make(folder / "second", datasets=("digits",), location="FRA")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "results.csv").write_text("a,b\n1,2\n")
    (folder / "empty").mkdir()
    (folder / "no study.txt").write_text("")
    return folder


def named(run_ids):
    """The runs of such ids: architecture-dataset-...."""
    parts = [(run_id, *run_id.split("-")[:2]) for run_id in run_ids]
    return pd.DataFrame(parts, columns=["run_id", "architecture", "dataset"])
