"""How the cells of an executed analysis are laid out on the page.

What has nothing to show is taken out, its section with it, and listed at the end, a line each with
its reason. What belongs to the first screen stands in one block, and what a reader may want to look
up is folded, on the screen as in print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from lib.patching import import_nbformat
from lib.report.page import ABSENT

if TYPE_CHECKING:
    from nbformat import NotebookNode

PLOTLY = "application/vnd.plotly.v1+json"
NOTEBOOK_ONLY = "notebook-only"
FOLD = "fold"  # tag of a heading whose section is folded
FIRST_SCREEN = "first-screen"  # tag of the cells that answer

_NOT_HERE = "not-here"
_HEADING = re.compile(r"(#+) (.*)")


class Heading(NamedTuple):
    """A section of the page: how deep it lies, its name, the id to link to, whether it folds."""

    level: int
    text: str
    id: str
    folds: bool


def laid_out(notebook: NotebookNode) -> NotebookNode:
    """A copy of an executed notebook as the page has it, markup between its cells."""
    copy = import_nbformat().from_dict(notebook)
    cells = [cell for cell in copy.cells if NOTEBOOK_ONLY not in _tags(cell)]
    absent = list(dict.fromkeys(line for cell in cells for line in _absences(cell)))
    copy.cells = list(_wrapped(_with_content(cells))) + list(_not_here(absent))
    return copy


def contents(notebook: NotebookNode) -> list[Heading]:
    """The sections of a notebook that is laid out."""
    return [
        Heading(*cell.metadata["heading"]) for cell in notebook.cells if "heading" in cell.metadata
    ]


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _absences(cell: NotebookNode) -> Iterator[str]:
    """Take what is not there out of a cell's outputs: its reasons."""
    kept = []
    for output in cell.get("outputs", []):
        if output.get("name") == "stderr":  # what libraries warn of names folders of this machine
            continue
        data = output.get("data", {})
        figure = data.get(PLOTLY)
        if ABSENT in data:
            why = data[ABSENT]
        elif figure is not None and not figure["data"]:
            why = figure["layout"]["meta"]["alt"]
        else:
            kept.append(output)
            continue
        if why:
            yield why
    if "outputs" in cell:
        cell.outputs = kept


def _with_content(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cells that show something, and the headings that such cells stand below."""
    kept: list[NotebookNode] = []
    below: list[int] = []  # levels of the kept headings that a heading further up may hold
    content = False
    for cell in reversed(cells):
        heading = _heading(cell)
        if heading is None:
            shows = bool(cell.get("outputs"))
            content |= shows
        else:
            shows = content or any(level > heading.level for level in below)
            below = [level for level in below if level <= heading.level] + [heading.level] * shows
            content = False
        kept += [cell] * shows
    return kept[::-1]


def _heading(cell: NotebookNode) -> Heading | None:
    found = _HEADING.match(cell.source) if cell.cell_type == "markdown" else None
    return found and Heading(len(found[1]), found[2].strip(), cell.id, FOLD in _tags(cell))


def _wrapped(cells: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Put the first screen into a block, and the sections that fold into theirs."""
    ends: list[int] = []  # levels of the folds that are open
    on_first = False
    for cell in cells:
        first = FIRST_SCREEN in _tags(cell)
        if first != on_first:
            yield _markup('<div class="first">' if first else "</div>")
            on_first = first
        heading = _heading(cell)
        if heading is None:
            yield cell
            continue
        while ends and heading.level <= ends[-1]:
            yield _markup("</details>")
            ends.pop()
        level, text, name, folds = heading
        opening = f'<h{level} id="{escape(name)}">{escape(text)}</h{level}>'
        if folds:
            ends.append(level)
            opening = f'<details class="fold"><summary>{opening}</summary>'
        markup = _markup(opening)
        if level == 2:
            markup.metadata["heading"] = heading
        yield markup
        rest = cell.source.partition("\n")[2].strip()
        if rest:
            cell.source, cell.id = rest, f"{name}-text"
            yield cell
    yield from (_markup("</details>") for _ in ends)
    if on_first:
        yield _markup("</div>")


def _not_here(absent: list[str]) -> Iterator[NotebookNode]:
    """A line for each thing that is not in the study."""
    if not absent:
        return
    heading = Heading(2, "Not in this study", _NOT_HERE, False)
    lines = "".join(f"<li>{escape(line)}</li>" for line in absent)
    cell = _markup(f'<h2 id="{_NOT_HERE}">{heading.text}</h2><ul class="prose">{lines}</ul>')
    cell.metadata["heading"] = heading
    yield cell


def _markup(html: str) -> NotebookNode:
    return import_nbformat().v4.new_raw_cell(html)
