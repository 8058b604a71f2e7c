"""Networks to train: a base from `keras.applications` and a head that classifies.

Keras is imported when a model is built, so that a study can be planned without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lib import hosted
from lib.study import own_network as own_networks
from lib.study.catalog import ARCHITECTURES, architecture_of, too_small, unknown_architecture
from lib.study.errors import UserError
from lib.training import backends, optimizers, own_network

if TYPE_CHECKING:
    import keras


STEPS_PER_CALL = 32
"""Of small steps."""


def doubts(architecture: str, preprocessing: str) -> tuple[str, ...]:
    """What a reader of the results should know about the pixels that an architecture is fed.

    Args:
        architecture: A name in `catalog.ARCHITECTURES`.
        preprocessing: `rescale` or `imagenet`, as in `RunConfig`.
    """
    if preprocessing == "rescale" and architecture_of(architecture).preprocessing_mode == "none":
        return (
            f"preprocessing: {architecture} brings pixels of 0 to 255 to its own range, and "
            "rescale feeds it 0 to 1, which all look black to it; imagenet feeds it 0 to 255",
        )
    return ()


class WeightsError(UserError, ValueError):
    """The weights that a configuration asks for can't be loaded into its architecture."""


@dataclass(frozen=True)
class Size:
    """How large a network is: all parameters, those that learn, and its depth in layers.

    `depth` is None where the authors of the architecture don't state one.
    """

    parameters: int
    trainable_parameters: int
    depth: int | None


def build_model(
    architecture: str,
    *,
    image_size: int,
    classes: int,
    weights: str = "none",
    trainable: Literal["head", "all"] = "head",
    head: Literal["paper", "linear"] = "paper",
    optimizer: str = "adam",
    learning_rate: float | None = None,
    precision: Literal["float32", "mixed"] = "float32",
    seed: int,
) -> keras.Model:
    """Build and compile a network for the classification of images.

    The model bears the architecture's name and has two layers, themselves models: the architecture
    without its classifier (the base), and `head`; a network of one's own is one layer, all of
    which learns but what it freezes itself. A frozen base computes as in inference, in
    training too: its batch normalization keeps its statistics, and it drops nothing. The loss is
    the cross-entropy with integer labels, the metric `accuracy`.

    Args:
        architecture: A name in `catalog.ARCHITECTURES`, or `FILE.py:FUNCTION`.
        image_size: Pixels a side; the input is float32 [batch, image_size, image_size, 3].
        classes: Number of classes; the output is float32 [batch, classes], each row adds to 1.
        weights: Of the base: `imagenet` (`keras.applications` downloads them), `none` (random), or
            a file in any format that `keras.Model.load_weights` reads: the `..._notop.h5` that
            `keras.applications` downloads, or a `.weights.h5`, `.keras` or `.h5` saved from
            `keras.applications.<architecture>(include_top=False)`.
        trainable: `head` freezes the base, as the paper does.
        head: `paper` is Flatten, Dense 4096, Dense 4096, Dropout 0.5, Dense. `linear` is the
            usual linear probe, GlobalAveragePooling2D and Dense, whose size does not depend on
            that of the images.
        optimizer: A name that `keras.optimizers` knows.
        learning_rate: None for the optimizer's default.
        precision: `mixed` computes in 16 bits and keeps weights, their updates and the output in
            32: float16 with a scaled loss on a GPU (every one that is fast in 16 bits has it),
            bfloat16 on a CPU.
        seed: Of all random numbers of Python, NumPy and Keras from here on, through
            `keras.utils.set_random_seed`: the weights, and later the dropout. The same seed gives
            the same weights, however many models were built before.

    Raises:
        NetworkError: A function does not build such a network.
        WeightsError: The weights can't be had, or belong to another network.
        ValueError: An argument has a value that is not listed here.
    """
    own = own_networks.parse(architecture)
    if own is None and architecture not in ARCHITECTURES:
        raise ValueError(f"architecture: '{architecture}' {unknown_architecture(architecture)}")
    if problem := too_small(architecture, image_size):
        raise ValueError(problem)
    if trainable not in ("head", "all"):
        raise ValueError(f"trainable: '{trainable}' is unknown; known are head, all")

    import keras

    keras.utils.set_random_seed(seed)
    inputs = keras.Input((image_size, image_size, 3), name="image")
    with _computing_in(precision):
        if own is not None:
            whole = own_network.build(own, image_size, classes)
            model = keras.Model(inputs, whole(inputs), name=own.function)
            compile_classifier(model, optimizers.make(optimizer, learning_rate))
            return model
        base = _base(architecture, image_size, weights)
        base.trainable = trainable == "all"
        if not base.trainable:
            _drop_nothing(base)
        top = _head(head, base.output_shape[1:], classes)
        model = keras.Model(inputs, top(base(inputs)), name=architecture)
    compile_classifier(model, optimizers.make(optimizer, learning_rate))
    return model


