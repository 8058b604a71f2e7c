from bs4 import BeautifulSoup

from lib import records
from lib.report import run_page, run_tables
from lib.study.config import RunConfig
from lib.study.folder import StudyFolder
from tests import small_study

HOSTILE = "<script>alert(1)</script>"


def test_every_run_has_a_page_without_a_script_that_is_made_once(tmp_path):
    folder = StudyFolder(small_study.make(tmp_path / "s", datasets=("digits",), failed=HOSTILE))
    run_page.write_all(folder)
    pages = sorted(folder.runs.glob("*/run.html"))
    assert len(pages) == 9
    for page in pages:
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        assert not soup.find_all("script")
        assert soup.h1.text == page.parent.name
        assert (page.parent / soup.find("a")["href"]).resolve() == folder.report.resolve()
    done = [page for page in pages if "Accuracy, by epoch" in page.read_text(encoding="utf-8")]
    assert len(done) == 8, "all but the failed one"
    before = pages[0].stat().st_mtime_ns
    run_page.write_all(folder)
    assert pages[0].stat().st_mtime_ns == before


def test_a_damaged_history_costs_its_chart_and_not_the_pages(tmp_path):
    folder = StudyFolder(small_study.make(tmp_path / "s", datasets=("digits",)))
    first, *others = sorted(folder.runs.iterdir())
    (first / "history.csv").write_text('epoch,val_accuracy\n1,"0.5\n')
    run_page.write_all(folder)
    assert "Accuracy, by epoch" not in (first / "run.html").read_text(encoding="utf-8")
    assert all((run / "run.html").is_file() for run in others)


def test_what_a_run_took_is_told_with_how_and_in_water(tmp_path):
    folder = StudyFolder(small_study.make(tmp_path / "s", datasets=("digits",), repetitions=1))
    record = records.read(next(folder.runs.glob("VGG16*/run.json")))
    table = run_tables.energy(record)
    rows = table.frame.set_index("quantity")
    assert rows.loc["energy consumed", "value"] == "0.202 Wh"
    assert rows.loc["GPU energy", "how"] == "no GPU"
    assert "0.2 litres" in table.note
    assert run_tables.in_water(1.0).startswith("1.00 kWh would bring 11 litres of water")
    assert run_tables.in_water(0.0) == ""


def test_only_what_differs_from_the_defaults_is_listed():
    frame = run_tables.configuration(RunConfig(epochs=7)).frame
    assert frame.to_numpy().tolist() == [["epochs", "7", "2"]]
