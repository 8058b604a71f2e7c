import re

import pandas as pd
import pytest

from lib.paper import conclusions, reanalysis, wattmeter_runs
from tests import needs

pytestmark = needs.replication


@pytest.fixture(scope="module")
def results(authors):
    return authors.results


@pytest.fixture(scope="module")
def tables(results):
    return reanalysis.tables(results)


@pytest.fixture(scope="module")
def found(results, tables):
    return {one.claim: one for one in conclusions.conclusions(results, tables)}


def weighed(results):
    tables = reanalysis.tables(results)
    return {one.claim: one for one in conclusions.conclusions(results, tables)}


def verdict(found, words):
    matching = [one for claim, one in found.items() if words in claim]
    assert len(matching) == 1, words
    return matching[0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("CIFAR10 takes less energy", "stands"),
        ("Emissions hardly depend on the dataset", "falls"),
        ("fewer FLOPs on CIFAR10", "stands"),
        ("On Kaggle, energy and emissions differ between the architectures", "undecided"),
        ("architecture has an impact on the energy", "stands"),
        ("Both VGG networks take less energy than ResNet50", "undecided"),
        ("FLOPs do not differ significantly", "falls"),
        ("Emissions depend on the location", "stands"),
        ("Energy does not depend on the location", "undecided"),
        ("VGG19 has the best Score", "falls"),
        ("On MNIST VGG16 has the best Score", "stands"),
        ("a little accuracy costs much energy", "falls"),
        ("ResNet50 has the lowest Score", "undecided"),
        ("profiler misses 42 to 46 %", "falls"),
        ("strongly correlated", "stands"),
        ("reliable way to compare", "undecided"),
        ("takes the most and VGG16 on CIFAR10 the least", "stands"),
        ("Medians keep the negative", "falls"),
        ("The more parameters", "undecided"),
    ],
)
def test_verdicts(found, words, expected):
    assert verdict(found, words).verdict == expected


@pytest.mark.parametrize(
    ("words", "figures"),
    [
        ("CIFAR10 takes less energy", ["-0.41", "-0.84", "-0.89", "-0.85"]),
        ("Emissions hardly", ["-0.059", "533 g", "139 to 286", "-0.88 to -0.85"]),
        ("On Kaggle, energy and emissions", ["p < 0.001", "p = 0.78", "35 of 45", "15 of 15"]),
        ("impact on the energy", ["p = 0.066", "p = 0.027", "p = 0.0036", "F = 280", "16 to 35 %"]),
        ("VGG19 has the best Score", ["35 to 42 W", "73 to 79 W", "9 to 16 %", "5 of 5"]),
        ("profiler misses", ["41.7 to 45.9 %", "-40 to 44 W", "148 to 237 W", "25 to 29 %"]),
        ("strongly correlated", ["0.94", "0.975", "18"]),
        ("reliable way", ["rho 0.95", "rho 0.07", "rho is 0.93", "343 to 357 W"]),
        ("FLOPs do not differ", ["p = 0.10", "3.6 to 4.0"]),
    ],
)
def test_sentences_carry_the_figures_that_decide(found, words, figures):
    sentence = verdict(found, words).sentence
    for figure in figures:
        assert figure in sentence


def test_every_conclusion_points_to_tables_that_exist(found, tables):
    for one in found.values():
        assert one.evidence
        assert set(one.evidence) <= set(tables)
        assert re.search(r"Section|Table|Figure", one.where)
        assert "nan" not in one.sentence.lower()


def test_sentences_follow_the_data(results, tables):
    """Wattmeter figures that put VGG16 above everything turn the verdicts that rest on them."""
    heavy = results.copy()
    heavy.loc[heavy["architecture"] == "VGG16", "wattmeter_energy"] *= 3
    found = weighed(heavy)
    assert verdict(found, "VGG19 has the best Score").verdict == "undecided"
    assert verdict(found, "On MNIST VGG16 has the best Score").verdict == "undecided"
    assert verdict(found, "a little accuracy costs").verdict == "undecided"
    assert verdict(found, "takes the most and VGG16").verdict == "falls"
    assert verdict(found, "impact on the energy").verdict == "stands"


def test_an_instrument_that_worked_lets_the_test_decide(results):
    sampled = results.assign(gpu_method="NVML power, sampled")
    spread = sampled["architecture"].map({"VGG16": 1.0, "VGG19": 2.0, "ResNet50": 4.0})
    sampled["energy_consumed"] = sampled["energy_consumed"] * spread
    found = weighed(sampled)
    assert verdict(found, "On Kaggle, energy and emissions").verdict == "stands"


def test_other_studies_have_no_conclusions_about_the_paper(results):
    assert conclusions.conclusions(results.drop(columns="campaign"), {}) == ()
    assert conclusions.conclusions(results[results["campaign"] == "kaggle"], {}) == ()


def test_as_a_table_there_is_a_row_a_conclusion(found):
    frame = conclusions.to_frame(tuple(found.values()))
    assert len(frame) == len(found) == 19
    assert frame["verdict"].isin(["stands", "falls", "undecided"]).all()


def test_tables_speak_in_numbers_not_in_gaps(tables):
    for name, table in tables.items():
        assert isinstance(table, pd.DataFrame), name
        assert not table.empty, name


def test_gpu_bounds_hold_what_was_sampled(tables):
    bounds = tables["energy_bounds"].dropna(subset=["sampled"])
    assert len(bounds) == 10
    assert (bounds["lowest"] < bounds["sampled"]).all()
    assert (bounds["sampled"] < bounds["highest"]).all()


def test_every_cpu_energy_fits_into_what_two_overflowing_counters_leave(tables):
    power = tables["wattmeter_power"]
    assert (power["cpu_energy"].abs() < 2 * wattmeter_runs.RAPL_RANGE).all()
    needed = power["cpu_last_reading"] * power["duration"] / 3.6e6
    assert (needed > 2 * wattmeter_runs.RAPL_RANGE).all()
    assert power["gap_estimated_percent"].std() < power["gap_percent"].std() / 2


def test_rho_of_all_runs(tables):
    rho = tables["instrument_agreement"].set_index("comparison")["statistic"]
    assert rho["energy"] == pytest.approx(0.9752322)
    assert rho["energy, medians of three (the paper's)"] == pytest.approx(0.9428571)
    assert rho["mean power"] == pytest.approx(0.0712074)


def test_vgg19_takes_more_in_every_sound_pair(tables):
    pairs = tables["vgg_pairs"]
    assert len(pairs) == 7
    assert pairs["vgg19_takes_more_percent"].between(8, 17).all()
