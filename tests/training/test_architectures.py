from __future__ import annotations

import functools
import importlib
import inspect
import socket
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from lib.study.catalog import ARCHITECTURES, unknown_architecture
from lib.study.config import RunConfig
from lib.training.architectures import WeightsError, build_model, doubts, undrawn
from tests.training import small_base


def build(architecture="VGG16", image_size=32, classes=10, **fields):
    said = {"architecture": architecture, "image_size": image_size, "head": "linear"} | fields
    return build_model(RunConfig(**said), image_size, classes)


def learning(model):
    return sum(weight.numpy().size for weight in model.trainable_weights)


def keras_base(architecture="VGG16", **changes):
    return getattr(keras.applications, architecture)(
        **{"include_top": False, "weights": None, "input_shape": (32, 32, 3)} | changes
    )


def base_of(model):
    return model.layers[1]


def assert_same(weights, others):
    assert len(weights) == len(others)
    for weight, other in zip(weights, others, strict=True):
        np.testing.assert_array_equal(weight, other)


def images(count):
    return np.random.default_rng(0).random((count, 32, 32, 3), dtype=np.float32)


def test_planning_loads_no_framework():
    code = (
        "import sys, lib.training.architectures, lib.training.flops;"
        "assert not {'keras', 'tensorflow', 'keras_flops'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_knows_every_architecture_of_keras():
    there = {name for name, one in vars(keras.applications).items() if inspect.isfunction(one)}
    assert set(ARCHITECTURES) == there
    assert all(name == architecture.name for name, architecture in ARCHITECTURES.items())


def module_of(architecture):
    return importlib.import_module(getattr(keras.applications, architecture).__module__)


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_preprocessing_mode_is_that_of_keras(architecture):
    pixels = images(1) * 255
    mode = architecture.preprocessing_mode
    expected = module_of(architecture.name).preprocess_input(pixels.copy())
    if mode != "none":
        pixels = keras.applications.imagenet_utils.preprocess_input(pixels, mode=mode)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_pixels_go_in_as_they_are_where_the_network_has_layers_for_them(architecture, monkeypatch):
    """Keras builds those layers right after the input, so the rest need not be built."""

    class Reached(Exception):  # noqa: N818
        """As far as the first layer."""

    def stop(self, *_, **__):
        raise Reached(type(self).__name__)

    for kind in ("Rescaling", "Normalization", "Conv2D", "ZeroPadding2D"):
        monkeypatch.setattr(getattr(keras.layers, kind), "__init__", stop)
    side = architecture.smallest_side
    with pytest.raises(Reached) as caught:
        keras_base(architecture.name, input_shape=(side, side, 3))
    scales_itself = str(caught.value) in ("Rescaling", "Normalization")
    assert scales_itself == (architecture.preprocessing_mode == "none")


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_smallest_side_is_that_of_keras(architecture, monkeypatch):
    """Keras checks the size before the input that it would build the network on."""

    class Accepted(Exception):  # noqa: N818
        """As far as the input."""

    def accept(shape):
        raise Accepted(shape)

    least = architecture.smallest_side
    with pytest.raises(ValueError, match=f"at least {least}x{least}"):
        keras_base(architecture.name, input_shape=(least - 1, least - 1, 3))
    monkeypatch.setattr("keras.src.layers.Input", accept)
    with pytest.raises(Accepted, match=f"{least}, {least}, 3"):
        keras_base(architecture.name, input_shape=(least, least, 3))


def test_images_that_are_too_small_are_refused_with_the_least_size():
    message = "image_size: Xception takes images of 71 x 71 pixels or more; set image_size to at"
    config = RunConfig(architecture="Xception", dataset="of_a_file", data_dir=".", image_size=71)
    with pytest.raises(ValueError, match=message):
        build_model(config, 70, 10)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("vgg16", "did you mean VGG16"),
        ("EfficentNetV2B0", "did you mean EfficientNetV2B0"),
        ("mobilenet_v2", "did you mean MobileNetV2"),
    ],
)
def test_a_misspelt_name_is_recognized(name, hint):
    assert hint in unknown_architecture(name)
    assert "VGG16, VGG19; ResNet50" in unknown_architecture(name)


def test_a_name_like_no_other_is_answered_with_all():
    assert unknown_architecture("transformer").startswith("is unknown. Known are VGG16")
    assert all(name in unknown_architecture("transformer") for name in ARCHITECTURES)


def test_pixels_scaled_twice_are_a_doubt():
    (doubt,) = doubts("EfficientNetV2B0", "rescale")
    assert "EfficientNetV2B0 brings pixels of 0 to 255 to its own range" in doubt
    assert doubts("EfficientNetV2B0", "imagenet") == ()
    assert doubts("MobileNetV2", "rescale") == ()


