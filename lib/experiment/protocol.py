"""The protocol of one run: checks, idle baseline, warm-up, measured training, cool-down.

`notebooks/train.ipynb` calls `measure` once, and `record` on what came out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lib.files import write_atomically
from lib.instruments import (
    COMPONENTS,
    Instrument,
    Reading,
    carbon,
    checks,
    disagreements,
    machine,
    measuring,
    metering,
)
from lib.instruments.codecarbon import CodeCarbon, find_hardware
from lib.instruments.nvml import energy_counter
from lib.instruments.trace import FILE_NAME as TRACE_NAME
from lib.instruments.trace import PowerTrace
from lib.instruments.wattmeters import meters
from lib.records import HISTORY_NAME, Phase, Record
from lib.records.progress import Progress, ProgressFile
from lib.records.uncertainty import with_limits
from lib.stats.score import score
from lib.study.catalog import NO_DEPTH
from lib.study.config import RunConfig
from lib.training import architectures, cached_features, datasets, fit, frozen_base, input_pipeline
from lib.training.fit import Epoch, Step, Watch
from lib.training.network import Network

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Outcome:
    """What one run measured.

    Attributes:
        history: One `Epoch` for each epoch.
        readings: What each instrument found during the training; CodeCarbon's is the first.
        idle: What CodeCarbon found before it, or None where no baseline was asked for.
        phases: Every part of the protocol with its seconds.
        doubts: What the checks of the machine and the instruments found.
        base_held_as: See `lib.training.frozen_base`.
    """

    history: tuple[Epoch, ...]
    readings: tuple[Reading, ...]
    idle: Reading | None
    phases: tuple[Phase, ...]
    doubts: tuple[str, ...]
    base_held_as: str = "variables"

    def phase(self, name: str) -> Phase:
        """The part of the protocol that is called `name`."""
        return next(phase for phase in self.phases if phase.name == name)


def measure(
    config: RunConfig,
    model: keras.Model,
    data: datasets.Dataset,
    *,
    on_epoch: Callable[[list[Epoch]], None] = lambda history: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Run the protocol: everything that is measured happens here.

    Leaves `emissions.csv`, `power.csv` and `history.csv` in the run's folder, and `wattmeter.csv`
    where a wattmeter is asked.

    Args:
        config: The run.
        model: As `networks.build` makes it; it is trained.
        data: What it is trained and validated on.
        on_epoch: Called after every epoch with the epochs so far, to show them.
        on_progress: Called when a phase begins and after every step, with where the run stands.
    """
    if config.features == "cached":
        cached_features.check_memory(config, data, model)
    folder = config.run_dir
    folder.mkdir(parents=True, exist_ok=True)
    asking = meters.logging(config.meter, folder)
    trace = PowerTrace(folder / TRACE_NAME, phase="checks")
    protocol = _Protocol(config, ProgressFile(folder), trace, on_progress)
    location = carbon.locate(config.location)

    with protocol.phase("checks"), ThreadPoolExecutor(1) as beside:
        beside.submit(find_hardware, location)  # it waits for as long as the checks look
        doubts = checks.look()
    idle = None
    if config.idle_seconds:
        with protocol.phase("idle"), measuring([CodeCarbon(location, trace=trace)]) as baseline:
            time.sleep(config.idle_seconds)
        idle = replace(baseline.readings[0], instrument="codecarbon, idle baseline")
    base_held_as = frozen_base.held_as(config, data, model)
    with protocol.phase("warmup"):
        if base_held_as == "constants":
            frozen_base.as_constants(model.layers[1])
        short = config.model_copy(update={"epochs": 1})
        little = input_pipeline.sample(data, config, fit.WARM_UP_BATCHES)
        fit.warm_up(model, lambda: fit.learn(short, model, little), config.warmup_seconds)
    meter = CodeCarbon(location, folder, trace)
    instruments: list[Instrument] = [meter, energy_counter()]

    def epoch_ended(history: list[Epoch]) -> None:
        protocol.accuracy = history[-1].val_accuracy
        on_epoch(history)

    watch = Watch(meter.energy_so_far, lambda step: protocol.show(step, meter), epoch_ended)
    with asking as wattmeter:
        # The phase lies inside, so that it is what every instrument measured: their start takes
        # a second, which a wattmeter's log would add to the training.
        with measuring(instruments) as bench, protocol.phase("training"):
            history = fit.learn(config, model, data, watch)
        with protocol.phase("cooldown"):
            time.sleep(config.cooldown_seconds)
        readings = [*bench.readings]
        if wattmeter is not None:
            readings.append(wattmeter.reading(*protocol.span("training")))
    protocol.finish()
    write_atomically(folder / HISTORY_NAME, fit.history_table(history).to_csv(index=False))
    found = [doubt for reading in readings for doubt in reading.doubts]
    found += disagreements(readings)
    return Outcome(
        history=tuple(history),
        readings=tuple(readings),
        idle=idle,
        phases=tuple(protocol.phases),
        doubts=(*doubts, *found),
        base_held_as=base_held_as,
    )


