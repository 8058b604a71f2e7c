import base64
import io

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image

from lib.analysis.instrument_pairs import pairs
from lib.report import figures
from lib.report.figures import style
from lib.stats import score as ranking
from tests.small_study import named

HOSTILE = "<a href='javascript:alert(1)'>x</a>"


@pytest.fixture
def runs():
    rows = [
        {
            "run_id": f"{architecture}-{dataset}-r{repetition}-abc",
            "architecture": architecture,
            "dataset": dataset,
            "location": "USA/oregon",
            "energy_consumed": energy * (1 + repetition / 50),
            "accuracy": accuracy + repetition / 100,
        }
        for dataset in ("mnist", "cifar10")
        for architecture, energy, accuracy in (
            ("ResNet50", 0.1, 0.3),
            ("VGG16", 0.05, 0.6),
            ("VGG19", 0.06, 0.62),
            ("Xception", 0.2, 0.5),
        )
        for repetition in (1, 2, 3)
    ]
    return pd.DataFrame(rows).assign(emissions=lambda frame: frame["energy_consumed"] * 0.3)


@pytest.fixture
def ranked(runs):
    return ranking.rank(runs, ("architecture",), ("dataset",))


def texts(figure):
    """Everything that a figure writes somewhere."""
    found = [figure.layout.title.text, *(note.text for note in figure.layout.annotations)]
    for trace in figure.data:
        found.append(trace.name)
        found += list(np.ravel(trace.hovertext)) if trace.hovertext is not None else []
        found += [value for value in np.ravel(trace.y) if isinstance(value, str)]
    for axis in figure.select_xaxes():
        found += list(axis.ticktext or [])
    return [text for text in found if text]


def points(figure):
    return [trace for trace in figure.data if trace.type == "scatter" and "markers" in trace.mode]


def everything(runs, ranked):
    history = pd.DataFrame(
        {
            "epoch": [1, 2],
            "accuracy": [0.1, 0.2],
            "val_accuracy": [0.2, 0.3],
            "seconds": [10.0, 20.0],
            "energy_consumed": [1e-4, 2e-4],
        }
    )
    trace = pd.DataFrame(
        {"time": [1.0, 2.0, 3.0], "phase": ["idle", "training", "training"], "cpu_power": 8.0}
    )
    images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    return [
        figures.violins(runs, "energy_consumed", "architecture"),
        figures.violins(runs, "emissions", "dataset"),
        figures.accuracy_energy(runs, ranked),
        figures.learning_curve(history, "VGG16-digits-r1-abc"),
        figures.learning_curves({"VGG16-digits-r1-abc": history}, named(["VGG16-digits-r1-abc"])),
        figures.power(trace),
        figures.samples(images, images, np.array([0, 1]), ("zero", "one")),
    ]


def test_every_figure_has_title_description_and_axes_with_names(runs, ranked):
    for figure in everything(runs, ranked):
        assert figure.layout.title.text
        assert len(figure.layout.meta["alt"]) > len(figure.layout.title.text)
        assert figure.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
        shown = [axis for axis in figure.select_xaxes() if axis.visible is not False]
        assert not shown or any(axis.title.text for axis in shown), figure.layout.title.text


def test_a_violin_shows_every_run_and_names_it(runs):
    figure = figures.violins(runs, "energy_consumed", "dataset")
    hovers = [text for trace in points(figure) for text in trace.hovertext]
    assert len(hovers) == len(runs)
    assert all(any(run_id in text for text in hovers) for run_id in runs["run_id"])
    assert [axis.ticktext for axis in figure.select_xaxes()] == [("cifar10", "mnist")]
    assert figure.layout.yaxis.title.text == "Energy (kWh)"
    values = np.sort(np.concatenate([trace.y for trace in points(figure)]))
    np.testing.assert_allclose(values, np.sort(runs["energy_consumed"]))


def test_panels_of_variants_have_room_for_long_names_and_their_labels_below(runs):
    names = ["reference", "precision: mixed", "head: linear", "features: cached, head: linear, <b>"]
    varied = pd.concat([runs.assign(variant=name) for name in names])
    figure = figures.violins(varied, "energy_consumed", "dataset")
    titles = [note.text for note in figure.layout.annotations]
    assert "features: cached, head: linear, &lt;b&gt;" in titles
    labelled = [axis.showticklabels for axis in figure.select_xaxes()]
    assert labelled == [False, True, True, True], "three panels abreast, the fourth below the first"
    longer = varied.replace({"variant": {names[-1]: ", ".join(names)}})
    taller = figures.violins(longer, "energy_consumed", "dataset")
    assert max(note.text.count("<br>") for note in taller.layout.annotations) == 2
    assert taller.layout.height > figure.layout.height
    assert taller.layout.margin.t > 64
    assert figure.layout.margin.t is None


