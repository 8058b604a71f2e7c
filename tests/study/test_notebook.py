import json
from pathlib import Path

import nbformat
import pytest

from lib.instruments import machine
from lib.records.record import Record
from lib.study import notebook as notebooks
from lib.study.config import RunConfig, RunFields
from lib.study.errors import StudyError

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def written(folder, *cells, tag="parameters", kernel="python3"):
    """A notebook of these cells, of which the first is tagged."""
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    node.cells[0].metadata["tags"] = [tag] if tag else []
    node.metadata["kernelspec"] = {"name": kernel, "display_name": kernel}
    path = folder / "own.ipynb"
    nbformat.write(node, path)
    return path


CELL = """
'''What a run has.'''
model = "forest"  # or linear
trees: int = 100
rate = 0.1
balanced = False
limit = None
seed = 7
idle_seconds = 5
"""


def test_the_parameters_cell_is_the_schema(tmp_path):
    fields = notebooks.fields_of(written(tmp_path, CELL))
    run = fields()
    assert fields.own() == ("model", "trees", "rate", "balanced", "limit")
    assert (run.model, run.trees, run.rate, run.balanced, run.limit) == (
        *("forest", 100, 0.1, False),
        None,
    )
    assert (run.seed, run.idle_seconds, run.repetition) == (7, 5, 1)
    assert run.run_id.startswith("forest-100-r1-")
    assert run.notebook.name == "own.ipynb"
    assert "output_dir" not in run.recorded


def test_runs_differ_by_what_changes_the_training(tmp_path):
    fields = notebooks.fields_of(written(tmp_path, CELL))
    assert fields(rate=0.2).run_id != fields().run_id
    assert fields(output_dir="elsewhere", meter="m.yaml").run_id == fields().run_id


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"trees": 1.5}, "trees: 1.5"),
        ({"trees": "many"}, "trees: 'many'"),
        ({"model": 5}, "model: 5"),
        ({"balanced": 1}, "balanced: 1"),
        ({"rate": "fast"}, "rate: 'fast'"),
        ({"limit": [1]}, "limit"),
        ({"depth_of_trees": 3}, "depth_of_trees: unknown field; allowed are balanced"),
        ({"idle_seconds": -1}, "idle_seconds: -1"),
    ],
)
def test_a_value_of_another_type_is_refused(tmp_path, value, said):
    fields = notebooks.fields_of(written(tmp_path, CELL))
    with pytest.raises(StudyError, match=said):
        notebooks.checked(fields, value, "a test")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("rates = [0.1, 0.2]", "line 1: `rates = .* gives no name a number, a text"),
        ("import numpy as np", "line 1: `import numpy as np` gives no name"),
        ("x = 1\ny = x + 1", "line 2: `y = x \\+ 1`"),
        ("x, y = 1, 2", "line 1: `x, y = "),
        ("x = ", "is no Python: line 1"),
        ("accuracy = 0.5", "'accuracy' is a word of the program or its results"),
        ("run_id = 'a'", "'run_id' is a word of the program"),
        ("own = 1", "'own' is a word of the program"),
        ("idle_seconds = -1", "idle_seconds: -1"),
        ("seed = 'one'", "seed: 'one'"),
    ],
)
def test_a_cell_that_is_no_schema_is_refused(tmp_path, cell, said):
    with pytest.raises(StudyError, match=said) as error:
        notebooks.fields_of(written(tmp_path, cell))
    assert len(error.value.problems) == 1
    assert "own.ipynb" in str(error.value)


def test_a_notebook_without_the_cell_is_refused(tmp_path):
    with pytest.raises(StudyError, match="no cell with the tag 'parameters'"):
        notebooks.fields_of(written(tmp_path, CELL, tag=None))
    two = written(tmp_path, CELL, CELL)
    content = json.loads(two.read_text())
    content["cells"][1]["metadata"]["tags"] = ["parameters"]
    two.write_text(json.dumps(content))
    with pytest.raises(StudyError, match="2 cells with the tag"):
        notebooks.fields_of(two)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"cells": 1}', "\udcff"])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "own.ipynb"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(StudyError, match="is no Jupyter notebook"):
        notebooks.fields_of(path)
    with pytest.raises(StudyError, match="can't be read: No such file"):
        notebooks.fields_of(tmp_path / "missing.ipynb")


def test_the_digest_is_of_the_code_and_not_of_the_parameters(tmp_path):
    before = notebooks.digest(written(tmp_path, CELL, "train(model)"))
    assert before == notebooks.digest(written(tmp_path, "model = 'linear'", "train(model)"))
    assert before != notebooks.digest(written(tmp_path, CELL, "train(model, trees)"))
    script = tmp_path / "train.py"
    assert notebooks.digest(script) is None
    script.write_text("train()")
    assert len(notebooks.digest(script)) == 16


def test_a_kernel_must_be_there(tmp_path):
    assert notebooks.kernel_of(written(tmp_path, CELL)) == "python3"
    with pytest.raises(StudyError, match=r"there is no kernel .julia-1\.9. here; there are "):
        notebooks.kernel_of(written(tmp_path, CELL, kernel="julia-1.9"))


def test_the_training_notebook_has_the_checks_of_runconfig():
    fields = notebooks.fields_of(NOTEBOOKS / "train.ipynb")
    assert fields is RunConfig
    with pytest.raises(StudyError, match="is unknown; did you mean VGG16"):
        notebooks.checked(fields, {"architecture": "vgg-16"}, "a test")


def test_a_copy_of_it_may_have_more(tmp_path):
    cell = next(
        cell["source"]
        for cell in json.loads((NOTEBOOKS / "train.ipynb").read_text())["cells"]
        if cell["id"] == "parameters"
    )
    same = notebooks.fields_of(written(tmp_path, "".join(cell)))
    assert same().config_hash != RunConfig().config_hash  # its code may be another
    fields = notebooks.fields_of(written(tmp_path, "".join(cell) + "\nnoise = 0.1"))
    assert issubclass(fields, RunConfig)
    assert fields(noise=0.2).config_hash != fields().config_hash


def test_columns_of_the_results_are_no_parameters():
    said = {"config", "hardware", "versions", "data", "phases", "readings", "extra"}
    columns = (Record.model_fields.keys() | machine.hardware().keys()) - said - {"schema_version"}
    assert columns <= notebooks.COLUMNS
    assert not issubclass(RunFields, RunConfig)
