"""What is corrected of CodeCarbon: its tracker with the traps removed, and its row checked.

Everything private of CodeCarbon is used here only. Pinned to CodeCarbon 3.3.2:
`tests/instruments/test_codecarbon_corrections.py` fails where another version differs.
"""

import configparser
import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.files import without_home
from lib.instruments import COMPONENTS, RAM_TOLERANCE, Component, machine
from lib.instruments.carbon import Location
from lib.instruments.gpus import Gpus
from lib.patching import replaced
from lib.study.errors import UserError
from lib.units import mean_power

IMPLAUSIBLE_POWER = 10_000.0
"""W. A RAPL counter that restarts is taken for one that wrapped: 261 kJ in one sample."""

RAPL = Path("/sys/class/powercap/intel-rapl")

_BOILERPLATE = (
    "graceful shutdown. Exceptions:",
    "stopping.",
    "Multiple instances of codecarbon are allowed to run at the same time.",
)


class TrackerError(UserError, RuntimeError):
    """CodeCarbon did not start."""


class QuietTracker:
    """One `OfflineEmissionsTracker` that asks nobody, prints nothing and measures one at a time.

    - Its settings are those given here: the file `.codecarbon.config` in the home or working folder
      and CODECARBON_* variables are not read.
    - It takes no lock, so the lock file that a killed tracker leaves can't stop a run.
    - It counts the GPUs that CUDA may use. Left alone it counts all of them if
      CUDA_VISIBLE_DEVICES is empty, and none if it names GPUs by UUID.
    - Every second is counted once. CodeCarbon's measurements have no lock of their own, so that two
      which overlap count the same seconds twice; and the time that a measurement itself takes is
      lost (2 % beside a busy Python thread).
    - What it would print goes into `log`.
    - Of an unknown location, emissions are computed as 0 and to be ignored.
    - `handler` is called after every measurement, `interval` s apart, as its output handlers are.

    Raises:
        TrackerError: If CodeCarbon could not be set up.
    """

    def __init__(self, location: Location, gpus: Gpus, handler: Any, interval: float, project: str):
        import cpuinfo
        from codecarbon import OfflineEmissionsTracker, emissions_tracker
        from codecarbon.external.hardware import GPU

        self._gpus = gpus
        self._log = _LogCollector()
        self._lock = threading.RLock()
        place: dict[str, Any] = {"force_carbon_intensity_g_co2e_kwh": 0.0}
        if location.carbon_intensity is not None:
            place = {"country_iso_code": location.country_iso_code, "region": location.region}
        with replaced(
            emissions_tracker, get_hierarchical_config=dict, set_logger_format=lambda *_: None
        ):
            self._tracker: Any = OfflineEmissionsTracker(
                project_name=project,
                measure_power_secs=interval,
                tracking_mode="machine",
                api_call_interval=1,
                output_methods=[],
                output_handlers=[handler],
                gpu_ids=[gpu.index for gpu in gpus.selected] if gpus.installed else None,
                allow_multiple_runs=True,
                log_level="warning",
                **place,
            )
        if not hasattr(self._tracker, "run_id"):
            self._log.remove()
            raise TrackerError(f"CodeCarbon could not be set up: {'; '.join(self._log.messages)}")
        processor = {"brand_raw": machine.cpu_model()}
        with replaced(cpuinfo, get_cpu_info=lambda: processor):
            self._tracker._ensure_hardware_ready()
        if gpus.installed and not gpus.selected:
            # Its cache of detected hardware takes "no GPU" for "all GPUs".
            self._tracker._hardware = [h for h in self.hardware if not isinstance(h, GPU)]
        # Otherwise the first measurement would read files and import modules.
        self._tracker._ensure_geo_metadata()
        self._tracker._ensure_cloud_conf()
        self._tracker._ensure_emissions_engine()
        for item in self.hardware:
            item.measure_power_and_energy = self._timed(item.measure_power_and_energy)
        exclusive = self._exclusive(self._tracker._measure_power_and_energy)
        vars(self._tracker)["_measure_power_and_energy"] = exclusive
        assert self._tracker._scheduler is not None
        self._tracker._scheduler.function = exclusive

    def _timed(self, measure: Callable[..., Any]) -> Callable[..., Any]:
        """Let a component measure from where it measured last, not from where all were done."""
        last: float | None = None

        def timed(last_duration: float) -> Any:
            nonlocal last
            begin = self._tracker._start_time if last is None else last
            last = time.perf_counter()
            assert begin is not None, "it was started"
            return measure(last_duration=last - begin)

        return timed

    def _exclusive(self, measure: Callable[[], None]) -> Callable[[], None]:
        """Let measurements wait for each other; one that fails is logged and ends nothing."""

        def exclusive() -> None:
            with self._lock:
                if self._tracker._start_time is None:
                    return
                try:
                    measure()
                except Exception:
                    logging.getLogger("codecarbon").warning("measurement failed", exc_info=True)

        return exclusive

    @property
    def hardware(self) -> Sequence[Any]:
        """CodeCarbon's objects for CPU, GPU and RAM."""
        return self._tracker._hardware

    @property
    def log(self) -> tuple[str, ...]:
        """Warnings and errors since the measurement started."""
        return tuple(self._log.messages)

    def start(self) -> None:
        """Begin to measure.

        Raises:
            TrackerError: If CodeCarbon did not begin.
        """
        # What it said while it looked for hardware is told by `methods`.
        self._log.share()
        self._tracker.start()
        if self._tracker._start_time is None or not self._tracker._power_measurement_count:
            self._log.remove()
            raise TrackerError(f"CodeCarbon did not start: {'; '.join(self._log.messages)}")

    def measure(self) -> float | None:
        """Measure now: kWh since the start; None before and after."""
        with self._lock:
            self._tracker._measure_power_and_energy()
            started = self._tracker._start_time is not None
            return self._tracker._total_energy.kWh if started else None

    def stop(self) -> None:
        """End the measurement; CodeCarbon hands its row to the handler's `out`."""
        with self._lock:
            # Left alone, CodeCarbon drops what came after a measurement less than 0.05 s ago.
            self._tracker._measure_power_and_energy()
            self._tracker.stop()
        self._log.remove()

    def methods(self) -> dict[str, Component]:
        """How CodeCarbon obtains each component's energy; `energy` is yet to be filled in."""
        found = dict(_method(item) for item in self.hardware)
        return {name: Component(None, "none", self._absent(name)) for name in COMPONENTS} | found

    def _absent(self, name: str) -> str:
        if name == "gpu" and self._gpus.selected:
            return "NVML finds a GPU and CodeCarbon none, as where nvidia-smi is not installed"
        if name == "gpu" and self._gpus.reason:
            return self._gpus.reason
        return f"CodeCarbon finds no {name.upper()}"

    def ram_power(self) -> float | None:
        """Watts that CodeCarbon's model gives the memory; None where it is measured."""
        from codecarbon.external.ram import RAM

        return next((h.total_power().W for h in self.hardware if isinstance(h, RAM)), None)