def test_many_levels_do_not_widen_the_page(runs):
    many = pd.concat([runs.assign(architecture=f"EfficientNetV2B{n}") for n in range(8)])
    varied = pd.concat([many.assign(variant=name) for name in ("reference", "a", "b")])
    figure = figures.violins(varied, "energy_consumed", "architecture")
    assert figure.layout.meta["least_width"] < 900


def test_a_violin_says_its_medians_in_words(runs):
    alt = figures.violins(runs, "energy_consumed", "architecture").layout.meta["alt"]
    assert "VGG16 median" in alt
    assert "kWh (3 runs)" in alt


def test_small_energies_are_shown_in_a_smaller_unit(runs):
    small = runs.assign(energy_consumed=runs["energy_consumed"] / 1000)
    figure = figures.violins(small, "energy_consumed", "architecture")
    assert figure.layout.yaxis.title.text == "Energy (Wh)"
    assert max(trace.y.max() for trace in points(figure)) == pytest.approx(0.2 * 1.06)


def test_readings_stand_side_by_side_on_one_scale(runs):
    both = pd.concat([runs.assign(treatment="as published"), runs.assign(treatment="corrected")])
    figure = figures.violins(both, "energy_consumed", "architecture")
    assert [note.text for note in figure.layout.annotations] == ["as published", "corrected"]
    assert figure.layout.yaxis2.matches == "y"


def test_text_from_the_data_is_never_markup(runs, ranked):
    hostile = runs.replace({"VGG16": HOSTILE, "mnist": HOSTILE, "USA/oregon": HOSTILE})
    hostile["run_id"] = HOSTILE
    again = ranking.rank(hostile, ("architecture",), ("dataset",))
    for figure in (
        *everything(hostile, again),
        figures.violins(hostile, "energy_consumed", "location"),
        style.sentence(HOSTILE, HOSTILE),
        figures.power(pd.DataFrame({"time": [1.0], "phase": HOSTILE, "cpu_power": 1.0}), HOSTILE),
        figures.samples(*[np.zeros((1, 8, 8, 3), np.uint8)] * 2, [0], [HOSTILE]),
    ):
        assert not [text for text in texts(figure) if "<a" in text]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda runs: runs.drop(columns="energy_consumed"), "no column energy_consumed"),
        (lambda runs: runs.assign(energy_consumed=np.nan), "No run has a value for energy"),
        (lambda runs: runs.assign(energy_consumed=None), "No run has a value for energy"),
        (lambda runs: runs.iloc[:0], "No run has a value for energy"),
        (
            lambda runs: runs.assign(
                energy_consumed=None, reasons=[{"energy_consumed": "no CPU"}] * len(runs)
            ),
            "No run has a value for energy: no CPU.",
        ),
    ],
)
def test_what_cannot_be_drawn_says_why(runs, change, said):
    figure = figures.violins(change(runs), "energy_consumed", "architecture")
    assert not figure.data
    assert said in figure.layout.annotations[0].text
    assert said in figure.layout.meta["alt"]


@pytest.mark.parametrize("count", [1, 2])
def test_few_runs_are_drawn(runs, ranked, count):
    few = runs.iloc[:count]
    means = ranking.rank(few, ("architecture",), ("dataset",))
    drawn = everything(few, means)
    assert len(points(drawn[0])[0].y) == count
    # One run has no distribution, so nothing may look like one.
    assert ("violin" in {trace.type for trace in drawn[0].data}) == (count > 1)
    assert all(isinstance(figure, go.Figure) for figure in drawn)


def test_nothing_at_all_is_a_sentence():
    empty = pd.DataFrame()
    for figure in (
        figures.violins(empty, "energy_consumed", "dataset"),
        figures.accuracy_energy(empty, empty),
        figures.learning_curve(empty),
        figures.learning_curves({}, empty),
        figures.power(empty),
        figures.samples(np.zeros((0, 8, 8, 3)), np.zeros((0, 8, 8, 3)), [], []),
    ):
        assert not figure.data
        assert figure.layout.annotations[0].text


