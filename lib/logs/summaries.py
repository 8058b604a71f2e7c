"""The summaries that the paper's authors have of their wattmeter: one small JSON file a run.

A summary has the energy of a run but no time of day, so it goes by the configuration that its
`executionIdentifier` names: `[JOB-]DATASET_ARCHITECTURE_REPETITION`.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.files import plain, sha256
from lib.instruments import Component, Reading, metering
from lib.records import Record
from lib.study.errors import UserError
from lib.text import listed
from lib.units import JOULES_PER_KWH

LARGEST_DIFFERENCE = 0.05
"""Share by which a summary's duration may differ from that of a run which it is of."""

_SUMMARY = re.compile(r"(?:.*-)?(?P<dataset>[^_-]+)_(?P<architecture>[^_]+)_(?P<repetition>\d+)")


class SummaryError(UserError, ValueError):
    """Summaries that can't be read, or are of other runs; the message says what would be right."""


def readings(name: str, runs: Sequence[Record], path: Path) -> list[Reading]:
    """One reading of the instrument `name` a run, in their order, from the summaries that name
    their configurations: those of a folder, at any depth, or one alone.

    Raises:
        SummaryError: If a summary can't be read, or none is of these runs.
    """
    paths = [path] if path.is_file() else sorted(path.rglob("summary_*.json"))
    if not paths:
        raise SummaryError(f"'{path}' holds no files summary_*.json; a log in CSV is a file")
    found: dict[tuple[str, str, int], Path] = {}
    for one in paths:
        key = _configuration(one)
        if key in found:
            raise SummaryError(f"{found[key].name} and {one.name} are both of {key}")
        found[key] = one
    read = []
    for record in runs:
        config = record.config
        dataset, architecture = (str(config.get(n)).lower() for n in ("dataset", "architecture"))
        key = dataset, architecture, int(config.get("repetition") or 0)
        if key in found:
            read.append(_summary(name, found[key], record))
        else:
            reason = f"no summary is of {', '.join(map(str, key))}"
            read.append(metering.without_energy(name, record.duration or 0.0, reason))
    if not any(reading.energy_consumed for reading in read):
        names = ", ".join(sorted({one.name for one in found.values()})[:3])
        raise SummaryError(f"no summary ({names} ...) is of a run of this study")
    return read


FIGURES = ("joules", "timeExecution", "samples")


def content(path: Path, *texts: str) -> dict[str, Any]:
    """The `FIGURES` of a summary as numbers, and what else is asked for as text.

    Raises:
        SummaryError: It can't be read, or lacks one of them.
    """
    try:
        said = json.loads(plain(path).read_text(encoding="utf-8"))
        return {name: float(said[name]) for name in FIGURES} | {n: str(said[n]) for n in texts}
    except OSError as error:
        raise SummaryError(f"{path.name} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        wanted = listed([*texts, *FIGURES])
        raise SummaryError(f"{path.name}: expected {wanted} ({error!r})") from None


def _configuration(path: Path) -> tuple[str, str, int]:
    """Dataset, architecture and repetition that a summary is of, in small letters."""
    identifier = content(path, "executionIdentifier")["executionIdentifier"]
    match = _SUMMARY.fullmatch(identifier)
    if match is None:
        raise SummaryError(
            f"{path.name}: executionIdentifier '{identifier}' is not of the form "
            "[JOB-]DATASET_ARCHITECTURE_REPETITION"
        )
    return match["dataset"].lower(), match["architecture"].lower(), int(match["repetition"])


def _summary(name: str, path: Path, record: Record) -> Reading:
    joules, seconds, samples = content(path).values()
    details = {
        "samples_per_second": int(samples) / seconds if seconds > 0 else None,
        "source": path.name,
        "sha256": sha256(path),
    }
    trained = record.duration
    if trained and abs(seconds / trained - 1) > LARGEST_DIFFERENCE:
        reason = f"the wattmeter's {seconds:.0f} s are not the run's {trained:.0f} s"
        return metering.without_energy(name, seconds, reason, details)
    component = Component(joules / JOULES_PER_KWH, "measured power (wattmeter)")
    doubts = ("a summary does not tell its gaps",)
    return Reading(name, seconds, {metering.COMPONENT: component}, int(samples), doubts, details)
