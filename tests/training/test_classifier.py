import dataclasses
import html

import numpy as np
import pytest

from lib.report import run_tables
from lib.study.catalog import NO_DEPTH
from lib.study.config import RunConfig
from lib.training import classifier, datasets, frozen_base, network

SMALL = {"architecture": "MobileNetV2", "head": "linear", "train_limit": 40, "test_limit": 20}

pytestmark = pytest.mark.usefixtures("few_layers")


class Listener:
    def __init__(self):
        self.epochs, self.fractions = [], []

    def step(self, fraction, epoch, accuracy):
        self.fractions.append(fraction)

    def epoch(self, **values):
        self.epochs.append(values)


def training(**fields):
    config = RunConfig(**SMALL | fields)
    return classifier.Training(config, datasets.load(config))


@pytest.fixture(scope="module")
def learned(few_layers):
    made = training(epochs=2, weights="none")
    before = made.model.get_weights()
    made.rehearse()
    same = all(map(np.array_equal, before, made.model.get_weights()))
    listener = Listener()
    made.learn(listener)
    return made, listener, same


def test_a_rehearsal_leaves_no_trace(learned):
    assert learned[2]


def test_epochs_are_told_as_they_end(learned):
    made, listener, _ = learned
    assert listener.epochs == [dataclasses.asdict(epoch) for epoch in made.history]
    assert list(listener.epochs[0]) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert listener.fractions[-1] == 1


@pytest.mark.parametrize("features", ["cached", "online"])
def test_features_are_told_to_take_the_part_that_they_are_likely_to_take(features):
    many = {"train_limit": 1000, "batch_size": 1000}
    made = training(features=features, views=1, epochs=30, weights="none", **many)
    share = made.network.share_done_once(made.config, made.data)
    if features == "online":
        assert share == 0
    else:  # 1020 images of 0.5 MFLOPs against 30 epochs of a step
        assert share == pytest.approx(0.15, abs=0.05)


def test_what_came_out_is_the_last_epochs(learned):
    made, _, _ = learned
    results = made.results
    assert results["accuracy"] == made.history[-1].val_accuracy
    assert results["flops_training"] == made.network.flops_once + 2 * made.network.flops_epoch
    assert results["data"]["train_images"] == 40
    assert results["facts"] == {"computed_in": "float32", "base_held_as": "variables"}
    assert results["reasons"]["depth"] == NO_DEPTH
    assert any("random weights" in doubt for doubt in results["doubts"])
    made.predict()


def test_a_loss_that_is_no_number_is_empty_with_the_reason(learned):
    made, _, _ = learned
    diverged = dataclasses.replace(made.history[-1], val_loss=float("nan"))
    made.history.append(diverged)
    try:
        assert made.results["loss"] is None
        assert "diverged" in made.results["reasons"]["loss"]
    finally:
        made.history.pop()


def test_a_base_that_sees_many_images_is_held_as_constants(monkeypatch):
    monkeypatch.setattr(frozen_base, "FEWEST_IMAGES", 100)
    assert training(epochs=2).base_held_as == "constants"


def test_a_depth_that_nobody_states_is_shown_with_the_reason():
    counted = network.Network(None, 100, 50, 1000, 10, 9_000, 45_000, "float32", None, ())
    assert NO_DEPTH in html.unescape(run_tables.network(counted, epochs=1)._repr_html_())
    assert counted.flops_training(2) == 99_000
