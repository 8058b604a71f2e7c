"""Training one model: the fit that is measured, and rehearsals whose effect is undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib.training import cached_features, input_pipeline
from lib.training.batches import Feed
from lib.training.datasets import Dataset

if TYPE_CHECKING:
    import keras

    from lib.study.config import RunConfig

WARM_UP_BATCHES = 2
SECONDS_BETWEEN_STEPS = 0.25
"""Between two calls of `on_step`: to read the accuracy is to wait for the accelerator."""


@dataclass(frozen=True)
class Step:
    """Where a training stands: in which epoch (from 1; 0 while features are computed), how much of
    all its batches is done, and the accuracy in this epoch.
    """

    epoch: int
    fraction: float
    accuracy: float | None


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    accuracy: float
    loss: float
    val_accuracy: float
    val_loss: float


@dataclass(frozen=True)
class Watch:
    """Who is told how a training goes.

    Attributes:
        on_step: Called after steps, at most every `SECONDS_BETWEEN_STEPS`, and after the last of an
            epoch; with that one again while the network is validated.
        on_epoch: Called after every epoch.
    """

    on_step: Callable[[Step], None] = lambda step: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None


def learn(
    config: RunConfig, model: keras.Model, data: Dataset, watch: Watch | None = None
) -> list[Epoch]:
    """Train as a configuration says: a network on images, or its head on cached features.

    Args:
        config: Of the run.
        model: As `lib.training.network.build` makes it; it is trained.
        data: What it is trained and validated on.
        watch: Who is told.

    Returns:
        One `Epoch` for each epoch.
    """
    watch = watch or Watch()
    if config.features == "online":
        feeds = input_pipeline.images(data, config)
        return fit(model, *feeds, config.epochs, config.early_stopping, watch)

    views = cached_features.views_of(config)
    share = views / (views + config.epochs)
    said = _Throttle(watch.on_step)
    feeds = cached_features.cache(
        model, data, config, lambda done: said(lambda: Step(0, share * done, None))
    )
    head = cached_features.classifier(model)
    return fit(head, *feeds, config.epochs, config.early_stopping, watch, done=share)


@contextmanager
def variables_put_back(model: keras.Model) -> Iterator[None]:
    """Train a little inside; afterwards every variable is what it was.

    What a framework does once (tracing, compiling, choosing kernels, growing memory pools) would
    otherwise be booked on the first epoch. Weights, optimizer state, random generators and metrics
    are put back, so the measured training starts from the seed alone.
    """
    import keras

    model.optimizer.build(model.trainable_variables)
    # The frozen base can't change, and is by far the largest part: no need to copy it.
    frozen = {id(v) for layer in _frozen_layers(model) for v in layer.variables}
    variables = [v for v in [*model.variables, *model.optimizer.variables] if id(v) not in frozen]
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in variables]
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def _frozen_layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if not layer.trainable]


def fit(
    model: keras.Model,
    train: Feed,
    validation: Feed,
    epochs: int,
    patience: int | None = None,
    watch: Watch | None = None,
    *,
    done: float = 0.0,
) -> list[Epoch]:
    """Train, and validate after every epoch, as the paper does (section 3.4).

    Args:
        model: A compiled model with the metric `accuracy`.
        train: Batches to learn from, with integer labels.
        validation: The same, never augmented.
        epochs: How often to go through `train`, at most.
        patience: Stop after so many epochs without a lower validation loss; None: never.
        watch: Who is told.
        done: The part of the whole training that came before.

    Returns:
        One `Epoch` for each epoch.
    """
    import keras

    recorder = _recorder(epochs, watch or Watch(), done)
    stop = (
        [] if patience is None else [keras.callbacks.EarlyStopping("val_loss", patience=patience)]
    )
    model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # the pipeline does it
        verbose=0,
        callbacks=[recorder, *stop],
    )
    return recorder.history


def _recorder(epochs: int, watch: Watch, done: float) -> keras.callbacks.Callback:
    import keras

    class Recorder(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.history: list[Epoch] = []
            self.epoch = 0
            self.say = _Throttle(watch.on_step)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            # Of several steps in one call the number is the last one's, which may be past the end.
            within = min((batch + 1) / self.params["steps"], 1)
            fraction = done + (1 - done) * (self.epoch + within) / epochs
            self.say(lambda: self.step(fraction, logs or {}), now=within == 1)

        def step(self, fraction: float, logs: Any) -> Step:
            self.last = Step(self.epoch + 1, fraction, float(logs["accuracy"]))
            return self.last

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            # The steps are done, but time and energy go on.
            self.say(lambda: self.last)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            names = ("accuracy", "loss", "val_accuracy", "val_loss")
            told = logs or {}
            self.history.append(Epoch(**{name: float(told[name]) for name in names}))
            watch.on_epoch(self.history[-1])

    return Recorder()


class _Throttle:
    """Passes a step on, unless the last one was passed on too recently."""

    def __init__(self, on_step: Callable[[Step], None]):
        self._on_step = on_step
        self._last = -SECONDS_BETWEEN_STEPS

    def __call__(self, step: Callable[[], Step], *, now: bool = False) -> None:
        if now or time.monotonic() - self._last >= SECONDS_BETWEEN_STEPS:
            self._last = time.monotonic()
            self._on_step(step())
