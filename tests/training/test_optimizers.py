import functools

import keras
import numpy as np
import pytest

from lib.training import optimizers


def network(precision="float32"):
    """A small one, with the same weights each time."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((12,)),
            keras.layers.Dense(16, activation="relu", dtype=precision),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def trained(optimizer, precision="float32", steps=7):
    """Weights of a small network after some steps, and the optimizer's own variables."""
    model = network(precision)
    numbers = np.random.default_rng(2)
    x, y = numbers.normal(size=(64, 12)).astype("float32"), numbers.integers(0, 3, 64)
    model.compile(optimizer, loss="sparse_categorical_crossentropy")
    optimizer.build(model.trainable_variables)  # or its graph is made twice
    model.fit(x, y, batch_size=64 // steps, steps_per_epoch=steps, verbose=0, shuffle=False)
    return model.get_weights(), [v.numpy() for v in model.optimizer.variables]


@functools.cache
def plain(learning_rate):
    """The same by Keras' own Adam."""
    return trained(keras.optimizers.Adam(learning_rate))


@pytest.mark.parametrize("learning_rate", [None, 0.03])
def test_adam_in_one_pass_is_keras_adam(learning_rate):
    ours = trained(optimizers.make("adam", learning_rate))
    theirs = plain(learning_rate or 0.001)
    for mine, reference, before in zip(ours[0], theirs[0], network().get_weights(), strict=True):
        moved = abs(reference - before).max()
        assert moved > 0.005
        np.testing.assert_allclose(mine, reference, atol=1e-5 * moved, rtol=1e-5)
    for mine, reference in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-3, atol=1e-7)


def test_a_scaled_loss_changes_nothing_but_rounding():
    scaled = keras.optimizers.LossScaleOptimizer(optimizers.make("adam"))
    for mine, reference in zip(trained(scaled)[0], plain(0.001)[0], strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-5)


@pytest.mark.parametrize(("name", "kind"), [("sgd", "SGD"), ("rmsprop", "RMSprop")])
def test_the_others_are_those_of_keras(name, kind):
    made = optimizers.make(name, 0.25)
    assert type(made) is getattr(keras.optimizers, kind)
    assert float(made.learning_rate) == 0.25
