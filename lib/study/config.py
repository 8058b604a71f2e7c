"""A run: the parameters of its notebook, and for each of them what it is for."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import pydantic
from pydantic import Field, StringConstraints

from lib import program
from lib.files import NOBODY, without_home
from lib.study import catalog, own_network
from lib.study.folder import StudyFolder

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*$", max_length=100)]


class Strict(pydantic.BaseModel):
    """A model that takes nothing it doesn't know, and does not change."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _named_home(path: str) -> str:
    """Write the home folder as `~`: results are handed round, and it names a person."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError(NOBODY) from None
    return without_home(path)


PathText = Annotated[str, StringConstraints(min_length=1), pydantic.AfterValidator(_named_home)]


class Use(Enum):
    """What a field of a run is for. Whoever lists fields asks for them by it."""

    CONFIGURATION = "what is trained and how; a field that doesn't say is this"
    REPETITION = "which of the repetitions of a configuration it is"
    FILES = "where this machine has what a run reads"
    PLACE = "where, beside which instrument, a run is measured; it changes nothing in the training"
    PROTOCOL = "what surrounds the training"
    RESULTS = "where results go"


class Later:
    """Marks a field that came after runs had ids; its default is what was done before."""


class RunFields(Strict):
    """One run: the parameters of its notebook, and what follows from them whatever they are.

    Every notebook has a class of its own, with these fields and those of its parameters cell:
    `lib.study.notebook.fields_of`.
    """

    notebook: ClassVar[Path] = program.ROOT / "notebooks" / "train.ipynb"

    if TYPE_CHECKING:
        repetition: int
        seed: int
        location: str | None
        meter: str | None
        idle_seconds: float
        warmup_seconds: float
        cooldown_seconds: float
        inference_seconds: float
        output_dir: str

    @classmethod
    @functools.cache  # asked for with every id of a run
    def names(cls, *uses: Use) -> tuple[str, ...]:
        """The fields for any of `uses`, in their order."""
        said = {
            name: next((one for one in info.metadata if isinstance(one, Use)), Use.CONFIGURATION)
            for name, info in cls.model_fields.items()
        }
        return tuple(name for name, use in said.items() if use in uses)

    @classmethod
    def own(cls) -> tuple[str, ...]:
        """The fields that say what is trained, which differ from notebook to notebook."""
        return cls.names(Use.CONFIGURATION, Use.FILES)

    @classmethod
    def as_field(cls, name: str, value: Any) -> Any:
        """A value as a run has it, if it can have it: YAML reads 1e-3 as text."""
        try:
            return getattr(cls(**{name: value}), name)
        except (pydantic.ValidationError, AttributeError):
            return value

    @property
    def run_id(self) -> str:
        """`<first field>-<second>-r<repetition>-<hash>`: a changed configuration is a new run."""
        front = [_in_a_path(getattr(self, name)) for name in self.own()[:2]]
        return "-".join([*front, f"r{self.repetition}", self.config_hash])

    @property
    def config_hash(self) -> str:
        """First 8 hex digits of the SHA-256 of `identity`, and of the code that it names."""
        return self._hash(None)

    @property
    def code(self) -> dict[str, str]:
        """Files of code that a run names, relative to this folder, and their digests."""
        return {}

    @property
    def former_id(self) -> str:
        """The id of this run when its location was a part of it."""
        return self.run_id.replace(self.config_hash, self._hash(self.location))

    def _hash(self, location: str | None) -> str:
        """Of every field that may change what is trained or measured: not the place, nor where
        results go.

        Ids outlive releases: those of runs that came before `location` left them still hold, and a
        field that is `Later` counts where it is not its default.
        """
        fields = type(self).model_fields
        said = {
            name: value
            for name, value in self.recorded.items()
            if name not in self.names(Use.PLACE)
            and not (Later in fields[name].metadata and value == fields[name].default)
        }
        said |= {"location": location, **self.code}
        if self.notebook.name != RunConfig.notebook.name and self.made_by is None:
            said["notebook"] = self.notebook.name  # a copy with the same fields
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def made_by(self) -> str | None:
        """The notebook or script by name, where its runs have other fields than `RunConfig`."""
        same = type(self).model_fields.keys() == RunConfig.model_fields.keys()
        return None if same else self.notebook.name

    @property
    def recorded(self) -> dict[str, Any]:
        """The fields that a record says: all but where results go."""
        return self.model_dump(mode="json", exclude=set(self.names(Use.RESULTS)))

    @property
    def study_folder(self) -> StudyFolder:
        """Where the results of its study go."""
        return StudyFolder(Path(self.output_dir).expanduser())

    @property
    def run_dir(self) -> Path:
        """Where this run leaves its record."""
        return self.study_folder.run(self.run_id)

    def going_to(self, folder: StudyFolder) -> Self:
        """The same run with its results in another study's folder."""
        return self.model_copy(update={"output_dir": without_home(str(folder.path))})

    def missing(self) -> list[str]:
        """Name what the run would need and isn't there, one sentence each."""
        if self.meter is not None and not _there(self.meter, Path.is_file):
            return [f"meter: no file '{self.meter}'; it describes a wattmeter"]
        return []


