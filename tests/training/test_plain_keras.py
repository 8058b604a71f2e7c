"""What this program has made fast computes what a plain Keras model of the paper computes."""

import numpy as np
import pytest

from lib.study.config import RunConfig
from lib.training import backends, datasets, frozen_base, input_pipeline, network
from lib.training.architectures import undrawn

pytestmark = pytest.mark.skipif(backends.current() != "tensorflow", reason="is for TensorFlow")


def of_the_paper(architecture, head, side, classes):
    """As plain Keras has it: the head of the authors' code, and nothing of this program."""
    import keras
    from keras import layers

    base = getattr(keras.applications, architecture)(
        include_top=False, weights=None, input_shape=(side, side, 3)
    )
    base.trainable = False
    hidden = [layers.GlobalAveragePooling2D()]
    if head == "paper":
        wide = [layers.Dense(4096, activation="relu"), layers.Dense(4096, activation="relu")]
        hidden = [layers.Flatten(), *wide, layers.Dropout(0.5)]
    return keras.Sequential([base, *hidden, layers.Dense(classes, activation="softmax")])


def state_of_dropout(layers):
    """Of its random numbers; a head without has none to set."""
    import keras

    dropout = [layer for layer in layers if isinstance(layer, keras.layers.Dropout)]
    return [layer.seed_generator.state for layer in dropout]


def loss_and_gradients(model, images, labels):
    """Of one batch in training, with dropout."""
    import keras
    import tensorflow as tf

    with tf.GradientTape() as tape:
        predicted = model(images, training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, predicted))
    return loss, tape.gradient(loss, model.trainable_variables)


def in_a_graph(model, images, labels):
    """The same as `fit` computes it."""
    import tensorflow as tf

    return tf.function(loss_and_gradients, autograph=False)(model, images, labels)


@pytest.mark.parametrize(
    ("architecture", "head"), [("VGG16", "paper"), ("VGG19", "linear"), ("ResNet50", "linear")]
)
def test_loss_and_gradients_of_a_batch_are_those_of_a_plain_model(few_blocks, architecture, head):
    """Heads are built alike on every base; how wide and how deep it is matters to none."""
    small = {"dataset": "digits", "train_limit": 16, "batch_size": 4, "optimizer": "sgd"}
    config = RunConfig(architecture=architecture, head=head, preprocessing="imagenet", **small)
    data = datasets.load(config)
    images, labels = next(iter(input_pipeline.images(data, config).train))
    ours = network.build(config, data)
    with undrawn():
        plain = of_the_paper(architecture, head, data.image_size, data.classes)

    base, head = ours.layers[1], ours.get_layer("head")
    plain.layers[0].set_weights(base.get_weights())
    np.testing.assert_array_equal(base(images), plain.layers[0](images))
    heads = [weight for layer in plain.layers[1:] for weight in layer.weights]
    for theirs, mine in zip(heads, head.weights, strict=True):
        theirs.assign(mine)
    states = state_of_dropout(head.layers)
    drawn = [state.numpy() for state in states]
    for state, numbers in zip(state_of_dropout(plain.layers), drawn, strict=True):
        state.assign(numbers)
    expected, expected_gradients = loss_and_gradients(plain, images, labels)

    for held_as in ("variables", "constants"):
        if held_as == "constants":
            frozen_base.as_constants(base)
        for state, numbers in zip(states, drawn, strict=True):
            state.assign(numbers)
        loss, gradients = in_a_graph(ours, images, labels)
        np.testing.assert_allclose(loss, expected, rtol=1e-5, err_msg=held_as)
        assert len(gradients) == len(head.weights), "only the head learns"
        for mine, theirs in zip(gradients, expected_gradients, strict=True):
            largest = np.abs(theirs).max()
            assert largest > 0
            assert np.abs(mine - theirs).max() <= 1e-4 * largest
