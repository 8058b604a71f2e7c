"""Floating-point operations: of one forward batch, as the paper's Table 2 has them, and of a run.

Two counts stand side by side: that of `keras-flops`, which the paper used, and one from the shapes
of the layers. Where they differ, the result says so.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from lib.patching import replaced

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

PAPER_BATCH_SIZE = 32  # images in the batch that the paper's Table 2 counts

TOLERANCE = 0.01
"""Relative difference of the two counts above which they are in doubt.

On every architecture of `keras.applications` they agree to the digit, so a difference means that
Keras or TensorFlow now computes a layer in another way, or that a rule is missing.
"""


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of one forward batch, in inference."""

    flops: int | None  # of the whole network, by keras-flops: "Total FLOPs" of the paper's Table 2
    flops_head: int | None  # of the head alone, by keras-flops: "Trainable Layer FLOPs" there
    counted: int  # of the whole network, from the shapes of the layers
    counted_head: int  # of the head alone, from the shapes of the layers
    reason: str | None = None  # why `flops` and `flops_head` are None
    doubts: tuple[str, ...] = ()  # where the counts differ, or shapes count a part, unchecked


@dataclass(frozen=True)
class LayerFlops:
    """One layer's floating-point operations for one batch: of its forward pass, and of the
    gradients of a training step. None where it has weights and no rule counts its class.
    """

    kind: str
    forward: int | None
    backward: int | None


def count(model: keras.Model, batch_size: int = PAPER_BATCH_SIZE) -> Flops:
    """Count one forward batch twice, by keras-flops and from the shapes of the layers.

    The model's last layer, the head, is counted apart. The model, its weights and all random
    generators stay as they are.
    """
    parts = (model, model.layers[-1])
    layers = [by_layer(part, batch_size) for part in parts]
    counted = [sum(layer.forward or 0 for layer in each) for each in layers]
    found: list[int] = []  # of both, or of neither
    reason = None
    try:
        found = [_keras_flops(part, batch_size) for part in parts]
    except Exception as error:  # a profiler that fails must not cost the run its training
        reason = f"keras-flops failed with {type(error).__name__}: {error}"
    doubts = [
        f"FLOPs of the {name}: keras-flops counts {one}, the shapes of its layers give {other}"
        for name, one, other in zip(("network", "head"), found, counted, strict=False)
        if not math.isclose(one, other, rel_tol=TOLERANCE)
    ]
    # Layers without a rule don't matter where keras-flops agrees all the same.
    unknown = {layer.kind for layer in layers[0] if layer.forward is None}
    if unknown and (doubts or not found):
        doubts.append(
            "FLOPs from the shapes of layers, and those of the training, leave out layers that no "
            f"rule counts: {', '.join(sorted(unknown))}"
        )
    flops, flops_head = found or (None, None)
    return Flops(
        flops=flops,
        flops_head=flops_head,
        counted=counted[0],
        counted_head=counted[1],
        reason=reason,
        doubts=tuple(doubts),
    )


def flops_epoch(
    model: keras.Model, *, train_images: int, validation_images: int, batch_size: int
) -> int:
    """Floating-point operations of an epoch and its validation, from the shapes of the layers.

    The sum over training batches of forward + backward, and over validation batches of forward,
    where the last batch of a pass may be smaller, and

    - forward: all layers, frozen ones too;
    - backward: of each layer, as much as its forward pass for the gradient with respect to its
      weights if they are trainable, and as much again for the gradient with respect to its input
      if a layer before it is trainable. Frozen layers before the first trainable one have none.

    For `Y = X W` these gradients are `X' dY` and `dY W'`, two products as large as the first. Where
    all layers learn this is the usual rule that a backward pass costs two forward passes: Kaplan
    et al. 2020, "Scaling Laws for Neural Language Models", section 2.1 (doi:10.48550/
    arXiv.2001.08361); Amodei and Hernandez 2018, "AI and Compute", appendix (OpenAI). TensorFlow's
    profiler on the graphs of the gradients gives the same within 3 % (MobileNetV2: 4 %, as it has
    no rule for the gradients of depthwise convolutions).

    Left out: layers that have weights and no rule (`count` doubts the count of such a network
    where keras-flops does not confirm it), the optimizer's update (about a dozen operations a
    trainable parameter and step for Adam), the loss, dropout masks, the statistics of a batch that
    trainable batch normalization takes, and the preparation of the images.
    """
    total = 0
    for images, learns in ((train_images, True), (validation_images, False)):
        full, rest = divmod(images, batch_size)
        for batches, size in ((full, batch_size), (1, rest)):
            layers = by_layer(model, size) if batches * size else []
            forward = sum(layer.forward or 0 for layer in layers)
            backward = sum(layer.backward or 0 for layer in layers) if learns else 0
            total += batches * (forward + backward)
    return total


