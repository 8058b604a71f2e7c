import os
import shutil

import pandas as pd
import pytest

from lib import records
from lib.logs import treatments
from lib.logs.codecarbon import LogError
from lib.paper import package as replication
from lib.paper import published
from tests import needs

pytestmark = needs.replication


@pytest.fixture(scope="module")
def results(authors):
    return authors.results


def run(results, architecture, dataset, repetition, location):
    row = results[
        (results["architecture"] == architecture)
        & (results["dataset"] == dataset)
        & (results["repetition"] == repetition)
        & (results["location"] == location)
    ]
    assert len(row) == 1
    return row.iloc[0]


def test_all_63_runs_are_read_and_none_skipped(authors):
    assert authors.results["campaign"].value_counts().to_dict() == {"kaggle": 45, "wattmeter": 18}
    assert authors.results["run_id"].is_unique
    assert set(authors.results["cpu_method"]) == {replication.CONSTANT_CPU, replication.RAPL}
    assert (authors.skipped, authors.notes) == ((), ())


def test_counters_are_differences_across_architectures(results):
    place = "USA/oregon"
    first = run(results, "VGG19", "cifar10", 3, place)
    second = run(results, "ResNet50", "cifar10", 1, place)
    assert first["tracker_run_id"] == second["tracker_run_id"]
    assert second["energy_consumed_logged"] == 0.206021548723355
    assert second["energy_consumed"] == pytest.approx(0.206021548723355 - 0.1481134555441517)
    assert second["duration"] == pytest.approx(7972.447053194046 - 5450.307862281799)
    assert second["emissions"] == pytest.approx(0.0285854535538094 - 0.0205507158371905)
    assert second["score"] == pytest.approx(0.3045 / second["energy_consumed"])


def test_the_own_energy_of_all_runs_of_a_tracker_adds_up_to_its_last_row(results):
    kaggle = results[results["campaign"] == "kaggle"]
    for name in ("energy_consumed", "emissions", "duration", "gpu_energy"):
        trackers = kaggle.groupby("tracker_run_id")
        assert trackers[name].sum().to_numpy() == pytest.approx(
            trackers[f"{name}_logged"].max().to_numpy(), rel=1e-12
        )


def test_a_run_of_the_wattmeter_machine_holds_both_instruments(results):
    row = run(results, "VGG16", "mnist", 1, "FRA/île-de-france")
    assert row["wattmeter_energy"] == pytest.approx(2.2457169923287698)
    assert row["energy_consumed"] == row["energy_consumed_logged"] == 1.2143383511255186
    assert (row["wattmeter_samples"], row["epochs"], row["depth"]) == (779950, 50, 16)
    assert row["flops"] == 46339966848


def test_every_epoch_of_the_wattmeter_runs_is_there(authors):
    histories = authors.histories
    ids = authors.results.loc[authors.results["campaign"] == "wattmeter", "run_id"]
    assert set(histories["run_id"]) == set(ids)
    epochs = histories.groupby("run_id")["epoch"]
    assert all(one.tolist() == [*range(1, 51)] for _, one in epochs)
    last = histories.groupby("run_id")["val_accuracy"].last()
    expected = authors.results.set_index("run_id")["accuracy"].reindex(last.index)
    assert last.to_list() == expected.to_list()


def test_most_gpu_energies_on_kaggle_are_one_reading(results):
    one = results[results["gpu_method"] == replication.ONE_READING_GPU]
    assert one.groupby("architecture").size().to_dict() == {
        "ResNet50": 15,
        "VGG16": 10,
        "VGG19": 10,
    }
    first = ~results.duplicated("tracker_run_id")
    assert set(results.index[~first]) == set(one.index)


@pytest.mark.parametrize("part", ["", "..", "kaggle", "grilla/results_summary", "processed"])
def test_the_package_is_found_from_above_and_below(part, authors, monkeypatch):
    roots = []
    monkeypatch.setattr(replication, "read", lambda root: roots.append(root.resolve()) or authors)
    published.read_package(needs.REPLICATION / part)
    assert roots == [needs.REPLICATION.resolve()]


def test_ids_do_not_depend_on_where_the_package_is(tmp_path, results):
    copy = tmp_path / "anywhere"
    shutil.copytree(needs.REPLICATION, copy)
    assert published.read_package(copy).results["run_id"].tolist() == results["run_id"].tolist()


def test_kaggle_alone_is_anyones_study(tmp_path):
    shutil.copytree(needs.REPLICATION / "kaggle", tmp_path / "logs")
    assert len(published.read_package(tmp_path / "logs").results) == 45


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "emissions.csv").unlink(), r"_VGG16_1/emissions\.csv can't be read"),
        (
            lambda run: (run / "accuracy.txt").write_text("acf: [0.5"),
            r"accuracy\.txt: expected the lines acf and loss_val",
        ),
        (lambda run: (run / "accuracy.txt").write_text("acf: []\nloss_val: []"), "has no epoch"),
        (lambda run: next(run.glob("summary_*")).unlink(), "has 0 files summary_"),
        (
            lambda run: next(run.glob("summary_*")).write_text("{}"),
            r"expected joules, timeExecution and samples",
        ),
        (lambda run: a_pipe(next(run.glob("summary_*"))), r"can't be read: is no plain file"),
        (lambda run: a_pipe(run / "accuracy.txt"), r"accuracy\.txt can't be read: is no plain"),
    ],
)
def test_damage_in_the_package_is_named(authors, tmp_path, monkeypatch, damage, message):
    """In one run of the wattmeter; the logs of Kaggle are sound."""
    copy = tmp_path / "package"
    for part in ("kaggle", "grilla/results_summary/out_code_carbon_MNIST_VGG16_1"):
        run = shutil.copytree(needs.REPLICATION / part, copy / part)
    monkeypatch.setattr(replication, "read_folder", lambda folder: authors)
    damage(run)
    with pytest.raises(LogError, match=message) as caught:
        published.read_package(copy)
    assert run.name in str(caught.value)


def test_a_folder_that_is_neither_says_what_was_expected(tmp_path):
    with pytest.raises(ValueError, match=r"no table .* Nor is it the authors' package"):
        published.read_package(tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        published.read_package(tmp_path / "nowhere")


def test_the_authors_own_means_of_the_wattmeter_runs_come_out(results):
    theirs = pd.read_csv(needs.REPLICATION / "processed" / "grilla.csv")
    columns = ["accuracy", "wattmeter_energy", "wattmeter_duration", "duration", "emissions"]
    runs = results[results["campaign"] == "wattmeter"]
    means = runs.groupby(["architecture", "dataset"])[columns].mean()
    for row in theirs.itertuples():
        # The authors call energy in Wh `watts`.
        expected = [row.accuracy, row.watts / 1000, row.time, row.duration, row.emissions]
        assert means.loc[(row.architecture, row.data.lower())].tolist() == pytest.approx(expected)


def test_readings_survive_the_way_through_records_and_a_file(results, tmp_path):
    table = records.table(records.from_row(row) for row in results.to_dict("records"))
    table.to_csv(tmp_path / "results.csv", index=False)
    again = treatments.treatments(pd.read_csv(tmp_path / "results.csv"))[treatments.AS_PUBLISHED]
    first = treatments.treatments(results)[treatments.AS_PUBLISHED]
    assert again.set_index("run_id")["score"].to_dict() == pytest.approx(
        first.set_index("run_id")["score"].to_dict()
    )


def test_nothing_of_the_machine_that_read_it_is_in_the_results(results):
    text = results.to_csv()
    assert str(needs.REPLICATION) not in text
    assert str(needs.REPLICATION.parents[1]) not in text
