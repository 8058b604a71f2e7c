from lib.analysis import questions
from lib.report import figures
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
