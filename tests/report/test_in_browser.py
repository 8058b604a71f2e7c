"""Reports in headless Chromium without a network: seen, clicked, printed, read out."""

import csv
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from tests import needs, reports

pytestmark = needs.chromium

HOSTILE, PAPERS, VARIED = "hostile", "papers", "varied"
LETTER = 11 * 96 - 2 * 38
"""Pixels of a US Letter page, which is lower than A4, between Chrome's margins."""
DESK, PHONE, NARROW = 1280, 400, 360
"""Pixels that a screen is wide."""
OPENED_ON = {HOSTILE: PHONE, PAPERS: DESK, VARIED: DESK}
DRAWN = "html[data-figures=drawn]"
FITTED = """patience => new Promise((fitted, failed) => {
  setTimeout(failed, patience, "a figure is not as large as its room");
  const fits = (canvas) => {
    const [room, drawn] = [canvas, canvas.querySelector(".main-svg")].map(
      (one) => one.getBoundingClientRect());
    return room.width === drawn.width && room.height === drawn.height;
  };
  const look = () => [...document.querySelectorAll(".canvas")].every(fits)
    ? fitted() : setTimeout(look, 20);
  look();
})"""
"""Once every figure is drawn as large as the page now has room for it."""
MISPLACED_LEGENDS = """() => [...document.querySelectorAll(".canvas")].flatMap((canvas) => {
  const legend = canvas.querySelector(".infolayer > .legend");
  if (!legend) return [];
  const box = (element) => element.getBoundingClientRect();
  const boxes = (found) => [...canvas.querySelectorAll(found)].map(box);
  const [page] = boxes(".main-svg");
  const frame = box(legend);
  const apart = (box) => box.bottom <= frame.top + 1 || box.right <= frame.left;
  const inside = (box) => box.left >= page.left && box.right <= page.right + 1
    && box.bottom <= page.bottom + 1 && box.bottom <= frame.bottom + 1;
  const right = boxes(".infolayer [class$=title], .xtick text").every(apart)
    && boxes(".infolayer > .legend .legendtext").every(inside);
  return right ? [] : [canvas.closest("figure").id];
})"""
LEGENDS = ".canvas .infolayer > .legend"
SIZES = """all => all.map((canvas) => {
  const [room, drawn] = [canvas, canvas.querySelector("svg.main-svg")].map(
    (one) => one.getBoundingClientRect());
  return [canvas.scrollWidth, canvas.clientWidth, room.right, room.height, drawn.height];
})"""
WHAT_IS_DRAWN = """all => all.map((figure) => {
  const box = figure.querySelector("svg.main-svg").getBoundingClientRect();
  const drawn = ".trace, .trace path, .points path, .annotation-text";
  return [figure.id, figure.querySelectorAll("svg.main-svg text").length, box.width, box.height,
    figure.querySelectorAll(drawn).length];
})"""


@pytest.fixture(scope="module")
def studies(request, tmp_path_factory):
    """Made before the browser is started, which keeps an event loop running."""
    made = {
        HOSTILE: request.getfixturevalue("hostile_study"),
        VARIED: reports.varied(tmp_path_factory.mktemp("studies") / "varied"),
    }
    if needs.REPLICATION.is_dir():
        made[PAPERS] = request.getfixturevalue("papers_study")
    return made


