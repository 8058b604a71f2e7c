import itertools

import numpy as np
import pandas as pd
import pytest

from lib.analysis import audit
from lib.analysis.audit import DOUBT, FAULT, NOTE, PASSED, UNCHECKED
from tests import needs

POWER = {"cpu": 60.0, "gpu": 90.0, "ram": 8.0}


@pytest.fixture
def results():
    """A study without reproach: measured, shuffled, balanced, four repetitions."""
    rng = np.random.default_rng(1)
    architectures, datasets = ["VGG16", "VGG19", "ResNet50"], ["cifar10", "mnist"]
    plan = list(itertools.product(architectures, datasets, range(1, 5)))
    rows = []
    for number, index in enumerate(rng.permutation(len(plan))):
        architecture, dataset, repetition = plan[index]
        duration = 1000 * rng.uniform(0.9, 1.1)
        minutes, seconds = divmod(round(duration), 60)
        powers = {name: watts * rng.uniform(0.8, 1.2) for name, watts in POWER.items()}
        energies = {f"{name}_energy": w * duration / 3.6e6 for name, w in powers.items()}
        rows.append(
            {
                "run_id": f"{architecture}-{dataset}-r{repetition}",
                "status": "completed",
                "architecture": architecture,
                "dataset": dataset,
                "repetition": repetition,
                "location": "FRA",
                "machine": "m",
                "started_at": f"2024-01-01T00:{number:02}:00",
                "ended_at": f"2024-01-01T00:{number + minutes:02}:{seconds:02}",
                "duration": duration,
                "tracker_run_id": f"t{number}",
                **energies,
                "energy_consumed": sum(energies.values()),
                "cpu_power": powers["cpu"] * 1.1,
                "gpu_power": powers["gpu"] * 0.6,
                "ram_power": powers["ram"],
                "gpu_count": 1,
                "cpu_method": "measured counter (RAPL)",
                "gpu_method": "measured counter (NVML)",
                "ram_method": "measured counter (RAPL)",
                "accuracy": 0.8 + 0.001 * rng.uniform(),
                "codecarbon_version": "2.8.0",
                "doubts": (),
            }
        )
    frame = pd.DataFrame(rows)
    return frame.assign(score=frame["accuracy"] / frame["energy_consumed"])


def finding(results, name):
    (check,) = [one for one in audit.CHECKS if one.name == name]
    (found,) = audit.audit(results, [check])
    assert found.name == name
    return found


def test_a_study_without_reproach_passes_everything(results):
    found = {one.name: one.what for one in audit.audit(results) if one.severity != PASSED}
    assert found == {
        "The wattmeter saw what the software saw": "Not checked, because no run was measured by a "
        "wattmeter and by software."
    }


def test_every_check_answers_every_time(results):
    for table in (results, results.iloc[:1], results.iloc[:0], results[["run_id", "status"]]):
        found = audit.audit(table)
        assert len(found) == len(audit.CHECKS)
        assert len({one.name for one in found}) == len(found)
        for one in found:
            assert one.what.endswith(".")
            assert one.why.endswith(".")
            assert one.severity in audit.SEVERITIES


def test_an_empty_study_is_not_checked_instead_of_passed(results):
    assert {one.severity for one in audit.audit(results.iloc[:0])} == {UNCHECKED}


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("tracker_run_id", "Each network has its own tracker"),
        ("gpu_energy", "GPU power has one mode"),
        ("gpu_power", "GPU power was sampled all along"),
        ("started_at", "Order was shuffled"),
        ("accuracy", "Accuracy is above chance"),
    ],
)
def test_what_a_check_needs_and_a_table_lacks_is_said(results, column, name):
    without = finding(results.drop(columns=column), name)
    assert without.severity == UNCHECKED
    assert f"the table has no column {column}" in without.what
    empty = finding(results.assign(**{column: None}), name)
    assert empty.what == f"Not checked, because {column} is empty in every run."


def test_failed_runs_are_left_out(results):
    results.loc[0, ["status", "cpu_energy"]] = ["failed", -1.0]
    assert finding(results, "No energy is negative").severity == PASSED


def test_the_worst_comes_first(results):
    results.loc[3, "cpu_energy"] = -0.01
    order = [audit.SEVERITIES.index(one.severity) for one in audit.audit(results)]
    assert order == sorted(order)
    assert order[0] == 0


def test_logged_counters_that_hold_earlier_runs(results):
    logged = results["energy_consumed"].copy()
    logged[5] *= 3
    found = finding(results.assign(energy_consumed_logged=logged), "Each run has its own energy")
    assert found.severity == FAULT
    assert found.rows == (results["run_id"][5],)
    assert "up to 3.0 times" in found.what