@dataclass
class _Protocol:
    """Times the phases and tells how far the run is."""

    config: RunConfig
    file: ProgressFile
    trace: PowerTrace
    tell: Callable[[Progress], None]
    phases: list[Phase] = field(default_factory=list)
    accuracy: float | None = None
    latest: Progress = field(default_factory=lambda: Progress("checks"))
    phase_started: float = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.trace.mark(name)
        # After the training, what it reached and took stays known.
        known = replace(self.latest, accuracy=self.accuracy, epochs=self.config.epochs)
        self._say(replace(known, phase=name, epoch=0), now=True)
        started_at, self.phase_started = _now(), time.perf_counter()
        yield
        duration = time.perf_counter() - self.phase_started
        self.phases.append(
            Phase(name=name, started_at=started_at, ended_at=_now(), duration=duration)
        )

    def span(self, name: str) -> tuple[float, float]:
        """When a phase began and ended, in seconds since 1970."""
        phase = next(phase for phase in self.phases if phase.name == name)
        begin, end = (datetime.fromisoformat(at) for at in (phase.started_at, phase.ended_at))
        return begin.timestamp(), end.timestamp()

    def show(self, step: Step, meter: CodeCarbon) -> None:
        accuracy = step.accuracy if self.accuracy is None else self.accuracy
        latest = meter.latest
        progress = Progress(
            phase="training",
            epoch=step.epoch,
            epochs=self.config.epochs,
            fraction=step.fraction,
            accuracy=accuracy,
            watts=latest.watts,
            energy_consumed=latest.energy_consumed,
            duration=time.perf_counter() - self.phase_started,
        )
        self._say(progress)
        self.latest = replace(progress, watts=None)

    def _say(self, progress: Progress, *, now: bool = False) -> None:
        self.file.write(progress, now=now)
        self.tell(progress)

    def finish(self) -> None:
        self.trace.close()
        self.file.remove()


