import pytest

from lib.instruments.gpus import select, visible_gpus
from tests.instruments.fake_nvml import FakeGpu

UUIDS = ["GPU-8a1b0000", "GPU-8a1c0000", "GPU-ff000000"]


@pytest.mark.parametrize(
    ("visible", "indices", "said"),
    [
        (None, [0, 1, 2], None),
        ("0", [0], None),
        ("2,0", [0, 2], None),
        (" 1 , 1 ", [1], None),
        ("GPU-ff000000", [2], None),
        ("GPU-8a1c", [1], None),
        ("1,GPU-ff", [1, 2], None),
        ("", [], "hides all GPUs"),
        ("-1", [], "hides all GPUs"),
        ("0,-1,2", [0], "'-1' is none of the 3 GPUs"),
        ("0,7,1", [0], "'7' is none of the 3 GPUs; CUDA ignores it and what follows"),
        ("GPU-8a1", [], "'GPU-8a1' is none"),  # names two
        ("gpu0", [], "'gpu0' is none"),
        ("MIG-5f0e", [], "MIG slice 'MIG-5f0e'; NVML counts the energy of whole GPUs only"),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(visible, indices, said):
    chosen, problem = select(UUIDS, visible)
    assert chosen == indices
    assert (problem is None) if said is None else (said in problem)


def test_indices_of_unlike_gpus_are_doubtful_unless_cuda_counts_as_nvml_does(nvml, monkeypatch):
    nvml([FakeGpu(UUIDS[0], "NVIDIA T4"), FakeGpu(UUIDS[1], "NVIDIA A100")])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in visible_gpus().doubts[0]
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert visible_gpus().doubts == ()
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", UUIDS[0])
    assert visible_gpus().doubts == ()


def test_utilisation_temperature_and_memory(nvml):
    nvml(
        [
            FakeGpu(UUIDS[0], temperature=50, memory=1_000_000_000, utilization=100),
            FakeGpu(UUIDS[1], temperature=81, memory=500_000_000, utilization=0),
        ]
    )
    assert visible_gpus().sample() == {
        "gpu_utilization_percent": 50,
        "gpu_temperature": 81,
        "gpu_memory": 1500,
    }
    assert visible_gpus().model == "2 x NVIDIA T4"


def test_no_gpu_has_no_sample(nvml):
    nvml(None)
    assert visible_gpus().sample() == {}