def test_energy_that_grows_from_every_run_to_the_next(results):
    growing = results.assign(energy_consumed=results["energy_consumed"].cumsum())
    assert finding(growing, "Each run has its own energy").severity == DOUBT


def test_one_tracker_for_two_networks(results):
    ids = results.index[results["architecture"].isin(["VGG19", "ResNet50"])][:2]
    pair = results.loc[[ids[0], results.index[results["architecture"] == "VGG16"][0]]].index
    results.loc[pair, "tracker_run_id"] = "shared"
    found = finding(results, "Each network has its own tracker")
    assert (found.severity, len(found.rows)) == (FAULT, 2)


def test_repetitions_under_one_tracker(results):
    same = (results["architecture"] == "VGG16") & (results["dataset"] == "mnist")
    results.loc[same, "tracker_run_id"] = "shared"
    found = finding(results, "Repetitions are independent")
    assert (found.severity, len(found.rows)) == (FAULT, 4)
    assert finding(results, "Each network has its own tracker").severity == PASSED


def test_negative_energy_names_component_run_and_size(results):
    results.loc[3, "cpu_energy"] = -0.012
    found = finding(results, "No energy is negative")
    assert found.rows == (results["run_id"][3],)
    assert "cpu_energy in 1 run (down to -0.012 kWh)" in found.what


def test_components_that_do_not_add_up(results):
    results.loc[3, "energy_consumed"] *= 1.1
    assert finding(results, "Components add up").rows == (results["run_id"][3],)


def test_energy_lost_by_an_overflowed_counter(results):
    results.loc[[3, 4], "cpu_energy"] *= 0.1
    found = finding(results, "Energy matches power")
    assert found.severity == FAULT
    assert found.rows == tuple(results["run_id"][[3, 4]])
    assert "CPU energy of 2 runs would be" in found.what


def test_ram_intervals_counted_twice(results):
    results.loc[3, "ram_energy"] *= 2
    found = finding(results, "Energy matches power")
    assert "RAM energy of 1 run is 2.00 times" in found.what


def test_a_run_without_energy(results):
    results.loc[3, "energy_consumed"] = None
    assert finding(results, "Every run has an energy").rows == (results["run_id"][3],)


@pytest.mark.parametrize("told", [True, False])
def test_a_constant_cpu_power_is_seen_with_and_without_a_method(results, told):
    results["cpu_energy"] = 42.5 * results["duration"] / 3.6e6
    results["cpu_method"] = "constant" if told else None
    found = finding(results, "CPU power was measured")
    assert (found.severity, len(found.rows)) == (DOUBT, 24)
    assert "42.5 W" in found.what


def test_a_load_model_is_not_a_measurement(results):
    results["cpu_method"] = "load model (TDP 8 W, a guess)"
    assert "load model (TDP 8 W, a guess)" in finding(results, "CPU power was measured").what


def test_a_ram_model_weighs_by_its_share(results):
    model = results.assign(ram_method="model (20 W)")
    found = finding(model, "RAM power was measured")
    assert found.severity == NOTE
    assert "% of their energy" in found.what
    heavy = model.assign(ram_energy=model["energy_consumed"] / 2)
    assert finding(heavy, "RAM power was measured").severity == DOUBT


def test_a_single_gpu_reading_for_a_whole_run(results):
    results.loc[3, "gpu_power"] = results.loc[3, "gpu_energy"] * 3.6e6 / results.loc[3, "duration"]
    found = finding(results, "GPU power was sampled all along")
    assert found.rows == (results["run_id"][3],)


def test_two_modes_of_gpu_power_in_the_same_configuration(results):
    low = results["repetition"] == 1
    results.loc[low, "gpu_energy"] = 34 * results.loc[low, "duration"] / 3.6e6
    found = finding(results, "GPU power has one mode")
    assert set(found.rows) == set(results.loc[low, "run_id"])


def test_a_network_that_needs_less_power_is_no_second_mode(results):
    low = results["architecture"] == "ResNet50"
    results.loc[low, "gpu_energy"] = 34 * results.loc[low, "duration"] / 3.6e6
    assert finding(results, "GPU power has one mode").severity == PASSED


def test_a_gpu_that_idled(results):
    watts = results["gpu_energy"] * 3.6e6 / results["duration"]
    steady = results.assign(gpu_power=watts * 1.005)
    low = steady.assign(gpu_energy=steady["gpu_energy"] * 40 / watts, gpu_power=40.2)
    found = finding(low, "GPU power is above idle")
    assert (found.severity, len(found.rows)) == (FAULT, 24)


def test_a_gpu_at_a_steady_load_did_not_idle(results):
    watts = results["gpu_energy"] * 3.6e6 / results["duration"]
    high = results.assign(gpu_energy=results["gpu_energy"] * 180 / watts, gpu_power=180.2)
    assert finding(high, "GPU power is above idle").severity == PASSED


