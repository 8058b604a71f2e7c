"""Training one model: the warm-up whose effect is undone, and the fit that is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

WARM_UP_STEPS = 2


@dataclass(frozen=True)
class Step:
    """After a training step: which epoch (from 1), how much of all steps is done, and how well."""

    epoch: int
    fraction: float
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """One epoch. `seconds` and `energy_consumed` (kWh) count from the start of the training."""

    epoch: int
    accuracy: float
    loss: float
    val_accuracy: float
    val_loss: float
    seconds: float
    energy_consumed: float | None = None


def history_table(history: list[Epoch]) -> pd.DataFrame:
    """One row an epoch, the columns of `Epoch`."""
    return pd.DataFrame([asdict(epoch) for epoch in history], columns=list(Epoch.__annotations__))


def warm_up(
    model: keras.Model, train: tf.data.Dataset, validation: tf.data.Dataset, least_seconds: float
) -> None:
    """Build the graphs and take the first steps, then put back every variable.

    What a framework does once (tracing, choosing kernels, growing memory pools) would otherwise be
    booked on the first epoch. Weights, optimizer state, random generators and metrics are
    afterwards what they were before, so the measured training starts from the seed alone.

    Args:
        model: A compiled model.
        train: Batches to train on; its first few are used. Not the data set object of the measured
            training, whose shuffling would move on.
        validation: Batches to evaluate on.
        least_seconds: Go on until this much time has passed.
    """
    started = time.monotonic()
    with _variables_put_back(model):
        while True:
            first, check = train.take(WARM_UP_STEPS), validation.take(WARM_UP_STEPS)
            model.fit(first, validation_data=check, shuffle=False, verbose=0)
            if time.monotonic() - started >= least_seconds:
                break


@contextmanager
def _variables_put_back(model: keras.Model) -> Iterator[None]:
    model.optimizer.build(model.trainable_variables)
    # The frozen base can't change, and is by far the largest part: no need to copy it.
    frozen = {id(v) for layer in _frozen_layers(model) for v in layer.variables}
    variables = [v for v in [*model.variables, *model.optimizer.variables] if id(v) not in frozen]
    before = [variable.numpy() for variable in variables]
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def _frozen_layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if not layer.trainable]


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    epochs: int,
    *,
    energy_so_far: Callable[[], float | None] = lambda: None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_epoch: Callable[[list[Epoch]], None] = lambda history: None,
) -> list[Epoch]:
    """Train, and validate after every epoch, as the paper does (section 3.4).

    Args:
        model: A compiled model with the metric `accuracy`.
        train: Batches of images and integer labels.
        validation: The same, never augmented.
        epochs: How often to go through `train`.
        energy_so_far: kWh since the start of the training, asked once an epoch.
        on_step: Called after every step.
        on_epoch: Called after every epoch, with all epochs so far.

    Returns:
        One `Epoch` for each epoch.
    """
    import keras

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict | None = None) -> None:
            self.history: list[Epoch] = []
            self.epoch = 0
            self.started = time.perf_counter()

        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            done = self.epoch + (batch + 1) / self.params["steps"]
            on_step(Step(self.epoch + 1, done / epochs, float(logs["accuracy"])))

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            self.history.append(
                Epoch(
                    epoch=epoch + 1,
                    **{name: float(logs[name]) for name in ("accuracy", "loss")},
                    **{name: float(logs[name]) for name in ("val_accuracy", "val_loss")},
                    seconds=time.perf_counter() - self.started,
                    energy_consumed=energy_so_far(),
                )
            )
            on_epoch(self.history)

    watch = Watch()
    model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # the pipeline does it
        verbose=0,
        callbacks=[watch],
    )
    return watch.history
