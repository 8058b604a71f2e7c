from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from lib.analysis import results
from lib.report import sentences, tables
from tests import small_study


def load(folder, **options):
    return results.load(small_study.make(folder, **options))


def test_what_was_asked_counts_the_runs(tmp_path):
    text = repr(sentences.asked(load(tmp_path / "s")))
    assert "VGG16, VGG19 and ResNet50 on mnist and digits" in text
    assert "18 runs of 18 planned are complete" in text
    assert "random weights" in text


def test_failed_and_missing_runs_are_named(tmp_path):
    assert "1 run failed: ResNet50-mnist-r3-" in repr(
        sentences.asked(load(tmp_path / "a", failed="no"))
    )
    partial = repr(sentences.asked(load(tmp_path / "b", unfinished=True)))
    assert "Not yet run: ResNet50-mnist-r3-" in partial
    assert "partial" in partial


def test_an_unfinished_study_is_marked_partial(tmp_path):
    at = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    said = sentences.partial(load(tmp_path / "a", unfinished=True), at)
    assert said.startswith("Partial: 17 of 18 runs have ended (as of 4 March 2026, 05:06 UTC).")
    assert sentences.partial(load(tmp_path / "b", failed="no"), at) is None


def test_three_sentences_say_what_was_found(tmp_path):
    energy, score, sure = sentences.found(load(tmp_path / "s")).sentences
    assert "on digits a training took from 0.153 Wh (ResNet50) to 0.255 Wh (VGG19)" in energy
    assert "1.67 times as much" in energy
    table = tables.architecture_differences_within(load(tmp_path / "s")).frame
    (p,) = table.loc[table["within"].eq("dataset = digits") & table["response"].eq("Energy")][
        "p_holm"
    ]
    assert f"(p = {p:.2g} after Holm, Kruskal-Wallis, n = 9)" in energy
    assert "on digits VGG16 gives the most accuracy for its energy" in score
    assert "is the most accurate too" in score
    assert sure.startswith("No wattmeter was there: energy is CPU by load model")


@pytest.mark.parametrize(
    ("factor", "said"), [(1.25, "for 25 % more energy"), (22, "for 22 times the energy")]
)
def test_what_the_most_accurate_costs_reads_well(tmp_path, factor, said):
    study = load(tmp_path / "s", datasets=("digits",))
    best, other = study.ranked.index[:2]
    study.ranked.loc[other, "mean_accuracy"] = 0.99
    energy = study.ranked.loc[best, "mean_energy_consumed"] * factor
    study.ranked.loc[other, "mean_energy_consumed"] = energy
    assert said in sentences.found(study).sentences[1]


