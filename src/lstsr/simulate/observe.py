"""The three sensors looking at a world under clouds: what their products hold, and the truth.

The geostationary ones look from the side: a place of height h appears displaced by h times the
parallax of a metre. Their image at q is what stands at the ground place p(q) whose apparent place
is q, found by iterating p = q - parallax(h(p)); then comes the point spread function, and only
then the sampling at pixel centres, bicubic. All of it happens on the world in blocks of 60 m.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import cv2
import numpy as np
from pyproj import Transformer

from lstsr.geo.aggregate import SIGMAS_PER_FWHM
from lstsr.geo.footprint import outline
from lstsr.geo.parallax import apparent, view_zenith_deg
from lstsr.geo.sun import sun_distance_au, sun_position
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, Viewpoint
from lstsr.sensors.ami import AREAS, LONGITUDE_DEG
from lstsr.sensors.gk2a_l1b import WAVENUMBERS, planck, planck_k
from lstsr.sensors.goci2 import FLAG_BITS
from lstsr.sensors.goci2_bands import WAVELENGTHS_NM
from lstsr.sensors.goci2_l1b import IRRADIANCE
from lstsr.simulate.atmosphere import Atmosphere, atmosphere_of, emissivity_of
from lstsr.simulate.clouds import Clouds, leaning
from lstsr.simulate.goci2 import slot_grid
from lstsr.simulate.landsat import LandsatProduct
from lstsr.simulate.world import LAPSE_K_PER_M, World

# GK2A and GK2B share a longitude.
VIEWPOINT = Viewpoint(LONGITUDE_DEG)
BLOCK = 2
"""World pixels along a side of the blocks that the geostationary sensors are made from."""
ITERATIONS = 15
"""Each multiplies the error by slope x tan(view zenith): below 1 m for slopes to 35 degrees."""

CLOUD_REFLECTANCE = 0.65
SHADOW_DIMMING = 0.6
CLOUDY = 0.1
"""Opacity, mean of a footprint, from which a pixel counts as cloudy or in shadow."""

# Centres of the OLI bands, nm (Landsat 8 data users handbook, LSDS-1574, table 2-1).
OLI_NM = {
    "coastal": 443.0,
    "blue": 482.0,
    "green": 561.5,
    "red": 654.5,
    "nir08": 865.0,
    "swir16": 1608.5,
    "swir22": 2200.5,
}
TIRS_FWHM_M = 100.0
LANDSAT_NOISE_K = 0.3
LANDSAT_NOISE_REFLECTANCE = 0.003
DILATION_M = 150.0
UNCERTAINTY_K = (0.7, 2.5)
"""Far from clouds, and beside them."""
UNCERTAINTY_REACH_M = 2000.0

# Over Korea a 2 km pixel of AMI is 2.07 km x 2.66-2.91 km on the ground.
GK2A_FWHM_M = (2800.0, 2100.0)
GK2A_NAVIGATION_PX = 0.35
# Error of the retrieval of Level 2: in dry air, for each g/cm2 of vapour, and a scene's scatter.
GK2A_BIAS_DRY_K, GK2A_BIAS_PER_VAPOUR_K, GK2A_BIAS_SCATTER_K = 0.4, -0.35, 0.4
GK2A_NOISE_K = 0.3
PSF_SHARE = 0.995
"""A pixel is made where that much of its point spread function lies inside the world."""
# DQF_LST 0 is what all users of the product keep. The other codes are invented here: their
# meaning is not published where we could find it.
GOOD, NO_LST, NOT_SEEN = 0, 1, 2
# Noise of each channel of Level 1B, K at about 300 K.
GK2A_CHANNEL_NOISE_K = {"ir105": 0.1, "ir112": 0.1, "ir123": 0.2}

GOCI2_FWHM_PX = 1.2
GOCI2_NAVIGATION_PX = 0.7
GOCI2_NOISE = (0.002, 0.004)
GOCI2_RAYLEIGH = 0.015
"""Most that is left of Rayleigh scattering at 443 nm; it falls with wavelength^-4."""
GOCI2_MARGIN_PX = 6


@dataclass(frozen=True)
class Navigation:
    """A scene's navigation error: the content must move by this to be right (+ south, east)."""

    row_px: float
    column_px: float
    row_m: float
    column_m: float


