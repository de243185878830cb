"""A request to `lstsr predict`: model, files, how to read them, and output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstsr.dataset.assembly import Shift


@dataclass(frozen=True)
class Options:
    """How to read one file; None or empty: as in training, or as the file states."""

    unit: str | None = None
    scale: float | None = None
    offset: float | None = None
    nodata: tuple[float, ...] = ()
    band: tuple[int | str, ...] = ()
    crs: str | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set, as keys of a reading."""
        keys = {"bands" if name == "band" else name: value for name, value in vars(self).items()}
        return {key: value for key, value in keys.items() if value not in (None, ())}


@dataclass(frozen=True)
class Files:
    """The files of a product and, by role, how to read them.

    ``extent`` is a raster that bounds the product on the grid of training. ``time`` is the time of
    the input if its file states none. ``history`` is a manifest or folder of fine LST.
    """

    input: Path
    reference: Path
    dem: Path | None = None
    water: Path | None = None
    extent: Path | None = None
    time: str = ""
    options: Mapping[str, Options] = field(default_factory=dict)
    history: Path | None = None

    def options_of(self, role: str) -> Options:
        """The options for the file of ``role``."""
        return self.options.get(role, Options())


@dataclass(frozen=True)
class Request:
    """A request for a product.

    ``model`` is a checkpoint, or the name of a pretrained network or a classical method. With
    ``like``, a classical method reads and places the files as in the training of this checkpoint.
    ``shifts`` by role, (row, column) in pixels of the product, replace the registration. The
    product is the mean over ``model`` and ``seed_ensemble``, checkpoints of other seeds of the same
    training. ``tile`` is in fine pixels.
    """

    model: str
    files: Files
    output: Path
    like: str | None = None
    scale: int | None = None
    base_image: Path | None = None
    register: bool = True
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    self_ensemble: bool = False
    seed_ensemble: Sequence[str] = ()
    overwrite: bool = False
    tile: int = 512

    @property
    def name(self) -> str:
        """File names of all checkpoints, or the name of the method."""
        return " ".join(Path(model).name for model in (self.model, *self.seed_ensemble))
