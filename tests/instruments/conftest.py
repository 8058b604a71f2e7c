import sys

import pytest

from tests.instruments.fake_nvml import FakeNvml


@pytest.fixture
def nvml(monkeypatch):
    """Replace pynvml by a fake with these GPUs, for the program and for CodeCarbon."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    from codecarbon.core import gpu, gpu_nvidia, hardware_cache

    def install(gpus, **arguments):
        fake = FakeNvml(gpus, **arguments)
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        monkeypatch.setattr(gpu_nvidia, "pynvml", fake)
        monkeypatch.setattr(gpu, "PYNVML_AVAILABLE", gpus is not None)
        monkeypatch.setattr(gpu, "is_nvidia_system", lambda: bool(gpus))
        return fake

    hardware_cache.clear_cache()
    yield install
    hardware_cache.clear_cache()
