"""What architectures look like: the same everywhere, seen by everybody, on light and on dark."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.analysis import results
from lib.analysis.instrument_pairs import pairs
from lib.report import figures
from lib.report.figures import palette
from lib.stats import score
from lib.study.catalog import ARCHITECTURES
from tests import small_study

STYLE = Path(figures.__file__).parents[1] / "templates" / "report" / "style.css"
DARK = re.findall(r"--paper: (#\w{6})", STYLE.read_text())[1]
BACKGROUNDS = {"a light page": "#ffffff", "a dark report": DARK, "JupyterLab's dark": "#111111"}

# What a display's red, green and blue become with no cones for long or for middle waves: Machado,
# Oliveira and Fernandes (2009), doi:10.1109/TVCG.2009.113, severity 1.
VISIONS = {
    "all cones": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def light(colour):
    """Linear red, green and blue of a colour like #0072B2."""
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """As WCAG 2 defines it: from 1 to 21."""
    low, high = sorted(XYZ[1] @ light(colour) + 0.05 for colour in (one, other))
    return high / low


def lab(rgb):
    ratios = XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(axis=1)
    x, y, z = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_all_that_is_drawn_is_seen_on(name):
    for colour in (*palette.COLOURS, palette.PLAIN):
        assert contrast(colour, BACKGROUNDS[name]) >= 3, colour


def test_lettering_is_legible_and_a_report_has_its_own():
    assert contrast(palette.INK, "#ffffff") >= 4.5
    assert contrast(palette.INK, "#111111") >= 4.1, "no grey has 4.5 on both"
    css = STYLE.read_text()
    papers, inks = (re.findall(rf"--{name}: (#\w{{6}})", css) for name in ("paper", "ink"))
    assert min(map(contrast, inks[:2], papers[:2])) >= 4.5
    assert ".plot .infolayer text" in css


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_are_told_apart_with(vision):
    seen = [lab(np.array(VISIONS[vision]) @ light(colour)) for colour in palette.COLOURS]
    least = min(np.linalg.norm(one - other) for one, other in combinations(seen, 2))
    assert least >= (35 if vision == "all cones" else 18)


def test_no_two_architectures_look_the_same():
    names = [*ARCHITECTURES]
    assert len({str(palette.marker(name)) for name in names}) == len(names) == 40
    first = ("VGG16", "VGG19", "ResNet50", "MobileNetV2", "EfficientNetV2B0", "DenseNet121")
    assert len({palette.colour(name) for name in first}) == 6
    four = {palette.with_symbol(name, "star")["symbol"] for name in names}
    assert four == {"star", "star-open", "star-dot", "star-open-dot"}
    assert palette.PLAIN not in palette.COLOURS, "what stands for a variant is no architecture"


def test_one_that_nobody_knows_keeps_its_look():
    looks = {str(palette.marker(f"mine {n}")) for n in range(200)}
    assert len(looks) == 56
    assert palette.marker("mine 1") == palette.marker("mine 1")


NAMES = ["VGG16", "VGG19", "ResNet50", "Xception", "ResNet152V2", "Ours"]
NO_ENERGY, NO_ACCURACY, NO_WATTMETER = NAMES[0], NAMES[3], NAMES[2]


