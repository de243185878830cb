import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from lstsr.geo.parallax import apparent
from lstsr.grid import Grid
from lstsr.image import Viewpoint
from lstsr.simulate.clouds import TOP_M, Clouds, clouds_over

GRID = Grid("EPSG:32652", Affine(30, 0, 320_000, 0, -30, 4_100_000), 600, 500)
VIEWPOINT = Viewpoint(128.2)
TOP = 3000.0


def blob(row: float = 300, column: float = 300, wind: tuple[float, float] = (0, 0)) -> Clouds:
    """One round cloud."""
    rows, columns = np.indices(GRID.shape)
    opacity = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2 / 20**2)
    return Clouds(GRID, opacity.astype(np.float32), 0.01, TOP, wind)


def centre_of(image: np.ndarray) -> tuple[float, float]:
    rows, columns = np.indices(image.shape)
    return (rows * image).sum() / image.sum(), (columns * image).sum() / image.sum()


def test_the_share_is_what_is_covered():
    for seed in range(5):
        clouds = clouds_over(GRID, 0.3, np.random.default_rng(seed))
        assert (clouds.opacity > 0.5).mean() == pytest.approx(clouds.share, abs=0.002)
        assert clouds.opacity.min() >= 0 and clouds.opacity.max() <= 1
        assert TOP_M[0] <= clouds.top_m <= TOP_M[1]


def test_shares_are_spread_around_the_mean():
    small = GRID.window(0, 0, 16, 16)
    rng = np.random.default_rng(0)
    shares = [clouds_over(small, 0.2, rng).share for _ in range(400)]
    assert np.mean(shares) == pytest.approx(0.2, abs=0.02)
    assert min(shares) < 0.02 and 0.38 < max(shares) < 0.4


def test_no_clouds_where_none_are_asked_for():
    clouds = clouds_over(GRID, 0.0, np.random.default_rng(0))
    assert not clouds.seen(VIEWPOINT, 20).any()
    assert not clouds.shadow(40, 150).any()


def test_edges_are_soft():
    opacity = clouds_over(GRID, 0.3, np.random.default_rng(1)).opacity
    assert ((opacity > 0.05) & (opacity < 0.95)).mean() > 0.005


def test_a_geostationary_satellite_sees_a_cloud_where_its_line_of_sight_meets_the_ground():
    to_degrees = Transformer.from_crs(GRID.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(GRID.transform @ (300.5, 300.5)))
    back = apparent(np.array([lon]), np.array([lat]), np.array([TOP]), VIEWPOINT)
    x, y = to_degrees.transform(*back, direction="INVERSE")
    column, row = ~GRID.transform @ (x[0], y[0])
    found = centre_of(blob().seen(VIEWPOINT))
    assert found == pytest.approx((row - 0.5, column - 0.5), abs=0.1)
    north_m = 30 * (300 - found[0])
    assert 0.8 * TOP < north_m < 0.98 * TOP


def test_from_the_zenith_a_cloud_stands_where_it_is():
    np.testing.assert_allclose(blob().seen(None), blob().opacity, atol=1e-6)


def test_the_wind_takes_clouds_along_and_round():
    minutes = 10.0
    found = centre_of(blob(300, 200, (5.0, 2.0)).seen(None, minutes))
    assert found == pytest.approx((300 - 2 * 600 / 30, 200 + 5 * 600 / 30), abs=0.1)
    # 300 pixels further east, over an edge of 600
    rows, columns = np.indices(GRID.shape)
    round_it = blob(300, 450, (15.0, 0.0)).seen(None, minutes)
    assert centre_of(round_it) == pytest.approx((300, 150), abs=0.1)


@pytest.mark.parametrize(
    ("elevation", "azimuth", "row", "column"),
    [(45, 180, -100, 0), (45, 90, 0, -100), (60, 0, 100 / np.sqrt(3), 0)],
)
def test_shadows_fall_away_from_the_sun(elevation, azimuth, row, column):
    found = centre_of(blob().shadow(elevation, azimuth))
    assert found == pytest.approx((300 + row, 300 + column), abs=0.1)
