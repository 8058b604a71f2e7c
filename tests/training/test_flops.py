from __future__ import annotations

import functools
import importlib
import random
import sys
from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
from tensorflow.python.framework import ops

from lib.study.catalog import ARCHITECTURES
from lib.study.config import RunConfig
from lib.training import flops
from lib.training.architectures import build_model, undrawn
from tests.training import small_base


def build(architecture="VGG16", **changes):
    """FLOPs depend on shapes alone."""
    said = {"image_size": 32, "optimizer": "sgd"} | changes
    with undrawn():
        return build_model(RunConfig(architecture=architecture, **said), said["image_size"], 10)


def small(*hidden, size=8, channels=3):
    """A model laid out like those of `build_model`, quick to build."""
    inputs = keras.Input((size, size, channels))
    features = inputs
    for layer in hidden:
        features = layer(features)
    head = keras.Sequential([keras.Input(features.shape[1:]), layers.Flatten(), layers.Dense(2)])
    head.name = "head"
    return keras.Model(inputs, head(features))


@pytest.fixture(scope="module")
def network():
    """Networks for images of 32 pixels: the paper's, and others with few of their blocks."""

    @functools.cache
    def make(architecture, head="paper"):
        of_the_paper = architecture in ("VGG16", "VGG19", "ResNet50")
        with nullcontext() if of_the_paper else small_base.few_blocks():
            return build(architecture, head=head)

    return make


# The paper's section 3.3 and Table 2, to the digit: FLOPs and weights, of all and of those layers
# that learn.
@pytest.mark.parametrize(
    ("architecture", "image_size", "total", "head", "weights", "learning"),
    [
        ("VGG16", 32, 21268268928, 1210845056, 33638218, 18923530),
        ("VGG19", 32, 26704938880, 1210845056, 38947914, 18923530),
        ("ResNet50", 32, 6675494400, 1613498240, 48802698, 25214986),
        ("VGG16", 48, 46339966848, 1210845056, 33638218, 18923530),
        ("VGG19", 48, 58572474240, 1210845056, 38947914, 18923530),
        ("ResNet50", 48, 16289166848, 3224110976, 73968522, 50380810),
    ],
)
def test_table_2_of_the_paper_by_both_counts(
    network, architecture, image_size, total, head, weights, learning
):
    small = image_size == 32
    model = network(architecture) if small else build(architecture, image_size=image_size)
    assert flops.count(model) == flops.Flops(
        flops=total, flops_head=head, counted=total, counted_head=head
    )
    assert model.count_params() == weights
    assert sum(weight.numpy().size for weight in model.trainable_weights) == learning


def test_counts_agree_for_another_batch_and_head():
    with small_base.in_place():
        counted = flops.count(build(head="linear"), batch_size=7)
    assert counted.counted == counted.flops
    assert counted.counted_head == counted.flops_head
    assert counted.doubts == ()


def test_what_is_trainable_does_not_change_a_forward_batch():
    model = small(layers.Conv2D(4, 3), layers.BatchNormalization())
    model.layers[1].trainable = model.layers[2].trainable = False
    head_learns = flops.count(model)
    model.layers[1].trainable = model.layers[2].trainable = True
    assert flops.count(model) == head_learns


@pytest.mark.parametrize(
    "hidden",
    [
        [layers.Conv2D(4, 3, strides=2, padding="same"), layers.BatchNormalization(scale=False)],
        [layers.Conv2D(4, (1, 5), use_bias=False), layers.MaxPooling2D(3, strides=1)],
        [layers.DepthwiseConv2D(3, depth_multiplier=2), layers.AveragePooling2D(2)],
        [layers.ZeroPadding2D(), layers.ReLU(), layers.Dropout(0.5)],
        [layers.Dense(5, activation="softmax"), layers.Activation("softmax")],
        [layers.SeparableConv2D(6, 3, depth_multiplier=2, strides=2, activation="silu")],
        [layers.Conv2D(6, 3, groups=3), layers.LayerNormalization(), layers.Activation("gelu")],
        [layers.Rescaling(1 / 255), layers.Normalization(mean=[0.5] * 3, variance=[2.0] * 3)],
        [layers.Activation("hard_silu"), layers.ReLU(6), layers.Activation("sigmoid")],
    ],
    ids=lambda hidden: "-".join(type(layer).__name__ for layer in hidden),
)
def test_rules_of_single_layers_match_the_profiler(hidden):
    counted = flops.count(small(*hidden))
    assert counted.counted == counted.flops
    assert counted.doubts == ()


