import math

import numpy as np
import pandas as pd
import pytest

from lib.analysis import design, questions
from lib.analysis.questions import CANT_SHOW
from lib.paper.package import WATTMETER
from lib.stats.model import LogModel
from lib.stats.pairs import DIFFERS, NOT_DECIDED
from lib.study.study import Study
from tests import needs
from tests.analysis.studies import LEVELS, answer, results, study


def test_an_interaction_is_found_and_none_is_invented():
    assert answer(results(interaction=1.4, repetitions=5)).interaction.verdict == DIFFERS
    assert answer(results(repetitions=5)).interaction.verdict == NOT_DECIDED
    alone = answer(results(datasets=("mnist",)), study(datasets=("mnist",)))
    assert alone.interaction.verdict is None
    assert math.isnan(alone.interaction.p)


def test_a_design_that_shows_a_difference_in_other_data_can_show_it():
    """Of two questions only the smaller p counts twice."""
    how = {"repetitions": 2, "datasets": ("cifar10", "mnist", "digits"), "cv": 0.005}
    plain, crossed = (
        answer(results((1, 1.5), interaction=more, **how), study(levels=LEVELS[:2])).effect
        for more in (1.0, 1.4)
    )
    assert plain.p == crossed.p == plain.smallest_p == pytest.approx(1 / 27)
    assert (plain.verdict, crossed.verdict) == (NOT_DECIDED, DIFFERS)
    assert plain.p_holm == pytest.approx(2 / 27)


def test_what_confounds_is_taken_up():
    runs = results((1, 1.5), machines=("a", "b"), machine_ratios=(1, 2), repetitions=3)
    runs = runs[(runs["machine"] == "a") == (runs["architecture"] == "VGG16")]
    found = answer(runs, study(levels=("VGG16", "VGG19")))
    assert "Machine a ran no VGG19." in " ".join(found.confounded)
    assert {found.verdict(one) for one in found.pairs} <= {CANT_SHOW, NOT_DECIDED}


def test_only_what_confounds_the_runs_that_are_compared_is_named():
    """The order of runs that have no energy is no matter of a comparison of energies."""
    fixed = results(repetitions=4).sort_values(["repetition", "dataset", "architecture"])
    fixed["started_at"] = [f"2025-01-01T00:{n:02}:00+00:00" for n in range(len(fixed))]
    assert "in this order" in " ".join(answer(fixed).confounded)
    lost = fixed.assign(energy_consumed=np.nan, machine="another")
    both = pd.concat([lost, results(repetitions=4)], ignore_index=True)
    assert answer(both).confounded == ()


def test_energy_is_that_of_the_best_instrument_that_all_runs_have():
    runs = results()
    metered = runs.assign(wattmeter_energy=2 * runs["energy_consumed"])
    assert answer(metered).response == "wattmeter_energy"
    metered.loc[0, "wattmeter_energy"] = np.nan
    assert answer(metered).response == "energy_consumed"
    assert answer(runs.drop(columns="energy_consumed")).effect.reason == "no run has an energy"


def test_precision_and_what_it_would_take():
    few, many = (answer(results(repetitions=n, cv=0.05)) for n in (3, 12))
    assert few.reach > many.reach
    assert few.repetitions_for(0.05) > 3
    assert many.spread == pytest.approx(0.05, rel=0.3)


def test_repetitions_are_blocks_where_one_was_over_before_the_next():
    runs = results(repetitions=4)
    assert design.of(runs, study()).block == "repetition"
    mixed = runs.assign(started_at=runs["started_at"].sample(frac=1, random_state=1).to_numpy())
    assert design.of(mixed, study()).block is None
    drifting = runs.assign(energy_consumed=runs["energy_consumed"] * 1.5 ** runs["repetition"])
    same = answer(drifting)
    assert same.spread == pytest.approx(answer(runs).spread)


def test_any_factor_can_be_compared_and_what_follows_from_others_is_no_context():
    runs = results().rename(columns={"architecture": "backend"})
    backends = dict(zip(LEVELS, ("jax", "torch", "tensorflow"), strict=True))
    runs["backend"] = runs["backend"].map(backends)
    runs = runs.assign(architecture="VGG16", image_size=runs["dataset"].str.len())
    factors = {"dataset": ["cifar10", "mnist"], "backend": list(backends.values())}
    asked = Study(title="made up", factors=factors, compare="backend", repetitions=3)
    found = answer(runs, asked)
    assert found.design.compared == ("backend",)
    assert found.design.context == ("dataset",)
    assert found.effect.verdict == DIFFERS


def test_variants_are_set_against_the_reference():
    runs = results(repetitions=4).rename(columns={"architecture": "head"})
    heads = {"VGG16": "paper", "VGG19": "linear", "ResNet50": "linear"}
    sizes = {"VGG16": 32, "VGG19": 32, "ResNet50": 64}
    runs = runs.assign(
        head=runs["head"].map(heads), batch_size=runs["head"].map(sizes), architecture="VGG16"
    )
    asked = study(
        levels=("VGG16",), variants=[{}, {"head": "linear"}, {"head": "linear", "batch_size": 64}]
    )
    found = answer(runs, asked)
    assert found.design.reference == "reference"
    assert len(found.pairs) == 2 * 2
    assert all("reference" in (one.first, one.second) for one in found.pairs)


@needs.replication
def test_the_authors_wattmeter_data(authors):
    runs = authors.results
    runs = runs[runs["campaign"] == WATTMETER]
    found = questions.answer(runs, None)
    assert found.response == "wattmeter_energy"
    assert found.effect.p == pytest.approx(0.000548, abs=1e-6)
    model = LogModel(found.design.observations(runs, found.response))
    assert model.effect.f == pytest.approx(280.33, abs=0.01)
    assert model.interaction.f == pytest.approx(57.56, abs=0.01)
    mnist = questions.answer(runs[runs["dataset"] == "mnist"], None)
    assert mnist.effect.p == pytest.approx(0.0036, abs=1e-4)
    assert found.spread == pytest.approx(0.017, abs=0.001)
    assert found.interaction.statistic == pytest.approx(58, abs=1)
    assert "Kaggle" not in " ".join(found.confounded)


def test_nothing_varied_tells_the_spread():
    runs = results((1.0,), datasets=("mnist",), repetitions=10, cv=0.03)
    found = answer(runs, study(levels=("VGG16",), datasets=("mnist",)))
    assert found.design.compared == ()
    assert found.spread == pytest.approx(0.03, rel=0.6)
    assert found.df == 9


def test_false_claims_are_as_rare_as_they_should_be():
    """Of studies of three alike architectures on one dataset: any pair called different."""
    false = 0
    for seed in range(60):
        runs = results((1, 1, 1), seed=seed, datasets=("mnist",), repetitions=4, cv=0.05)
        found = answer(runs, study(datasets=("mnist",)))
        false += any(found.verdict(one) == DIFFERS for one in found.pairs)
    assert false <= 8  # of 60 at 5 %: more by chance once in 200 times


def test_tables_have_a_row_a_pair_and_a_question():
    found = answer(results())
    frame = questions.to_frame(found)
    assert frame.columns[:3].tolist() == ["dataset", "first", "second"]
    assert len(frame) == 6
    assert set(frame["verdict"]) <= set(questions.VERDICTS)
    asked = questions.questions_frame(found)["question"].tolist()
    assert asked == [
        "Does the energy depend on the architecture?",
        "Does the effect of the architecture depend on the dataset?",
    ]
