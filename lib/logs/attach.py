"""Laying what a wattmeter logged beside the runs of a finished study: `--wattmeter LOG`.

LOG is a CSV file with samples, whose form the study's section `wattmeter` says, or a summary of
one run, as the paper's authors have them (`summary_*.json`), or a folder of such.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from lib import files, records
from lib.instruments import TRACE_NAME, Reading, metering, trace
from lib.logs import clock_offset, summaries, wattmeter
from lib.logs.clock_offset import Offset
from lib.logs.wattmeter import PowerLog
from lib.records import Record, uncertainty
from lib.study.errors import UserError
from lib.study.folder import StudyFolder
from lib.study.wattmeter_log import PRESETS, WattmeterLog
from lib.units import mean_power

NAME = "wattmeter"  # of the instrument, in records

MARGIN = 600.0
"""s. Samples are kept so far around a run, to have neighbours for its edges."""

BORROWED_U = 0.2
"""s. Standard uncertainty of a clock offset that was found by other runs: clocks drift."""

ASSUMED_U = 1.0
"""s. Of one that nobody knows, between clocks that are set by the network: a judgement."""


class WattmeterError(UserError, ValueError):
    """No log can be laid beside these runs; the message says why and what would be right."""


@dataclass(frozen=True)
class Attached:
    """The runs that have a reading now, why others have none, and what was set right in the log."""

    measured: tuple[str, ...]
    refused: Mapping[str, str]
    notes: tuple[str, ...]


def attach(
    study_dir: Path, log: Path, mapping: WattmeterLog | None, plan: Sequence[str] = ()
) -> Attached:
    """Write the wattmeter's reading of every completed run into its `run.json`.

    Done again with the same log it changes nothing. A run that the log says nothing of keeps the
    reading that it has, so that a study may have several logs. Of two logs of one run the second is
    taken, and both the record and the notes say which reading it replaced. Nothing is written
    unless the whole log could be read.

    Summaries need no `mapping`; an empty `plan` stands for all runs that are there.

    Raises:
        WattmeterError: If there are no runs, or no log that can be read for them.
        PowerLogError: If the CSV file can't be read rightly.
        SummaryError: If the summaries can't.
    """
    merged = records.merge(study_dir, plan or None)
    if merged.damaged:
        raise WattmeterError(f"damaged record, to be run again first: {merged.damaged[0]}")
    runs = [record for record in merged.records if record.status == "completed"]
    if not runs:
        raise WattmeterError(f"{study_dir} holds no completed run that a log could belong to")
    if not log.exists():
        raise WattmeterError(f"no file '{log}'")
    notes: Sequence[str] = ()
    if log.is_dir() or log.suffix == ".json":
        readings = summaries.readings(NAME, runs, log)
    elif mapping is None:
        raise WattmeterError(
            f"{log.name}: the study file does not say what its columns are; add to it, for "
            "example, wattmeter: {time: time, power: power, unit: W}, or the name of what wrote "
            f"it: {', '.join(PRESETS)}"
        )
    else:
        readings, notes = _from_log(study_dir, runs, log, mapping)
    measured: list[str] = []
    refused: dict[str, str] = {}
    replaced: defaultdict[str, list[str]] = defaultdict(list)
    for record, reading in zip(runs, readings, strict=True):
        column = energy_column(reading)
        less = reading.energy_consumed is None and record.extra.get(column) is not None
        kept = f"nothing in {log.name}, so the reading of an earlier log is kept"
        reading, other = (reading, kept) if less else _beside_an_earlier_one(record, reading)
        if other:
            replaced[other].append(record.run_id)
        updated = record if less else with_reading(record, reading)
        if updated != record:
            updated.write(StudyFolder(study_dir).run(record.run_id))
        if updated.extra[column] is None:
            refused[record.run_id] = updated.reasons[column]
        else:
            measured.append(record.run_id)
    notes = [*notes, *(f"{said}: {', '.join(ids)}" for said, ids in replaced.items())]
    return Attached(tuple(measured), refused, tuple(notes))


def energy_column(reading: Reading) -> str:
    """The column that the energy of a reading goes to."""
    return metering.column_prefix(next(iter(reading.components))) + "energy"


def _of_the_same(record: Record, reading: Reading) -> list[dict[str, Any]]:
    """The readings of a record that a log gave of the same component."""
    return [
        one
        for one in record.readings
        if one["instrument"] == NAME and one["components"].keys() == reading.components.keys()
    ]


def _beside_an_earlier_one(record: Record, reading: Reading) -> tuple[Reading, str | None]:
    """A reading that says which other log's it replaces, and the sentence if it is the first time.

    The same log again leaves what was said, so that the record does not change.
    """
    for one in _of_the_same(record, reading):
        details, (part,) = one["details"], one["components"].values()
        same = details.get("sha256") == reading.details.get("sha256")
        said = details.get("replaces")
        if not same and part["energy"] is not None:
            said = f"it replaces the reading of {details.get('source')}"
        if said:
            details = {**reading.details, "replaces": said}
            doubts = (*reading.doubts, said)
            reading = dataclasses.replace(reading, details=details, doubts=doubts)
            return reading, None if same else said
    return reading, None


def with_reading(record: Record, reading: Reading) -> Record:
    """A record with the wattmeter's reading, in place of one that a log gave before."""
    (component,) = reading.components
    reason = reading.components[component].reason
    column, columns = energy_column(reading), metering.columns(reading)
    earlier = _of_the_same(record, reading)
    others = [one for one in record.readings if one not in earlier]
    kept = {name: value for name, value in record.extra.items() if name not in columns}
    mark = f"{NAME}: " if component == metering.COMPONENT else f"{NAME} ({component}): "
    doubts = [doubt for doubt in record.doubts if not doubt.startswith(mark)]
    reasons = {name: why for name, why in record.reasons.items() if name != column}
    updated = record.model_copy(
        update={
            "readings": (*others, dataclasses.asdict(reading)),
            "extra": kept | columns,
            "doubts": (*doubts, *(mark + doubt for doubt in reading.doubts)),
            "reasons": reasons | ({column: reason} if reason else {}),
        }
    )
    # By way of JSON, which makes it equal to what is read again.
    return Record.model_validate_json(uncertainty.with_limits(updated).model_dump_json())


