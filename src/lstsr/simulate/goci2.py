"""GOCI-II: its observation of a world, and its Level-2 AC and Level-1B files.

The files follow the layout of NOSC as far as it is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor
from pathlib import Path

import netCDF4
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from lstsr.files import whole
from lstsr.geo.footprint import outline
from lstsr.geo.parallax import apparent, view_zenith_deg
from lstsr.geo.sun import sun_distance_au, sun_position
from lstsr.grid import WGS84, Grid, transformer
from lstsr.image import Floats
from lstsr.sensors.goci2.ac import FLAG_BITS
from lstsr.sensors.goci2.bands import IRRADIANCE, WAVELENGTHS_NM
from lstsr.sensors.goci2.l1b import FILL as NO_RADIANCE
from lstsr.sensors.goci2.navigation import FILL, GK2B
from lstsr.simulate.clouds import CLOUDY, REFLECTANCE, Clouds, shaded, under
from lstsr.simulate.view import VIEWPOINT, Navigation, View, centre_deg, steps_m
from lstsr.simulate.world import World

FWHM_PX = 1.2
NAVIGATION_PX = 0.7
NOISE = (0.002, 0.004)
# Largest remainder of Rayleigh scattering at 443 nm; it falls with wavelength^-4.
RAYLEIGH = 0.015
MARGIN_PX = 6
# Spacing of the pixels in the geostationary projection, metres at nadir.
STEP_M = 250.0


def slot_grid(lon: float, lat: float, rows: int, columns: int) -> Grid:
    """``rows`` x ``columns`` pixels around a point (degrees), aligned with other slots.

    Pixels are nominally 250 m at nadir. We have not yet seen the real step in a file.
    """
    x, y = transformer(WGS84, GK2B.crs).transform(lon, lat)
    west = (floor(x / STEP_M) - columns // 2) * STEP_M
    north = (floor(y / STEP_M) + rows // 2) * STEP_M
    return Grid(GK2B.crs, Affine(STEP_M, 0, west, 0, -STEP_M, north), columns, rows)


@dataclass(frozen=True)
class Look:
    """The content of a slot: Rayleigh-corrected reflectance by wavelength in nm, and its flags."""

    grid: Grid
    rhoc: dict[int, Floats]
    flag: np.ndarray
    navigation: Navigation
    rayleigh_443: float


def observe(
    world: World, clouds: Clouds, footprint: Grid, minutes: float, rng: np.random.Generator
) -> Look:
    """The slot's pixels over the footprint and a margin, ``minutes`` after minute 0.

    Reflectance mixes ground, dimmed by cloud shadows, and clouds, plus noise and a remainder
    of Rayleigh scattering. A pixel is flagged if more than a tenth of it is cloud or shadow, and by
    its share of water. Pixels beyond the world are NaN.
    """
    slot = _slot_over(footprint, float(world.elevation_m.max()))
    row_m, column_m = steps_m(slot, world.grid)
    view = View(world, slot, (FWHM_PX * row_m, FWHM_PX * column_m), NAVIGATION_PX, rng)
    rayleigh_443 = float(rng.uniform(0, RAYLEIGH))
    opacity = view.blocks(clouds.seen(VIEWPOINT, minutes))
    shadow = clouds.shadow(world.sun_elevation_deg, world.sun_azimuth_deg, minutes)
    rhoc = {}
    for nm in WAVELENGTHS_NM:
        ground = view.displaced(shaded(world.reflectance(nm), shadow))
        band = view.measured(under(ground, opacity, REFLECTANCE))
        band += rng.uniform(*NOISE) * rng.standard_normal(slot.shape, np.float32)
        band += rayleigh_443 * (443 / nm) ** 4
        rhoc[nm] = np.where(view.seen, band, np.float32(np.nan))

    water = view.measured(view.displaced(world.water))
    cloudy = view.measured(opacity) > CLOUDY
    in_shadow = view.measured(view.displaced(shadow)) > CLOUDY
    flag = np.zeros(slot.shape, np.int32)
    for name, where in (
        ("COASTLINE", (water > 0.05) & (water < 0.95)),
        ("LAND", water < 0.5),
        ("CLOUD", cloudy),
        ("CLOUD_SHADOW", in_shadow & ~cloudy),
    ):
        flag[where] |= 1 << FLAG_BITS[name]
    return Look(slot, rhoc, flag, view.navigation, rayleigh_443)


def _slot_over(footprint: Grid, height_m: float) -> Grid:
    """The pixels that show a footprint with ground up to ``height_m``, and a margin."""
    lon, lat = np.transpose(outline(footprint))
    top_lon, top_lat = apparent(lon, lat, height_m, VIEWPOINT)
    any_slot = slot_grid(*centre_deg(footprint), 2, 2)
    row, column = any_slot.position(np.append(lon, top_lon), np.append(lat, top_lat))
    rows, columns = (ceil(np.ptp(at)) + 2 * MARGIN_PX for at in (row, column))
    middle = (row.max() + row.min()) / 2, (column.max() + column.min()) / 2
    return slot_grid(*any_slot.lonlat_at(*middle), rows, columns)


def radiance(look: Look, time: datetime) -> dict[int, Floats]:
    """Radiance at the top of the atmosphere by wavelength in nm, W m-2 um-1 sr-1, at ``time``.

    The atmosphere adds the path reflectance of Rayleigh scattering to the reflectance of the look:
    single scattering over dark ground at sea level, tau P / (4 cos(sun zenith) cos(view zenith)),
    with the optical thickness tau of Hansen & Travis (1974), Space Science Reviews 16, 527, and the
    phase function P = 3/4 (1 + cos^2) of the scattering angle. The model has no aerosols and gases,
    and scattering does not dim the ground.
    """
    lon, lat = look.grid.lonlat()
    sun_zenith, sun_azimuth = sun_position(time, lon, lat)
    zenith = np.radians(view_zenith_deg(lon, lat, VIEWPOINT))
    # azimuth of the satellite on a sphere: south, corrected for its longitude
    away = np.radians(lon - VIEWPOINT.longitude_deg)
    azimuth = np.pi + np.arctan2(np.tan(away), np.sin(np.radians(lat)))
    sun, view = np.cos(sun_zenith), np.cos(zenith)
    cosine = -sun * view - np.sin(sun_zenith) * np.sin(zenith) * np.cos(sun_azimuth - azimuth)
    path = 0.75 * (1 + cosine**2) / (4 * sun * view)
    per_reflectance = sun / (np.pi * sun_distance_au(time) ** 2)
    found = {}
    for nm, rhoc in look.rhoc.items():
        um = nm / 1000
        tau = 0.008569 * um**-4 * (1 + 0.0113 * um**-2 + 0.00013 * um**-4)
        found[nm] = ((rhoc + tau * path) * IRRADIANCE[nm] * per_reflectance).astype(np.float32)
    return found


def write_ac(
    folder: Path,
    nominal: datetime,
    slot: int,
    start: datetime,
    end: datetime,
    grid: Grid,
    rhoc: Mapping[int, Floats],
    flag: NDArray[np.integer],
) -> Path:
    """Write the AC file of one slot and return its path.

    The satellite sees the slot from ``start`` to ``end``; ``nominal`` is the scan's time, which
    names the file. ``rhoc`` maps each wavelength in nm to reflectance (rows, columns), NaN is
    no-data. Rrs is a placeholder, because lstsr does not read this ocean product: RhoC / pi over
    water, and empty over land.
    """
    path = folder / f"GK2B_GOCI2_L2_{nominal:%Y%m%d_%H%M%S}_LA_S{slot:03d}_AC.nc"
    axes = ("number_of_lines", "pixels_per_line")
    with _new_file(path, "Level-2 Data", start, end, grid, axes) as dataset:
        geophysical = dataset.createGroup("geophysical_data")
        land = (flag >> FLAG_BITS["LAND"] & 1).astype(bool)
        for quantity in ("Rrs", "RhoC"):
            group = geophysical.createGroup(quantity)
            for nm in WAVELENGTHS_NM:
                values = rhoc[nm]
                if quantity == "Rrs":
                    values = np.where(land, np.nan, values / np.pi)
                _write(group, f"{quantity}_{nm}", axes, np.nan_to_num(values, nan=FILL))
        _write(geophysical, "flag", axes, flag, None, "i4")
    return path


def write_l1b(
    folder: Path,
    nominal: datetime,
    slot: int,
    start: datetime,
    end: datetime,
    grid: Grid,
    radiance: Mapping[int, Floats],
) -> Path:
    """Write the Level-1B file of one slot like `write_ac`, and return its path.

    ``radiance`` maps each wavelength in nm to W m-2 um-1 sr-1 (rows, columns), NaN is no-data. The
    files store 0 there, without a fill attribute.
    """
    path = folder / f"GK2_GOCI2_L1B_{nominal:%Y%m%d_%H%M%S}_LA_S{slot:03d}.nc"
    axes = ("number_of_lines", "number_of_columns")
    with _new_file(path, "Level-1B Radiances", start, end, grid, axes) as dataset:
        dataset.setncatts(
            {
                "nominal_satellite_height": GK2B.height_m,
                "semi_major_axis": GK2B.equatorial_radius_m,
                "semi_minor_axis": GK2B.polar_radius_m,
                "latitude_of_projection_origin": 0.0,
            }
        )
        geophysical = dataset.createGroup("geophysical_data")
        for nm in WAVELENGTHS_NM:
            values = np.nan_to_num(radiance[nm], nan=NO_RADIANCE)
            stored = _write(geophysical, f"L_TOA_{nm}", axes, values, None)
            stored.setncatts({"units": "W m-2 um-1 sr-1", "valid_min": np.float32(0)})
    return path


@contextmanager
def _new_file(
    path: Path, title: str, start: datetime, end: datetime, grid: Grid, axes: tuple[str, str]
) -> Iterator[netCDF4.Dataset]:
    """A new file with the attributes, dimensions and coordinates that both levels share."""
    with whole(path) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as dataset:
        dataset.setncatts(
            {
                "title": f"GK2B GOCI-II {title}",
                "platform": "GK-2B",
                "instrument": "GOCI-II",
                "observation_start_time": f"{start:%Y%m%d_%H%M%S}",
                "observation_end_time": f"{end:%Y%m%d_%H%M%S}",
                "sub_longitude": GK2B.longitude_deg,
                "longitude_of_projection_origin": GK2B.longitude_deg,
                "perspective_point_height": GK2B.height_m,
            }
        )
        for name, length in zip(axes, grid.shape, strict=True):
            dataset.createDimension(name, length)
        yield dataset
        group = dataset.createGroup("navigation_data")
        lon, lat = grid.lonlat()
        for name, degrees in (("latitude", lat), ("longitude", lon)):
            # the full disk has corners beyond the limb
            _write(group, name, axes, np.where(np.isfinite(degrees), degrees, FILL))


def _write(
    group: netCDF4.Group,
    name: str,
    axes: tuple[str, str],
    values: NDArray,
    fill: float | None = FILL,
    kind: str = "f4",
) -> netCDF4.Variable:
    stored = group.createVariable(name, kind, axes, fill_value=fill, zlib=True, complevel=1)
    stored.set_auto_maskandscale(False)
    stored[:] = values.astype(kind)
    return stored
