"""The path that matters: `run_all.py` trains real networks on small data and reports them."""

import shutil
import subprocess

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from lib import cli, records
from lib.execution import run_study
from lib.execution.kaggle import push
from lib.records import read
from lib.study.config import RunConfig
from tests.execution.kaggle import server
from tests.execution.kaggle.conftest import FAST, clean_python, fake  # noqa: F401 (fixtures)

SMALL = {"head": "linear", "epochs": 2, "train_limit": 20, "test_limit": 10, "location": "FRA"}
STUDY = {"defaults": SMALL | {"idle_seconds": 1}, "repetitions": 2}


def run_all(folder, arguments=(), **study):
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({"title": "small", **study}))
    status = cli.main([str(path), "--outputs", str(folder / "outputs"), *arguments])
    return status, folder / "outputs" / "small"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two repetitions of one configuration."""
    folder = tmp_path_factory.mktemp("study")
    status, study_dir = run_all(folder, **STUDY)
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


def _without_network():
    """A command that takes the network away from what follows it; None where that can't be done."""
    offline = [shutil.which("unshare") or "unshare", "-rn", "sh", "-c"]
    offline += ['ip link set lo up && exec "$@"', "sh"]
    try:
        subprocess.run([*offline, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return offline


def test_on_kaggle_without_network_the_same_run_gives_the_same_record(
    study,
    tmp_path,
    monkeypatch,
    no_report,
    fake,  # noqa: F811
    clean_python,  # noqa: F811
):
    """The notebook itself, in an empty folder and a clean environment, through Kaggle's client.

    What follows from the seed is the same, for it is another process.
    """
    monkeypatch.setattr(push, "PACE", FAST)
    offline = _without_network()
    fake.run = server.executing(clean_python, tmp_path / "sessions", offline or ())
    for step in ("build", "push", "pull"):
        status, study_dir = run_all(tmp_path, ["--kaggle", step, "--only", "repetition=1"], **STUDY)
        assert status == cli.COMPLETE, [session.log[-2000:] for session in fake.kernels.values()]
        fake.join()
    pulled, local = record_of(study_dir, 1), record_of(study, 1)
    ours, theirs = (
        pd.read_csv(folder / "runs" / local.run_id / "history.csv") for folder in (study, study_dir)
    )
    learned = ["accuracy", "loss", "val_accuracy", "val_loss"]
    pd.testing.assert_frame_equal(ours[learned], theirs[learned])

    same = (
        *("run_id", "status", "config", "accuracy", "loss", "flops", "flops_head"),
        *("flops_training", "parameters", "trainable_parameters", "depth", "carbon_intensity"),
        *("location_source", "cpu_method", "gpu_method", "ram_method", "data", "versions"),
        *("schema_version", "error"),
    )
    for name in same:
        assert getattr(pulled, name) == getattr(local, name), name
    # So short a training may draw less than the machine did before it: then net energy is empty.
    assert {**pulled.reasons, "net_energy": ""} == {**local.reasons, "net_energy": ""}
    for name in ("duration", "energy_consumed", "cpu_energy", "ram_energy", "emissions"):
        assert getattr(pulled, name) > 0, name
    assert [phase.name for phase in pulled.phases] == [phase.name for phase in local.phases]
    assert pulled.hardware["service"] == "Kaggle"
    assert pulled.hardware.keys() == local.hardware.keys()
    there, here = (
        {path.name for path in (folder / "runs" / local.run_id).iterdir()}
        for folder in (study_dir, study)
    )
    assert there == here - {"run.html"}, "that is of the report"
    if offline is None:
        pytest.skip("this system gives no process a network of its own; the rest was right")


def test_real_weights_and_own_images_are_loaded(tmp_path):
    """The path of ImageNet weights: a file as `keras.applications` saves them, and an `.npz`."""
    import keras

    from lib.experiment import Run
    from lib.training import classifier, datasets

    keras.utils.set_random_seed(3)
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    base.save_weights(tmp_path / "vgg16.weights.h5")
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
    said = SMALL | {
        "dataset": "mnist",
        "architecture": "VGG16",
        "weights": str(tmp_path / "vgg16.weights.h5"),
        "data_dir": str(tmp_path),
        "preprocessing": "imagenet",
        "location": None,
        "idle_seconds": 0,
    }
    config = RunConfig(**said, output_dir=str(tmp_path / "outputs"))
    training = classifier.Training(config, datasets.load(config))
    run = Run(config)
    with run.measured(training.rehearse):
        training.learn(run)
    (found,) = records.table([run.finish(**training.results)]).to_dict("records")
    assert found["data_source"] == "data_dir/mnist.npz"
    assert pd.isna(found["emissions"])
    assert found["reasons"]["emissions"] == "no location is configured"
    assert found["weights"] == said["weights"]
