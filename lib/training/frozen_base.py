"""A frozen base as constants, where TensorFlow computes on a processor.

Convolutions bring variables into the processor's layout anew in each step, and a batch
normalization can't become a part of them. Of constants both are done once, when a graph is made.
That takes seconds, so it is for trainings that last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from lib.study import own_network
from lib.training import backends, cached_features
from lib.training.augmentation import Tensor
from lib.training.datasets import Dataset

if TYPE_CHECKING:
    import keras

    from lib.study.config import RunConfig

FEWEST_IMAGES = 50_000
"""That a base has to see: making its graphs takes 5 s more for a VGG16, and saves 0.5 ms an image
of 48 pixels, of two processors together (benchmarks/README.md).
"""

LARGEST_BYTES = 500_000_000  # of weights: a graph may have 2 GB


def held_as(
    config: RunConfig, data: Dataset, model: keras.Model
) -> Literal["constants", "variables"]:
    """How the base of a network is best held while it trains as `config` says."""
    if own_network.parse(config.architecture):
        return "variables"
    frozen = config.trainable == "head"
    on_processor = backends.current() == "tensorflow" and not backends.has_gpu()
    size = sum(4 * math.prod(weight.shape) for weight in model.layers[1].weights)
    train, test = len(data.y_train), len(data.y_test)
    seen = config.epochs * (train + test)
    if config.features == "cached":
        seen = cached_features.views_of(config) * train + test
    suits = frozen and on_processor and seen >= FEWEST_IMAGES and size <= LARGEST_BYTES
    return "constants" if suits else "variables"


def as_constants(base: keras.Model) -> None:
    """Let the graphs of a frozen base hold its weights: the same function, up to rounding.

    A change of its weights has no effect on a graph that was made before. The base is built on
    TensorFlow, and computes as in inference.
    """
    import keras
    import tensorflow as tf

    by_variables = base.call

    def call(inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        if tf.executing_eagerly():
            return by_variables(inputs, training=False)
        with tf.init_scope():
            values = [variable.numpy() for variable in base.variables]
        constants = zip(base.variables, map(tf.constant, values), strict=True)
        with keras.StatelessScope(state_mapping=constants):
            return by_variables(inputs, training=False)

    base.call = call
