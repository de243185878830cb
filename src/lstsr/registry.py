"""Models and readers by name. Importing this module imports neither torch nor any of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lstsr.errors import LstsrError

if TYPE_CHECKING:
    from torch import nn

    from lstsr.training.step import PixelStep

MODELS: Mapping[str, str] = {
    "bilinear": "lstsr.models.interpolation",
    "bicubic": "lstsr.models.interpolation",
    "bicubic-backprojected": "lstsr.models.interpolation",
    "global-linear": "lstsr.models.linear",
    "local-linear": "lstsr.models.linear",
    "tsharp": "lstsr.models.tsharp",
    "dms": "lstsr.models.dms",
    "atprk": "lstsr.models.atprk",
    "srcnn": "lstsr.models.srcnn",
    "esrnet": "lstsr.models.rrdb",
    "esrgan": "lstsr.models.rrdb",
    "srgan": "lstsr.models.srgan",
    "dctnet": "lstsr.models.dctnet",
    "jiif": "lstsr.models.jiif",
    "unet": "lstsr.models.unet",
    "dctrrdbnet": "lstsr.models.dctrrdbnet",
    "dctrrdbnet-single-scale": "lstsr.models.dctrrdbnet_single_scale",
    "sc-unet": "lstsr.models.sc_unet",
    "sif-nn-sr1": "lstsr.models.sc_unet",
    "sif-nn-sr2": "lstsr.models.sc_unet",
}
"""Name to module; the module's `NETWORKS` maps the name to its class."""

BASELINES = frozenset(
    {"bilinear", "bicubic", "bicubic-backprojected", "global-linear", "local-linear"}
)
"""Classical models that have a row in every table."""

CLASSICAL = BASELINES | {"tsharp", "dms", "atprk"}
"""Models without weights: they need no training and no checkpoint."""

UNGUIDED = frozenset(
    {"bilinear", "bicubic", "bicubic-backprojected", "srcnn", "esrnet", "esrgan", "srgan"}
)
"""Models that see no reference."""

TRAINED = frozenset(MODELS) - CLASSICAL
"""Models with weights: one checkpoint per row of the table."""

ADVERSARIAL = frozenset({"esrgan", "srgan"})
"""Models that must be trained against a discriminator."""

RELEASED = frozenset({"sc-unet", "sif-nn-sr1", "sif-nn-sr2"})
"""Models that need their authors' weights (`train.initial`); training fits a few constants."""

STEPS: Mapping[bool, str] = {False: "lstsr.training.step", True: "lstsr.training.adversarial"}
"""Module of a row's training steps, by whether the row has `train.adversarial`."""

READERS: Mapping[str, str] = {
    "geotiff": "lstsr.sensors.geotiff",
    "landsat": "lstsr.sensors.landsat",
    "gk2a": "lstsr.sensors.gk2a",
    "gk2a-l1b": "lstsr.sensors.gk2a_l1b",
    "goci2": "lstsr.sensors.goci2",
    "goci2-l1b": "lstsr.sensors.goci2_l1b",
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
    """Options of the model `name` that follow from the names of the reference's bands.

    Raises LstsrError if the model needs a band that is not among them.
    """
    if name != "tsharp":
        return {}
    if "ndvi" not in bands:
        raise LstsrError(
            f"model tsharp needs a reference band ndvi, but the bands are {', '.join(bands)}. "
            "Name the band of NDVI ndvi (config: names; GeoTIFF: description), or use another model"
        )
    return {"ndvi": bands.index("ndvi")}


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
        LstsrError: the name or an option is unknown, or an option's value is refused.
    """
    if name not in MODELS:
        raise LstsrError(f"model: unknown name {name!r}; use one of {', '.join(MODELS)}")
    if scale < 2:
        raise LstsrError(f"scale: {scale} is not an integer of at least 2")
    network = import_module(MODELS[name]).NETWORKS[name]
    allowed = list(inspect.signature(network).parameters)[2:]
    for key in options:
        if key not in allowed:
            known = ", ".join(allowed) or "none"
            raise LstsrError(f"model {name}: unknown option {key!r}; its options are: {known}")
    try:
        model: nn.Module = network(scale, reference_channels, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        given = ", ".join(f"{key}: {value!r}" for key, value in options.items())
        text = " ".join(str(error).split())
        raise LstsrError(f"model {name}: options {given} cannot be used ({text})") from error
    return model
