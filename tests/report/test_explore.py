from types import SimpleNamespace

import plotly.graph_objects as go
import pytest

from lib.report import explore, front_end
from lib.report.page import Prose, Table
from tests import small_study


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return small_study.make_outputs(tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def screen(monkeypatch):
    """What the controls show, in place of a notebook."""
    import IPython.display

    shown = SimpleNamespace(parts=(), times=0)

    def display(*parts):
        shown.parts, shown.times = parts, shown.times + 1

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(IPython.display, "clear_output", lambda wait: None)
    monkeypatch.setattr(front_end, "is_watched", lambda: True)
    return shown


def controls(box):
    return {control.description: control for control in box.children[0].children}


def test_controls_move_figure_and_table(outputs, screen):
    chosen = controls(explore.study(outputs / "quick"))
    assert list(chosen) == ["Study", "Quantity", "Factor"]
    assert screen.parts[0].layout.title.text == "Energy by architecture"
    chosen["Quantity"].value = "duration"
    assert screen.parts[0].layout.title.text == "Duration by architecture"
    chosen["Factor"].value = "dataset"
    assert screen.parts[0].layout.title.text == "Duration by dataset"
    assert isinstance(screen.parts[1], Table)
    before = screen.times
    chosen["Study"].value = "second"
    assert screen.times == before + 1, "drawn once, not once for each control that it changes"
    assert chosen["Quantity"].value == "duration"
    assert chosen["Factor"].value == "architecture", "second has one dataset only"


@pytest.mark.parametrize(
    ("name", "said"),
    [("damaged", "results.csv' is not the table of a study"), ("empty", "holds no results yet")],
)
def test_what_cannot_be_shown_is_one_sentence(outputs, screen, name, said):
    chosen = controls(explore.study(outputs / name))
    (sentence,) = screen.parts
    assert isinstance(sentence, Prose)
    assert said in repr(sentence)
    chosen["Study"].value = "quick"
    assert isinstance(screen.parts[0], go.Figure)


def test_two_studies_are_compared(outputs, screen):
    chosen = controls(explore.compare(outputs / "quick"))
    assert "is not the table of a study" in repr(screen.parts[0])
    chosen["B"].value = "second"
    warning, figure, ratios, unlike = screen.parts
    assert "not measured alike" in repr(warning)
    assert [note.text for note in figure.layout.annotations] == [
        "digits · A: quick",
        "digits · B: second",
    ]
    assert ratios.caption == "Energy (Wh): means, and B over A"
    assert ratios.frame["mean_A"].iloc[0] == pytest.approx(0.20 * 1.015)
    assert list(unlike.frame["what"]) == ["Location"]
    assert "reason" not in ratios.frame
    assert ratios.frame["ratio_low"].notna().all()
    chosen["B"].value = "quick"
    assert "two different studies" in repr(screen.parts[0])


def test_a_study_alone_cannot_be_compared(tmp_path, screen):
    explore.compare(small_study.make(tmp_path / "alone", repetitions=1))
    assert "no other study in the folder of alone" in repr(screen.parts[0])


def test_without_ipywidgets_there_is_a_sentence(outputs, screen, monkeypatch):
    monkeypatch.setattr(explore, "find_spec", lambda name: None)
    assert "ipywidgets, which is not installed" in repr(explore.study(outputs / "quick"))
