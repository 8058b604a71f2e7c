import numpy as np
import pandas as pd
import pytest

from lib.analysis import frugality


def history(energies, accuracies):
    return pd.DataFrame({"energy_consumed": energies, "val_accuracy": accuracies})


def results(**columns):
    rows = {
        "run_id": ["a", "b"],
        "architecture": ["VGG16", "VGG19"],
        "dataset": ["digits", "digits"],
        "repetition": [1, 1],
        "energy_consumed": [0.001, 0.002],
        "duration": [100.0, 100.0],
        "epochs": [2, 2],
        "accuracy": [0.5, 0.1],
        "data_train_images": [900, 900],
        "data_classes": [10, 10],
        "peak_power": [40.0, np.nan],
    }
    return pd.DataFrame(rows | columns)


def test_figures_of_a_run():
    histories = {
        "a": history([0.0004, 0.001], [0.3, 0.5]),
        "b": history([0.001, 0.002], [0.1, 0.1]),
    }
    frame = frugality.per_run(results(), histories).set_index("run_id")
    assert frame.loc["a", "joules_per_image"] == pytest.approx(3600 / 1800)
    assert frame.loc["a", "joules_per_epoch"] == pytest.approx(1800)
    assert frame.loc["a", "mean_power"] == pytest.approx(36)
    assert frame.loc["a", "energy_per_point"] == pytest.approx(0.001 / 40)
    assert frame["threshold"].tolist() == [pytest.approx(0.45)] * 2
    assert frame.loc["a", "energy_to_threshold"] == 0.001
    assert np.isnan(frame.loc["b", "energy_to_threshold"])
    assert np.isnan(frame.loc["b", "energy_per_point"]), "no better than guessing"


def test_of_a_quality_of_which_less_is_better_the_target_was_reached():
    bits = results(accuracy=[-2.0, -2.3], dataset="its data", data_classes=np.nan)
    told = {"a": history([0.0004, 0.001], [-2.5, -2.0]), "b": history([0.001, 0.002], [-2.4, -2.3])}
    frame = frugality.per_run(bits, told).set_index("run_id")
    assert frame["threshold"].tolist() == [pytest.approx(-2.2)] * 2
    assert frame.loc["a", "energy_to_threshold"] == 0.001
    assert np.isnan(frame.loc["b", "energy_to_threshold"])


def test_epochs_are_those_that_were_trained():
    short = {"a": history([0.001], [0.5])}
    frame = frugality.per_run(results(), short).set_index("run_id")
    assert frame.loc["a", "joules_per_epoch"] == pytest.approx(3600)
    assert frame.loc["b", "joules_per_epoch"] == pytest.approx(3600)


def test_an_import_without_these_columns_is_empty_not_wrong():
    bare = results().drop(columns=["epochs", "data_train_images", "data_classes", "peak_power"])
    frame = frugality.per_run(bare, {})
    assert frame[["joules_per_image", "peak_power", "energy_per_point"]].isna().all(axis=None)
    assert frame["mean_power"].notna().all()


def test_the_threshold_counts_when_it_is_reached_not_when_it_is_held():
    assert frugality.energy_to_reach(history([1, 2, 3], [0.2, 0.6, 0.4]), 0.5) == 2


def test_prediction_of_equal_epochs_is_exact_and_its_error_is_signed():
    even = history([1.0, 2.0, 3.0], [0, 0, 0])
    slow_start = history([2.0, 3.0, 4.0], [0, 0, 0])
    errors = frugality.prediction_errors({"even": even, "slow": slow_start}).set_index(
        ["run_id", "first_epochs"]
    )["error"]
    assert errors["even", 1] == pytest.approx(0)
    assert errors["slow", 1] == pytest.approx(6 / 4 - 1)
    assert errors["slow", 2] == pytest.approx(4.5 / 4 - 1)
    assert set(errors.index.get_level_values(1)) == {1, 2}, "a whole run predicts nothing"


def test_runs_without_energy_have_no_prediction():
    frame = frugality.prediction_errors({"x": pd.DataFrame({"val_accuracy": [0.1, 0.2]})})
    assert frame.empty
    assert "error" in frame
