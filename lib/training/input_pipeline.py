"""What a network is fed with: augmented and preprocessed images, or features of them."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib.study.catalog import architecture_of
from lib.training import augmentation
from lib.training.batches import Feed, Tensor, Transform, compiled, feed
from lib.training.datasets import Dataset, balanced

if TYPE_CHECKING:
    from lib.study.config import RunConfig


class Feeds(NamedTuple):
    """Batches to train on and to validate on."""

    train: Feed
    validation: Feed


def preprocess(images: Tensor, architecture: str, preprocessing: str) -> Tensor:
    """Bring pixels to the range that the network is fed with.

    `rescale` divides by 255, as the authors did. `imagenet` is `preprocess_input` of
    `keras.applications`, which the architecture's ImageNet weights were trained with. Images are
    float32 [batch, side, side, 3], 0 to 255.
    """
    if preprocessing == "rescale":
        return images / 255.0
    mode = architecture_of(architecture).preprocessing_mode
    if mode == "none":
        return images
    from keras.applications.imagenet_utils import preprocess_input

    return preprocess_input(images, data_format="channels_last", mode=mode)


def images(dataset: Dataset, config: RunConfig) -> Feeds:
    """Batches of images, float32 [batch, side, side, 3], and labels, int32 [batch].

    Every pass over the training images shuffles and augments all of them anew. Validation images
    are neither shuffled nor augmented.
    """
    transform = _transform(config.architecture, config.preprocessing, augmented=False)
    x, y, size, seed = dataset.x_test, dataset.y_test, config.batch_size, config.seed
    return Feeds(
        training_images(dataset, config, seed, shuffle=True),
        feed(x, y, size, transform, seed=seed, shuffle=False),
    )


def training_images(dataset: Dataset, config: RunConfig, seed: int, *, shuffle: bool) -> Feed:
    """Batches of training images, augmented if the configuration says so."""
    augmented = config.augmentation == "paper"
    transform = _transform(config.architecture, config.preprocessing, augmented=augmented)
    x, y = dataset.x_train, dataset.y_train
    return feed(x, y, config.batch_size, transform, seed=seed, shuffle=shuffle)


@functools.cache
def _transform(architecture: str, preprocessing: str, *, augmented: bool) -> Transform:
    """What happens to a batch of images: for equal arguments the same function.

    So what is compiled for the warm-up serves the training.
    """

    def transform(pixels: Tensor, draws: Tensor) -> Tensor:
        from keras import ops

        seen = ops.cast(pixels, "float32")
        if augmented:
            seen = augmentation.augment(seen, draws)
        return preprocess(seen, architecture, preprocessing)

    return transform


def subset(dataset: Dataset, config: RunConfig, batches: int) -> Dataset:
    """The first images, as many as make `batches` full batches and a last one as in the whole.

    Training on these compiles everything that training on the whole will need.
    """

    def count(images: int) -> int:
        return min(images, batches * config.batch_size + images % config.batch_size)

    train, test = count(len(dataset.y_train)), count(len(dataset.y_test))
    first: dict[str, Any] = {"x_train": dataset.x_train[:train], "y_train": dataset.y_train[:train]}
    first |= {"x_test": dataset.x_test[:test], "y_test": dataset.y_test[:test]}
    return dataclasses.replace(dataset, **first)


def examples(
    dataset: Dataset, config: RunConfig, count: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A few training images to look at, of every class in turn: as they are and as training would
    augment them, both uint8 [count, side, side, 3], and their labels, int32 [count].
    """
    from keras import ops

    kept = balanced(dataset.y_train, count)
    plain, labels = dataset.x_train[kept], dataset.y_train[kept]
    if config.augmentation == "none":
        return plain, plain, labels
    numbers = np.random.default_rng(config.seed)
    draws = numbers.uniform(-1, 1, (augmentation.DRAWS, len(labels))).astype(np.float32)
    pixels = ops.convert_to_tensor(plain, "float32")
    seen = compiled(augmentation.augment)(pixels, ops.convert_to_tensor(draws))
    return plain, np.rint(ops.convert_to_numpy(seen)).astype(np.uint8), labels
