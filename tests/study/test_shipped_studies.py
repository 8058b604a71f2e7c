"""Studies of `params/` on real images, cut down to what takes seconds."""

from io import StringIO
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from lib import cli, records
from lib.analysis import results as analysis
from lib.execution import run_study
from lib.paper import published
from lib.report import tables
from lib.study.catalog import backend_installed
from lib.study.study import load_study, select
from tests import needs

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"data_dir": str(needs.IMAGES), "weights": "none", "epochs": 1}
SMALL |= {"train_limit": 10, "test_limit": 10, "idle_seconds": 0, "cooldown_seconds": 0}

pytestmark = needs.images


def as_in_a_notebook(config):
    """Execute train.ipynb's cells for a run, in this process, which has TensorFlow already."""
    config.run_dir.mkdir(parents=True)
    notebook = nbformat.read(config.notebook, as_version=4)
    first, *cells = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    names = {}
    exec(first, names)
    names.update(config.model_dump(mode="json"))
    for cell in cells:
        exec(cell, names)


def test_greener_trainings_are_set_against_the_papers(tmp_path):
    """The paper's VGG16, and the smallest network with every option."""
    folder = tmp_path / "greener"
    study = load_study(ROOT / "params" / "greener.yaml", SMALL)
    runs = select(study.runs("greener", tmp_path), {"repetition": [1], "dataset": ["cifar10"]})
    reference = {"head": ["paper"], "features": ["online"], "precision": ["float32"]}
    reference |= {"architecture": ["VGG16"], "batch_size": [32], "early_stopping": [None]}
    greenest = {"architecture": ["MobileNetV2"], "features": ["cached"]}
    chosen = select(runs, reference) + select(runs, greenest)
    for config in chosen:
        as_in_a_notebook(config)
    results = records.merge(folder).results
    assert len(results) == 2
    assert results["accuracy"].notna().all()
    assert results["flops_training"].nunique() == 2
    savings = pd.read_csv(StringIO(tables.savings(analysis.load(folder)).to_csv()))
    assert set(savings["Architecture"]) == {"VGG16", "MobileNetV2"}
    assert savings["Energy / reference"].notna().sum() == 1


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_framework_stands_beside_tensorflow(tmp_path, monkeypatch, backend):
    if not backend_installed(backend):
        pytest.skip(f"{backend} is not installed")
    import keras

    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    base.save_weights(tmp_path / "vgg16.weights.h5")
    said = SMALL | {"weights": tmp_path / "vgg16.weights.h5"}
    monkeypatch.setattr(run_study, "report", lambda *study, **options: True)
    arguments = [str(ROOT / "params" / "frameworks.yaml"), "--outputs", str(tmp_path)]
    arguments += ["--set", *(f"{name}={value}" for name, value in said.items()), "--only"]
    arguments += ["repetition=1", "dataset=cifar10", "architecture=VGG16", f"backend={backend}"]
    assert cli.main(arguments) == cli.COMPLETE
    (folder,) = tmp_path.glob("frameworks+*/")
    (found,) = records.read_results(folder).to_dict("records")
    exact = published.table("table2_exact").set_index(["architecture", "dataset"])
    assert found["flops"] == int(exact.loc[("VGG16", "cifar10"), "flops"])
    assert found["energy_consumed"] > 0
    assert found[f"version_{backend}"]
