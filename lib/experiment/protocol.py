"""The protocol of one run: checks, idle baseline, warm-up, the measured block, cool-down.

Whatever is trained happens inside the block, by whatever framework; nothing here knows it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from lib.experiment.record import Measured, Use, complete
from lib.experiment.results import Results, RunError, number
from lib.files import without_home, write_atomically
from lib.instruments import TRACE_NAME, Instrument, carbon, checks, disagreements, measuring
from lib.instruments.codecarbon import CodeCarbon, find_hardware
from lib.instruments.nvml import energy_counter
from lib.instruments.trace import PowerTrace
from lib.instruments.wattmeters import meters
from lib.records import FILE_NAME, HISTORY_NAME, Phase, Record
from lib.records.progress import Progress, ProgressFile
from lib.records.uncertainty import IDLE
from lib.study.config import RunFields
from lib.study.notebook import digest


class Watcher(Protocol):
    """Is told how a run goes, to show it."""

    def progress(self, progress: Progress) -> None:
        """A phase begins, or the training has come this far."""

    def epoch(self, history: list[dict[str, float]]) -> None:
        """An epoch is over; these are all so far."""


class Run:
    """One run, from its parameters to its record: `measured` once, around the training; `finish`.

    It leaves `emissions.csv`, `power.csv` and, where epochs were told, `history.csv`, where a
    wattmeter is asked, `wattmeter.csv`, and at last `run.json`: in `folder`, or else in the place
    that `config` says. `history` is what `epoch` was told, with `seconds` and `energy_consumed`
    (kWh) since the training began.
    """

    def __init__(self, config: RunFields, folder: Path | None = None):
        self.config = config
        self.folder = folder or config.run_dir
        self.history: list[dict[str, Any]] = []
        self._results = Results(frozenset(type(config).model_fields))
        self._measured: Measured | None = None
        self._state = "new"
        self._code = digest(config.notebook)

    @contextmanager
    def measured(
        self, warm_up: Callable[[], object] | None = None, watcher: Watcher | None = None
    ) -> Iterator[None]:
        """Run the protocol, with the training inside the `with`.

        `warm_up` is called before the training, at least once and for `warmup_seconds`, so that
        what a framework does once is not booked on the training. It leaves weights and random
        numbers as they were.

        Raises:
            RunError: If the run was measured before.
            ValueError: If `meter` describes no wattmeter.
        """
        self._must_be({"new"}, "measured", "a run is measured once; begin another for a second")
        self._state = "measuring"
        config, folder = self.config, self.folder
        _keep_earlier(folder, config.study_folder.aside)
        folder.mkdir(parents=True, exist_ok=True)
        asking = meters.logging(config.meter, folder)
        self._trace = PowerTrace(folder / TRACE_NAME, phase="checks")
        planned = getattr(config, "epochs", 0)
        self._phases = phases = _Phases(planned, ProgressFile(folder), self._trace, watcher)
        self._location = location = carbon.locate(config.location)

        with phases.phase("checks"), ThreadPoolExecutor(1) as beside:
            beside.submit(find_hardware, location)  # it waits for as long as the checks look
            doubts = checks.look()
        idle = None
        if config.idle_seconds:
            baseline = CodeCarbon(location, trace=self._trace)
            with phases.phase("idle"), measuring([baseline]) as quiet:
                time.sleep(config.idle_seconds)
            idle = replace(quiet[0], instrument=IDLE)
        if warm_up is not None:
            with phases.phase("warmup"):
                _for_at_least(config.warmup_seconds, warm_up)
        self._meter = CodeCarbon(location, folder, self._trace)
        instruments: list[Instrument] = [self._meter, energy_counter()]
        with asking as wattmeter:
            # The phase lies inside, so that it is what every instrument measured: their start takes
            # a second, which a wattmeter's log would add to the training.
            with measuring(instruments) as readings, phases.phase("training"):
                yield
            with phases.phase("cooldown"):
                time.sleep(config.cooldown_seconds)
            if wattmeter is not None:
                readings.append(wattmeter.reading(*phases.span("training")))
        if self.history:
            write_atomically(folder / HISTORY_NAME, self.table().to_csv(index=False))
        found = [doubt for reading in readings for doubt in reading.doubts]
        self._measured = Measured(
            readings=tuple(readings),
            idle=idle,
            phases=(),
            doubts=(*doubts, *found, *disagreements(readings)),
            epochs=len(self.history),
            code=self._code,
        )
        self._state = "measured"

    def step(self, fraction: float, epoch: int = 0, accuracy: float | None = None) -> None:
        """Tell whoever watches how far (0 to 1) the training is, and its epoch (from 1) so far."""
        if self._state == "measuring":
            self._phases.show(fraction, epoch, accuracy, self._meter)

    def epoch(self, **values: Any) -> None:
        """Note what an epoch came to, e.g. `loss` and `val_accuracy`: one line of `history.csv`.

        Raises:
            RunError: If one is no number, or no training is under way.
        """
        self._must_be({"measuring"}, "epoch", "comes inside the measured block")
        told = {name: number(name, value, finite=False) for name, value in values.items()}
        spent = {"seconds": self._phases.seconds(), "energy_consumed": self._meter.energy_so_far()}
        row: dict[str, Any] = {"epoch": len(self.history) + 1, **told, **spent}
        self.history.append(row)
        self._phases.accuracy = row.get("val_accuracy", row.get("accuracy"))
        if self._phases.epochs:
            self.step(len(self.history) / self._phases.epochs, len(self.history))
        if self._phases.watcher is not None:
            self._phases.watcher.epoch(self.history)

    def inference(self, predict: Callable[[], object], samples: int) -> None:
        """Measure what the trained model costs in use, for `inference_seconds`; 0 measures nothing.

        `predict` makes one pass over so many samples (images, rows, characters). It is called once
        before the measurement.

        Raises:
            RunError: If there is no measured training yet, or `samples` is no positive number.
        """
        measured = self._after_the_block("inference")
        if not isinstance(samples, int) or samples < 1:
            raise RunError(f"inference: samples is {samples!r}; it is a whole number of at least 1")
        if not self.config.inference_seconds:
            return
        predict()
        instrument = CodeCarbon(self._location, trace=self._trace)
        with measuring([instrument]) as readings, self._phases.phase("inference"):
            passes = _for_at_least(self.config.inference_seconds, predict)
        reading = replace(readings[0], instrument="codecarbon, inference")
        use = Use(reading, passes * samples)
        doubts = (*measured.doubts, *(f"inference: {one}" for one in reading.doubts))
        self._measured = replace(measured, use=use, doubts=tuple(dict.fromkeys(doubts)))

    def results(
        self,
        *,
        doubts: Iterable[str] = (),
        reasons: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
        facts: Mapping[str, str] | None = None,
        **values: Any,
    ) -> None:
        """Note what came out; what is noted again replaces what was.

        Args:
            doubts: What makes this run less trustworthy, one sentence each.
            reasons: Why a value is None, by its name.
            data: What the run was trained on, e.g. its source.
            facts: Further columns of text.
            **values: Numbers: `accuracy`, `loss`, or any other quantity of yours.

        Raises:
            RunError: If a value is no finite number, or its name is taken by what is measured.
        """
        self._must_be({"new", "measuring", "measured"}, "results", "the run is finished")
        self._results.add(values, doubts, reasons or {}, data or {}, facts or {})

    def record(self, **results: Any) -> Record:
        """What is known of the run, with `results` as `results` takes them; writes nothing.

        Raises:
            RunError: As `results`, and if the run was not measured.
        """
        measured = self._after_the_block("record")
        self.results(**results)
        measured = replace(measured, phases=tuple(self._phases.done))
        return complete(self.config, measured, self._results)

    def finish(self, **results: Any) -> Record:
        """Note what came out, as `results` does, and write the record: the run is complete.

        Raises:
            RunError: As `results`, and if the run was not measured, or is finished.
        """
        self._after_the_block("finish")
        record = self.record(**results)
        if not self._results.values:
            raise RunError("finish: nothing came out; give at least one number, e.g. accuracy=0.9")
        self._trace.close()
        record.write(self.folder)
        self._phases.file.remove()
        self._state = "finished"
        return record

    def table(self) -> pd.DataFrame:
        """What `epoch` was told: one row an epoch."""
        return pd.DataFrame(self.history)

    def _after_the_block(self, what: str) -> Measured:
        if self._measured is None:
            raise RunError(f"{what}: comes after the measured block")
        self._must_be({"measured"}, what, "the run is finished")
        return self._measured

    def _must_be(self, states: set[str], what: str, problem: str) -> None:
        if self._state not in states:
            raise RunError(f"{what}: {problem}")


@dataclass
class _Phases:
    epochs: int
    file: ProgressFile
    trace: PowerTrace
    watcher: Watcher | None
    done: list[Phase] = field(default_factory=list)
    accuracy: float | None = None
    latest: Progress = field(default_factory=lambda: Progress("checks"))
    started: float = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.trace.mark(name)
        # After the training, what it reached and took stays known.
        known = replace(self.latest, accuracy=self.accuracy, epochs=self.epochs)
        self._say(replace(known, phase=name, epoch=0), now=True)
        started_at, self.started = _now(), time.perf_counter()
        yield
        duration = self.seconds()
        self.done.append(
            Phase(name=name, started_at=started_at, ended_at=_now(), duration=duration)
        )

    def seconds(self) -> float:
        """Since the phase began."""
        return time.perf_counter() - self.started

    def span(self, name: str) -> tuple[float, float]:
        """When a phase began and ended, in seconds since 1970."""
        phase = next(phase for phase in self.done if phase.name == name)
        begin, end = (datetime.fromisoformat(at) for at in (phase.started_at, phase.ended_at))
        return begin.timestamp(), end.timestamp()

    def show(self, fraction: float, epoch: int, accuracy: float | None, meter: CodeCarbon) -> None:
        accuracy = accuracy if self.accuracy is None else self.accuracy
        sample = meter.latest
        watts, kwh = (sample.power, sample.energy_consumed) if sample else (None, None)
        known = watts, kwh, self.seconds()
        progress = Progress("training", epoch, self.epochs, fraction, accuracy, *known)
        self._say(progress)
        self.latest = replace(progress, watts=None)

    def _say(self, progress: Progress, *, now: bool = False) -> None:
        self.file.write(progress, now=now)
        if self.watcher is not None:
            self.watcher.progress(progress)


def _for_at_least(seconds: float, work: Callable[[], object]) -> int:
    """Work once, and again until so much time has passed; how often."""
    started, times = time.monotonic(), 0
    while not times or time.monotonic() - started < seconds:
        work()
        times += 1
    return times


def _now() -> str:
    """UTC to the millisecond, so that a wattmeter's log can be matched to it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _keep_earlier(folder: Path, aside: Path) -> None:
    """Move a complete run of the same fields out of the way, and say where it is."""
    if not (folder / FILE_NAME).is_file():
        return
    at = datetime.fromtimestamp((folder / FILE_NAME).stat().st_mtime, UTC)
    kept = aside / f"{folder.name}-{at:%Y%m%dT%H%M%S}"
    aside.mkdir(parents=True, exist_ok=True)
    folder.rename(kept)
    print(f"The earlier run of the same fields is kept in {without_home(str(kept))}")