def _from_log(
    study_dir: Path, runs: Sequence[Record], path: Path, mapping: WattmeterLog
) -> tuple[list[Reading], tuple[str, ...]]:
    """One reading a run, in their order, and what was set right in the log."""
    reach = MARGIN + (clock_offset.LARGEST if mapping.clock_offset is None else 0.0)
    shift = mapping.clock_offset or 0.0
    spans = [record.span(whole=True) for record in runs]
    windows = [(span[0] + shift - reach, span[1] + shift + reach) for span in spans if span]
    log = wattmeter.read(path, mapping, windows)
    if mapping.clock_offset is None:
        offsets = _all_told([_estimate(study_dir, record, log) for record in runs])
    else:
        offsets = [(mapping.clock_offset, metering.CLOCK_U, ()) for _ in runs]
    details = {
        "source": path.name,
        "sha256": files.sha256(path),
        "mapping": mapping.model_dump(exclude_defaults=True),
    }
    readings = [
        _read(record, log, offset, offset_u, details, doubts, mapping.measures)
        for record, (offset, offset_u, doubts) in zip(runs, offsets, strict=True)
    ]
    return readings, log.notes


def _estimate(study_dir: Path, record: Record, log: PowerLog) -> Offset:
    path = StudyFolder(study_dir).run(record.run_id) / TRACE_NAME
    span = record.span(whole=True)
    if span is None or not path.is_file():
        return Offset(None, float("nan"), f"the run left no {TRACE_NAME}")
    reach = span[0] - clock_offset.LARGEST, span[1] + clock_offset.LARGEST
    near = [samples.where(samples.places(*reach)) for samples in log.channels.values()]
    return clock_offset.estimate(near, trace.read_trace(path))


def _all_told(estimates: Sequence[Offset]) -> list[tuple[float, float, tuple[str, ...]]]:
    """Each run's offset and its standard uncertainty, s, and what is doubtful about it.

    Clocks are alike for all runs, but may drift.
    """
    known = [one.seconds for one in estimates if one.seconds is not None]
    usual, u, said = 0.0, ASSUMED_U, "the clocks are taken to agree, for nothing else was given"
    if known:
        usual, u = median(known), BORROWED_U
        said = f"the clock offset is that of other runs, {usual:g} s"
    return [
        (usual, u, (f"{said}: {one.reason}",))
        if one.seconds is None
        else (one.seconds, metering.CLOCK_U, ())
        for one in estimates
    ]


def _read(
    record: Record,
    log: PowerLog,
    offset: float,
    offset_u: float,
    details: Mapping[str, object],
    doubts: Sequence[str],
    component: str,
) -> Reading:
    span = record.span()
    if span is None:
        reason = "the record says not when the run started and ended"
        return metering.without_energy(NAME, record.duration or 0.0, reason, details, component)
    if not all(samples.time.size for samples in log.channels.values()):
        reason = (
            f"the log, {wattmeter.reach(log)}, has no samples near the run, which began at "
            f"{metering.utc(span[0])}; is the zone of its times right?"
        )
        return metering.without_energy(NAME, span[1] - span[0], reason, details, component)
    return metering.read_window(
        NAME,
        [*log.channels.values()],
        span[0] + offset,
        span[1] + offset,
        {"clock_offset": offset, "idle_power": _idle_power(record, log, offset), **details},
        doubts,
        offset_u,
        component,
    )


def _idle_power(record: Record, log: PowerLog, offset: float) -> float | None:
    """W that the meter shows of the idle machine, where the run had a baseline."""
    idle = next((phase for phase in record.phases if phase.name == "idle"), None)
    if idle is None or not idle.duration:
        return None
    span = [datetime.fromisoformat(at).timestamp() for at in (idle.started_at, idle.ended_at)]
    begin, end = (moment + offset for moment in span)
    energy = metering.read_window(NAME, [*log.channels.values()], begin, end).energy_consumed
    return None if energy is None else mean_power(energy, idle.duration)
