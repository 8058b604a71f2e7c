import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from lib.instruments import Component
from lib.instruments.carbon import Location, locate
from lib.instruments.codecarbon import CodeCarbon, find_hardware
from lib.instruments.codecarbon_corrections import check_component, check_row
from lib.instruments.trace import PowerTrace, read_trace
from lib.units import JOULES_PER_KWH
from tests.instruments.fake_nvml import FakeGpu

OREGON = locate("USA/oregon")
NOWHERE = locate(None)
ROOT = Path(__file__).resolve().parents[2]


def energy_of(trace):
    """kWh that a trace shows: mean powers times their intervals."""
    power = trace[["cpu_power", "gpu_power", "ram_power"]].sum(axis=1)
    return (power * trace["interval"]).sum() / JOULES_PER_KWH


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch, tmp_path_factory):
    """Whoever runs the tests may have settings of their own."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    for name in [name for name in os.environ if name.lower().startswith("codecarbon_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def steady_cpu(monkeypatch):
    """A CPU that CodeCarbon takes to draw 50 W."""
    from codecarbon.core.units import Power
    from codecarbon.external.hardware import CPU

    monkeypatch.setattr(CPU, "_get_power_from_cpus", lambda _: Power.from_watts(50))


def busy(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def measure(location, folder, seconds=0.05, interval=0.1, work=time.sleep, **arguments):
    instrument = CodeCarbon(location, folder, interval=interval, **arguments)
    instrument.start()
    work(seconds)
    return instrument.stop()


def joules(energy):
    return energy * JOULES_PER_KWH


def row_of(folder):
    table = pd.read_csv(folder / "emissions.csv")
    assert len(table) == 1
    return table.iloc[0]


def test_several_at_once_each_measure_a_busy_loop_of_known_length(tmp_path, steady_cpu):
    """Whatever the interval, each measures the whole machine."""
    measure(OREGON, tmp_path / "first")  # looks for hardware, once a process
    clock, started = time.perf_counter, []
    for interval in (0.25, 1.0, 10.0):
        instrument = CodeCarbon(OREGON, tmp_path / f"{interval}", interval=interval)
        outside = clock()
        instrument.start()
        started.append((interval, instrument, outside, clock()))
    busy(3)
    for interval, instrument, outside, inside in started:
        shortest = clock() - inside
        reading = instrument.stop()
        longest = clock() - outside
        seconds = reading.duration
        # The two are the same to the percent, unless others slow this machine down meanwhile.
        assert shortest * 0.99 <= seconds <= longest * 1.01
        assert joules(reading.components["cpu"].energy) == pytest.approx(50 * seconds, rel=0.01)
        ram = float(reading.components["ram"].method.removeprefix("model (").removesuffix(" W)"))
        assert joules(reading.components["ram"].energy) == pytest.approx(ram * seconds, rel=0.01)
        assert max(1, 1.5 / interval) <= reading.samples <= longest / interval + 1
        assert reading.doubts == ()
    assert len({row_of(tmp_path / f"{interval}")["run_id"] for interval, *_ in started}) == 3


def test_the_row_the_trace_and_the_reading_agree(tmp_path):
    reading = measure(OREGON, tmp_path / "run-7", 1.0, work=busy)
    row = row_of(tmp_path / "run-7")
    trace = read_trace(tmp_path / "run-7" / "power.csv")
    energy = reading.energy_consumed
    assert energy == pytest.approx(row["energy_consumed"])
    assert energy == pytest.approx(energy_of(trace), rel=1e-6)
    assert energy == pytest.approx(trace["energy_consumed"].iloc[-1])
    assert reading.duration == row["duration"] == pytest.approx(trace["interval"].sum(), rel=0.01)
    assert reading.samples == len(trace)
    assert reading.details["emissions"] == pytest.approx(row["emissions"], rel=1e-6)
    assert reading.details["emissions"] == pytest.approx(energy * OREGON.carbon_intensity / 1000)
    sound = trace[trace["interval"] >= 0.05]
    peak = sound[["cpu_power", "ram_power"]].sum(axis=1).max()
    assert reading.details["peak_power"] == pytest.approx(peak)
    assert (row["project_name"], row["tracking_mode"]) == ("run-7", "machine")
    assert (row["country_iso_code"], row["region"]) == ("USA", "oregon")
    # One of at least one core was busy; CodeCarbon's own mean begins with zeros.
    assert row["cpu_utilization_percent"] > 80 / os.cpu_count()


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.3])
def test_a_short_run_loses_nothing(tmp_path, steady_cpu, seconds):
    reading = measure(OREGON, tmp_path, seconds, interval=1.0)
    cpu = joules(reading.components["cpu"].energy)
    assert cpu > 0
    # Where others compute too, some 40 ms may pass between the clock and the counter.
    assert cpu == pytest.approx(50 * reading.duration, rel=0.1, abs=2)
    if seconds > 0.1:
        assert reading.details["peak_power"] == pytest.approx(cpu / reading.duration + 20, rel=0.3)
    assert reading.samples == 1


def test_of_an_unknown_location_there_is_energy_and_nothing_else(tmp_path):
    reading = measure(NOWHERE, tmp_path)
    assert reading.energy_consumed > 0
    assert reading.details["emissions"] is None
    assert reading.details["emissions_rate"] is None
    assert reading.details["emissions_reason"] == "no location is configured"
    row = row_of(tmp_path)
    claims = ["emissions", "emissions_rate", "country_name", "country_iso_code", "region"]
    assert row[claims].isna().all()
    assert row["energy_consumed"] > 0


def test_an_ignored_region_is_said_to_be(tmp_path):
    reading = measure(locate("FRA/ile-de-france"), tmp_path)
    assert "region 'ile-de-france' is ignored" in reading.doubts[0]
    assert row_of(tmp_path)["emissions"] == pytest.approx(reading.details["emissions"], rel=1e-6)


def test_the_files_name_nobody_and_no_place(tmp_path):
    measure(OREGON, tmp_path / "run")
    text = "".join(path.read_text() for path in (tmp_path / "run").iterdir())
    for private in (str(Path.home()), socket.gethostname(), str(tmp_path), str(ROOT)):
        assert private not in text
    assert row_of(tmp_path / "run")[["longitude", "latitude"]].isna().all()


@pytest.mark.parametrize("location", [OREGON, NOWHERE], ids=["known", "unknown"])
def test_nobody_is_asked(tmp_path, monkeypatch, location):
    asked = []

    def forbidden(*arguments, **_):
        asked.append(arguments)
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    reading = measure(location, tmp_path)
    assert reading.energy_consumed > 0
    assert asked == []


def test_nothing_is_printed(tmp_path, capfd):
    measure(NOWHERE, tmp_path)
    assert capfd.readouterr() == ("", "")


def test_settings_in_home_and_environment_are_ignored_and_said_to_be(tmp_path, monkeypatch):
    plain = measure(OREGON, tmp_path / "plain")
    text = "[codecarbon]\nforce_ram_power = 500\npue = -3\napi_key = secret\nsave_to_api = true\n"
    (Path.home() / ".codecarbon.config").write_text(text)
    monkeypatch.setenv("CODECARBON_MEASURE_POWER_SECS", "often")
    monkeypatch.setenv("CODECARBON_TRACKING_MODE", "process")
    reading = measure(OREGON, tmp_path / "run")
    assert reading.details["tracking_mode"] == "machine"
    assert reading.components["ram"].method == plain.components["ram"].method
    ignored = reading.details["ignored_settings"]
    for name in ("force_ram_power (.codecarbon.config)", "pue", "CODECARBON_TRACKING_MODE"):
        assert name in ignored
    assert "secret" not in str(reading)
    assert any("settings of CodeCarbon were ignored" in doubt for doubt in reading.doubts)
    assert plain.details["ignored_settings"] is None


@pytest.mark.parametrize("content", [b"force_cpu_power = 9\n", b"\xff\xfe\x00", b"[a]\n[a]\n"])
def test_a_broken_configuration_file_breaks_nothing(tmp_path, content):
    (Path.home() / ".codecarbon.config").write_bytes(content)
    reading = measure(OREGON, tmp_path)
    assert reading.energy_consumed > 0
    assert "can't be read" in reading.details["ignored_settings"]
    assert len(row_of(tmp_path))


def test_a_lock_that_a_killed_tracker_left_stops_nothing(tmp_path, monkeypatch):
    lock = tmp_path / ".codecarbon.lock"
    lock.touch()
    monkeypatch.setattr("codecarbon.lock.LOCKFILE", str(lock))
    assert measure(OREGON, tmp_path / "run").energy_consumed > 0
    assert lock.exists()


def test_one_after_the_other_do_not_add_up(tmp_path, steady_cpu):
    readings = [measure(OREGON, tmp_path / str(number), 0.5) for number in range(3)]
    for reading in readings:
        cpu = joules(reading.components["cpu"].energy)
        assert cpu == pytest.approx(50 * reading.duration, rel=0.05)
        assert reading.duration < 5


def test_a_used_instrument_refuses_to_start_again(tmp_path):
    instrument = CodeCarbon(OREGON, tmp_path, interval=0.2)
    instrument.start()
    instrument.stop()
    with pytest.raises(RuntimeError, match="make a new one for every run"):
        instrument.start()


def test_an_instrument_that_was_not_started(tmp_path):
    instrument = CodeCarbon(OREGON, tmp_path)
    assert instrument.latest is None
    assert instrument.energy_so_far() is None
    with pytest.raises(RuntimeError, match="not started"):
        instrument.stop()


def test_a_second_attempt_leaves_one_row(tmp_path):
    measure(OREGON, tmp_path)
    measure(OREGON, tmp_path)
    assert len(row_of(tmp_path))


def test_a_kill_leaves_the_trace_and_no_row(tmp_path):
    folder = tmp_path / "run"
    program = f"""
        import os, signal, sys, time
        from pathlib import Path
        from lib.instruments.codecarbon import CodeCarbon
        from lib.instruments.carbon import locate
        instrument = CodeCarbon(locate("FRA"), Path({str(folder)!r}), interval=0.05)
        instrument.start()
        time.sleep(0.25)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "emissions.csv").exists()
    trace = read_trace(folder / "power.csv")
    assert len(trace) >= 3
    assert energy_of(trace) > 0
    measure(OREGON, folder)
    assert len(row_of(folder))


