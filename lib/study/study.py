"""A study: a YAML file that names factors becomes an ordered list of runs.

Nothing here trains, measures or imports TensorFlow, so a study can be checked and planned at once.
"""

import itertools
import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError

from lib import program
from lib.files import without_home
from lib.study import notebook as notebooks
from lib.study import sections, yaml_file
from lib.study.config import PathText, RunConfig, RunFields, Strict, Use
from lib.study.errors import StudyError, sentences
from lib.study.folder import StudyFolder
from lib.study.sections import Calibration, Imported, Precision, Share
from lib.study.wattmeter_log import WattmeterLog
from lib.text import listed

VARIANT = "variant"
"""What `compare` calls the variants of a study; a column of its results where there are several."""

_A_NAME = re.compile(r"[^\W_][\w .,+=-]{0,99}")

PUBLISHED = "published"  # the folder of an import, which no study may have
_COUNT, _RULE = "a number", "a rule"  # the two ways to say how many repetitions there are
MOST_RUNS = 50_000  # of a study: more is a slip, and would only be noticed when the memory is full


class Study(Strict):
    """What a study file says."""

    title: str = Field(min_length=1)
    notebook: PathText = Field("notebooks/train.ipynb", description="what a run executes")
    defaults: dict[str, Any] = Field({})
    factors: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field({})
    variants: list[dict[str, Any]] = Field([], description="each crossed with all factors")
    compare: str | None = Field(None, description="the factor in question; None: the first")
    margin: Share | None = Field(None, description="up to which share two levels are alike: 5 %")
    quality: sections.Quality = Field(sections.Quality(), description="what a training is to reach")
    repetitions: Annotated[
        Annotated[int, Field(ge=1, le=MOST_RUNS, strict=True), Tag(_COUNT)]
        | Annotated[Precision, Tag(_RULE)],
        Discriminator(lambda said: _RULE if isinstance(said, dict | Precision) else _COUNT),
    ] = 1
    exclude: list[dict[str, Any]] = Field([])
    order: sections.Order = sections.Order()
    protocol: sections.Protocol = sections.Protocol()
    run_timeout: float | None = Field(None, gt=0, description="seconds a run may take")
    places: list[str] = Field([], description="further locations to put the energy on")
    wattmeter: WattmeterLog | None = Field(None, description="how to read a wattmeter's log")
    calibration: Calibration = Field({}, description="of the machine's instruments, by component")
    kaggle: sections.KaggleKernel = sections.KaggleKernel()
    imported: Imported | None = Field(None, description="of measurements that were read, not made")

    @cached_property
    def fields(self) -> type[RunFields]:
        """The fields of its runs: those that its notebook has.

        Raises:
            StudyError: If the notebook can't be read, says no fields, or its kernel is missing.
        """
        if self.notebook == Study.model_fields["notebook"].default:
            return RunConfig
        path = Path(self.notebook).expanduser()
        there = path if path.is_file() else program.ROOT / path
        found = there if there.is_file() else path
        notebooks.kernel_of(found)
        return notebooks.fields_of(found)

    @property
    def compared(self) -> str | None:
        """The factor whose effect is asked for: the variants where there are any; None: nothing."""
        several = [name for name, levels in self.factors.items() if len(levels) > 1]
        return self.compare or (VARIANT if len(self.variants) > 1 else next(iter(several), None))

    def runs(self, name: str, outputs: Path, repetitions: int | None = None) -> list[RunFields]:
        """Every run of the study, in the order in which they will be executed.

        Factors are crossed with each other and with the variants, each of which sets some fields
        together. So a study can change one thing at a time where a full cross would be too large.

        Repetition r of every configuration uses seed (`defaults.seed`, else 1) + r - 1: the
        architectures of one repetition see the same images, repetitions see different ones.
        `{architecture}`, or any other field, within a text is the run's own: `weights` may name a
        folder with a file for each.

        Results go to the folder `name` under `outputs`. A study that goes on until its ratios are
        known well enough has at least as many repetitions as `repetitions` says, or its rule.

        Raises:
            StudyError: With every mistake of every run, each said once.
        """
        rule = self.repetitions
        count = repetitions or (rule.at_least if isinstance(rule, Precision) else rule)
        total = math.prod(map(len, self.factors.values())) * max(len(self.variants), 1) * count
        if total > MOST_RUNS:
            problem = f"{total:,} runs are more than a study may have, {MOST_RUNS:,}"
            raise StudyError([problem])
        if problems := self._misplaced_fields():
            raise StudyError(problems)
        folder = StudyFolder(outputs / name)
        runs = []
        cells = list(self._cells())
        for repetition in range(1, count + 1):
            # Each repetition by itself, so that one more does not change those before.
            rng = random.Random(f"{self.order.seed}/{repetition}")
            for cell in rng.sample(cells, len(cells)) if self.order.shuffle else cells:
                fields = {**self.protocol.model_dump(), **self.defaults, **cell}
                try:
                    config = self.fields(**fields | {"repetition": repetition}).going_to(folder)
                    values = _filled_in(config) | {"seed": config.seed + repetition - 1}
                    runs.append(self.fields(**values))
                except ValidationError as error:
                    problems += sentences(error, self.fields)
        if not runs and not problems:
            problems = ["exclude: leaves no run"]
        if twice := [run_id for run_id, n in Counter(r.run_id for r in runs).items() if n > 1]:
            problems.append(f"variants: two of them are the same run, {twice[0]}")
        if problems:
            raise StudyError(list(dict.fromkeys(problems)))
        return runs

    def _cells(self) -> Iterator[dict[str, Any]]:
        for *values, variant in itertools.product(*self.factors.values(), self.variants or [{}]):
            cell = dict(zip(self.factors, values, strict=True))
            if not any(partial and partial.items() <= cell.items() for partial in self.exclude):
                yield cell | variant

    def as_yaml(self) -> str:
        """The study as a study file: what was run, with what the command line had set."""
        # By way of JSON, so that YAML puts quotes around what is now `~`, its word for nothing.
        # Of an import nothing is known but what it says: a default would be an assertion.
        content = self.model_dump(
            mode="json",
            exclude_defaults=self.imported is not None,
            exclude=None if self.imported else {"imported"},
        )
        said = json.loads(without_home(json.dumps(content)))
        return yaml.safe_dump(said, sort_keys=False, allow_unicode=True)

    def _misplaced_fields(self) -> list[str]:
        """A sentence for each field or value that can't stand where it does."""
        fields = self.fields
        allowed = fields.model_fields.keys() - {"repetition", *fields.names(Use.RESULTS)}
        variants = [(f"variants.{n}", said) for n, said in enumerate(self.variants, start=1)]
        of_variants = [(place, field) for place, said in variants for field in said]
        varied = [*(("factors", field) for field in self.factors), *of_variants]
        problems = [
            f"{place}: unknown field '{field}'; allowed are {', '.join(sorted(allowed))}"
            for place, field in [*(("defaults", field) for field in self.defaults), *varied]
            if field not in allowed
        ]
        problems += [
            f"{place}: '{field}' says where runs are measured and makes no other runs; set it for "
            "all of them, and name further locations under places"
            for place, field in varied
            if field in fields.names(Use.PLACE)
        ]
        problems += [
            f"{place}: '{field}' is a factor too; a field varies in one place"
            for place, field in of_variants
            if field in self.factors
        ]
        problems += [
            f"factors.{field}: '{value}' is there twice"
            for field, values in self.factors.items()
            for value in {str(v): v for v in values if values.count(v) > 1}
        ]
        several = {"factors": len(self.factors.get("seed", [])) > 1}
        several |= {place: "seed" in said for place, said in variants}
        problems += [
            f"{place}: 'seed' varies here, and with repetitions; set repetitions to 1, or runs of "
            "one seed would count as several"
            for place in several
            if several[place] and self.repetitions != 1
        ]
        comparable = [*self.factors, *([VARIANT] if self.variants else [])]
        if self.compare is not None and self.compare not in comparable:
            there = f"there is {listed(comparable) or 'none'}"
            problems.append(f"compare: '{self.compare}' is no factor of this study; {there}")
        for field, value in (pair for partial in self.exclude for pair in partial.items()):
            if field not in self.factors:
                problems.append(f"exclude: '{field}' is not a factor of this study")
            elif value not in self.factors[field]:
                problems.append(f"exclude: '{value}' is not a level of factor {field}")
        return problems


