"""Figures of a study that varied more than architecture, dataset and place."""

import numpy as np
import pandas as pd
import pytest

from lib.analysis import results
from lib.report import figures
from lib.report.figures import style
from tests import small_study

VARIANTS = ({}, {"precision": "mixed"}, {"features": "cached", "head": "linear"}, {"epochs": 4})
NAMES = ["reference", "epochs: 4", "head: linear, features: cached", "precision: mixed"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "varied"
    return results.load(small_study.make(folder, datasets=("digits",), variants=VARIANTS))


def legend(figure):
    return [trace.name for trace in figure.data if trace.showlegend is not False and trace.name]


def test_the_plane_has_a_colour_an_architecture_and_a_symbol_a_variant(study):
    figure = figures.accuracy_energy(study.best_scored, study.best_compared)
    names = legend(figure)
    assert names[-7:] == ["VGG16", "VGG19", "ResNet50", *NAMES]
    means = [t for t in figure.data if t.marker.size == 12]
    assert len(means) == 12
    assert len({(t.marker.color, t.marker.symbol) for t in means}) == 12
    assert len({t.marker.color for t in means}) == 3
    keys = {t.name: t.marker.symbol for t in figure.data if t.name in NAMES}
    for trace in means:
        assert keys[trace.hovertext[0].split(" · ")[2].partition("</b>")[0]] == trace.marker.symbol
    front = next(t for t in figure.data if t.name == "Pareto front")
    assert len(front.x) == study.best_compared["pareto"].sum() == 5
    assert "VGG16 with reference (" in figure.layout.meta["alt"]
    assert "ResNet50 with head: linear, features: cached (" in figure.layout.meta["alt"]


def test_a_violin_never_pools_variants(study):
    figure = figures.violins(study.runs, "energy_consumed", "architecture")
    assert [note.text for note in figure.layout.annotations] == NAMES
    clouds = [trace for trace in figure.data if trace.type == "scatter"]
    for trace in clouds:
        assert len({text.partition(" · ")[2].partition("</b>")[0] for text in trace.hovertext}) == 1
    assert len(clouds) == 12
    assert len({axis.matches for axis in figure.select_yaxes()} - {None}) == 1


def test_learning_curves_have_dashes_of_the_variant(study):
    figure = figures.learning_curves(study.histories, study.completed)
    assert legend(figure) == ["VGG16", "VGG19", "ResNet50", *NAMES]
    dashes = {trace.name: trace.line.dash for trace in figure.data if trace.name in NAMES}
    assert len(set(dashes.values())) == 4
    variant_of = study.completed.set_index("run_id")["variant"]
    for trace in figure.data:
        run_id = (trace.hovertemplate or "").partition("</b>")[0].removeprefix("<b>")
        if run_id:
            assert trace.line.dash == dashes[variant_of[run_id]]


def test_savings_are_marks_against_the_study_and_diamonds_against_the_architecture(study):
    figure = figures.savings(study.saved)
    bars = [trace for trace in figure.data if trace.error_x.array is not None]
    (marks,) = [trace for trace in figure.data if "same architecture" in (trace.name or "")]
    assert [bar.name for bar in bars] == ["VGG16", "VGG19", "ResNet50"]
    values = dict(zip(bars[0].y, bars[0].x, strict=True))
    assert values["VGG16 · precision: mixed"] == pytest.approx(30)
    # What instruments leave open is in the interval too, so it is wider than the scatter of 1 %.
    assert min(bars[0].error_x.array) > 0
    assert figure.layout.xaxis.range[0] <= min(min(bar.x) for bar in bars)
    own = dict(zip(marks.y, marks.x, strict=True))
    assert own["ResNet50 · head: linear, features: cached"] == pytest.approx(90)
    assert not any(label.startswith("VGG16") for label in own)
    assert figure.layout.xaxis2.title.text == "Accuracy difference (points)"
    (mixed,) = (trace for trace in figure.data if trace.name == "VGG16" and trace.xaxis == "x2")
    place = list(mixed.y).index("VGG16 · precision: mixed")
    assert mixed.x[place] == pytest.approx(-2)
    assert "Accuracy difference: −2.000 points" in mixed.hovertext[place]
    assert "VGG16 with precision: mixed 30" in figure.layout.meta["alt"]


def test_intervals_of_few_runs_do_not_squeeze_the_bars(study):
    wide = study.saved.assign(saved_percent_low=-1e6, saved_percent_high=99.0)
    low, high = figures.savings(wide).layout.xaxis.range
    assert -150 < low < high < 110
    unknown = study.saved.assign(saved_percent_low=np.nan, saved_percent_high=np.nan)
    low, _ = figures.savings(unknown).layout.xaxis.range
    assert -150 < low < 0


def test_long_names_take_several_lines_and_leave_room_for_the_bars(study):
    long = "head: linear, features: cached, early_stopping: 3, batch_size: 128, precision: mixed"
    table = study.saved
    short = figures.savings(table)
    renamed = table.assign(variant=table["variant"].replace("precision: mixed", long))
    figure = figures.savings(renamed)
    labels = {label for trace in figure.data if trace.y is not None for label in trace.y}
    assert [label.count("<br>") for label in labels if "VGG16" in label and "early" in label] == [1]
    assert figure.layout.height > short.layout.height
    assert figure.layout.meta["least_width"] < style.PAGE_WIDTH


def test_savings_that_are_unknown_say_why(study):
    unknown = study.saved.assign(saved_percent=np.nan, reason="no run has it")
    figure = figures.savings(unknown)
    assert not figure.data
    assert "no run has it" in figure.layout.annotations[0].text
    assert not figures.savings(study.saved.iloc[:0]).data


def test_without_the_studys_reference_each_is_set_against_its_own(study):
    part = study.saved[study.saved["compared_with"].str.startswith(("VGG19", "ResNet50"))]
    figure = figures.savings(part)
    assert [trace.type for trace in figure.data] == ["scatter"]


def test_text_of_a_variant_is_never_markup(study):
    hostile = "<b onclick=x>"
    runs = study.runs.assign(variant=study.runs["variant"].replace("precision: mixed", hostile))
    means = study.best_compared.assign(
        variant=study.best_compared["variant"].replace("precision: mixed", hostile)
    )
    saved = study.saved.assign(variant=study.saved["variant"].replace("precision: mixed", hostile))
    for figure in (
        figures.accuracy_energy(runs, means),
        figures.violins(runs, "energy_consumed", "architecture"),
        figures.savings(saved),
        figures.learning_curves(study.histories, runs),
    ):
        # A group is a key, which nobody sees.
        drawn = figure.update_traces(legendgroup=None).to_plotly_json()
        drawn["layout"].pop("meta")
        assert hostile not in str(drawn)


def test_a_hover_of_missing_values_leaves_them_out():
    rows = pd.DataFrame({"architecture": ["A", None], "score": [1.0, np.nan]})
    assert style.hover(rows, ["score", "absent"]) == ["<b>A</b><br>Score: 1 per kWh", "<b></b>"]
