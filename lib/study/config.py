"""A study: a YAML file that names factors becomes an ordered list of runs.

Nothing here trains, measures or imports TensorFlow, so a study can be checked and planned at once.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import zoneinfo
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from lib.private import NOBODY, without_home
from lib.training import architectures, backends, datasets
from lib.units import JOULES, WATTS

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*$")]


class StudyError(ValueError):
    """A study, or what the command line adds to it, can't be run.

    Args:
        problems: One sentence per mistake: what is wrong, where, and what would be right.
        source: The file that the mistakes are in, named at the head of the message.
    """

    def __init__(self, problems: list[str], source: str | None = None):
        self.problems = problems
        head = f"{source}: " if source else ""
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(f"{head}{count}\n" + "\n".join(f"  - {line}" for line in problems))


PUBLISHED = "published"
"""The folder of an import, which no study may have."""

NOT_OF_A_RUN = frozenset({"output_dir", "meter"})
"""Fields of RunConfig that change nothing in a run: where results go, which wattmeter is asked."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RunConfig(_Strict):
    """One run: the parameters of `notebooks/train.ipynb`, field for field."""

    architecture: str = Field("VGG16", description="a name in lib.training.architectures")
    dataset: Name = Field("digits", description="digits, mnist, cifar10 or NAME of NAME.npz")
    repetition: int = Field(1, ge=1, strict=True)
    seed: int = Field(1, ge=0, lt=2**31, strict=True, description="of weights, order, augmentation")
    weights: str = Field("none", min_length=1, description="imagenet, none or a file of weights")
    trainable: Literal["head", "all"] = "head"
    head: Literal["paper", "linear"] = "paper"
    features: Literal["online", "cached"] = Field(
        "online", description="cached: the frozen base sees each view once, then the head learns"
    )
    views: int = Field(
        5, ge=1, strict=True, description="augmented views of an image that are cached"
    )
    epochs: int = Field(2, ge=1, strict=True)
    early_stopping: int | None = Field(
        None, ge=1, strict=True, description="epochs without a lower validation loss; None: never"
    )
    batch_size: int = Field(32, ge=1, strict=True)
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    learning_rate: float | None = Field(None, gt=0, description="None: the optimizer's default")
    precision: Literal["float32", "mixed"] = Field(
        "float32", description="mixed: 16 bits for all but the weights and the output"
    )
    backend: Literal["tensorflow", "jax", "torch"] = Field(
        "tensorflow", description="the framework that Keras computes with"
    )
    image_size: int | None = Field(
        None, ge=32, strict=True, description="pixels a side; None: what the paper used"
    )
    preprocessing: Literal["rescale", "imagenet"] = "rescale"
    grey_to_rgb: Literal["repeat", "as_run"] = "repeat"
    augmentation: Literal["paper", "none"] = "paper"
    train_limit: int | None = Field(None, ge=1, strict=True, description="images; None: all")
    test_limit: int | None = Field(None, ge=1, strict=True, description="images; None: all")
    data_dir: str | None = Field(None, min_length=1, description="folder of .npz files")
    location: str | None = Field(
        None, description="ISO code, or CODE/region, for the carbon intensity; None: unknown"
    )
    meter: str | None = Field(
        None, min_length=1, description="file that describes a wattmeter to ask; None: no wattmeter"
    )
    idle_seconds: float = Field(0, ge=0, description="idle baseline before the training")
    warmup_seconds: float = Field(0, ge=0, description="least time of warm-up, thrown away")
    cooldown_seconds: float = Field(0, ge=0, description="pause after the training")
    output_dir: str = Field("outputs/explore", min_length=1, description="the study's folder")

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, value: str) -> str:
        if value not in architectures.REGISTRY:
            raise ValueError(architectures.unknown(value))
        return value

    @field_validator("data_dir", "weights", "meter", "output_dir")
    @classmethod
    def _without_home(cls, value: str | None) -> str | None:
        """Write the home folder as `~`: results are handed round, and it names a person."""
        if not value:
            return value
        try:
            Path(value).expanduser()
        except RuntimeError:
            raise ValueError(NOBODY) from None
        return without_home(value)

    @model_validator(mode="after")
    def _features_of_a_frozen_base(self) -> RunConfig:
        if self.features == "cached" and self.trainable == "all":
            raise ValueError(
                "features: a base that learns can't be cached; set features to online, "
                "or trainable to head"
            )
        return self

    @model_validator(mode="after")
    def _dataset_has_a_source(self) -> RunConfig:
        if self.dataset not in datasets.KNOWN and self.data_dir is None:
            known = ", ".join(datasets.KNOWN)
            raise ValueError(
                f"dataset '{self.dataset}' is unknown; known are {known}, "
                f"or set data_dir to a folder that holds {self.dataset}.npz"
            )
        return self

    @model_validator(mode="after")
    def _architecture_can_be_built(self) -> RunConfig:
        # How large the images of a file are is not known yet: they may be as small as allowed.
        known = datasets.KNOWN.get(self.dataset)
        size = self.image_size or (known.image_size if known else datasets.SMALLEST_SIDE)
        if problem := architectures.too_small(self.architecture, size):
            raise ValueError(problem)
        if self.backend == "torch" and self.architecture in architectures.NOT_ON_TORCH:
            raise ValueError(
                f"backend: Keras has no {self.architecture} on torch; set it to tensorflow or jax"
            )
        return self

    @property
    def run_id(self) -> str:
        """`<architecture>-<dataset>-r<repetition>-<hash>`: a changed configuration is a new run."""
        return f"{self.architecture}-{self.dataset}-r{self.repetition}-{self.config_hash}"

    @property
    def config_hash(self) -> str:
        """First 8 hex digits of the SHA-256 of every field that may change what is trained.

        Not of the folder that results go to, nor of the wattmeter beside the machine.
        """
        fields = self.model_dump(mode="json", exclude=set(NOT_OF_A_RUN))
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def run_dir(self) -> Path:
        """Where this run leaves its record."""
        return Path(self.output_dir).expanduser() / "runs" / self.run_id

    def missing(self) -> list[str]:
        """Name what the run would need and isn't there, one sentence each."""
        problems = [backends.missing(self.backend)] if backends.missing(self.backend) else []
        if (
            self.weights not in ("imagenet", "none")
            and not Path(self.weights).expanduser().is_file()
        ):
            problems.append(
                f"weights: no file '{self.weights}'; allowed are imagenet, none or a weights file"
            )
        if self.meter is not None and not Path(self.meter).expanduser().is_file():
            problems.append(f"meter: no file '{self.meter}'; it describes a wattmeter")
        if self.data_dir is not None:
            folder = Path(self.data_dir).expanduser()
            if not folder.is_dir():
                problems.append(f"data_dir: no folder '{self.data_dir}'")
            elif (
                self.dataset not in datasets.KNOWN
                and not (folder / f"{self.dataset}.npz").is_file()
            ):
                problems.append(
                    f"dataset: no file '{self.dataset}.npz' in data_dir '{self.data_dir}'"
                )
        return problems


