import pytest

from lib.experiment.record import Measured, Use, complete
from lib.experiment.results import TOLD, Results
from lib.instruments import Component, Reading
from lib.records.record import Phase, Record
from lib.study.config import RunConfig

DETAILS = {"run_id": "a-tracker", "peak_power": 45.0}


def reading(cpu=0.001, ram=0.002, duration=100.0, doubts=(), name="codecarbon"):
    components = {
        "cpu": Component(cpu, "load model", None if cpu is not None else "negative energy"),
        "gpu": Component(None, "none", "no GPU"),
        "ram": Component(ram, "model (20 W)"),
    }
    return Reading(name, duration, components, 100, tuple(doubts), DETAILS)


def record(meter, idle=None, doubts=(), use=None, results=None, **fields):
    start, end = "2026-01-01T00:00:00.000+00:00", "2026-01-01T00:01:40.000+00:00"
    phase = Phase(name="training", started_at=start, ended_at=end, duration=100.2)
    found = Measured((meter,), idle, (phase,), tuple(doubts), use=use)
    told = Results(frozenset(), values={"accuracy": 0.6}) if results is None else results
    return complete(RunConfig(**fields), found, told)


def test_the_record_of_a_run():
    made = record(reading(), location="FRA")
    assert made.energy_consumed == pytest.approx(0.003)
    assert made.emissions == pytest.approx(0.003 * made.carbon_intensity / 1000)
    assert made.score == pytest.approx(200)
    assert (made.duration, made.peak_power, made.tracker_run_id) == (100.0, 45.0, "a-tracker")
    assert made.started_at < made.ended_at
    assert made.gpu_energy is None
    assert made.reasons["gpu_energy"] == "no GPU"


def test_net_energy_takes_off_what_the_idle_machine_would_have_drawn():
    idle = reading(cpu=0.00001, ram=0.00002, duration=10.0)
    made = record(reading(), idle)
    assert made.idle_energy == pytest.approx(0.0003)
    assert made.net_energy == pytest.approx(0.0027)


def test_without_a_baseline_there_is_no_net_energy_and_it_says_so():
    made = record(reading())
    assert made.net_energy is None
    assert "idle_seconds is 0" in made.reasons["net_energy"]


def test_without_a_place_there_are_no_emissions_and_it_says_so():
    made = record(reading())
    assert made.emissions is None
    assert "location" in made.reasons["emissions"]


def test_a_part_that_failed_leaves_the_sum_empty():
    made = record(reading(cpu=None), location="FRA")
    assert made.energy_consumed is None
    assert made.score is None
    assert made.emissions is None
    assert made.reasons["cpu_energy"] == "negative energy"
    for name in ("energy_consumed", "emissions", "score"):
        assert made.reasons[name], name


def test_a_quality_of_ones_own_has_a_column_and_no_score():
    made = record(reading(), results=Results(frozenset(), values={"perplexity": 3.5}))
    assert made.extra["perplexity"] == 3.5
    assert made.accuracy is None
    assert made.score is None
    assert made.reasons["score"] == "there is no accuracy"


def test_every_doubt_arrives_once_and_reasons_of_who_trained_stay():
    told = Results(frozenset(), doubts=["rounded"], reasons={"depth": "nobody says"})
    made = record(reading(), doubts=("busy", "busy"), results=told)
    assert made.doubts == ("rounded", "busy")
    assert made.reasons["depth"] == "nobody says"


def test_so_many_inferences_take_what_the_training_took():
    idle = reading(cpu=0.00001, ram=0.00002, duration=10.0)
    use = Use(reading(cpu=0.0001, ram=0.0002, duration=10.0), samples=2000)
    gross = record(reading(), use=use, inference_seconds=10).extra
    assert gross["inferences_like_training"] == pytest.approx(2000 * 0.003 / 0.0003)
    assert gross["inference_net_energy"] is None
    net = record(reading(), idle, use=use, inference_seconds=10).extra
    assert net["inference_net_energy_per_1000"] == pytest.approx((0.0003 - 0.00003) / 2)
    assert net["inferences_like_training"] == pytest.approx(2000 * 0.0027 / 0.00027)


def test_the_record_names_no_folder(tmp_path):
    assert str(tmp_path) not in record(reading(), output_dir=str(tmp_path)).model_dump_json()


def test_what_is_told_has_a_place_in_the_record():
    assert set(TOLD) <= Record.model_fields.keys()
