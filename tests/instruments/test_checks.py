import os
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from lib.instruments import checks
from lib.instruments.gpus import Gpu, Gpus

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and /sys")


@linux
def test_load_of_others_is_seen():
    # The shell ends at once, so that the loop is nobody's child here.
    command = f"{sys.executable} -c 'while True: pass' >&2 & echo $!"
    other = psutil.Process(int(subprocess.check_output(["sh", "-c", command])))
    try:
        while other.cpu_times().user < 0.1:
            time.sleep(0.01)
        assert any("other programs use" in line for line in checks._load(0.5))
    finally:
        other.kill()


class CpuTimes(NamedTuple):
    user: float
    system: float
    idle: float
    iowait: float
    steal: float


class Load:
    """CPU times of a machine with 2 cores, as `psutil` would tell them second by second."""

    def __init__(self, monkeypatch, own, **rates):
        self.seconds = 0.0
        self.rates = {"user": 0.0, "system": 0.0, "idle": 2.0, "iowait": 0.0, "steal": 0.0} | rates
        monkeypatch.setattr(checks.psutil, "cpu_times", self.times)
        monkeypatch.setattr(checks, "_own_cpu_seconds", lambda: own * self.seconds)
        monkeypatch.setattr(checks.time, "sleep", self.sleep)

    def times(self):
        return CpuTimes(*(rate * self.seconds for rate in self.rates.values()))

    def sleep(self, seconds):
        self.seconds += seconds


@pytest.mark.parametrize(
    ("own", "rates", "said"),
    [
        (0.0, {}, []),
        (1.0, {"user": 1.0, "idle": 1.0}, []),  # the load is this program's
        (1.0, {"user": 1.09, "idle": 0.91}, []),
        (1.0, {"user": 1.2, "idle": 0.8}, ["other programs use 10% of the CPU (5% is tolerated)"]),
        (0.0, {"iowait": 1.0, "idle": 1.0}, []),
        (0.0, {"steal": 0.1, "idle": 1.9}, ["the hypervisor gives 5% of the CPU time"]),
    ],
)
def test_load_and_steal(monkeypatch, own, rates, said):
    Load(monkeypatch, own, **rates)
    lines = list(checks._load(1.0))
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


def test_load_that_is_not_counted_is_not_checked(monkeypatch):
    Load(monkeypatch, 0.0, idle=0.0)
    assert next(checks._load(1.0)).startswith("not checked: the load of other programs")


@linux
def test_the_load_of_a_child_is_this_programs_whether_it_goes_on_or_has_ended():
    """CodeCarbon starts some while the machine is checked, and they end before the check does."""
    code = "import time\nwhile time.process_time() < 0.25: pass\nprint(flush=True)\ninput()"
    before = checks._own_cpu_seconds()
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as child:
        child.stdout.readline()
        living = checks._own_cpu_seconds()
        child.communicate(b"\n")
    ended = checks._own_cpu_seconds()
    assert ended >= living >= before + 0.2  # Linux counts in hundredths


@pytest.mark.parametrize(("used", "said"), [(0, []), (3 * 2**29, ["swap is in use (1.50 GB)"])])
def test_swap(monkeypatch, used, said):
    monkeypatch.setattr(checks.psutil, "swap_memory", lambda: SimpleNamespace(used=used))
    assert list(checks._swap()) == said


@pytest.mark.parametrize(
    ("battery", "said"),
    [
        (None, []),
        (SimpleNamespace(power_plugged=True), []),
        (SimpleNamespace(power_plugged=False), ["the machine runs on battery"]),
        (SimpleNamespace(power_plugged=None), ["not checked: whether it runs on battery"]),
    ],
)
def test_battery(monkeypatch, battery, said):
    monkeypatch.setattr(checks.psutil, "sensors_battery", lambda: battery, raising=False)
    lines = list(checks._battery())
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


@pytest.mark.parametrize(
    ("governors", "said"),
    [
        ([], ["not checked: the frequency governor"]),
        (["performance", "performance"], []),
        (["performance", "powersave"], ["the CPU's frequency governor is performance, powersave"]),
    ],
)
def test_governor(monkeypatch, tmp_path, governors, said):
    for number, governor in enumerate(governors):
        folder = tmp_path / f"cpu{number}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n")
    monkeypatch.setattr(checks, "_SYS_CPU", tmp_path)
    lines = list(checks._governor())
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