@pytest.fixture(scope="module")
def browser(studies):
    with sync_playwright() as playwright:
        # Else V8 reads plotly.js again to say where in it a line is, which nobody asks for.
        known = "--js-flags=--no-enable-lazy-source-positions"
        browser = playwright.chromium.launch(
            executable_path=needs.CHROMIUM, chromium_sandbox=False, args=[known]
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page that is open, and what it did besides showing itself."""

    page: Page
    asked_for: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def visits(browser, studies):
    """The report of a study, in a window so wide: opened once for all that look at it."""
    opened = {}

    def open_(name):
        context = browser.new_context(
            offline=True, reduced_motion="reduce", **_screen(OPENED_ON[name])
        )
        context.set_default_timeout(needs.PATIENCE)
        visit = Visit(context.new_page())
        visit.page.on("request", lambda request: visit.asked_for.append(request.url))
        visit.page.on("console", lambda message: visit.said.append(message.text))
        visit.page.on("pageerror", lambda error: visit.said.append(str(error)))
        visit.page.on("dialog", lambda dialog: visit.said.append(dialog.message))
        visit.page.goto((studies[name] / "report.html").as_uri())
        visit.page.wait_for_selector(DRAWN, state="attached")
        _unfold(visit.page)
        return visit

    def visit(name, width=DESK, scheme="light"):
        if name not in studies:
            needs.ask_for(needs.replication)
        if name not in opened:
            opened[name] = open_(name)
        page = opened[name].page
        page.emulate_media(media="null", color_scheme=scheme)
        page.set_viewport_size(_screen(width)["viewport"])
        page.wait_for_function(f"innerWidth === {width}")
        page.evaluate(FITTED, needs.PATIENCE)
        return opened[name]

    yield visit
    for one in opened.values():
        one.page.context.close()


def _screen(width):
    return {"viewport": {"width": width, "height": 900}}


@pytest.fixture
def page(visits):
    """The hostile study's report, for tests that leave it usable."""
    return visits(HOSTILE).page


def _unfold(page):
    """Open what is folded; its figures are drawn then."""
    page.evaluate("document.querySelectorAll('details.fold').forEach(one => { one.open = true })")
    # By a selector: the page's policy lets nobody evaluate text, which a function would be.
    page.wait_for_selector(".canvas:not(:has(.infolayer))", state="detached")


@pytest.mark.parametrize("name", [HOSTILE, PAPERS, VARIED])
def test_every_figure_is_drawn_and_nothing_asked_for_or_complained_of(visits, studies, name):
    seen = visits(name)
    addresses = [url for url in seen.asked_for if not url.startswith(("data:", "blob:"))]
    assert addresses == [(studies[name] / "report.html").as_uri()]
    assert seen.said == []
    figures = seen.page.locator("figure.plot").evaluate_all(WHAT_IS_DRAWN)
    assert len(figures) >= 4
    for figure, texts, width, height, drawn in figures:
        assert texts
        assert min(width, height) > 100
        assert drawn, figure


def test_a_study_of_100_runs_is_light(page, studies):
    assert (studies[HOSTILE] / "report.html").stat().st_size < 8e6
    assert page.locator("[data-name=runs] tbody tr").count() == 102


def test_hostile_text_stays_text(page):
    assert page.title() == reports.HOSTILE
    assert page.locator("h1").inner_text() == reports.HOSTILE
    assert page.get_by_text("document.title='hacked'").count() > 2


def test_a_script_that_got_in_all_the_same_is_not_run(browser, studies, tmp_path):
    html = (studies[HOSTILE] / "report.html").read_text(encoding="utf-8")
    changed = tmp_path / "changed.html"
    script = "<script>document.title='hacked'</script>"
    html = _without_figures(html).replace("</main>", f"{script}</main>")
    changed.write_text(html, encoding="utf-8")
    page, said = browser.new_page(), []
    page.set_default_timeout(needs.PATIENCE)
    page.on("console", lambda message: said.append(message.text))
    page.goto(changed.as_uri())
    assert page.title() == reports.HOSTILE
    assert "violates" in said[0]
    page.close()


@pytest.fixture(scope="module")
def words(browser, studies, tmp_path_factory):
    """The report of a study without its figures, opened on a phone in the dark."""
    pages = {}

    def open_(name):
        html = (studies[name] / "report.html").read_text(encoding="utf-8")
        report = tmp_path_factory.mktemp("words") / "report.html"
        report.write_text(_without_figures(html), encoding="utf-8")
        page = browser.new_page(color_scheme="dark", **_screen(PHONE))
        page.set_default_timeout(needs.PATIENCE)
        page.goto(report.as_uri())
        return page

    def find(name):
        if name not in studies:
            needs.ask_for(needs.replication)
        if name not in pages:
            pages[name] = open_(name)
        return pages[name]

    yield find
    for page in pages.values():
        page.close()


def _without_figures(html):
    """A report that does not draw them, which takes seconds, for what they have no part in."""
    return re.sub(r"<script>.{1000000,}?</script>", "", html, flags=re.S)


def test_numbers_as_they_are_printed_sort_as_numbers(visits):
    table = visits(PAPERS).page.locator("[data-name=table2_beside_paper]")
    head = table.locator("th", has_text="The paper")
    head.get_by_role("button").click()
    place = head.evaluate("head => head.cellIndex") + 1
    texts = table.locator(f"tbody td:nth-child({place})").all_inner_texts()
    numbers = [float(text.replace(",", "")) for text in texts]
    assert numbers == sorted(numbers)
    assert max(numbers) > 20 > 10 > min(numbers)


def test_columns_sort_by_value_with_what_is_empty_at_the_end(page):
    table = page.locator("[data-name=runs]")
    heads = table.locator("th").all_inner_texts()
    place = next(i for i, head in enumerate(heads) if head.startswith("Energy"))
    head = table.locator("th").nth(place)
    for clicks in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == clicks
        cells = table.locator(f"tbody td:nth-child({place + 1})")
        values = cells.evaluate_all("cells => cells.map(cell => cell.dataset.value)")
        assert values[-1] == "", "the failed run"
        numbers = [float(value) for value in values[:-1]]
        assert len(numbers) == 101
        assert numbers == sorted(numbers, reverse=clicks == "descending")


def test_a_table_can_be_saved_with_all_its_digits(page, studies, tmp_path):
    with page.expect_download() as download:
        page.locator("[data-name=measurements]").get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "measurements.csv"
    download.value.save_as(tmp_path / "saved.csv")
    saved = list(csv.reader((tmp_path / "saved.csv").open(encoding="utf-8")))
    text = (studies[HOSTILE] / "tables" / "measurements.csv").open(encoding="utf-8")
    written = list(csv.reader(text))
    assert saved[0] == written[0], "units are those of the values, not those shown"
    energy = saved[0].index("Energy (kWh)")
    assert len(saved) == len(written)
    assert [row[energy] for row in saved[1:]] == [row[energy] for row in written[1:]]


def test_a_table_can_be_copied_into_a_spreadsheet(page):
    table = page.locator("[data-name=table6_scores]")
    table.get_by_role("button", name="Copy").click()
    table.get_by_role("button", name="Copied").wait_for()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<textarea></textarea>')")
    sheet = page.locator("textarea")
    sheet.press("Control+V")
    rows = [line.split("\t") for line in sheet.input_value().splitlines()]
    sheet.evaluate("sheet => sheet.remove()")
    heads = table.locator("th").all()
    names = [json.loads(head.get_attribute("data-full")) for head in heads]
    assert rows[0] == [name for several in names for name in several]
    assert len(rows) == 1 + table.locator("tbody tr").count()
    assert {len(row) for row in rows} == {len(rows[0])}


def test_a_point_names_its_run(page):
    point = page.locator("#energy-figure .point").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    said = page.locator("#energy-figure .hoverlayer .hovertext")
    said.wait_for()
    assert re.search(r"(VGG16|VGG19|ResNet50)-\w+-r\d-\w{8}Energy: [\d.]+ Wh", said.text_content())


def test_code_unfolds_piece_by_piece_and_all_at_once(page):
    blocks, open_ = page.locator(".cell:not(.first *) > .code"), page.locator("details.code[open]")
    assert open_.count() == 0
    blocks.first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert open_.count() == 1
    assert blocks.first.locator("pre").is_visible()
    every = page.locator("details.code").count()
    for name, count in (("Show all code", every), ("Hide all code", 0)):
        page.get_by_role("button", name=name).click()
        assert open_.count() == count


def test_the_contents_lead_to_every_section(visits):
    page = visits(VARIED).page
    for link in page.locator("nav.contents a").all():
        link.click()
        page.wait_for_function(
            "id => Math.abs(document.getElementById(id).getBoundingClientRect().top) < 120"
            " || scrollY + innerHeight > document.documentElement.scrollHeight - 2",
            arg=link.get_attribute("href").removeprefix("#"),
        )


def test_it_is_dark_where_everything_is_dark(visits):
    colours = {}
    for scheme in ("light", "dark"):
        page = visits(HOSTILE, scheme=scheme).page
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        letters = page.evaluate("getComputedStyle(document.querySelector('.xtick text')).fill")
        colours[scheme] = [_lightness(paper), _lightness(letters)]
    assert colours["light"][0] > 0.9 > 0.3 > colours["light"][1]
    assert colours["dark"][0] < 0.2 < 0.7 < colours["dark"][1]


def _lightness(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 / 255


def test_a_phone_shows_it_all_by_scrolling_down(visits):
    page = visits(HOSTILE, PHONE).page
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    _unfolds_its_contents(page)


def _unfolds_its_contents(page):
    assert page.locator("nav.contents li").first.is_hidden()
    page.locator("nav.contents summary").click()
    assert page.locator("nav.contents li").first.is_visible()
    page.locator("nav.contents summary").click()


@pytest.mark.parametrize("name", [PAPERS, VARIED])
def test_a_phone_folds_the_contents_of_every_report(words, name):
    _unfolds_its_contents(words(name))


def test_legends_have_room_whatever_the_width(visits):
    heights = []
    for width in (DESK, 480, NARROW):
        page = visits(VARIED, width).page
        assert page.locator(LEGENDS).count() >= 4
        assert page.evaluate(MISPLACED_LEGENDS) == []
        heights.append(page.locator(".canvas").last.bounding_box()["height"])
    assert heights[0] < heights[1] < heights[2], "rows take height, not panels"


@pytest.mark.parametrize("name", [PAPERS, VARIED])
def test_nothing_is_wider_than_a_window_as_narrow_as_a_phone(visits, name):
    page = visits(name, NARROW).page
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW


@pytest.mark.parametrize("name", [PAPERS, VARIED])
def test_paper_takes_figures_whole(visits, tmp_path, name):
    page = visits(name).page
    canvases = page.locator(".canvas")
    tallest = max(height for *_, height, _ in canvases.evaluate_all(SIZES))
    assert name != VARIED or tallest > LETTER, "else this tests nothing"
    page.pdf(path=tmp_path / "report.pdf", format="A4", prefer_css_page_size=True)
    _check_words(tmp_path / "report.pdf", page)
    # The same page, held where a ruler can reach it: A4 at 96 dots an inch.
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})
    page.evaluate(FITTED, needs.PATIENCE)
    for inner, outer, right, height, drawn in canvases.evaluate_all(SIZES):
        assert inner <= outer
        assert right <= 794
        assert height <= LETTER
        assert drawn <= height + 1
    assert page.locator("figure.plot").first.evaluate("f => getComputedStyle(f).breakInside") == (
        "avoid"
    )
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")


