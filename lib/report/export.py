"""The figures of a report as files for papers: PNG, SVG and PDF, on white, lettered in black.

Kaleido draws them in the Chrome or Chromium of this machine. Nothing is downloaded: plotly.js is
plotly's own, and the browser is given a proxy that does not exist.
"""

from __future__ import annotations

import asyncio
import copy
import os
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.files import write_atomically
from lib.patching import import_nbformat
from lib.report.layout import NOTEBOOK_ONLY, PLOTLY
from lib.study.errors import UserError
from lib.study.folder import StudyFolder

if TYPE_CHECKING:
    from nbformat import NotebookNode

WIDTH = 900  # pixels; the height is that of the figure in the report

SCALES = {"svg": 1, "png": 3, "pdf": 1}
"""Formats; pixels of a PNG by pixels of the figure: 2700 on the 229 mm of a page is 300 dpi."""

_SECONDS = 60
_NOWHERE = "http://127.0.0.1:9"  # the discard port: what Chrome asks of its maker goes here
_FOR_PAPER = {"paper_bgcolor": "white", "plot_bgcolor": "white"}

Figure = dict[str, Any]


class ExportError(UserError):
    """Figures can't be drawn; the message names what is missing and says how to get it."""


def check() -> None:
    """Draw an empty figure: what is missing here should be known before anything is trained.

    Raises:
        ExportError: If kaleido or a browser is missing, or the browser does not draw.
    """
    _draw([{"data": [], "layout": {}}], ["svg"])


def write(study_dir: Path) -> list[Path]:
    """Write every figure of a study's report to `<study>/figures/`, named after its cell.

    Files there that are named after a cell, but not drawn this time, are of a report of before and
    are taken away; others are left alone.

    Raises:
        ExportError: If the figures can't be drawn; those of before are then left as they were.
    """
    notebook = import_nbformat().read(StudyFolder(study_dir).notebook, as_version=4)
    figures = named(notebook)
    images = _draw(list(map(for_paper, figures.values())), list(SCALES))
    names = [f"{name}.{ending}" for name in figures for ending in SCALES]
    paths = [StudyFolder(study_dir).figures / name for name in names]
    for path, image in zip(paths, images, strict=True):
        write_atomically(path, image)
    for path in of_report(study_dir, notebook):
        if path.name not in names:
            path.unlink()
    return paths


def named(notebook: NotebookNode) -> dict[str, Figure]:
    """Every figure of an executed notebook by its name: that of its cell, numbered if several.

    A figure without data only says why there is nothing to see, and is left out.
    """
    found = {}
    for cell in notebook.cells:
        if NOTEBOOK_ONLY in cell.metadata.get("tags", []):
            continue
        outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
        drawn = [data[PLOTLY] for data in outputs if PLOTLY in data and data[PLOTLY]["data"]]
        for number, figure in enumerate(drawn, start=1):
            found[cell.id if len(drawn) == 1 else f"{cell.id}-{number}"] = figure
    return found


def of_report(study_dir: Path, notebook: NotebookNode) -> list[Path]:
    """The files of a study's figures that are named after a cell of its notebook."""
    ids = "|".join(re.escape(cell.id) for cell in notebook.cells)
    known = re.compile(rf"({ids})(-\d+)?\.({'|'.join(SCALES)})")
    there = StudyFolder(study_dir).figures.glob("*.*")
    return sorted(path for path in there if known.fullmatch(path.name))


def for_paper(figure: Figure) -> Figure:
    """The same figure with black lettering on white."""
    layout = copy.deepcopy(figure["layout"])
    layout |= _FOR_PAPER | {"font": layout.get("font", {}) | {"color": "black"}}
    return {"data": figure["data"], "layout": layout}


def _untitled(figure: Figure) -> Figure:
    """A figure for a paper, which has a caption."""
    layout = {key: value for key, value in figure["layout"].items() if key != "title"}
    return {"data": figure["data"], "layout": layout}


def _draw(figures: list[Figure], formats: list[str]) -> list[bytes]:
    """Each figure in each format, figure by figure."""
    try:
        from choreographer.errors import ChromeNotFoundError
        from kaleido import Kaleido
    except ImportError:
        raise ExportError("kaleido is missing; `pip install 'kaleido>=1.5'`") from None

    async def draw() -> list[bytes]:
        async with Kaleido(mathjax=False, proxy_server=_NOWHERE, timeout=_SECONDS) as browser:
            return [
                await browser.calc_fig(
                    _untitled(figure) if ending == "pdf" else figure,
                    {
                        "format": ending,
                        "width": WIDTH,
                        "height": figure["layout"].get("height", 450),
                        "scale": SCALES[ending],
                    },
                )
                for figure in figures
                for ending in formats
            ]

    try:
        return asyncio.run(draw())
    except ChromeNotFoundError:
        raise ExportError(_no_browser()) from None
    except Exception as error:  # kaleido and choreographer raise many kinds, none of them ours
        why = textwrap.shorten(str(error.args[0] if error.args else error), 200)
        raise ExportError(
            f"Chrome or Chromium is here, but draws nothing ({type(error).__name__}: {why}); "
            "the environment variable BROWSER_PATH can name another one"
        ) from None


def _no_browser() -> str:
    how = "install it (Debian, Ubuntu: `apt install chromium`)"
    if named := os.environ.get("BROWSER_PATH"):
        return f"BROWSER_PATH names '{named}', where there is no program; correct it, or {how}"
    return (
        f"Chrome or Chromium is missing; {how}, or let the environment variable BROWSER_PATH "
        "name its program"
    )
