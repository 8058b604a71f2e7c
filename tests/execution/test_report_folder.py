import pytest
from rich.console import Console

from lib.execution import report_folder, run_study
from lib.records import Record
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.study import read_back


def put(folder, run_id, **config):
    common = {"repetition": 1, "seed": 1, "location": None}
    Record(
        run_id=run_id,
        status="completed",
        notebook="my_script.py",
        config=config | common,
        energy_consumed=0.1,
    ).write(StudyFolder(folder).run(run_id))


@pytest.fixture
def reported(monkeypatch):
    """Folders whose report was asked for; none is made."""
    folders = []
    monkeypatch.setattr(
        run_study, "report", lambda console, folder, figures: folders.append(folder) or True
    )
    return folders


def test_what_differs_between_runs_are_the_factors(tmp_path, reported):
    put(tmp_path, "a", optimizer="adam", epochs=2)
    put(tmp_path, "b", optimizer="sgd", epochs=2)
    assert report_folder.report(tmp_path, Console(), figures=False)
    study = read_back(StudyFolder(tmp_path))
    assert study.factors == {"optimizer": ["adam", "sgd"]}
    assert study.defaults == {"epochs": 2}
    assert study.title == tmp_path.name
    assert study.notebook == "my_script.py"
    assert StudyFolder(tmp_path).results.is_file()
    assert reported == [tmp_path]

    text = StudyFolder(tmp_path).study.read_text().replace(tmp_path.name, "Mine")
    StudyFolder(tmp_path).study.write_text(text.replace("better: higher", "better: lower"))
    put(tmp_path, "c", optimizer="rmsprop", epochs=2)
    report_folder.report(tmp_path, Console(), figures=False)
    again = read_back(StudyFolder(tmp_path))
    assert again.factors["optimizer"] == ["adam", "sgd", "rmsprop"]
    assert (again.title, again.quality.better) == ("Mine", "lower"), "what a user wrote is kept"


def test_a_planned_study_is_left_as_it_is(tmp_path, reported):
    put(tmp_path, "a", optimizer="adam")
    StudyFolder(tmp_path).study.write_text("title: planned\n")
    StudyFolder(tmp_path).plan.write_text("run_id\na\n")
    report_folder.report(tmp_path, Console(), figures=False)
    assert StudyFolder(tmp_path).study.read_text() == "title: planned\n"


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_runs_is_refused(tmp_path, reported, make):
    folder = tmp_path / "empty"
    if make:
        folder.mkdir()
    with pytest.raises(StudyError, match="holds no runs"):
        report_folder.report(folder, Console(), figures=False)
    assert reported == []
