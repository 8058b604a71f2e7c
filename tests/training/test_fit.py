import itertools

import numpy as np
import pytest

from lib.training import architectures, fit


class Listener:
    """Keeps what it is told."""

    def __init__(self):
        self.steps, self.epochs = [], []

    def step(self, fraction, epoch, accuracy):
        self.steps.append((fraction, epoch, accuracy))

    def epoch(self, **values):
        self.epochs.append(fit.Epoch(**values))


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
    architectures.compile_classifier(result, keras.optimizers.Adam())
    return result


def pipelines(tf, images=37):
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(images, 4)).astype("float32")
    y = numbers.integers(0, 3, images)
    data = tf.data.Dataset.from_tensor_slices((x, y))
    return data.shuffle(images, seed=1).batch(8), data.batch(8)


def state(model):
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


@pytest.fixture(scope="module")
def taught(tf):
    """A model after two epochs, what they told, and what they came to."""
    learner, told = model(), Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "SECONDS_BETWEEN_STEPS", 0)
        return learner, told, fit.fit(learner, *pipelines(tf), epochs=2, listener=told)


def test_the_warm_up_leaves_no_trace(tf, taught):
    warmed = model()
    before = state(warmed)
    with fit.variables_put_back(warmed):
        fit.fit(warmed, *pipelines(tf), 1)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(warmed), strict=True))
    _, _, cold = taught
    warm = fit.fit(warmed, *pipelines(tf), epochs=2)
    assert [(e.loss, e.val_loss, e.accuracy) for e in warm] == [
        (e.loss, e.val_loss, e.accuracy) for e in cold
    ]


def test_fit_tells_steps_and_every_epoch(taught):
    _, told, history = taught
    while_validating = [a for a, b in itertools.pairwise(told.steps) if a == b]
    assert {fraction for fraction, *_ in while_validating} == {0.5, 1}
    steps = list(dict.fromkeys(told.steps))
    assert len(steps) == 2 * 5
    assert [epoch for _, epoch, _ in steps] == [1] * 5 + [2] * 5
    assert steps[-1][0] == 1
    assert all(a < b for (a, *_), (b, *_) in itertools.pairwise(steps))
    assert told.epochs == history
    assert len(history) == 2


def test_steps_are_told_a_few_times_a_second_but_always_the_last(tf, taught):
    learner, *_ = taught
    told = Listener()
    with fit.variables_put_back(learner):
        fit.fit(learner, *pipelines(tf), epochs=1, listener=told)
    assert len(told.steps) < 5
    assert told.steps[-1][0] == 1


def test_training_stops_when_the_validation_loss_no_longer_falls(tf, taught):
    unteachable, *_ = taught
    with fit.variables_put_back(unteachable):
        unteachable.optimizer.learning_rate = 0.0
        history = fit.fit(unteachable, *pipelines(tf), epochs=9, patience=2)
    assert len(history) == 3, "the first epoch, and two that were no better"


def test_the_history_is_that_of_keras(tf, taught):
    *_, ours = taught
    reference = model()
    train, validation = pipelines(tf)
    theirs = reference.fit(
        train, validation_data=validation, epochs=2, verbose=0, shuffle=False
    ).history
    for name in ("accuracy", "loss", "val_accuracy", "val_loss"):
        assert [getattr(epoch, name) for epoch in ours] == theirs[name]
