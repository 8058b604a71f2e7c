"""Sections of a study file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, create_model, model_validator

from lib.study.config import RunConfig, Strict, Use, names


class Order(Strict):
    """How runs are ordered: shuffled with a seed, so that drift is not taken for an effect."""

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