def ignored_settings() -> tuple[str, ...]:
    """What CodeCarbon would have taken from files and the environment, and from where.

    Names only: values may be secret.
    """
    from codecarbon.core import config

    try:
        _, sources = config.get_hierarchical_config_with_sources()
    except (configparser.Error, UnicodeDecodeError, OSError, RuntimeError) as error:
        return (f"{config.CONFIG_FILE_NAME} (which can't be read: {type(error).__name__})",)
    return tuple(
        f"{key} ({source if source.startswith('CODECARBON_') else Path(source).name})"
        for key, source in sorted(sources.items())
    )


def _method(item: Any) -> tuple[str, Component]:
    """Name the component that a hardware object of CodeCarbon stands for, and its method."""
    from codecarbon.core.gpu_amd import AMDGPUDevice
    from codecarbon.external import hardware
    from codecarbon.external.ram import RAM

    if isinstance(item, RAM):
        return "ram", Component(None, f"model ({item.total_power().W:.3g} W)")
    if isinstance(item, hardware.CPU):
        return "cpu", Component(None, _cpu_method(item))
    if isinstance(item, hardware.GPU):
        devices = [d for d in item.devices.devices if d.gpu_index in item._get_gpu_ids()]
        library = "AMD SMI" if any(isinstance(d, AMDGPUDevice) for d in devices) else "NVML"
        if any(d._use_power_fallback for d in devices):
            return "gpu", Component(None, f"measured power, sampled ({library})")
        return "gpu", Component(None, f"measured counter ({library})")
    if isinstance(item, hardware.AppleSiliconChip):
        return item.chip_part.lower(), Component(None, "measured counter (powermetrics)")
    return item.chip_part.lower(), Component(None, "measured power, sampled (PMIC)")


