"""CodeCarbon as an instrument: one tracker a run, its figures checked before they are believed.

What is corrected of it: `codecarbon_corrections`.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lib.files import write_atomically
from lib.instruments import EMISSIONS_NAME, TRACE_NAME, Component, Reading, empty_reading
from lib.instruments import codecarbon_corrections as corrections
from lib.instruments.carbon import Location
from lib.instruments.codecarbon_corrections import QuietTracker
from lib.instruments.gpus import visible_gpus
from lib.instruments.recorder import Recorder
from lib.instruments.trace import PowerTrace, Sample

LONGEST_INTERVAL = 3.0
"""Intervals without a sample from which on a doubt is raised, as CodeCarbon's own warning."""


def find_hardware(location: Location) -> None:
    """Let CodeCarbon find out what machine this is, once in a process."""
    gpus = visible_gpus()
    QuietTracker(location, gpus, Recorder(gpus), interval=1.0, project="idle")


class CodeCarbon:
    """Measures once, from `start` to `stop`, with CodeCarbon in machine mode.

    Leaves `emissions.csv` (one row, CodeCarbon's columns) and adds a sample a second to the power
    trace. Of an unknown location there is energy but neither emissions nor a place.
    Without a `folder`, as for an idle baseline, there is no `emissions.csv`; without a `trace`
    samples go to `power.csv` in the folder, `interval` s apart. The GPUs that count are those that
    CUDA may use.
    """

    name = "codecarbon"

    def __init__(
        self,
        location: Location,
        folder: Path | None = None,
        trace: PowerTrace | None = None,
        interval: float = 1.0,
    ):
        self._location, self._folder = location, folder
        self._trace, self._interval = trace, interval
        self._gpus = visible_gpus()
        self._recorder = Recorder(self._gpus)
        self._tracker: QuietTracker | None = None

    @property
    def latest(self) -> Sample | None:
        """The newest sample; None before there is any."""
        return self._recorder.latest

    def energy_so_far(self) -> float | None:
        """Measure now, apart from the clock: kWh since the start; None if it isn't running."""
        return self._tracker.measure() if self._tracker else None

    def start(self) -> None:
        """Begin to measure.

        Raises:
            RuntimeError: If it measured before: a reused tracker's counters go on from there.
            TrackerError: If CodeCarbon did not start.
        """
        if self._tracker is not None:
            raise RuntimeError("this CodeCarbon instrument was used; make a new one for every run")
        folder = self._folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / EMISSIONS_NAME).unlink(missing_ok=True)
        self._ignored = corrections.ignored_settings()
        project = folder.name if folder else "idle"
        self._tracker = QuietTracker(
            self._location, self._gpus, self._recorder, self._interval, project
        )
        self._measures_gpu = self._tracker.methods()["gpu"].method != "none"
        trace = self._trace or PowerTrace(folder / TRACE_NAME if folder else None)
        self._own_trace = None if trace is self._trace else trace
        self._recorder.begin(trace, self._measures_gpu)
        self._tracker.start()
        self._started = time.perf_counter()

    def stop(self) -> Reading:
        """End the measurement: the energy of CPU, GPU and RAM.

        `details` has emissions (kg CO2-eq), emissions_rate (kg/s), carbon_intensity (g/kWh),
        peak_power (W), run_id and what the place is.

        Raises:
            RuntimeError: If it was not started.
        """
        if self._tracker is None:
            raise RuntimeError("this CodeCarbon instrument was not started")
        seconds = time.perf_counter() - self._started
        self._tracker.stop()
        if self._own_trace is not None:
            self._own_trace.close()
        rows, count = self._recorder.rows, self._recorder.count
        methods = self._tracker.methods()
        doubts = self._doubts(methods, self._tracker.log)
        if len(rows) != 1:
            reason = f"CodeCarbon left {len(rows)} rows in place of one"
            doubts = (*doubts, reason)
            return empty_reading(self.name, seconds, reason, samples=count, doubts=doubts)
        row = rows[0]
        components = {
            part: corrections.check_component(part, method, row, self._recorder.peak)
            for part, method in methods.items()
        }
        ram_power = self._tracker.ram_power()
        doubts = (*doubts, *corrections.check_row(row, ram_power, self._location))
        reading = Reading(self.name, row["duration"], components, count, doubts)
        if self._folder is not None:
            self._write(self._folder / EMISSIONS_NAME, row)
        return dataclasses.replace(reading, details=self._details(reading, row))

    def _doubts(self, methods: Mapping[str, Component], log: Sequence[str]) -> tuple[str, ...]:
        doubts = [*self._gpus.doubts, *self._location.notes]
        if self._ignored:
            doubts.append(f"settings of CodeCarbon were ignored: {', '.join(self._ignored)}")
        if self._gpus.selected and not self._measures_gpu:
            doubts.append(f"the energy of the GPU is not in the sum: {methods['gpu'].reason}")
        rapl = corrections.RAPL
        if rapl.exists() and not any("RAPL" in part.method for part in methods.values()):
            doubts.append(
                "the CPU has energy counters (RAPL) that this user may not read, so CodeCarbon "
                f"models its power; allow it with: sudo chmod -R a+r {rapl}"
            )
        longest = self._recorder.longest
        if longest > LONGEST_INTERVAL * self._interval:
            wanted = f"{self._interval:g} s was set"
            doubts.append(f"no power was read for {longest:.1f} s, though {wanted}")
        return (*doubts, *(f"CodeCarbon: {message}" for message in log))

    def _details(self, reading: Reading, row: Mapping[str, Any]) -> dict[str, Any]:
        kilograms = self._location.emissions(reading.energy_consumed)
        place = self._location
        return {
            "emissions": kilograms,
            "emissions_rate": kilograms / row["duration"] if kilograms is not None else None,
            "emissions_reason": place.reason,
            "carbon_intensity": place.carbon_intensity,
            "country_iso_code": place.country_iso_code,
            "region": place.region,
            "location_source": place.source,
            "peak_power": self._recorder.peak_power,
            "run_id": row["run_id"],
            "tracking_mode": row["tracking_mode"],
            "measure_power_secs": self._interval,
            "ignored_settings": ", ".join(self._ignored) or None,
        }

    def _write(self, path: Path, row: dict[str, Any]) -> None:
        """Write `emissions.csv`, without what CodeCarbon claims but does not know."""
        row = dict(row, cpu_utilization_percent=self._recorder.cpu_utilization)
        if self._gpus.installed or not self._measures_gpu:
            # It counts the GPUs of the machine, and those that CUDA_VISIBLE_DEVICES wishes for.
            row |= {"gpu_count": len(self._gpus.selected), "gpu_model": self._gpus.model}
        if self._location.carbon_intensity is None:
            claims = ("emissions", "emissions_rate", "country_name", "country_iso_code", "region")
            row |= dict.fromkeys(claims)
        write_atomically(path, pd.DataFrame([row]).to_csv(index=False))
