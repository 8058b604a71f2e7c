import numpy as np
import pytest

from lib.study.config import RunConfig
from lib.training import backends, datasets, fit, frozen_base, input_pipeline
from lib.training import network as networks

pytestmark = [
    pytest.mark.skipif(backends.current() != "tensorflow", reason="is for TensorFlow"),
    pytest.mark.usefixtures("few_layers"),
]


def config(**fields):
    small = {"dataset": "digits", "head": "linear", "train_limit": 40, "test_limit": 20}
    return RunConfig(**{"architecture": "MobileNetV2", "epochs": 2, **small, **fields})


def test_constants_learn_what_variables_learn():
    """A base with batch normalization, which becomes a part of its convolutions."""
    run = config(preprocessing="imagenet")
    data = datasets.load(run)

    def learned(constants):
        model = networks.build(run, data)
        if constants:
            frozen_base.as_constants(model.layers[1])
        history = fit.learn(run, model, data)
        features = model.layers[1].predict(input_pipeline.images(data, run).validation, verbose=0)
        return features, [(epoch.loss, epoch.val_loss) for epoch in history]

    features, losses = learned(constants=False)
    again, theirs = learned(constants=True)
    np.testing.assert_allclose(again, features, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(theirs, losses, rtol=1e-3)


def test_a_graph_of_a_base_as_constants_reads_no_variable():
    run = config()
    model = networks.build(run, datasets.load(run))
    frozen_base.as_constants(model.layers[1])
    import tensorflow as tf

    images = tf.TensorSpec([None, *model.input.shape[1:]])
    concrete = tf.function(model).get_concrete_function(images)
    assert len(concrete.captured_inputs) == len(model.get_layer("head").weights)


@pytest.mark.parametrize(
    ("fields", "held_as"),
    [
        ({}, "variables"),
        ({"epochs": 1000}, "constants"),
        ({"epochs": 1000, "trainable": "all"}, "variables"),
        ({"epochs": 1000, "features": "cached", "views": 5}, "variables"),
        ({"features": "cached", "views": 1250}, "constants"),
    ],
)
def test_constants_are_for_a_base_that_sees_many_images(fields, held_as):
    run = config(**fields)
    data = datasets.load(run)
    assert frozen_base.held_as(run, data, networks.build(run, data)) == held_as
