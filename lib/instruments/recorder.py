"""From CodeCarbon's running totals to the samples of the power trace."""

from typing import Any

from lib.instruments import COMPONENTS
from lib.instruments.gpus import Gpus
from lib.instruments.trace import PowerTrace, Sample
from lib.units import mean_power

SHORTEST_INTERVAL = 0.05
"""s. Watts over less than this are noise; such a sample is joined to the next, and the last of a
measurement, which has no next, is no peak."""


class Recorder:
    """An output handler of CodeCarbon, called after every measurement and with the final row.

    Samples are differences of CodeCarbon's totals, so that they add up to its energy.
    """

    def __init__(self, gpus: Gpus):
        from codecarbon.external.hardware import SystemCPULoadMeter

        self.rows: list[dict[str, Any]] = []  # what CodeCarbon says at the end: one
        self.latest: Sample | None = None
        self.count = 0  # of samples
        self.peak = dict.fromkeys(COMPONENTS, 0.0)  # highest W by component
        self.peak_power: float | None = None  # highest W of all together
        self.longest = 0.0  # s of the longest interval
        self.cpu_utilization = 0.0  # mean over all samples, percent of all cores
        self._gpus = gpus
        self._trace = PowerTrace(None)
        self._measures_gpu = False
        # CodeCarbon's own utilisation begins with zeros: psutil keeps a baseline per thread, and
        # every measurement is a new thread.
        self._load = SystemCPULoadMeter()
        self._duration = 0.0
        self._energy = dict.fromkeys(COMPONENTS, 0.0)

    def begin(self, trace: PowerTrace, measures_gpu: bool) -> None:
        """Say where samples go, and whether there is a GPU of which 0 W means something."""
        self._trace = trace
        self._measures_gpu = measures_gpu
        self._load.reset()

    def live_out(self, total: Any, _delta: Any) -> None:
        """Take CodeCarbon's totals after a measurement."""
        interval = total.duration - self._duration
        if interval >= SHORTEST_INTERVAL:
            self._add(total, interval)

    def out(self, total: Any, _delta: Any) -> None:
        """Take CodeCarbon's totals at the end."""
        if any(getattr(total, f"{name}_energy") != kwh for name, kwh in self._energy.items()):
            self._add(total, total.duration - self._duration)
        self.rows.append(dict(total.values))

    def task_out(self, _data: Any, _experiment_name: str) -> None:
        """Ignore tasks: none is started."""

    def exit(self) -> None:
        """Do nothing: there may be more to write into the trace."""

    def _add(self, total: Any, interval: float) -> None:
        import psutil

        energy = {name: getattr(total, f"{name}_energy") for name in COMPONENTS}
        drawn = {name: kwh - self._energy[name] for name, kwh in energy.items()}
        power = {name: mean_power(kwh, interval) for name, kwh in drawn.items()}
        sound = interval >= SHORTEST_INTERVAL or not self.count
        if sound:
            self.peak = {name: max(self.peak[name], watts) for name, watts in power.items()}
        load = self._load.percent()
        self.cpu_utilization += (load - self.cpu_utilization) * interval / total.duration
        self._duration, self._energy = total.duration, energy
        self.longest = max(self.longest, interval)
        self.count += 1
        self.latest = self._trace.add(
            interval=interval,
            cpu_power=power["cpu"],
            gpu_power=power["gpu"] if self._measures_gpu else None,
            ram_power=power["ram"],
            energy_consumed=total.energy_consumed,
            cpu_utilization_percent=load,
            ram_utilization_percent=psutil.virtual_memory().percent,
            **self._gpus.sample(),
        )
        if sound:
            self.peak_power = max(self.peak_power or 0.0, self.latest.power)
