"""CodeCarbon as an instrument: one tracker a run, its figures checked before they are believed.

What is corrected of it: `codecarbon_corrections`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lib.files import write_atomically
from lib.instruments import Reading, empty_reading
from lib.instruments.carbon import Location
from lib.instruments.codecarbon_corrections import (
    RAPL,
    QuietTracker,
    check_component,
    check_row,
    ignored_settings,
)
from lib.instruments.gpus import Gpus, visible_gpus
from lib.instruments.recorder import Recorder
from lib.instruments.trace import FILE_NAME as TRACE_NAME
from lib.instruments.trace import PowerTrace

FILE_NAME = "emissions.csv"

LONGEST_INTERVAL = 3.0
"""Intervals without a sample from which on a doubt is raised, as CodeCarbon's own warning."""


@dataclass(frozen=True)
class Latest:
    """What a running measurement knows: power in W and energy in kWh; None before there is any."""

    watts: float | None = None
    energy_consumed: float | None = None


def find_hardware(location: Location) -> None:
    """Let CodeCarbon find out what machine this is: a second, once in a process."""
    gpus = visible_gpus()
    QuietTracker(location, gpus, Recorder(gpus), interval=1.0, project="idle")


class CodeCarbon:
    """Measures once, from `start` to `stop`, with CodeCarbon in machine mode.

    Leaves `emissions.csv` (one row, CodeCarbon's columns) and adds a sample a second to the power
    trace. Of an unknown location there is energy but neither emissions nor a place.

    Args:
        location: Where the electricity comes from.
        folder: Where `emissions.csv` goes; None leaves none, as for an idle baseline.
        trace: Where samples go; None writes `power.csv` into the folder, if there is one.
        interval: Seconds between samples.
        gpus: Those to count; None: the ones CUDA may use.
    """

    name = "codecarbon"

    def __init__(
        self,
        location: Location,
        folder: Path | None = None,
        trace: PowerTrace | None = None,
        interval: float = 1.0,
        gpus: Gpus | None = None,
    ):
        self._location = location
        self._folder = folder
        self._trace = trace
        self._interval = interval
        self._gpus = gpus
        self._measurement: _Measurement | None = None

    @property
    def latest(self) -> Latest:
        """Watts of the newest sample, and energy up to it."""
        sample = self._measurement.recorder.latest if self._measurement else None
        return Latest(sample.power, sample.energy_consumed) if sample else Latest()

    def energy_so_far(self) -> float | None:
        """Measure now, apart from the clock: kWh since the start; None if it isn't running."""
        return self._measurement.tracker.measure() if self._measurement else None

    def start(self) -> None:
        """Begin to measure.

        Raises:
            RuntimeError: If it measured before: a reused tracker's counters go on from there.
            TrackerError: If CodeCarbon did not start.
        """
        if self._measurement is not None:
            raise RuntimeError("this CodeCarbon instrument was used; make a new one for every run")
        folder = self._folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / FILE_NAME).unlink(missing_ok=True)
        gpus = visible_gpus() if self._gpus is None else self._gpus
        ignored = ignored_settings()
        recorder = Recorder(gpus)
        project = folder.name if folder else "idle"
        tracker = QuietTracker(self._location, gpus, recorder, self._interval, project)
        own = self._trace is None
        trace = self._trace or PowerTrace(folder / TRACE_NAME if folder else None)
        self._measurement = _Measurement(
            self._location,
            folder,
            trace if own else None,
            self._interval,
            gpus,
            ignored,
            recorder,
            tracker,
            tracker.methods()["gpu"].method != "none",
        )
        recorder.begin(trace, self._measurement.measures_gpu)
        tracker.start()
        self._measurement.started = time.perf_counter()

    def stop(self) -> Reading:
        """End the measurement.

        Returns:
            The energy of CPU, GPU and RAM. `details` has emissions (kg CO2-eq), emissions_rate
            (kg/s), carbon_intensity (g/kWh), peak_power (W), run_id and what the place is.

        Raises:
            RuntimeError: If it was not started.
        """
        if self._measurement is None:
            raise RuntimeError("this CodeCarbon instrument was not started")
        return self._measurement.stop()