@dataclass(frozen=True)
class Gk2aLook:
    """What a KO LST file holds: ``lst_k`` (900, 900), NaN where none, ``quality`` its DQF."""

    lst_k: Floats
    quality: np.ndarray
    navigation: Navigation
    atmosphere: Atmosphere
    bias_k: float


@dataclass(frozen=True)
class Gk2aL1bLook:
    """What Level 1B files of one scan hold, by channel, each of the area's shape.

    ``brightness_temperature_k`` at the top of the atmosphere, NaN where none, and ``quality``: 0
    good, 2 not seen.
    """

    brightness_temperature_k: dict[str, Floats]
    quality: np.ndarray
    navigation: Navigation
    atmosphere: Atmosphere


@dataclass(frozen=True)
class Goci2Look:
    """What a slot holds: Rayleigh-corrected reflectance by wavelength in nm, and its flags."""

    grid: Grid
    rhoc: dict[int, Floats]
    flag: np.ndarray
    navigation: Navigation
    rayleigh_443: float


def landsat(
    world: World,
    clouds: Clouds,
    footprint: Grid,
    rng: np.random.Generator,
    *,
    product_id: str,
    time: datetime,
    path: int,
    row: int,
) -> LandsatProduct:
    """The L2SP product of ``footprint``, whose pixels are some of the world's, at minute 0.

    LST is the world's through 100 m, with noise of that grain; clouds show the temperature of
    their tops and brightness. The uncertainty grows towards clouds, as that of the product does.
    """
    inner = _slices(world.grid, footprint)
    opacity = clouds.seen(None)[inner]
    shadow = clouds.shadow(world.sun_elevation_deg, world.sun_azimuth_deg)[inner]
    sigma_px = TIRS_FWHM_M / SIGMAS_PER_FWHM / world.grid.gsd_m
    radiance = _blurred(world.lst_k**4, sigma_px, sigma_px)[inner]
    lst_k = _under(radiance, opacity, _cloud_top_k(world, clouds) ** 4) ** np.float32(0.25)
    noise = _blurred(rng.standard_normal(footprint.shape, np.float32), sigma_px, sigma_px)
    # a blurred white noise has this much of its standard deviation left
    lst_k += LANDSAT_NOISE_K * 2 * np.sqrt(np.pi) * sigma_px * noise
    cloud = opacity > CLOUDY
    return LandsatProduct(
        product_id=product_id,
        grid=footprint,
        time=time,
        lst_k=lst_k,
        lst_uncertainty_k=_uncertainty_k(cloud, footprint.gsd_m),
        reflectance={
            band: _under(_shaded(world.reflectance(nm)[inner], shadow), opacity, CLOUD_REFLECTANCE)
            + LANDSAT_NOISE_REFLECTANCE * rng.standard_normal(footprint.shape, np.float32)
            for band, nm in OLI_NM.items()
        },
        qa_pixel=qa_pixel(cloud, shadow > CLOUDY, world.water[inner], footprint.gsd_m),
        qa_radsat=np.zeros(footprint.shape, np.uint16),
        sun_azimuth_deg=world.sun_azimuth_deg,
        sun_elevation_deg=world.sun_elevation_deg,
        cloud_cover_percent=100 * float(cloud.mean()),
        path=path,
        row=row,
    )


def qa_pixel(cloud: Mask, shadow: Mask, water: Mask, gsd_m: float) -> np.ndarray:
    """QA_PIXEL, uint16, of a Landsat scene without fill, cirrus or snow.

    Bits: 1 dilated cloud, 3 cloud, 4 shadow, 6 clear (neither cloud nor dilated), 7 water; and
    two each for the confidence (1 low, 3 high) of cloud, shadow, snow and cirrus, from 8 on.
    """
    reach = round(DILATION_M / gsd_m)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = cv2.dilate(cloud.astype(np.uint8), disc).astype(bool)
    # what is called a cloud is not called anything else
    dilated, shaded = near & ~cloud, shadow & ~near
    qa = np.full(cloud.shape, 1 << 12 | 1 << 14, np.uint16)
    qa |= np.where(cloud, 1 << 3 | 3 << 8, 1 << 8).astype(np.uint16)
    qa |= np.where(shaded, 1 << 4 | 3 << 10, 1 << 10).astype(np.uint16)
    qa |= np.where(dilated, 1 << 1, 0).astype(np.uint16)
    qa |= np.where(near, 0, 1 << 6).astype(np.uint16)
    qa |= np.where(water & ~near & ~shaded, 1 << 7, 0).astype(np.uint16)
    return qa


