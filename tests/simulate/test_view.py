import numpy as np
from affine import Affine
from pyproj import Transformer

from lstsr.geo.parallax import apparent
from lstsr.grid import Grid
from lstsr.simulate.view import VIEWPOINT, leaning


def test_leaning_agrees_with_the_parallax_everywhere():
    wide = Grid("EPSG:32652", Affine(60, 0, 310_000, 0, -60, 4_150_000), 2400, 2400)
    rows, columns = np.random.default_rng(0).integers(0, 2400, (2, 50))
    to_degrees = Transformer.from_crs(wide.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(wide.transform @ (columns + 0.5, rows + 0.5)))
    back = apparent(lon, lat, np.full(50, 2000.0), VIEWPOINT)
    x, y = to_degrees.transform(*back, direction="INVERSE")
    at_column, at_row = ~wide.transform @ (x, y)
    by_row, by_column = leaning(wide, VIEWPOINT)
    error_px = np.hypot(
        rows + 0.5 + 2000 * by_row[rows, columns] - at_row,
        columns + 0.5 + 2000 * by_column[rows, columns] - at_column,
    )
    assert error_px.max() * 60 < 2.0
