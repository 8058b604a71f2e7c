"""A stand-in for the `pynvml` module: GPUs that draw constant power."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import SimpleNamespace


@dataclass
class FakeGpu:
    """A GPU that draws `watts`; its counter, if it has one, counted `counted` J before."""

    uuid: str
    name: str = "NVIDIA T4"
    watts: float = 70.0
    counted: float = 1e6
    has_counter: bool = True
    throttled: int = 0
    processes: tuple[int, ...] = ()
    temperature: int = 55
    memory: int = 2_000_000_000
    utilization: int = 80


class FakeNvml:
    """The functions of `pynvml` that are used, over a list of GPUs; None is a missing driver."""

    NVML_TEMPERATURE_GPU = 0
    nvmlClocksThrottleReasonSwThermalSlowdown = 0x20  # noqa: N815
    nvmlClocksThrottleReasonHwThermalSlowdown = 0x40  # noqa: N815

    class NVMLError(Exception):
        pass

    def __init__(self, gpus: list[FakeGpu] | None, clock=time.perf_counter):
        self.gpus = gpus
        self.clock = clock

    def nvmlInit(self):  # noqa: N802
        if self.gpus is None:
            raise self.NVMLError("NVML Shared Library Not Found")

    def __getattr__(self, name: str):
        readings = {
            "nvmlDeviceGetUUID": lambda gpu: gpu.uuid,
            "nvmlDeviceGetName": lambda gpu: gpu.name,
            "nvmlDeviceGetTotalEnergyConsumption": self._energy,
            "nvmlDeviceGetPowerUsage": lambda gpu: int(gpu.watts * 1000),
            "nvmlDeviceGetEnforcedPowerLimit": lambda gpu: 400_000,
            "nvmlDeviceGetTemperature": lambda gpu, _sensor: gpu.temperature,
            "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(
                used=gpu.memory, total=16 * 10**9, free=14 * 10**9
            ),
            "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=gpu.utilization),
            "nvmlDeviceGetComputeRunningProcesses": lambda gpu: [
                SimpleNamespace(pid=pid, usedGpuMemory=0) for pid in gpu.processes
            ],
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda gpu: gpu.throttled,
            "nvmlDeviceGetCount": lambda: len(self.gpus),
            "nvmlDeviceGetHandleByIndex": lambda index: self.gpus[index],
        }
        try:
            return readings[name]
        except KeyError:
            raise AttributeError(name) from None

    def _energy(self, gpu: FakeGpu) -> int:
        if not gpu.has_counter:
            raise self.NVMLError("Not Supported")
        return int((gpu.counted + gpu.watts * self.clock()) * 1000)