# Between them, and the tests of single layers, they have every kind of layer in keras.applications.
@pytest.mark.parametrize(
    "architecture",
    [
        *("MobileNetV2", "MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny", "Xception"),
    ],
)
def test_other_architectures_agree_to_the_digit(network, architecture):
    side = ARCHITECTURES[architecture].smallest_side
    how = {"image_size": side, "head": "linear"}
    model = build(architecture, **how) if side > 32 else network(architecture, "linear")
    counted = flops.count(model)
    assert counted.counted == counted.flops
    assert counted.doubts == ()
    assert None not in [layer.forward for layer in flops.by_layer(model, 1)]


def test_sums_and_products_without_a_layer_count():
    inputs = keras.Input((8, 8, 3))
    outputs = layers.Flatten()((inputs + 3.0) * (1 / 6) + inputs)  # one each
    head = keras.Sequential([keras.Input(outputs.shape[1:]), layers.Dense(2)], name="head")
    counted = flops.count(keras.Model(inputs, head(outputs)), batch_size=1)
    assert counted.counted == counted.flops
    assert counted.counted - counted.counted_head == 3 * (8 * 8 * 3)


def test_scaled_sum_of_inception_resnet_matches_the_profiler():
    inputs = keras.Input((8, 8, 3))
    inner = keras.Model(inputs, CustomScaleLayer(0.2)([inputs, layers.ReLU()(inputs)]))
    counted = flops.count(small(inner), batch_size=1)
    assert counted.counted == counted.flops
    assert counted.counted - counted.counted_head == 2 * (8 * 8 * 3)


def test_layer_by_hand():
    model = small(layers.Conv2D(5, 3))  # 8 x 8 x 3 becomes 6 x 6 x 5
    rows = {row.kind: row for row in flops.by_layer(model, batch_size=2)}
    multiply_adds = 2 * 6 * 6 * 5 * (3 * 3 * 3)
    bias = 2 * 6 * 6 * 5
    assert rows["Conv2D"] == flops.LayerFlops(
        "Conv2D", forward=2 * multiply_adds + bias, backward=2 * multiply_adds + bias
    )


def test_difference_of_the_two_counts_is_a_doubt():
    counted = flops.count(small(layers.Conv2DTranspose(16, 3)))
    assert counted.flops > counted.counted
    assert counted.reason is None
    difference, unknown = counted.doubts
    assert f"keras-flops counts {counted.flops}" in difference
    assert f"give {counted.counted}" in difference
    assert "Conv2DTranspose" in unknown


def test_without_keras_flops_there_is_a_reason(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_flops", None)
    counted = flops.count(network("VGG16"))
    assert (counted.flops, counted.flops_head) == (None, None)
    assert "keras-flops failed with ModuleNotFoundError" in counted.reason
    assert counted.counted == 21268268928
    assert counted.doubts == ()


def test_on_another_backend_there_is_a_reason_and_what_is_not_counted(monkeypatch):
    model = small(layers.Conv2DTranspose(16, 3))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    counted = flops.count(model)
    assert counted.flops is None
    assert "needs Keras on TensorFlow, and here Keras runs on jax" in counted.reason
    assert len(counted.doubts) == 1
    assert "Conv2DTranspose" in counted.doubts[0]
    unknown = next(row for row in flops.by_layer(model, 32) if row.kind == "Conv2DTranspose")
    assert (unknown.forward, unknown.backward) == (None, None)


def test_measuring_leaves_everything_as_it_was(capfd):
    model = small(layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Dropout(0.5))
    weights = model.get_weights()
    register = ops.RegisterStatistics.__call__
    profile = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation
    logger = dict(vars(tf.get_logger()))
    eagerly = tf.config.functions_run_eagerly()
    random.seed(5)
    np.random.seed(5)
    states = random.getstate(), np.random.get_state()[1].copy()
    capfd.readouterr()

    flops.count(model)

    printed = capfd.readouterr()
    assert "_TFProfRoot" not in printed.out + printed.err
    assert "deprecated" not in printed.err
    assert printed.out == ""
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert ops.RegisterStatistics.__call__ is register
    assert tf.compat.v1.profiler.ProfileOptionBuilder.float_operation is profile
    assert vars(tf.get_logger()) == logger
    assert tf.config.functions_run_eagerly() == eagerly
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_training_is_the_same_with_and_without_measuring():
    x = np.random.default_rng(0).random((8, 8, 8, 3), dtype=np.float32)
    y = np.arange(8) % 2

    def trained(measure):
        keras.utils.set_random_seed(1)
        model = small(layers.Conv2D(4, 3), layers.Dropout(0.5))
        if measure:
            flops.count(model)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, batch_size=4, epochs=2, verbose=0)
        return model.get_layer("head").get_weights()[0]

    np.testing.assert_array_equal(trained(measure=True), trained(measure=False))


