import pytest

from lib.instruments import Component, Nothing, Reading, disagreements, measuring


class Meter:
    def __init__(self, name, log, fails=None):
        self.name, self.log, self.fails = name, log, fails

    def start(self):
        self._do("start")

    def stop(self):
        self._do("stop")
        return Reading(self.name, 1.0, {"cpu": Component(2.0, "meter")}, samples=3)

    def _do(self, what):
        self.log.append(f"{what} {self.name}")
        if self.fails == what:
            raise OSError("cable pulled")


def test_they_nest_and_answer_in_order():
    log = []
    with measuring([Meter("a", log), Nothing("b", "not there"), Meter("c", log)]) as readings:
        log.append("work")
    assert log == ["start a", "start c", "work", "stop c", "stop a"]
    assert [reading.instrument for reading in readings] == ["a", "b", "c"]
    assert [reading.energy_consumed for reading in readings] == [2, None, 2]
    assert readings[1].components["gpu"].reason == "not there"


@pytest.mark.parametrize("moment", ["start", "stop"])
def test_one_that_fails_is_a_doubt_and_stops_nothing(moment):
    log = []
    with measuring([Meter("a", log), Meter("b", log, fails=moment), Meter("c", log)]) as readings:
        pass
    assert [reading.energy_consumed for reading in readings] == [2, None, 2]
    assert readings[1].doubts == (f"b did not {moment}: cable pulled",)
    assert readings[1].components["ram"].reason == f"b did not {moment}: cable pulled"
    assert readings[1].duration > 0
    assert log.count("stop b") == (moment == "stop")


def test_they_are_stopped_when_the_work_fails():
    log = []

    def work():
        with measuring([Meter("a", log)]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert log == ["start a", "stop a"]


ABSENT = Component(None, "none", "no GPU")
FAILED = Component(None, "measured counter (RAPL)", "the counter restarted")


@pytest.mark.parametrize(
    ("parts", "energy"),
    [
        ({"cpu": Component(1.0, "x"), "ram": Component(0.5, "x"), "gpu": ABSENT}, 1.5),
        ({"cpu": FAILED, "ram": Component(0.5, "x"), "gpu": ABSENT}, None),
        ({"gpu": ABSENT}, None),
        ({}, None),
    ],
)
def test_a_part_is_not_the_whole_and_nothing_is_not_0(parts, energy):
    assert Reading("x", 1.0, parts, 0).energy_consumed == energy


def test_a_bench_may_be_empty():
    with measuring([]) as readings:
        pass
    assert readings == []


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (0.100, 0.104, []),
        (0.100, 0.096, []),
        (0.100, 0.110, ["gpu: nvml measured 0.11 kWh, codecarbon 0.1 kWh (+10%)"]),
        (0.100, 0.0, ["gpu: nvml measured 0 kWh, codecarbon 0.1 kWh (-100%)"]),
        (None, 0.1, []),
        (0.1, None, []),
    ],
)
def test_instruments_that_disagree(first, second, said):
    readings = [
        Reading("codecarbon", 1.0, {"cpu": Component(1.0, ""), "gpu": Component(first, "")}, 1),
        Reading("nvml", 1.0, {"gpu": Component(second, "")}, 1),
    ]
    assert disagreements(readings) == said