@pytest.fixture
def small():
    """For what is the same on every base: let VGG16 and MobileNetV2 have few layers."""
    with small_base.in_place():
        yield


def test_head_of_the_paper(small):
    with undrawn():
        head = build(head="paper", optimizer="sgd").get_layer("head")
    assert [type(layer).__name__ for layer in head.layers] == [
        *("Flatten", "Dense", "Dense", "Dropout", "Dense")
    ]
    dense = [layer for layer in head.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [4096, 4096, 10]
    assert [layer.activation.__name__ for layer in dense] == ["relu", "relu", "softmax"]
    assert head.layers[3].rate == 0.5


def test_linear_head_does_not_grow_with_the_images(small):
    model, larger = build(classes=7), build(classes=7, image_size=64)
    assert learning(model) == learning(larger) == small_base.CHANNELS * 7 + 7
    assert larger.output_shape == (None, 7)


@pytest.mark.parametrize("head", ["paper", "linear"])
def test_same_seed_same_weights_whatever_was_built_before(small, head):
    how = {"head": head, "optimizer": "sgd"}
    first = build(**how).get_weights()
    build("MobileNetV2", image_size=64, trainable="all")
    assert_same(build(**how).get_weights(), first)
    other = build(**how, seed=2).get_weights()
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True) if np.ptp(a))


def test_head_starts_alike_whatever_the_weights_of_the_base(small, tmp_path):
    file = tmp_path / "base.weights.h5"
    keras_base().save_weights(file)
    assert_same(
        build(weights=str(file)).get_layer("head").get_weights(),
        build().get_layer("head").get_weights(),
    )


def test_frozen_base_computes_in_training_as_in_inference(few_blocks):
    model = build("EfficientNetV2B0")  # it has batch normalization, and drops paths
    base, x = base_of(model).get_weights(), images(4)
    np.testing.assert_allclose(model(x, training=True), model(x), rtol=1e-5, atol=1e-5)
    assert_same(base_of(model).get_weights(), base)


def test_training_changes_the_head_and_not_a_frozen_base(small):
    model = build()  # its batch normalization has statistics that training could move
    base, head = base_of(model).get_weights(), model.get_layer("head").get_weights()
    x = images(8)
    np.testing.assert_allclose(model(x, training=True), model(x), rtol=1e-5, atol=1e-5)
    model.fit(x, np.arange(8) % 10, batch_size=4, verbose=0)
    assert_same(base_of(model).get_weights(), base)
    assert not np.array_equal(model.get_layer("head").get_weights()[0], head[0])


def test_tensorflow_traces_a_training_step_once_and_no_gradient_of_a_frozen_base(small):
    model = build()
    step, seen = model.train_step, []

    def traced(batch):
        with tf.GradientTape() as tape:
            logs = step(batch)
        seen.append(len(tape.watched_variables()))
        return logs

    model.train_step = traced
    model.fit(images(8), np.arange(8), batch_size=4, verbose=0)
    assert seen == [2], "once, with the kernel and the bias of the head"


def test_trainable_all_lets_the_base_learn_its_weights_and_statistics(small):
    frozen, model = build(), build(trainable="all")
    base = base_of(model)
    assert len(base.trainable_weights) == 4 * 2  # kernel and bias; scale and shift
    assert len(model.trainable_weights) == 4 * 2 + len(frozen.trainable_weights)
    statistics = [weight.numpy() for weight in base.non_trainable_weights]
    model(images(2), training=True)
    for before, after in zip(statistics, base.non_trainable_weights, strict=True):
        assert not np.array_equal(before, after)


def test_compiled_for_integer_labels(small):
    model = build(optimizer="sgd", learning_rate=0.25)
    x, y = images(4), np.array([0, 9, 3, 3], dtype=np.int32)
    loss, accuracy = model.evaluate(x, y, verbose=0)
    probabilities = model.predict(x, verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(4), y]).mean(), rel=1e-4)
    assert accuracy == (probabilities.argmax(axis=1) == y).mean()
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == 0.25


def test_learning_rate_is_by_default_the_optimizers(small):
    assert float(build().optimizer.learning_rate) == pytest.approx(0.001)
    assert float(build(optimizer="sgd").optimizer.learning_rate) == pytest.approx(0.01)


def saved_weights(base, path):
    base.save_weights(path)


def saved_model(base, path):
    base.save(path)


def saved_as_keras_applications_does(base, path):
    """The layout of the official `..._notop.h5`: the layers at the root of the file."""
    whole = path.with_name("whole.h5")
    base.save(whole)
    with h5py.File(whole) as source, h5py.File(path, "w") as target:
        for name in source["model_weights"]:
            source.copy(f"model_weights/{name}", target)
        target.attrs.update(source["model_weights"].attrs)


NOTOP = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"