def by_layer(model: keras.Model, batch_size: int) -> list[LayerFlops]:
    """Count each layer from its shapes; the rules are in `_forward`, and in `flops_epoch`.

    Models inside the model are taken apart.
    """
    rows = []
    learns_before = False
    for layer in _innermost(model):
        forward = _forward(layer, batch_size)
        learns = bool(getattr(layer, "trainable_weights", ()))
        backward = None if forward is None else forward * (learns + learns_before)
        rows.append(LayerFlops(type(layer).__name__, forward, backward))
        learns_before |= learns
    return rows


def _innermost(model: keras.Model) -> Iterator[keras.Operation]:
    """Layers in the order of computation, those of inner models in place of these.

    And the sums and products that a model writes without a layer, as ConvNeXt's `inputs + x`.
    """
    for layer in getattr(model, "operations", model.layers):
        if hasattr(layer, "layers"):
            yield from _innermost(layer)
        else:
            yield layer


_OF_ACTIVATION = {"softmax": 5, "silu": 2, "hard_silu": 3, "gelu": 4}
"""Operations an element, as TensorFlow computes them: silu(x) is x sigmoid(beta x), hard_silu(x) is
x relu6(x + 3) / 6, gelu(x) is 0.5 x erfc(-x sqrt 0.5). To the profiler relu, tanh, sigmoid and erfc
are steps without arithmetic."""


def _forward(layer: keras.Operation, batch_size: int) -> int | None:
    """Count a layer's forward pass for one batch, in inference, as TensorFlow's profiler does.

    A multiplication and an addition are two operations. With N elements of output and C channels:

    - convolution and dense: 2 N times the inputs of one output, N more for the bias; a separable
      convolution is a depthwise one, and a convolution of its outputs;
    - pooling: N times the size of the window, global average pooling one an element of input;
    - batch normalization: 2 N to scale and shift, 6 C to fold its four vectors into two (5 C
      without scale, as in `tensorflow.nn.batch_normalization`);
    - layer normalization: 9 N, and 4 for each of its N / C means and variances;
    - sum or product of k tensors: N (k - 1), of a tensor and a number: N;
    - ConvNeXt's scale of a layer: N; rescaling and Inception-ResNet's scaled sum: 2 N;
      normalization of pixels: 2 N, and C for the deviations;
    - activations: `_OF_ACTIVATION` times N. Others, and other layers without weights: none.

    It is None of a layer that has weights and is none of these.
    """
    outputs = _elements(layer.output, batch_size)
    match type(layer).__name__:
        case "Conv2D":
            height, width, channels, _ = layer.kernel.shape
            flops = 2 * outputs * height * width * channels
        case "DepthwiseConv2D":
            flops = 2 * outputs * math.prod(layer.kernel.shape[:2])
        case "SeparableConv2D":
            *window, channels, multiplier = layer.depthwise_kernel.shape
            between = outputs // layer.filters * channels * multiplier
            flops = 2 * between * (math.prod(window) + layer.filters)
        case "Dense":
            flops = 2 * outputs * layer.kernel.shape[0]
        case "MaxPooling2D" | "AveragePooling2D":
            flops = outputs * math.prod(layer.pool_size)
        case "GlobalAveragePooling2D":
            flops = _elements(layer.input, batch_size)
        case "BatchNormalization":
            flops = 2 * outputs + (6 if layer.scale else 5) * layer.moving_mean.shape[0]
        case "LayerNormalization" if layer.scale and layer.center:
            flops = 9 * outputs + 4 * outputs // layer.gamma.shape[0]
        case "Add" | "Multiply":
            flops = outputs * (len(layer.input) - 1 if isinstance(layer.input, list) else 1)
        case "LayerScale":
            flops = outputs
        case "Rescaling" | "CustomScaleLayer":
            flops = 2 * outputs
        case "Normalization":
            flops = 2 * outputs + layer.output.shape[-1]
        case _ if getattr(layer, "weights", ()):
            return None
        case _:
            flops = 0
    if getattr(layer, "use_bias", False):
        flops += outputs
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    return flops + _OF_ACTIVATION.get(activation, 0) * outputs


