import pandas as pd

from lib.analysis import questions
from lib.report import verdicts
from tests.analysis.studies import results, study


def words(runs, asked=None, **options):
    return " ".join(verdicts.in_words(questions.answer(runs, asked or study(), **options)))


def test_differences_have_a_ratio_its_interval_and_p():
    said = words(results((1, 1.1, 1.25), repetitions=5))
    assert said.startswith("On cifar10 ResNet50 uses 1.2")
    assert "times the energy of VGG16 (simultaneous 95 %: 1." in said
    assert "p < 0.001" in said


def test_each_of_the_four_words():
    same = results((1, 1, 1), repetitions=5, cv=0.01)
    assert "are alike within 5 % (" in words(same, study(margin="5 %"))
    undecided = words(results((1, 1, 1), repetitions=5, cv=0.1))
    assert undecided.startswith(
        "Whether the energy depends on the architecture is not decided (p = "
    )
    assert "; ± 5 % by the runs' scatter needs " in undecided
    assert "needs" not in words(same), "which has that precision"
    assert verdicts.precision(questions.answer(same, study())).endswith(" % or better.")
    few = words(results((1, 1.3, 2), repetitions=2, datasets=("mnist",)))
    assert few.startswith("This design can't show a difference between levels of architecture")
    assert "which these runs can't tell from chance" in few
    assert " uses 1" not in few


def test_repetitions_are_not_asked_for_where_instruments_leave_it_open():
    """Alike by the scatter, but errors of the counters are as large as the margin."""
    counters = {"cpu_method": "measured counter (RAPL)", "cpu_model": "Intel(R) Xeon(R) Gold 6254"}
    same = results((1, 1), repetitions=6, datasets=("mnist",), cv=0.003)
    same = same.assign(cpu_energy=same["energy_consumed"], **counters)
    asked = study(levels=("VGG16", "VGG19"), datasets=("mnist",), margin="5 %")
    said = words(same, asked)
    assert ", but given the instruments' errors they may be further apart than 5 %; " in said
    assert said.endswith(" would settle it.")
    assert "repetitions" not in said


def test_an_interaction_is_told():
    said = words(results(interaction=1.4, repetitions=5))
    assert "The effect of the architecture depends on the dataset (interaction p < 0.001)" in said


def test_a_partial_study_has_no_p():
    said = words(results(repetitions=5), is_final=False)
    assert said.startswith("Runs are missing, so nothing is tested yet")
    assert "p = " not in said
    assert "p < " not in said


def test_what_confounds_stands_first():
    runs = results((1, 1.5), machines=("a", "b"), machine_ratios=(1, 2))
    runs = runs[(runs["machine"] == "a") == (runs["architecture"] == "VGG16")]
    asked = study(levels=("VGG16", "VGG19"))
    said = words(runs, asked)
    assert said.startswith("This comparison is confounded: ")
    assert "never measured in the same place" in said


def test_the_wattmeter_is_named():
    runs = results()
    said = words(runs.assign(wattmeter_energy=runs["energy_consumed"]))
    assert said.startswith("By the wattmeter, on cifar10")


def test_of_many_pairs_the_furthest_apart_is_told():
    runs = results((1, 1.1, 1.25), datasets=("mnist",), repetitions=5)
    twice = runs.assign(architecture="MobileNetV2", energy_consumed=runs["energy_consumed"] * 3)
    said = words(pd.concat([runs, twice[runs["architecture"] == "VGG16"]]))
    assert "All 6 pairs differ" in said
    assert "furthest apart: MobileNetV2 uses" in said


def test_where_nothing_varies_the_spread_is_told():
    runs = results((1.0,), datasets=("mnist",), repetitions=10, cv=0.03)
    said = words(runs, study(levels=("VGG16",), datasets=("mnist",)))
    assert said.startswith("Nothing was varied: 10 runs of one configuration scatter by ")


def test_of_many_contexts_the_first_are_told_and_the_table_has_the_rest():
    several = [f"set{n}" for n in range(verdicts.MOST_CONTEXTS + 4)]
    said = words(results((1, 1.5), repetitions=3, datasets=several))
    assert said.count(" times the energy of ") == verdicts.MOST_CONTEXTS
    assert "The table of pairs has 4 more contexts." in said