def test_an_idle_baseline_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert measure(OREGON, None).energy_consumed > 0
    assert list(tmp_path.iterdir()) == []


def test_several_measurements_share_a_trace(tmp_path):
    trace = PowerTrace(tmp_path / "power.csv", phase="idle")
    idle = measure(OREGON, None, trace=trace)
    trace.mark("training")
    training = measure(OREGON, tmp_path / "run", trace=trace)
    trace.close()
    table = read_trace(tmp_path / "power.csv")
    for phase, reading in (("idle", idle), ("training", training)):
        part = table[table["phase"] == phase]
        assert energy_of(part) == pytest.approx(reading.energy_consumed, rel=1e-6)
    assert not (tmp_path / "run" / "power.csv").exists()


def test_what_is_known_while_it_runs(tmp_path, steady_cpu):
    instrument = CodeCarbon(OREGON, tmp_path, interval=10)
    instrument.start()
    assert instrument.latest is None
    started = time.perf_counter()
    time.sleep(0.5)
    energy = instrument.energy_so_far()
    elapsed = time.perf_counter() - started
    latest = instrument.latest
    assert joules(energy) == pytest.approx(latest.power * elapsed, rel=0.1)
    assert latest.power > 50
    assert latest.energy_consumed == energy
    reading = instrument.stop()
    assert instrument.energy_so_far() is None
    assert reading.energy_consumed >= energy


