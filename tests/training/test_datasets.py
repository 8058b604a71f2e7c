from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from lib.study.catalog import DATASETS
from lib.study.config import RunConfig
from lib.training import datasets
from tests import needs

rng = np.random.default_rng(0)


def save(folder: Path, name: str, shape: tuple[int, ...], counts=(40, 20), classes=4) -> str:
    """Write `<name>.npz` of random images and return its folder, for `data_dir`."""
    arrays = {}
    for split, count in zip(("train", "test"), counts, strict=True):
        arrays[f"x_{split}"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        arrays[f"y_{split}"] = np.arange(count) % classes
    np.savez(folder / f"{name}.npz", **arrays)
    return str(folder)


@pytest.fixture
def tiles(tmp_path) -> str:
    return save(tmp_path, "tiles", (36, 36))


def load(**fields) -> datasets.Dataset:
    return datasets.load(RunConfig(**fields))


# --- where the images come from


def test_digits_are_split_once_and_for_all():
    digits = load(dataset="digits")
    assert digits.x_train.shape == (1437, 32, 32, 3)
    assert digits.x_test.shape == (360, 32, 32, 3)
    assert digits.x_train.dtype == np.uint8
    assert digits.x_train.max() == 255
    share = np.bincount(digits.y_train) / np.bincount(np.r_[digits.y_train, digits.y_test])
    assert abs(share - 0.8).max() < 0.01
    assert digits.class_names == tuple("0123456789")
    assert digits.fingerprint == load(dataset="digits", seed=99).fingerprint == "0255f1096e801aab"


@needs.images
@pytest.mark.parametrize(("name", "side", "train"), [("mnist", 48, 8000), ("cifar10", 32, 10000)])
def test_real_images_come_at_the_paper_s_size(name, side, train):
    dataset = load(dataset=name, data_dir=str(needs.IMAGES))
    assert dataset.x_train.shape == (train, side, side, 3)
    assert dataset.image_size == side
    assert dataset.classes == len(DATASETS[name].class_names) == 10
    assert dataset.source == f"data_dir/{name}.npz"
    assert dataset.notes == ()


def test_a_file_of_one_s_own_is_at_least_32_pixels_wide(tmp_path):
    small = load(dataset="small", data_dir=save(tmp_path, "small", (20, 20, 3)))
    large = load(dataset="large", data_dir=save(tmp_path, "large", (40, 40, 3)))
    assert (small.image_size, large.image_size) == (32, 40)
    assert small.classes == 4
    assert load(dataset="large", data_dir=str(tmp_path), image_size=64).image_size == 64


def test_images_that_are_not_square_are_stretched_and_said_so(tmp_path):
    oblong = load(dataset="oblong", data_dir=save(tmp_path, "oblong", (20, 40)))
    assert oblong.x_test.shape == (20, 40, 40, 3)
    assert oblong.notes == ("Images of 20 x 40 were stretched to 40 x 40.",)


def test_data_dir_comes_before_a_download(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: pytest.fail("downloaded"))
    mnist = load(dataset="mnist", data_dir=save(tmp_path, "mnist", (28, 28)))
    assert len(mnist.y_train) == 40
    assert mnist.classes == 10
    assert mnist.notes == ("6 of 10 classes have no image to train on.",)


def test_keras_is_asked_where_data_dir_has_no_file(tiles, monkeypatch):
    images = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    labels = (np.arange(20) % 10).astype(np.uint8)[:, np.newaxis]
    answer = (images, labels), (images[:10], labels[:10])
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: answer)
    cifar10 = load(dataset="cifar10", data_dir=tiles)
    np.testing.assert_array_equal(cifar10.x_train, images)
    assert cifar10.y_train.tolist() == labels.ravel().tolist()
    assert cifar10.source == "keras.datasets.cifar10"
    assert cifar10.class_names[3] == "cat"


