"""The notebooks in JupyterLab, in a browser: what a reader sees and moves."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import sync_playwright

from tests import needs, reports, small_study

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
STRANGE = f"third {HOSTILE}"

LAB = """
from lib.patching import import_nbformat
import_nbformat()  # before the server does, which would take two seconds longer
from jupyterlab.labapp import main
main()
"""

pytestmark = needs.chromium


SLOWLY = """
import time
from pathlib import Path
goes_on = figures.LiveCurve.progress
def progress(live, said):
    goes_on(live, said)
    if said.epoch and said.watts is None:
        time.sleep(0.6)
    while said.watts is not None and not Path("seen").exists():
        time.sleep(0.1)
        goes_on(live, said)
figures.LiveCurve.progress = progress
"""
"""Between its first steps there is time for a reading of power; then it waits until somebody has
looked.
"""

NETWORK = """
import keras

def build(image_size, classes):
    shape = (image_size, image_size, 3)
    layers = [keras.layers.Flatten(), keras.layers.Dense(classes, activation="softmax")]
    return keras.Sequential([keras.Input(shape), *layers])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the notebooks, and three studies, one of them damaged."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    _make_short(folder / "notebooks" / "train.ipynb")
    small_study.make(folder / "outputs" / "quick", repetitions=2, failed=HOSTILE)
    small_study.make(folder / "outputs" / "second", title=HOSTILE, location="FRA")
    small_study.make(folder / "outputs" / STRANGE)
    reports.put(folder / "outputs" / STRANGE, location=HOSTILE)
    reports.put(folder / "outputs" / STRANGE, "*-mnist-*", dataset=HOSTILE)
    damaged = folder / "outputs" / "damaged"
    damaged.mkdir()
    (damaged / "results.csv").write_text("a,b\n1,2\n")
    return folder


