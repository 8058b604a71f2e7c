import numpy as np
import pytest

from lib.study.config import RunConfig
from lib.study.errors import StudyError
from lib.study.notebook import checked
from lib.training import classifier, datasets
from lib.training.own_network import NetworkError

GOOD = """
import keras

def build(image_size, classes):
    return keras.Sequential([
        keras.Input((image_size, image_size, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(classes, activation="softmax"),
    ])

def fails(image_size, classes):
    raise RuntimeError("no idea")

def something_else(image_size, classes):
    return 5

def too_many(image_size, classes):
    return build(image_size, classes + 1)

def too_large(image_size, classes):
    return build(image_size + 1, classes)
"""


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my_networks.py"
    path.write_text(GOOD)
    return path


def config(function="build", **fields):
    small = {"train_limit": 40, "test_limit": 20, "epochs": 1}
    return RunConfig(architecture=f"my_networks.py:{function}", **small | fields)


def test_a_network_of_ones_own_is_counted_and_learns():
    run = config()
    made = classifier.Training(run, datasets.load(run))
    assert made.network.parameters == 4 * (9 * 3 + 1) + 10 * (4 + 1)
    assert made.network.trainable_parameters == made.network.parameters
    assert made.network.flops == made.network.flops_head > 0
    assert made.network.depth is None
    before = [weight.copy() for weight in made.model.get_weights()]
    made.rehearse()
    assert all(map(np.array_equal, before, made.model.get_weights()))

    class Nobody:
        def step(self, fraction, epoch, accuracy): ...

        def epoch(self, **values): ...

    made.learn(Nobody())
    assert not all(map(np.array_equal, before, made.model.get_weights()))
    assert 0 <= made.results["accuracy"] <= 1


def test_another_content_is_another_run(file):
    before = config().run_id
    assert before.startswith("my_networks.py_build-digits-r1-")
    file.write_text(GOOD.replace("Conv2D(4", "Conv2D(8"))
    assert config().run_id != before


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("fails", "fails failed with RuntimeError: no idea"),
        ("something_else", "something_else returned int, not a keras.Model"),
        ("too_many", r"the output of .*too_many is \(None, 11\); right is \(None, 10\)"),
        ("too_large", r"the input of .*too_large is \(None, 33, 33, 3\); right is"),
    ],
)
def test_a_function_that_builds_no_such_network_is_refused(function, said):
    run = config(function)
    with pytest.raises(NetworkError, match=said):
        classifier.Training(run, datasets.load(run))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"architecture": "my_networks.py:nothing"}, "has no function nothing; it has build, "),
        ({"architecture": "missing.py:build"}, "'missing.py' can't be read: No such file"),
        ({"architecture": "../my_networks.py:build"}, "must lie in this folder or below"),
        ({"architecture": "/my_networks.py:build"}, "must lie in this folder or below"),
        ({"architecture": "broken.py:build"}, "'broken.py' is no Python"),
        ({"architecture": "my_networks.py"}, "is unknown"),
        ({"weights": "imagenet"}, "weights: a network of one's own has no base"),
        ({"features": "cached"}, "set features to online"),
        ({"preprocessing": "imagenet"}, "set preprocessing to rescale"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(tmp_path, fields, said):
    (tmp_path / "broken.py").write_text("def build(")
    good = {"architecture": "my_networks.py:build"}
    with pytest.raises(StudyError, match=said) as error:
        checked(RunConfig, good | fields, "a test")
    assert len(error.value.problems) == 1