def test_several_gpus(results):
    found = finding(results.assign(gpu_count=8), "One GPU was counted")
    assert "8 GPUs were counted in 24 runs" in found.what


def test_a_fixed_order(results):
    order = results.sort_values(["dataset", "repetition", "architecture"]).index
    results.loc[order, "started_at"] = [f"2024-01-01T01:{n:02}:00" for n in range(len(order))]
    found = finding(results, "Order was shuffled")
    assert found.severity == FAULT
    assert "ResNet50, VGG16, VGG19 in this order, in all 8 repetitions" in found.what


def test_two_repetitions_in_the_same_order_may_be_chance(results):
    few = results[(results["repetition"] <= 2) & (results["dataset"] == "mnist")]
    found = finding(few, "Order was shuffled")
    assert found.severity == UNCHECKED
    assert "can't tell a fixed order from chance" in found.what


def test_one_architecture_has_no_order(results):
    alone = results[results["architecture"] == "VGG16"]
    assert finding(alone, "Order was shuffled").severity == UNCHECKED


def test_a_missing_combination_confounds(results):
    results.loc[results["dataset"] == "mnist", "location"] = "USA"
    found = finding(results, "Factors are balanced")
    assert "FRA has no mnist" in found.what
    assert "cifar10 has no USA" in found.what


def test_where_most_combinations_are_missing_their_number_says_it(results):
    """Options are tried on one architecture; listing each that the others lack fills a page."""
    options = "option: " + results["repetition"].astype(str)
    results["variant"] = options.where(results["architecture"] == "VGG16", "reference")
    found = finding(results, "Factors are balanced")
    assert found.what == "9 of the 15 combinations of architecture and variant have no run."


def test_unequal_numbers_of_runs(results):
    assert "3 to 4 runs per combination" in finding(results.iloc[1:], "Factors are balanced").what


def test_runs_of_no_campaign_are_called_that(results):
    """Where what is merged tells of one only in part."""
    named = results["repetition"].map({1: "kaggle", 2: "kaggle"})
    missing = results["repetition"].eq(3) & results["architecture"].eq("VGG16")
    said = finding(results.assign(campaign=named)[~missing], "Factors are balanced").what
    assert said == "no campaign: 1 to 2 runs per combination."


def test_machines_with_networks_of_their_own(results):
    name = "Every machine ran all that is compared"
    assert finding(results.drop(columns="machine"), name).severity == UNCHECKED
    machines = np.where(results["architecture"] == "VGG16", "a", "b")
    found = finding(results.assign(machine=machines), name)
    assert found.severity == FAULT
    assert found.what == "Machine a ran no ResNet50, VGG19. Machine b ran no VGG16."
    assert found.confounds
    assert len(found.rows) == len(results)

    machines[results["architecture"] == "VGG19"] = np.resize(["a", "b"], 8)
    found = finding(results.assign(machine=machines), name)
    assert found.severity == DOUBT
    crossed = results.assign(machine=np.where(results["repetition"] > 2, "a", "b"))
    assert finding(crossed, name).severity == PASSED
    unequal = crossed.drop(crossed.query("machine == 'a' and architecture == 'VGG16'").index[1:])
    found = finding(unequal, name)
    assert (found.severity, found.confounds) == (NOTE, False)
    assert "a: 4 of ResNet50, 1 of VGG16, 4 of VGG19" in found.what


def test_a_design_that_no_data_could_make_significant(results):
    name = "The design can show a difference"
    assert finding(results, name).severity == PASSED
    three = results[(results["repetition"] <= 3) & (results["dataset"] == "mnist")]
    assert finding(three, name).severity == PASSED  # 1 of 280 arrangements, three times over
    two = three[three["repetition"] <= 2]
    found = finding(two, name)
    assert found.severity == DOUBT
    assert found.what == "With 6 runs the smallest possible p is 0.067."


def test_what_is_compared_is_measured_in_one_way(results):
    name = "Everything compared was measured in one way"
    assert finding(results, name).severity == PASSED
    vgg16 = results["architecture"] == "VGG16"
    methods = np.where(vgg16, "model (TDP)", "measured counter (RAPL)")
    found = finding(results.assign(cpu_method=methods), name)
    assert (found.severity, found.confounds) == (FAULT, True)
    assert "VGG16: model (TDP)" in found.what


def test_runs_that_are_one_run_twice(results):
    name = "Runs differ in their seeds"
    own = results.assign(seed=results["repetition"], loss=np.arange(24) / 24)
    assert finding(own, name).severity == PASSED
    found = finding(own.assign(seed=own["seed"].clip(upper=3)), name)
    assert (found.severity, len(found.rows)) == (DOUBT, 12)
    same = own.assign(accuracy=0.8, loss=0.5)
    assert "24 runs have the accuracy and loss of another" in finding(same, name).what


