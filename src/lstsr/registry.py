"""Models and readers by name. This module imports neither torch nor any model or reader."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from lstsr.errors import LstsrError

if TYPE_CHECKING:
    from torch import nn

    from lstsr.training.step import PixelStep

Network = TypeVar("Network", bound=type)

_NETWORKS: dict[str, type] = {}


@dataclass(frozen=True)
class Traits:
    """What the workflow knows about a model before it imports it.

    Attributes:
        classical: has no weights, so it needs no training and no checkpoint.
        baseline: a classical model with a row in every table.
        guided: sees the reference.
        adversarial: is always trained against a discriminator.
        released: needs the weights of its authors (`train.initial`); training fits a few constants.
        bands: reference bands that the model needs by name. For each of them the constructor has an
            option of the same name: the index of the band.
    """

    classical: bool = False
    baseline: bool = False
    guided: bool = True
    adversarial: bool = False
    released: bool = False
    bands: tuple[str, ...] = ()


def register(name: str, **traits: Any) -> Callable[[Network], Network]:
    """Decorator that gives the class of a network its name and its `Traits`.

    This module reads the decorators from the source text, so all arguments must be literals.
    """

    def keep(network: Network) -> Network:
        _NETWORKS[name] = network
        return network

    return keep


def _registered() -> Iterator[tuple[str, str, Traits]]:
    """Name, module and traits of each model, from the decorators in the files of lstsr.models."""
    for path in sorted((Path(__file__).parent / "models").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for call in node.decorator_list if isinstance(node, ast.ClassDef) else ():
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "register":
                    traits = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
                    name = ast.literal_eval(call.args[0])
                    yield name, f"lstsr.models.{path.stem}", Traits(**traits)


_REGISTERED = tuple(_registered())

MODELS: Mapping[str, str] = {name: module for name, module, _ in _REGISTERED}
"""Name to module."""
TRAITS: Mapping[str, Traits] = {name: traits for name, _, traits in _REGISTERED}


def list_models(**traits: Any) -> list[str]:
    """Names of the models with these values of `Traits`, for example `classical=True`."""
    return [
        name
        for name, own in TRAITS.items()
        if all(getattr(own, trait) == value for trait, value in traits.items())
    ]


BASELINES = frozenset(list_models(baseline=True))
CLASSICAL = frozenset(list_models(classical=True))
TRAINED = frozenset(list_models(classical=False))
UNGUIDED = frozenset(list_models(guided=False))
ADVERSARIAL = frozenset(list_models(adversarial=True))
RELEASED = frozenset(list_models(released=True))

STEPS: Mapping[bool, str] = {False: "lstsr.training.step", True: "lstsr.training.adversarial"}
"""Module of a row's training steps, by whether the row has `train.adversarial`."""

READERS: Mapping[str, str] = {
    "geotiff": "lstsr.sensors.geotiff",
    "landsat": "lstsr.sensors.landsat.product",
    "gk2a": "lstsr.sensors.ami.lst",
    "gk2a-l1b": "lstsr.sensors.ami.l1b",
    "goci2": "lstsr.sensors.goci2.ac",
    "goci2-l1b": "lstsr.sensors.goci2.l1b",
}
"""Module of each product's reader, with `grid`, `read` and `inspect`."""


def reader(product: str) -> ModuleType:
    """The module that reads a product."""
    return import_module(READERS[product])


def training_step(adversarial: bool) -> type[PixelStep]:
    """The class whose instances make the training steps of a row."""
    step: type[PixelStep] = import_module(STEPS[adversarial]).STEP
    return step


def band_options(name: str, bands: Sequence[str]) -> dict[str, int]:
    """The index of each reference band that the model `name` needs, as options of the model.

    Raises LstsrError if a band is missing.
    """
    for band in TRAITS[name].bands:
        if band not in bands:
            raise LstsrError(
                f"model {name} needs a reference band {band}, but the bands are "
                f"{', '.join(bands)}. Give the band this name (config: names; GeoTIFF: "
                "description), or use another model"
            )
    return {band: bands.index(band) for band in TRAITS[name].bands}


def build(name: str, scale: int, reference_channels: int, **options: Any) -> nn.Module:
    """Make the model `name`, untrained.

    Args:
        name: a key of `MODELS`.
        scale: coarse spacing / fine spacing.
        reference_channels: number of bands of the reference.
        options: keyword arguments of the model's constructor.

    Returns:
        A module `forward(coarse (N,1,h,w), reference (N,C,H,W), coarse_valid (N,1,h,w),
        reference_valid (N,1,H,W)) -> (N,1,H,W)` in normalised units; the masks are 0 or 1.

    Raises:
        LstsrError: the name or an option is unknown, or an option has an invalid value.
    """
    if name not in MODELS:
        raise LstsrError(f"model: unknown name {name!r}. Use one of {', '.join(MODELS)}")
    if scale < 2:
        raise LstsrError(f"scale: {scale} is not a whole number of at least 2")
    import_module(MODELS[name])  # registers its networks
    network = _NETWORKS[name]
    allowed = list(inspect.signature(network).parameters)[2:]
    for key in options:
        if key not in allowed:
            known = ", ".join(allowed) or "none"
            raise LstsrError(f"model {name}: unknown option {key!r}. Its options are: {known}")
    try:
        model: nn.Module = network(scale, reference_channels, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        given = ", ".join(f"{key}: {value!r}" for key, value in options.items())
        text = " ".join(str(error).split())
        raise LstsrError(f"model {name}: options {given} cannot be used ({text})") from error
    return model
