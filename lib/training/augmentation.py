"""The paper's augmentation, for a whole batch at once on any backend of Keras.

The same transformation as
`ImageDataGenerator(rotation_range=15, width_shift_range=0.1, height_shift_range=0.1,
horizontal_flip=True)` of Keras, which works through its images one at a time in Python.
"""

import math
from typing import Any

from lib.training import backends

ROTATION = 15.0  # largest rotation either way, degrees
SHIFT = 0.1  # largest shift either way, as a fraction of the image's side
DRAWS = 4  # random numbers that an image takes
Tensor = Any  # what `keras.ops` takes and gives, which depends on the backend


def augment(images: Tensor, draws: Tensor) -> Tensor:
    """Rotate, shift and flip every image of a batch at random.

    Angles are uniform in ±`ROTATION`, both shifts uniform in ±`SHIFT`, and half the images are
    mirrored left to right: the distributions of `ImageDataGenerator.get_random_transform`. Images
    are float32 [batch, side, side, channels], draws uniform in -1 to 1, float32 [DRAWS, batch].
    """
    side = images.shape[1]
    return warp(
        images,
        theta=draws[0] * math.radians(ROTATION),
        tx=draws[1] * SHIFT * side,
        ty=draws[2] * SHIFT * side,
        flip=draws[3] < 0,
    )


def warp(images: Tensor, theta: Tensor, tx: Tensor, ty: Tensor, flip: Tensor) -> Tensor:
    """Rotate about the centre, shift, then mirror left to right, one set of numbers an image.

    Pixels are interpolated bilinearly, and what lies outside an image is its nearest edge pixel.
    Signs, centre and order are those of `ImageDataGenerator.apply_transform`: the matrix
    rotation · shift takes a place in the result to its place in the source.
    Images are float32 [batch, side, side, channels]; `theta`, the rotation in radians, and `tx` and
    `ty`, shifts along the rotated columns and rows in pixels, float32 [batch]; `flip` bool [batch].
    """
    from keras import ops

    cos, sin = ops.cos(theta), ops.sin(theta)
    last = images.shape[1] - 1.0
    centre = last / 2
    x_offset = centre - cos * (centre - tx) + sin * (centre - ty)
    y_offset = centre - sin * (centre - tx) - cos * (centre - ty)
    # A mirrored result reads column `last - x` where it would have read column x.
    x_step = ops.where(flip, -1.0, 1.0)
    x_start = ops.where(flip, last, 0.0)
    zero = ops.zeros_like(theta)
    transforms = ops.stack(
        [
            cos * x_step, -sin, x_offset + cos * x_start,
            sin * x_step, cos, y_offset + sin * x_start,
            zero, zero,
        ],
        axis=1,
    )  # fmt: skip
    if backends.current() == "torch":
        return _sampled_by_torch(images, transforms)
    return ops.image.affine_transform(
        images,
        transforms,
        interpolation="bilinear",
        fill_mode="nearest",
        data_format="channels_last",
    )


def _sampled_by_torch(images: Tensor, transforms: Tensor) -> Tensor:
    """What `keras.ops.image.affine_transform` computes, 50 times as fast: Keras goes through the
    images of a batch one by one on PyTorch, and takes longer for it than a training step does.
    """
    import torch

    side = images.shape[1]
    places = torch.arange(side, dtype=images.dtype, device=images.device)
    y, x = torch.meshgrid(places, places, indexing="ij")
    here = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    there = torch.einsum("hwk,bck->bhwc", here, transforms[:, :6].reshape(-1, 2, 3))
    sampled = torch.nn.functional.grid_sample(
        images.permute(0, 3, 1, 2),
        there * (2 / (side - 1)) - 1,  # the corners of an image are at -1 and 1
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return sampled.permute(0, 2, 3, 1)