def test_a_run_far_from_its_repetitions(results):
    name = "No run is an outlier"
    assert finding(results, name).severity == PASSED
    results.loc[3, "energy_consumed"] *= 10
    found = finding(results, name)
    assert (found.severity, found.rows) == (DOUBT, (results.loc[3, "run_id"],))


def test_accuracy_at_chance_level(results):
    results.loc[[3, 4], "accuracy"] = [0.1, 0.108]
    results.loc[5, "accuracy"] = 0.12
    assert finding(results, "Accuracy is above chance").rows == tuple(results["run_id"][[3, 4]])


def test_few_test_images_make_chance_wider(results):
    results["data_test_images"] = 100
    results.loc[3, "accuracy"] = 0.15
    assert finding(results, "Accuracy is above chance").rows == (results["run_id"][3],)


def test_chance_is_unknown_of_an_unknown_dataset(results):
    assert finding(results.assign(dataset="mine"), "Accuracy is above chance").severity == UNCHECKED


def test_scores_that_do_not_divide(results):
    results.loc[0, "energy_consumed"] *= 10
    results["score"] = results["accuracy"] / results["energy_consumed"]
    found = finding(results, "Scores are accuracy over energy")
    assert found.severity == NOTE
    assert len(found.rows) == 4
    one_factor = results.drop(columns=["dataset", "location"])
    assert "1 of 3 mean Scores" in finding(one_factor, "Scores are accuracy over energy").what


def test_doubts_of_the_instruments_are_counted(results):
    doubts = [("late sample; and more", "busy machine"), ("late sample; and more",)]
    results["doubts"] = doubts + [()] * (len(results) - 2)
    found = finding(results, "No run recorded a doubt")
    assert "late sample; and more (2 runs)" in found.what
    assert len(found.rows) == 2


def test_a_table_of_objects_is_reckoned_with(results):
    """Records give None in columns of objects where something is empty."""
    assert audit.audit(results.astype(object)) == audit.audit(results)


def test_as_a_table_there_is_a_row_a_finding(results):
    frame = audit.to_frame(audit.audit(results.assign(gpu_count=8)))
    assert frame.columns.tolist() == [
        "name",
        "severity",
        "what",
        "why",
        "rows",
        "confounds",
        "runs",
    ]
    assert frame.loc[frame["name"] == "One GPU was counted", "runs"].item() == 24


@pytest.fixture(scope="module")
def of_the_authors(authors):
    return audit.audit(authors.results)


@needs.replication
@pytest.mark.parametrize(
    ("name", "severity", "count", "words"),
    [
        ("Each run has its own energy", FAULT, 35, "35 runs of 10 trackers"),
        ("Each network has its own tracker", FAULT, 30, "VGG19 and ResNet50 share a tracker, 5"),
        ("Repetitions are independent", FAULT, 45, "45 runs come from 10 processes"),
        ("GPU power was sampled all along", FAULT, 35, "15 of 21 of ResNet50"),
        ("GPU power has one mode", FAULT, 20, "34 to 42 W in 20 runs and 55 to 79 W in 25"),
        ("GPU power is above idle", FAULT, 38, "18 runs drew 343 to 357 W"),
        ("No energy is negative", FAULT, 2, "cpu_energy in 2 runs (down to -0.060 kWh)"),
        ("Energy matches power", FAULT, 18, "-40 to 44 W, the log's last readings are 148 to 237"),
        ("Order was shuffled", FAULT, 63, "in all 15 repetitions"),
        ("CPU power was measured", DOUBT, 45, "42.5 W"),
        ("RAM power was measured", DOUBT, 63, "5.9 W and 188.4 W"),
        ("One GPU was counted", DOUBT, 18, "8 GPUs"),
        ("Factors are balanced", DOUBT, 27, "TWN/taipei city has no mnist"),
        ("The design can show a difference", PASSED, 0, "63 runs"),
        ("Accuracy is above chance", DOUBT, 3, "USA/south carolina (0.1, 0.1, 0.1)"),
        ("Scores are accuracy over energy", NOTE, 15, "5 of 21 mean Scores (as published)"),
        ("Components add up", PASSED, 0, "63 runs"),
        ("Every run has an energy", PASSED, 0, "63 runs"),
    ],
)
def test_the_authors_raw_data(of_the_authors, name, severity, count, words):
    (found,) = [one for one in of_the_authors if one.name == name]
    assert (found.severity, len(found.rows)) == (severity, count)
    assert words in found.what
