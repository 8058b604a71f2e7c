"""The energy counters of NVIDIA GPUs.

The counter (`nvmlDeviceGetTotalEnergyConsumption`, Volta and newer) is the GPU's own; two readings
of it need no sampling, which makes it a second opinion on CodeCarbon's GPU energy.
"""

import time

from lib.instruments import Component, Instrument, Nothing, Reading
from lib.instruments.gpus import Gpus, visible_gpus
from lib.units import JOULES_PER_KWH


class NvmlCounter:
    """Reads the energy counters of GPUs at start and stop."""

    name = "nvml"

    def __init__(self, gpus: Gpus):
        self._gpus = gpus
        self._started: float | None = None
        self._before: list[int] = []

    def start(self) -> None:
        """Read every counter; raises `pynvml.NVMLError` if one can't be read."""
        self._before = self._read()
        self._started = time.perf_counter()

    def stop(self) -> Reading:
        """Read every counter again; a counter that went backwards gives no energy."""
        if self._started is None:
            raise RuntimeError("the NVML counter was not started")
        after = self._read()
        duration = time.perf_counter() - self._started
        energies = {
            gpu.index: (end - begin) / 1e3 / JOULES_PER_KWH
            for gpu, begin, end in zip(self._gpus.selected, self._before, after, strict=True)
        }
        if backwards := [index for index, kwh in energies.items() if kwh < 0]:
            reason = (
                f"the energy counter of GPU {', '.join(map(str, backwards))} went backwards "
                "(it restarts at 0 when the driver is loaded)"
            )
            gpu = Component(None, "none", reason)
        else:
            gpu = Component(sum(energies.values()), "measured counter (NVML)")
        details = {f"gpu_{index}_energy": kwh for index, kwh in energies.items()}
        return Reading(self.name, duration, {"gpu": gpu}, 2, self._gpus.doubts, details)

    def _read(self) -> list[int]:
        import pynvml

        read = pynvml.nvmlDeviceGetTotalEnergyConsumption
        return [read(gpu.handle) for gpu in self._gpus.selected]


def energy_counter() -> Instrument:
    """The counters of the visible GPUs, or `Nothing` where there is none to read."""
    gpus = visible_gpus()
    if not gpus.selected:
        return Nothing(NvmlCounter.name, gpus.reason or "no GPU is selected", ("gpu",))
    import pynvml

    try:
        NvmlCounter(gpus).start()
    except pynvml.NVMLError as error:
        reason = f"the energy counter can't be read ({error}); GPUs from Volta on have one"
        return Nothing(NvmlCounter.name, reason, ("gpu",))
    return NvmlCounter(gpus)
