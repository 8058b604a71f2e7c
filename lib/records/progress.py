"""How far a run is: a small file that the kernel writes and the runner reads."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "progress.json"
SECONDS_BETWEEN_WRITES = 1.0


@dataclass(frozen=True)
class Progress:
    """Where a run stands."""

    phase: str  # starting, checks, idle, warmup, training, cooldown or saving
    epoch: int = 0  # the epoch under way, from 1; 0 before the first
    epochs: int = 0  # how many there will be
    fraction: float = 0.0  # of the training that is done, 0 to 1; it stays 1 after it
    accuracy: float | None = None  # of the last epoch in validation; in the first, of its batches
    watts: float | None = None  # of the last sample
    energy_consumed: float | None = None  # kWh since the training began
    duration: float = 0.0  # s since then


class ProgressFile:
    """Writes `Progress` into a run's folder, at most once a second, whole or not at all."""

    def __init__(self, folder: Path):
        self._path = folder / FILE_NAME
        self._last_write = 0.0

    def write(self, progress: Progress, *, now: bool = False) -> None:
        """Write `progress`, unless the last write is too recent and `now` is False."""
        if not now and time.monotonic() - self._last_write < SECONDS_BETWEEN_WRITES:
            return
        self._last_write = time.monotonic()
        # No fsync, unlike results: a line on a screen is not worth waking a disk each second.
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        temporary.replace(self._path)

    def remove(self) -> None:
        """Take the file away: the run is over."""
        self._path.unlink(missing_ok=True)


def read_progress(folder: Path) -> Progress | None:
    """What the run in `folder` last said, or None before it has said anything."""
    try:
        return Progress(**json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None
