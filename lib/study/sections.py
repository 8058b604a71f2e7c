"""Sections of a study file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, create_model, model_validator

from lib.study.config import RunConfig, Strict, Use, names


def _share(said: object) -> object:
    """`1 %` as 0.01; what is no percentage stays as it is."""
    if isinstance(said, str) and said.rstrip().endswith("%"):
        try:
            return float(said.rstrip().removesuffix("%")) / 100
        except ValueError:
            pass
    return said


Share = Annotated[float, BeforeValidator(_share), Field(gt=0, lt=1)]
"""A part of a whole, written as `5 %` or 0.05."""


class Precision(Strict):
    """As many repetitions as it takes: until every ratio is known so well by the runs' scatter, by
    whole blocks.
    """

    precision: Share = Field(description="how far the scatter lets a ratio be off, e.g. 5 %")
    at_least: int = Field(3, ge=2, strict=True)
    at_most: int = Field(30, ge=2, strict=True)

    @model_validator(mode="after")
    def _at_least_is_no_more(self) -> Precision:
        if self.at_least > self.at_most:
            raise ValueError("repetitions: at_least is more than at_most")
        return self


class Order(Strict):
    """How the runs of each repetition are ordered: shuffled with a seed, so that drift is not taken
    for an effect. A repetition is a block: it is over before the next one begins.
    """

    shuffle: bool = True
    seed: int = Field(1, ge=0, strict=True)


_SECONDS: dict[str, Any] = {
    name: (RunConfig.model_fields[name].annotation, RunConfig.model_fields[name])
    for name in names(Use.PROTOCOL)
}
Protocol = create_model(
    "Protocol",
    __base__=Strict,
    __doc__="Seconds around the measured training of every run: the fields that are for it.",
    **_SECONDS,
)


class Gain(Strict):
    """What a calibration found: the true energy over what an instrument says."""

    gain: float = Field(gt=0, description="true over reported")
    u: Share = Field(description="its relative standard uncertainty, such as 1 %")


Calibration = dict[Literal["cpu", "gpu", "ram", "wattmeter"], Gain]
"""By instrument; in place of what is assumed of an instrument that nobody calibrated."""


class Quality(Strict):
    """What a training is to reach, as its notebook calls it among the results."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")] = "accuracy"
    better: Literal["higher", "lower"] = "higher"

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, said: Any) -> Any:
        return {"name": said} if isinstance(said, str) else said


DatasetSource = Annotated[str, StringConstraints(pattern=r"^[\w-]+/[\w-]+(/\d+)?$")]


class KaggleKernel(Strict):
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


class Imported(Strict):
    """What was read in place of runs, of an import."""

    runs: int = Field(ge=0)
    skipped: tuple[str, ...] = Field((), description="a sentence for each row that is no run")
    notes: tuple[str, ...] = Field((), description="what a reader should know, a sentence each")