class RunConfig(RunFields):
    """One run: the parameters of `notebooks/train.ipynb`, field for field."""

    architecture: str = Field(
        "VGG16", description="a name in lib.study.catalog, or FILE.py:FUNCTION"
    )
    dataset: Name = Field("digits", description="digits, mnist, cifar10 or NAME of NAME.npz")
    repetition: Annotated[int, Use.REPETITION] = Field(1, ge=1, strict=True)
    seed: Annotated[int, Use.REPETITION] = Field(
        1, ge=0, lt=2**31, strict=True, description="of weights, order, augmentation"
    )
    weights: PathText = Field("none", description="imagenet, none or a file of weights")
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
    data_dir: Annotated[PathText | None, Use.FILES] = Field(
        None, description="folder of .npz files"
    )
    location: Annotated[str | None, Use.PLACE] = Field(
        None, description="ISO code, or CODE/region, for the carbon intensity; None: unknown"
    )
    meter: Annotated[PathText | None, Use.PLACE] = Field(
        None, description="file that describes a wattmeter to ask; None: no wattmeter"
    )
    idle_seconds: Annotated[float, Use.PROTOCOL] = Field(
        0, ge=0, description="idle baseline before the training"
    )
    warmup_seconds: Annotated[float, Use.PROTOCOL] = Field(
        0, ge=0, description="least time of warm-up, thrown away"
    )
    cooldown_seconds: Annotated[float, Use.PROTOCOL] = Field(
        0, ge=0, description="pause after the training"
    )
    inference_seconds: Annotated[float, Use.PROTOCOL, Later] = Field(
        0, ge=0, description="inference after the training, measured apart"
    )
    output_dir: Annotated[PathText, Use.RESULTS] = Field(
        "outputs/explore", description="the study's folder"
    )

    @pydantic.field_validator("architecture")
    @classmethod
    def _known_architecture(cls, value: str) -> str:
        if own := own_network.parse(value):
            if problem := own.problem():
                raise ValueError(problem)
        elif value not in catalog.ARCHITECTURES:
            raise ValueError(catalog.unknown_architecture(value))
        return value

    @pydantic.model_validator(mode="after")
    def _fields_fit_together(self) -> RunConfig:
        known = catalog.DATASETS.get(self.dataset)
        if own_network.parse(self.architecture):
            needed = {"weights": "none", "features": "online", "preprocessing": "rescale"}
            for name, right in needed.items():
                if getattr(self, name) != right:
                    raise ValueError(
                        f"{name}: a network of one's own has no base of keras.applications; "
                        f"set {name} to {right}"
                    )
        if self.features == "cached" and self.trainable == "all":
            raise ValueError(
                "features: a base that learns can't be cached; set features to online, "
                "or trainable to head"
            )
        if known is None and self.data_dir is None:
            raise ValueError(
                f"dataset '{self.dataset}' is unknown; known are {', '.join(catalog.DATASETS)}, "
                f"or set data_dir to a folder that holds {self.dataset}.npz"
            )
        # How large the images of a file are is not known yet: they may be as small as allowed.
        size = self.image_size or (known.image_size if known else catalog.SMALLEST_SIDE)
        if problem := catalog.too_small(self.architecture, size):
            raise ValueError(problem)
        if self.backend == "torch" and self.architecture in catalog.NOT_ON_TORCH:
            raise ValueError(
                f"backend: Keras has no {self.architecture} on torch; set it to tensorflow or jax"
            )
        return self

    @property
    def code(self) -> dict[str, str]:
        """The file of a network of one's own, and its digest."""
        own = own_network.parse(self.architecture)
        return {own.file: own.digest} if own else {}

    def missing(self) -> list[str]:
        """Name what the run would need and isn't there, one sentence each."""
        problems = [*filter(None, [catalog.missing_backend(self.backend)]), *super().missing()]
        if self.weights not in ("imagenet", "none") and not _there(self.weights, Path.is_file):
            problems.append(
                f"weights: no file '{self.weights}'; allowed are imagenet, none or a weights file"
            )
        if self.data_dir is None:
            return problems
        if not _there(self.data_dir, Path.is_dir):
            problems.append(f"data_dir: no folder '{self.data_dir}'")
        elif self.dataset not in catalog.DATASETS and not _there(
            f"{self.data_dir}/{self.dataset}.npz", Path.is_file
        ):
            problems.append(f"dataset: no file '{self.dataset}.npz' in data_dir '{self.data_dir}'")
        return problems


def _in_a_path(value: object) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "_", str(value)).strip("._")[:40] or "_"


def _there(path: str, look: Callable[[Path], bool]) -> bool:
    """What `Path.is_file` or `is_dir` says; no, where the path is none that can be."""
    try:
        return look(Path(path).expanduser())
    except OSError:
        return False


names = RunConfig.names

COMMON = {
    name: RunConfig.model_fields[name]
    for name in names(Use.REPETITION, Use.PLACE, Use.PROTOCOL, Use.RESULTS)
}
"""The fields that every run has, whatever its notebook."""

RECORDED = names(*(one for one in Use if one is not Use.RESULTS))
"""Fields that a record says, and columns of `results.csv`: all but where results go."""