def _elements(tensor: keras.KerasTensor, batch_size: int) -> int:
    return batch_size * math.prod(tensor.shape[1:])


def _keras_flops(model: keras.Model, batch_size: int) -> int:
    """Count one forward batch with keras-flops 0.1.2, bridged to today's TensorFlow and Keras."""
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise RuntimeError(f"it needs Keras on TensorFlow, and here Keras runs on {backend}")
    import tensorflow as tf

    keras_flops = _import_keras_flops()

    class ForKerasFlops(keras.Model):
        """A model as keras-flops 0.1.2 expects one, with zeros for weights.

        It adds a list to the shape of the inputs, which a TensorShape can and a tuple can't. And
        it copies all weights into a graph, seconds for 100 million: FLOPs depend on shapes alone,
        so they are made in the graph, where there is nothing to copy.
        """

        @property
        def inputs(self) -> list[tf.TensorSpec]:
            return [tf.TensorSpec(tf.TensorShape(x.shape), x.dtype) for x in model.inputs]

        def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
            zeros = functools.cache(tf.zeros)  # one for all variables of a shape
            kinds = (model.trainable_variables, model.non_trainable_variables)
            made = [[zeros(one.shape, one.dtype) for one in kind] for kind in kinds]
            return model.stateless_call(*made, *inputs, training=False)[0]

    freeze = keras_flops.convert_variables_to_constants_v2_as_graph
    as_it_is = replaced(
        keras_flops,
        convert_variables_to_constants_v2_as_graph=lambda made: (
            (made, None) if _frozen_already(made) else freeze(made)
        ),
    )
    with _quiet_profiler(), _functions_inlined(), as_it_is:
        return int(keras_flops.get_flops(ForKerasFlops(name="for_keras_flops"), batch_size))


def _frozen_already(made: tf.types.experimental.ConcreteFunction) -> bool:
    """Whether freezing a graph, which takes as long as making it, would change no count.

    It would put functions in their places, and leave out what the outputs do not need.
    """
    from tensorflow.compat.v1 import graph_util

    graph, outputs = made.graph.as_graph_def(), [output.op.name for output in made.outputs]
    needed = {node.name for node in graph_util.extract_sub_graph(graph, outputs).node}
    idle = {node.op for node in graph.node if node.name not in needed}
    return not graph.library.function and idle <= {"Const", "Identity", "Placeholder"}


def _import_keras_flops() -> ModuleType:
    """Import keras-flops, which registers a rule for AddV2 that TensorFlow has since 2.13."""
    from tensorflow.python.framework import ops

    register = ops.RegisterStatistics.__call__

    def register_if_new(self: ops.RegisterStatistics, rule: Callable) -> Callable:
        try:
            return register(self, rule)
        except KeyError:
            return rule

    with replaced(ops.RegisterStatistics, __call__=register_if_new):
        from keras_flops import flops_calculation
    return flops_calculation


@contextmanager
def _quiet_profiler() -> Iterator[None]:
    """Keep TensorFlow's profiler from printing its table, and a warning about its own age."""
    import tensorflow as tf

    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    quiet = replaced(tf.get_logger(), disabled=True)
    with quiet, replaced(builder, float_operation=lambda: options):
        yield


@contextmanager
def _functions_inlined() -> Iterator[None]:
    """Trace functions into the graph of their caller, where the profiler sees them.

    Keras compiles a convolution in groups on its own, which hides it (and then its bias too).
    """
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