@dataclass
class _Measurement:
    """What there is from start to stop; `own_trace` is closed at the end."""

    location: Location
    folder: Path | None
    own_trace: PowerTrace | None
    interval: float
    gpus: Gpus
    ignored: tuple[str, ...]
    recorder: Recorder
    tracker: QuietTracker
    measures_gpu: bool
    started: float = 0.0

    def stop(self) -> Reading:
        seconds = time.perf_counter() - self.started
        self.tracker.stop()
        if self.own_trace is not None:
            self.own_trace.close()
        rows, count = self.recorder.rows, self.recorder.count
        name = CodeCarbon.name
        if len(rows) != 1:
            reason = f"CodeCarbon left {len(rows)} rows in place of one"
            doubts = (*self._doubts(), reason)
            return empty_reading(name, seconds, reason, samples=count, doubts=doubts)
        row = rows[0]
        components = {
            part: check_component(part, method, row, self.recorder.peak)
            for part, method in self.tracker.methods().items()
        }
        doubts = (*self._doubts(), *check_row(row, self.tracker.ram_power(), self.location))
        reading = Reading(name, row["duration"], components, count, doubts)
        if self.folder is not None:
            self._write(self.folder / FILE_NAME, row)
        return dataclasses.replace(reading, details=self._details(reading, row))

    def _doubts(self) -> list[str]:
        """What is doubtful about how it measured, whatever the figures."""
        doubts = [*self.gpus.doubts, *self.location.notes]
        if self.ignored:
            doubts.append(f"settings of CodeCarbon were ignored: {', '.join(self.ignored)}")
        methods = self.tracker.methods()
        if self.gpus.selected and not self.measures_gpu:
            doubts.append(f"the energy of the GPU is not in the sum: {methods['gpu'].reason}")
        if RAPL.exists() and not any("RAPL" in part.method for part in methods.values()):
            doubts.append(
                "the CPU has energy counters (RAPL) that this user may not read, so CodeCarbon "
                f"models its power; allow it with: sudo chmod -R a+r {RAPL}"
            )
        longest = self.recorder.longest
        if longest > LONGEST_INTERVAL * self.interval:
            doubts.append(
                f"no power was read for {longest:.1f} s, though {self.interval:g} s was set"
            )
        return doubts + [f"CodeCarbon: {message}" for message in self.tracker.log]

    def _details(self, reading: Reading, row: Mapping[str, Any]) -> dict[str, Any]:
        kilograms = self.location.emissions(reading.energy_consumed)
        place = self.location
        return {
            "emissions": kilograms,
            "emissions_rate": kilograms / row["duration"] if kilograms is not None else None,
            "emissions_reason": place.reason,
            "carbon_intensity": place.carbon_intensity,
            "country_iso_code": place.country_iso_code,
            "region": place.region,
            "location_source": place.source,
            "peak_power": self.recorder.peak_power,
            "run_id": row["run_id"],
            "tracking_mode": row["tracking_mode"],
            "measure_power_secs": self.interval,
            "ignored_settings": ", ".join(self.ignored) or None,
        }

    def _write(self, path: Path, row: dict[str, Any]) -> None:
        """Write `emissions.csv`, without what CodeCarbon claims but does not know."""
        row = dict(row, cpu_utilization_percent=self.recorder.cpu_utilization)
        if self.gpus.installed or not self.measures_gpu:
            # It counts the GPUs of the machine, and those that CUDA_VISIBLE_DEVICES wishes for.
            row |= {"gpu_count": len(self.gpus.selected), "gpu_model": self.gpus.model}
        if self.location.carbon_intensity is None:
            claims = ("emissions", "emissions_rate", "country_name", "country_iso_code", "region")
            row |= dict.fromkeys(claims)
        write_atomically(path, pd.DataFrame([row]).to_csv(index=False))