def test_each_location_has_its_best_score(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",))
    other = study.completed.assign(location="FRA")
    other["energy_consumed"] *= 1.5
    completed = pd.concat([study.completed, other], ignore_index=True)
    two = replace(study, results=completed)
    said = sentences.found(two).sentences[1]
    assert "On digits in USA/oregon VGG16 gives the most accuracy for its energy" in said
    assert "on digits in FRA VGG16 gives the most accuracy for its energy" in said
    assert said.count("and is the most accurate too") == 2


def test_no_energy_is_no_multiple_of_none(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",))
    study.completed["energy_consumed"] = 0.0
    said = sentences.found(study).sentences[0]
    assert "from 0 kWh" in said
    assert "times" not in said


def test_what_cannot_be_tested_is_said_in_the_sentence(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    assert "(not tested: only one value" in sentences.found(study).sentences[0]


def test_a_wattmeter_has_the_last_word(tmp_path):
    study = load(tmp_path / "s")
    study.completed["wattmeter_energy"] = study.completed["energy_consumed"] * 2
    energy, _, sure = sentences.found(study).sentences
    assert energy.startswith("By the wattmeter, on mnist")
    assert "0.510 Wh (VGG19)" in energy
    assert sure == "CodeCarbon reports 50 % less energy than the wattmeter (18 runs)."


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ((0.8, 0.8), "25 % more energy than the wattmeter"),
        ((0.8, 0.5), "25 % to 100 % more energy"),
        ((0.8, 2.0), "from 25 % more to 50 % less energy"),
        ((1.25, 2.0), "20 % to 50 % less energy"),
    ],
)
def test_whether_the_profiler_says_more_or_less(tmp_path, factors, said):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    study.completed["wattmeter_energy"] = study.completed["energy_consumed"] * [
        *factors,
        factors[0],
    ]
    assert f"CodeCarbon reports {said}" in sentences.found(study).sentences[-1]


def test_a_network_that_guesses_has_no_best_score(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",))
    guesses = study.completed["architecture"] == "ResNet50"
    study.completed.loc[guesses, ["accuracy", "energy_consumed"]] = 0.1, 1e-9
    score = sentences.found(study).sentences[1]
    assert score.startswith("On digits VGG16 gives the most accuracy for its energy")
    assert score.endswith("left out, because they hardly do better than guessing: ResNet50.")
    everything = load(tmp_path / "t", datasets=("digits",))
    everything.completed["accuracy"] = 0.1
    assert "a Score says nothing" in sentences.found(everything).sentences[1]


@pytest.mark.parametrize("column", ["energy_consumed", "accuracy"])
def test_missing_measurements_are_said(tmp_path, column):
    study = load(tmp_path / "s")
    study.completed[column] = float("nan")
    assert any("missing" in sentence for sentence in sentences.found(study).sentences)


def test_nothing_complete_is_said(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    study.results["status"] = "failed"
    assert repr(sentences.found(study)) == "No run is complete yet, so nothing was found."


def test_the_order_is_told_from_the_study(tmp_path):
    assert "shuffled with seed 7" in repr(sentences.ordered_how(load(tmp_path / "s")))


def test_audits_are_counted(tmp_path):
    study = load(tmp_path / "s")
    assert repr(sentences.trusted(study)).startswith(f"Of {len(study.findings)} checks")


def test_where_networks_guess_their_plain_energies_are_compared(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), variants=({}, {"precision": "mixed"}))
    for history in study.histories.values():
        history["val_accuracy"] = 0.1
    saved = sentences.found(study).sentences[2]
    assert saved.startswith("Nothing is known of savings at equal accuracy (ResNet50")
    assert ": it is hardly better than guessing); on digits energies are from" in saved
    assert saved.endswith(
        "energies are from 0.525 times (ResNet50 (precision: mixed)) to 1.25 times (VGG19 "
        "(reference)) that of VGG16 (reference)."
    )


def test_a_study_of_variants_says_what_they_save(tmp_path):
    variants = ({}, {"precision": "mixed"}, {"features": "cached", "head": "linear"})
    study = load(tmp_path / "s", datasets=("digits",), variants=variants)
    energy, score, saved, _ = sentences.found(study).sentences
    assert energy.startswith("Of the runs with the reference's settings, on digits a training")
    assert "0.153 Wh (ResNet50) to 0.255 Wh (VGG19)" in energy
    assert "VGG16 (head: linear, features: cached) gives the most accuracy" in score
    assert "while VGG16 (reference) is the most accurate" in score
    assert "reaches an accuracy of 0.570 with 90 % less energy than VGG16 (reference)" in saved
    assert "p < 0.001 after Holm, best of 8, 3 runs)" in saved
    asked = repr(sentences.asked(study))
    assert "3 variants: reference; head: linear, features: cached; precision: mixed." in asked
    head, features, precision = sentences.varied(study).sentences
    assert head.startswith("head: linear (instead of paper)")
    assert features.startswith("features: cached (instead of online): the frozen base sees 5 fixed")
    assert precision.startswith("precision: mixed (instead of float32): 16-bit")


def test_a_saving_that_may_be_chance_is_no_finding(tmp_path):
    study = load(
        tmp_path / "s", datasets=("digits",), repetitions=2, variants=({}, {"precision": "mixed"})
    )
    rng = np.random.default_rng(1)
    for history in study.histories.values():
        history["energy_consumed"] = [1e-4, 2e-4] * rng.normal(1, 0.2, 1)
    saved = sentences.found(study).sentences[2]
    assert saved.startswith("On digits nothing was shown to save energy against VGG16 (reference)")
    assert "after Holm, best of 5, 2 runs)" in saved


def test_a_saving_of_one_run_is_not_tested(tmp_path):
    study = load(
        tmp_path / "s", datasets=("digits",), repetitions=1, variants=({}, {"precision": "mixed"})
    )
    saved = sentences.found(study).sentences[2]
    assert saved.endswith("not tested: one run alone has no spread; 1 run).")


def test_a_study_without_the_reference_says_so(tmp_path):
    variants = ({"precision": "mixed"}, {"features": "cached"})
    study = load(tmp_path / "s", datasets=("digits",), variants=variants)
    energy, _, saved, _ = sentences.found(study).sentences
    assert energy.startswith("Of the runs with features: cached, on digits")
    assert "no run has its settings" in saved


def test_an_ordinary_study_explains_no_options(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    assert sentences.varied(study).sentences == ()
    assert len(sentences.found(study).sentences) == 3
