"""Assembly refuses elevations of another place and grids whose cells have another size."""

import numpy as np
import pytest
from affine import Affine

from lstsr.config import GridConfig
from lstsr.dataset.assembly import Recipe, assemble, cells_within
from lstsr.dataset.layers import Ground
from lstsr.errors import SceneError
from lstsr.geo.parallax import Terrain
from lstsr.grid import Grid
from lstsr.image import SensorImage

COARSE = Grid("EPSG:32652", Affine(1000, 0, 3e5, 0, -1000, 4.2e6), 12, 10)
FINE = COARSE.refine(4)
NORTH = Grid("EPSG:32633", Affine(1000, 0, 4e5, 0, -1000, 6.7e6), 60, 60)


def image(grid: Grid, unit: str) -> SensorImage:
    values = np.full((1, *grid.shape), 300 if unit == "kelvin" else 0.3, np.float32)
    return SensorImage(values, np.ones(grid.shape, bool), grid, (unit,), unit, "test")


def elevation(grid: Grid) -> Ground:
    return Ground(Terrain(np.full(grid.shape, 250, np.float32), grid))


def test_an_elevation_must_meet_the_scene(caplog: pytest.LogCaptureFixture) -> None:
    images = {"input": image(COARSE, "kelvin"), "reference": image(FINE, "index")}
    recipe = Recipe(["elevation"])
    made = assemble(images, COARSE, 4, {}, recipe, elevation(FINE))
    assert (made.reference.values[1] == 250).all() and not caplog.text
    with pytest.raises(SceneError, match="the elevation .dem. does not overlap the scene"):
        assemble(images, COARSE, 4, {}, recipe, elevation(FINE.moved(0, 500)))
    assemble(images, COARSE, 4, {}, recipe, elevation(FINE.moved(0, 24)))
    assert "the elevation covers 48 % of the scene; the rest is 0 m" in caplog.text


@pytest.mark.parametrize(
    ("crs", "spacing_m", "said"),
    [
        ("EPSG:3857", 2000, "2000 m of align.grid.crs are 9.*[0-9] m wide on the ground"),
        ("EPSG:32633", 1, "60000 x 60000 cells of 1 m, too many"),
        ("EPSG:32633", 90_000, "no whole cell of 90000 m"),
    ],
)
def test_cells_of_the_common_grid_are_what_they_say(crs: str, spacing_m: float, said: str) -> None:
    with pytest.raises(SceneError, match=said):
        cells_within(NORTH, GridConfig(crs=crs, spacing_m=spacing_m))


def test_whole_cells_lie_on_multiples_of_the_spacing() -> None:
    cells = cells_within(NORTH, GridConfig(crs="EPSG:32633", spacing_m=2000))
    assert cells.shape == (30, 30)
    assert (cells.transform.c, cells.transform.f) == (400_000, 6_700_000)