def _cpu_method(cpu: Any) -> str:
    counters = {
        "intel_rapl": "RAPL",
        "windows_emi": "Windows Energy Meter Interface",
        "intel_power_gadget": "Intel Power Gadget",
    }
    if cpu._mode in counters:
        return f"measured counter ({counters[cpu._mode]})"
    guess = "" if _knows_tdp(cpu) else ", a guess"
    model = "constant (half of TDP" if cpu._mode == "constant" else "load model (TDP"
    return f"{model} {cpu._tdp:g} W{guess})"


def _knows_tdp(cpu: Any) -> bool:
    """Whether the TDP is from CodeCarbon's list; its own flag is not set for 4 W a thread."""
    from codecarbon.core import cpu as cpu_module
    from codecarbon.core.hardware_cache import get_cached_tdp

    listed = get_cached_tdp(cpu_module)._get_cpu_power_from_registry(cpu._model or "")
    return listed is not None and not cpu._is_generic_tdp


def check_component(
    name: str, method: Component, row: Mapping[str, Any], peak: Mapping[str, float]
) -> Component:
    """Take a component's energy from CodeCarbon's row if it can be true, by its peak (W) too."""
    if method.method == "none":
        return method
    energy, reason = row[f"{name}_energy"], None
    if energy < 0:
        reason = f"CodeCarbon reports a negative energy, {energy:.3g} kWh"
    elif energy == 0:
        reason = f"CodeCarbon reports no energy in {row['duration']:.3g} s"
    elif peak[name] > IMPLAUSIBLE_POWER:
        reason = f"CodeCarbon reports {peak[name]:.3g} W, as if a counter had restarted"
    return dataclasses.replace(method, energy=None if reason else energy, reason=reason)


def check_row(row: Mapping[str, Any], ram_power: float | None, location: Location) -> list[str]:
    """What does not agree of figures in CodeCarbon's row that must, one sentence each.

    `ram_power` is that of its model, W; None if RAM is measured. The carbon intensity of the
    location is what it should have used.
    """
    doubts = []
    mean = mean_power(row["ram_energy"], row["duration"])
    if ram_power and abs(mean / ram_power - 1) > RAM_TOLERANCE:
        doubts.append(
            f"RAM drew {mean:.3g} W by its energy and {ram_power:.3g} W by CodeCarbon's model: "
            f"of the {row['duration']:.3g} s some were counted twice or not at all"
        )
    expected = location.emissions(row["energy_consumed"])
    if expected is not None and not math.isclose(row["emissions"], expected, rel_tol=1e-3):
        doubts.append(
            f"CodeCarbon's emissions, {row['emissions']:.3g} kg, are not its energy times the "
            f"carbon intensity, {expected:.3g} kg"
        )
    return doubts


class _LogCollector(logging.Handler):
    """Keeps what CodeCarbon warns of, in place of what would print it.

    While a tracker looks for hardware its collector listens alone: what is said then is no news to
    a tracker that runs already.
    """

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._logger = logging.getLogger("codecarbon")
        self._others = [h for h in self._logger.handlers if isinstance(h, _LogCollector)]
        self._logger.handlers = [self]

    def share(self) -> None:
        """Forget what was said, and let others listen as well."""
        self.messages.clear()
        self._logger.handlers = [*self._others, self]
        self._others = []

    def remove(self) -> None:
        """Stop listening."""
        others = [h for h in (*self._logger.handlers, *self._others) if h is not self]
        # Without any handler, Python would print warnings by itself.
        self._logger.handlers = others or [logging.NullHandler()]

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message, or the exception if there is one; the home folder as `~`."""
        message = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            message = f"{record.exc_info[0].__name__}: {record.exc_info[1]}"
        message = without_home(message)
        if message not in (*_BOILERPLATE, *self.messages):
            self.messages.append(message)