def _now() -> str:
    """UTC to the millisecond, so that a wattmeter's log can be laid beside it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def record(config: RunConfig, data: datasets.Dataset, network: Network, outcome: Outcome) -> Record:
    """Everything that is known of a finished run, as it goes into `run.json`."""
    meter = outcome.readings[0]
    measured = outcome.phase("training")
    last = outcome.history[-1]
    location = carbon.locate(config.location)
    hardware, versions = machine.hardware(), machine.versions()
    energy = meter.energy_consumed
    emissions = location.emissions(energy)
    reasons = {
        f"{name}_energy": part.reason for name, part in meter.components.items() if part.reason
    }
    if energy is None:
        failed = [
            f"{name} ({part.reason})"
            for name, part in meter.components.items()
            if part.energy is None and part.method != "none"
        ]
        reasons["energy_consumed"] = (
            f"no sum without {', '.join(failed)}" if failed else "nothing was measured"
        )
        reasons["score"] = "there is no energy"
    if emissions is None:
        reasons["emissions"] = location.reason or "there is no energy"
    doubts = [*_starting_point(config), *outcome.doubts, *network.doubts]
    doubts += [*data.notes, *location.notes]
    idle_energy = _idle_energy(outcome, meter.duration)
    for reading in outcome.readings[1:]:
        part = reading.components.get(metering.COMPONENT)
        if part is not None and part.reason:
            reasons["wattmeter_energy"] = part.reason
    if network.reason:
        reasons["flops"] = reasons["flops_head"] = network.reason
    if network.depth is None:
        reasons["depth"] = NO_DEPTH
    if idle_energy is None:
        why = "nothing was measured" if config.idle_seconds else "idle_seconds is 0"
        reasons["idle_energy"] = reasons["net_energy"] = f"no idle baseline ({why})"
    made = Record(
        run_id=config.run_id,
        status="completed",
        started_at=measured.started_at,
        ended_at=measured.ended_at,
        duration=meter.duration,
        emissions=emissions,
        energy_consumed=energy,
        **{f"{name}_energy": meter.components[name].energy for name in COMPONENTS},
        **{f"{name}_method": meter.components[name].method for name in COMPONENTS},
        peak_power=meter.details.get("peak_power"),
        idle_energy=idle_energy,
        net_energy=None if idle_energy is None or energy is None else energy - idle_energy,
        accuracy=last.val_accuracy,
        loss=last.val_loss,
        score=score(last.val_accuracy, energy) if energy else None,
        flops=network.flops,
        flops_head=network.flops_head,
        flops_training=network.flops_training(len(outcome.history)),
        parameters=network.parameters,
        trainable_parameters=network.trainable_parameters,
        depth=network.depth,
        carbon_intensity=location.carbon_intensity,
        location_source=location.source,
        config=config.recorded,
        tracker_run_id=meter.details.get("run_id"),
        machine=hardware.pop("machine"),
        hardware=hardware,
        git_commit=versions.pop("commit"),
        versions=versions,
        data={
            "fingerprint": data.fingerprint,
            "source": data.source,
            "classes": data.classes,
            "train_images": len(data.y_train),
            "test_images": len(data.y_test),
        },
        phases=outcome.phases,
        readings=tuple(asdict(reading) for reading in _all_readings(outcome)),
        extra=_second_opinions(outcome.readings[1:])
        | {"epochs_trained": len(outcome.history), "computed_in": network.precision}
        | {"base_held_as": outcome.base_held_as},
        reasons=reasons,
        doubts=tuple(dict.fromkeys(doubts)),
    )
    return with_limits(made)


def _starting_point(config: RunConfig) -> list[str]:
    doubts = list(architectures.doubts(config.architecture, config.preprocessing))
    if config.weights == "none" and config.trainable == "head":
        doubts.append(
            "the frozen base has random weights: time and energy are those of the architecture, "
            "the accuracy is not"
        )
    return doubts


def _second_opinions(readings: Sequence[Reading]) -> dict[str, object]:
    """Columns for the energies (kWh) that were measured beside CodeCarbon."""
    columns: dict[str, object] = {}
    for reading in readings:
        if metering.COMPONENT in reading.components:
            # Twice: a log that is laid beside the run later takes the place of the latter.
            columns["live_wattmeter_energy"] = reading.energy_consumed
            columns |= metering.columns(reading)
        elif reading.energy_consumed is not None:
            columns[f"{reading.instrument}_energy"] = reading.energy_consumed
    return columns


def _all_readings(outcome: Outcome) -> list[Reading]:
    return [*outcome.readings, *([outcome.idle] if outcome.idle else [])]


def _idle_energy(outcome: Outcome, duration: float) -> float | None:
    """kWh that the idle machine would have used in `duration` seconds."""
    idle = outcome.idle
    if idle is None or idle.energy_consumed is None or not idle.duration:
        return None
    return idle.energy_consumed / idle.duration * duration
