"""Is the machine quiet? What about it makes a measurement doubtful, looked for before one."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from lib.instruments.gpus import Gpu, Gpus, visible_gpus
from lib.instruments.machine import CPU_INFO, commit
from lib.units import GIGABYTE

OTHER_LOAD = 0.05
"""Share of all CPUs that other programs may use; Green Metrics Tool draws the line there too."""

STEAL = 0.01  # share of CPU time that a hypervisor may give to others

_SYS_CPU = Path("/sys/devices/system/cpu")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def look(seconds: float = 1.0) -> list[str]:
    """Look for what disturbs a measurement, before it; the load is watched for some seconds.

    There is a sentence for each doubt, and one that begins with 'not checked:' for each check that
    this system does not allow.
    """
    gpus = visible_gpus()
    made = {
        "the load of other programs": _load(seconds),
        "swap": _swap(),
        "whether it runs on battery": _battery(),
        "the frequency governor": _governor(),
        "whether it is a virtual machine": _virtual(),
        "limits of the CPU": _limits(),
        "other programs on the GPU": _of_gpus(gpus, "other programs on GPU", _processes),
        "throttling of the GPU": _of_gpus(gpus, "thermal throttling of GPU", _throttling),
        "the program's commit": _commit(),
    }
    found: list[str] = []
    for name, check in made.items():
        try:
            found += check
        except Exception as error:  # a check must not end what it is to protect
            found.append(f"not checked: {name} ({error})")
    return found


def _load(seconds: float) -> Iterator[str]:
    """Compare the CPU time of all with that of this program and what started it."""
    times, own, throttled = psutil.cpu_times(), _own_cpu_seconds(), _throttle_counts()
    time.sleep(seconds)
    later, own_later = psutil.cpu_times(), _own_cpu_seconds()
    spent = {kind: seconds - getattr(times, kind) for kind, seconds in later._asdict().items()}
    # Linux counts guest time in user and nice time as well.
    total = sum(seconds for kind, seconds in spent.items() if not kind.startswith("guest"))
    if total <= 0:
        yield "not checked: the load of other programs, because the system does not count it"
        return
    busy = total - sum(spent.get(kind, 0.0) for kind in ("idle", "iowait", "steal"))
    others = (busy - (own_later - own)) / total
    if others > OTHER_LOAD:
        yield f"other programs use {others:.0%} of the CPU ({OTHER_LOAD:.0%} is tolerated)"
    steal = spent.get("steal", 0.0) / total
    if steal > STEAL:
        yield f"the hypervisor gives {steal:.0%} of the CPU time to other machines"
    if _throttle_counts() > throttled:
        yield "the CPU is slowed down because it is hot"


def _own_cpu_seconds() -> float:
    """CPU seconds of this process, of those above it (papermill, the runner) and those below it."""
    # Children that have ended count too: CodeCarbon starts some that last less than a second, to
    # find out what processor this is.
    above, below = _family()
    seconds = 0.0
    for process in above + below:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        seconds += times.user + times.system
        if process in below:
            seconds += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return seconds


def _family() -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Those above this process (papermill, the runner); it and those below it."""
    this = psutil.Process()
    return this.parents(), [this, *this.children(recursive=True)]


def _throttle_counts() -> int:
    files = _SYS_CPU.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    return sum(int(file.read_text()) for file in files)


def _swap() -> Iterator[str]:
    used = psutil.swap_memory().used
    if used:
        yield f"swap is in use ({used / GIGABYTE:.2f} GB)"


def _battery() -> Iterator[str]:
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is not None and battery.power_plugged is None:
        yield "not checked: whether it runs on battery, because the system does not tell"
    elif battery is not None and not battery.power_plugged:
        yield "the machine runs on battery, which slows processors down"


def _governor() -> Iterator[str]:
    files = _SYS_CPU.glob("cpu[0-9]*/cpufreq/scaling_governor")
    governors = sorted({file.read_text().strip() for file in files})
    if not governors:
        yield "not checked: the frequency governor, because the system does not show it"
    elif governors != ["performance"]:
        found = f"the CPU's frequency governor is {', '.join(governors)}"
        yield f"{found}, not performance: its speed changes with the load"


def _virtual() -> Iterator[str]:
    if CPU_INFO.is_file() and " hypervisor" in CPU_INFO.read_text():
        yield (
            "this is a virtual machine: what others draw on the same hardware is not seen, and a "
            "load model knows neither"
        )


def _limits() -> Iterator[str]:
    count = psutil.cpu_count() or 1
    # macOS has no affinity.
    allowed = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else count
    if _CGROUP_LIMIT.is_file():
        quota, period = _CGROUP_LIMIT.read_text().split()
        if quota != "max":
            allowed = min(allowed, int(quota) / int(period))
    if allowed < count:
        yield (
            f"this program may use {allowed:g} of the {count} CPUs; energy is that of the whole "
            "machine"
        )


def _of_gpus(gpus: Gpus, what: str, look: Callable[[Gpu, Any], Iterable[str]]) -> Iterator[str]:
    """What is found of each GPU, or why NVML does not tell."""
    if not gpus.selected:
        return
    import pynvml

    for gpu in gpus.selected:
        try:
            yield from look(gpu, pynvml)
        except pynvml.NVMLError as error:
            yield f"not checked: {what} {gpu.index} ({error})"


def _processes(gpu: Gpu, pynvml: Any) -> Iterator[str]:
    family = {process.pid for processes in _family() for process in processes}
    running = pynvml.nvmlDeviceGetComputeRunningProcesses(gpu.handle)
    others = [process.pid for process in running if process.pid not in family]
    if any(not psutil.pid_exists(pid) for pid in others):
        yield (
            f"GPU {gpu.index} is used by {len(others)} programs, of which this container does "
            "not see all; this program may be one of them"
        )
    elif others:
        yield f"GPU {gpu.index} is used by {len(others)} other programs"


def _throttling(gpu: Gpu, pynvml: Any) -> Iterator[str]:
    hot = pynvml.nvmlClocksThrottleReasonSwThermalSlowdown
    hot |= pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
    if pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu.handle) & hot:
        yield f"GPU {gpu.index} is slowed down because it is hot"


def _commit() -> Iterator[str]:
    if commit() is None:
        yield "not checked: the program's commit, because it is no git checkout"