def compile_classifier(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, *, small_steps: bool = False
) -> None:
    """Make a network learn integer labels: cross-entropy, and the metric `accuracy`.

    Args:
        model: It ends in probabilities of classes.
        optimizer: Of its weights.
        small_steps: Whether a step takes no longer than what Python does between two, as those of
            a head alone; then several are one call. Only TensorFlow does that at no cost: JAX would
            compile a larger program, PyTorch can't.
    """
    several = small_steps and backends.current() == "tensorflow"
    model.compile(
        optimizer,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=STEPS_PER_CALL if several else 1,
    )


def size(model: keras.Model) -> Size:
    """Count the parameters of a model that `build_model` made."""
    known = ARCHITECTURES.get(model.name)
    return Size(
        parameters=model.count_params(),
        trainable_parameters=sum(math.prod(weight.shape) for weight in model.trainable_weights),
        depth=known.depth if known else None,
    )


@contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    """Layers that are made meanwhile compute in this precision."""
    import keras

    if precision not in ("float32", "mixed"):
        raise ValueError(f"precision: '{precision}' is unknown; known are float32, mixed")
    before = keras.config.dtype_policy()
    if precision == "mixed":
        kind = "mixed_float16" if backends.has_gpu() else "mixed_bfloat16"
        keras.config.set_dtype_policy(kind)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _base(architecture: str, image_size: int, weights: str) -> keras.Model:
    import keras

    def build(weights: str | None) -> keras.Model:
        return getattr(keras.applications, architecture)(
            include_top=False,
            weights=weights,
            input_shape=(image_size, image_size, 3),
        )

    if weights == "imagenet":
        try:
            return build("imagenet")
        except Exception as error:  # Keras raises a bare Exception where a download fails
            raise WeightsError(
                f"weights: the ImageNet weights of {architecture} can't be loaded: {error}. "
                "Without internet, set weights to a file that holds them, or to none (random)"
            ) from error
    base = build(None)
    if weights != "none":
        _load_weights(base, architecture, weights)
    return base


def _drop_nothing(base: keras.Model) -> None:
    """Take the dropout out of a base (EfficientNet has some), as freezing it does not.

    Nor would `training=False` where the base is called: Keras 3 hands the model's own on to it.
    """
    import keras

    for layer in base.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0


def _load_weights(base: keras.Model, architecture: str, file: str) -> None:
    here = Path(file).expanduser()
    path = here if here.is_file() else hosted.attached(here.name)
    if path is None:
        raise WeightsError(f"weights: no file '{file}'; allowed are imagenet, none or a file")
    try:
        base.load_weights(path)
    except Exception as error:  # ValueError, OSError, KeyError, BadZipFile: depends on the format
        summary = f"{error}".strip().partition("\n")[0].partition(" Example error")[0].rstrip(".")
        raise WeightsError(
            f"weights: '{file}' does not hold weights of {architecture} without its top: "
            f"{summary or type(error).__name__}. Right is the notop.h5 that keras.applications "
            f"downloads, or a .weights.h5, .keras or .h5 file saved from "
            f"keras.applications.{architecture}(include_top=False)"
        ) from error
    if architecture.startswith("EfficientNetB"):
        _divide_by_deviations_again(base)


def _divide_by_deviations_again(base: keras.Model) -> None:
    """Do to weights from a file what `keras.applications` does to ImageNet's of EfficientNet B0-B7.

    They hold the deviations of the pixels where the layer `Normalization` takes variances, so
    `keras.src.applications.efficientnet` divides by the root of the deviations once more, but only
    where it loads the weights itself. Weights that never saw ImageNet have the means 0 of a new
    layer, and stay as they are.
    """
    import keras

    layer = next(one for one in base.layers if isinstance(one, keras.layers.Normalization))
    mean, variance, count = layer.get_weights()
    if mean.any():
        layer.set_weights([mean, variance * (0.229, 0.224, 0.225), count])
        layer.finalize_state()


def _head(head: str, features: tuple[int, ...], classes: int) -> keras.Sequential:
    """Build what stands on features of the shape [side, side, channels]."""
    import keras
    from keras import layers

    match head:
        case "paper":
            hidden = [
                layers.Flatten(),
                layers.Dense(4096, activation="relu"),
                layers.Dense(4096, activation="relu"),
                layers.Dropout(0.5),
            ]
        case "linear":
            hidden = [layers.GlobalAveragePooling2D()]
        case _:
            raise ValueError(f"head: '{head}' is unknown; known are paper, linear")
    # In 16 bits a probability near 0 or 1 would be 0 or 1.
    output = layers.Dense(classes, activation="softmax", dtype="float32")
    return keras.Sequential([keras.Input(features), *hidden, output], name="head")