def load_study(path: Path, overrides: dict[str, Any] | None = None) -> Study:
    """Read a study file, and override fields of it from the command line.

    A field of the study itself (`repetitions`, `run_timeout`) is replaced there; any other is a
    field of every run: a factor of that name is reduced to this one value, and variants no longer
    set it.

    Raises:
        StudyError: If the file is missing, is no YAML or says what a study does not know.
    """
    if path.stem == PUBLISHED or not _A_NAME.fullmatch(path.stem):
        reason = "a study is named after its file, and so is its folder of results"
        raise StudyError([f"{reason}: '{path.stem}' can't be its name; rename it"], str(path))
    try:
        content = yaml_file.read(path)
    except FileNotFoundError:
        there = ", ".join(sorted(map(str, Path("params").glob("*.yaml")))) or "quick.yaml"
        problem = f"no such file; there are studies in params/, e.g. {there}"
        raise StudyError([problem], str(path)) from None
    except ValueError as error:
        raise StudyError([str(error)], str(path)) from None
    if not isinstance(content, dict):
        raise StudyError(["is empty or not a mapping; a study needs at least a title"], str(path))
    try:
        study = Study(**{str(key): value for key, value in content.items()})
        return _overridden(study, overrides or {})
    except ValidationError as error:
        raise StudyError(sentences(error, Study), str(path)) from None