@pytest.fixture(scope="module")
def with_gaps():
    """Every figure of a study in which each architecture lacks something else."""
    rows = [
        {"architecture": name, "dataset": dataset, "repetition": repetition, "seed": 1}
        for name in NAMES
        for dataset in ("digits", "mnist")
        for repetition in (1, 2)
        if (name, dataset) != ("VGG19", "digits")
    ]
    runs = pd.DataFrame(rows).assign(location="FRA", duration=10.0, accuracy=0.5)
    number = runs.groupby("architecture").ngroup() + runs["repetition"] / 10
    runs = runs.assign(
        energy_consumed=number + 1, emissions=number, wattmeter_energy=number * 2 + 2, power=9.0
    )
    runs["run_id"] = [f"{r.architecture}-{r.dataset}-r{r.repetition}-x" for r in runs.itertuples()]
    runs.loc[runs["architecture"] == NO_ENERGY, ["energy_consumed", "emissions"]] = np.nan
    runs.loc[runs["architecture"] == NO_ACCURACY, "accuracy"] = np.nan
    runs.loc[runs["architecture"] == NO_WATTMETER, "wattmeter_energy"] = np.nan
    runs["score"] = runs["accuracy"] / runs["energy_consumed"]
    ranked = score.rank(runs, ("architecture",), ("dataset",))
    history = pd.DataFrame({"epoch": [1, 2], "val_accuracy": [0.2, 0.3]})
    energy = history.assign(energy_consumed=[1.0, 2.0])
    histories = {
        run_id: history if run_id.startswith(NO_ENERGY) else energy for run_id in runs["run_id"]
    }
    many = {f"{run_id}{n}": one for run_id, one in histories.items() for n in range(20)}
    return [
        *(
            figures.violins(runs, measure, by)
            for measure in ("energy_consumed", "accuracy", "wattmeter_energy")
            for by in ("architecture", "dataset")
        ),
        figures.violins(runs[runs["architecture"].isin(NAMES[3:])], "power", "dataset"),
        figures.accuracy_energy(runs, ranked),
        *(figures.bland_altman(pair) for pair in pairs(runs)),
        *(figures.learning_curves(one, small_study.named(one)) for one in (histories, many)),
    ]


def looks(drawn):
    """By architecture: its colours, and its symbols, wherever a trace is named after it."""
    colours, symbols = {}, {}
    for trace in (trace for figure in drawn for trace in figure.data):
        if trace.legendgroup in (None, "score"):
            continue
        for colour in (trace.marker.color, trace.line.color if trace.type == "scatter" else None):
            if colour:
                colours.setdefault(trace.legendgroup, set()).add(colour)
        if trace.type == "scatter" and trace.marker.symbol:
            symbols.setdefault(trace.legendgroup, set()).add(trace.marker.symbol)
    return colours, symbols


def test_an_architecture_looks_the_same_in_every_figure_whatever_it_lacks(with_gaps):
    assert len(with_gaps) == 11
    colours, symbols = looks(with_gaps)
    assert set(colours) == set(symbols) == set(NAMES)
    for name in NAMES:
        marker = palette.marker(name)
        assert (colours[name], symbols[name]) == ({marker["color"]}, {marker["symbol"]})


def test_a_legend_names_all_that_is_drawn_once_and_in_one_order(with_gaps):
    order = ["VGG16", "VGG19", "ResNet50", "Ours", "ResNet152V2", "Xception"]
    for figure in with_gaps:
        drawn = {t.legendgroup for t in figure.data if t.legendgroup in NAMES and len(t.x)}
        entries = [t for t in figure.data if t.showlegend is not False and t.name in NAMES]
        names = [trace.name for trace in sorted(entries, key=lambda trace: trace.legendrank)]
        by_architecture = figure.layout.xaxis.title.text == "Architecture"
        assert by_architecture or names == [name for name in order if name in drawn]


def test_figures_of_a_run_and_of_variants_have_the_same_colours(tmp_path):
    variants = ({}, {"precision": "mixed"})
    folder = small_study.make(tmp_path / "varied", datasets=("digits",), variants=variants)
    study = results.load(folder)
    drawn = [
        figures.accuracy_energy(study.best_scored, study.best_compared),
        figures.savings(study.saved),
        figures.learning_curves(study.histories, study.completed),
        figures.violins(study.runs, "energy_consumed", "variant"),
    ]
    colours, _ = looks(drawn)
    for name in ("VGG16", "VGG19", "ResNet50"):
        assert colours[name] == {palette.colour(name)}
    grey = {name for name, found in colours.items() if found == {palette.PLAIN}}
    assert grey == {"reference", "precision: mixed"}
