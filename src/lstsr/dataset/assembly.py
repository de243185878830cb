"""Assembly of a network's inputs from rasters, the same for training and for every prediction.

The steps: read and calibrate (`read_image`), resample to nested grids (`assemble`), average if the
product's pixels are wider than the aligned ones (`widened`), correct the input's bias
(`harmonise.harmonised`), fill and mask (`network_scene`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from pyproj import Transformer

from lstsr.config import HISTORY, GeotiffConfig
from lstsr.dataset.history import history_layers
from lstsr.dataset.layers import UNKNOWN, Ground, Layers, covariates_of, with_layers
from lstsr.dataset.loader import SceneInputs
from lstsr.errors import SceneError
from lstsr.geo.coarsen import coarsened
from lstsr.geo.fill import fill
from lstsr.geo.parallax import Terrain
from lstsr.geo.resample import covered_share, resample
from lstsr.grid import TRUE_TO_SCALE, Grid
from lstsr.image import SensorImage
from lstsr.sensors.reading import read_image

if TYPE_CHECKING:
    from lstsr.config import GridConfig

logger = logging.getLogger(__name__)
Shift = tuple[float, float]
UNMOVED: Shift = (0.0, 0.0)
ELEVATION = GeotiffConfig(sensor="DEM", unit="metre", names=["elevation"])
WATER = GeotiffConfig(sensor="water mask", unit="index", names=["water"])
MOST_CELLS = 2**24
"""A scene of this many coarse cells fits into memory."""
TOLERANCE_CELLS = 1e-6
"""Rounding of a corner that lies on the edge of a cell."""


def read_ground(dem: Path | None, water: Path | None) -> Ground:
    """Elevation (metres) and share of water (0..1) of a scene, if it has such files.

    Raises SceneError if a file cannot be read, or a share of water is not between 0 and 1.
    """
    terrain = share = None
    if dem is not None:
        image = read_image(dem, ELEVATION, "dem")
        terrain = Terrain(image.values[0], image.grid)
    if water is not None:
        share = read_image(water, WATER, "water")
        low, high = share.values[0][share.valid].min(), share.values[0][share.valid].max()
        if low < 0 or high > 1:
            raise SceneError(
                f"{water.name}: the share of water is {low:g} .. {high:g}. Scale it to 0 .. 1"
            )
    return Ground(terrain, share)


def cells_within(grid: Grid, common: GridConfig) -> Grid:
    """The whole cells of the ``common`` grid inside the box around the corners of ``grid``.

    Raises SceneError if there are none or too many, or if the projection is not true to scale.
    """
    to_common = Transformer.from_crs(grid.crs, common.crs, always_xy=True)
    x, y = to_common.transform(*np.transpose(grid.corners))
    step = common.spacing_m
    if not np.isfinite([x, y]).all():
        raise SceneError("align.grid.crs does not cover the image. Choose another one")
    left, bottom = (math.ceil(axis.min() / step - TOLERANCE_CELLS) for axis in (x, y))
    right, top = (math.floor(axis.max() / step + TOLERANCE_CELLS) for axis in (x, y))
    if right <= left or top <= bottom:
        raise SceneError(f"the image contains no whole cell of {step:g} m. Check align.grid")
    if (right - left) * (top - bottom) > MOST_CELLS:
        raise SceneError(
            f"the image contains {right - left} x {top - bottom} cells of {step:g} m, too many for "
            "one scene. Check align.grid.spacing_m"
        )
    transform = Affine(step, 0, left * step, 0, -step, top * step)
    cells = Grid(common.crs, transform, right - left, top - bottom)
    if not math.isclose(cells.gsd_m, step, rel_tol=TRUE_TO_SCALE):
        raise SceneError(
            f"cells of {step:g} m of align.grid.crs are {cells.gsd_m:.4g} m wide on the ground "
            "here. Choose a projection that is true to scale in this region, such as a UTM zone"
        )
    return cells


@dataclass(frozen=True)
class Assembled:
    """Input and reference (with layers) of one scene, on nested grids.

    ``covariates``, on the input's grid, predict its bias. ``water`` is the share of water on the
    fine grid, if known.
    """

    input: SensorImage
    reference: SensorImage
    covariates: SensorImage | None = None
    water: SensorImage | None = None

    @property
    def scale(self) -> int:
        """Fine pixels along one side of a coarse cell."""
        return self.reference.grid.width // self.input.grid.width


@dataclass(frozen=True)
class Recipe:
    """Names of the layers and covariates to assemble with input and reference."""

    layers: Sequence[str] = ()
    covariates: Sequence[str] = ()

    @property
    def history(self) -> bool:
        """Whether earlier LST is among the layers."""
        return bool(set(HISTORY).intersection(self.layers))


def assemble(
    images: Mapping[str, SensorImage],
    coarse_grid: Grid,
    scale: int,
    shifts: Mapping[str, Shift],
    recipe: Recipe,
    ground: Ground = UNKNOWN,
) -> Assembled:
    """Resample the input to ``coarse_grid`` and the reference to the ``scale`` times finer grid.

    Each is resampled once, with its shift in fine pixels (row, column) and, if ``ground`` has an
    elevation, the correction of terrain displacement. Unknown elevation counts as 0, as over the
    sea. Raises SceneError if data for a layer or covariate are missing.
    """
    grid, terrain = coarse_grid.refine(scale), ground.terrain
    if terrain is not None:
        share = covered_share(terrain.grid, grid)
        if not share:
            raise SceneError("the elevation (dem) does not overlap the scene. Name another raster")
        if share < 1:
            logger.warning(
                "the elevation covers %.0f %% of the scene; the rest is 0 m", share * 100
            )
    row, column = shifts.get("input", UNMOVED)
    coarse = resample(images["input"], coarse_grid, (row / scale, column / scale), terrain=terrain)
    plain = resample(images["reference"], grid, shifts.get("reference", UNMOVED), terrain=terrain)
    history = history_layers(coarse, ground.earlier, scale) if recipe.history else {}
    fine, cells = (
        Layers(nested, coarse.time, images["input"].viewpoint, ground)
        for nested in (grid, coarse_grid)
    )
    return Assembled(
        coarse,
        with_layers(plain, recipe.layers, fine, history),
        covariates_of(recipe.covariates, cells, coarse, plain),
        ground.water_on(grid),
    )


def widened(image: SensorImage, factor: int) -> SensorImage:
    """Mean of each ``factor`` x ``factor`` block of a fine image, if all its pixels are valid."""
    return image if factor == 1 else coarsened(image, factor, 1.0)


def network_scene(coarse: SensorImage, reference: SensorImage) -> SceneInputs:
    """A network's inputs from two images on nested grids: filled values and masks."""
    values = coarse.values[0] if coarse.unit == "kelvin" else coarse.values
    return SceneInputs(
        fill(values, coarse.valid),
        coarse.valid,
        fill(reference.values, reference.valid),
        reference.valid,
    )


def centre_of(values: Any, valid: Any) -> float:
    """Mean of the valid input of a whole scene, which normalisation subtracts."""
    return float(values[..., valid].mean(dtype=np.float64))
