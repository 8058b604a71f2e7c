"""The report of whatever runs lie in a folder: `run_all.py --report`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lib import records
from lib.execution import lock, run_study
from lib.files import write_atomically
from lib.records import Record
from lib.study.config import COMMON
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.study import Study, read_back
from lib.text import readable


def report(folder: Path, console: Console, *, figures: bool) -> bool:
    """Merge the runs of a folder, say in `study.yaml` in what they differ, and write the report.

    Raises:
        StudyError: If there are no runs.
    """
    study = StudyFolder(folder)
    merged = records.merge(folder)
    found = merged.records
    if not found:
        problem = f"{folder} holds no runs; those of `measured` and of run_all.py lie in runs/"
        raise StudyError([problem], "--report")
    with lock.alone_in_study(folder):
        if not study.plan.is_file():
            write_atomically(study.study, described(found, read_back(study), study.name).as_yaml())
        records.write_results(merged.results, folder)
    for sentence in merged.damaged:
        console.print(f"Note: {readable(sentence)}", soft_wrap=True)
    console.print(f"{len(found)} runs were found.")
    return run_study.report(console, folder, figures=figures)


def described(found: Sequence[Record], known: Study | None, name: str) -> Study:
    """The study that these runs make: what differs between them are its factors.

    All but these is kept of what is `known` of it; where that is nothing, `name` is its title.
    """
    factors: dict[str, list[Any]] = {}
    defaults: dict[str, Any] = {}
    for field in dict.fromkeys(field for record in found for field in record.config):
        levels = list(dict.fromkeys(record.config.get(field) for record in found))
        if field in COMMON:
            continue
        if len(levels) > 1:
            factors[field] = levels
        else:
            defaults[field] = levels[0]
    said = known.model_dump(exclude={"factors", "defaults", "variants"}) if known else {}
    said.setdefault("title", name)
    if notebook := next((record.notebook for record in found if record.notebook), None):
        said["notebook"] = notebook
    return Study(**said, factors=factors, defaults=defaults)