@pytest.fixture(scope="module")
def shifted_base():
    """A base with other weights than a model is built with, batch normalization's too."""

    @functools.cache
    def make(architecture):
        base = keras_base(architecture)
        base.set_weights([weight + 0.5 for weight in base.get_weights()])
        return base

    return make


@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras finds .h5 old
@pytest.mark.parametrize(
    ("architecture", "save", "file"),
    [
        ("VGG16", saved_as_keras_applications_does, NOTOP),
        ("VGG16", saved_weights, "base.weights.h5"),
        ("VGG16", saved_model, "base.keras"),
        ("VGG16", saved_model, "base.h5"),
        ("ResNet50", saved_as_keras_applications_does, NOTOP.replace("vgg16", "resnet50")),
        ("ResNet50", saved_weights, "base.weights.h5"),
        ("MobileNetV2", saved_as_keras_applications_does, "mobilenet_v2_notop.h5"),
        ("ConvNeXtTiny", saved_as_keras_applications_does, "convnext_tiny_notop.h5"),
    ],
)
def test_loads_weights_from_a_file(few_blocks, shifted_base, architecture, save, file, tmp_path):
    base = shifted_base(architecture)
    save(base, tmp_path / file)
    # A larger image: the file does not depend on the size of the images.
    model = build(architecture, weights=str(tmp_path / file), image_size=48)
    assert_same(base_of(model).get_weights(), base.get_weights())


def test_efficientnet_from_a_file_computes_what_keras_computes_with_imagenet(
    few_blocks, tmp_path, monkeypatch
):
    """Keras builds EfficientNet B0 to B7 with one layer more where it loads ImageNet's weights."""
    base = keras_base("EfficientNetB0")
    pixels = next(layer for layer in base.layers if isinstance(layer, keras.layers.Normalization))
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    pixels.set_weights([mean, deviation, np.array(0)])
    file = tmp_path / "efficientnetb0_notop.h5"
    saved_as_keras_applications_does(base, file)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(file))
    x = images(2) * 255
    of_keras = base_of(build("EfficientNetB0", weights="imagenet"))(x)
    from_file = base_of(build("EfficientNetB0", weights=str(file)))(x)
    np.testing.assert_allclose(from_file, of_keras, rtol=1e-3, atol=1e-6)
    assert not np.allclose(base(x), of_keras, rtol=0.1), "as the file has them"


def test_no_weights_are_drawn_that_a_file_brings(small, tmp_path, monkeypatch):
    """JAX takes half a second for each shape of them."""
    file = tmp_path / "base.weights.h5"
    keras_base().save_weights(file)
    drawn = []
    draw = keras.initializers.VarianceScaling.__call__

    def noted(self, shape, dtype=None):
        drawn.append(shape)
        return draw(self, shape, dtype)

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", noted)
    build(weights=str(file))
    assert drawn == [(small_base.CHANNELS, 10)], "the head's"


def test_file_of_weights_may_lie_in_the_home_folder(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    base = keras_base()
    base.save_weights(tmp_path / "base.weights.h5")
    assert_same(base_of(build(weights="~/base.weights.h5")).get_weights(), base.get_weights())


def refused(path):
    """What is said of weights that can't be loaded."""
    with pytest.raises(WeightsError) as caught:
        build(weights=str(path))
    message = str(caught.value)
    assert message.startswith("weights: ")
    assert str(path) in message
    assert "\n" not in message
    return message


def assert_right_ones_are_named(message):
    assert "does not hold weights of VGG16 without its top" in message
    assert "keras.applications.VGG16(include_top=False)" in message


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_weights_of_another_network_are_one_clear_error(few_blocks, tmp_path):
    with undrawn():
        keras_base("VGG19").save_weights(tmp_path / "other.weights.h5")
        build(optimizer="sgd").save_weights(tmp_path / "whole.weights.h5")
        keras_base(include_top=True, classes=10).save(tmp_path / "top.h5")
    for file in ("other.weights.h5", "whole.weights.h5", "top.h5"):
        assert_right_ones_are_named(refused(tmp_path / file))


@pytest.mark.parametrize("file", ["text.h5", "text.weights.h5", "text.keras", "text.txt"])
def test_a_file_that_holds_no_weights_is_one_clear_error(small, file, tmp_path):
    path = tmp_path / file
    path.write_text("no weights in here")
    assert_right_ones_are_named(refused(path))


def test_a_file_that_is_nowhere_is_one_clear_error(small, tmp_path):
    refused(tmp_path / "missing.h5")


def test_imagenet_without_internet_names_both_ways_out(few_blocks, tmp_path, monkeypatch):
    def no_internet(*_, **__):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_internet)
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with pytest.raises(WeightsError) as caught:
        build(weights="imagenet")
    message = str(caught.value)
    assert "ImageNet weights of VGG16" in message
    assert "Name or service not known" in message
    assert "weights to a file" in message
    assert "none" in message
