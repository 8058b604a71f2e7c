"""A study's own notebook, built for Kaggle."""

import subprocess

from lib import records
from lib.execution.kaggle import kernels
from lib.study.sections import KaggleKernel
from lib.study.study import load_study
from tests.execution.kaggle import server
from tests.execution.test_own_notebook import CELL, REAL, STUDY
from tests.study.test_notebook import written


def test_what_was_built_runs_in_an_empty_folder(
    tmp_path, monkeypatch, clean_python, tmp_path_factory
):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, CELL, REAL)
    (tmp_path / "small.yaml").write_text(STUDY)
    run, *_ = load_study(tmp_path / "small.yaml").runs("small", tmp_path / "outputs")
    study_dir = tmp_path / "outputs" / "small"
    kernels.build([run], study_dir, KaggleKernel())
    empty = tmp_path_factory.mktemp("empty")
    built = kernels.folder_of(study_dir, run.run_id) / kernels.NOTEBOOK
    (empty / "source.ipynb").write_bytes(built.read_bytes())
    done = subprocess.run(
        [str(clean_python), "-I", "-c", server.PAPERMILL, "source.ipynb", "out.ipynb"],
        cwd=empty,
        env={"PATH": "/usr/bin:/bin", "HOME": str(empty), "KAGGLE_KERNEL_RUN_TYPE": "Batch"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = empty.rglob("run.json")
    record = records.read(path)
    assert (record.run_id, record.notebook) == (run.run_id, "own.ipynb")
