from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine
from pyorbital import astronomy
from pyproj import Transformer
from scipy.ndimage import gaussian_filter, map_coordinates

from lstsr.geo.parallax import apparent
from lstsr.grid import Grid
from lstsr.sensors.ami import AREAS
from lstsr.sensors.gk2a_l1b import WAVENUMBERS, planck, planck_k
from lstsr.sensors.goci2 import FLAG_BITS
from lstsr.sensors.goci2_bands import WAVELENGTHS_NM
from lstsr.simulate import observe
from lstsr.simulate.atmosphere import emissivity_of
from lstsr.simulate.clouds import Clouds
from lstsr.simulate.gk2a import SECTOR
from lstsr.simulate.sample import MARGIN, world_grid
from lstsr.simulate.world import World, world_of

FOOTPRINT = Grid("EPSG:32652", Affine(30, 0, 340_005, 0, -30, 4_100_025), 534, 534)
TIME = datetime(2023, 5, 14, 2, 10, tzinfo=UTC)
WAVENUMBERS_OF_LST = {name: WAVENUMBERS[name] for name in ("ir105", "ir112", "ir123")}
FWHM = 2 * np.sqrt(2 * np.log(2))


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(world_grid(FOOTPRINT), 3, TIME, 2023)


def clear(grid: Grid) -> Clouds:
    return Clouds(grid, np.zeros(grid.shape, np.float32), 0.0, 2000.0, (0.0, 0.0))


def one_cloud(grid: Grid, radius: float = 40.0) -> Clouds:
    """A disc in the middle of the world, without wind."""
    rows, columns = np.indices(grid.shape)
    middle = grid.height / 2, grid.width / 2
    inside = np.hypot(rows - middle[0], columns - middle[1]) < radius
    return Clouds(grid, inside.astype(np.float32), float(inside.mean()), 3000.0, (0.0, 0.0))


def landsat(world: World, clouds: Clouds, seed: int = 0):
    return observe.landsat(
        world,
        clouds,
        FOOTPRINT,
        np.random.default_rng(seed),
        product_id="LC08_L2SP_115034_20230514_20230528_02_T1",
        time=TIME,
        path=115,
        row=34,
    )


def inner(image: np.ndarray) -> np.ndarray:
    return image[MARGIN : MARGIN + FOOTPRINT.height, MARGIN : MARGIN + FOOTPRINT.width]


