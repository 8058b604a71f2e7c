from dataclasses import replace

import numpy as np
import pytest

from lib.analysis import instrument_pairs, results
from lib.analysis.instrument_pairs import Agreement
from lib.records import uncertainty as records_uncertainty
from lib.report import run_tables, sentences, tables
from tests import small_study
from tests.instruments.test_accuracy import LAPTOP
from tests.records.test_uncertainty import record


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    small_study.make(folder)
    return results.load(folder)


def test_the_budget_of_a_study_names_every_source_with_what_it_rests_on(study):
    frame = tables.budget(study).frame
    assert frame["share_percent"].sum() == pytest.approx(100)
    assert frame["share_percent"].is_monotonic_decreasing
    assert frame["basis"].str.len().min() > 20
    assert "the scatter of the repetitions" in set(frame["source"])
    assert {"all runs of a machine", "the runs of a configuration"} <= set(frame["common_to"])


def test_the_answer_has_limits(study):
    frame = tables.answer(study).frame
    assert (frame["energy_consumed_low"] < frame["energy_consumed_high"]).all()


def test_sentences_say_what_is_uncertain_and_why(study):
    what, how = sentences.uncertain(study).sentences
    assert "components that were read" in what
    assert " to " in how
    assert "of that is due to the" in how


def test_the_cause_that_is_named_is_that_of_the_mean_that_is_named(study):
    """Not what most other means are uncertain by."""
    runs = study.completed
    guessed = runs["architecture"] == "ResNet50"
    runs = runs.assign(
        cpu_energy=runs["energy_consumed"],
        gpu_energy=0.0,
        ram_energy=0.0,
        cpu_method=np.where(guessed, "load model (TDP 100 W, a guess)", "RAPL counter"),
    )
    _, how = sentences.uncertain(replace(study, results=runs)).sentences
    assert "of that is due to the guess of the processor's design power" in how


def test_a_runs_energies_carry_their_limits():
    run = records_uncertainty.with_limits(record(net_energy=3.4e-6))
    shown = run_tables.energy(run).frame.set_index("quantity")["value"]
    assert shown["energy consumed"] == "16.5 mWh (3 to 41)"
    assert shown["net energy"].startswith("3.40 mWh (")
    assert run_tables.uncertainty(run).frame["source"].iloc[0] == "the memory model"
    assert "16.5 mWh" in run_tables.uncertainty(run).caption


def test_without_energy_there_is_no_budget():
    assert run_tables.uncertainty(record({**LAPTOP, "energy_consumed": None})).frame.empty


def test_two_that_read_one_register_are_one_witness():
    found = Agreement(
        "NVML counter",
        "CodeCarbon",
        "gpu",
        6,
        3,
        gap_percent=0.4,
        gap_percent_low=0.1,
        gap_percent_high=0.9,
    )
    said = instrument_pairs.in_words(found)
    assert "read the same counter" in said
    assert "nothing of how accurate" in said
    assert "can't see" not in said
