"""The power trace: what was drawn second by second, in `power.csv`.

The watts come from CodeCarbon's own measurements, so the trace adds up to CodeCarbon's energy; a
second meter beside it would only give a second answer.
"""

import csv
import dataclasses
import io
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from lib.files import plain


@dataclass(frozen=True)
class Sample:
    """Mean power over the `interval` seconds that end at `time`; a line of `power.csv`.

    What was not measured is None.
    """

    time: float  # seconds since the trace was opened
    timestamp: str  # the same moment in UTC, ISO 8601
    phase: str  # the part of the run that it ended in
    interval: float
    cpu_power: float | None
    gpu_power: float | None  # W, all selected GPUs together
    ram_power: float | None
    energy_consumed: float  # kWh since this measurement started
    cpu_utilization_percent: float | None = None  # of all cores, over the interval
    gpu_utilization_percent: float | None = None  # mean over the selected GPUs, now
    ram_utilization_percent: float | None = None  # of all memory, now
    gpu_temperature: float | None = None  # degrees Celsius of the hottest selected GPU
    gpu_memory: float | None = None  # MB in use on the selected GPUs

    @property
    def power(self) -> float:
        """Watts of everything that was measured."""
        return sum(watts or 0.0 for watts in (self.cpu_power, self.gpu_power, self.ram_power))


COLUMNS = tuple(field.name for field in dataclasses.fields(Sample))


class PowerTrace:
    """Writes `power.csv`, each line at once, so that a killed run leaves all but its last second.

    A file of an earlier attempt is replaced. Without a path, nothing is written.
    """

    def __init__(self, path: Path | None, phase: str = "training"):
        self.phase = phase
        self._opened = time.perf_counter()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        target = path or Path(os.devnull)
        self._file = target.open("w", buffering=1, newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def mark(self, phase: str) -> None:
        """Say which part of the run the samples from now on belong to."""
        self.phase = phase

    def add(self, **fields: Any) -> Sample:
        """Write one sample that ends now; `fields` are those beside time, timestamp and phase."""
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        elapsed = time.perf_counter() - self._opened
        sample = Sample(time=elapsed, timestamp=timestamp, phase=self.phase, **fields)
        self._writer.writerow(dataclasses.astuple(sample))
        return sample

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()


def read_trace(path: Path) -> pd.DataFrame:
    """Read `power.csv`: one row a sample, without a line that a kill cut off.

    Raises:
        ValueError: If the file has other columns.
    """
    whole, _, _ = plain(path).read_text(encoding="utf-8").rpartition("\n")
    header, *lines = whole.split("\n")
    if tuple(header.split(",")) != COLUMNS:
        raise ValueError(f"{path.name}: has not the columns of a power trace: {','.join(COLUMNS)}")
    rows = [line for line in lines if line.count(",") == len(COLUMNS) - 1]
    kinds = {name: str if name in ("timestamp", "phase") else float for name in COLUMNS}
    empty = {name: [""] for name, kind in kinds.items() if kind is float}
    return pd.read_csv(
        io.StringIO("\n".join([header, *rows])),
        dtype=kinds,
        keep_default_na=False,
        na_values=empty,
        quoting=csv.QUOTE_NONE,
    )
