"""Batches for a network, from arrays in memory, on any backend of Keras.

On TensorFlow by `tf.data`, whose threads prepare the next batches while the network learns from
one; elsewhere by a `keras.utils.PyDataset`, so that a run needs no TensorFlow.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lib.training import backends
from lib.training.augmentation import DRAWS, Tensor

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Transform = Callable[[Tensor, Tensor], Tensor]
"""From rows of an array, and random numbers uniform in -1 to 1 of shape [DRAWS, batch]."""
Feed = Any  # batches that `keras.Model.fit` takes; one pass over all rows an epoch
BATCHES_AHEAD = 2  # that lie ready while the network learns from one, where `tf.data` makes them

ALIGNMENT = 64
"""Bytes of which the address of an array must be a multiple where TensorFlow reads it in place; it
aborts at others."""


def feed(
    x: np.ndarray, y: np.ndarray, batch_size: int, transform: Transform, *, seed: int, shuffle: bool
) -> Feed:
    """Batches of `transform` of rows of `x` [rows, ...], and the same rows of `y`, int32 [rows].

    Every pass has random numbers of its own and, if shuffled, an order of its own; both follow
    from `seed` (and on TensorFlow from that of `keras.utils.set_random_seed`). The last batch may
    be smaller than the others. The transform is written with `keras.ops`; it is traced and compiled
    once for each shape, but a lambda within a function, made anew each time, anew each time.
    """
    make = _by_tensorflow if backends.current() == "tensorflow" else _by_keras
    return make(x, y, batch_size, compiled(transform), seed, shuffle)


@functools.cache
def compiled(transform: Transform) -> Transform:
    """A transform that TensorFlow traces once for all feeds, and that JAX compiles whole."""
    match backends.current():
        case "tensorflow":
            import tensorflow as tf

            return tf.function(transform, autograph=False)
        case "jax":
            import jax

            return jax.jit(transform)
    return transform


def batches(feed: Feed) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one pass over a feed, outside of `fit`."""
    return iter(feed) if hasattr(feed, "element_spec") else (feed[i] for i in range(len(feed)))


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
    """An array to fill, which `feed` then needs no copy of."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + ALIGNMENT, np.uint8)
    begin = -room.ctypes.data % ALIGNMENT
    return room[begin : begin + size].view(dtype).reshape(shape)


def aligned(x: np.ndarray) -> np.ndarray:
    """`x`, or a copy of it, that `feed` needs no copy of."""
    if x.flags.c_contiguous and x.flags.writeable and x.ctypes.data % ALIGNMENT == 0:
        return x
    copy = empty(x.shape, x.dtype)
    copy[:] = x
    return copy


def _by_tensorflow(
    x: np.ndarray, y: np.ndarray, batch_size: int, transform: Transform, seed: int, shuffle: bool
) -> tf.data.Dataset:
    import tensorflow as tf

    with tf.device("CPU"):  # the arrays stay in main memory, batches go to the accelerator
        # tf.constant would copy the rows, and hold two copies.
        rows = tf.experimental.dlpack.from_dlpack(aligned(x).__dlpack__())
        labels = tf.constant(y)

    @tf.autograph.experimental.do_not_convert  # it has no loop or branch, and is traced sooner
    def batch(indices: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        draws = tf.random.stateless_uniform([DRAWS, tf.shape(indices)[0]], seed, minval=-1.0)
        return transform(tf.gather(rows, indices), draws), tf.gather(labels, indices)

    order = tf.data.Dataset.range(len(y))
    if shuffle:
        order = order.shuffle(len(y), seed=seed)
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    batches = tf.data.Dataset.zip(order.batch(batch_size), seeds)
    fed = batches.map(batch, num_parallel_calls=os.cpu_count(), deterministic=True)
    options = tf.data.Options()
    # Its thread wakes after 10, 20, 40 ms and so on up to a minute, and the end of a training
    # waits for it: as long again as the training took, at worst, while nothing is computed.
    options.autotune.enabled = False
    # Rewriting the graph would copy the rows that it holds, and finds nothing to fuse here.
    options.experimental_optimization.apply_default_optimizations = False
    return fed.prefetch(BATCHES_AHEAD).with_options(options)


def _by_keras(
    x: np.ndarray, y: np.ndarray, batch_size: int, transform: Transform, seed: int, shuffle: bool
) -> keras.utils.PyDataset:
    import keras
    from keras import ops

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self._pass = 0
            self._mix()

        def _mix(self) -> None:
            numbers = np.random.default_rng((seed, self._pass))
            self._order = numbers.permutation(len(y)) if shuffle else np.arange(len(y))

        def __len__(self) -> int:
            return -(-len(y) // batch_size)

        def __getitem__(self, place: int) -> tuple[Tensor, np.ndarray]:
            rows = self._order[place * batch_size : (place + 1) * batch_size]
            numbers = np.random.default_rng((seed, self._pass, place))
            draws = numbers.uniform(-1, 1, (DRAWS, len(rows))).astype(np.float32)
            given = ops.convert_to_tensor(x[rows]), ops.convert_to_tensor(draws)
            return transform(*given), y[rows]

        def on_epoch_end(self) -> None:
            self._pass += 1
            self._mix()

    return Batches()