def test_bridge_mends_an_import_that_failed_before(network, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "keras_flops"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(KeyError):
        importlib.import_module("keras_flops")
    counted = flops.count(network("VGG16"))
    assert (counted.flops, counted.reason) == (21268268928, None)


def test_what_the_outputs_do_not_need_is_not_counted():
    without, with_penalty = (
        flops.count(small(layers.Conv2D(4, 3, activity_regularizer=penalty)))
        for penalty in (None, "l2")
    )
    assert with_penalty == without


def profiled(graph):
    """Floating-point operations of a graph by TensorFlow's profiler."""
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    return tf.compat.v1.profiler.profile(graph=graph, options=options).total_float_ops


def gradient_flops(model, batch_size):
    """Forward and backward pass of one batch, by the profiler on the graph of the gradients: where
    the head learns, and where all does.
    """
    with tf.Graph().as_default() as graph:
        # One call for both, as a graph of each would take as long again.
        frozen = [tf.zeros(v.shape, v.dtype) for v in model.non_trainable_variables]
        head = [tf.zeros(variable.shape) for variable in model.trainable_variables]
        base = [v for v in frozen if v.dtype.is_floating]
        with tf.GradientTape() as of_head, tf.GradientTape() as of_all:
            of_head.watch(head)
            of_all.watch(head + base)
            images = tf.compat.v1.placeholder("float32", [batch_size, *model.input_shape[1:]])
            outputs, _ = model.stateless_call(head, frozen, images, training=False)
        forward = profiled(graph)
        of_head.gradient(outputs, head)
        head_learns = profiled(graph)
        of_all.gradient(outputs, head + base)
        return head_learns, profiled(graph) - (head_learns - forward)


@pytest.mark.parametrize(
    ("architecture", "head", "tolerance"),
    [("VGG16", "paper", 0.002), ("ResNet50", "paper", 0.02), ("MobileNetV2", "linear", 0.04)],
)
def test_training_step_matches_the_graph_of_its_gradients(network, architecture, head, tolerance):
    model = network(architecture, head)
    head_learns, all_learn = gradient_flops(model, 32)

    def step():
        return flops.flops_epoch(model, train_images=32, validation_images=0, batch_size=32)

    assert step() == pytest.approx(head_learns, rel=tolerance)
    model.layers[1].trainable = True
    try:
        assert step() == pytest.approx(all_learn, rel=tolerance)
    finally:
        model.layers[1].trainable = False


@pytest.mark.parametrize("architecture", ["VGG16", "VGG19", "ResNet50", "ConvNeXtTiny"])
def test_frozen_base_has_no_backward_pass(network, architecture):
    rows = flops.by_layer(network(architecture), 32)
    base = [row.kind for row in rows].index("Flatten")
    assert sum(row.backward for row in rows[:base]) == 0
    first, second, output = (row for row in rows[base:] if row.kind == "Dense")
    assert first.backward == first.forward  # nothing before it learns
    assert second.backward == 2 * second.forward
    assert output.backward == 2 * output.forward


def test_training_by_hand():
    model = small(layers.Conv2D(5, 3))
    convolution = 2 * (6 * 6 * 5) * 27 + 6 * 6 * 5  # an image
    dense = 2 * 2 * (6 * 6 * 5) + 2

    def epoch():
        return flops.flops_epoch(model, train_images=10, validation_images=6, batch_size=4)

    forward = convolution + dense
    assert epoch() == 10 * (forward + convolution + 2 * dense) + 6 * forward
    model.layers[1].trainable = False
    assert epoch() == 10 * (forward + dense) + 6 * forward
    model.layers[1].trainable, model.get_layer("head").trainable = True, False
    assert epoch() == 10 * (forward + convolution + dense) + 6 * forward
    model.trainable = False
    assert epoch() == 16 * forward


def test_the_last_batch_of_a_pass_may_be_smaller():
    model = small(layers.BatchNormalization())  # folds its vectors once a batch, however small
    model.trainable = False

    def one_pass(images):
        return flops.flops_epoch(model, train_images=images, validation_images=0, batch_size=4)

    of_batch = {images: flops.count(model, images).flops for images in (1, 2, 4)}
    assert one_pass(8) == 2 * of_batch[4]
    assert one_pass(9) == 2 * of_batch[4] + of_batch[1]
    assert one_pass(2) == of_batch[2]
