from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn.datasets import load_sample_image

from lib.study.config import RunConfig
from lib.training import augmentation, input_pipeline
from lib.training.datasets import Dataset

PHOTO = load_sample_image("china.jpg").astype(np.float32)


def augmented(images: np.ndarray, seed: int) -> np.ndarray:
    draws = np.random.default_rng(seed).uniform(-1, 1, (augmentation.DRAWS, len(images)))
    return augmentation.augment(tf.constant(images), tf.constant(draws, tf.float32)).numpy()


def generator():
    """What the authors used."""
    return tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=15, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True
    )


@pytest.mark.parametrize("side", [32, 33, 48])
def test_warp_gives_the_pixels_of_image_data_generator(side):
    images = np.stack([PHOTO[10 * i :, 15 * i :][:side, :side] for i in range(24)])
    np.random.seed(side)
    draws = [generator().get_random_transform((side, side, 3)) for _ in images]
    theirs = np.stack(
        [
            generator().apply_transform(image, draw)
            for image, draw in zip(images, draws, strict=True)
        ]
    )
    ours = augmentation.warp(
        tf.constant(images),
        theta=tf.constant([math.radians(draw["theta"]) for draw in draws], tf.float32),
        tx=tf.constant([draw["tx"] for draw in draws], tf.float32),
        ty=tf.constant([draw["ty"] for draw in draws], tf.float32),
        flip=tf.constant([bool(draw["flip_horizontal"]) for draw in draws]),
    )
    assert {bool(draw["flip_horizontal"]) for draw in draws} == {True, False}
    np.testing.assert_allclose(ours, theirs, atol=0.05)  # of 255
    assert abs(theirs - images).mean() > 10  # the comparison is of images that did move


def coordinates(side: int) -> np.ndarray:
    """An image whose pixels say where they are: red counts columns, green counts rows."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    return np.stack([columns, rows, np.zeros_like(rows)], axis=-1)


def parameters(warped: np.ndarray) -> dict[str, np.ndarray]:
    """Read rotation (degrees), shifts (pixels) and mirroring off warped `coordinates`."""
    side = warped.shape[1]
    middle = side // 2
    patch = warped[:, middle - 1 : middle + 1, middle - 1 : middle + 1, :2]
    centre = patch.mean(axis=(1, 2)) - (side - 1) / 2
    across, down = patch[:, 0, 1] - patch[:, 0, 0], patch[:, 1, 0] - patch[:, 0, 0]
    theta = np.arctan2(-down[:, 0], down[:, 1])
    cos, sin = np.cos(theta), np.sin(theta)
    return {
        "theta": np.degrees(theta),
        "tx": cos * centre[:, 0] + sin * centre[:, 1],
        "ty": cos * centre[:, 1] - sin * centre[:, 0],
        "flip": across[:, 0] < 0,
    }


SIDE, DRAWS = 40, 4000


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """What a training sees: the random numbers are those of its own pipeline."""
    images = np.repeat(coordinates(SIDE)[np.newaxis].astype(np.uint8), DRAWS, axis=0)
    labels = np.zeros(DRAWS, np.int32)
    said = {"class_names": ("a", "b"), "source": "made", "notes": (), "name": "x"}
    data = Dataset(images, labels, images, labels, fingerprint="f00", **said)
    feed = input_pipeline.training_images(data, RunConfig(), seed=1, shuffle=True)
    return parameters(np.concatenate([seen for seen, _ in feed.as_numpy_iterator()]) * 255)


def test_parameters_can_be_read_off_what_the_generator_returns():
    """The yardstick of the next tests, held against a transformation whose numbers are known."""
    known = {"theta": 10.0, "tx": 1.5, "ty": -2.5, "flip_horizontal": True}
    warped = generator().apply_transform(coordinates(SIDE), known)
    read = parameters(warped[np.newaxis])
    assert read["theta"][0] == pytest.approx(10, abs=1e-3)
    assert read["tx"][0] == pytest.approx(1.5, abs=1e-3)
    assert read["ty"][0] == pytest.approx(-2.5, abs=1e-3)
    assert read["flip"][0]


@pytest.mark.parametrize(("name", "largest"), [("theta", 15), ("tx", 4), ("ty", 4)])
def test_angles_and_shifts_are_distributed_like_those_of_the_generator(drawn, name, largest):
    np.random.seed(3)
    theirs = [generator().get_random_transform((SIDE, SIDE, 3))[name] for _ in range(DRAWS)]
    assert stats.ks_2samp(drawn[name], theirs).pvalue > 0.01
    assert stats.kstest(drawn[name], stats.uniform(-largest, 2 * largest).cdf).pvalue > 0.01
    assert abs(drawn[name]).max() == pytest.approx(largest, rel=0.01)


def test_half_the_images_are_mirrored_and_nothing_depends_on_anything_else(drawn):
    assert stats.binomtest(int(drawn["flip"].sum()), DRAWS).pvalue > 0.01
    correlations = np.corrcoef(list(drawn.values()))[~np.eye(4, dtype=bool)]
    assert abs(correlations).max() < 4 / math.sqrt(DRAWS)


def test_augmented_images_look_like_those_of_the_generator():
    """The same distribution, seen in pixels: brightness of the four quarters of a photograph."""
    photo = PHOTO[200:232, 300:332]
    np.random.seed(5)
    make = generator()
    theirs = np.stack([make.random_transform(photo) for _ in range(1500)])
    ours = augmented(np.repeat(photo[np.newaxis], 1500, axis=0), 5)
    for rows in (slice(0, 16), slice(16, 32)):
        for columns in (slice(0, 16), slice(16, 32)):
            quarter = (slice(None), rows, columns)
            found = stats.ks_2samp(
                ours[quarter].mean(axis=(1, 2, 3)), theirs[quarter].mean(axis=(1, 2, 3))
            )
            assert found.pvalue > 0.005


def test_edges_are_filled_with_their_nearest_pixel():
    grey = np.full((64, 32, 32, 3), 77, np.float32)
    np.testing.assert_allclose(augmented(grey, 0), grey, rtol=1e-5)
