"""The first screen, in words."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from lib.analysis import results
from lib.report import answer
from tests import small_study

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def load(folder, **options):
    return results.load(small_study.make(folder, **options))


def test_an_unfinished_study_is_marked_partial(tmp_path):
    said = answer.head(load(tmp_path / "a", unfinished=True), AT).html
    assert "Partial: 17 of 18 runs have ended (as of 4 March 2026, 05:06 UTC)." in said
    assert answer.partial(load(tmp_path / "b", failed="no"), AT) is None


def test_the_title_and_what_is_missing_are_text(tmp_path):
    html = answer.head(load(tmp_path / "a", title="<b>&", unfinished=True), AT).html
    assert "<h1>&lt;b&gt;&amp;</h1>" in html


@pytest.mark.parametrize(
    ("options", "asks"),
    [
        ({}, "energy does it take to train VGG16, VGG19 and ResNet50 on mnist and digits"),
        ({"variants": ({}, {"precision": "mixed"})}, "Which way of training takes less energy"),
    ],
)
def test_the_question_is_the_studys(tmp_path, options, asks):
    assert asks in answer.question(load(tmp_path / "s", **options))


def test_the_answer_says_what_differs_and_what_it_comes_down_to(tmp_path):
    said = answer.found(load(tmp_path / "s")).sentences
    furthest = "none of which is decided: VGG19 used 1.67 times the energy of ResNet50"
    assert furthest in " ".join(said)
    assert said[-1].startswith("Lowest energy among those not shown to be less accurate:")
    assert "VGG16 on mnist (accuracy 0.840; next: VGG19, 1.25 times the energy" in said[-1]


LEAST = "Lowest energy among those not shown to be less accurate: "


def test_what_it_comes_down_to_is_as_sure_as_the_answer_is(tmp_path):
    """Pairs that instruments or a test of all leave open are not decided by another test."""
    study = load(tmp_path / "s", datasets=("digits",), repetitions=4)
    energy = study.results["energy_consumed"] * np.random.default_rng(1).normal(1, 0.01, 12)
    runs = study.results.assign(energy_consumed=energy, cpu_energy=energy, ram_energy=0.0)
    *_, said, chosen = answer.found(replace(study, results=runs)).sentences
    assert "given the instruments' errors either may use more" in said, "of a load model"
    assert chosen.startswith(f"{LEAST}VGG16 on digits (accuracy 0.645; next: VGG19, 1.2")
    assert chosen.endswith(" times the energy, not shown to be more).")
    counted = runs.assign(cpu_method="measured counter (RAPL)", cpu_model="Intel(R) Xeon(R)")
    assert answer.found(replace(study, results=counted)).sentences[-1].endswith(" the energy).")


def test_of_several_machines_nothing_is_chosen(tmp_path):
    """The mean of one that ran more often on the larger machine is larger."""
    study = load(tmp_path / "s", datasets=("digits",), repetitions=4)
    runs = study.results.assign(machine=np.where(study.results["repetition"] > 2, "a", "b"))
    assert LEAST not in repr(answer.found(replace(study, results=runs)))


def test_of_single_runs_nothing_is_chosen(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    assert LEAST not in repr(answer.found(study))


def test_of_one_configuration_the_energy_is_the_answer(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",))
    one = study.results[study.results["architecture"] == "VGG16"]
    said = answer.found(replace(study, results=one, planned=())).sentences
    assert said[0] == "VGG16 used 0.204 Wh on digits."
    assert "scatter by" in said[1]


def test_the_wattmeter_is_believed(tmp_path):
    study = load(tmp_path / "s")
    study.completed["wattmeter_energy"] = study.completed["energy_consumed"] * 2
    assert any("By the wattmeter, on mnist" in one for one in answer.found(study).sentences)


def test_networks_that_guess_are_named_and_not_chosen(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",))
    guesses = study.completed["architecture"] == "ResNet50"
    study.completed.loc[guesses, ["accuracy", "energy_consumed"]] = 0.1, 1e-9
    assert "less accurate: VGG16 on digits" in answer.found(study).sentences[-1]
    assert answer.rest(study).sentences[0].startswith("ResNet50 on digits stays at chance level")
    everything = load(tmp_path / "t", datasets=("digits",))
    everything.completed["accuracy"] = 0.1
    assert "less accurate:" not in repr(answer.found(everything)), "none is chosen"
    assert everything.ranked.empty


def test_nothing_complete_is_said(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    study.results["status"] = "failed"
    assert repr(answer.found(study)) == "No run is complete yet, so nothing was found."
    assert answer.rest(study).sentences[0].startswith("The whole study used 0."), "what failed"
    assert "training-energy-study" in answer.footer(study, AT).html


def test_energies_that_are_not_known_are_not_passed_over(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    assert "not known" not in repr(answer.rest(study))
    study.completed.loc[study.completed.index[0], "energy_consumed"] = np.nan
    del study.__dict__["cost"]
    assert "; the energy of 1 of its runs is not known." in repr(answer.rest(study))


def test_a_study_of_options_says_what_they_save(tmp_path):
    variants = ({}, {"precision": "mixed"}, {"features": "cached", "head": "linear"})
    study = load(tmp_path / "s", datasets=("digits",), variants=variants)
    saved = answer.found(study).sentences[-1]
    assert "reaches accuracy 0.570 with 90 % less energy than VGG16, reference" in saved
    assert "p < 0.001 after Holm, the best of 8" in saved


def test_a_saving_that_may_be_chance_is_no_finding(tmp_path):
    study = load(
        tmp_path / "s", datasets=("digits",), repetitions=2, variants=({}, {"precision": "mixed"})
    )
    rng = np.random.default_rng(1)
    for history in study.histories.values():
        history["energy_consumed"] = [1e-4, 2e-4] * rng.normal(1, 0.2, 1)
    saved = answer.found(study).sentences[-1]
    assert saved.startswith("On digits nothing was shown to save energy against VGG16, reference")


def test_a_saving_that_the_instruments_leave_open_is_not_claimed(tmp_path):
    variants = ({}, {"precision": "mixed"})
    study = load(tmp_path / "s", datasets=("digits",), variants=variants)
    study.saved["saved_percent_low"] = -1.0
    saved = answer.found(study).sentences[-1]
    assert saved.endswith("reference: any saving is within the instruments' uncertainty.")


def test_the_cost_is_of_the_whole_study(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    study.completed["idle_energy"] = study.completed["energy_consumed"] / 2
    study.completed["idle_duration"] = 20.0
    (cost,) = [line for line in answer.rest(study).sentences if line.startswith("The whole")]
    total = 1.01 * (0.20 + 0.25 + 0.15)
    assert f"used {total * 1.25:.3f} Wh in 3 min 00 s" in cost
    assert f"training {total:.3f} Wh, idle {total / 4:.3f} Wh" in cost


def test_emissions_are_said_where_every_energy_has_them(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    said = [line for line in answer.rest(study).sentences if "whole study" in line]
    assert "emitting" in said[0]
    runs = study.completed.assign(carbon_intensity=[None, 300.0, 300.0])
    said = answer.rest(replace(study, results=runs)).sentences
    assert not any("emitting" in line for line in said)
