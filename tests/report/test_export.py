"""Figures drawn for real, by the browser that is installed, into files."""

import json
import sys
import xml.etree.ElementTree as ElementTree

import nbformat
import pandas as pd
import pytest
from PIL import Image

from lib.report import export, figures
from lib.report.figures import style
from lib.report.layout import PLOTLY
from tests import needs

HOSTILE = "<script>alert(1)</script><a href='https://example.org'>x</a> & <b>bold</b>"
SVG = "{http://www.w3.org/2000/svg}"


def cell(name, *drawn, tags=()):
    outputs = [
        nbformat.v4.new_output("display_data", {PLOTLY: json.loads(figure.to_json())})
        for figure in drawn
    ]
    return nbformat.v4.new_code_cell(id=name, outputs=outputs, metadata={"tags": list(tags)})


def violins(title="VGG16"):
    runs = pd.DataFrame(
        {
            "run_id": ["a", "b", "c"],
            "architecture": [title] * 3,
            "energy_consumed": [0.1, 0.2, 0.4],
        }
    )
    return figures.violins(runs, "energy_consumed", "architecture")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    cells = [
        cell("plane-figure", violins(HOSTILE)),
        cell("pairs", violins(), violins()),
        cell("empty", style.sentence("Power over time", "No power was recorded.")),
        cell("explore", violins(), tags=["notebook-only"]),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "analysis.ipynb")
    return folder


@pytest.fixture(scope="module")
def written(study):
    """With a figure of a report of before, and a file of somebody else's."""
    (study / "figures").mkdir()
    for name in ("empty.svg", "pairs-3.png", "pairs.svg", "mine.svg", "pairs.txt"):
        (study / "figures" / name).write_text("before")
    return {path.name: path for path in export.write(study)}


@needs.chromium
def test_each_figure_is_named_after_its_cell(study, written):
    cells = ("plane-figure", "pairs-1", "pairs-2")
    names = [f"{name}.{ending}" for name in cells for ending in export.SCALES]
    assert list(written) == names
    there = {path.name for path in (study / "figures").iterdir()}
    assert there == {*names, "mine.svg", "pairs.txt"}, "what no longer belongs is gone"


@needs.chromium
def test_a_png_is_large_enough_to_print_and_white(written):
    image = Image.open(written["plane-figure.png"])
    assert image.size == (2700, 3 * 420)
    assert image.convert("RGB").getpixel((5, 5)) == (255, 255, 255)


@needs.chromium
def test_an_svg_is_vectors_with_black_letters_on_white(written):
    tree = ElementTree.parse(written["pairs-1.svg"])
    letters = [text for text in tree.iter(f"{SVG}text") if "".join(text.itertext()).strip()]
    assert {"VGG16", "Energy (kWh)"} <= {"".join(text.itertext()) for text in letters}
    assert all("fill: rgb(0, 0, 0)" in text.get("style") for text in letters)
    background = next(tree.iter(f"{SVG}rect"))
    assert "fill: rgb(255, 255, 255)" in background.get("style")
    assert not list(tree.iter(f"{SVG}image"))


@needs.chromium
def test_hostile_text_is_text_in_an_svg_too(written):
    tree = ElementTree.parse(written["plane-figure.svg"])
    # A long text stands in several lines.
    texts = {"".join(text.itertext()).replace(" ", "") for text in tree.iter(f"{SVG}text")}
    assert HOSTILE.replace(" ", "") in texts
    tags = {element.tag.removeprefix(SVG) for element in tree.iter()}
    assert not tags & {"script", "a", "foreignObject"}
    assert "example.org" not in {
        name for element in tree.iter() for name in element.attrib.values()
    }


@needs.chromium
def test_a_browser_that_fails_leaves_the_figures_of_before(study, written, monkeypatch):
    before = {path: path.read_bytes() for path in written.values()}
    monkeypatch.setenv("BROWSER_PATH", "/bin/false")
    with pytest.raises(export.ExportError, match="draws nothing"):
        export.write(study)
    assert {path: path.read_bytes() for path in (study / "figures").glob("p*-*.*")} == before


def test_a_missing_browser_is_named_with_how_to_get_it(monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chrome")
    with pytest.raises(export.ExportError, match=r"'/nowhere/chrome'.*apt install chromium"):
        export.check()
    monkeypatch.delenv("BROWSER_PATH")
    monkeypatch.setattr("choreographer.browsers.chromium.Chromium.find_browser", lambda **_: None)
    with pytest.raises(export.ExportError, match=r"Chromium is missing.*apt install chromium"):
        export.check()


def test_a_missing_kaleido_is_named_with_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(export.ExportError, match=r"kaleido is missing.*pip install"):
        export.check()
