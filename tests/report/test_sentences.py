from lib.analysis import results
from lib.report import sentences
from tests import small_study


def load(folder, **options):
    return results.load(small_study.make(folder, **options))


def test_the_design_counts_the_runs(tmp_path):
    said = repr(sentences.design(load(tmp_path / "s")))
    assert "VGG16, VGG19 and ResNet50 were trained on mnist and digits, up to 3 times" in said
    assert "18 of 18 planned runs are complete" in said
    assert "shuffled with seed 7" in said
    assert "random weights" in said


def test_failed_and_missing_runs_are_named(tmp_path):
    failed = repr(sentences.design(load(tmp_path / "a", failed="no")))
    assert "1 run failed: ResNet50-mnist-r3-" in failed
    partial = repr(sentences.design(load(tmp_path / "b", unfinished=True)))
    assert "Still to run: ResNet50-mnist-r3-" in partial


def test_options_are_explained(tmp_path):
    variants = ({}, {"precision": "mixed"}, {"features": "cached", "head": "linear"})
    study = load(tmp_path / "s", datasets=("digits",), variants=variants)
    design = repr(sentences.design(study))
    assert "3 variants: reference; head: linear, features: cached; precision: mixed." in design
    head, features, precision = sentences.varied(study).sentences
    assert head.startswith("head: linear (instead of paper)")
    assert features.startswith("features: cached (instead of online): the frozen base sees 5 fixed")
    assert precision.startswith("precision: mixed (instead of float32): 16-bit")


def test_an_ordinary_study_explains_no_options(tmp_path):
    study = load(tmp_path / "s", datasets=("digits",), repetitions=1)
    assert sentences.varied(study).sentences == ()
