import pytest

from lib.analysis import questions
from lib.quantities import ALONE
from lib.report import figures
from lib.report.figures import style
from lib.stats.budget import Uncertainty
from tests.analysis.studies import results, study


def test_a_forest_has_a_row_a_pair_and_its_interval():
    found = questions.answer(results(repetitions=5), study(margin="5 %"))
    figure = figures.ratios(found)
    assert sum(len(trace.x) for trace in figure.data) == 6
    top = figure.data[0]
    assert top.name == "differs"
    high = top.x + top.error_x["array"]
    assert (high > top.x).all()
    assert "ResNet50 over VGG16 on cifar10 1.2" in figure.layout.meta["alt"]
    assert [shape.type for shape in figure.layout.shapes] == ["line", "rect"]


def test_a_partial_forest_says_that_nothing_was_tested():
    figure = figures.ratios(questions.answer(results(), study(), is_final=False))
    assert [trace.name for trace in figure.data] == ["not tested yet"]


def test_an_interaction_has_a_line_a_level():
    runs = results()
    figure = figures.interaction(questions.answer(runs, study()), runs)
    assert [trace.name for trace in figure.data] == ["VGG16", "VGG19", "ResNet50"]
    assert list(figure.data[0].x) == ["cifar10", "mnist"]


def test_where_nothing_is_compared_there_is_a_sentence():
    runs = results((1.0,), datasets=("mnist",))
    found = questions.answer(runs, study(("VGG16",), ("mnist",)))
    assert figures.ratios(found).layout.meta["alt"].endswith("nothing was varied.")
    assert figures.interaction(found, runs).layout.meta["alt"].endswith("so no interaction.")


def test_energies_stand_with_their_limits_and_many_are_the_least():
    def uncertain(value):
        return Uncertainty(value, value, value / 2, 2 * value, ())

    figure = figures.energies({("VGG16", "mnist"): uncertain(2e-3), ("A", ALONE): uncertain(1e-3)})
    (marks,) = figure.data
    assert list(marks.y) == ["VGG16 · mnist", "A"]
    assert list(marks.x + marks.error_x.array) == pytest.approx([4, 2])
    assert "VGG16 · mnist 2.00 Wh (1.0 to 4.0)" in figure.layout.meta["alt"]
    many = {(str(n), "mnist"): uncertain(n + 1.0) for n in range(300)}
    assert len(figures.energies(many).data[0].x) == style.MOST_CONFIGURATIONS
    assert not figures.energies({}).data
