"""The path that matters: `run_all.py` trains real networks on small data and reports them."""

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from lib import cli, records
from lib.execution import run_study
from lib.records import read

SMALL = {"head": "linear", "epochs": 2, "train_limit": 64, "test_limit": 32, "location": "FRA"}


def run_all(folder, arguments=(), **study):
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({"title": "small", **study}))
    status = cli.main([str(path), "--outputs", str(folder / "outputs"), *arguments])
    return status, folder / "outputs" / "small"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two repetitions of one configuration."""
    folder = tmp_path_factory.mktemp("study")
    status, study_dir = run_all(folder, defaults=SMALL | {"idle_seconds": 2}, repetitions=2)
    assert status == cli.COMPLETE
    return study_dir


def record_of(study_dir, repetition):
    (path,) = study_dir.glob(f"runs/*-r{repetition}-*/run.json")
    return read(path)


def test_a_run_leaves_what_the_design_promises(study):
    for folder in (study / "runs").iterdir():
        assert {path.name for path in folder.iterdir()} == {
            "train.ipynb",
            "run.json",
            "run.html",
            "emissions.csv",
            "power.csv",
            "history.csv",
            "log.txt",
        }
    assert {"plan.csv", "results.csv", "analysis.ipynb", "report.html", "tables", "runs"} <= {
        path.name for path in study.iterdir()
    }


def test_the_record_adds_up(study):
    record = record_of(study, 1)
    parts = [record.cpu_energy, record.gpu_energy, record.ram_energy]
    assert record.energy_consumed == pytest.approx(sum(part or 0 for part in parts))
    assert record.energy_consumed > 0
    assert record.score == pytest.approx(record.accuracy / record.energy_consumed)
    assert record.emissions == pytest.approx(record.energy_consumed * record.carbon_intensity / 1e3)
    net = record.energy_consumed - record.idle_energy  # may be below 0: so little was trained
    assert record.net_energy == (pytest.approx(net) if net > 0 else None)
    assert (record.net_energy is None) == ("net_energy" in record.reasons)
    assert [phase.name for phase in record.phases] == [
        *("checks", "idle", "warmup", "training", "cooldown"),
    ]
    measured = next(phase for phase in record.phases if phase.name == "training")
    assert record.duration == pytest.approx(measured.duration, abs=0.5)
    assert record.cpu_method
    assert record.ram_method
    for name in ("cpu_energy", "gpu_energy", "ram_energy"):
        assert (getattr(record, name) is None) == (name in record.reasons)


def test_the_files_agree_with_the_record(study):
    record = record_of(study, 1)
    folder = study / "runs" / record.run_id
    row = pd.read_csv(folder / "emissions.csv")
    assert len(row) == 1
    assert row.loc[0, "energy_consumed"] == pytest.approx(record.energy_consumed)
    history = pd.read_csv(folder / "history.csv")
    assert history["val_accuracy"].iloc[-1] == record.accuracy
    assert history["energy_consumed"].is_monotonic_increasing
    assert history["energy_consumed"].iloc[-1] <= record.energy_consumed * 1.001
    results = records.read_results(study).set_index("run_id")
    assert results.loc[record.run_id, "energy_consumed"] == record.energy_consumed


def test_repetitions_are_trackers_seeds_and_kernels_of_their_own(study):
    first, second = record_of(study, 1), record_of(study, 2)
    trackers = {reading.readings[0]["details"]["run_id"] for reading in (first, second)}
    assert len(trackers) == 2
    assert first.config["seed"] != second.config["seed"]
    assert first.loss != second.loss
    assert first.data == second.data


def test_nothing_private_is_in_the_outputs(study):
    import platform
    from pathlib import Path

    # The page's own scripts mention many words; the host's name is looked for as a whole word.
    for path in study.rglob("*"):
        if path.is_file() and path.name != "report.html":
            text = path.read_text(encoding="utf-8")
            assert str(Path.home()) + "/" not in text, path.name
            assert f'"{platform.node()}"' not in text, path.name


def test_the_executed_notebook_shows_the_story(study):
    record = record_of(study, 1)
    notebook = nbformat.read(study / "runs" / record.run_id / "train.ipynb", as_version=4)
    shown = {
        cell.id: {kind for output in cell.outputs for kind in output.get("data", {})}
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    for cell in ("data", "power", "curves"):
        assert "application/vnd.plotly.v1+json" in shown[cell], cell
    for cell in ("config", "model", "energy"):
        assert "text/html" in shown[cell], cell


@pytest.fixture
def no_report(monkeypatch):
    """What is not looked at need not be made."""
    monkeypatch.setattr(run_study, "report", lambda *study, **options: True)


def test_the_same_seed_gives_the_same_run(study, tmp_path, no_report):
    status, again = run_all(
        tmp_path, ["--only", "repetition=1"], defaults=SMALL | {"idle_seconds": 2}, repetitions=2
    )
    assert status == cli.COMPLETE
    ours, theirs = (
        pd.read_csv(folder / "runs" / record_of(folder, 1).run_id / "history.csv")
        for folder in (study, again)
    )
    learned = ["accuracy", "loss", "val_accuracy", "val_loss"]
    pd.testing.assert_frame_equal(ours[learned], theirs[learned])


def test_real_weights_and_own_images_are_loaded(tmp_path, no_report):
    """The path of ImageNet weights: a file as `keras.applications` saves them, and an `.npz`."""
    import keras

    keras.utils.set_random_seed(3)
    base = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    base.save_weights(tmp_path / "mobilenet.weights.h5")
    numbers = np.random.default_rng(0)
    arrays = {
        f"{kind}_{split}": values
        for split, count in (("train", 40), ("test", 20))
        for kind, values in (
            ("x", numbers.integers(0, 256, (count, 28, 28), dtype=np.uint8)),
            ("y", np.arange(count, dtype=np.uint8) % 10),
        )
    }
    np.savez(tmp_path / "mnist.npz", **arrays)
    defaults = SMALL | {
        "dataset": "mnist",
        "architecture": "MobileNet",
        "weights": str(tmp_path / "mobilenet.weights.h5"),
        "data_dir": str(tmp_path),
        "preprocessing": "imagenet",
        "location": None,
    }
    status, study_dir = run_all(tmp_path, defaults=defaults)
    assert status == cli.COMPLETE
    (found,) = records.read_results(study_dir).to_dict("records")
    assert found["data_source"] == "data_dir/mnist.npz"
    assert pd.isna(found["emissions"])
    assert found["reasons"]["emissions"] == "no location is configured"
    assert found["weights"] == defaults["weights"]
