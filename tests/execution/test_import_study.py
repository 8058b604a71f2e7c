import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console

from lib import records
from lib.execution import import_study
from lib.study.errors import StudyError
from tests.logs.test_codecarbon import VERSION_2, line


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "My logs"
    folder.mkdir()
    rows = [
        line(run_id=str(n), timestamp=f"2022-05-22T2{n}:10:00", energy_consumed=0.02 * n)
        for n in (1, 2, 3)
    ]
    (folder / "emissions.csv").write_text("\n".join([VERSION_2, *rows]))
    return folder


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Import a folder, but for the report; the folder of the study and what was printed."""
    monkeypatch.setattr(import_study.run_study, "report", lambda *_, **__: True)

    def execute(source: Path, name: str | None = None) -> tuple[list[Path], str]:
        console = Console(record=True, width=200)
        outputs = tmp_path / "outputs"
        assert import_study.execute(source, outputs, console, name=name, figures=False)
        return sorted(outputs.iterdir()), console.export_text()

    return execute


def fill_in(folder, **columns):
    path = folder / "runs.csv"
    pd.read_csv(path).assign(**columns).to_csv(path, index=False)


def test_without_a_table_one_is_written_and_filled_in_it_is_read(logs, imported):
    with pytest.raises(StudyError) as raised:
        imported(logs)
    said = str(raised.value)
    assert "runs.csv was written, with the 3 rows that emissions.csv has" in said
    assert "Fill in architecture, dataset, repetition (from 1), and accuracy" in said
    table = pd.read_csv(logs / "runs.csv")
    assert table["logged"].tolist()[0] == "until 2022-05-22T21:10:00, 600 s, 0.02 kWh"
    with pytest.raises(StudyError, match=r"runs\.csv: fill in architecture, dataset, repetition"):
        imported(logs)
    fill_in(logs, architecture=["A", None, "B"], dataset=["d", None, "d"], repetition=[1, None, 1])
    (study,), printed = imported(logs)
    assert study.name == "My-logs"
    assert "2 runs were read, 1 rows were skipped." in printed
    assert "emissions.csv, row 1: runs.csv does not say which run it is" in printed
    said = yaml.safe_load((study / "study.yaml").read_text())
    assert said["title"] == "My logs"
    assert said["imported"]["skipped"] == [
        "emissions.csv, row 1: runs.csv does not say which run it is"
    ]
    assert records.merge(study).results["accuracy"].isna().all()


def test_the_name_is_the_users(logs, imported):
    with pytest.raises(StudyError):
        imported(logs)
    fill_in(logs, architecture="A", dataset="d", repetition=[1, 2, 3], accuracy=0.5)
    for name, folder in (("Ours: a first look", "Ours-a-first-look"), ("second", "second")):
        studies, _ = imported(logs, name)
        assert folder in [one.name for one in studies]
    study = studies[0]
    assert yaml.safe_load((study / "study.yaml").read_text())["title"] == "Ours: a first look"
    (study / "plan.csv").write_text("run_id\n")
    with pytest.raises(StudyError, match="holds runs of a study; give another name with --name"):
        imported(logs, "Ours: a first look")
    with pytest.raises(StudyError, match="can't name a folder"):
        imported(logs, "?!")


def test_what_is_doubtful_of_a_row_is_in_its_record(logs, imported):
    head = VERSION_2 + ",pue"
    rows = [
        line(
            head,
            run_id=str(n),
            timestamp=f"2022-05-22T2{n}:10:00",
            pue=1.5,
            tracking_mode="process",
        )
        for n in (1, 2)
    ]
    (logs / "emissions.csv").write_text("\n".join([head, *rows]))
    with pytest.raises(StudyError):
        imported(logs)
    fill_in(logs, architecture="A", dataset="d", repetition=[1, 2])
    (study,), _ = imported(logs)
    for path in study.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        assert len(record["doubts"]) == 2
        assert record["doubts"][0].startswith("CodeCarbon multiplied the energies by a PUE of 1.5")
        assert record["energy_consumed"] == pytest.approx(0.02 / 1.5)


def test_an_error_names_the_nearest_file_and_what_it_lacks(logs, imported):
    (logs / "mine.csv").write_text("file,row,architecture,dataset\nemissions.csv,0,A,d\n")
    with pytest.raises(StudyError, match=r"mine\.csv lacks the column repetition"):
        imported(logs)
