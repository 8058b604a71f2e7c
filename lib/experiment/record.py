"""The record of a finished run: from what was measured, and what came out, to `run.json`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lib.experiment.results import TOLD, Results
from lib.instruments import COMPONENTS, Reading, carbon, machine, metering
from lib.records import MEASUREMENT_VERSION
from lib.records.record import Phase, Record
from lib.records.uncertainty import with_limits
from lib.stats.score import score
from lib.study.config import RunFields


@dataclass(frozen=True)
class Use:
    """What the trained model did in the phase of inference: on how many samples."""

    reading: Reading
    samples: int


@dataclass(frozen=True)
class Measured:
    """What the protocol found."""

    readings: tuple[Reading, ...]  # of each instrument during the training; CodeCarbon's is first
    idle: Reading | None  # what CodeCarbon found before it, where a baseline was asked for
    phases: tuple[Phase, ...]  # every part of the protocol
    doubts: tuple[str, ...]  # what the checks of the machine and the instruments found
    epochs: int = 0  # how many were told
    use: Use | None = None  # what inference took, where it was measured
    code: str | None = None  # digest of the notebook's or script's code as the run began


@dataclass(frozen=True)
class _Part:
    """Some fields of a record, further columns, and why any of them is empty."""

    fields: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def complete(config: RunFields, measured: Measured, results: Results) -> Record:
    """Everything that is known of a finished run, as it goes into `run.json`."""
    meter = measured.readings[0]
    location = carbon.locate(config.location)
    parts = [
        _energy(meter),
        _emissions(location, meter.energy_consumed),
        _net("", meter, measured.idle, config.idle_seconds),
        _outcome(results, meter.energy_consumed),
        _second_opinions(measured.readings[1:]),
        _inference(measured, config),
        _machine(measured.code),
    ]
    training = next(phase for phase in measured.phases if phase.name == "training")
    doubts = (*results.doubts, *measured.doubts, *location.notes)
    readings = [*measured.readings, measured.idle, measured.use and measured.use.reading]
    made = Record(
        measurement_version=MEASUREMENT_VERSION,
        run_id=config.run_id,
        status="completed",
        started_at=training.started_at,
        ended_at=training.ended_at,
        config=config.recorded,
        notebook=config.made_by,
        data=results.data,
        phases=measured.phases,
        readings=tuple(asdict(reading) for reading in readings if reading is not None),
        doubts=tuple(dict.fromkeys(doubts)),
        extra={"epochs_trained": measured.epochs}
        | {key: value for part in parts for key, value in part.extra.items()},
        reasons={key: why for part in parts for key, why in part.reasons.items()},
        **{key: value for part in parts for key, value in part.fields.items()},
    )
    return with_limits(made)


def _energy(meter: Reading) -> _Part:
    reasons = {f"{name}_energy": one.reason for name, one in meter.components.items() if one.reason}
    if meter.energy_consumed is None:
        parts = {name: one for name, one in meter.components.items() if one.method != "none"}
        failed = [f"{name} ({one.reason})" for name, one in parts.items() if one.energy is None]
        why = f"no sum without {', '.join(failed)}" if failed else "nothing was measured"
        reasons["energy_consumed"] = why
    fields = {
        "duration": meter.duration,
        "energy_consumed": meter.energy_consumed,
        **{f"{name}_energy": meter.components[name].energy for name in COMPONENTS},
        **{f"{name}_method": meter.components[name].method for name in COMPONENTS},
        "peak_power": meter.details.get("peak_power"),
        "tracker_run_id": meter.details.get("run_id"),
    }
    return _Part(fields, reasons=reasons)


def _emissions(location: carbon.Location, energy: float | None) -> _Part:
    emissions = location.emissions(energy)
    place = {"carbon_intensity": location.carbon_intensity, "location_source": location.source}
    why = {"emissions": location.reason or "there is no energy"}
    return _Part({"emissions": emissions, **place}, reasons={} if emissions is not None else why)


def _net(prefix: str, meter: Reading, idle: Reading | None, idle_seconds: float) -> _Part:
    """Net energy: what was measured, less what the idle machine would have used in that time."""
    energy, baseline = meter.energy_consumed, None
    if idle is not None and idle.energy_consumed is not None and idle.duration:
        baseline = idle.energy_consumed / idle.duration * meter.duration
    net = None if baseline is None or energy is None else energy - baseline
    above = net is None or net > 0
    fields = {f"{prefix}idle_energy": baseline, f"{prefix}net_energy": net if above else None}
    why = "there is no energy"
    if not above:
        why = "the baseline drew as much as the work: something else was running then"
    if baseline is None:
        why = "nothing was measured" if idle_seconds else "idle_seconds is 0"
        why = f"no idle baseline ({why})"
    return _Part(fields, reasons={name: why for name, value in fields.items() if value is None})


def _outcome(results: Results, energy: float | None) -> _Part:
    told = {name: results.values.get(name) for name in TOLD}
    accuracy = told["accuracy"]
    reasons = dict(results.reasons)
    found = None if accuracy is None or not energy else float(score(accuracy, energy))
    if found is None:
        reasons["score"] = "there is no accuracy" if accuracy is None else "there is no energy"
    others = {name: value for name, value in results.values.items() if name not in TOLD}
    return _Part({**told, "score": found}, others | results.facts, reasons)


def _second_opinions(readings: Sequence[Reading]) -> _Part:
    """Columns for the energies (kWh) that were measured besides CodeCarbon's."""
    columns: dict[str, object] = {}
    reasons = {}
    for reading in readings:
        if part := reading.components.get(metering.COMPONENT):
            # Twice: a log that is matched to the run later takes the place of the latter.
            columns["live_wattmeter_energy"] = reading.energy_consumed
            columns |= metering.columns(reading)
            if part.reason:
                reasons["wattmeter_energy"] = part.reason
        elif reading.energy_consumed is not None:
            columns[f"{reading.instrument}_energy"] = reading.energy_consumed
    return _Part(extra=columns, reasons=reasons)


