"""The network of a run: built from its configuration, and counted."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib import program
from lib.study import catalog
from lib.study.config import RunConfig
from lib.training import architectures, backends, cached_features, flops
from lib.training.datasets import Dataset

if TYPE_CHECKING:
    import keras

FLOPS_LOST_PER_STEP = 10**8
"""What two cores would compute in the 2 ms or so that a step takes however small the network."""


@dataclass(frozen=True)
class Network:
    """How large a network is, and how much arithmetic it needs.

    Its layers compute in the `precision` float32, "float32 (TF32 allowed)" where a newer GPU may
    round what it multiplies, mixed_float16 or mixed_bfloat16.
    """

    depth: int | None  # layers, as the paper's Table 2 counts them; None: its authors don't say
    parameters: int
    trainable_parameters: int
    flops: int | None  # of one forward batch of 32
    flops_head: int | None  # the head's part of it
    flops_once: int  # of what is done once before the first epoch: features that are cached
    flops_epoch: int  # of an epoch, forward and backward, and its validation
    precision: str
    reason: str | None  # why `flops` and `flops_head` are None
    doubts: tuple[str, ...]  # where two ways of counting differ

    def flops_training(self, epochs: int) -> int:
        """Floating-point operations of a training that lasts so many epochs."""
        return self.flops_once + epochs * self.flops_epoch

    def share_done_once(self, config: RunConfig, data: Dataset) -> float:
        """The part of a training's time that what is done once is likely to take, 0 to 1."""
        steps = cached_features.batch_count(data.y_train, config)
        epochs = config.epochs * (self.flops_epoch + steps * FLOPS_LOST_PER_STEP)
        return self.flops_once / (self.flops_once + epochs)


def build(config: RunConfig, data: Dataset) -> keras.Model:
    """The network that `config` names, for the images and classes of `data`."""
    return architectures.build_model(config, data.image_size, data.classes)


def count(config: RunConfig, data: Dataset, model: keras.Model) -> Network:
    """Count parameters and floating-point operations; trains nothing."""
    known, forward = catalog.ARCHITECTURES.get(model.name), _forward(config, data, model)
    images = {
        "train_images": len(data.y_train),
        "validation_images": len(data.y_test),
        "batch_size": config.batch_size,
    }
    once, learning = 0, model
    if config.features == "cached":
        base, learning = model.layers[1], model.get_layer("head")
        views = cached_features.views_of(config)
        seen = images | {"train_images": views * len(data.y_train)}
        once = flops.flops_epoch(base, **seen)
    return Network(
        depth=known.depth if known else None,
        parameters=model.count_params(),
        trainable_parameters=sum(math.prod(weight.shape) for weight in model.trainable_weights),
        flops=forward.flops,
        flops_head=forward.flops_head,
        flops_once=once,
        flops_epoch=flops.flops_epoch(learning, **images),
        precision=_precision(model),
        reason=forward.reason,
        doubts=forward.doubts,
    )


def _precision(model: keras.Model) -> str:
    """Of the first layer that has weights: the last computes its output in 32 bits anyway."""
    parts = [layer for part in model.layers for layer in getattr(part, "layers", [part])]
    policy = next(layer for layer in parts if layer.weights).dtype_policy.name
    return f"{policy} (TF32 allowed)" if policy == "float32" and backends.tf32() else policy


def _forward(config: RunConfig, data: Dataset, model: keras.Model) -> flops.Flops:
    """FLOPs do not depend on the backend, but keras-flops needs TensorFlow: a process of its own
    builds the network there where this one computes with another backend.
    """
    if backends.current() == "tensorflow":
        return flops.count(model)
    reason = f"keras-flops needs TensorFlow, which is not installed beside {config.backend}"
    if catalog.backend_installed("tensorflow"):
        task = {"config": config.model_dump(mode="json"), "image_size": data.image_size}
        here = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
        child = subprocess.run(
            [sys.executable, "-m", "lib.training.network"],
            input=json.dumps(task | {"classes": data.classes}),
            env=os.environ | program.environment() | here,
            capture_output=True,
            text=True,
        )
        if not child.returncode:
            found = json.loads(child.stdout)
            return flops.Flops(**found | {"doubts": tuple(found["doubts"])})
        said = child.stderr.strip().splitlines()[-1:]
        reason = f"TensorFlow failed to count: {' '.join(said) or child.returncode}"
    return dataclasses.replace(flops.count(model), reason=reason)


def main() -> None:
    """Count a network on TensorFlow: a task on standard input, FLOPs as JSON on standard output."""
    task = json.load(sys.stdin)
    backends.use("tensorflow")  # which starts sooner so, without the other backend
    config = RunConfig(**task["config"] | {"weights": "none", "backend": "tensorflow"})
    with architectures.undrawn():
        model = architectures.build_model(config, task["image_size"], task["classes"])
    json.dump(dataclasses.asdict(flops.count(model)), sys.stdout)


if __name__ == "__main__":
    main()
