"""Features of images, computed once: what a frozen base makes of them, for a head to learn from.

A frozen base gives the same features for the same view of an image in every epoch. So an image has
a fixed number of augmented views, each of which it sees once, and an epoch draws one of them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import psutil

from lib.study.errors import UserError
from lib.training import architectures, input_pipeline
from lib.training.batches import Feed, Tensor, aligned, batches, empty, feed
from lib.training.datasets import Dataset
from lib.units import GIGABYTE

if TYPE_CHECKING:
    import keras

    from lib.study.config import RunConfig


class NoRoomError(UserError, ValueError):
    """The features of a training do not fit into the memory."""


def cache(
    model: keras.Model,
    dataset: Dataset,
    config: RunConfig,
    on_batch: Callable[[float], None] = lambda fraction: None,
) -> input_pipeline.Feeds:
    """Let the frozen base of a network see every image, and feed its features to `classifier`.

    Without augmentation there is one view, and training on it is training the whole network. All
    features are kept in memory, float32. `on_batch` is told the fraction of the work that is done.

    Raises:
        NoRoomError: They would not fit into the memory.
    """
    views, base = views_of(config), model.layers[1]
    check_memory(config, dataset, model)
    everything = views * batch_count(dataset.y_train, config) + batch_count(dataset.y_test, config)
    count = itertools.count(1)

    def compute(images: Feed, into: np.ndarray) -> None:
        begin = 0
        for pixels, labels in batches(images):
            into[begin : begin + len(labels)] = base.predict_on_batch(pixels)
            begin += len(labels)
            on_batch(next(count) / everything)

    # Filled in place: of a whole pass that `predict` collects there would be two.
    shape = base.output_shape[1:]
    train = empty((len(dataset.y_train), views, *shape), np.float32)
    test = empty((len(dataset.y_test), *shape), np.float32)
    # Else each view's feed would copy the images, and leave the copy to the garbage collector.
    dataset = dataclasses.replace(dataset, x_train=aligned(dataset.x_train))
    for view in range(views):
        seed = _seed(config, view)
        seen = input_pipeline.training_images(dataset, config, seed, shuffle=False)
        compute(seen, train[:, view])
    compute(input_pipeline.images(dataset, config).validation, test)
    settings = {"batch_size": config.batch_size, "seed": config.seed}
    return input_pipeline.Feeds(
        feed(train, dataset.y_train, transform=_one_view, shuffle=True, **settings),
        feed(test, dataset.y_test, transform=_as_they_are, shuffle=False, **settings),
    )


def check_memory(config: RunConfig, dataset: Dataset, model: keras.Model) -> None:
    """See that there is room for the features of a training, before anything is computed.

    Raises:
        NoRoomError: There is not.
    """
    images = views_of(config) * len(dataset.y_train) + len(dataset.y_test)
    needed = images * math.prod(model.layers[1].output_shape[1:]) * np.float32().itemsize
    available = psutil.virtual_memory().available
    if needed > available:
        raise NoRoomError(
            f"features: cached ones of {config.run_id} need {needed / GIGABYTE:.3g} GB of memory, "
            f"and {available / GIGABYTE:.3g} GB are available; set fewer views ({views_of(config)} "
            "here), a smaller image_size or a train_limit, or features to online"
        )


def classifier(model: keras.Model) -> keras.Model:
    """The head of a network, to be trained on features with the network's own optimizer."""
    head = model.get_layer("head")
    if not head.compiled:  # once: compiling again would trace its graphs again
        architectures.compile_classifier(head, model.optimizer, small_steps=True)
    return head


def views_of(config: RunConfig) -> int:
    """Views of each training image: without augmentation they are all alike, so one."""
    return config.views if config.augmentation != "none" else 1


def _seed(config: RunConfig, view: int) -> int:
    """A seed for each view of each run; neighbouring seeds of runs share no views."""
    return int(np.random.SeedSequence((config.seed, view)).generate_state(1)[0] >> 1)


def batch_count(labels: np.ndarray, config: RunConfig) -> int:
    """Batches, or steps, that a pass through so many images takes."""
    return -(-len(labels) // config.batch_size)


def _as_they_are(rows: Tensor, draws: Tensor) -> Tensor:
    return rows


def _one_view(rows: Tensor, draws: Tensor) -> Tensor:
    """Draw a view of every image: from [batch, views, ...] to [batch, ...]."""
    from keras import ops

    views = rows.shape[1]
    drawn = ops.cast(ops.floor((draws[0] + 1) / 2 * views), "int32")
    drawn = ops.minimum(drawn, views - 1)  # rounding may reach the end of the interval
    places = ops.reshape(drawn, (-1, *[1] * (len(rows.shape) - 1)))
    return ops.squeeze(ops.take_along_axis(rows, places, axis=1), axis=1)
