"""The paper's augmentation, for a whole batch at once inside `tf.data`.

The same transformation as
`ImageDataGenerator(rotation_range=15, width_shift_range=0.1, height_shift_range=0.1,
horizontal_flip=True)` of Keras, which works through its images one at a time in Python.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

ROTATION = 15.0
"""Largest rotation either way, degrees."""
SHIFT = 0.1
"""Largest shift either way, as a fraction of the image's side."""


def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotate, shift and flip every image of a batch at random.

    Angles are uniform in ±`ROTATION`, both shifts uniform in ±`SHIFT`, and half the images are
    mirrored left to right: the distributions of `ImageDataGenerator.get_random_transform`.

    Args:
        images: float32 [batch, side, side, channels].
        seed: Two integers; the same seed gives the same images.

    Returns:
        float32 [batch, side, side, channels].
    """
    import tensorflow as tf

    side = images.shape[1]
    draws = tf.random.stateless_uniform([4, tf.shape(images)[0]], seed, minval=-1.0)
    return warp(
        images,
        theta=draws[0] * math.radians(ROTATION),
        tx=draws[1] * SHIFT * side,
        ty=draws[2] * SHIFT * side,
        flip=draws[3] < 0,
    )


def warp(
    images: tf.Tensor, theta: tf.Tensor, tx: tf.Tensor, ty: tf.Tensor, flip: tf.Tensor
) -> tf.Tensor:
    """Rotate about the centre, shift, then mirror left to right, one set of numbers an image.

    Pixels are interpolated bilinearly, and what lies outside an image is its nearest edge pixel.
    Signs, centre and order are those of `ImageDataGenerator.apply_transform`: the matrix
    rotation · shift takes a place in the result to its place in the source.

    Args:
        images: float32 [batch, side, side, channels].
        theta: Rotation in radians, float32 [batch].
        tx: Shift along the rotated columns in pixels, float32 [batch].
        ty: Shift along the rotated rows in pixels, float32 [batch].
        flip: Whether to mirror, bool [batch].

    Returns:
        float32 [batch, side, side, channels].
    """
    import tensorflow as tf

    cos, sin = tf.cos(theta), tf.sin(theta)
    last = images.shape[1] - 1.0
    centre = last / 2
    x_offset = centre - cos * (centre - tx) + sin * (centre - ty)
    y_offset = centre - sin * (centre - tx) - cos * (centre - ty)
    # A mirrored result reads column `last - x` where it would have read column x.
    x_step = tf.where(flip, -1.0, 1.0)
    x_start = tf.where(flip, last, 0.0)
    zero = tf.zeros_like(theta)
    transforms = tf.stack(
        [
            cos * x_step, -sin, x_offset + cos * x_start,
            sin * x_step, cos, y_offset + sin * x_start,
            zero, zero,
        ],
        axis=1,
    )  # fmt: skip
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
