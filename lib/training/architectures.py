"""Networks to train: a base from `keras.applications` and a head that classifies.

Keras is imported when a model is built, so that a study can be planned without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lib import hosted
from lib.patching import hidden, replaced
from lib.study import own_network as own_networks
from lib.study.catalog import architecture_of, too_small
from lib.study.errors import UserError
from lib.training import backends, optimizers, own_network

if TYPE_CHECKING:
    import keras

    from lib.study.config import RunConfig

STEPS_PER_CALL = 32  # of small steps


def doubts(architecture: str, preprocessing: str) -> tuple[str, ...]:
    """What a reader of the results should know about the pixels that an architecture is fed."""
    if preprocessing == "rescale" and architecture_of(architecture).preprocessing_mode == "none":
        return (
            f"preprocessing: {architecture} brings pixels of 0 to 255 to its own range, and "
            "rescale feeds it 0 to 1, which all look black to it; imagenet feeds it 0 to 255",
        )
    return ()


class WeightsError(UserError, ValueError):
    """The weights that a configuration asks for can't be loaded into its architecture."""


def build_model(config: RunConfig, image_size: int, classes: int) -> keras.Model:
    """Build and compile the network of a run, for the classification of images.

    The model bears the architecture's name and has two layers, themselves models: the architecture
    without its classifier (the base), and `head`; a network of one's own is one layer, all of
    which learns but what it freezes itself. A frozen base computes as in inference, in
    training too: its batch normalization keeps its statistics, and it drops nothing. The loss is
    the cross-entropy with integer labels, the metric `accuracy`.

    - The input is float32 [batch, image_size, image_size, 3]; the output is float32
      [batch, classes], each row adds to 1.
    - `weights` of the base may be a file in any format that `keras.Model.load_weights` reads: the
      `..._notop.h5` that `keras.applications` downloads, or a `.weights.h5`, `.keras` or `.h5`
      saved from `keras.applications.<architecture>(include_top=False)`.
    - `head: paper` is Flatten, Dense 4096, Dense 4096, Dropout 0.5, Dense. `linear` is the usual
      linear probe, GlobalAveragePooling2D and Dense, whose size does not depend on that of images.
    - `precision: mixed` computes in 16 bits and keeps weights, their updates and the output in 32:
      float16 with a scaled loss on a GPU (every one that is fast in 16 bits has it), bfloat16 on a
      CPU.
    - From here on the seed is that of all random numbers of Python, NumPy and Keras: the weights,
      and later the dropout. The same seed gives the same weights, whatever was built before.

    Raises:
        NetworkError: A function does not build such a network.
        WeightsError: The weights can't be had, or belong to another network.
        ValueError: The images are too small.
    """
    if problem := too_small(config.architecture, image_size):
        raise ValueError(problem)
    own = own_networks.parse(config.architecture)
    import keras

    # It would load TensorFlow beside JAX or PyTorch, for its seed alone; own layers may want it.
    unused = {"tensorflow"} - {backends.current()} if own is None else set()
    with hidden(*unused):
        keras.utils.set_random_seed(config.seed)
    inputs = keras.Input((image_size, image_size, 3), name="image")
    with _computing_in(config.precision):
        if own is not None:
            whole = own_network.build(own, image_size, classes)
            model = keras.Model(inputs, whole(inputs), name=own.function)
        else:
            base = _base(config.architecture, image_size, config.weights)
            if config.trainable == "head":
                _freeze(base)
            top = _head(config.head, base.output_shape[1:], classes)
            model = keras.Model(inputs, top(base(inputs)), name=config.architecture)
        compile_classifier(model, optimizers.make(config.optimizer, config.learning_rate))
    return model


def compile_classifier(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, *, small_steps: bool = False
) -> None:
    """Make a network learn integer labels: cross-entropy, and the metric `accuracy`.

    Small steps take no longer than what Python does between two, as those of a head alone; then
    several are one call. Only TensorFlow does that at no cost: JAX would compile a larger program,
    PyTorch can't.
    """
    from keras.metrics import SparseCategoricalAccuracy

    several = small_steps and backends.current() == "tensorflow"
    model.compile(
        optimizer,
        loss="sparse_categorical_crossentropy",
        metrics=[SparseCategoricalAccuracy("accuracy")],  # its name alone is made in a graph
        steps_per_execution=STEPS_PER_CALL if several else 1,
    )
    if not model.optimizer.built:  # in a graph TensorFlow would, and make it twice
        model.optimizer.build(model.trainable_variables)


@contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    import keras

    before = keras.config.dtype_policy()
    if precision == "mixed":
        keras.config.set_dtype_policy("mixed_float16" if backends.has_gpu() else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def undrawn() -> AbstractContextManager[None]:
    """Have weights begin as zeros for a while, where no value of them matters.

    JAX compiles half a second for the random numbers of each shape.
    """
    from keras import initializers

    return replaced(initializers.VarianceScaling, __call__=initializers.Zeros.__call__)


def _base(architecture: str, image_size: int, weights: str) -> keras.Model:
    from keras import applications

    make, shape = getattr(applications, architecture), (image_size, image_size, 3)
    if weights == "none":
        return make(include_top=False, weights=None, input_shape=shape)
    with undrawn():
        if weights == "imagenet":
            try:
                return make(include_top=False, weights="imagenet", input_shape=shape)
            except Exception as error:  # Keras raises a bare Exception where a download fails
                raise WeightsError(
                    f"weights: the ImageNet weights of {architecture} can't be loaded: {error}. "
                    "Without internet, set weights to a file that holds them, or to none (random)"
                ) from error
        base = make(include_top=False, weights=None, input_shape=shape)
    _load_weights(base, architecture, weights)
    return base


def _freeze(base: keras.Model) -> None:
    """Freeze a base, and take its dropout out (EfficientNet has some), as freezing does not.

    Nor would `training=False` where the base is called: Keras 3 hands the model's own on to it.
    """
    import keras

    base.trainable = False
    if backends.current() == "tensorflow":
        for weight in base.weights:  # else it traces gradients that nobody asks for
            weight.value._trainable = False
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

    hidden = [layers.GlobalAveragePooling2D()]
    if head == "paper":
        wide = [layers.Dense(4096, activation="relu") for _ in range(2)]
        hidden = [layers.Flatten(), *wide, layers.Dropout(0.5)]
    # In 16 bits a probability near 0 or 1 would be 0 or 1.
    output = layers.Dense(classes, activation="softmax", dtype="float32")
    return keras.Sequential([keras.Input(features), *hidden, output], name="head")
