"""Training one model: the fit that is measured, and rehearsals whose effect is undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from lib.training import cached_features, input_pipeline
from lib.training.batches import Feed
from lib.training.datasets import Dataset

if TYPE_CHECKING:
    import keras

    from lib.study.config import RunConfig

WARM_UP_BATCHES = 2
SECONDS_BETWEEN_STEPS = 0.25
"""Of which a listener is told: to read the accuracy is to wait for the accelerator."""

_Step = tuple[float, int, float | None]


class Listener(Protocol):
    """Is told how a training goes, as `lib.experiment.Run` is."""

    def step(self, fraction: float, epoch: int, accuracy: float | None) -> None:
        """So much of the training is done, in this epoch (from 1; 0 while features are computed).

        At most every `SECONDS_BETWEEN_STEPS`, after the last step of an epoch in any case, and
        with that one again while the network is validated.
        """

    def epoch(self, **values: float) -> None:
        """An epoch is over; the fields of `Epoch`."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    accuracy: float
    loss: float
    val_accuracy: float
    val_loss: float


def learn(
    config: RunConfig,
    model: keras.Model,
    data: Dataset,
    listener: Listener | None = None,
    features_share: float = 0.0,
) -> list[Epoch]:
    """Train a network on images, or its head on cached features, as a configuration says.

    `features_share` is the part of the training that it takes to compute features, where they are
    cached, as the listener is told it.
    """
    if config.features == "online":
        feeds = input_pipeline.images(data, config)
        return fit(model, *feeds, config.epochs, config.early_stopping, listener)

    say = _Throttle(listener)
    feeds = cached_features.cache(
        model, data, config, lambda done: say(lambda: (features_share * done, 0, None))
    )
    head = cached_features.classifier(model)
    return fit(head, *feeds, config.epochs, config.early_stopping, listener, done=features_share)


@contextmanager
def variables_put_back(model: keras.Model) -> Iterator[None]:
    """Train a little inside; afterwards every variable is what it was.

    What a framework does once (tracing, compiling, choosing kernels, growing memory pools) would
    otherwise be booked on the first epoch. Weights, optimizer state, random generators and metrics
    are put back, so the measured training starts from the seed alone.
    """
    import keras

    # The frozen base can't change, and is by far the largest part: no need to copy it.
    frozen = {id(v) for layer in model.layers if not layer.trainable for v in layer.variables}
    variables = [v for v in [*model.variables, *model.optimizer.variables] if id(v) not in frozen]
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in variables]
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def fit(
    model: keras.Model,
    train: Feed,
    validation: Feed,
    epochs: int,
    patience: int | None = None,
    listener: Listener | None = None,
    *,
    done: float = 0.0,
) -> list[Epoch]:
    """Train, and validate after every epoch, as the paper does (section 3.4).

    The model is compiled, with the metric `accuracy`; batches have integer labels. It stops after
    `patience` epochs without a lower validation loss; None: never. `done` is the part of the whole
    training that came before.
    """
    import keras

    recorder = _recorder(epochs, listener, done)
    callbacks = [recorder]
    if patience is not None:
        callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=patience))
    model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # the pipeline does it
        verbose=0,
        callbacks=callbacks,
    )
    return recorder.history


def _recorder(epochs: int, listener: Listener | None, done: float) -> keras.callbacks.Callback:
    import keras

    class Recorder(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.history: list[Epoch] = []
            self.epoch = 0
            self.say = _Throttle(listener)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            # Of several steps in one call the number is the last one's, which may be past the end.
            within = min((batch + 1) / self.params["steps"], 1)
            fraction = done + (1 - done) * (self.epoch + within) / epochs
            self.say(lambda: self.step(fraction, logs or {}), now=within == 1)

        def step(self, fraction: float, logs: Any) -> _Step:
            self.last = (fraction, self.epoch + 1, float(logs["accuracy"]))
            return self.last

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            # The steps are done, but time and energy go on.
            self.say(lambda: self.last)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            told = {field.name: float((logs or {})[field.name]) for field in fields(Epoch)}
            self.history.append(Epoch(**told))
            if listener:
                listener.epoch(**told)

    return Recorder()


class _Throttle:
    """Tells a listener of a step, unless it was told of the last one too recently."""

    def __init__(self, listener: Listener | None):
        self._listener, self._last = listener, -SECONDS_BETWEEN_STEPS

    def __call__(self, step: Callable[[], _Step], *, now: bool = False) -> None:
        since = time.monotonic() - self._last
        if self._listener and (now or since >= SECONDS_BETWEEN_STEPS):
            self._last = time.monotonic()
            self._listener.step(*step())
