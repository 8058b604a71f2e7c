"""A study's own notebook is executed, killed and refused as `train.ipynb` is."""

from textwrap import indent

import pytest

from lib import cli, records
from lib.study.config import COMMON
from lib.study.folder import StudyFolder
from tests import stand_in
from tests.conftest import RUN_DIR
from tests.execution.test_faults import killed
from tests.study.test_notebook import written

CELL = 'size = 1\nkind = "round"\nseed = 1'
STUDY = "title: own\nnotebook: own.ipynb\nfactors: {size: [1, 2]}\nrepetitions: 2\n"

LIGHT = f"""{RUN_DIR}
record = json.loads({stand_in.record("completed")!r})
record |= {{"run_id": run_dir.name, "notebook": "own.ipynb"}}
names = {["size", "kind", *(name for name in COMMON if name != "output_dir")]}
record["config"] = {{name: globals()[name] for name in names}}
(run_dir / "run.json").write_text(json.dumps(record))
"""
"""Leaves a record and measures nothing."""

REAL = """
from lib import experiment
run = experiment.begin("own.ipynb", globals())
with run.measured():
    total = sum(range(size * 10**6))
    run.epoch(total=total)
run.inference(lambda: sum(range(1000)), samples=10)
run.finish(total=total)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(STUDY)
    return tmp_path


def test_a_study_of_it_leaves_records_with_its_own_fields(folder):
    written(folder, CELL, REAL)
    (folder / "small.yaml").write_text(STUDY + "protocol: {inference_seconds: 0.1}\n")
    one = ("small.yaml", "--only", "size=1", "repetition=1")
    status, said = stand_in.run("unused", folder, *one)
    assert status == cli.COMPLETE, said
    (record,) = records.merge(folder / "outputs" / "small").records
    assert record.config["size"] == 1
    assert record.extra["total"] == sum(range(10**6))
    assert record.energy_consumed > 0
    assert record.extra["inference_samples"] >= 10
    run = StudyFolder(folder / "outputs" / "small").run(record.run_id)
    assert run.name.startswith("1-round-r1-")
    assert {"own.ipynb", "history.csv", "power.csv"} <= {path.name for path in run.iterdir()}
    assert stand_in.run("unused", folder, *one)[1].count("1 complete") >= 1, "not run again"


FAULTY = {
    1: (REAL + "\nrun.finish(total=1)", "RunError: finish: the run is finished"),
    2: (REAL.replace("run.epoch(total=total)", "1 / 0"), "ZeroDivisionError: division by zero"),
}


def test_a_run_that_leaves_no_sound_record_says_why(folder):
    chosen = "\n".join(
        f"if size == {size}:\n{indent(cell.strip(), '    ')}" for size, (cell, _) in FAULTY.items()
    )
    written(folder, CELL, chosen)
    (folder / "small.yaml").write_text(STUDY.replace("[1, 2]", str([*FAULTY])))
    status, text = stand_in.run("unused", folder, "small.yaml", "--only", "repetition=1")
    assert status == cli.SOME_FAILED, text
    found = records.merge(folder / "outputs" / "small").records
    errors = {record.config["size"]: record.error for record in found}
    for size, (_, said) in FAULTY.items():
        assert said in errors[size]
    assert any(said in text for said in errors.values())


@pytest.mark.parametrize(
    ("study", "said"),
    [
        (STUDY.replace("size:", "width:"), "factors: unknown field 'width'; allowed are"),
        (STUDY.replace("[1, 2]", "[1, large]"), "size: 'large'"),
        (STUDY.replace("own.ipynb", "missing.ipynb"), "notebook missing.ipynb: can't be read"),
        (STUDY + "quality: {name: 7th}\n", "quality.name: '7th'"),
        (STUDY + "quality: {name: loss, better: smaller}\n", "quality.better: 'smaller'"),
        (STUDY.replace("own.ipynb", "other.ipynb"), "there is no kernel 'julia-1.9' here"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(folder, capsys, study, said):
    written(folder, CELL, kernel="julia-1.9").rename(folder / "other.ipynb")
    written(folder, CELL)
    (folder / "small.yaml").write_text(study)
    assert cli.main(["small.yaml"]) == cli.BAD_INPUT
    assert said in capsys.readouterr().err
    assert not (folder / "outputs").exists()


def test_killed_at_any_moment_the_study_comes_out_the_same(folder, tmp_path_factory):
    """At every moment once; `test_faults` has more."""
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    for place in (folder, undisturbed):
        written(place, CELL, LIGHT)
        (place / "small.yaml").write_text(STUDY)
    assert stand_in.run("unused", undisturbed, "small.yaml", kernel=False)[0] == cli.COMPLETE
    killed(folder, undisturbed, "unused", 4)
