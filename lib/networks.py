"""The network of a run: built from its configuration, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib import architectures, features, flops
from lib.datasets import Dataset
from lib.study import RunConfig

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """How large a network is, and how much arithmetic it needs.

    Attributes:
        depth: Layers, as the paper's Table 2 counts them.
        parameters: All of them.
        trainable_parameters: Those that learn.
        flops: Of one forward batch of 32.
        flops_head: The head's part of it.
        flops_once: Of what is done once before the first epoch: features that are cached.
        flops_epoch: Of an epoch, forward and backward, and its validation.
        precision: What its layers compute in: float32, mixed_float16 or mixed_bfloat16.
        reason: Why `flops` and `flops_head` are None.
        doubts: Where two ways of counting differ.
    """

    depth: int
    parameters: int
    trainable_parameters: int
    flops: int | None
    flops_head: int | None
    flops_once: int
    flops_epoch: int
    precision: str
    reason: str | None
    doubts: tuple[str, ...]

    def flops_training(self, epochs: int) -> int:
        """Floating-point operations of a training that lasts so many epochs."""
        return self.flops_once + epochs * self.flops_epoch


def build(config: RunConfig, data: Dataset) -> keras.Model:
    """The network that `config` names, for the images and classes of `data`."""
    return architectures.build_model(
        config.architecture,
        image_size=data.image_size,
        classes=data.classes,
        weights=config.weights,
        trainable=config.trainable,
        head=config.head,
        optimizer=config.optimizer,
        learning_rate=config.learning_rate,
        precision=config.precision,
        seed=config.seed,
    )


def count(config: RunConfig, data: Dataset, model: keras.Model) -> Network:
    """Count parameters and floating-point operations; trains nothing."""
    size = architectures.size(model)
    forward = flops.measure(model)
    images = {
        "train_images": len(data.y_train),
        "validation_images": len(data.y_test),
        "batch_size": config.batch_size,
        "epochs": 1,
    }
    once, learning = 0, model
    if config.features == "cached":
        base, learning = model.layers[1], model.get_layer("head")
        views = features.views_of(config)
        seen = images | {"train_images": views * len(data.y_train)}
        once = flops.flops_training(base, **seen)
    return Network(
        depth=size.depth,
        parameters=size.parameters,
        trainable_parameters=size.trainable_parameters,
        flops=forward.flops,
        flops_head=forward.flops_head,
        flops_once=once,
        flops_epoch=flops.flops_training(learning, **images),
        precision=model.get_layer("head").layers[0].dtype_policy.name,
        reason=forward.reason,
        doubts=forward.doubts,
    )