def test_asking_often_counts_nothing_twice(tmp_path, steady_cpu):
    instrument = CodeCarbon(OREGON, tmp_path, interval=0.1)
    instrument.start()
    end = time.perf_counter() + 1

    def ask():
        while time.perf_counter() < end:
            instrument.energy_so_far()

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    reading = instrument.stop()
    assert joules(reading.components["cpu"].energy) == pytest.approx(
        50 * reading.duration, rel=0.02
    )
    trace = read_trace(tmp_path / "power.csv")
    assert energy_of(trace) == pytest.approx(reading.energy_consumed, rel=1e-6)
    assert trace["interval"].min() > 0


def test_codecarbon_that_fails_leaves_an_empty_reading_with_the_reason(tmp_path, monkeypatch):
    from codecarbon import OfflineEmissionsTracker

    instrument = CodeCarbon(OREGON, tmp_path, interval=10)
    instrument.start()

    def fail(_):
        raise ValueError(f"no luck in {Path.home()}")

    monkeypatch.setattr(OfflineEmissionsTracker, "_prepare_emissions_data", fail)
    time.sleep(0.2)
    reading = instrument.stop()
    assert reading.energy_consumed is None
    assert 0.2 <= reading.duration < 2
    assert "0 rows in place of one" in reading.components["cpu"].reason
    assert any("no luck in ~" in doubt for doubt in reading.doubts)
    assert not (tmp_path / "emissions.csv").exists()


