"""The two images that a product is made from: read, and brought onto nested grids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter
from pyproj import Transformer

from lstsr.config import AlignConfig, Block, GeotiffConfig, SensorConfig
from lstsr.dataset.harmonise import Harmonisation, covariates_of
from lstsr.dataset.layers import Ground, with_layers
from lstsr.dataset.pack import widening
from lstsr.dataset.triplet import cells_within, hours_between, read_terrain, read_water
from lstsr.errors import LstsrError
from lstsr.geo.coarsen import coarsened
from lstsr.geo.resample import gsd_in, resample
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint
from lstsr.registry import reader
from lstsr.sensors import geotiff
from lstsr.sensors.inspection import detect
from lstsr.training.checkpoint import Checkpoint

# Temperatures outside are no LST (the coldest and hottest surfaces seen lie well inside).
PLAUSIBLE_K = (170.0, 370.0)
Shift = tuple[float, float]
Unit = Literal["kelvin", "celsius"]


@dataclass(frozen=True)
class Pair:
    """``coarse`` on its final grid, the reference as read, and how the latter gets onto ``grid``.

    ``wider`` pixels of ``grid`` along a side make one pixel of the product; ``layers`` are added to
    the reference, seen from ``viewpoint``.
    """

    coarse: SensorImage
    fine: SensorImage
    grid: Grid
    wider: int
    ground: Ground
    viewpoint: Viewpoint | None
    layers: tuple[str, ...] = ()

    @property
    def scale(self) -> int:
        """Product pixels along one side of a coarse cell."""
        return self.grid.width // self.coarse.grid.width // self.wider

    def reference(self, shift: Shift = (0.0, 0.0)) -> SensorImage:
        """The reference on the product's grid, moved by ``shift`` product pixels."""
        viewed = self.coarse.time, self.viewpoint, self.ground
        layered = with_layers(self._aligned(shift), self.layers, *viewed)
        return coarsened(layered, self.wider, 1.0) if self.wider > 1 else layered

    def _aligned(self, shift: Shift) -> SensorImage:
        """The reference on ``grid``, without layers, moved by ``shift`` product pixels."""
        row, column = (step * self.wider for step in shift)
        return resample(self.fine, self.grid, (row, column), terrain=self.ground.terrain)

    def harmonised(self, shift: Shift, trained: Checkpoint) -> Pair:
        """The pair with its input corrected as the network's training had it.

        The reference is moved by ``shift`` product pixels before it tells the NDVI.
        """
        if trained.harmonisation is None:
            return self
        names, aligned = trained.align["covariates"], self._aligned(shift)
        covariates = covariates_of(names, self.coarse, self.viewpoint, aligned, self.ground)
        assert covariates is not None
        correction_k = Harmonisation.from_dict(trained.harmonisation).correction_k(covariates)
        corrected = replace(
            self.coarse,
            values=self.coarse.values + correction_k,
            history=(*self.coarse.history, "harmonised with the target's sensor"),
        )
        return replace(self, coarse=corrected)

    def age_h(self) -> float | None:
        """By how many hours the reference is older than the input; None if unknown."""
        if not (self.coarse.time and self.fine.time):
            return None
        return hours_between(self.fine, self.coarse)


def read_pair(
    input: Path,
    reference: Path,
    dem: Path | None,
    water: Path | None,
    input_unit: Unit,
    trained: Checkpoint | None,
    scale: int | None,
) -> Pair:
    """Both images, as a checkpoint's training read and placed them, or as they are.

    A network that was trained on a grid of its own gets the cells of that grid which the reference
    covers; otherwise the input's own grid is kept. Raises LstsrError, naming the file, for a pair
    that cannot be read, does not overlap or does not fit.
    """
    if trained and trained.harmonisation:
        _check_product(input, trained)
    coarse = read(input, _input_sensor(input, input_unit, trained))
    fine = read(reference, reference_sensor(reference, trained))
    check_overlap(reference, coarse.grid, fine.grid)
    with _existing(dem or input):
        terrain = read_terrain(dem)
    with _existing(water or input):
        ground = Ground(terrain, read_water(water))
    align = AlignConfig.model_validate(trained.align) if trained and trained.align else None
    seen = trained.reference_bands if trained else ()
    layers = tuple(name for name in seen if align and name in align.layers)
    if align is None or align.grid is None:
        ratio = scale or _ratio(input, reference, coarse, fine)
        fine_grid = coarse.grid.refine(ratio)
        return Pair(coarse, fine, fine_grid, 1, ground, coarse.viewpoint, layers)
    assert trained is not None
    cells = cells_within(fine.grid, align.grid)
    block = Block.model_validate({"track": trained.row.track, "scale": trained.row.scale})
    wider = widening(block, align.scale)
    placed = resample(coarse, cells, terrain=terrain)
    fine_grid = cells.refine(trained.row.scale * wider)
    return Pair(placed, fine, fine_grid, wider, ground, coarse.viewpoint, layers)


