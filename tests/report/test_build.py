"""The report, made for real: the notebook is executed and its page is read."""

import json
import re
import shutil
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from lib.analysis import results
from lib.report import answer, build, layout
from tests import own_study, small_study
from tests.reports import HOSTILE, SCRIPT

CONTROLS = ("explore.study(study_dir)", "explore.compare(study_dir)")
"""Last lines of the cells that have them."""


@pytest.fixture
def study(hostile_study):
    return hostile_study


@pytest.fixture(scope="module")
def page(hostile_study):
    return BeautifulSoup((hostile_study / "report.html").read_text(encoding="utf-8"), "html.parser")


def test_the_study_has_its_notebook_report_and_tables(study):
    assert (study / "report.html").stat().st_size < 8e6
    assert len(list((study / "tables").glob("*.csv"))) > 10
    notebook = nbformat.read(study / "analysis.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert any(cell.get("outputs") for cell in notebook.cells)
    assert not list(study.glob(".*"))


def test_a_notebook_that_a_program_executes_is_not_watched_and_has_no_dead_controls(study):
    notebook = nbformat.read(study / "analysis.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.source.rpartition("\n")[2] in CONTROLS]
    assert len(cells) == len(CONTROLS)
    assert all(cell.execution_count and not cell.outputs for cell in cells)
    assert "widgets" not in notebook.metadata


def test_no_path_of_this_machine_leaves_it(study):
    for name in ("analysis.ipynb", "report.html"):
        text = (study / name).read_text(encoding="utf-8")
        for place in (str(study), str(build.NOTEBOOK.parents[1])):
            assert place not in text


def test_one_factor_two_repetitions_and_epochs_that_tell_a_loss(tmp_path):
    study = own_study.make(
        tmp_path / "s", "accuracy", "higher", {"kind": ["gru", "transformer"]}, 2, "loss"
    )
    html = build.build(study).read_text(encoding="utf-8")
    said = BeautifulSoup(html, "html.parser").find("main").get_text(" ")
    assert "gru and transformer, and for what accuracy?" in said
    assert "between levels of kind" in said
    assert "its data" not in said
    notebook = nbformat.read(study / "analysis.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_figures_are_there_whatever_plotly_would_choose(page):
    """See how the study was made."""
    main = page.find("main")
    assert len(main.select("figure.plot")) >= 4
    assert "cdn.plot.ly" not in main.decode()


def test_the_executed_notebook_stays_small(study):
    # plotly.js would be 5 MB of it, were the figures not kept as data.
    assert (study / "analysis.ipynb").stat().st_size < 1.5e6


def test_nothing_is_fetched(page):
    for tag in page.find_all(True):
        for name in ("src", "href", "data", "action"):
            assert not re.match(r"(https?:)?//", str(tag.get(name, ""))), tag.name
    policy = page.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy


def test_plotly_is_there_once_and_every_figure_has_its_data_and_description(page):
    scripts = page.find_all("script")
    assert [script.get("type") for script in scripts].count(None) == 2
    figures = page.select("figure.plot")
    assert len(figures) >= 4
    for figure in figures:
        data = json.loads(figure.find("script").string)
        assert data["layout"]["title"]["text"]
        assert figure["aria-label"] == data["layout"]["meta"]["alt"]


def test_the_contents_lead_to_every_section(page):
    links = page.select("nav.contents a")
    assert links[0].text == "Energy"
    assert [link.text for link in links] == [heading.text for heading in page.find_all("h2")]
    for link in links:
        assert page.find(id=link["href"].removeprefix("#"))


def test_code_is_folded_away(page):
    blocks = page.select("details.code")
    assert len(blocks) > 12
    assert not [block for block in blocks if block.has_attr("open")]
    assert "tables.scores(study)" in page.text


def test_hostile_text_is_text(page):
    assert page.find("h1").text == HOSTILE
    assert page.title.text == HOSTILE
    run = [script for script in page.find_all("script") if script.get("type") is None]
    assert not [script for script in run if "hacked" in script.string]
    assert not page.select("td b, details.words b, .prose b, header b")
    cells = [cell.text for cell in page.find_all("td")]
    assert {HOSTILE, SCRIPT, f"/data/{HOSTILE}"} <= set(cells)


def test_headings_and_tables_are_made_for_screen_readers(page):
    levels = [int(tag.name[1]) for tag in page.find_all(["h1", "h2", "h3"])]
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(head.get("scope") == "col" for head in page.find_all("th"))
    assert page.html["lang"] == "en"


def test_a_failing_analysis_says_where_and_leaves_the_old_report(study):
    before = (study / "report.html").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        broken = study / "broken.ipynb"
        cells = [
            nbformat.v4.new_code_cell("study_dir = '.'", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell("1 / 0", id="divide"),
        ]
        node = nbformat.v4.new_notebook(cells=cells)
        node.metadata["language_info"] = {"name": "python"}
        nbformat.write(node, broken)
        patch.setattr(build, "NOTEBOOK", broken)
        with pytest.raises(build.ReportError, match=r"`1 / 0` failed: ZeroDivisionError"):
            build.build(study)
    assert (study / "report.html").read_bytes() == before
    broken.unlink()


def test_a_study_whose_first_run_failed_has_a_report_already(tmp_path, monkeypatch):
    folder = small_study.make(tmp_path / "study", repetitions=1, failed="no such thing")
    for run in (folder / "runs").iterdir():
        if "no such thing" not in (run / "run.json").read_text():
            shutil.rmtree(run)
    monkeypatch.chdir(folder)
    names = {"study_dir": "."}
    notebook = nbformat.read(build.NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [cell for cell in cells if layout.NOTEBOOK_ONLY not in cell.metadata.get("tags", [])]
    for cell in shown[1:]:
        exec(cell.source, names)
    study = names["study"]
    assert len(study.results) == 1
    assert answer.partial(study, datetime.now(UTC)).startswith("Partial: 1 of 6 runs have ended, 1")
    assert repr(answer.found(study)).startswith("No run is complete yet")


def test_a_study_without_results_says_what_to_run(tmp_path):
    """The cell that reads the study fails, as in the test above."""
    reads = nbformat.read(build.NOTEBOOK, as_version=4).cells
    (cell,) = [one for one in reads if "results.load" in one.source]
    with pytest.raises(results.NoResultsError, match="holds no results yet"):
        exec(cell.source, {"study_dir": str(tmp_path)})


def test_the_papers_data_are_reported_with_their_conclusions(papers_study):
    page = BeautifulSoup((papers_study / "report.html").read_text(encoding="utf-8"), "html.parser")
    titles = [title.text for title in page.select(".table .title")]
    for number in range(2, 8):
        assert any(title.startswith(f"Table {number}") for title in titles), number
    assert "of the paper's" in page.find(id="found").text.lower()
    verdicts = page.select('[data-name="conclusions"] tbody td:first-child')
    assert {cell.text for cell in verdicts} == {"stands", "falls", "undecided"}


def test_pages_find_their_runs_wherever_the_analysis_works(tmp_path, monkeypatch):
    """Papermill changes the working directory of the process while the pages are made."""
    small_study.make(tmp_path / "s", datasets=("digits",), repetitions=1)
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(build.run_page, "write_all", lambda folder: asked.append(folder.path))

    def fails(_):
        raise build.ReportError("no analysis")

    monkeypatch.setattr(build, "execute", fails)
    with pytest.raises(build.ReportError):
        build.build(Path("s"))
    assert asked == [tmp_path / "s"]