def _uncertainty_k(cloud: Mask, gsd_m: float) -> Floats:
    """ST_QA: decays with the distance to the nearest cloud."""
    far, near = UNCERTAINTY_K
    if not cloud.any():
        return np.full(cloud.shape, far, np.float32)
    distance = cv2.distanceTransform((~cloud).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return far + (near - far) * np.exp(-distance * np.float32(gsd_m / UNCERTAINTY_REACH_M))


def gk2a(world: World, clouds: Clouds, minutes: float, rng: np.random.Generator) -> Gk2aLook:
    """The KO LST of the cells inside the world, ``minutes`` after minute 0; the rest is fill.

    In T^4: the directional temperature of the ground, warmed by the minutes, and the tops of what
    clouds there are in the footprint; then the scene's bias, which grows with the water vapour, and
    each cell's noise. A cell has no
    LST where more than a tenth of its footprint is cloud or more than half is water.
    """
    area = AREAS["ko"]
    part = _covering(area, world.grid)
    shift = rng.normal(0, GK2A_NAVIGATION_PX, 2)
    atmosphere = atmosphere_of(world.air_k, rng)
    bias_k = GK2A_BIAS_DRY_K + GK2A_BIAS_PER_VAPOUR_K * atmosphere.water_vapour_g_cm2
    bias_k += float(rng.normal(0, GK2A_BIAS_SCATTER_K))
    view = View(world)

    def measured(image: Floats, outside: float | None = None) -> Floats:
        return view.measured(image, part.moved(*shift), GK2A_FWHM_M, outside)

    opacity = view.blocks(clouds.seen(VIEWPOINT, minutes))
    ground_k = _ground_k(world, view, minutes)
    radiance = _under(view.placed(ground_k**4), opacity, _cloud_top_k(world, clouds) ** 4)
    lst_k = measured(radiance) ** np.float32(0.25) + np.float32(bias_k)
    lst_k += GK2A_NOISE_K * rng.standard_normal(part.shape, np.float32)

    cloudy = measured(opacity) > CLOUDY
    sea = measured(view.placed(world.water)) > 0.5
    quality = np.where(cloudy | sea, NO_LST, GOOD).astype(np.uint8)
    quality[measured(view.inside, outside=0.0) < PSF_SHARE] = NOT_SEEN
    everywhere_k = np.full(area.shape, np.nan, np.float32)
    everywhere_quality = np.full(area.shape, NOT_SEEN, np.uint8)
    where = _slices(area, part)
    everywhere_k[where] = np.where(quality == GOOD, lst_k, np.nan)
    everywhere_quality[where] = quality
    navigation = _navigation(shift, part, world.grid)
    return Gk2aLook(everywhere_k, everywhere_quality, navigation, atmosphere, bias_k)


def gk2a_l1b(
    world: World, clouds: Clouds, area: Grid, minutes: float, rng: np.random.Generator
) -> Gk2aL1bLook:
    """The window channels over the pixels of ``area`` inside the world; the rest is not seen.

    In each channel's radiance: the same ground as of ``gk2a``, through the atmosphere, and the
    tops of clouds, above which there is none; then each pixel's noise. The navigation error is
    that of ``gk2a`` with an equal ``rng``, in pixels of ``area``.
    """
    part = _covering(area, world.grid)
    shift = rng.normal(0, GK2A_NAVIGATION_PX, 2)
    atmosphere = atmosphere_of(world.air_k, rng)
    view = View(world)

    def measured(image: Floats, outside: float | None = None) -> Floats:
        return view.measured(image, part.moved(*shift), GK2A_FWHM_M, outside)

    opacity = view.blocks(clouds.seen(VIEWPOINT, minutes))
    ground_k = _ground_k(world, view, minutes)
    quality = np.full(area.shape, NOT_SEEN, np.uint8)
    where = _slices(area, part)
    quality[where][measured(view.inside, outside=0.0) >= PSF_SHARE] = GOOD
    temperatures = {}
    for channel, noise_k in GK2A_CHANNEL_NOISE_K.items():
        wavenumber = WAVENUMBERS[channel]
        emissivity = emissivity_of(world.cover, channel)
        radiance = atmosphere.radiance(ground_k, emissivity, channel, view.angles_deg[0])
        top = planck(_cloud_top_k(world, clouds), wavenumber)
        seen_k = planck_k(measured(_under(view.placed(radiance), opacity, top)), wavenumber)
        seen_k += noise_k * rng.standard_normal(part.shape, np.float32)
        everywhere_k = np.full(area.shape, np.nan, np.float32)
        everywhere_k[where] = np.where(quality[where] == GOOD, seen_k, np.nan)
        temperatures[channel] = everywhere_k
    return Gk2aL1bLook(temperatures, quality, _navigation(shift, part, world.grid), atmosphere)


def goci2(
    world: World, clouds: Clouds, footprint: Grid, minutes: float, rng: np.random.Generator
) -> Goci2Look:
    """The slot's pixels over the footprint and a margin, ``minutes`` after minute 0.

    Reflectance of the ground, dimmed by shadows of clouds, and of clouds; a remainder of Rayleigh
    scattering; each pixel's noise. Flags are set where more than a tenth of a pixel is cloud or
    shadow, and by its share of water. NaN where the world ends.
    """
    slot = _slot_over(footprint, float(world.elevation_m.max()))
    shift = rng.normal(0, GOCI2_NAVIGATION_PX, 2)
    rayleigh_443 = float(rng.uniform(0, GOCI2_RAYLEIGH))
    view = View(world)
    navigation = _navigation(shift, slot, world.grid)
    row_m, column_m = _steps_m(slot, world.grid)
    fwhm_m = GOCI2_FWHM_PX * row_m, GOCI2_FWHM_PX * column_m

    def measured(image: Floats, outside: float | None = None) -> Floats:
        return view.measured(image, slot.moved(*shift), fwhm_m, outside)

    opacity = view.blocks(clouds.seen(VIEWPOINT, minutes))
    shadow = clouds.shadow(world.sun_elevation_deg, world.sun_azimuth_deg, minutes)
    lost = measured(view.inside, outside=0.0) < PSF_SHARE
    rhoc = {}
    for nm in WAVELENGTHS_NM:
        ground = view.placed(_shaded(world.reflectance(nm), shadow))
        band = measured(_under(ground, opacity, CLOUD_REFLECTANCE))
        band += rng.uniform(*GOCI2_NOISE) * rng.standard_normal(slot.shape, np.float32)
        band += rayleigh_443 * (443 / nm) ** 4
        rhoc[nm] = np.where(lost, np.float32(np.nan), band)

    water = measured(view.placed(world.water))
    cloudy = measured(opacity) > CLOUDY
    shaded = measured(view.placed(shadow)) > CLOUDY
    flag = np.zeros(slot.shape, np.int32)
    for name, where in (
        ("COASTLINE", (water > 0.05) & (water < 0.95)),
        ("LAND", water < 0.5),
        ("CLOUD", cloudy),
        ("CLOUD_SHADOW", shaded & ~cloudy),
    ):
        flag[where] |= 1 << FLAG_BITS[name]
    return Goci2Look(slot, rhoc, flag, navigation, rayleigh_443)


def _ground_k(world: World, view: View, minutes: float) -> Floats:
    """Skin temperature as seen from the side, warmed since minute 0."""
    warmed_k = world.warming_k_per_h * np.float32(minutes / 60)
    seen_k: Floats = world.directional_k(*view.angles_deg) + warmed_k
    return seen_k.astype(np.float32, copy=False)


def goci2_radiance(look: Goci2Look, time: datetime) -> dict[int, Floats]:
    """Radiance at the top of the atmosphere by wavelength in nm, W m-2 um-1 sr-1, seen at ``time``.

    To the reflectance of the look comes that of the path, of Rayleigh scattering alone: single,
    over a dark ground at sea level, tau P / (4 cos(sun zenith) cos(view zenith)) with the optical
    thickness tau of Hansen & Travis (1974), Space Science Reviews 16, 527, and the phase
    function P = 3/4 (1 + cos^2) of the scattering angle. That it also dims the ground is left out,
    as are aerosols and gases.
    """
    row, column = np.indices(look.grid.shape) + 0.5
    to_degrees = Transformer.from_crs(look.grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(*(look.grid.transform @ (column, row)))
    sun_zenith, sun_azimuth = sun_position(time, lon, lat)
    zenith = np.radians(view_zenith_deg(lon, lat, VIEWPOINT))
    # of the satellite, on a sphere: south, but for what the place lies east or west of it
    away = np.radians(lon - VIEWPOINT.longitude_deg)
    azimuth = np.pi + np.arctan2(np.tan(away), np.sin(np.radians(lat)))
    sun, view = np.cos(sun_zenith), np.cos(zenith)
    cosine = -sun * view - np.sin(sun_zenith) * np.sin(zenith) * np.cos(sun_azimuth - azimuth)
    path = 0.75 * (1 + cosine**2) / (4 * sun * view)
    per_reflectance = sun / (np.pi * sun_distance_au(time) ** 2)
    return {
        nm: ((rhoc + rayleigh_thickness(nm) * path) * IRRADIANCE[nm] * per_reflectance).astype(
            np.float32
        )
        for nm, rhoc in look.rhoc.items()
    }


def rayleigh_thickness(wavelength_nm: float) -> float:
    """Optical thickness of the clean atmosphere at sea level, Hansen & Travis (1974)."""
    um = wavelength_nm / 1000
    return 0.008569 * um**-4 * (1 + 0.0113 * um**-2 + 0.00013 * um**-4)


class View:
    """A world as the geostationary satellites see it: in blocks, each where it appears."""

    def __init__(self, world: World) -> None:
        """Find, for each block of the apparent image, the ground that appears there."""
        self.grid = world.grid.coarsen(BLOCK)
        by_row, by_column = leaning(self.grid, VIEWPOINT)
        height_m = self.blocks(world.elevation_m)
        row, column = np.indices(self.grid.shape, np.float32)
        self._row, self._column = row, column
        for _ in range(ITERATIONS):
            there_m = self.placed(height_m)
            self._row, self._column = row - there_m * by_row, column - there_m * by_column
        middle = by_row.shape[0] // 2, by_row.shape[1] // 2
        # what is high leans away from the satellite, so that it stands on the other side
        self._azimuth_deg = np.degrees(np.arctan2(-by_column[middle], by_row[middle])) % 360

    @property
    def angles_deg(self) -> tuple[float, float]:
        """View zenith and azimuth (where the satellite stands, from grid north) of the middle."""
        zenith = view_zenith_deg(*_centre_deg(self.grid), VIEWPOINT)
        return float(zenith), float(self._azimuth_deg)

    @property
    def inside(self) -> Floats:
        """1 where the ground that appears there belongs to the world, else 0."""
        ones = np.ones(self.grid.shape, np.float32)
        seen = cv2.remap(ones, self._column, self._row, cv2.INTER_LINEAR, borderValue=0)
        return np.asarray(seen, np.float32)

    def blocks(self, image: Floats | Mask) -> Floats:
        """Block means (H / 2, W / 2) of an image of the world."""
        size = self.grid.width, self.grid.height
        means = cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.asarray(means, np.float32)

    def placed(self, image: Floats | Mask) -> Floats:
        """An image of the ground, of the world's pixels or of blocks, where it appears."""
        is_blocks = image.shape == self.grid.shape
        blocks = np.asarray(image, np.float32) if is_blocks else self.blocks(image)
        seen = cv2.remap(
            blocks, self._column, self._row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(seen, np.float32)

    def measured(
        self, image: Floats, grid: Grid, fwhm_m: tuple[float, float], outside: float | None = None
    ) -> Floats:
        """What a sensor of Gaussian PSF, full width ``fwhm_m`` (south, east), has at ``grid``.

        Beyond the image stands ``outside``, or the nearest of its pixels. A block is itself a
        blur of its own variance, side^2 / 12, which the Gaussian leaves out.
        """
        step = self.grid.gsd_m
        by_row, by_column = (
            math.sqrt((fwhm / SIGMAS_PER_FWHM) ** 2 - step**2 / 12) / step for fwhm in fwhm_m
        )
        border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
        blurred = _blurred(image, by_row, by_column, border)
        row, column = _places(self.grid, grid)
        sampled = cv2.remap(
            blurred, column, row, cv2.INTER_CUBIC, borderMode=border, borderValue=outside or 0.0
        )
        return np.asarray(sampled, np.float32)


def _places(source: Grid, grid: Grid) -> tuple[Floats, Floats]:
    """(row, column) in ``source``, from its first pixel's centre, of the centres of ``grid``."""
    rows, columns = np.indices(grid.shape) + 0.5
    column, row = ~source.transform @ _to(source, grid)(*(grid.transform @ (columns, rows)))
    return (row - 0.5).astype(np.float32), (column - 0.5).astype(np.float32)


def _to(target: Grid, source: Grid) -> Callable[..., Any]:
    return Transformer.from_crs(source.crs, target.crs, always_xy=True).transform


def _degrees(grid: Grid, column: float, row: float) -> tuple[float, float]:
    """Longitude and latitude of a place in ``grid``."""
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    return to_degrees.transform(*(grid.transform @ (column, row)))


def _centre_deg(grid: Grid) -> tuple[float, float]:
    return _degrees(grid, grid.width / 2, grid.height / 2)


def _slices(grid: Grid, part: Grid) -> tuple[slice, slice]:
    """Rows and columns of ``grid`` that are ``part``."""
    column, row = (round(at) for at in ~grid.transform @ part.corners[0])
    return slice(row, row + part.height), slice(column, column + part.width)


def _covering(area: Grid, world: Grid) -> Grid:
    """The part of ``area`` that holds all of ``world``, whose sides are nearly straight there."""
    x, y = (np.array(axis) for axis in zip(*world.corners, strict=True))
    column, row = ~area.transform @ _to(area, world)(x, y)
    top, left = max(int(row.min()), 0), max(int(column.min()), 0)
    bottom, right = min(int(row.max()) + 1, area.height), min(int(column.max()) + 1, area.width)
    return area.window(top, left, bottom - top, right - left)


def _slot_over(footprint: Grid, height_m: float) -> Grid:
    """The slot's pixels over a footprint up to ``height_m``, and a margin around."""
    lon, lat = (np.array(axis) for axis in zip(*outline(footprint), strict=True))
    top = apparent(lon, lat, np.full(lon.shape, height_m), VIEWPOINT)
    any_slot = slot_grid(*_centre_deg(footprint), 2, 2)
    to_slot = Transformer.from_crs("EPSG:4326", any_slot.crs, always_xy=True)
    x, y = to_slot.transform(np.append(lon, top[0]), np.append(lat, top[1]))
    column, row = ~any_slot.transform @ (x, y)
    rows, columns = (math.ceil(np.ptp(at)) + 2 * GOCI2_MARGIN_PX for at in (row, column))
    middle = (column.max() + column.min()) / 2, (row.max() + row.min()) / 2
    return slot_grid(*_degrees(any_slot, *middle), rows, columns)


def _steps_m(grid: Grid, world: Grid) -> tuple[float, float]:
    """Length on the world of a step of a row and of a column, in the middle of ``grid``."""
    column, row = grid.width / 2, grid.height / 2
    places = (column, row), (column, row + 1), (column + 1, row)
    to_world = _to(world, grid)
    here, south, east = (to_world(*(grid.transform @ place)) for place in places)
    return math.dist(here, south), math.dist(here, east)


def _navigation(shift: np.ndarray, grid: Grid, world: Grid) -> Navigation:
    row, column = map(float, shift)
    row_m, column_m = _steps_m(grid, world)
    return Navigation(row, column, row * row_m, column * column_m)


def _blurred(
    image: Floats, row_sigma: float, column_sigma: float, border: int = cv2.BORDER_REPLICATE
) -> Floats:
    """Through a Gaussian of so many pixels, cut at four."""
    blurred = cv2.GaussianBlur(image, (0, 0), column_sigma, sigmaY=row_sigma, borderType=border)
    return np.asarray(blurred, np.float32)


def _shaded(reflectance: Floats, shadow: Floats) -> Floats:
    return reflectance * (1 - np.float32(SHADOW_DIMMING) * shadow)


def _under(ground: Floats, opacity: Floats, cloud: float) -> Floats:
    """Seen through clouds: the ground's share and the clouds'."""
    return ground + opacity * (np.float32(cloud) - ground)


def _cloud_top_k(world: World, clouds: Clouds) -> float:
    """The ground's mean, less the lapse up to the tops."""
    return float(world.lst_k.mean()) - LAPSE_K_PER_M * clouds.top_m