def read(path: Path, sensor: Any) -> SensorImage:
    """One image; LstsrError where there is none."""
    with _existing(path):
        image: SensorImage = reader(sensor.product).read(path, sensor)
        return image


def reference_sensor(path: Path, trained: Checkpoint | None = None) -> Any:
    """How the network's training read the reference; without one, all bands as they are.

    The coordinate system of a raster is that of its file.
    """
    if trained and trained.sensors:
        return sensor_of(trained.sensors["reference"])
    if product_of(path) != "geotiff":
        return _validated({"product": product_of(path)})
    if trained:
        return _bands_as_they_are(list(trained.reference_bands))
    with _existing(path):
        count = geotiff.band_count(path)
    return _bands_as_they_are([f"band {number + 1}" for number in range(count)])


def _check_product(path: Path, trained: Checkpoint) -> None:
    """Raise LstsrError where the input is another product than the one whose bias was fitted."""
    fitted, found = trained.sensors["input"].get("product", "geotiff"), product_of(path)
    if found != fitted:
        raise LstsrError(
            f"{path}: a {found} file, but {trained.row.name} corrects the bias of {fitted}; "
            "name a checkpoint that is not harmonised"
        )


def product_of(path: Path) -> str:
    """Which product a file is."""
    with _existing(path):
        return detect(path)


def _input_sensor(path: Path, unit: Unit, trained: Checkpoint | None) -> Any:
    product = product_of(path)
    if product == "geotiff":
        low, high = PLAUSIBLE_K
        offset = geotiff.KELVIN_AT_0_CELSIUS if unit == "celsius" else 0.0
        return GeotiffConfig(
            sensor="input", unit=unit, valid_min=low - offset, valid_max=high - offset
        )
    if trained and trained.sensors and trained.sensors["input"]["product"] == product:
        return _validated(trained.sensors["input"])
    return _validated({"product": product})


def _validated(sensor: Mapping[str, Any]) -> Any:
    return TypeAdapter(SensorConfig).validate_python(sensor)


def sensor_of(section: Mapping[str, Any]) -> Any:
    """How training read an image; the coordinate system of a raster is that of its file."""
    return _validated({key: value for key, value in section.items() if key != "crs"})


def _bands_as_they_are(names: list[str]) -> GeotiffConfig:
    bands = [number + 1 for number in range(len(names))]
    return GeotiffConfig(sensor="reference", unit="reflectance", bands=bands, names=names)


def check_overlap(path: Path, coarse: Grid, fine: Grid) -> None:
    """Raise LstsrError where ``path`` (on ``fine``) misses the box around ``coarse``.

    Asked first of all, because far from where a projection is meant, spacings mean nothing.
    """
    to_fine = Transformer.from_crs(coarse.crs, fine.crs, always_xy=True)
    x, y = to_fine.transform(*np.transpose(coarse.corners))
    column, row = ~fine.transform @ (x, y)
    meets = column.max() > 0 and column.min() < fine.width
    if not (meets and row.max() > 0 and row.min() < fine.height):
        raise LstsrError(f"{path}: does not overlap the input; name two rasters of one place")


@contextmanager
def _existing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LstsrError(f"{path}: {error.strerror}; name an existing raster") from None


def _ratio(input: Path, reference: Path, coarse: SensorImage, fine: SensorImage) -> int:
    """The whole ratio of the two spacings."""
    scale = round(coarse.grid.gsd_m / gsd_in(fine.grid, coarse.grid))
    if scale < 2:
        raise LstsrError(f"{reference}: not finer than {input}; check the pair, or give --scale")
    return scale
