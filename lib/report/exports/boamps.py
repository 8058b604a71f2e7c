"""BoAmps reports (https://github.com/Boavizta/BoAmps, 1.1.0): one of every completed run.

`schemas/` has its schemas. They let unknown keys pass, so a test checks the keys as well.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from lib.analysis.results import Analysis

VERSION = "1.1.0"
SPECIFICATION = "https://github.com/Boavizta/BoAmps/tree/main/model"

QUALITY = ((0.10, "high"), (0.25, "medium"))
"""Largest relative error of each word; anything else is low, which BoAmps takes for ±50 %."""

_NAMESPACE = uuid.UUID("6f1b5a52-3f0e-4d0b-9a55-0d9a3b7a2f10")


def files(study: Analysis) -> dict[str, str]:
    """A report a run, by file name."""
    runs = study.completed.to_dict("records")
    return {
        f"boamps/{run['run_id']}.json": json.dumps(report(run), indent=1, ensure_ascii=False)
        for run in map(_known, runs)
        if "energy_consumed" in run
    }


def report(run: Mapping[str, Any]) -> dict[str, Any]:
    """The report of one run, of what of its row of the results is known."""
    return _without_nothing(
        {
            "header": {
                "formatVersion": VERSION,
                "formatVersionSpecificationUri": SPECIFICATION,
                "reportId": str(uuid.uuid5(_NAMESPACE, str(run["run_id"]))),
                "reportDatetime": _time(run.get("ended_at")) or "1970-01-01 00:00:00",
                "reportStatus": "final",
            },
            "task": {
                "taskStage": "training",
                "taskFamily": "image classification",
                "algorithms": [_algorithm(run)],
                "dataset": [_dataset(run)],
                "measuredAccuracy": run.get("accuracy"),
            },
            "measures": [_measure(run), *_wattmeter(run)],
            "system": {"os": run.get("os", "unknown")},
            "software": {"language": "python", "version": run.get("version_python")},
            "infrastructure": {
                "infraType": "publicCloud" if run.get("service") else "other",
                "cloudProvider": run.get("service"),
                "cloudInstance": run.get("machine_shape"),
                "components": list(_components(run)),
            },
            "environment": _environment(run),
            "quality": quality(run),
        }
    )


def quality(run: Mapping[str, Any]) -> str:
    """BoAmps' word for how far the energy may be off, from its 95 % limits."""
    value = run["energy_consumed"]
    ends = [run.get(f"energy_consumed_{end}") for end in ("low", "high")]
    if None in ends:
        return "low"
    error = max(abs(end / value - 1) for end in ends)
    return next((word for most, word in QUALITY if error <= most), "low")


def _algorithm(run: Mapping[str, Any]) -> dict[str, Any]:
    parameters = run.get("parameters")
    backend = run.get("backend", "tensorflow")
    return {
        "trainingType": "supervisedLearning",
        "algorithmType": "neural network",
        "algorithmName": run.get("architecture", "unknown"),
        "parametersNumber": None if parameters is None else parameters / 1e9,
        "framework": backend,
        "frameworkVersion": run.get(f"version_{backend}"),
        "layersNumber": run.get("depth"),
        "epochsNumber": run.get("epochs_trained", run.get("epochs")),
        "optimizer": run.get("optimizer"),
        "quantization": {"float32": "fp32", "mixed": "fp16"}.get(str(run.get("precision"))),
    }


def _dataset(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dataUsage": "input",
        "dataType": "image",
        "dataQuantity": run.get("data_train_images"),
        "shape": f"{run['image_size']} x {run['image_size']} x 3" if "image_size" in run else None,
    }


def _measure(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "measurementMethod": "codecarbon",
        "version": run.get("version_codecarbon", run.get("codecarbon_version")),
        "cpuTrackingMode": run.get("cpu_method"),
        "gpuTrackingMode": run.get("gpu_method"),
        "powerCalibrationMeasurement": run.get("idle_energy"),
        "durationCalibrationMeasurement": run["duration"] if "idle_energy" in run else None,
        "powerConsumption": run["energy_consumed"],
        "measurementDuration": run.get("duration"),
        "measurementDateTime": _time(run.get("started_at")),
    }


def _wattmeter(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "wattmeter_energy" not in run:
        return []
    return [
        {
            "measurementMethod": "wattmeter",
            "powerConsumption": run["wattmeter_energy"],
            "measurementDuration": run.get("wattmeter_duration"),
            "measurementDateTime": _time(run.get("started_at")),
        }
    ]


def _components(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    # Sockets are not known; the threads of a processor are no number of components.
    yield {"componentName": run.get("cpu_model"), "componentType": "cpu", "nbComponent": 1}
    if run.get("gpu_count"):
        name = re.sub(r"^\d+ x ", "", str(run.get("gpu_model")))
        count = int(run["gpu_count"])
        yield {"componentName": name, "componentType": "gpu", "nbComponent": count}
    if "ram_total_size" in run:
        size = run["ram_total_size"]
        yield {"componentType": "ram", "nbComponent": 1, "memorySize": size}


def _environment(run: Mapping[str, Any]) -> dict[str, Any] | None:
    place = run.get("location")
    if not place:
        return None
    country, _, region = str(place).partition("/")
    return {
        "country": country,
        "location": region or None,
        "powerSourceCarbonIntensity": run.get("carbon_intensity"),
    }


def _known(run: Mapping[str, Any]) -> dict[str, Any]:
    """What of a row is not empty; numbers of numpy as Python's."""
    plain = {name: value.item() if hasattr(value, "item") else value for name, value in run.items()}
    return {
        name: value
        for name, value in plain.items()
        if isinstance(value, (dict, tuple, list)) or not pd.isna(value)
    }


def _time(moment: Any) -> str | None:
    return None if moment is None else f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S}"


def _without_nothing(value: Any) -> Any:
    """Keys of which nothing is known are left out: the schema allows no null."""
    if isinstance(value, dict):
        kept = {name: _without_nothing(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one is not None}
    return [_without_nothing(one) for one in value] if isinstance(value, list) else value