def _check_words(pdf, page):
    """Every word is on its page, that of the table with most columns too, and none is shrunk."""
    needs.ask_for(needs.pdftotext)
    command = ["pdftotext", "-bbox", str(pdf), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    printed = list(ElementTree.fromstring(text).iter("{http://www.w3.org/1999/xhtml}page"))
    words = {sheet: sheet.findall("{*}word") for sheet in printed}
    for sheet in printed:
        assert words[sheet], "an empty page"
        right = max(float(word.get("xMax")) for word in words[sheet])
        assert right <= float(sheet.get("width")) - 72 * 10 / 25.4, "the margin is narrower"
    widest = page.locator("div.table table").evaluate_all(
        "all => all.sort((a, b) => b.rows[0].cells.length - a.rows[0].cells.length)[0].rows[0]"
        ".lastChild.dataset.label"
    )
    beside = [one for one in printed if float(one.get("width")) > float(one.get("height"))]
    there = [word.text for sheet in beside for word in words[sheet]]
    assert set(widest.split()) <= set(there), "a wide table lies on its side"
    # The height of a line of body text, by the font's own measures, against that on the screen.
    every = [word for sheet in printed for word in words[sheet]]
    asked = [word for word in every if word.text == "socket."]
    size = float(asked[0].get("yMax")) - float(asked[0].get("yMin"))
    assert 10 <= size <= 15, "10 points"


ONE_ROW_OF_A_KIND = """() => [...document.querySelectorAll("tbody")].map((body) => {
  const kinds = new Set();
  const rows = [...body.rows];
  for (const row of rows) {
    const inside = [row, ...row.querySelectorAll("*")].map((one) => [
      one.tagName, one.className, ...one.getAttributeNames()]);
    const kind = JSON.stringify(inside);
    if (kinds.has(kind)) row.remove();
    kinds.add(kind);
  }
  return () => body.replaceChildren(...rows);
})"""
"""Takes from tables what has the same elements, classes and attributes as a row above it."""


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_axe_finds_no_serious_fault(visits, width, scheme):
    """On a phone and on a desk, in the dark and in the light."""
    assert _serious_faults(visits(HOSTILE, width, scheme).page) == {}


def test_axe_finds_no_serious_fault_in_the_papers_words(words):
    page = words(PAPERS)
    page.set_viewport_size(_screen(DESK)["viewport"])
    assert _serious_faults(page) == {}


def _serious_faults(page):
    """What axe finds, with all that can be unfolded."""
    folded = page.evaluate_handle("[...document.querySelectorAll('details:not([open])')]")
    folded.evaluate("all => all.forEach(one => { one.open = true })")
    shortened = page.evaluate_handle(ONE_ROW_OF_A_KIND)
    # What Plotly draws has no text that a screen reader comes to: the figure's caption has it.
    found = Axe().run(page, context={"exclude": [[".main-svg"]]}).response
    shortened.evaluate("all => all.forEach(lengthen => lengthen())")
    folded.evaluate("all => all.forEach(one => { one.open = false })")
    assert len(found["passes"]) > 20, "rules that it did check"
    return {
        fault["id"]: [node["html"][:200] for node in fault["nodes"][:3]]
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    }
