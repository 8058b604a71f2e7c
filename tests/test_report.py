"""The report, made for real: the notebook is executed and the page is opened in a browser."""

import json
import re
import shutil
import subprocess
from itertools import pairwise

import nbformat
import pytest
from bs4 import BeautifulSoup

from lib import published, records, report
from tests import small_study
from tests.replication_package import FOLDER, needs_package

HOSTILE = "<script>document.title='hacked'</script><b>&amp; \"bold\"</b>"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "small"
    small_study.make(folder, title=HOSTILE, location="USA/oregon", failed=HOSTILE)
    _put(folder, location=HOSTILE)
    report.build(folder)
    return folder


def _put(folder, **config):
    """Change the configuration of every record, behind the back of what would check it."""
    for path in folder.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        record["config"] |= config
        path.write_text(json.dumps(record))


@pytest.fixture(scope="module")
def page(study):
    return BeautifulSoup((study / "report.html").read_text(encoding="utf-8"), "html.parser")


def test_the_study_has_its_notebook_report_and_tables(study):
    assert (study / "report.html").stat().st_size < 8e6
    assert len(list((study / "tables").glob("*.csv"))) > 10
    notebook = nbformat.read(study / "analysis.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert any(cell.get("outputs") for cell in notebook.cells)
    assert not list(study.glob(".*"))


def test_no_path_of_this_machine_leaves_it(study):
    for name in ("analysis.ipynb", "report.html"):
        text = (study / name).read_text(encoding="utf-8")
        for place in (str(study), str(report.NOTEBOOK.parents[1])):
            assert place not in text


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
    assert len(figures) >= 12
    for figure in figures:
        data = json.loads(figure.find("script").string)
        assert data["layout"]["title"]["text"]
        assert figure["aria-label"] == data["layout"]["meta"]["alt"]


def test_the_contents_lead_to_every_section(page):
    links = page.select("nav.contents a")
    assert links[0].text == "What was asked"
    assert [link.text for link in links] == [heading.text for heading in page.find_all("h2")]
    for link in links:
        assert page.find(id=link["href"].removeprefix("#"))


def test_code_is_folded_away(page):
    blocks = page.select("details.code")
    assert len(blocks) > 20
    assert not [block for block in blocks if block.has_attr("open")]
    assert "tables.scores(study)" in page.text


def test_hostile_text_is_text(page):
    assert page.find("h1").text == HOSTILE
    assert page.title.text == HOSTILE
    run = [script for script in page.find_all("script") if script.get("type") is None]
    assert not [script for script in run if "hacked" in script.string]
    assert not page.select("td b, details b, .prose b")
    cells = [cell.text for cell in page.find_all("td")]
    assert HOSTILE in cells


def test_headings_and_tables_are_made_for_screen_readers(page):
    levels = [int(tag.name[1]) for tag in page.find_all(["h1", "h2", "h3"])]
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(head.get("scope") == "col" for head in page.find_all("th"))
    assert page.html["lang"] == "en"


def chromium(*arguments):
    """Run headless Chromium without a network; what it prints and what pages say to its console."""
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"),
            *("--enable-logging=stderr", "--virtual-time-budget=30000", *arguments),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_browser
def test_a_browser_draws_every_figure_and_has_nothing_to_complain_of(study):
    dom, said = chromium("--window-size=1280,900", "--dump-dom", f"file://{study}/report.html")
    assert said == []
    page = BeautifulSoup(dom, "html.parser")
    assert page.html["data-figures"] == "drawn"
    for figure in page.select("figure.plot"):
        assert figure.select(".main-svg text"), figure["id"]
    assert page.title.text == HOSTILE
    table = page.select_one("div.table")
    assert [button.text for button in table.select(".tools button")] == ["Copy", "CSV"]
    assert table.select("th button")


@needs_browser
def test_a_script_that_got_in_all_the_same_is_not_run(study, tmp_path):
    html = (study / "report.html").read_text(encoding="utf-8")
    changed = tmp_path / "changed.html"
    script = "<script>document.title='hacked'</script>"
    changed.write_text(html.replace("</main>", f"{script}</main>"), encoding="utf-8")
    dom, said = chromium("--dump-dom", f"file://{changed}")
    assert BeautifulSoup(dom, "html.parser").title.text == HOSTILE
    assert "violates" in said[0]


@needs_browser
def test_columns_sort_by_value_with_what_is_empty_at_the_end(study, page, tmp_path):
    heads = [head.text for head in page.select("[data-name=runs] th")]
    place = next(i for i, head in enumerate(heads) if head.startswith("Energy"))
    html = (study / "report.html").read_text(encoding="utf-8")
    # Without the policy, so that the test may click: the page itself lets no foreign script run.
    html = re.sub(r"<meta[^>]*Content-Security-Policy[^>]*>", "", html, count=1)
    before, _, after = html.rpartition("</body>")
    button = f"document.querySelectorAll('[data-name=runs] th button')[{place}]"
    for clicks, descending in ((1, False), (2, True)):
        changed = tmp_path / "sorted.html"
        script = f"<script>{f'{button}.click();' * clicks}</script>"
        changed.write_text(f"{before}{script}</body>{after}", encoding="utf-8")
        dom, _ = chromium("--dump-dom", f"file://{changed}")
        rows = BeautifulSoup(dom, "html.parser").select("[data-name=runs] tbody tr")
        values = [row.find_all("td")[place]["data-value"] for row in rows]
        assert values[-1] == ""  # the failed run
        numbers = [float(value) for value in values[:-1]]
        assert len(numbers) == 17
        assert numbers == sorted(numbers, reverse=descending)


@needs_browser
def test_the_page_fits_a_phone_and_paper(study, tmp_path):
    pdf = tmp_path / "report.pdf"
    chromium(f"--print-to-pdf={pdf}", f"file://{study}/report.html")
    assert pdf.stat().st_size > 50_000
    # A window can't be made narrower than 500 pixels, a frame can.
    frame = tmp_path / "phone.html"
    frame.write_text(
        f'<iframe id="f" src="file://{study}/report.html" width="400" height="800"></iframe>'
        "<script>f.onload=()=>setTimeout(()=>{const d=f.contentDocument.documentElement;"
        "document.title=d.scrollWidth+' '+d.clientWidth},9000)</script>"
    )
    dom, _ = chromium("--allow-file-access-from-files", "--dump-dom", f"file://{frame}")
    wide, shown = map(int, BeautifulSoup(dom, "html.parser").title.text.split())
    assert wide <= shown


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
        patch.setattr(report, "NOTEBOOK", broken)
        with pytest.raises(report.ReportError, match=r"`1 / 0` failed: ZeroDivisionError"):
            report.build(study)
    assert (study / "report.html").read_bytes() == before
    broken.unlink()


def test_a_study_without_results_says_what_to_run(tmp_path):
    with pytest.raises(report.ReportError, match="holds no results yet"):
        report.build(tmp_path)
    assert not (tmp_path / "report.html").exists()


@needs_package
def test_the_papers_data_are_reported_with_their_conclusions(tmp_path):
    records.write_results(published.import_package(FOLDER), tmp_path)
    path = report.build(tmp_path)
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    titles = [title.text for title in page.select(".table .title")]
    for number in range(2, 8):
        assert any(title.startswith(f"Table {number}") for title in titles), number
    for number in (2, 3, 4):
        assert any(head.text.startswith(f"Figure {number}") for head in page.find_all("h3"))
    assert "of the paper's" in page.find(id="found-sentences").text.lower()
    verdicts = page.select('[data-name="conclusions"] tbody td:first-child')
    assert {cell.text for cell in verdicts} == {"stands", "falls", "undecided"}