def read_back(folder: StudyFolder) -> Study | None:
    """The study whose results lie in a folder; None where that is not written down.

    What this version of the program does not know of it is left out.
    """
    try:
        content = yaml_file.read(folder.study)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(content, dict):
        return None
    content = {"title": folder.name, **{str(key): value for key, value in content.items()}}
    if isinstance(runs := content.get("imported"), int):  # as it was written once
        others = {name: content.pop(name, []) for name in ("skipped", "notes")}
        content["imported"] = {"runs": runs, **others}
    try:
        return Study(**content)
    except ValidationError as error:
        strange = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
        known = {key: value for key, value in content.items() if key not in strange}
        return Study(**{"title": folder.name} | known)


def _overridden(study: Study, overrides: dict[str, Any]) -> Study:
    content = study.model_dump()
    for field, value in overrides.items():
        if field in ("title", "repetitions", "run_timeout"):
            content[field] = value
        elif field in content["factors"]:
            content["factors"][field] = [value]
        else:
            content["defaults"][field] = value
            fixed = [{k: v for k, v in one.items() if k != field} for one in content["variants"]]
            content["variants"] = [v for n, v in enumerate(fixed) if v not in fixed[:n]]
    return Study(**content)


def check_presence(runs: Iterable[RunFields]) -> None:
    """Make sure that this machine has what `runs` need: files, folders, backends.

    Raises:
        StudyError: With everything that isn't there, each said once.
    """
    if problems := list(dict.fromkeys(line for run in runs for line in run.missing())):
        raise StudyError(problems)


def select(runs: list[RunFields], only: dict[str, list[Any]]) -> list[RunFields]:
    """Keep the runs whose every field in `only` has one of the values given for it.

    Raises:
        StudyError: If a field is unknown, or no run has one of the values.
    """
    problems, known = [], type(runs[0])
    only = {field: [known.as_field(field, one) for one in values] for field, values in only.items()}
    for field, values in only.items():
        if field not in known.model_fields:
            fields = ", ".join(known.model_fields)
            problems.append(f"--only: unknown field '{field}'; allowed are {fields}")
            continue
        present = list({getattr(run, field) for run in runs})
        problems += [
            f"--only: no run has {field}={value}; there are {', '.join(sorted(map(str, present)))}"
            for value in values
            if value not in present
        ]
    kept = [run for run in runs if all(getattr(run, f, None) in v for f, v in only.items())]
    if not problems and not kept:
        problems = ["--only: no run has all of these values together"]
    if problems:
        raise StudyError(problems)
    return kept


def _filled_in(config: RunFields) -> dict[str, Any]:
    """Its fields, with `{name}` in a text replaced by the field of that name."""
    values = config.model_dump()
    for name in (one for one in config.own() if isinstance(values[one], str)):
        for other in config.own():
            values[name] = values[name].replace(f"{{{other}}}", str(values[other]))
    return values