def test_a_hot_cpu(monkeypatch, tmp_path):
    count = tmp_path / "cpu0" / "thermal_throttle" / "package_throttle_count"
    count.parent.mkdir(parents=True)
    count.write_text("4\n")
    monkeypatch.setattr(checks, "_SYS_CPU", tmp_path)
    load = Load(monkeypatch, 0.0)
    assert list(checks._load(1.0)) == []

    def heat_up(seconds):
        load.sleep(seconds)
        count.write_text("5\n")

    monkeypatch.setattr(checks.time, "sleep", heat_up)
    assert list(checks._load(1.0)) == ["the CPU is slowed down because it is hot"]


@pytest.mark.parametrize(("flags", "doubts"), [("flags : fpu hypervisor", 1), ("flags : fpu", 0)])
def test_virtual_machine(monkeypatch, tmp_path, flags, doubts):
    info = tmp_path / "cpuinfo"
    info.write_text(flags)
    monkeypatch.setattr(checks, "CPU_INFO", info)
    assert len(list(checks._virtual())) == doubts


@linux
@pytest.mark.parametrize(
    ("limit", "said"), [("max 100000", None), ("50000 100000", "may use 0.5 of")]
)
def test_a_containers_limit(monkeypatch, tmp_path, limit, said):
    file = tmp_path / "cpu.max"
    file.write_text(f"{limit}\n")
    monkeypatch.setattr(checks, "_CGROUP_LIMIT", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(os.cpu_count())))
    lines = list(checks._limits())
    assert (lines == []) if said is None else (said in lines[0])


@linux
def test_fewer_cpus_than_the_machine_has(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "_CGROUP_LIMIT", tmp_path / "missing")
    monkeypatch.setattr(checks.psutil, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert "may use 2 of the 64 CPUs" in next(checks._limits())


class Nvml:
    """`pynvml` with one GPU."""

    NVMLError = OSError
    nvmlClocksThrottleReasonSwThermalSlowdown = 0x20  # noqa: N815
    nvmlClocksThrottleReasonHwThermalSlowdown = 0x40  # noqa: N815

    def __init__(self, pids=(), reasons=0):
        self.pids, self.reasons = pids, reasons

    def nvmlDeviceGetComputeRunningProcesses(self, _):  # noqa: N802
        return [SimpleNamespace(pid=pid) for pid in self.pids]

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, _):  # noqa: N802
        if self.reasons is None:
            raise OSError("Not Supported")
        return self.reasons


GPU = Gpus((Gpu(0, "GPU-0", "T4", None),), 1)


@pytest.mark.parametrize(
    ("pids", "said"),
    [
        ([], None),
        ([os.getpid()], None),
        ([1, os.getpid()], "GPU 0 is used by 1 other programs"),
        ([2**22 + 1], "this program may be one of them"),
    ],
)
def test_other_programs_on_the_gpu(monkeypatch, pids, said):
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(pids))
    monkeypatch.setattr(checks, "_family", lambda: ([], [psutil.Process()]))
    lines = list(checks._of_gpus(GPU, "other programs on GPU", checks._processes))
    assert (lines == []) if said is None else (said in lines[0])


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (0, None),
        (0x4, None),  # the power limit, which is how a GPU works
        (0x20, "GPU 0 is slowed down because it is hot"),
        (0x44, "GPU 0 is slowed down because it is hot"),
        (None, "not checked: thermal throttling of GPU 0 (Not Supported)"),
    ],
)
def test_a_hot_gpu(monkeypatch, reasons, said):
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(reasons=reasons))
    lines = list(checks._of_gpus(GPU, "thermal throttling of GPU", checks._throttling))
    assert lines == ([] if said is None else [said])


def test_checks_are_sentences():
    assert all(isinstance(line, str) and line for line in checks.look(0.05))


def test_a_check_that_fails_is_said_and_ends_nothing(monkeypatch):
    def fail():
        raise PermissionError("not allowed")

    monkeypatch.setattr(checks.psutil, "swap_memory", fail)
    lines = checks.look(0.01)
    assert "not checked: swap (not allowed)" in lines