class Order(_Strict):
    """How runs are ordered: shuffled with a seed, so that drift is not taken for an effect."""

    shuffle: bool = True
    seed: int = Field(1, ge=0, strict=True)


class Protocol(_Strict):
    """Seconds around the measured training of every run."""

    idle_seconds: float = Field(0, ge=0)
    warmup_seconds: float = Field(0, ge=0)
    cooldown_seconds: float = Field(0, ge=0)


Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1, strict=True)]


class WattmeterLog(_Strict):
    """How to read the log of a wattmeter: which of its columns say when and how much, in what unit.

    Columns go by their names, or by their numbers from 1 on where the log has no header.
    """

    time: Column = "time"
    time_format: Literal["iso", "s", "ms"] = Field(
        "iso", description="ISO 8601, or seconds or milliseconds since 1970 (UTC)"
    )
    timezone: str | None = Field(None, description="of times without a zone, e.g. Europe/Madrid")
    power: Column | None = Field(None, description="the column with power; or else:")
    energy: Column | None = Field(None, description="the column with an energy counter's readings")
    unit: Literal["mW", "W", "kW", "J", "mWh", "Wh", "kWh"]
    separator: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    clock_offset: float | None = Field(
        None, description="s that the log's clock is ahead of the machine's; None: estimated"
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in zoneinfo.available_timezones():
            raise ValueError("is no time zone; it has a name like Europe/Madrid or UTC")
        return value

    @model_validator(mode="after")
    def _one_quantity_in_its_unit(self) -> WattmeterLog:
        if (self.power is None) == (self.energy is None):
            raise ValueError("wattmeter: name one column, either power or energy")
        units = WATTS if self.energy is None else JOULES
        if self.unit not in units:
            quantity = "power" if self.energy is None else "energy"
            raise ValueError(f"wattmeter: {quantity} has a unit of {', '.join(units)}")
        places = {isinstance(column, int) for column in (self.time, self.value)}
        if len(places) > 1:
            raise ValueError("wattmeter: give both columns by name or both by number")
        return self

    @property
    def value(self) -> str | int:
        """The column of power or energy."""
        return self.power if self.energy is None else self.energy


DatasetSource = Annotated[str, StringConstraints(pattern=r"^[\w-]+/[\w-]+(/\d+)?$")]


class KaggleKernel(_Strict):
    """What the runs of a study are given on Kaggle."""

    gpu: bool = True
    internet: bool = Field(True, description="to download weights, images and what is missing")
    machine_shape: str | None = Field(
        None, min_length=1, description="e.g. NvidiaTeslaT4 (two of them); None: Kaggle's default"
    )
    dataset_sources: tuple[DatasetSource, ...] = Field((), description="owner/name, attached")
    owner: Annotated[str, StringConstraints(pattern=r"^[\w-]+$")] | None = Field(
        None, description="of the kernels; None: the user of Kaggle's client"
    )

    @model_validator(mode="after")
    def _shape_fits(self) -> KaggleKernel:
        if self.machine_shape and not self.gpu:
            raise ValueError("kaggle: machine_shape names an accelerator; set gpu to true")
        if self.machine_shape == "NvidiaTeslaP100":
            raise ValueError("kaggle: Kaggle has no P100 any more; right is e.g. NvidiaTeslaT4")
        return self


class Study(_Strict):
    """What a study file says."""

    title: str = Field(min_length=1)
    defaults: dict[str, Any] = {}
    factors: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    variants: list[dict[str, Any]] = Field([], description="each crossed with all factors")
    repetitions: int = Field(1, ge=1, strict=True)
    exclude: list[dict[str, Any]] = []
    order: Order = Order()
    protocol: Protocol = Protocol()
    run_timeout: float | None = Field(None, gt=0, description="seconds a run may take")
    places: list[str] = Field([], description="further locations to put the energy on")
    wattmeter: WattmeterLog | None = Field(None, description="how to read a wattmeter's log")
    kaggle: KaggleKernel = KaggleKernel()

    def runs(self, name: str, outputs: Path) -> list[RunConfig]:
        """Every run of the study, in the order in which they will be executed.

        Factors are crossed with each other and with the variants, each of which sets some fields
        together. So a study can change one thing at a time where a full cross would be too large.

        Repetition r of every configuration uses seed (`defaults.seed`, else 1) + r - 1: the
        architectures of one repetition see the same images, repetitions see different ones.
        `{architecture}` in `weights` is the run's own, for a folder with a file for each.

        Args:
            name: The study's name, which is its folder under `outputs`.
            outputs: Where studies leave their results.

        Raises:
            StudyError: With every mistake of every run, each said once.
        """
        problems = self._misplaced_fields()
        if problems:
            raise StudyError(problems)
        runs = []
        for *values, variant in itertools.product(*self.factors.values(), self.variants or [{}]):
            cell = dict(zip(self.factors, values, strict=True))
            if any(_matches(cell, partial) for partial in self.exclude):
                continue
            cell |= variant
            for repetition in range(1, self.repetitions + 1):
                fields = {**self.protocol.model_dump(), **self.defaults, **cell}
                fields |= {"repetition": repetition, "output_dir": str(outputs / name)}
                try:
                    config = RunConfig(**fields)
                    own = {
                        "seed": config.seed + repetition - 1,
                        "weights": config.weights.replace("{architecture}", config.architecture),
                    }
                    runs.append(RunConfig(**(config.model_dump() | own)))
                except ValidationError as error:
                    problems += _sentences(error)
        if not runs and not problems:
            problems = ["exclude: leaves no run"]
        if twice := [run_id for run_id, n in Counter(r.run_id for r in runs).items() if n > 1]:
            problems.append(f"variants: two of them are the same run, {twice[0]}")
        if problems:
            raise StudyError(list(dict.fromkeys(problems)))
        if self.order.shuffle:
            random.Random(self.order.seed).shuffle(runs)
        return runs

    def as_yaml(self) -> str:
        """The study as a study file: what was run, with what the command line had set."""
        # By way of JSON, so that YAML puts quotes around what is now `~`, its word for nothing.
        said = json.loads(without_home(json.dumps(self.model_dump(mode="json"))))
        return yaml.safe_dump(said, sort_keys=False, allow_unicode=True)

    def _misplaced_fields(self) -> list[str]:
        allowed = set(RunConfig.model_fields) - {"repetition", "output_dir"}
        variants = [(f"variants.{n}", fields) for n, fields in enumerate(self.variants, start=1)]
        problems = [
            f"{place}: unknown field '{field}'; allowed are {', '.join(sorted(allowed))}"
            for place, fields in (
                ("defaults", self.defaults),
                ("factors", self.factors),
                *variants,
            )
            for field in fields
            if field not in allowed
        ]
        problems += [
            f"{place}: '{field}' is a factor too; a field varies in one place"
            for place, fields in variants
            for field in fields
            if field in self.factors
        ]
        problems += [
            f"factors.{field}: '{value}' is there twice"
            for field, values in self.factors.items()
            for value in {str(v): v for v in values if values.count(v) > 1}
        ]
        for partial in self.exclude:
            for field, value in partial.items():
                if field not in self.factors:
                    problems.append(f"exclude: '{field}' is not a factor of this study")
                elif value not in self.factors[field]:
                    problems.append(f"exclude: '{value}' is not a level of factor {field}")
        return problems


class _NoKeyTwice(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error: of two values one would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value != "<<" and (first := lines.setdefault(str(key.value), line)) != line:
                raise yaml.YAMLError(f"'{key.value}' stands twice, in lines {first} and {line}")
        return super().construct_mapping(node, deep)


def load_study(path: Path, overrides: dict[str, Any] | None = None) -> Study:
    """Read a study file.

    Args:
        path: The YAML file.
        overrides: Fields from the command line. A field of the study itself (`repetitions`,
            `run_timeout`) is replaced there; any other is a RunConfig field for every run: a
            factor of that name is reduced to this one value, and variants no longer set it.

    Raises:
        StudyError: If the file is missing, is no YAML or says what a study does not know.
    """
    if path.stem.startswith(".") or path.stem == PUBLISHED:
        reason = "a study is named after its file, and so is its folder of results"
        raise StudyError([f"{reason}: '{path.stem}' can't be its name; rename it"], str(path))
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _NoKeyTwice)
    except FileNotFoundError:
        raise StudyError(
            [f"no such file; studies lie in params/, e.g. {_examples()}"], str(path)
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError([f"can't be read: {error}"], str(path)) from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of a date such as 2024-13-45
        raise StudyError(
            [f"is not valid YAML: {' '.join(str(error).split())}"], str(path)
        ) from None
    if not isinstance(content, dict):
        raise StudyError(["is empty or not a mapping; a study needs at least a title"], str(path))
    try:
        study = Study(**{str(key): value for key, value in content.items()})
        return _overridden(study, overrides or {})
    except ValidationError as error:
        raise StudyError(_sentences(error), str(path)) from None


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


def check_presence(runs: Iterable[RunConfig]) -> None:
    """Make sure that this machine has what `runs` need: files, folders, backends.

    Raises:
        StudyError: With everything that isn't there, each said once.
    """
    if problems := list(dict.fromkeys(line for run in runs for line in run.missing())):
        raise StudyError(problems)


def select(runs: list[RunConfig], only: dict[str, list[Any]]) -> list[RunConfig]:
    """Keep the runs whose every field in `only` has one of the values given for it.

    Raises:
        StudyError: If a field is unknown, or no run has one of the values.
    """
    problems = []
    only = {field: [as_field(field, value) for value in values] for field, values in only.items()}
    for field, values in only.items():
        if field not in RunConfig.model_fields:
            fields = ", ".join(RunConfig.model_fields)
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


def as_field(name: str, value: Any) -> Any:
    """A value as a run has it, if it can have it: YAML reads 1e-3 as text."""
    try:
        return getattr(RunConfig(**{name: value}), name)
    except (ValidationError, AttributeError):
        return value


def _matches(cell: dict[str, Any], partial: dict[str, Any]) -> bool:
    return bool(partial) and all(cell.get(field) == value for field, value in partial.items())


def _sentences(error: ValidationError) -> list[str]:
    """Pydantic's errors as sentences that name the field, the value and what is allowed."""
    sentences = []
    for detail in error.errors():
        field = ".".join(map(str, detail["loc"]))
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "missing":
            sentences.append(f"{field}: is missing")
        elif detail["type"] == "extra_forbidden":
            allowed = ", ".join(sorted(_model_at(error, detail["loc"]).model_fields))
            sentences.append(f"{field}: unknown field; allowed are {allowed}")
        elif not field:
            sentences.append(message)
        else:
            sentences.append(f"{field}: {detail['input']!r}: {message}")
    return sentences


def _model_at(error: ValidationError, place: tuple[int | str, ...]) -> type[BaseModel]:
    nested = {"order": Order, "protocol": Protocol, "wattmeter": WattmeterLog}
    nested |= {"kaggle": KaggleKernel}
    if len(place) > 1 and place[0] in nested:
        return nested[str(place[0])]
    return {"Study": Study, "RunConfig": RunConfig}[error.title]


def _examples() -> str:
    return ", ".join(sorted(str(path) for path in Path("params").glob("*.yaml"))) or "quick.yaml"
