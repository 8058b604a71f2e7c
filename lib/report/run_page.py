"""The page of one run, `run.html` in its folder: what it took, how it went, and its files.

It needs no script and asks for nothing, so that a study of a thousand runs has a page for each.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lib import records
from lib.files import write_atomically
from lib.instruments import TRACE_NAME, trace
from lib.records import Record
from lib.report import run_tables
from lib.report.figures import svg
from lib.study.folder import StudyFolder

if TYPE_CHECKING:
    from jinja2 import Template

FILE_NAME = "run.html"
TEMPLATES = Path(__file__).resolve().parent / "templates"

_MOST_POINTS = 300


def write_all(folder: StudyFolder) -> None:
    """Write the page of every run that has a record and no page made after it."""
    for run_id in folder.run_ids():
        run = folder.run(run_id)
        page, made_of = run / FILE_NAME, run / records.FILE_NAME
        if not made_of.is_file():
            continue
        if page.is_file() and page.stat().st_mtime >= made_of.stat().st_mtime:
            continue
        try:
            found = records.read(made_of)
        except (OSError, ValueError):  # the report says which file is damaged
            continue
        write_atomically(page, html(found, run))


def html(found: Record, run: Path) -> str:
    """The page of a run, by its record and its folder."""
    tables = [run_tables.energy(found), run_tables.settings(found.config)]
    done = found.status == "completed"
    files = [file.name for file in run.iterdir() if file.is_file() and file.name != FILE_NAME]
    return _template().render(
        run=found,
        style=style(),
        charts=[*_accuracy(run), *_power(run)],
        tables=[table._repr_html_() for table in (tables if done else tables[1:])],
        files=sorted(name for name in files if not name.startswith(".")),
    )


def style() -> str:
    """What a report and the page of a run look like."""
    return (TEMPLATES / "report" / "style.css").read_text(encoding="utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    return environment.get_template("run.html.j2")


def _accuracy(run: Path) -> list[str]:
    try:
        history = records.read_history(run)
    except (OSError, ValueError):  # the report says which file is damaged
        return []
    if history.empty or "val_accuracy" not in history:
        return []
    lines = {
        name: list(zip(history["epoch"], history[column], strict=True))
        for name, column in (("validation", "val_accuracy"), ("training", "accuracy"))
        if column in history
    }
    last = int(history["epoch"].max())
    return [svg.panel("Accuracy, by epoch", lines, (0, last), 1.0, ("0", str(last)))]


def _power(run: Path) -> list[str]:
    try:
        samples = trace.read_trace(run / TRACE_NAME)
    except (OSError, ValueError):
        return []
    if samples.empty:
        return []
    watts = samples[["cpu_power", "gpu_power", "ram_power"]].sum(axis=1)
    each = -(-len(samples) // _MOST_POINTS)
    points = list(zip(samples["time"][::each], watts[::each], strict=True))
    end = float(samples["time"].iloc[-1])
    return [svg.panel("Power (W)", {"": points}, (0, end), watts.max(), ("0 s", f"{end:.0f} s"))]
