"""One entry of the list of models: a network or a classical method, and how it is trained."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Self, get_type_hints

from pydantic import Field, model_validator
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from lstsr.config.channels import Layer
from lstsr.config.section import Name, Section
from lstsr.registry import CLASSICAL, MODELS, UNGUIDED
from lstsr.rows import STRICT, Normalised, TrainSettings
from lstsr.tracks import Guide

if TYPE_CHECKING:
    TrainOverrides = dict[str, Any]
else:
    _types = get_type_hints(TrainSettings)
    _options = {
        item.name: Annotated[_types[item.name], Field(**item.metadata)]
        for item in fields(TrainSettings)
    }
    TrainOverrides = TypedDict("TrainOverrides", _options, total=False)
    TrainOverrides.__pydantic_config__ = STRICT


class ModelConfig(Section):
    """A network, a classical method or a variant: one row of the table per block and seed."""

    model: str = Field(description="name of the network or method")
    variant: Name = Field("base", description="name that separates rows of one model")
    blocks: list[str] | None = Field(None, description="track-xscale; default: all blocks")
    harmonised: bool = Field(
        False, description="correct the input's bias (observed blocks; needs align.covariates)"
    )
    guide: Guide = Field(
        "own",
        description="ablation: no reference (off), the scene's reference turned by 180 degrees, "
        "the reference of another place of the split (shuffled), or the scene's reference without "
        "registration (align.layers: unregistered; the input stays registered)",
    )
    normalisation: Normalised = Field(
        "input",
        description="ablation: input and target each by their own range, or by mean and deviation; "
        "the prediction is scaled back with those of the input",
    )
    layers: list[Layer] = Field(
        [], description="layers of align.layers that it sees in addition to the reference's bands"
    )
    options: dict[str, Any] = Field({}, description="constructor arguments of the model")
    self_ensemble: bool = Field(
        False,
        description="a further row without training: the mean over turned and mirrored inputs",
    )
    seed_ensemble: bool = Field(
        False,
        description="a further row without training: the mean of the networks of all seeds (two or "
        "more)",
    )
    train: TrainOverrides = Field({}, description="what differs from the run's `train`")

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if self.model not in MODELS:
            raise ValueError(f"model = '{self.model}' is unknown: allowed are {', '.join(MODELS)}")
        for key in ("train", "self_ensemble", "seed_ensemble"):
            if self.model in CLASSICAL and getattr(self, key):
                raise ValueError(f"{key}: {self.model} has no weights to train. Remove this key")
        return self

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        for key, source in (("bands", "sensors.target"), ("ndvi", "sensors.reference")):
            if key in self.options:
                raise ValueError(f"options.{key}: lstsr takes it from {source}. Remove it")
        return self

    @model_validator(mode="after")
    def _check_guide(self) -> Self:
        if self.model in UNGUIDED:
            if self.guide != "own":
                raise ValueError(
                    f"guide = '{self.guide}': {self.model} sees no reference. Remove this key"
                )
            base = self.options.get("base")
            if base in CLASSICAL - UNGUIDED:
                raise ValueError(
                    f"options.base = '{base}' sees the reference, but {self.model} must not"
                )
        return self

    @model_validator(mode="after")
    def _check_variant(self) -> Self:
        ablated = (self.guide, self.normalisation) != ("own", "input")
        if self.variant == "base" and (self.harmonised or self.layers or ablated):
            raise ValueError(
                "variant = 'base': this row does not see the plain input and reference. Give it "
                "another variant"
            )
        return self