def _inference(measured: Measured, config: RunFields) -> _Part:
    """What the trained model costs in use, per 1,000 samples, and how much use equals the training.

    Net of idle where there is a baseline, as `inference_net_energy` says.
    """
    if not config.inference_seconds:
        return _Part()
    if measured.use is None:
        return _Part({}, reasons={"inference_energy": "no function for inference was given"})
    reading, samples = measured.use.reading, measured.use.samples
    net = _net("inference_", reading, measured.idle, config.idle_seconds)
    training = _net("", measured.readings[0], measured.idle, config.idle_seconds)
    energy, above_idle = reading.energy_consumed, net.fields["inference_net_energy"]
    whole, each = measured.readings[0].energy_consumed, energy
    if above_idle is not None and training.fields["net_energy"] is not None:
        whole, each = training.fields["net_energy"], above_idle
    like = samples * whole / each if whole is not None and each and each > 0 else None

    def per_1000(whole: float | None) -> float | None:
        return None if whole is None else 1000 * whole / samples

    columns = {
        "inference_samples": samples,
        "inference_energy": energy,
        "inference_net_energy": above_idle,
        "inference_seconds_per_1000": per_1000(reading.duration),
        "inference_energy_per_1000": per_1000(energy),
        "inference_net_energy_per_1000": per_1000(above_idle),
        "inferences_like_training": like,
    }
    reasons = {name: why for name, why in net.reasons.items() if name in columns}
    return _Part(extra=columns, reasons=reasons)


def _machine(code: str | None) -> _Part:
    hardware, versions = machine.hardware(), machine.versions() | {"notebook": code}
    fields = {"machine": hardware.pop("machine"), "git_commit": versions.pop("commit")}
    return _Part({**fields, "hardware": hardware, "versions": versions})
