import pytest

from lib.instruments import Nothing
from lib.instruments.nvml import energy_counter
from lib.units import JOULES_PER_KWH
from tests.instruments.fake_nvml import FakeGpu

UUIDS = ["GPU-8a1b0000", "GPU-8a1c0000", "GPU-ff000000"]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def measure(nvml, gpus, seconds=50.0, meanwhile=lambda: None):
    clock = Clock()
    nvml(gpus, clock=clock)
    instrument = energy_counter()
    instrument.start()
    clock.now += seconds
    meanwhile()
    return instrument.stop()


def test_energy_is_the_difference_of_the_counter(nvml):
    reading = measure(nvml, [FakeGpu(UUIDS[0], watts=72)])
    gpu = reading.components["gpu"]
    assert gpu.energy * JOULES_PER_KWH == pytest.approx(72 * 50)
    assert (gpu.method, gpu.reason) == ("measured counter (NVML)", None)
    assert set(reading.components) == {"gpu"}
    assert reading.doubts == ()


def test_several_gpus_are_added_up_and_doubted(nvml):
    gpus = [FakeGpu(UUIDS[0], watts=100), FakeGpu(UUIDS[1], watts=300)]
    reading = measure(nvml, gpus)
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(400 * 50)
    assert reading.details["gpu_1_energy"] * JOULES_PER_KWH == pytest.approx(300 * 50)
    assert "the energy of 2 GPUs is counted" in reading.doubts[0]


@pytest.mark.parametrize("visible", ["1", UUIDS[1]])
def test_only_visible_gpus_are_counted(nvml, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    reading = measure(nvml, [FakeGpu(UUIDS[0], watts=100), FakeGpu(UUIDS[1], watts=300)])
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(300 * 50)
    assert reading.doubts == ()


def test_a_counter_that_went_backwards_gives_no_energy(nvml):
    gpu = FakeGpu(UUIDS[0])
    reading = measure(nvml, [gpu], meanwhile=lambda: setattr(gpu, "counted", 0.0))
    assert reading.components["gpu"].energy is None
    assert reading.energy_consumed is None
    assert "counter of GPU 0 went backwards" in reading.components["gpu"].reason


@pytest.mark.parametrize(
    ("gpus", "visible", "reason"),
    [
        (None, None, "NVML Shared Library Not Found"),
        ([], None, "finds no NVIDIA GPU"),
        ([FakeGpu(UUIDS[0])], "", "hides all GPUs"),
        ([FakeGpu(UUIDS[0], has_counter=False)], None, "GPUs from Volta on have one"),
    ],
)
def test_what_is_absent_reads_nothing_and_says_why(nvml, monkeypatch, gpus, visible, reason):
    nvml(gpus)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    instrument = energy_counter()
    assert isinstance(instrument, Nothing)
    instrument.start()
    reading = instrument.stop()
    assert reading.energy_consumed is None
    assert set(reading.components) == {"gpu"}
    assert reason in reading.components["gpu"].reason


def test_a_counter_that_was_not_started(nvml):
    nvml([FakeGpu(UUIDS[0])])
    with pytest.raises(RuntimeError, match="not started"):
        energy_counter().stop()
