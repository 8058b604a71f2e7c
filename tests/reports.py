"""Studies with their reports, made once for all tests that look at them."""

import json
import multiprocessing
import os
from pathlib import Path

import nbformat
import pandas as pd
import plotly.io
import pytest
import scipy.stats  # noqa: F401 (or each fork that executes a notebook does so again)
from IPython.core.interactiveshell import InteractiveShell

from lib import records
from lib.logs.folder import Imported
from lib.report import build, figures, layout
from lib.stats import score
from lib.study.catalog import ARCHITECTURES
from tests import small_study

SCRIPT = "<script>document.title='hacked'</script>"
HOSTILE = f'{SCRIPT}<b>&amp; "bold"</b>'
RENDERER = "notebook_connected"
"""What plotly would choose on Kaggle, which loads plotly.js from elsewhere."""
BUILD = build.build
"""For which tests may put `built`."""


def hostile(folder: Path) -> Path:
    """102 runs of which one failed, 50 epochs each; markup wherever a study holds others' text."""
    small_study.make(folder, title=HOSTILE, repetitions=17, location="USA/oregon", failed=HOSTILE)
    put(folder, location=HOSTILE, data_dir=f"/data/{HOSTILE}")
    put(folder, "VGG19-*", architecture=SCRIPT)
    for path in folder.glob("runs/*/history.csv"):
        head, *rows = path.read_text().splitlines(keepends=True)
        more = (row.replace(row[0], str(epoch), 1) for epoch, row in enumerate(rows * 25, start=1))
        path.write_text(head + "".join(more))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(build.RENDERER, RENDERER)
        build.build(folder)
        assert os.environ[build.RENDERER] == RENDERER
    return folder


def varied(folder: Path) -> Path:
    """As many configurations as in params/greener.yaml, and more: figures taller than a page; and
    two figures of every architecture that there is.
    """
    options = [{}, {"features": "cached"}, {"precision": "mixed"}, {"head": "linear"}]
    options += [{"features": "cached", "batch_size": 128}]
    small_study.make(folder, repetitions=1, variants=tuple(options))
    built(folder)
    notebook = nbformat.read(folder / "analysis.ipynb", as_version=4)
    heading = nbformat.v4.new_markdown_cell("## Every architecture")
    notebook.cells += [heading, _every_architecture()]
    html = build.to_html(notebook, "Variants, and every architecture")
    (folder / "report.html").write_text(html, encoding="utf-8")
    return folder


def _every_architecture() -> nbformat.NotebookNode:
    places = enumerate([*ARCHITECTURES] * 2)
    rows = [(f"{name}-digits-r{n}-x", name, "digits", 0.1 + n / 100, n + 1) for n, name in places]
    columns = ["run_id", "architecture", "dataset", "accuracy", "energy_consumed"]
    runs = pd.DataFrame(rows, columns=columns)
    drawn = [
        figures.accuracy_energy(runs, score.rank(runs, ("architecture",), ("dataset",))),
        figures.violins(runs, "energy_consumed", "dataset"),
    ]
    data = [{layout.PLOTLY: json.loads(figure.to_json())} for figure in drawn]
    outputs = [nbformat.v4.new_output("display_data", one) for one in data]
    return nbformat.v4.new_code_cell(outputs=outputs)


def papers(authors: Imported, folder: Path) -> Path:
    """The authors' raw data."""
    records.write_results(authors.results, folder)
    built(folder)
    return folder


def built(folder: Path) -> Path:
    """As `build.build`, whose notebook a fork of this process executes in place of a kernel."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        notebook = nbformat.reads(pool.apply(_executed, (folder,)), as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "execute", lambda _: notebook)
        return BUILD(folder)


def _executed(folder: Path) -> str:
    os.chdir(folder)
    plotly.io.renderers.default = "plotly_mimetype"
    notebook = nbformat.read(build.NOTEBOOK, as_version=4)
    shell = InteractiveShell.instance()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = "study_dir = '.'"
        shell.run_cell(f"%%capture seen\n{cell.source}").raise_error()
        cell.outputs = [
            nbformat.v4.new_output("display_data", shown.data, metadata=shown.metadata or {})
            for shown in shell.user_ns["seen"].outputs
            if shown.data  # else it has shown itself before
        ]
    return nbformat.writes(notebook)


def put(folder: Path, runs: str = "*", **config: str) -> None:
    """Change the configuration of records, behind the back of what would check it."""
    for path in folder.glob(f"runs/{runs}/run.json"):
        record = json.loads(path.read_text())
        record["config"] |= config
        path.write_text(json.dumps(record))
