import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lib
from lib.files import without_home
from lib.study.config import RECORDED, RunConfig, Use, names
from lib.study.folder import StudyFolder

PACKAGE = Path(lib.__file__).parent

LISTS = """
import json, sys
from pathlib import Path
from lib.analysis import comparison, variants
from lib.execution import terminal
from lib.execution.forecast import cell
from lib.records import Record, table
from lib.report import explore_views
from lib.study import plan
from lib.study.config import RunConfig
from lib.study.study import Study

one, two = RunConfig(), RunConfig(dropout=0.5)
results = table(
    Record(run_id=run.run_id, status="completed", config=run.recorded) for run in (one, two)
)
found = variants.named(results, Study(title="s"))
json.dump(
    {
        "id": one.run_id != two.run_id,
        "plan": "dropout" in plan.table([one]),
        "results": list(results["dropout"]) == [0.1, 0.5],
        "variant": list(found["variant"]),
        "factor": "dropout" in explore_views.factors(results),
        "forecast": cell(one.recorded) != cell(two.recorded),
        "terminal": terminal.same_for_all([two]),
        "comparison": "dropout" in comparison._TRAINING,
        "study": Study(title="s", factors={"dropout": [0.1, 0.2]}).runs("s", Path("o"))[0].dropout,
    },
    sys.stdout,
)
"""


def test_a_field_of_a_run_is_added_in_one_place(tmp_path):
    """The package with one line more: every list of fields knows the new one."""
    shutil.copytree(PACKAGE, tmp_path / "lib")
    module = tmp_path / "lib" / "study" / "config.py"
    line = "    epochs: int = "
    text = module.read_text(encoding="utf-8")
    assert text.count(line) == 1
    new = '    dropout: float = Field(0.1, ge=0, lt=1, description="share of features left out")\n'
    module.write_text(text.replace(line, new + line), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LISTS],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.pop("variant") == ["reference", "dropout: 0.5"]
    assert said.pop("terminal") == "dropout 0.5"
    assert all(said.values()), said


def test_where_results_go_stands_in_one_module():
    naming = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if '"output_dir"' in path.read_text(encoding="utf-8")
    ]
    assert naming == ["study/config.py"]


def test_every_use_has_its_fields_and_every_field_one_use():
    by_use = [names(one) for one in Use]
    assert all(by_use)
    assert sorted(name for fields in by_use for name in fields) == sorted(RunConfig.model_fields)
    assert "location" in names(Use.PLACE)
    assert "epochs" in names(Use.CONFIGURATION)
    assert set(RunConfig.model_fields) - set(RECORDED) == {"output_dir"}


@pytest.mark.parametrize("field", ["output_dir", "meter"])
def test_what_changes_no_training_is_not_in_the_id(field):
    assert RunConfig(**{field: "elsewhere"}).run_id == RunConfig().run_id


def test_a_run_goes_where_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = RunConfig().going_to(StudyFolder(tmp_path / "outputs" / "s"))
    assert config.output_dir == "~/outputs/s"
    assert config.run_dir == tmp_path / "outputs" / "s" / "runs" / config.run_id
    assert without_home(str(config.run_dir)).startswith("~")


def test_a_new_field_leaves_the_ids_of_finished_runs_as_they_were():
    """If this fails, a field came that is not marked `Later`, or a default has another meaning."""
    assert RunConfig().run_id == "VGG16-digits-r1-24c13abf"
    assert RunConfig(location="FRA").run_id == RunConfig().run_id
    assert RunConfig(inference_seconds=5).run_id != RunConfig().run_id
