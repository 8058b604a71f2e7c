"""What is corrected of CodeCarbon 3.3.2; another version may make these fail."""

import time
from types import SimpleNamespace

import codecarbon
import pytest
from codecarbon.core import hardware_cache

from lib.instruments import machine
from lib.instruments.carbon import locate
from lib.instruments.codecarbon_corrections import QuietTracker, TrackerError, _method
from lib.instruments.gpus import Gpus


class Silent:
    """An output handler that keeps nothing."""

    def live_out(self, total, delta):
        pass

    out = live_out

    def exit(self):
        pass


def tracker(location="FRA", interval=1.0):
    return QuietTracker(locate(location), Gpus(), Silent(), interval, "test")


def test_the_version_that_the_rest_of_this_file_is_about():
    assert codecarbon.__version__ == "3.3.2"


def test_codecarbon_reads_its_settings_where_they_are_replaced(monkeypatch):
    monkeypatch.setenv("CODECARBON_MEASURE_POWER_SECS", "7")
    plain = codecarbon.OfflineEmissionsTracker(country_iso_code="FRA", output_methods=[])
    assert plain._measure_power_secs == 7
    quiet = tracker()._tracker
    assert quiet._external_conf == {}
    assert (quiet._measure_power_secs, quiet._tracking_mode) == (1, "machine")
    assert (quiet._allow_multiple_runs, quiet._electricitymaps_api_token) == (True, None)


@pytest.mark.skipif(not machine.CPU_INFO.is_file(), reason="elsewhere CodeCarbon is asked itself")
def test_the_processor_is_known_without_the_second_that_codecarbon_would_spin(monkeypatch):
    from codecarbon.core.util import detect_cpu_model
    from cpuinfo import cpuinfo

    # What it finds first stands, whatever else it looks at.
    theirs = cpuinfo._get_cpu_info_from_proc_cpuinfo()["brand_raw"]
    monkeypatch.setattr("cpuinfo.get_cpu_info", lambda: {"brand_raw": theirs})
    assert machine.cpu_model() == detect_cpu_model.__wrapped__()
    monkeypatch.setattr("cpuinfo.get_cpu_info", lambda: 1 / 0)
    hardware_cache.clear_cache()
    detect_cpu_model.cache_clear()
    assert tracker()._tracker._conf["cpu_model"] == theirs


def cpu(mode, tdp, model="AMD Ryzen 7 3700X", generic=False):
    from codecarbon.external.hardware import CPU

    made = object.__new__(CPU)
    made.__dict__.update(_mode=mode, _tdp=tdp, _model=model, _is_generic_tdp=generic)
    return made


@pytest.mark.parametrize(
    ("item", "component", "method"),
    [
        (cpu("intel_rapl", None), "cpu", "measured counter (RAPL)"),
        (cpu("windows_emi", None), "cpu", "measured counter (Windows Energy Meter Interface)"),
        (cpu("cpu_load", 65.0), "cpu", "load model (TDP 65 W)"),
        (cpu("cpu_load", 8, "AMD EPYC"), "cpu", "load model (TDP 8 W, a guess)"),
        (cpu("cpu_load", 85, generic=True), "cpu", "load model (TDP 85 W, a guess)"),
        (cpu("cpu_load", 85, None), "cpu", "load model (TDP 85 W, a guess)"),
        (cpu("constant", 85, "Unknown"), "cpu", "constant (half of TDP 85 W, a guess)"),
        (SimpleNamespace(chip_part="RAM"), "ram", "measured power, sampled (PMIC)"),
    ],
)
def test_how_a_component_was_obtained(item, component, method):
    name, found = _method(item)
    assert (name, found.method) == (component, method)


def test_the_methods_of_this_machine():
    quiet = tracker()
    methods = quiet.methods()
    assert set(methods) == {"cpu", "gpu", "ram"}
    assert methods["ram"].method == f"model ({quiet.ram_power():.3g} W)"
    assert methods["gpu"].reason == "CodeCarbon finds no GPU"


def test_a_gpu_that_only_nvml_finds_is_told():
    quiet = tracker()
    quiet._gpus = SimpleNamespace(selected=("a GPU",), reason=None)
    assert "NVML finds a GPU and CodeCarbon none" in quiet.methods()["gpu"].reason


def test_codecarbon_that_cannot_be_set_up_says_why(monkeypatch):
    # The constructor swallows every exception and goes on half made.
    monkeypatch.setattr(
        codecarbon.OfflineEmissionsTracker, "_initialize_runtime_state", lambda _: 1 / 0
    )
    with pytest.raises(TrackerError, match="could not be set up: ZeroDivisionError"):
        tracker()


def test_codecarbon_that_does_not_start_says_why(monkeypatch):
    quiet = tracker()
    monkeypatch.setattr(quiet._tracker, "_clear_utilization_history", lambda: 1 / 0)
    with pytest.raises(TrackerError, match="did not start: ZeroDivisionError"):
        quiet.start()


def test_a_slow_measurement_neither_loses_nor_repeats_time(monkeypatch):
    # Left alone, CodeCarbon loses what a measurement takes, and counts twice where two overlap.
    from codecarbon.external.hardware import CPU

    real = CPU.measure_power_and_energy

    def slow(self, last_duration):
        time.sleep(0.075)
        return real(self, last_duration)

    monkeypatch.setattr(CPU, "measure_power_and_energy", slow)
    quiet = tracker(interval=0.05)
    quiet.start()
    time.sleep(0.6)
    quiet.stop()
    data = quiet._tracker.final_emissions_data
    assert data.ram_energy * 3.6e6 / data.duration == pytest.approx(
        quiet.ram_power(), rel=0.03 + 0.15
    )
    assert data.ram_energy * 3.6e6 <= quiet.ram_power() * data.duration


def test_after_stop_nothing_is_measured():
    quiet = tracker(interval=0.03)
    quiet.start()
    time.sleep(0.1)
    quiet.stop()
    energy = quiet._tracker._total_energy.kWh
    assert quiet.measure() is None
    time.sleep(0.1)
    assert quiet._tracker._total_energy.kWh == energy


def test_what_is_logged_while_it_runs_is_kept_and_not_printed(capfd):
    first = tracker()
    first.start()
    second = tracker()  # its search for hardware is no news to the first
    second.start()
    codecarbon.emissions_tracker.logger.warning("something odd")
    first.stop()
    codecarbon.emissions_tracker.logger.warning("something else")
    second.stop()
    codecarbon.emissions_tracker.logger.warning("after all")
    assert first.log == ("something odd",)
    assert second.log == ("something odd", "something else")
    assert capfd.readouterr().err == ""