@pytest.fixture(scope="module")
def lab(folder):
    """JupyterLab there: its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    # Settings of whoever runs the tests, such as another theme, must not matter.
    own = {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTERLAB_SETTINGS_DIR": str(folder)}
    server = subprocess.Popen(
        [
            *(sys.executable, "-c", LAB, "--no-browser", "--allow-root"),
            *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
            *(f"--ServerApp.root_dir={folder}", "--LabApp.extension_manager=readonly"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), **own},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server)
        yield f"http://127.0.0.1:{port}/lab/tree/notebooks?token={token}&reset"
    finally:
        server.terminate()
        server.wait(20)


def _make_short(path):
    """Let train.ipynb train a small network until that was seen."""
    path.with_name("small.py").write_text(NETWORK)
    notebook = nbformat.read(path, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    values = {"train_limit": 32, "test_limit": 8, "batch_size": 8, "epochs": 2}
    values |= {"architecture": "small.py:build", "preprocessing": "rescale"}
    values |= {"features": "online", "idle_seconds": 1}
    cells["parameters"].source += "".join(f"\n{name} = {values[name]!r}" for name in values)
    cells["measure"].source = SLOWLY + cells["measure"].source
    nbformat.write(notebook, path)


def _wait_for(url, server):
    for _ in range(300):
        assert server.poll() is None, "JupyterLab ended"
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    pytest.fail("JupyterLab does not answer")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def desktop(lab, browser):
    """JupyterLab, with the folder of the notebooks open."""
    page = browser.new_page(viewport={"width": 1300, "height": 1400})
    page.set_default_timeout(needs.PATIENCE)
    page.goto(lab)
    yield page
    page.close()


def run_all(page, name):
    """Open a notebook and choose Run All Cells."""
    page.locator(".jp-DirListing-item", has_text=name).dblclick()
    page.locator(".lm-TabBar-tab.lm-mod-current", has_text=name).wait_for()
    page.locator(".jp-NotebookPanel:visible .jp-KernelName", has_text="Python 3").wait_for()
    page.wait_for_selector("text=Python 3 (ipykernel) | Idle")
    page.click(".lm-MenuBar-itemLabel:text-is('Run')")
    page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")


@pytest.fixture(scope="module")
def page(desktop):
    """The analysis, executed."""
    run_all(desktop, "analysis.ipynb")
    last = desktop.locator(".jp-CodeCell", has_text="explore.compare(study_dir)")
    last.locator(".widget-dropdown").first.wait_for(state="attached")
    return desktop


def errors(page):
    """What went to standard error, and tracebacks."""
    kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
    found = page.locator(", ".join(f"[data-mime-type='{kind}']" for kind in kinds))
    return found.all_text_contents()


def dropdown(page, cell, label):
    inside = page.locator(".jp-CodeCell", has_text=cell)
    return inside.get_by_label(label, exact=True)


def wait_for_title(page, cell, title):
    """Until the figure of a cell has a title, and is drawn."""
    figure = page.locator(".jp-CodeCell", has_text=cell).locator(".js-plotly-plot")
    figure.locator(".gtitle", has_text=title).wait_for(timeout=needs.PATIENCE)
    assert figure.count() == 1
    return figure


def test_every_cell_runs_and_every_figure_is_drawn(page):
    assert errors(page) == []
    figures = page.locator(".js-plotly-plot")
    assert figures.count() >= 5
    drawn = figures.evaluate_all("all => all.map(one => one.querySelectorAll('path').length)")
    assert min(drawn) > 0


def test_a_reader_chooses_study_measure_and_factor(page):
    cell = "explore.study(study_dir)"
    wait_for_title(page, cell, "Energy by architecture")
    dropdown(page, cell, "Quantity").select_option("Duration")
    wait_for_title(page, cell, "Duration by architecture")
    dropdown(page, cell, "Factor").select_option("Dataset")
    figure = wait_for_title(page, cell, "Duration by dataset")
    assert figure.locator(".xtick").all_text_contents() == ["mnist", "digits"]
    before = page.locator(".jp-CodeCell", has_text=cell).locator("table").text_content()
    dropdown(page, cell, "Study").select_option("second")
    table = page.locator(".jp-CodeCell", has_text=cell).locator("table")
    table.get_by_text("9", exact=True).first.wait_for()
    assert table.text_content() != before
    # What was chosen stays.
    wait_for_title(page, cell, "Duration by dataset")
    dropdown(page, cell, "Study").select_option("damaged")
    inside = page.locator(".jp-CodeCell", has_text=cell)
    inside.get_by_text("is not the table of a study").wait_for()
    dropdown(page, cell, "Study").select_option("quick")
    wait_for_title(page, cell, "Duration by dataset")


def test_a_reader_compares_two_studies(page):
    cell = "explore.compare(study_dir)"
    inside = page.locator(".jp-CodeCell", has_text=cell)
    inside.get_by_text("is not the table of a study").wait_for()
    dropdown(page, cell, "B").select_option("second")
    wait_for_title(page, cell, "Energy by architecture")
    panels = inside.locator(".annotation-text", has_text="A: quick")
    panels.first.wait_for()
    inside.get_by_text("were not measured alike").wait_for()
    assert inside.locator("table", has_text="Location").locator("td").all_inner_texts() == [
        *("Location", "USA/oregon", "FRA")
    ]
    dropdown(page, cell, "Quantity").select_option("Score")
    wait_for_title(page, cell, "Score by architecture")
    dropdown(page, cell, "B").select_option("quick")
    inside.get_by_text("Choose two different studies").wait_for()


def test_text_of_a_study_is_no_markup(page):
    runs = page.locator(".jp-CodeCell", has_text="tables.runs(study)")
    runs.locator("td", has_text=HOSTILE).first.wait_for(state="attached")
    explore = page.locator(".jp-CodeCell", has_text="explore.study(study_dir)")
    dropdown(page, "explore.study(study_dir)", "Study").select_option(STRANGE)
    dropdown(page, "explore.study(study_dir)", "Factor").select_option("Dataset")
    explore.locator("td", has_text=HOSTILE).first.wait_for()
    compared = page.locator(".jp-CodeCell", has_text="explore.compare(study_dir)")
    dropdown(page, "explore.compare(study_dir)", "B").select_option(STRANGE)
    compared.locator("td", has_text=HOSTILE).first.wait_for()
    assert page.locator("[onerror]").count() == 0
    assert page.title() != "hacked"


def test_a_training_is_followed_while_it_runs(desktop, folder):
    page = desktop
    run_all(page, "train.ipynb")
    said = re.compile(r"epoch \d of 2 .*: [\d.]+ W, [\d.]+ m?Wh")
    page.locator(".live p", has_text=said).wait_for()
    (folder / "notebooks" / "seen").touch()
    last = page.locator(".jp-CodeCell", has_text="run_tables.written(config)")
    last.get_by_text("The run is complete").wait_for()
    assert not page.locator(".live").count(), "what moved is gone"
    cell = page.locator(".jp-CodeCell", has_text="figures.learning_curve(")
    cell.locator(".gtitle", has_text="Learning curve of").wait_for()
    assert errors(page) == []
