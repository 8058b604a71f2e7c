from dataclasses import replace

import pandas as pd
import pytest

from lib import records
from lib.analysis import results, variants
from lib.quantities import quantity
from lib.report import tables
from lib.report.page import ABSENT, CSV, Link
from tests import needs, small_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return results.load(small_study.make(tmp_path_factory.mktemp("studies") / "small"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """One dataset, one repetition, no location: too small for any test."""
    folder = tmp_path_factory.mktemp("studies") / "tiny"
    make = small_study.make
    return results.load(make(folder, datasets=("digits",), repetitions=1, location=None))


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    """Three networks on one dataset in three variants."""
    folder = tmp_path_factory.mktemp("studies") / "varied"
    variants = ({}, {"precision": "mixed"}, {"features": "cached", "head": "linear"})
    return results.load(small_study.make(folder, datasets=("digits",), variants=variants))


@pytest.fixture(scope="module")
def papers(authors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    records.write_results(authors.results, folder)
    return results.load(folder)


TABLES = (
    *(tables.agreement, tables.all_tests, tables.answer, tables.audits, tables.baseline),
    *(tables.conclusions, tables.frugality, tables.instrument_gaps, tables.instruments),
    *(tables.machines, tables.measurements, tables.methods, tables.networks, tables.places),
    *(tables.predictions, tables.protocol, tables.runs, tables.savings, tables.scores),
    tables.versions,
)


def test_every_table_can_be_shown_and_saved_for_every_study(study, small, varied):
    for one in (study, small, varied):
        for make in TABLES:
            table = make(one)
            data, metadata = table._repr_mimebundle_()
            if table.frame.empty:
                assert data[ABSENT] == table.note
            else:
                assert table.caption in data["text/html"].replace("&#x27;", "'")
                assert data[CSV].count("\n") >= len(table.frame)
                assert metadata[CSV] == {"name": table.name}


def test_a_study_of_our_own_has_nothing_of_the_papers(study):
    assert tables.conclusions(study)._repr_mimebundle_()[0][ABSENT] == ""
    shown = [table.name for table in tables.beside_paper(study).parts]
    assert shown == ["table2_beside_paper"], "its networks, but two epochs of training"
    assert tables.evidence(study).parts == ()


def test_the_answer_has_a_row_for_each_configuration(study):
    frame = tables.answer(study).frame.set_index(["architecture", "dataset"])
    assert len(frame) == 6
    assert frame.loc[("VGG16", "digits"), "energy_consumed"] == pytest.approx(0.204e-3)
    assert frame.loc[("VGG16", "digits"), "energy_ratio"] == 1
    assert frame.loc[("VGG19", "digits"), "energy_ratio"] == pytest.approx(1.25)
    assert frame.loc[("ResNet50", "mnist"), "energy_ratio"] == pytest.approx(0.75)


def test_the_networks_are_those_of_the_study_in_order(study):
    frame = tables.networks(study).frame
    assert list(frame["architecture"]) == ["VGG16", "VGG19", "ResNet50"] * 2
    assert list(frame["dataset"]) == ["mnist"] * 3 + ["digits"] * 3
    assert frame["flops"].iloc[0] == 21268268928


def test_measurements_are_means_of_repetitions(study):
    frame = tables.measurements(study).frame.set_index(["architecture", "dataset"])
    row = frame.loc[("VGG16", "digits")]
    assert row["runs"] == 3
    assert row["energy_consumed"] == pytest.approx(0.20 * 1.02 / 1000)
    assert row["coefficient_of_variation_percent"] == pytest.approx(1 / 1.02)
    assert "gpu_energy" not in frame


def test_scores_divide_and_are_ranked_within_a_dataset(study):
    frame = tables.scores(study).frame
    quotient = frame["mean_accuracy"] / frame["mean_energy_consumed"]
    pd.testing.assert_series_equal(frame["score_ratio_of_means"], quotient, check_names=False)
    for _, rows in frame.groupby("dataset"):
        assert list(rows["rank"]) == [1, 2, 3]
        assert rows["score_ratio_of_means"].is_monotonic_decreasing


def test_one_reason_for_all_rows_is_said_once(small):
    table = tables.scores(small)
    assert "reason" not in table.frame
    assert "One run alone has no spread (every row)" in table.note


def test_methods_name_every_component_and_its_share(study):
    frame = tables.methods(study).frame.set_index("component")
    assert frame.loc["CPU", "method"] == "load model (TDP 8 W, a guess)"
    assert frame.loc["CPU", "share_percent"] == pytest.approx(30)
    assert frame["share_percent"].sum() == pytest.approx(100)


def test_without_a_wattmeter_table_7_says_so(study):
    table = tables.instruments(study)
    assert table.frame.empty
    assert "wattmeter" in table.note


def test_places_use_the_energy_of_the_study(study):
    frame = tables.places(study).frame
    assert {"Taiwan", "France"} <= set(frame["name"])
    assert (frame["emissions"] > 0).all()


def test_every_run_is_listed_with_its_page_and_its_error(tmp_path):
    folder = small_study.make(tmp_path / "small", failed="out of memory")
    study = results.load(folder)
    with_notebook = study.completed["run_id"].iloc[0]
    frame = tables.runs(results.load(folder)).frame
    assert list(frame["position"]) == list(range(1, 19))
    links = [run for run in frame["run_id"] if isinstance(run, Link)]
    assert Link(with_notebook, f"runs/{with_notebook}/run.html") in links
    assert frame["error"].iloc[-1] == "out of memory"


def test_runs_that_are_still_to_come_are_listed(tmp_path):
    frame = tables.runs(results.load(small_study.make(tmp_path / "s", unfinished=True))).frame
    assert frame["status"].iloc[-1] == "not yet run"
    assert len(frame) == 18


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Runs of the paper's trainings, and others."""
    folder = tmp_path_factory.mktemp("studies") / "alike"
    found = results.load(small_study.make(folder, datasets=("cifar10", "mnist")))
    return replace(found, results=found.results.assign(epochs=50, weights="imagenet"))


def _beside(study, name):
    return _named(tables.beside_paper(study).parts, name)


def _named(parts, name):
    return next((t for t in parts if getattr(t, "name", "") == f"{name}_beside_paper"), None)


@pytest.fixture(scope="module")
def papers_beside(papers):
    return tables.beside_paper(papers).parts


def test_networks_of_the_papers_stand_beside_its_table(alike):
    table = _beside(alike, "table2")
    flops = table.frame[table.frame["quantity"] == quantity("flops_G").label].set_index("row")
    # The made-up study has FLOPs of 32 pixels on both datasets.
    assert flops.loc["VGG16, cifar10", "match"] == "rounded"
    assert flops.loc["VGG16, mnist", "match"] == "differs"
    assert flops.loc["VGG19, cifar10", "measured"] == pytest.approx(26.704938880)
    assert "Table 2" in table.caption


def test_trainings_of_the_papers_stand_beside_its_scores(alike):
    table = _beside(alike, "table6")
    assert len(table.frame) == 45
    assert "only accuracies should agree" in table.note
    accuracy = table.frame[table.frame["quantity"] == quantity("accuracy").label].set_index("row")
    row = accuracy.loc["USA/oregon, cifar10, VGG16"]
    assert (row["the_paper"], row["measured"]) == ("0.6189", pytest.approx(0.64))
    assert row["difference"] == pytest.approx(0.64 - 0.6189)


@pytest.mark.parametrize(
    "other",
    [
        {"epochs": 49},
        {"weights": "none"},
        {"train_limit": 100.0},
        {"image_size": 64},
        {"precision": "mixed"},
        {"architecture": "MobileNetV2"},
    ],
)
def test_other_trainings_do_not_stand_beside_the_papers(alike, other):
    one = replace(alike, results=alike.results.assign(**other))
    assert _beside(one, "table6") is None


def test_variants_of_the_papers_trainings_stand_each_for_itself(alike):
    pixels = alike.results["repetition"].map({1: "imagenet", 2: "rescale", 3: "rescale"})
    runs = alike.results.assign(preprocessing=pixels)
    one = replace(alike, results=variants.named(runs, None))
    frame = _beside(one, "table6").frame
    assert len(frame) == 90
    assert {row.rpartition(" (")[2] for row in frame["row"]} == {
        "reference)",
        "preprocessing: imagenet)",
    }


@needs.replication
@pytest.mark.parametrize(
    ("name", "cells"),
    [("table2", 36), ("table3", 3), ("table4", 3), ("table5", 2), ("table6", 45), ("table7", 30)],
)
def test_every_cell_of_the_paper_stands_beside_ours(papers_beside, name, cells):
    table = _named(papers_beside, name)
    assert len(table.frame) == cells
    assert table.note.startswith(f"{cells} of {cells} cells come out as the paper prints them.")


@needs.replication
def test_the_two_treatments_of_a_question_stand_under_each_other(papers):
    frame = tables.all_tests(papers).frame
    tests = frame[(frame["test"] == "Kruskal-Wallis") & (frame["factor"] == "Architecture")]
    energy = tests[(tests["response"] == "Energy") & (tests["within"] == "")]
    assert list(energy["treatment"]) == ["as published", "corrected"]
    assert energy["p"].iloc[0] < 0.001
    assert energy["p"].iloc[1] == pytest.approx(0.777, abs=0.001)
    correlations = frame[(frame["test"] == "point-biserial") & (frame["factor"] == "Dataset")]
    assert set(correlations["response"]) >= {"Energy", "Emissions"}
    assert "Location" in set(frame["factor"])


@needs.replication
def test_every_verdict_points_to_tables_that_are_shown(papers):
    shown = {table.caption.partition(":")[0] for table in tables.evidence(papers).parts}
    frame = tables.conclusions(papers).frame
    assert len(frame) >= 15
    assert {name for names in frame["evidence"] for name in names.split(", ")} <= shown


@needs.replication
def test_the_evidence_has_units_in_its_heads(papers):
    shown = {table.name: table for table in tables.evidence(papers).parts}
    assert set(papers.reanalysis) == {name.removeprefix("evidence_") for name in shown}
    assert "FLOPs on cifar10" in shown["evidence_flops"].to_csv()
    heads = shown["evidence_vgg_pairs"].to_csv().splitlines()[0]
    assert "Energy of VGG16 (kWh)" in heads
    assert "GPU of VGG19 (W)" in heads
    assert "_" not in "".join(t.to_csv().splitlines()[0] for t in shown.values())


def test_net_energy_is_gross_less_idle(study):
    runs = study.completed.assign(
        idle_energy=0.05, net_energy=lambda r: r["energy_consumed"] - 0.05
    )
    frame = tables.baseline(replace(study, results=runs)).frame
    assert frame["net_energy"].to_numpy() == pytest.approx(frame["energy_consumed"] - 0.05)
    assert frame["idle_share"].to_numpy() == pytest.approx(0.05 / frame["energy_consumed"])


def test_without_an_idle_baseline_the_table_says_so(study):
    table = tables.baseline(study)
    assert table.frame.empty
    assert "idle_seconds" in table.note


def test_what_the_energy_bought_follows_from_the_runs(study):
    frame = tables.frugality(study).frame.set_index(["architecture", "dataset"])
    runs = study.completed
    ours = runs[(runs["architecture"] == "VGG16") & (runs["dataset"] == "digits")]
    expected = (ours["energy_consumed"] * 3.6e6 / ours["epochs"]).mean()
    assert frame.loc[("VGG16", "digits"), "joules_per_epoch"] == pytest.approx(expected)
    assert len(frame) == len(runs.groupby(["architecture", "dataset"]))


def test_first_epochs_predict_the_whole(study, papers):
    frame = tables.predictions(study).frame
    assert (frame["largest_error"] >= frame["mean_error"].abs()).all()
    assert "no run has the energy" in tables.predictions(papers).note


def test_runs_with_cached_features_are_not_predicted(varied):
    table = tables.predictions(varied)
    cached = varied.completed["features"] == "cached"
    assert 0 < cached.sum() < len(cached)
    assert (table.frame["runs"] <= (~cached).sum()).all()
    assert "cached features" in table.note


def test_a_study_names_further_places(tmp_path):
    folder = small_study.make(tmp_path / "study", datasets=("digits",), repetitions=1)
    before = set(tables.places(results.load(folder)).frame["name"])
    said = (folder / "study.yaml").read_text() + "places: [DEU, FRA]\n"
    (folder / "study.yaml").write_text(said)
    after = tables.places(results.load(folder)).frame
    assert set(after["name"]) - before == {"Germany"}
    assert not after.duplicated(["name"]).any()


@pytest.mark.parametrize(
    "make",
    [
        tables.measurements,
        tables.scores,
        tables.frugality,
        tables.networks,
    ],
)
def test_no_row_pools_variants(varied, make):
    frame = make(varied).frame
    frame = frame[frame["variant"].isin(varied.completed["variant"])]
    assert not frame.duplicated(["architecture", "variant"]).any()
    assert len(frame.drop_duplicates(["architecture", "variant"])) == 9
    counted = [name for name in ("runs", "n") if name in frame]
    assert all((frame[name] == 3).all() for name in counted)


def test_savings_are_of_the_made_up_shares(varied):
    frame = tables.savings(varied).frame
    assert list(frame.columns[:4]) == ["dataset", "architecture", "variant", "compared_with"]
    own = frame[frame["compared_with"] == frame["architecture"] + ", reference"]
    saved = own.set_index(["architecture", "variant"])
    for architecture in small_study.ENERGY:
        mixed = saved.loc[(architecture, "precision: mixed")]
        assert mixed["energy_ratio"] == pytest.approx(0.7)
        assert mixed["saved_percent"] == pytest.approx(30)
        assert mixed["accuracy_difference"] == pytest.approx(-0.02)
        both = saved.loc[(architecture, "head: linear, features: cached")]
        assert both["saved_percent"] == pytest.approx(90)
    smaller = frame[(frame["architecture"] == "ResNet50") & (frame["variant"] == "reference")]
    assert list(smaller["compared_with"]) == ["VGG16, reference"]
    assert smaller["energy_ratio"].iloc[0] == pytest.approx(0.15 / 0.20)


def test_where_nothing_varied_savings_are_a_sentence(study):
    table = tables.savings(study)
    assert table.frame.empty
    assert "differ in architecture, dataset and place alone" in table.note
