"""Studies of `params/` on real images, cut down to what takes seconds."""

from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from lib import cli, records
from lib.analysis import results as analysis
from lib.execution import run_study
from lib.paper import published
from lib.report import tables
from lib.study.catalog import backend_installed
from tests import needs

ROOT = Path(__file__).resolve().parents[2]
SMALL = [f"data_dir={needs.IMAGES}", "weights=none", "epochs=1", "train_limit=10", "test_limit=10"]
QUICK = ["idle_seconds=0", "cooldown_seconds=0"]

pytestmark = needs.images


def run(study, folder, *, only):
    arguments = ["--only", "repetition=1", *only, "--set", *SMALL, *QUICK]
    path = ROOT / "params" / f"{study}.yaml"
    assert cli.main([str(path), "--outputs", str(folder), *arguments]) == cli.COMPLETE
    (trial,) = folder.glob(f"{study}+*/")
    return trial, records.read_results(trial)


@pytest.fixture(autouse=True)
def _no_report(monkeypatch):
    monkeypatch.setattr(run_study, "report", lambda *study, **options: True)


def test_greener_trainings_are_set_against_the_papers(tmp_path):
    """The paper's VGG16, and the smallest network with every option."""
    reference = ["head=paper", "features=online", "precision=float32", "batch_size=32"]
    only = ["dataset=cifar10", "architecture=VGG16", "early_stopping=null", *reference]
    run("greener", tmp_path, only=only)
    only = ["dataset=cifar10", "architecture=MobileNetV2", "features=cached"]
    folder, results = run("greener", tmp_path, only=only)
    assert len(results) == 2
    assert results["accuracy"].notna().all()
    assert results["flops_training"].nunique() == 2
    savings = pd.read_csv(StringIO(tables.savings(analysis.load(folder)).to_csv()))
    assert set(savings["Architecture"]) == {"VGG16", "MobileNetV2"}
    assert savings["Energy / reference"].notna().sum() == 1


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_framework_stands_beside_tensorflow(tmp_path, backend):
    if not backend_installed(backend):
        pytest.skip(f"{backend} is not installed")
    only = ["dataset=cifar10", "architecture=VGG16", f"backend={backend}"]
    (found,) = run("frameworks", tmp_path, only=only)[1].to_dict("records")
    exact = published.table("table2_exact").set_index(["architecture", "dataset"])
    assert found["flops"] == int(exact.loc[("VGG16", "cifar10"), "flops"])
    assert found["energy_consumed"] > 0
    assert found[f"version_{backend}"]
