"""What one call of `run_all.py` is to do: the study, which of its runs, and where results go."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.execution import inputs, place
from lib.study.config import RunFields, Use
from lib.study.errors import StudyError
from lib.study.study import Study, load_study, select


@dataclass(frozen=True)
class Call:
    """What a call is to do: the options of the command line, and what follows from them."""

    study: Study  # what the study file and the command line say
    name: str  # of the folder of results: another than the study's where `--set` makes other runs
    source: Path
    outputs: Path
    everything: list[RunFields]  # all runs of the study
    chosen: frozenset[str]  # ids of the runs of this call
    scheduler: str | None = None
    retry_failed: bool = False
    fresh: bool = False
    figures: bool = False

    @property
    def study_dir(self) -> Path:
        """Where the results of this call go."""
        return self.outputs / self.name

    def of_this_call(self, runs: Iterable[RunFields]) -> list[RunFields]:
        """Those of `runs` that were chosen."""
        return [run for run in runs if run.run_id in self.chosen]


def prepare(
    source: Path,
    outputs: Path,
    overrides: dict[str, Any],
    only: dict[str, list[Any]],
    *,
    elsewhere: bool = False,
    **options: Any,
) -> Call:
    """Read a study file, and what the command line adds to it, as a call with further `options`.

    `overrides` replace fields of the study, and its runs are those that have one of the values
    `only`, by field. What executes them `elsewhere` may have what this machine lacks.

    Raises:
        StudyError: If the study can't be run, or not here.
    """
    study, name = load_study(source, overrides), source.stem
    try:
        everything = study.runs(name, outputs)
        ids = {run.run_id for run in everything}
        own = study.fields.model_fields.keys() - {*study.fields.names(Use.PLACE)}
        if changes := {f: v for f, v in overrides.items() if f in own or f == "repetitions"}:
            rest = {field: v for field, v in overrides.items() if field not in changes}
            planned = _planned(source, rest, outputs)
            whole = {run.run_id for run in planned[1]} if planned else set()
            if planned is not None and ids < whole:
                study, everything = planned
            elif planned is None or not ids >= whole:  # more repetitions are more of the study
                name = _trial(source.stem, changes)
                everything = study.runs(name, outputs)
        chosen = select([run for run in everything if run.run_id in ids], only)
        if problems := place.unknown([*(run.location for run in chosen), *study.places]):
            raise StudyError(problems)
        if not elsewhere:
            inputs.check(chosen)
    except StudyError as error:
        raise StudyError(error.problems, str(source)) from None
    chosen_ids = frozenset(run.run_id for run in chosen)
    return Call(study, name, source, outputs, everything, chosen_ids, **options)


def _planned(
    source: Path, overrides: dict[str, Any], outputs: Path
) -> tuple[Study, list[RunFields]] | None:
    """The study as its file says, with its runs; None where it can't be run like that."""
    try:
        study = load_study(source, overrides)
        return study, study.runs(source.stem, outputs)
    except StudyError:
        return None


def _trial(study: str, changes: dict[str, Any]) -> str:
    """The folder of runs that are not the study's: its name, and what is set."""
    said = ",".join(f"{field}={value}" for field, value in sorted(changes.items()))
    if not re.fullmatch(r"[\w.,=+-]{1,80}", said):
        said = hashlib.sha256(said.encode()).hexdigest()[:8]
    return f"{study}+{said}"
