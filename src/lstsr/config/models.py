"""One entry of the list of models: a network or a classical method, and how it is trained."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Self, get_type_hints

from pydantic import Field, model_validator
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from lstsr.config.channels import Layer
from lstsr.config.section import Name, Section, option
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

    model: str = Field(description="name of the network or classical method")
    variant: Name = option("base", "name that separates rows of one model")
    blocks: list[str] | None = option(None, "track-xscale; default: all blocks")
    harmonised: bool = option(False, "correct the bias of observed input by align.covariates")
    guide: Guide = option(
        "own",
        "ablation: no reference (off), the scene's reference turned by 180 degrees "
        "(turned), the reference of another place in the same split (shuffled), or the scene's "
        "reference without registration (unregistered in align.layers; the input stays registered)",
    )
    normalisation: Normalised = option(
        "input",
        "ablation: normalise input and target each by its own range (min-max) or mean "
        "and deviation (statistics); scale the prediction back with the values of the input",
    )
    layers: list[Layer] = option([], "layers of align.layers that the model sees")
    options: dict[str, Any] = option({}, "constructor arguments of the model")
    self_ensemble: bool = option(False, "add a row: the mean over turned and mirrored inputs")
    seed_ensemble: bool = option(False, "add a row: the mean of the networks of two or more seeds")
    train: TrainOverrides = option({}, "settings that differ from the run's `train`")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.model not in MODELS:
            raise ValueError(f"model = '{self.model}' is unknown: allowed are {', '.join(MODELS)}")
        for key in ("train", "self_ensemble", "seed_ensemble"):
            if self.model in CLASSICAL and getattr(self, key):
                raise ValueError(f"{key}: {self.model} has no weights to train. Remove this key")
        for key, source in (("bands", "sensors.target"), ("ndvi", "sensors.reference")):
            if key in self.options:
                raise ValueError(f"options.{key}: lstsr takes it from {source}. Remove it")
        if self.model in UNGUIDED:
            if self.guide != "own":
                raise ValueError(
                    f"guide = '{self.guide}': {self.model} sees no reference. Remove this key"
                )
            if (base := self.options.get("base")) in CLASSICAL - UNGUIDED:
                raise ValueError(
                    f"options.base = '{base}' sees the reference, but {self.model} must not"
                )
        ablated = (self.guide, self.normalisation) != ("own", "input")
        if self.variant == "base" and (self.harmonised or self.layers or ablated):
            raise ValueError(
                "variant = 'base': this row does not see the plain input and reference. "
                "Name another variant"
            )
        return self
