import pytest

from lib.execution.forecast import Forecast, Left, Underway
from lib.records.progress import Progress
from lib.study.config import RunConfig

VGG, RESNET = RunConfig(architecture="VGG16"), RunConfig(architecture="ResNet50")


def underway(config, elapsed, fraction, energy=None):
    progress = Progress("training", fraction=fraction, energy_consumed=energy, duration=elapsed)
    return [Underway(config, elapsed, progress)]


def test_nothing_is_known_before_anything_was_measured():
    forecast = Forecast([VGG, RESNET])
    forecast.begin(VGG)
    assert forecast.left(underway(VGG, 1.0, 0.0)) == Left(None, None)


def test_the_first_run_promises_for_all():
    forecast = Forecast([VGG, RESNET, VGG])
    forecast.begin(VGG)
    left = forecast.left(underway(VGG, 10.0, 0.5, 0.2))
    assert left.seconds == pytest.approx(10 + 20 + 20)
    assert left.energy == pytest.approx(0.2 + 0.4 + 0.4)


def test_what_comes_before_a_training_comes_once_a_run():
    forecast = Forecast([VGG, VGG])
    forecast.begin(VGG)
    progress = Progress("training", fraction=0.1, duration=2.0)
    left = forecast.left([Underway(VGG, 17.0, progress)])
    assert left.seconds == pytest.approx(18 + 35)


def test_runs_that_ended_say_what_their_likes_will_take():
    forecast = Forecast([VGG, RESNET, VGG, RESNET])
    for config, seconds, energy in ((VGG, 30.0, 0.3), (RESNET, 10.0, 0.1)):
        forecast.begin(config)
        forecast.end(config, seconds, energy)
    forecast.begin(VGG)
    left = forecast.left(underway(VGG, 10.0, 0.1, 0.1))
    assert left.seconds == pytest.approx(20 + 10)
    assert left.energy == pytest.approx(0.2 + 0.1)
    assert forecast.left([], at_once=2).seconds == pytest.approx(5)


def test_a_run_that_takes_longer_than_expected_is_judged_by_itself():
    forecast = Forecast([VGG, VGG])
    forecast.begin(VGG)
    forecast.end(VGG, 30.0, None)
    forecast.begin(VGG)
    assert forecast.left(underway(VGG, 40.0, 0.8)) == Left(pytest.approx(10), None)


def test_variants_are_no_repetitions_of_each_other():
    frugal = VGG.model_copy(update={"head": "linear", "features": "cached"})
    again = [one.model_copy(update={"repetition": 2, "seed": 2}) for one in (VGG, frugal)]
    forecast = Forecast([VGG, frugal, *again])
    for config, seconds, energy in ((VGG, 30.0, 0.3), (frugal, 4.0, 0.02), (again[0], 30.0, 0.3)):
        forecast.begin(config)
        forecast.end(config, seconds, energy)
    assert forecast.left([]) == Left(pytest.approx(4), pytest.approx(0.02))


def test_nothing_is_left_at_the_end():
    forecast = Forecast([VGG])
    forecast.begin(VGG)
    forecast.end(VGG, 30.0, 0.3)
    assert forecast.left([]) == Left(0.0, 0.0)