def appears_at(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the world appears, (x, y) in its coordinate system: pixel by pixel."""
    rows, columns = np.indices(world.grid.shape) + 0.5
    to_degrees = Transformer.from_crs(world.grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(world.grid.transform @ (columns, rows)))
    back = apparent(lon, lat, np.asarray(world.elevation_m, float), observe.VIEWPOINT)
    return to_degrees.transform(*back, direction="INVERSE")


# ---- Landsat


def test_landsat_lst_is_the_worlds_through_100_m_with_noise_of_that_grain(world):
    product = landsat(world, clear(world.grid))
    truth = gaussian_filter(world.lst_k.astype(float) ** 4, 100 / FWHM / 30) ** 0.25
    noise = product.lst_k - inner(truth)
    assert noise.std() == pytest.approx(0.3, abs=0.02)
    assert abs(noise.mean()) < 0.02
    neighbours = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert neighbours == pytest.approx(np.exp(-0.25 * (30 / (100 / FWHM)) ** 2), abs=0.05)


def test_landsat_reflectance_is_the_worlds(world):
    product = landsat(world, clear(world.grid))
    for band, nm in observe.OLI_NM.items():
        error = product.reflectance[band] - inner(world.reflectance(nm))
        assert error.std() == pytest.approx(0.003, rel=0.05)


def test_landsat_sees_clouds_cold_bright_and_uncertain(world):
    clouds = one_cloud(world.grid)
    product = landsat(world, clouds)
    cloud = inner(clouds.opacity) == 1
    below = landsat(world, clear(world.grid))
    assert (below.lst_k - product.lst_k)[cloud].mean() == pytest.approx(
        below.lst_k[cloud].mean() - world.lst_k.mean() + 0.0065 * 3000, abs=0.5
    )
    assert product.reflectance["red"][cloud].mean() == pytest.approx(0.65, abs=0.01)
    assert product.lst_uncertainty_k[cloud].min() == pytest.approx(2.5)
    assert 0.7 <= product.lst_uncertainty_k.min() < 0.8
    assert product.cloud_cover_percent == pytest.approx(100 * cloud.mean(), rel=0.05)
    assert (below.lst_uncertainty_k == np.float32(0.7)).all()


def test_qa_pixel_words_are_those_of_the_collection():
    """Values that users of Collection 2 know: clear, water, cloud, shadow, dilated cloud."""
    cloud, shadow, water = np.zeros((3, 40, 40), bool)
    cloud[10:15, 10:15] = True
    shadow[5:15, 12:30] = True
    water[30:] = True
    qa = observe.qa_pixel(cloud, shadow, water, 30.0)
    assert set(np.unique(qa)) == {21824, 21952, 22280, 23888, 21762}
    assert (qa[cloud] == 22280).all()
    assert (qa[30:] == 21952).all()
    assert qa[0, 0] == 21824 and qa[12, 25] == 23888
    # 150 m are five pixels
    assert qa[12, 19] == 21762 and qa[12, 20] != 21762


def test_landsat_flags_cloud_and_its_shadow_on_the_side_away_from_the_sun(world):
    clouds = one_cloud(world.grid, 15)  # whose shadow falls clear of it
    qa = landsat(world, clouds).qa_pixel
    assert ((qa >> 3 & 1) == (inner(clouds.opacity) > 0.1)).all()
    rows, columns = np.nonzero(qa >> 4 & 1)
    middle = np.array(world.grid.shape) / 2 - MARGIN
    away = np.array([rows.mean(), columns.mean()]) - middle
    sun = np.radians(world.sun_azimuth_deg)
    assert away / np.hypot(*away) == pytest.approx([np.cos(sun), -np.sin(sun)], abs=0.1)
    expected = 3000 / np.tan(np.radians(world.sun_elevation_deg)) / 30
    assert np.hypot(*away) == pytest.approx(expected, rel=0.1)


# ---- GK2A


def exact_gk2a(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "GK2A_NOISE_K", 0.0)
    for name in ("DRY_K", "PER_VAPOUR_K", "SCATTER_K"):
        monkeypatch.setattr(observe, f"GK2A_BIAS_{name}", 0.0)


def over_footprints(world: World, moved: Grid, cells: np.ndarray, radiance) -> np.ndarray:
    """Sums over ground pixels: each where it appears, by the area that it appears on."""
    x, y = appears_at(world)
    area = np.abs(
        np.gradient(x, axis=0) * np.gradient(y, axis=1)
        - np.gradient(x, axis=1) * np.gradient(y, axis=0)
    )
    to_world = Transformer.from_crs(moved.crs, world.grid.crs, always_xy=True)
    means = []
    for row, column in cells:
        cx, cy = to_world.transform(*(moved.transform @ (column + 0.5, row + 0.5)))
        weight = area * np.exp(
            -0.5 * ((x - cx) / (2100 / FWHM)) ** 2 - 0.5 * ((y - cy) / (2800 / FWHM)) ** 2
        )
        means.append((weight * radiance).sum() / weight.sum())
    return np.array(means)


def some(quality: np.ndarray) -> np.ndarray:
    """A dozen of the good cells."""
    cells = np.argwhere(quality == observe.GOOD)
    return cells[:: max(1, len(cells) // 12)]


def ground_k(world: World, minutes: float) -> np.ndarray:
    zenith, azimuth = observe.View(world).angles_deg
    assert 38 < zenith < 45 and 170 < azimuth < 190
    warmed = np.asarray(world.warming_k_per_h, float) * minutes / 60
    return np.asarray(world.directional_k(zenith, azimuth), float) + warmed


def test_gk2a_is_the_integral_over_its_footprint(world, monkeypatch):
    exact_gk2a(monkeypatch)
    look = observe.gk2a(world, clear(world.grid), 2.5, np.random.default_rng(4))
    shift = look.navigation.row_px, look.navigation.column_px
    assert max(map(abs, shift)) > 0.1
    cells = some(look.quality)
    means = over_footprints(world, AREAS["ko"].moved(*shift), cells, ground_k(world, 2.5) ** 4)
    np.testing.assert_allclose(look.lst_k[*cells.T], means**0.25, atol=0.05)


def test_gk2a_bias_and_noise(world, monkeypatch):
    look = observe.gk2a(world, clear(world.grid), 0.0, np.random.default_rng(5))
    exact_gk2a(monkeypatch)
    exact = observe.gk2a(world, clear(world.grid), 0.0, np.random.default_rng(5))
    error = (look.lst_k - exact.lst_k)[look.quality == observe.GOOD]
    assert look.bias_k != 0
    assert error.mean() == pytest.approx(look.bias_k, abs=0.15)
    assert error.std() == pytest.approx(0.3, abs=0.07)


def test_gk2a_quality_says_why_there_is_no_lst(world):
    clouds = one_cloud(world.grid, 60)
    look = observe.gk2a(world, clouds, 0.0, np.random.default_rng(0))
    assert look.lst_k.shape == look.quality.shape == (900, 900)
    assert (np.isnan(look.lst_k) == (look.quality != observe.GOOD)).all()
    assert set(np.unique(look.quality)) == {observe.GOOD, observe.NO_LST, observe.NOT_SEEN}
    without = observe.gk2a(world, clear(world.grid), 0.0, np.random.default_rng(0))
    hidden = (look.quality == observe.NO_LST) & (without.quality == observe.GOOD)
    assert 2 <= hidden.sum() <= 12
    assert not (hidden & (without.quality != observe.GOOD)).any()


def test_gk2a_sees_no_cell_whose_footprint_leaves_the_world(world):
    look = observe.gk2a(world, clear(world.grid), 0.0, np.random.default_rng(0))
    rows, columns = np.nonzero(look.quality != observe.NOT_SEEN)
    ko = AREAS["ko"]
    to_world = Transformer.from_crs(ko.crs, world.grid.crs, always_xy=True)
    x, y = to_world.transform(*(ko.transform @ (columns + 0.5, rows + 0.5)))
    (west, north), _, (east, south), _ = world.grid.corners
    # at least two standard deviations of the PSF, less the navigation error
    assert x.min() - west > 1000 and east - x.max() > 1000
    assert y.min() - south > 1200
    # and all of the Landsat footprint is seen
    (west, north), _, (east, south), _ = FOOTPRINT.corners
    assert x.min() < west and x.max() > east and y.min() < south and y.max() > north


# ---- GK2A Level 1B


def test_gk2a_l1b_is_the_integral_of_radiance_through_the_atmosphere(world, monkeypatch):
    """In each channel; the navigation error is that of Level 2 in pixels of the sector."""
    monkeypatch.setattr(observe, "GK2A_CHANNEL_NOISE_K", dict.fromkeys(WAVENUMBERS_OF_LST, 0.0))
    look = observe.gk2a_l1b(world, clear(world.grid), SECTOR, 2.5, np.random.default_rng(4))
    of_level_2 = observe.gk2a(world, clear(world.grid), 2.5, np.random.default_rng(4))
    shift = look.navigation.row_px, look.navigation.column_px
    assert shift == (of_level_2.navigation.row_px, of_level_2.navigation.column_px)
    zenith = observe.View(world).angles_deg[0]
    air_k, cells = look.atmosphere.radiating_k, some(look.quality)
    assert air_k == pytest.approx(world.air_k - 6)
    for channel, nu in WAVENUMBERS_OF_LST.items():
        through = look.atmosphere.transmittance(channel, zenith)
        emissivity = emissivity_of(world.cover, channel).astype(float)
        sky = (1 - through) * planck(air_k, nu)
        seen = through * (emissivity * planck(ground_k(world, 2.5), nu) + (1 - emissivity) * sky)
        means = over_footprints(world, SECTOR.moved(*shift), cells, seen + sky)
        found_k = look.brightness_temperature_k[channel][*cells.T]
        np.testing.assert_allclose(found_k, planck_k(means, nu), atol=0.05)


def test_gk2a_l1b_noise_and_what_is_not_seen(world, monkeypatch):
    look = observe.gk2a_l1b(world, clear(world.grid), SECTOR, 0.0, np.random.default_rng(5))
    monkeypatch.setattr(observe, "GK2A_CHANNEL_NOISE_K", dict.fromkeys(WAVENUMBERS_OF_LST, 0.0))
    exact = observe.gk2a_l1b(world, clear(world.grid), SECTOR, 0.0, np.random.default_rng(5))
    assert set(np.unique(look.quality)) == {observe.GOOD, observe.NOT_SEEN}
    for channel, noise_k in (("ir105", 0.1), ("ir112", 0.1), ("ir123", 0.2)):
        seen_k = look.brightness_temperature_k[channel]
        np.testing.assert_array_equal(np.isnan(seen_k), look.quality == observe.NOT_SEEN)
        error = (seen_k - exact.brightness_temperature_k[channel])[look.quality == observe.GOOD]
        assert error.std() == pytest.approx(noise_k, rel=0.25)


def test_the_margin_of_the_world_suffices_for_all_pixels_over_the_footprint(world):
    """Those of the sector, placed anywhere a pixel can lie, and moved by the largest errors."""
    lattice = SECTOR.moved(0.37, 0.61)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        look = observe.gk2a_l1b(world, clear(world.grid), lattice, 0.0, rng)
        to_lattice = Transformer.from_crs(world.grid.crs, lattice.crs, always_xy=True)
        rows, columns = np.mgrid[0 : FOOTPRINT.height : 4, 0 : FOOTPRINT.width : 4]
        column, row = ~lattice.transform @ to_lattice.transform(
            *(FOOTPRINT.transform @ (columns, rows))
        )
        assert (look.quality[row.astype(int), column.astype(int)] == observe.GOOD).all()


def test_gk2a_l1b_sees_clouds_as_cold_as_their_tops(world):
    clouds = one_cloud(world.grid, 200)
    look = observe.gk2a_l1b(world, clouds, SECTOR, 0.0, np.random.default_rng(0))
    top_k = world.lst_k.mean() - 0.0065 * 3000
    for seen_k in look.brightness_temperature_k.values():
        assert np.nanmin(seen_k) == pytest.approx(top_k, abs=1.0)


# ---- GOCI-II


def orthocorrected(look: observe.Goci2Look, band: np.ndarray, x, y, shift) -> np.ndarray:
    """The look's band at apparent places, if the content is first moved by ``shift`` pixels."""
    to_slot = Transformer.from_crs("EPSG:32652", look.grid.crs, always_xy=True)
    column, row = ~look.grid.transform @ to_slot.transform(x, y)
    places = [row - 0.5 - shift[0], column - 0.5 - shift[1]]
    return map_coordinates(band.astype(float), places, order=3)


@pytest.mark.parametrize("seed", [1, 2])
def test_goci2_is_off_by_its_navigation_error_and_nothing_else(world, seed):
    """Terrain corrected, the shift that fits best is the stated one, in value and sign."""
    look = observe.goci2(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(seed))
    x, y = (inner(axis)[20:-20:8, 20:-20:8] for axis in appears_at(world))
    truth = gaussian_filter(world.reflectance(865).astype(float), 1.2 * 250 / FWHM / 30)
    truth = inner(truth)[20:-20:8, 20:-20:8]
    shift = np.zeros(2)
    for _ in range(8):  # Gauss-Newton on shift, gain and offset
        here, south, east = (
            orthocorrected(look, look.rhoc[865], x, y, shift + step)
            for step in ((0, 0), (0.1, 0), (0, 0.1))
        )
        slopes = [(south - here) / 0.1, (east - here) / 0.1, here, np.ones_like(here)]
        matrix = np.stack([slope.ravel() for slope in slopes], 1)
        found = np.linalg.lstsq(matrix, (truth - here).ravel(), rcond=None)[0]
        shift += found[:2]
    stated = look.navigation.row_px, look.navigation.column_px
    assert max(map(abs, stated)) > 0.2
    assert shift == pytest.approx(stated, abs=0.05)
    assert np.corrcoef(here.ravel(), truth.ravel())[0, 1] > 0.98


def test_goci2_navigation_in_metres_is_that_on_the_ground(world):
    look = observe.goci2(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    to_ground = Transformer.from_crs(look.grid.crs, world.grid.crs, always_xy=True)
    moved = look.grid.moved(look.navigation.row_px, look.navigation.column_px)
    middle = look.grid.width / 2, look.grid.height / 2
    here = to_ground.transform(*(look.grid.transform @ middle))
    there = to_ground.transform(*(moved.transform @ middle))
    assert there[0] - here[0] == pytest.approx(look.navigation.column_m, abs=15)
    assert here[1] - there[1] == pytest.approx(look.navigation.row_m, abs=15)


def test_goci2_bands_carry_noise_and_a_remainder_of_rayleigh(world, monkeypatch):
    look = observe.goci2(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(3))
    monkeypatch.setattr(observe, "GOCI2_NOISE", (0.0, 0.0))
    monkeypatch.setattr(observe, "GOCI2_RAYLEIGH", 0.0)
    exact = observe.goci2(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(3))
    assert set(look.rhoc) == set(WAVELENGTHS_NM)
    for nm in WAVELENGTHS_NM:
        error = look.rhoc[nm] - exact.rhoc[nm]
        assert 0.0018 < error.std() < 0.0042
        assert error.mean() == pytest.approx(look.rayleigh_443 * (443 / nm) ** 4, abs=2e-4)


def test_goci2_window_holds_the_footprint_and_a_margin(world):
    look = observe.goci2(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    x, y = appears_at(world)
    to_slot = Transformer.from_crs(world.grid.crs, look.grid.crs, always_xy=True)
    column, row = ~look.grid.transform @ to_slot.transform(inner(x), inner(y))
    assert row.min() > 5 and row.max() < look.grid.height - 5
    assert column.min() > 5 and column.max() < look.grid.width - 5
    assert all(np.isfinite(band).all() for band in look.rhoc.values())


def test_goci2_sees_clouds_displaced_to_the_north(world):
    clouds = one_cloud(world.grid)
    look = observe.goci2(world, clouds, FOOTPRINT, 18, np.random.default_rng(1))
    cloud = (look.flag & 1 << FLAG_BITS["CLOUD"]) > 0
    rows, columns = np.nonzero(cloud)
    to_ground = Transformer.from_crs(look.grid.crs, world.grid.crs, always_xy=True)
    right = look.grid.moved(look.navigation.row_px, look.navigation.column_px)
    x, y = to_ground.transform(*(right.transform @ (columns + 0.5, rows + 0.5)))
    over = world.grid.transform @ (world.grid.width / 2, world.grid.height / 2)
    zenith = observe.View(world).angles_deg[0]
    assert y.mean() - over[1] == pytest.approx(3000 * np.tan(np.radians(zenith)), abs=60)
    assert abs(x.mean() - over[0]) < 120
    assert look.rhoc[660][cloud].max() == pytest.approx(0.65, abs=0.03)


def test_goci2_flags_land_water_and_coast(world):
    """West of a meridian of the grid there is sea."""
    coast = world.grid.width // 2
    half = replace(
        world, water=np.broadcast_to(np.arange(world.grid.width) < coast, world.grid.shape)
    )
    look = observe.goci2(half, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    x, y = (inner(axis)[::10, ::10] for axis in appears_at(world))
    from_coast_m = 30 * (np.arange(0, FOOTPRINT.width, 10) + MARGIN + 0.5 - coast)
    to_slot = Transformer.from_crs(world.grid.crs, look.grid.crs, always_xy=True)
    right = look.grid.moved(look.navigation.row_px, look.navigation.column_px)
    column, row = ~right.transform @ to_slot.transform(x, y)
    flag = look.flag[row.astype(int), column.astype(int)]
    assert flag.dtype == np.int32
    assert (flag[:, from_coast_m > 400] == 1 << 1).all()
    assert (flag[:, from_coast_m < -400] == 0).all()
    assert (flag[:, np.abs(from_coast_m) < 20] & 1).all()


def test_goci2_flags_clouds_and_their_shadows(world):
    look = observe.goci2(world, one_cloud(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    cloud, shadow = (look.flag & 1 << 2) > 0, (look.flag & 1 << 4) > 0
    shift = look.navigation
    pixel_m2 = shift.row_m / shift.row_px * shift.column_m / shift.column_px
    disc_px = np.pi * (40 * 30) ** 2 / pixel_m2
    assert 0.8 * disc_px < cloud.sum() < 2 * disc_px
    assert shadow.any() and not (cloud & shadow).any()
    without = observe.goci2(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    dimmed = (look.rhoc[865] / without.rhoc[865])[shadow]
    assert 0.35 < dimmed.min() < 0.5 and dimmed.max() < 1.2


def test_goci2_radiance_over_black_ground_is_that_of_the_air(world):
    """Scattering angle from vectors between ground, satellite and another program's sun."""
    look = observe.goci2(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    black = replace(look, rhoc={nm: np.zeros(look.grid.shape, np.float32) for nm in look.rhoc})
    row, column = 30, 40
    to_degrees = Transformer.from_crs(look.grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(look.grid.transform @ (column + 0.5, row + 0.5)))
    ground = np.array(
        Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(lon, lat, 0)
    )
    up = np.array([np.cos(np.radians(lat)) * f(np.radians(lon)) for f in (np.cos, np.sin)])
    up = np.append(up, np.sin(np.radians(lat)))
    satellite = 42_164_000 * np.array([np.cos(np.radians(128.2)), np.sin(np.radians(128.2)), 0])
    sight = (satellite - ground) / np.linalg.norm(satellite - ground)
    naive = TIME.replace(tzinfo=None)
    ascension, declination = astronomy.sun_ra_dec(naive)
    east = ascension - astronomy.gmst(naive)
    sun = np.array([np.cos(declination) * f(east) for f in (np.cos, np.sin)])
    sun = np.append(sun, np.sin(declination))
    phase = 0.75 * (1 + (sun @ sight) ** 2)
    # thickness of the air: Hansen & Travis (1974); distance of 14 May: 1.0108 au
    for nm, tau, irradiance in ((412, 0.3185, 1710.526), (865, 0.01554, 971.089)):
        expected = irradiance / 1.0108**2 / np.pi * tau * phase / (4 * (sight @ up))
        found = observe.goci2_radiance(black, TIME)[nm]
        assert found.dtype == np.float32 and found.shape == look.grid.shape
        assert found[row, column] == pytest.approx(expected, rel=0.01)


def test_goci2_radiance_adds_the_ground_s_light(world):
    look = observe.goci2(world, clear(world.grid), FOOTPRINT, 18, np.random.default_rng(1))
    black = replace(look, rhoc={nm: 0 * band for nm, band in look.rhoc.items()})
    added = observe.goci2_radiance(look, TIME)[660] - observe.goci2_radiance(black, TIME)[660]
    lon, lat = 127.26, 36.9
    cosine = astronomy.cos_zen(TIME.replace(tzinfo=None), lon, lat)
    expected = look.rhoc[660] * 1541.451 * cosine / (np.pi * 1.0108**2)
    np.testing.assert_allclose(added, expected, rtol=0.01)


def test_the_same_draws_give_the_same_look_and_others_another(world):
    clouds = one_cloud(world.grid)
    one, same, other = (
        observe.gk2a(world, clouds, 1.0, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(one.lst_k, same.lst_k)
    assert one.navigation == same.navigation != other.navigation