def test_without_internet_the_error_names_both_ways_out(monkeypatch):
    def fail():
        raise Exception("URL fetch failure on https://example.org/mnist.npz")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(ConnectionError) as caught:
        load(dataset="mnist")
    for word in ("URL fetch failure", "data_dir", "mnist.npz", "dataset to digits"):
        assert word in str(caught.value)


def test_a_dataset_that_is_nowhere_is_named(tiles):
    with pytest.raises(FileNotFoundError, match=r"'faces\.npz'.*digits, mnist, cifar10"):
        load(dataset="faces", data_dir=tiles)


# --- which of them are used


def test_limits_take_every_class_in_turn_whatever_the_seed(tmp_path):
    folder = save(tmp_path, "tiles", (36, 36), counts=(400, 40))
    limited = load(dataset="tiles", data_dir=folder, train_limit=42, test_limit=8)
    assert sorted(np.bincount(limited.y_train)) == [10, 10, 11, 11]
    assert np.bincount(limited.y_test).tolist() == [2, 2, 2, 2]
    again = load(dataset="tiles", data_dir=folder, train_limit=42, test_limit=8, seed=7)
    np.testing.assert_array_equal(again.x_train, limited.x_train)


def test_a_sorted_file_is_limited_to_all_of_its_classes():
    labels = np.repeat([0, 1, 2], [10, 2, 10])
    assert labels[datasets.balanced(labels, 8)].tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


def test_a_limit_above_the_number_of_images_is_said(tiles):
    limited = load(dataset="tiles", data_dir=tiles, train_limit=40, test_limit=99)
    assert limited.notes == ("test_limit is 99; all of the 20 images are used.",)
    assert len(limited.y_test) == 20


def test_the_fingerprint_is_that_of_the_images_in_use(tiles):
    def fingerprint(**fields):
        return load(dataset="tiles", data_dir=tiles, **fields).fingerprint

    assert fingerprint() == fingerprint(image_size=64, grey_to_rgb="as_run", seed=9)
    assert fingerprint() != fingerprint(train_limit=39)
    path = Path(tiles) / "tiles.npz"
    arrays = dict(np.load(path))
    arrays["y_test"][0] = 1
    before = fingerprint()
    np.savez(path, **arrays)
    assert fingerprint() != before


# --- grey images in three channels


def test_repeat_makes_three_equal_channels():
    images = rng.integers(0, 256, (5, 28, 28), dtype=np.uint8)
    rgb = datasets.to_rgb(images, 28, "repeat")
    for channel in range(3):
        np.testing.assert_array_equal(rgb[..., channel], images)


def test_as_run_shows_every_image_three_times_side_by_side():
    image = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]], np.uint8)
    rgb = datasets.to_rgb(image, 3, "as_run")
    assert rgb.tolist() == [[[[1, 2, 3]] * 3, [[4, 5, 6]] * 3, [[7, 8, 9]] * 3]]


def authors_images(x: np.ndarray) -> np.ndarray:
    """The authors' own steps, in the Keras of their time and of today."""
    x = np.dstack([x] * 3).reshape(-1, 28, 28, 3)
    resized = [keras.utils.array_to_img(im, scale=False).resize((48, 48)) for im in x]
    return np.asarray([keras.utils.img_to_array(im) for im in resized])


def test_as_run_gives_the_authors_pixels():
    images = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(datasets.to_rgb(images, 48, "as_run"), authors_images(images))


def test_as_run_says_that_it_leaves_colour_alone(tmp_path):
    folder = save(tmp_path, "tiles", (36, 36, 3))
    as_run = load(dataset="tiles", data_dir=folder, grey_to_rgb="as_run")
    np.testing.assert_array_equal(as_run.x_train, load(dataset="tiles", data_dir=folder).x_train)
    assert "in colour" in as_run.notes[0]


def test_planning_a_study_loads_no_framework():
    program = (
        "import sys, lib.training.datasets; "
        "print({'keras', 'tensorflow', 'sklearn', 'PIL'} & set(sys.modules) or 'none')"
    )
    folder = Path(__file__).resolve().parents[2]
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "none"
