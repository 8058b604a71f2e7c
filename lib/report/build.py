"""The report: `analysis.ipynb` executed for a study and exported as one self-contained page.

Figures leave the notebook as data (their plotly type), so notebooks stay small; here each becomes
a figure of the page, and plotly.js is inlined once. A content security policy with the hashes of
the page's own two scripts keeps everything else from running and any request from leaving.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import program
from lib.files import write_atomically
from lib.patching import import_nbformat
from lib.report import latex, layout, run_page
from lib.report.layout import PLOTLY
from lib.report.page import CSV, LATEX
from lib.report.run_page import TEMPLATES
from lib.study.errors import UserError
from lib.study.folder import StudyFolder
from lib.study.study import read_back

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "analysis.ipynb"
RENDERER = "PLOTLY_RENDERER"
KERNEL_START_SECONDS = 60
CELL_SECONDS = 600


class ReportError(UserError):
    """The analysis of a study failed; the message says in which cell and why."""


def build(study_dir: Path) -> Path:
    """Execute the analysis of a study and write its report.

    Leaves `analysis.ipynb` (executed), `report.html`, `tables/*.csv` and `*.tex`, and a page for
    each run in the study's folder.

    Raises:
        ReportError: If a cell of the notebook fails. The report of before is left as it was.
    """
    nbformat = import_nbformat()
    folder = StudyFolder(study_dir)
    with ThreadPoolExecutor(1) as beside:
        # While a kernel does the analysis, for which papermill changes the working directory.
        pages = beside.submit(run_page.write_all, StudyFolder(study_dir.resolve()))
        notebook = execute(study_dir)
    pages.result()
    for (name, ending), table in _taken_out(notebook).items():
        write_atomically(folder.tables / f"{name}.{ending}", table)
    write_atomically(folder.notebook, nbformat.writes(notebook))
    study = read_back(folder)
    write_atomically(folder.report, to_html(notebook, study.title if study else folder.name))
    return folder.report


def _taken_out(notebook: NotebookNode) -> dict[tuple[str, str], str]:
    """Every table as CSV and as LaTeX, by name and ending, and a document of the latter."""
    tables: dict[tuple[str, str], str] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind, ending in ((CSV, "csv"), (LATEX, "tex")):
                if kind in output.get("data", {}):
                    name = output.metadata.pop(kind)["name"]
                    tables[name, ending] = output.data.pop(kind)
    shown = [name for name, ending in tables if ending == "tex"]
    return tables | ({("tables", "tex"): latex.document(shown)} if shown else {})


def execute(study_dir: Path) -> NotebookNode:
    """Execute `analysis.ipynb` in the study's folder.

    The folder is the kernel's working directory and the study is `.`: the executed copy holds no
    path of this machine and can be run again where it lies.

    Raises:
        ReportError: If a cell fails.
    """
    import_nbformat()
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        with _our_kernels():
            notebook = papermill.execute_notebook(
                NOTEBOOK,
                None,
                parameters={"study_dir": "."},
                kernel_name="python3",
                cwd=study_dir,
                progress_bar=False,
                start_timeout=KERNEL_START_SECONDS,
                execution_timeout=CELL_SECONDS,
                # The level is for what a kernel says at every start.
                extra_arguments=["--log-level=50", *program.KERNEL_ARGUMENTS],
            )
    except papermill.PapermillExecutionError as error:
        code = textwrap.shorten(error.source, 80)
        said = f"{NOTEBOOK.name}: `{code}` failed: {error.ename}: {error.evalue}"
        raise ReportError(said) from None
    except (DeadKernelError, CellTimeoutError, RuntimeError) as error:
        raise ReportError(f"{NOTEBOOK.name}: {' '.join(str(error).split())}") from None
    # Papermill notes where the notebook came from and when; neither belongs in a result.
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    return notebook


@contextmanager
def _our_kernels() -> Iterator[None]:
    """Let kernels take this program, and show figures as data, whatever plotly would choose: on
    Kaggle and on Colab it is HTML that loads plotly.js from elsewhere.
    """
    before = os.environ.copy()
    os.environ.update(program.environment(), **{RENDERER: "plotly_mimetype"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def to_html(notebook: NotebookNode, title: str) -> str:
    """Export an executed notebook as one page with this title, as text."""
    import_nbformat()
    from nbconvert import HTMLExporter, TemplateExporter
    from nbconvert.filters import Highlight2HTML
    from plotly.offline import get_plotlyjs

    shown = layout.laid_out(notebook)
    script_file = TEMPLATES / "report" / "report.js"
    plotly = get_plotlyjs()
    script = script_file.read_text(encoding="utf-8")
    page = {
        "title": title,
        "style": run_page.style() + _code_colours(),
        "contents": layout.contents(shown),
        "plotly": plotly,
        "script": script,
        "script_hashes": " ".join(_source(text) for text in (plotly, script)),
    }
    exporter = HTMLExporter(
        template_name="report", extra_template_basedirs=[str(TEMPLATES)], exclude_anchor_links=True
    )
    outputs = [output for cell in shown.cells for output in cell.get("outputs", [])]
    drawn = [output for output in outputs if PLOTLY in output.get("data", {})]
    for number, output in enumerate(drawn, start=1):
        html = _figure(output.data[PLOTLY], number)
        output.data = import_nbformat().from_dict({"text/html": html})
    exporter.register_filter("highlight_code", Highlight2HTML("ipython3", parent=exporter))
    # Not HTMLExporter's own, which then parses the page to find images without a text: it has none.
    html, _ = TemplateExporter.from_notebook_node(exporter, shown, resources={"page": page})
    return html


def _figure(figure: dict[str, Any], number: int) -> str:
    """A figure of the page: where it is drawn, what it shows in words, and its data."""
    layout = figure["layout"]
    meta = layout.get("meta", {})
    alt = meta.get("alt", "")
    height = layout.get("height", 450)
    size = f"--height:{height};height:{height}px;min-width:{meta.get('least_width', 0)}px"
    # Inside a script element only "<" could end it; as an escape it is the same JSON.
    data = json.dumps({"data": figure["data"], "layout": layout}).replace("<", "\\u003c")
    return (
        f'<figure class="plot" id="figure-{number}" aria-label="{escape(alt)}">'
        f'<div class="canvas" style="{size}"></div>'
        f'<details class="words"><summary>In words</summary>{escape(alt)}</details>'
        f'<script type="application/json">{data}</script></figure>'
    )


def _source(script: str) -> str:
    """What a content security policy calls a script that it lets run."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _code_colours() -> str:
    from pygments.formatters import HtmlFormatter

    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    # "and", "in", "not" are too pale on this ground to be read by everybody.
    own = ".highlight, .highlight pre { background: var(--surface); }"
    light += "\n.highlight .ow { color: #8a00d4 }"
    return f"\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}\n"
