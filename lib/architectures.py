"""Networks to train: a base from `keras.applications` and a head that classifies.

Keras is imported when a model is built, so that a study can be planned without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lib import hosted

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """A network that a study can name.

    Attributes:
        name: Its constructor in `keras.applications`.
        depth: Layers as the literature counts them, and as the paper's Table 2 states them.
        preprocessing_mode: What its ImageNet weights expect of pixels: a mode of
            `keras.applications.imagenet_utils.preprocess_input`, or `none` where the network
            itself brings pixels of 0 to 255 to its own range.
    """

    name: str
    depth: int
    preprocessing_mode: Literal["caffe", "tf", "torch", "none"]


REGISTRY: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture("VGG16", depth=16, preprocessing_mode="caffe"),
        Architecture("VGG19", depth=19, preprocessing_mode="caffe"),
        Architecture("ResNet50", depth=50, preprocessing_mode="caffe"),
    )
}
"""The architectures of the paper, section 3.3.1. One more is one more line."""


class WeightsError(ValueError):
    """The weights that a configuration asks for can't be loaded into its architecture."""


@dataclass(frozen=True)
class Size:
    """How large a network is: all parameters, those that learn, and its depth in layers."""

    parameters: int
    trainable_parameters: int
    depth: int


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
    seed: int,
) -> keras.Model:
    """Build and compile a network for the classification of images.

    The model bears the architecture's name and has two layers, themselves models: the architecture
    without its classifier (the base), and `head`. A frozen base keeps the statistics of its batch
    normalization, in training too. The loss is the cross-entropy with integer labels, the metric
    `accuracy`.

    Args:
        architecture: A name in `REGISTRY`.
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
        seed: Of all random numbers of Python, NumPy and Keras from here on, through
            `keras.utils.set_random_seed`: the weights, and later the dropout. The same seed gives
            the same weights, however many models were built before.

    Raises:
        WeightsError: The weights can't be had, or belong to another network.
        ValueError: An argument has a value that is not listed here.
    """
    if architecture not in REGISTRY:
        raise ValueError(
            f"architecture: '{architecture}' is unknown; known are {', '.join(REGISTRY)}"
        )
    if trainable not in ("head", "all"):
        raise ValueError(f"trainable: '{trainable}' is unknown; known are head, all")

    import keras

    keras.utils.set_random_seed(seed)
    base = _base(architecture, image_size, weights)
    base.trainable = trainable == "all"
    top = _head(head, base.output_shape[1:], classes)
    inputs = keras.Input((image_size, image_size, 3), name="image")
    model = keras.Model(inputs, top(base(inputs)), name=architecture)

    algorithm = keras.optimizers.get(optimizer)
    if learning_rate is not None:
        algorithm.learning_rate = learning_rate
    model.compile(algorithm, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def size(model: keras.Model) -> Size:
    """Measure a model that `build_model` made."""
    return Size(
        parameters=model.count_params(),
        trainable_parameters=sum(math.prod(weight.shape) for weight in model.trainable_weights),
        depth=REGISTRY[model.name].depth,
    )


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


def _load_weights(base: keras.Model, architecture: str, file: str) -> None:
    path: Path | None = Path(file).expanduser()
    if not path.is_file():
        path = hosted.attached(path.name)
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
    output = layers.Dense(classes, activation="softmax")
    return keras.Sequential([keras.Input(features), *hidden, output], name="head")
