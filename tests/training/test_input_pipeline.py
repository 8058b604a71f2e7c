"""What a network is fed with, on TensorFlow."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from lib.study.config import RunConfig
from lib.training import architectures, datasets, input_pipeline
from tests.training.test_datasets import save


@pytest.fixture
def tiles(tmp_path) -> str:
    return save(tmp_path, "tiles", (36, 36))


def fed(batches: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.fixture
def config(tiles) -> RunConfig:
    return RunConfig(dataset="tiles", data_dir=tiles, batch_size=16)


def test_an_epoch_holds_every_image_once_and_a_smaller_last_batch(config):
    config = config.model_copy(update={"augmentation": "none"})
    dataset = datasets.load(config)
    train, validation = input_pipeline.images(dataset, config)
    assert [len(labels) for _, labels in train] == [16, 16, 8]
    assert (len(train), len(validation)) == (3, 2)
    assert train.element_spec == validation.element_spec
    images, labels = train.element_spec
    assert (images.dtype, images.shape[1:]) == (tf.float32, (36, 36, 3))
    assert labels.dtype == tf.int32

    images, labels = fed(train)
    raw = dataset.x_train.astype(np.float32) / 255
    order = [int(np.flatnonzero((raw == image).all(axis=(1, 2, 3)))[0]) for image in images]
    assert sorted(order) == list(range(40))
    assert order != sorted(order)
    np.testing.assert_array_equal(labels, dataset.y_train[order])


def test_the_same_seed_gives_the_same_images_and_every_epoch_its_own(config):
    dataset = datasets.load(config)
    train, _ = input_pipeline.images(dataset, config)
    first, second = fed(train), fed(train)
    assert first[1].tolist() != second[1].tolist()
    assert sorted(first[0].sum(axis=(1, 2, 3))) != sorted(second[0].sum(axis=(1, 2, 3)))

    again, _ = input_pipeline.images(dataset, config)
    for epoch in (first, second):
        for ours, theirs in zip(epoch, fed(again), strict=True):
            np.testing.assert_array_equal(ours, theirs)

    other, _ = input_pipeline.images(dataset, config.model_copy(update={"seed": 2}))
    assert fed(other)[1].tolist() != first[1].tolist()


def test_no_two_images_are_augmented_alike_within_an_epoch_or_between_two(config):
    dataset = datasets.load(config)
    same = datasets.Dataset(
        **vars(dataset) | {"x_train": np.repeat(dataset.x_train[:1], 40, axis=0)}
    )
    train, _ = input_pipeline.images(same, config)
    seen = {image.tobytes() for _ in range(3) for image in fed(train)[0]}
    assert len(seen) == 3 * 40


def test_validation_images_are_never_augmented_or_shuffled(config):
    dataset = datasets.load(config)
    _, validation = input_pipeline.images(dataset, config)
    for _ in range(2):
        images, labels = fed(validation)
        np.testing.assert_array_equal(images, dataset.x_test.astype(np.float32) / 255)
        np.testing.assert_array_equal(labels, dataset.y_test)


@pytest.mark.parametrize(
    ("architecture", "module"),
    [("VGG16", keras.applications.vgg16), ("ResNet50", keras.applications.resnet)],
)
def test_imagenet_is_the_preprocessing_of_the_architecture(config, architecture, module):
    config = config.model_copy(update={"architecture": architecture, "preprocessing": "imagenet"})
    dataset = datasets.load(config)
    images, _ = fed(input_pipeline.images(dataset, config)[1])
    expected = module.preprocess_input(dataset.x_test.astype(np.float32))
    np.testing.assert_allclose(images, expected, atol=1e-4)
    assert images.min() < -50


def test_a_network_learns_from_the_pipelines():
    config = RunConfig(dataset="digits", batch_size=64)
    dataset = datasets.load(config)
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((dataset.image_size, dataset.image_size, 3)),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(dataset.classes, activation="softmax"),
        ]
    )
    architectures.compile_classifier(model, keras.optimizers.Adam(0.01))
    train, validation = input_pipeline.images(dataset, config)
    history = model.fit(
        train, validation_data=validation, epochs=3, shuffle=False, verbose=0
    ).history
    assert history["val_accuracy"][-1] > 0.6


@pytest.mark.parametrize("augmentation", ["paper", "none"])
def test_samples_show_every_class_before_and_after(config, augmentation):
    config = config.model_copy(update={"augmentation": augmentation})
    dataset = datasets.load(config)
    plain, augmented, labels = input_pipeline.examples(dataset, config, count=8)
    assert plain.shape == augmented.shape == (8, 36, 36, 3)
    assert plain.dtype == augmented.dtype == np.uint8
    assert sorted(labels) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (plain == augmented).all() == (augmentation == "none")
