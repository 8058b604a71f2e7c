import dataclasses
import html

import numpy as np
import pytest

from lib.experiment import protocol
from lib.experiment.protocol import Outcome
from lib.instruments import Component, Reading
from lib.records import Phase
from lib.report import run_tables
from lib.study.catalog import NO_DEPTH
from lib.study.config import RunConfig
from lib.training.datasets import Dataset
from lib.training.fit import Epoch
from lib.training.network import Network

NETWORK = Network(
    depth=16,
    parameters=100,
    trainable_parameters=50,
    flops=1000,
    flops_head=10,
    flops_once=9_000,
    flops_epoch=45_000,
    precision="float32",
    reason=None,
    doubts=(),
)
DETAILS = {"run_id": "a-tracker", "peak_power": 45.0}


def data(notes=()):
    images, labels = np.zeros((4, 32, 32, 3), np.uint8), np.zeros(4, np.int32)
    return Dataset("x", images, labels, images, labels, ("a", "b"), "f00", "a file", tuple(notes))


def reading(cpu=0.001, ram=0.002, duration=100.0, doubts=()):
    components = {
        "cpu": Component(cpu, "load model", None if cpu is not None else "negative energy"),
        "gpu": Component(None, "none", "no GPU"),
        "ram": Component(ram, "model (20 W)"),
    }
    return Reading("codecarbon", duration, components, 100, tuple(doubts), DETAILS)


def outcome(meter, idle=None, doubts=()):
    start, end = "2026-01-01T00:00:00.000+00:00", "2026-01-01T00:01:40.000+00:00"
    phase = Phase(name="training", started_at=start, ended_at=end, duration=100.2)
    history = (
        Epoch(1, 0.5, 1.0, 0.4, 1.1, 50.0, 0.001),
        Epoch(2, 0.7, 0.8, 0.6, 0.9, 100.0, 0.003),
    )
    return Outcome(history, (meter,), idle, (phase,), tuple(doubts))


def record(measured, notes=(), **fields):
    return protocol.record(RunConfig(**fields), data(notes), NETWORK, measured)


def test_the_record_of_a_run():
    made = record(outcome(reading()), location="FRA")
    assert made.energy_consumed == pytest.approx(0.003)
    assert made.emissions == pytest.approx(0.003 * made.carbon_intensity / 1000)
    assert made.accuracy == 0.6, "validation, last epoch"
    assert made.score == pytest.approx(200)
    assert (made.duration, made.peak_power, made.tracker_run_id) == (100.0, 45.0, "a-tracker")
    assert made.started_at < made.ended_at
    assert made.flops_training == 99_000, "what is done once, and the two epochs that there were"
    assert made.extra["epochs_trained"] == 2
    assert made.gpu_energy is None
    assert made.reasons["gpu_energy"] == "no GPU"


def test_net_energy_takes_off_what_the_idle_machine_would_have_drawn():
    idle = reading(cpu=0.00001, ram=0.00002, duration=10.0)
    made = record(outcome(reading(), idle))
    assert made.idle_energy == pytest.approx(0.0003)
    assert made.net_energy == pytest.approx(0.0027)


def test_without_a_baseline_there_is_no_net_energy_and_it_says_so():
    made = record(outcome(reading()))
    assert made.net_energy is None
    assert "idle_seconds is 0" in made.reasons["net_energy"]


def test_without_a_place_there_are_no_emissions_and_it_says_so():
    made = record(outcome(reading()))
    assert made.emissions is None
    assert "location" in made.reasons["emissions"]


def test_a_part_that_failed_leaves_the_sum_empty():
    made = record(outcome(reading(cpu=None)), location="FRA")
    assert made.energy_consumed is None
    assert made.score is None
    assert made.emissions is None
    assert made.reasons["cpu_energy"] == "negative energy"
    for name in ("energy_consumed", "emissions", "score"):
        assert made.reasons[name], name


def test_every_doubt_arrives_once():
    made = record(outcome(reading(), doubts=("busy", "busy")), notes=("rounded",), weights="none")
    assert made.doubts.count("busy") == 1
    assert "rounded" in made.doubts
    assert any("random weights" in doubt for doubt in made.doubts)


def test_pixels_that_an_architecture_cannot_read_are_doubted():
    made = record(outcome(reading()), architecture="EfficientNetV2B0", preprocessing="rescale")
    assert any(doubt.startswith("preprocessing: ") for doubt in made.doubts)
    made = record(outcome(reading()), architecture="EfficientNetV2B0", preprocessing="imagenet")
    assert not any(doubt.startswith("preprocessing: ") for doubt in made.doubts)


def test_a_depth_that_nobody_states_is_empty_with_the_reason(monkeypatch):
    monkeypatch.setattr(f"{__name__}.NETWORK", dataclasses.replace(NETWORK, depth=None))
    made = record(outcome(reading()), architecture="EfficientNetV2B0")
    assert made.depth is None
    assert made.reasons["depth"] == NO_DEPTH
    shown = html.unescape(run_tables.network(NETWORK, epochs=1).to_html())
    assert NO_DEPTH in shown


def test_the_record_names_no_folder(tmp_path):
    made = record(outcome(reading()), output_dir=str(tmp_path))
    assert str(tmp_path) not in made.model_dump_json()
