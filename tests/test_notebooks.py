"""The notebooks in git: clean, and in step with the code."""

import ast
from pathlib import Path

import nbformat
import pytest

from lib.report.layout import NOTEBOOK_ONLY
from lib.study.config import RunConfig

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert {path.name for path in NOTEBOOKS} >= {"train.ipynb", "analysis.ipynb"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_in_git_is_clean(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        # A word, not a random id: it stays when the cell is edited.
        assert cell.id.replace("-", "").isalpha(), cell.id
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_logic_lives_in_lib(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert len(lines) <= 12 or "parameters" in cell.metadata.get("tags", []), cell.id


def test_the_parameters_of_a_run_are_runconfig_field_for_field():
    notebook = nbformat.read(NOTEBOOKS[-1].with_name("train.ipynb"), as_version=4)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assigned = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(cell.source).body
    }
    assert list(assigned) == list(RunConfig.model_fields)
    defaults = RunConfig().model_dump()
    chosen = {name for name, value in assigned.items() if value != defaults[name]}
    assert chosen == {
        *("head", "features", "views", "epochs", "preprocessing", "augmentation"),
        *("idle_seconds", "output_dir"),
    }, "what makes it learn, and where a trial goes"
    RunConfig(**assigned)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_sentence_says_what_comes(path):
    words = ""
    for cell in nbformat.read(path, as_version=nbformat.NO_CONVERT).cells:
        if cell.cell_type == "markdown":
            words = "\n".join(line for line in cell.source.splitlines() if not line.startswith("#"))
        assert words.strip().endswith((".", ")")), cell.id


def test_controls_are_no_part_of_the_report():
    notebook = nbformat.read(NOTEBOOKS[0].with_name("analysis.ipynb"), as_version=4)
    place = [cell.id for cell in notebook.cells].index("explore")
    assert any("explore." in cell.source for cell in notebook.cells[place:])
    for cell in notebook.cells[place:]:
        assert cell.metadata.tags == [NOTEBOOK_ONLY]
