"""What is shown of a study stays small, however many runs it has."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.analysis.audit import DOUBT, audit
from lib.analysis.results import Analysis
from lib.report import figures, sentences
from lib.report.figures import curves, style
from lib.report.page import MOST_ROWS, Table
from lib.report.tables import runs as table_of_runs
from lib.stats import score
from tests import small_study

COUNT = 6000


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(1)
    architectures = np.array(["VGG16", "VGG19", "ResNet50"])[np.arange(COUNT) % 3]
    return pd.DataFrame(
        {
            "run_id": [f"{name}-mnist-r{n}-x" for n, name in enumerate(architectures)],
            "status": np.where(np.arange(COUNT) % 100 == 99, "failed", "completed"),
            "architecture": architectures,
            "dataset": np.where(np.arange(COUNT) % 2, "mnist", "cifar10"),
            "location": "USA/oregon",
            "repetition": np.arange(COUNT),
            "energy_consumed": rng.lognormal(0, 0.2, COUNT),
            "wattmeter_energy": rng.lognormal(0.2, 0.2, COUNT),
            "accuracy": rng.uniform(0.5, 0.9, COUNT),
            "started_at": "2026-01-01",
            "duration": 60.0,
        }
    )


def points(figure):
    """What is drawn run by run."""
    return [t for t in figure.data if t.type == "scatter" and t.hovertext is not None]


def test_figures_draw_a_part_of_many_runs_and_say_so(runs):
    ranked = score.rank(runs)
    for figure, column in (
        (figures.violins(runs, "energy_consumed", "architecture"), "energy_consumed"),
        (figures.violins(runs, "energy_consumed", "dataset"), "energy_consumed"),
        (figures.accuracy_energy(runs, ranked), None),
    ):
        drawn = sum(len(t.hovertext) for t in points(figure) if t.marker.size < 12)
        assert 0.9 * style.MOST_POINTS < drawn <= style.MOST_POINTS
        note = f"Points are {drawn:,} of 6,000 runs"
        assert note in figure.layout.title.subtitle.text
        assert note in figure.layout.meta["alt"]
        assert len(figure.to_json()) < 0.6e6
        if column:
            ends = [extreme for t in points(figure) for extreme in (min(t.y), max(t.y))]
            assert min(ends) == pytest.approx(runs[column].min())
            assert max(ends) == pytest.approx(runs[column].max())


def test_few_runs_are_all_drawn_and_nothing_is_said(runs):
    figure = figures.violins(runs.head(300), "energy_consumed", "architecture")
    assert sum(len(t.hovertext) for t in points(figure)) == 300
    assert figure.layout.title.subtitle.text is None


def test_the_outline_of_a_violin_keeps_its_quartiles(runs):
    figure = figures.violins(runs.drop(columns="dataset"), "energy_consumed", "architecture")
    violin = next(t for t in figure.data if t.type == "violin")
    mine = runs.loc[runs["architecture"] == "VGG16", "energy_consumed"]
    assert len(violin.y) == style.MOST_POINTS
    shares = [0, 0.25, 0.5, 0.75, 1]
    assert np.quantile(violin.y, shares) == pytest.approx(mine.quantile(shares), rel=1e-3)


@given(st.lists(st.floats(-1e6, 1e6), max_size=60), st.integers(2, 40))
def test_a_part_has_both_ends_and_keeps_the_order(values, most):
    rows = pd.DataFrame({"x": values, "place": range(len(values))})
    part = style.spread(rows, "x", most)
    assert len(part) == min(len(rows), most)
    assert part["place"].is_monotonic_increasing
    if values:
        assert (part["x"].min(), part["x"].max()) == (min(values), max(values))


def test_many_learning_curves_are_their_means():
    def history(end, length):
        epochs = np.arange(1, length + 1)
        return pd.DataFrame({"epoch": epochs, "val_accuracy": end, "energy_consumed": epochs * end})

    count = curves.MOST_RUNS + 2
    histories = {
        f"{name}-mnist-r{n}-x": history(0.2 if n % 2 else 0.4, 3 if n % 2 else 2)
        for n in range(count // 2)
        for name in ("VGG19", "VGG16")
    }
    figure = figures.learning_curves(histories, small_study.named(histories))
    band, mean = figure.data[:2]
    assert [t.name for t in figure.data if t.showlegend] == ["VGG16", "VGG19"]
    assert len(figure.data) == 4
    longer = count // 4  # every second of each architecture
    shorter = count // 2 - longer
    first = (0.4 * shorter + 0.2 * longer) / (shorter + longer)
    assert mean.y == pytest.approx([first, first, 0.2])
    assert mean.x == pytest.approx([first, 2 * first, 0.6])
    assert list(mean.customdata[:, 1]) == [shorter + longer, shorter + longer, longer]
    assert (min(band.y), max(band.y)) == (0.2, 0.4)
    assert f"{count} in all" in figure.layout.meta["alt"]


def test_of_many_configurations_figures_draw_those_that_took_least(monkeypatch):
    most = 24
    monkeypatch.setattr(style, "MOST_CONFIGURATIONS", most)
    said = f"Of {3 * most} configurations the {most} that took least are drawn"
    histories = {
        f"VGG16-set{n}-r1-x": pd.DataFrame(
            {"energy_consumed": [0.5, 1.0 + n], "val_accuracy": [0.1, 0.2]}
        )
        for n in reversed(range(3 * most))
    }
    figure = figures.learning_curves(histories, small_study.named(histories))
    assert len(figure.data) == 2 * most
    assert said in figure.layout.meta["alt"]
    assert max(np.max(trace.x) for trace in figure.data) == pytest.approx(most)

    runs = pd.DataFrame(
        {
            "run_id": list(histories),
            "architecture": "VGG16",
            "dataset": [f"set{n % 2}" for n in range(3 * most)],
            "variant": [f"views: {n // 2}" for n in range(3 * most)],
            "accuracy": np.linspace(0.5, 0.9, 3 * most),
            "energy_consumed": np.arange(1.0, 3 * most + 1),
        }
    )
    violins = figures.violins(runs, "energy_consumed", "architecture")
    compared = score.rank(runs, ("architecture", "variant"))
    plane = figures.accuracy_energy(score.with_scores(runs), compared)
    for figure in (violins, plane):
        assert said in figure.layout.meta["alt"]
    assert sum(len(trace.hovertext) for trace in points(violins)) == most
    assert sum(len(trace.x) for trace in plane.data if trace.hovertext is not None) == 2 * most
    front = next(trace for trace in plane.data if trace.name == "Pareto front")
    assert len(front.x) == 3 * most / 2, "the front is that of all"


def test_a_page_shows_the_first_rows_of_a_long_table_and_its_file_all():
    table = Table("long", "A long table", pd.DataFrame({"n": range(3 * MOST_ROWS)}), "Read it.")
    html = table._repr_html_()
    assert html.count("<tr>") == MOST_ROWS + 1
    assert "The first 500 of 1,500 rows; tables/long.csv has all. Read it." in html
    assert "(first 500 of 1,500 rows)" in html
    assert 'data-file="long-first-500"' in html, "what the page saves is what it shows"
    assert "The first 500 of 1,500 rows" in repr(table)
    assert repr(table).count("\n") < MOST_ROWS + 5
    assert table.to_csv().count("\n") == 3 * MOST_ROWS + 1
    short = Table("short", "A short table", pd.DataFrame({"n": range(MOST_ROWS)}))
    assert "first" not in short._repr_html_()


def test_of_many_runs_those_that_failed_or_wait_come_first(runs, tmp_path):
    planned = (*runs["run_id"], "waiting-1", "waiting-2")
    study = Analysis(tmp_path, None, planned, runs, ())
    frame = table_of_runs(study).frame
    assert len(frame) == COUNT + 2
    states = frame["status"].drop_duplicates().to_list()
    assert states == ["failed", "not yet run", "completed"]
    assert frame["status"].head(62).to_list() == ["failed"] * 60 + ["not yet run"] * 2


def test_sentences_and_findings_name_the_first_of_many(runs, tmp_path):
    results = runs.assign(
        status=np.where(np.arange(COUNT) < 100, "failed", "completed"),
        accuracy=0.1,
        doubts=[(f"doubt {n}",) for n in range(COUNT)],
    )
    planned = tuple(f"waiting-{n}" for n in range(5000))
    text = repr(sentences.design(Analysis(tmp_path, None, planned, results, ())))
    assert "and 4,990 more." in text
    assert "100 runs failed: VGG16-mnist-r0-x, " in text
    assert len(text) < 3000
    findings = {finding.name: finding for finding in audit(results)}
    guessed = findings["Accuracy is above chance"]
    assert guessed.severity == DOUBT
    assert len(guessed.what) < 2000
    assert len(guessed.rows) == COUNT - 100
    assert "; and 5,870 more" in findings["No run recorded a doubt"].what
