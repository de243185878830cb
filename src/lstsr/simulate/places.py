"""Where the simulated scenes lie and what their files are called: light, for planning a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from affine import Affine

from lstsr.grid import Grid
from lstsr.scenes import Scene

if TYPE_CHECKING:
    from lstsr.config import GenerateConfig

CRS = "EPSG:32652"
FINE_M = 250.0
ORIGIN = (300_000.0, 4_200_000.0)


def names(config: GenerateConfig) -> list[str]:
    """The scenes that ``make`` can make, known before anything runs."""
    return [f"sample-{index:03d}" for index in range(config.scenes)]


def scene_files(name: str, folder: Path, config: GenerateConfig) -> Scene:
    """The manifest row of a scene: three files in ``folder``, and its centre in degrees."""
    from pyproj import Transformer

    grid = grid_of(name, config)
    x, y = grid.transform @ (grid.width / 2, grid.height / 2)
    lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)
    of_input, of_reference, of_target = (
        folder / name / file for file in ("lst_coarse.tif", "ndvi_fine.tif", "lst_fine.tif")
    )
    return Scene(name, of_input, of_reference, of_target, round(lon, 4), round(lat, 4))


def grid_of(name: str, config: GenerateConfig) -> Grid:
    """The fine grid of a scene: four abreast, a scene's width apart, so that no two overlap."""
    size = config.coarse_size * config.scale
    row, column = divmod(names(config).index(name), 4)
    x = ORIGIN[0] + 2 * column * size * FINE_M
    y = ORIGIN[1] - 2 * row * size * FINE_M
    return Grid(CRS, Affine(FINE_M, 0, x, 0, -FINE_M, y), size, size)
