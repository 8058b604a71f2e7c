import itertools

import numpy as np
import pytest

from lib.training import fit
from lib.training.fit import Watch


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


def model(seed=1):
    """A small network with everything that has a state: momentum, dropout, moving averages."""
    import keras

    keras.utils.set_random_seed(seed)
    result = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    result.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return result


def pipelines(tf, images=37):
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(images, 4)).astype("float32")
    y = numbers.integers(0, 3, images)
    data = tf.data.Dataset.from_tensor_slices((x, y))
    return data.shuffle(images, seed=1).batch(8), data.batch(8)


def state(model):
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


def test_the_warm_up_leaves_no_trace(tf):
    warmed = model()
    warmed.optimizer.build(warmed.trainable_variables)
    before = state(warmed)
    with fit.variables_put_back(warmed):
        fit.fit(warmed, *pipelines(tf), 1)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(warmed), strict=True))
    cold = fit.fit(model(), *pipelines(tf), epochs=2)
    warm = fit.fit(warmed, *pipelines(tf), epochs=2)
    assert [(e.loss, e.val_loss, e.accuracy) for e in warm] == [
        (e.loss, e.val_loss, e.accuracy) for e in cold
    ]


def test_fit_tells_steps_and_every_epoch(tf, monkeypatch):
    monkeypatch.setattr(fit, "SECONDS_BETWEEN_STEPS", 0)
    steps, epochs = [], []
    watch = Watch(on_step=steps.append, on_epoch=epochs.append)
    history = fit.fit(model(), *pipelines(tf), epochs=2, watch=watch)
    while_validating = [a for a, b in itertools.pairwise(steps) if a == b]
    assert {step.fraction for step in while_validating} == {0.5, 1}
    steps = list(dict.fromkeys(steps))
    assert len(steps) == 2 * 5
    assert [step.epoch for step in steps] == [1] * 5 + [2] * 5
    assert steps[-1].fraction == 1
    assert all(a.fraction < b.fraction for a, b in itertools.pairwise(steps))
    assert epochs == history
    assert len(history) == 2


def test_steps_are_told_a_few_times_a_second_but_always_the_last(tf):
    steps = []
    fit.fit(model(), *pipelines(tf), epochs=1, watch=Watch(on_step=steps.append))
    assert len(steps) < 5
    assert steps[-1].fraction == 1


def test_training_stops_when_the_validation_loss_no_longer_falls(tf):
    unteachable = model()
    unteachable.optimizer.learning_rate = 0.0
    history = fit.fit(unteachable, *pipelines(tf), epochs=9, patience=2)
    assert len(history) == 3, "the first epoch, and two that were no better"


def test_the_history_is_that_of_keras(tf):
    ours = fit.fit(model(), *pipelines(tf), epochs=2)
    reference = model()
    train, validation = pipelines(tf)
    theirs = reference.fit(
        train, validation_data=validation, epochs=2, verbose=0, shuffle=False
    ).history
    for name in ("accuracy", "loss", "val_accuracy", "val_loss"):
        assert [getattr(epoch, name) for epoch in ours] == theirs[name]