def test_the_pareto_front_joins_what_nobody_beats(runs, ranked):
    figure = figures.accuracy_energy(runs, ranked)
    fronts = [trace for trace in figure.data if trace.name == "Pareto front"]
    for front, dataset in zip(fronts, ("cifar10", "mnist"), strict=True):
        best = ranked[(ranked["dataset"] == dataset) & ranked["pareto"]]
        assert set(front.x) == set(best["mean_energy_consumed"])
        assert set(best["architecture"]) == {"VGG16", "VGG19"}
    assert "VGG19 (0.640 for 0.0624 kWh)" in figure.layout.meta["alt"]


def test_on_a_line_of_equal_score_accuracy_over_energy_is_what_the_line_says(runs, ranked):
    small = runs.assign(energy_consumed=runs["energy_consumed"] / 1000)
    means = ranking.rank(small, ("architecture",), ("dataset",))
    figure = figures.accuracy_energy(small, means)
    lines = [trace for trace in figure.data if trace.legendgroup == "score"]
    assert lines
    for line in lines:
        score = float(line.text[1].replace(",", ""))
        np.testing.assert_allclose(np.array(line.y) / (np.array(line.x) / 1000), score)


def test_power_is_stacked_with_its_phases_named():
    trace = pd.DataFrame(
        {
            "time": np.arange(1.0, 7.0),
            "phase": ["idle", "idle", "training", "training", "training", "cooldown"],
            "cpu_power": 8.0,
            "gpu_power": np.nan,
            "ram_power": 20.0,
        }
    )
    figure = figures.power(trace, "a-run")
    assert [part.name for part in figure.data] == ["CPU", "RAM"]
    assert {part.stackgroup for part in figure.data} == {"power"}
    assert [note.text for note in figure.layout.annotations] == ["idle", "training", "cooldown"]
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(1, 2), (2, 5), (5, 6)]
    assert "training 28 W" in figure.layout.meta["alt"]


DAY = 86_400


def long_trace(seed, missing=0.0):
    """The power of a day, a sample a second, in four phases, with single samples that stand out."""
    draw = np.random.default_rng(seed)
    watts = draw.normal(50, 5, (DAY, 3)) + 40 * np.sin(np.arange(DAY) / 9000)[:, None]
    for component in range(3):
        watts[draw.integers(0, DAY, 5), component] += draw.normal(0, 300, 5)
    watts[draw.random((DAY, 3)) < missing] = np.nan
    ends = np.sort(draw.choice(np.arange(1, DAY), 3, replace=False))
    names = np.array(["idle", "warmup", "training", "cooldown"])
    phases = names[np.searchsorted(ends, np.arange(DAY), side="right")]
    columns = dict(zip(["cpu_power", "gpu_power", "ram_power"], watts.T, strict=True))
    return pd.DataFrame({"time": np.arange(1.0, DAY + 1), "phase": phases, **columns})


@pytest.mark.parametrize(("seed", "missing"), [(1, 0), (2, 0), (3, 0.3), (4, 0.999)])
def test_a_day_of_power_is_thinned_and_keeps_its_extremes(seed, missing):
    trace = long_trace(seed, missing)
    figure = figures.power(trace)
    assert len(figure.to_json()) < 300_000
    kept = trace["time"].isin(figure.data[0].x)
    for part in figure.data:
        np.testing.assert_array_equal(part.x, trace["time"][kept])
        column = trace[f"{part.name.lower()}_power"]
        assert len(part.x) <= 2020
        assert (np.nanmin(part.y), np.nanmax(part.y)) == (column.min(), column.max())
    assert f"of {DAY:,} samples" in figure.layout.title.subtitle.text.replace("<br>", " ")
    assert f"of {DAY:,} samples" in figure.layout.meta["alt"]
    ends = trace.groupby("phase", sort=False)["time"].max()
    assert [shape.x1 for shape in figure.layout.shapes] == list(ends)
    assert set(ends) | set(ends[:-1] + 1) <= set(figure.data[0].x)
    assert "training" in figure.layout.meta["alt"]


def test_power_that_is_not_long_is_drawn_sample_by_sample():
    trace = long_trace(1).head(2000)
    figure = figures.power(trace)
    np.testing.assert_array_equal(figure.data[0].y, trace["cpu_power"])
    assert figure.layout.title.subtitle.text is None


