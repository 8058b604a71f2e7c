"""The network of a run: built from its configuration, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib import architectures, flops
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
        flops_training: Of the whole run, forward and backward.
        reason: Why `flops` and `flops_head` are None.
        doubts: Where two ways of counting differ.
    """

    depth: int
    parameters: int
    trainable_parameters: int
    flops: int | None
    flops_head: int | None
    flops_training: int
    reason: str | None
    doubts: tuple[str, ...]


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
        seed=config.seed,
    )


def count(config: RunConfig, data: Dataset, model: keras.Model) -> Network:
    """Count parameters and floating-point operations; trains nothing."""
    size = architectures.size(model)
    forward = flops.measure(model)
    return Network(
        depth=size.depth,
        parameters=size.parameters,
        trainable_parameters=size.trainable_parameters,
        flops=forward.flops,
        flops_head=forward.flops_head,
        flops_training=flops.flops_training(
            model,
            train_images=len(data.y_train),
            validation_images=len(data.y_test),
            batch_size=config.batch_size,
            epochs=config.epochs,
        ),
        reason=forward.reason,
        doubts=forward.doubts,
    )
