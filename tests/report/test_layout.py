import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.report import layout
from lib.report.page import ABSENT


def shown(text="<p>x</p>"):
    return new_output("execute_result", {"text/html": text})


def test_what_shows_nothing_is_a_line_at_the_end_and_its_heading_is_gone():
    nothing = new_output("execute_result", {ABSENT: "Wattmeter: none.", "text/html": "…"})
    silent = new_output("execute_result", {ABSENT: "", "text/html": ""})
    notebook = new_notebook(
        cells=[
            new_code_cell(outputs=[shown()], metadata={"tags": [layout.FIRST_SCREEN]}),
            new_markdown_cell("## Energy\n\nIn words.", id="energy"),
            new_code_cell(outputs=[shown()]),
            new_markdown_cell("### Meter", id="meter"),
            new_code_cell(outputs=[nothing]),
            new_markdown_cell("## Paper", id="paper"),
            new_code_cell(outputs=[silent]),
            new_markdown_cell("## Runs", id="runs", metadata={"tags": [layout.FOLD]}),
            new_markdown_cell("### Below", id="below"),
            new_code_cell(outputs=[shown()]),
        ]
    )
    before = nbformat.writes(notebook)
    page = layout.laid_out(notebook)
    assert nbformat.writes(notebook) == before, "the notebook keeps all"
    texts = [heading.text for heading in layout.contents(page)]
    assert texts == ["Energy", "Runs", "Not in this study"]
    markup = "".join(cell.source for cell in page.cells if cell.cell_type == "raw")
    assert markup.startswith('<div class="first"></div>')
    assert markup.count("<details") == markup.count("</details>") == 1
    assert "<li>Wattmeter: none.</li>" in markup
    assert "Meter" not in markup
    assert "Paper" not in markup


def test_a_report_without_gaps_has_no_list_of_them():
    page = layout.laid_out(new_notebook(cells=[new_code_cell(outputs=[shown()])]))
    assert len(page.cells) == 1
