from types import SimpleNamespace

import nbformat
import plotly.graph_objects as go
import pytest
from nbclient import NotebookClient

from lib import analysis, explore, front_end
from lib.page import Prose, Table
from tests import small_study


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Two studies, one that has no results, one that is damaged, and what is no study."""
    folder = tmp_path_factory.mktemp("outputs")
    small_study.make(folder / "quick", repetitions=2)
    small_study.make(folder / "second", datasets=("digits",), location="FRA")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "results.csv").write_text("a,b\n1,2\n")
    (folder / "empty").mkdir()
    (folder / "no study.txt").write_text("")
    return folder


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


def test_studies_to_choose_from_are_those_with_results(outputs):
    assert list(explore.folders(outputs / "quick")) == ["damaged", "quick", "second"]
    assert "empty" in explore.folders(outputs / "empty"), "that one which was asked for"
    assert (explore.folders(outputs / "quick")["second"] / "study.yaml").is_file()


def test_measures_and_factors_are_those_that_a_study_has(outputs):
    runs = analysis.load(outputs / "quick").runs
    assert "wattmeter_energy" not in explore.responses(runs)
    assert {"energy_consumed", "power", "flops", "score"} <= set(explore.responses(runs))
    assert explore.factors(runs) == ["architecture", "dataset", "repetition"]


def test_what_is_not_set_is_a_level_of_its_factor(tmp_path):
    limits = ({}, {"train_limit": 100})
    study = analysis.load(small_study.make(tmp_path / "limits", repetitions=2, variants=limits))
    assert "train_limit" in explore.factors(study.runs)
    _, table = explore.by_factor(study, "energy_consumed", "train_limit")
    assert list(table.frame["train_limit"]) == ["100", "none"]
    assert list(table.frame["runs"]) == [12, 12]


def test_the_means_are_in_the_unit_of_their_caption(outputs):
    study = analysis.load(outputs / "quick")
    figure, table = explore.by_factor(study, "energy_consumed", "dataset")
    assert table.caption == "Energy (Wh) by dataset"
    assert figure.layout.yaxis.title.text == "Energy (Wh)"
    means = table.frame.set_index("dataset")["mean"]
    assert list(means.index) == ["mnist", "digits"]
    assert means["digits"] == pytest.approx((0.20 + 0.25 + 0.15) / 3 * 1.015)


def test_variants_are_kept_apart_unless_they_are_what_is_compared(tmp_path):
    sizes = ({"batch_size": 8}, {"batch_size": 32}, {"batch_size": 128})
    study = analysis.load(small_study.make(tmp_path / "sizes", repetitions=2, variants=sizes))
    figure, table = explore.by_factor(study, "duration", "architecture")
    assert len(figure.layout.annotations) == 3, "a panel each"
    assert list(table.frame["variant"][::3]) == ["reference", "batch_size: 8", "batch_size: 128"]
    for factor, levels in (
        ("batch_size", ["8", "32", "128"]),
        ("variant", ["reference", "batch_size: 8", "batch_size: 128"]),
    ):
        figure, table = explore.by_factor(study, "duration", factor)
        assert list(table.frame[factor]) == levels
        assert list(figure.layout.xaxis.ticktext) == levels
        assert set(table.frame["runs"]) == {12}


def test_controls_move_figure_and_table(outputs, screen):
    chosen = controls(explore.study(outputs / "quick"))
    assert list(chosen) == ["Study", "Measure", "Factor"]
    assert screen.parts[0].layout.title.text == "Energy by architecture"
    chosen["Measure"].value = "duration"
    assert screen.parts[0].layout.title.text == "Duration by architecture"
    chosen["Factor"].value = "dataset"
    assert screen.parts[0].layout.title.text == "Duration by dataset"
    assert isinstance(screen.parts[1], Table)
    before = screen.times
    chosen["Study"].value = "second"
    assert screen.times == before + 1, "drawn once, not once for each control that it changes"
    assert chosen["Measure"].value == "duration"
    assert chosen["Factor"].value == "architecture", "second has one dataset only"


@pytest.mark.parametrize(
    ("name", "said"), [("damaged", "'damaged' can't be read"), ("empty", "holds no results yet")]
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
    assert "'damaged' can't be read" in repr(screen.parts[0])
    chosen["B"].value = "second"
    warning, figure, ratios, unlike = screen.parts
    assert "not measured alike" in repr(warning)
    assert [trace.name for trace in figure.data] == ["A: quick", "B: second"]
    assert ratios.caption == "Energy (Wh): means, and B over A"
    assert ratios.frame["mean_A"].iloc[0] == pytest.approx(0.20 * 1.015)
    assert list(unlike.frame["what"]) == ["Location"]
    assert "reason" not in ratios.frame
    assert "a bootstrap takes 5 values" in ratios.note
    chosen["B"].value = "quick"
    assert "two different studies" in repr(screen.parts[0])


def test_a_study_alone_cannot_be_compared(tmp_path, screen):
    explore.compare(small_study.make(tmp_path / "alone", repetitions=1))
    assert "no other study in the folder of alone" in repr(screen.parts[0])


def test_without_ipywidgets_there_is_a_sentence(outputs, screen, monkeypatch):
    monkeypatch.setattr(explore, "find_spec", lambda name: None)
    assert "ipywidgets, which is not installed" in repr(explore.study(outputs / "quick"))


def test_an_executed_notebook_has_no_dead_controls(outputs):
    source = f"from lib import explore\nexplore.study({str(outputs / 'quick')!r})"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3").execute()
    assert notebook.cells[0].outputs == []
    assert "widgets" not in notebook.metadata