def test_a_hover_has_the_unit_of_its_axis(runs):
    small = runs.assign(**{name: runs[name] / 1e5 for name in ("energy_consumed", "emissions")})
    small["wattmeter_energy"] = small["energy_consumed"] * 2
    means = ranking.rank(small, ("architecture",), ("dataset",))
    (pair,) = pairs(small.assign(duration=10.0))
    for figure, unit in (
        (figures.violins(small, "energy_consumed", "dataset"), "mWh"),
        (figures.violins(small, "emissions", "dataset"), "mg CO₂-eq"),
        (figures.accuracy_energy(small, means), "mWh"),
        (figures.bland_altman(pair), "mWh"),
    ):
        axes = [axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes())]
        assert any(f"({unit})" in (title or "") for title in axes)
        hovers = [text for trace in figure.data for text in np.ravel(trace.hovertext) if text]
        assert len(hovers) >= len(runs)
        for text in hovers:
            assert f" {unit}" in text
            assert " kWh" not in text.replace("per kWh", "")
    assert "for 0.624 mWh)" in figures.accuracy_energy(small, means).layout.meta["alt"]
    hover = figures.violins(small, "energy_consumed", "architecture").data[-1].hovertext[0]
    assert hover == "<b>Xception-mnist-r1-abc</b><br>Energy: 2.040 mWh"


def test_a_curve_without_a_run_names_none():
    history = pd.DataFrame({"epoch": [1], "accuracy": [0.1], "val_accuracy": [0.2]})
    draw = figures.learning_curve
    assert all("<b>" not in (t.hovertemplate or "") for t in draw(history).data)
    assert "<b>a-run</b>" in draw(history, "a-run").data[0].hovertemplate


def test_learning_curves_have_one_entry_an_architecture():
    history = pd.DataFrame(
        {"epoch": [1, 2], "val_accuracy": [0.2, 0.3], "energy_consumed": [1e-4, 2e-4]}
    )
    names = ["VGG19-a-r1-x", "VGG16-a-r1-x", "VGG16-a-r2-x"]
    figure = figures.learning_curves(dict.fromkeys(names, history), named(names))
    assert [trace.name for trace in figure.data if trace.showlegend] == ["VGG16", "VGG19"]
    assert figure.layout.xaxis.title.text == "Energy (Wh)"
    np.testing.assert_allclose(figure.data[0].x, [0.1, 0.2])


def test_sample_images_are_shown_pixel_by_pixel():
    plain = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    figure = figures.samples(plain, 255 - plain, np.array([1, 0]), ("zero", "one"))
    assert [note.text for note in figure.layout.annotations] == ["one", "zero"]
    sources = [image.source for image in figure.layout.images]
    assert len(sources) == 4
    decoded = Image.open(io.BytesIO(base64.b64decode(sources[0].partition(",")[2])))
    factor = decoded.width // 4
    np.testing.assert_array_equal(np.asarray(decoded)[::factor, ::factor], plain[0])


@pytest.mark.parametrize("low", [1e-6, 0.7, 1.0, 1300.0, 2600.0, 8100.0])
def test_some_line_of_equal_score_passes_wherever_the_runs_lie(low):
    from lib.report.figures.tradeoff import _round_values

    values = _round_values(low, 1.46 * low)
    assert 1 <= len(values) <= 4
    assert all(0.8 * low <= value <= 1.25 * 1.46 * low for value in values)


def test_curves_of_many_epochs_are_thinned_to_what_can_be_seen():
    count = 100_000
    names = [f"VGG16-digits-r{n}" for n in range(3)]
    accuracy = np.linspace(0.1, 0.9, count)
    accuracy[[70_000, 80_000]] = 0.0, 1.0
    history = pd.DataFrame(
        {"epoch": np.arange(1, count + 1), "accuracy": accuracy, "val_accuracy": accuracy}
    ).assign(energy_consumed=lambda rows: rows["epoch"] / 1e6)
    for figure in (
        figures.learning_curve(history),
        figures.learning_curves(dict.fromkeys(names, history), named(names)),
    ):
        drawn = [trace for trace in figure.data if trace.y is not None and len(trace.y) > 1]
        assert drawn
        for trace in drawn:
            assert len(trace.y) <= 15_000
            assert (min(trace.y), max(trace.y)) == (0.0, 1.0), "what is extreme stays"


def test_where_all_networks_guess_their_runs_are_drawn_and_no_mean(runs):
    figure = figures.accuracy_energy(runs, ranking.rank(runs.iloc[:0]))
    assert any(trace.x is not None and len(trace.x) for trace in figure.data)
    assert "all networks guess" in figure.layout.meta["alt"]