def test_a_full_disk_does_not_stop_the_training(tmp_path, monkeypatch, capfd):
    trace = PowerTrace(tmp_path / "power.csv")
    instrument = CodeCarbon(OREGON, tmp_path, trace, interval=0.05)
    instrument.start()

    def full(**_):
        raise OSError("No space left on device")

    monkeypatch.setattr(trace, "add", full)
    time.sleep(0.25)
    assert instrument.energy_so_far() > 0
    reading = instrument.stop()
    assert "No space left on device" in "".join(reading.doubts)
    assert capfd.readouterr().err == ""


ROW = {
    "duration": 100.0,
    "cpu_energy": 50 * 100 / JOULES_PER_KWH,
    "ram_energy": 20 * 100 / JOULES_PER_KWH,
    "energy_consumed": 70 * 100 / JOULES_PER_KWH,
    "emissions": 70 * 100 / JOULES_PER_KWH * 0.5,
}
PLACE = Location(carbon_intensity=500.0)


@pytest.mark.parametrize(
    ("watts", "doubted"),
    [(20, False), (20.5, False), (19.5, False), (20.7, True), (19.3, True), (40, True)],
)
def test_ram_energy_must_be_ram_power_times_time(watts, doubted):
    row = ROW | {"ram_energy": watts * 100 / JOULES_PER_KWH}
    doubts = check_row(row, 20.0, PLACE)
    assert ("counted twice or not at all" in "".join(doubts)) == doubted


def test_emissions_must_be_energy_times_intensity():
    assert check_row(ROW, 20.0, PLACE) == []
    assert "are not its energy times" in check_row(ROW | {"emissions": 1.0}, 20.0, PLACE)[0]
    assert check_row(ROW | {"emissions": None}, None, NOWHERE) == []


@pytest.mark.parametrize(
    ("energy", "peak", "reason"),
    [
        (1e-3, 60.0, None),
        (-1e-6, 60.0, "a negative energy, -1e-06 kWh"),
        (0.0, 0.0, "no energy in 100 s"),
        (0.0726, 261_104.0, "as if a counter had restarted"),
    ],
)
def test_energy_that_cannot_be_is_none_with_a_reason(energy, peak, reason):
    method = Component(None, "measured counter (RAPL)")
    component = check_component("cpu", method, ROW | {"cpu_energy": energy}, {"cpu": peak})
    assert component.method == method.method
    if reason is None:
        assert (component.energy, component.reason) == (energy, None)
    else:
        assert component.energy is None
        assert reason in component.reason


class Rapl:
    """A RAPL counter in files, of a CPU that draws 30 W; as Linux shows them."""

    def __init__(self, folder):
        zone = folder / "intel-rapl:0"
        zone.mkdir(parents=True)
        (zone / "name").write_text("package-0\n")
        (zone / "max_energy_range_uj").write_text("262143328850\n")
        self.file = zone / "energy_uj"
        self.counted = 1e9
        self.running = True
        self.write(time.perf_counter())
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def write(self, since):
        new = self.file.with_suffix(".new")
        new.write_text(f"{int(self.counted + 30e6 * (time.perf_counter() - since))}\n")
        new.replace(self.file)

    def run(self):
        since = time.perf_counter()
        while self.running:
            self.write(since)
            time.sleep(0.005)

    def stop(self):
        self.running = False
        self.thread.join()


@pytest.fixture
def rapl(tmp_path, monkeypatch, nvml):
    from codecarbon.core import cpu
    from codecarbon.external import hardware

    nvml(None)
    counter = Rapl(tmp_path / "powercap")
    original = hardware.IntelRAPL
    monkeypatch.setattr(cpu, "is_rapl_available", lambda: True)
    monkeypatch.setattr(
        hardware,
        "IntelRAPL",
        lambda **arguments: original(**arguments | {"rapl_dir": str(tmp_path / "powercap")}),
    )
    yield counter
    counter.stop()


def test_a_cpu_with_energy_counters(tmp_path, rapl):
    reading = measure(OREGON, tmp_path / "run", 1.0)
    cpu = reading.components["cpu"]
    assert cpu.method == "measured counter (RAPL)"
    assert joules(cpu.energy) == pytest.approx(30 * reading.duration, rel=0.05)
    trace = read_trace(tmp_path / "run" / "power.csv")
    mean = (trace["cpu_power"] * trace["interval"]).sum() / trace["interval"].sum()
    assert mean == pytest.approx(30, rel=0.05)


