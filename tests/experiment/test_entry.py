import json
import sys

import pytest

from lib import records
from lib.experiment import RunError, begin, measured
from lib.study import notebook as notebooks
from lib.study.errors import StudyError
from tests.study.test_notebook import written

CELL = 'model = "forest"\ntrees = 10\nseed = 3'


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(notebooks.VARIABLE, raising=False)
    return written(tmp_path, CELL)


def test_a_notebook_begins_the_run_of_its_parameters(notebook, meter):
    own = {"model": "linear", "trees": 10, "seed": 4, "repetition": 2, "output_dir": "out"}
    run = begin("own.ipynb", own | {"other": print})
    assert run.config.recorded.items() >= {"model": "linear", "repetition": 2, "seed": 4}.items()
    with run.measured():
        pass
    record = run.finish(accuracy=0.5)
    assert record.notebook == "own.ipynb"
    (row,) = records.table([record]).to_dict("records")
    assert (row["model"], row["trees"], row["notebook"]) == ("linear", 10, "own.ipynb")
    assert "architecture" not in row


def test_the_runner_says_which_notebook_it_is(notebook, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = written(elsewhere, CELL.replace("trees", "leaves"))
    monkeypatch.setenv(notebooks.VARIABLE, str(other))
    assert begin("own.ipynb", {"model": "linear", "leaves": 1}).config.leaves == 1


@pytest.mark.parametrize(
    ("name", "variables", "error", "said"),
    [
        (
            "own.ipynb",
            {"model": "linear"},
            RunError,
            "'trees' has no value; execute the",
        ),
        ("own.ipynb", {"model": 1, "trees": 1}, StudyError, "model: 1"),
        ("other.ipynb", {}, StudyError, "notebook other.ipynb: can't be read"),
    ],
)
def test_what_begins_no_run_is_refused(notebook, name, variables, error, said):
    with pytest.raises(error, match=said):
        begin(name, variables)


def train(folder, **fields):
    with measured(folder, **{"optimizer": "adam", "seed": 1} | fields) as run:
        run.epoch(loss=1.5)
        run.results(accuracy=0.9, wings=2)
    return run


def test_a_script_leaves_a_complete_run_and_again_a_repetition(
    meter, tmp_path, capsys, monkeypatch
):
    (tmp_path / "train.py").write_text("train()")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "train.py")])
    for _ in range(2):
        train(tmp_path / "study")
    train(tmp_path / "study", optimizer="sgd")
    merged = records.merge(tmp_path / "study")
    assert merged.damaged == ()
    table = merged.results.sort_values(["optimizer", "repetition"])
    assert table[["optimizer", "repetition"]].to_numpy().tolist() == [
        *(["adam", 1], ["adam", 2]),
        ["sgd", 1],
    ]
    assert table["wings"].tolist() == [2, 2, 2]
    assert table["version_notebook"].nunique() == 1
    assert {path.name for path in (tmp_path / "study").iterdir()} == {"runs"}
    assert "The run is complete: " in capsys.readouterr().out


def test_a_block_that_raises_leaves_nothing(meter, tmp_path):
    def fail():
        with measured(tmp_path / "study", optimizer="adam"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path for path in (tmp_path / "study").rglob("*") if path.is_file()] == []


def nothing_told(folder):
    with measured(folder, optimizer="adam"):
        pass


def finished_inside(folder):
    with measured(folder, optimizer="adam") as run:
        run.finish(accuracy=1)


def no_number(folder):
    with measured(folder, optimizer="adam") as run:
        run.results(accuracy="high")


@pytest.mark.parametrize(
    ("use", "error", "said"),
    [
        (nothing_told, RunError, "nothing came out"),
        (finished_inside, RunError, "finish: comes after the measured block"),
        (no_number, RunError, "'high' is no number"),
        (lambda folder: train(folder, rates=[1, 2]), StudyError, "rates: a field is a number"),
        (lambda folder: train(folder, accuracy=1), StudyError, "'accuracy' is a word"),
        (lambda folder: train(folder, seed="one"), StudyError, "seed: 'one'"),
        (lambda folder: train(folder, protocol={"idle": 1}), StudyError, "idle: unknown field"),
        (lambda folder: train(folder, meter="no.yaml"), StudyError, "no file 'no.yaml'"),
        (lambda folder: train(folder / "file", x=1), StudyError, "file is a file, not a folder"),
    ],
)
def test_a_script_that_leaves_no_run_is_told_in_one_sentence(meter, tmp_path, use, error, said):
    (tmp_path / "file").touch()
    with pytest.raises(error, match=said):
        use(tmp_path)
    assert not list(tmp_path.rglob("run.json"))


def test_the_protocol_of_a_script(meter, tmp_path):
    run = train(tmp_path, protocol={"idle_seconds": 0.01}, location="FRA")
    record = json.loads((run.config.run_dir / "run.json").read_text())
    assert record["idle_energy"] is not None
    assert record["config"]["idle_seconds"] == 0.01
    assert record["carbon_intensity"] is not None