def test_a_cpu_counter_that_restarts_is_no_wrap(tmp_path, rapl):
    # CodeCarbon adds the counter's range, 262 kJ: as much as the machine draws in hours.
    instrument = CodeCarbon(OREGON, tmp_path / "run", interval=0.1)
    instrument.start()
    time.sleep(0.25)
    rapl.counted = 0.0
    time.sleep(0.25)
    reading = instrument.stop()
    assert reading.components["cpu"].energy is None
    assert "as if a counter had restarted" in reading.components["cpu"].reason
    assert reading.energy_consumed is None
    assert reading.details["emissions"] is None


GPUS = [
    FakeGpu("GPU-aaaa0000", "NVIDIA T4", watts=100),
    FakeGpu("GPU-bbbb0000", "NVIDIA A100", watts=300),
]


@pytest.mark.parametrize(
    ("visible", "watts", "model"),
    [
        (None, 400, "1 x NVIDIA T4, 1 x NVIDIA A100"),
        ("1", 300, "1 x NVIDIA A100"),
        # CodeCarbon strips the letters of "MIG-" from "GPU-bbbb" and finds nothing.
        ("GPU-bbbb", 300, "1 x NVIDIA A100"),
    ],
)
def test_the_gpus_that_cuda_may_use_are_counted(tmp_path, nvml, monkeypatch, visible, watts, model):
    nvml(GPUS)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    reading = measure(OREGON, tmp_path, 0.5)
    gpu = reading.components["gpu"]
    assert gpu.method == "measured counter (NVML)"
    # Where others compute too, some 50 ms may pass between the clock and the counter.
    expected = pytest.approx(watts * reading.duration, rel=0.02, abs=0.05 * watts)
    assert joules(gpu.energy) == expected
    row, trace = row_of(tmp_path), read_trace(tmp_path / "power.csv")
    assert (row["gpu_model"], row["gpu_count"]) == (model, 2 if visible is None else 1)
    assert trace["gpu_power"].mean() == pytest.approx(watts, rel=0.05)
    assert (trace["gpu_temperature"] == 55).all()
    assert (trace["gpu_utilization_percent"] == 80).all()


def test_hidden_gpus_are_not_counted_even_by_the_second_tracker(tmp_path, nvml, monkeypatch):
    nvml(GPUS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for attempt in ("first", "second"):
        reading = measure(OREGON, tmp_path / attempt)
        assert reading.components["gpu"] == Component(
            None, "none", "CUDA_VISIBLE_DEVICES hides all GPUs"
        )
        assert row_of(tmp_path / attempt)["gpu_count"] == 0
        assert read_trace(tmp_path / attempt / "power.csv")["gpu_power"].isna().all()


def test_a_gpu_without_a_counter_is_sampled(tmp_path, nvml):
    nvml([FakeGpu("GPU-cccc0000", watts=60, has_counter=False)])
    reading = measure(OREGON, tmp_path, 1.0)
    gpu = reading.components["gpu"]
    assert gpu.method == "measured power, sampled (NVML)"
    assert joules(gpu.energy) == pytest.approx(60 * reading.duration, rel=0.03)


def test_a_missing_gpu_is_none_with_a_reason_and_never_0(tmp_path, nvml, monkeypatch):
    nvml(None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    reading = measure(OREGON, tmp_path)
    gpu = reading.components["gpu"]
    assert (gpu.energy, gpu.method) == (None, "none")
    assert "NVML Shared Library Not Found" in gpu.reason
    assert row_of(tmp_path)["gpu_count"] == 0
    assert reading.energy_consumed > 0


def test_a_gpu_that_codecarbon_does_not_see_is_missed(tmp_path, nvml, monkeypatch):
    nvml(GPUS[:1])
    monkeypatch.setattr("codecarbon.core.gpu.is_nvidia_system", lambda: False)
    reading = measure(OREGON, tmp_path)
    assert reading.components["gpu"].method == "none"
    assert "the energy of the GPU is not in the sum: NVML finds a GPU" in reading.doubts[0]


def test_finding_the_hardware_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(threading.enumerate())
    find_hardware(locate("FRA"))
    assert set(threading.enumerate()) == before
    assert not list(tmp_path.iterdir())
