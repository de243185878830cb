"""GK2B/GOCI-II Level-1B: radiance of a slot or a mosaic, as top-of-atmosphere reflectance.

The files hold neither solar irradiance nor angles nor flags: the sun comes from the time and the
place of each pixel, clouds from a simple test of colour. The layout follows public readers.
docs/first-real-file.md lists what to check on a first real file.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from lstsr.errors import SceneError
from lstsr.geo.sun import sun_distance_au, sun_position
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage, Viewpoint
from lstsr.sensors.goci2_bands import (
    INDICES,
    WAVELENGTHS_NM,
    normalised_difference,
    physical,
    with_indices,
)
from lstsr.sensors.goci2_navigation import (
    LONGITUDE_DEG,
    coordinates,
    fitted,
    iso,
    navigation,
    observed,
    time_check,
)
from lstsr.sensors.inspection import Assertion, Inspection, grid_facts
from lstsr.sensors.netcdf import file_name, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Goci2L1bConfig

FILL = 0.0
# In-band solar irradiance at one astronomical unit, W m-2 um-1, as the draft of a Level-1 reader
# for satpy gives it (pytroll/satpy, pull request 2796); the files state none.
IRRADIANCE = {
    380: 1061.509,
    412: 1710.526,
    443: 1899.063,
    490: 1931.796,
    510: 1871.312,
    555: 1853.858,
    620: 1693.385,
    660: 1541.451,
    680: 1491.562,
    709: 1389.726,
    745: 1274.906,
    865: 971.089,
}
# Clouds are told by light of this wavelength, where land is dark, and by NDVI.
CLOUD_NM = 412


def grid(path: Path, sensor: Goci2L1bConfig) -> Grid:
    """The grid that the file's image is delivered on; SceneError where its places are no image."""
    with opened(path) as dataset:
        _check_product(dataset)
        return navigation(dataset).placed


def read(path: Path, sensor: Goci2L1bConfig) -> SensorImage:
    """The bands of ``sensor`` by day, outside what looks like cloud.

    Reflectance is that at the top of the atmosphere, with the sun of each pixel's place at the
    middle of the file's own observation times, which are a minute apart in a slot and twenty in a
    mosaic; ``ndvi`` and ``ndwi`` are made of it. A curvilinear file is resampled once. Raises
    SceneError where the file is truncated, no Level 1B, lacks a variable, has places of no image or
    times far from its name's, or holds no valid pixel, as by night or under cloud.
    """
    with opened(path) as dataset:
        _check_product(dataset)
        where, time = navigation(dataset), observed(dataset)
        cosine = _by_day(dataset, time, sensor.min_sun_elevation_deg)

        @cache
        def toa(wavelength_nm: int) -> Floats:
            values = reflectance(_radiance(dataset, wavelength_nm), wavelength_nm, time, cosine)
            inside = (values >= sensor.valid_min) & (values <= sensor.valid_max)
            return np.where(inside, values, np.float32(np.nan))

        values = np.stack(list(with_indices(sensor.bands, "toa_", toa).values()))
        known: Mask = np.all(np.isfinite(values), axis=0)
        clear = _clear(toa, cosine, sensor)
        valid: Mask = known & clear
        if not valid.any():
            raise SceneError(f"{path.name}: no valid pixel: {_why_none(known, sensor)}")
        values[:, ~valid] = np.nan
        image = SensorImage(
            values,
            valid,
            where.grid,
            tuple(sensor.bands),
            "reflectance",
            sensor.sensor,
            iso(time),
            (
                f"read {path.name}",
                f"to top-of-atmosphere reflectance, the sun {sun_distance_au(time):.5f} au away",
                f"without what looks like cloud, {(known & ~clear).mean():.1%}",
            ),
            Viewpoint(LONGITUDE_DEG),
        )
        return where.deliver(dataset, image)


def reflectance(radiance: Floats, wavelength_nm: int, time: datetime, cosine: Floats) -> Floats:
    """Pi d^2 L / (F0 cosine): of a radiance L in W m-2 um-1 sr-1, the sun's distance d in au.

    ``cosine`` is that of the sun's zenith angle; the shape is that of both. So e.g. Chander et al.
    (2009), Remote Sensing of Environment 113, 893.
    """
    factor = np.pi * sun_distance_au(time) ** 2 / IRRADIANCE[wavelength_nm]
    values: Floats = np.float32(factor) * radiance / cosine
    return values


def inspect(path: Path) -> Inspection:
    """What the file says of itself, and how well a regular grid fits it."""
    with opened(path) as dataset:
        _check_product(dataset)
        where, times = fitted(dataset), time_check(dataset)
        stored = dataset["geophysical_data"].variables
        missing = [nm for nm in WAVELENGTHS_NM if f"L_TOA_{nm}" not in stored]
        bands = [_band_facts(dataset, nm) for nm in WAVELENGTHS_NM if nm not in missing]
        sun = _sun_facts(dataset, observed(dataset)) if times.passed else "unknown without a time"
    facts = (
        ("file", path.name),
        ("observed", times.found),
        ("sun", sun),
        *grid_facts(where.placed),
        ("bands", "radiance, W m-2 um-1 sr-1; " + "; ".join(bands)),
    )
    checks = (
        where.check,
        times,
        Assertion(
            f"all {len(WAVELENGTHS_NM)} L_TOA are there",
            f"missing {', '.join(map(str, missing)) or 'none'}",
            not missing,
        ),
    )
    return Inspection("GK2B/GOCI-II L1B", facts, checks)


def _check_product(dataset: netCDF4.Dataset) -> None:
    group = dataset.groups.get("geophysical_data")
    if group is not None and "RhoC" in group.groups:
        raise SceneError(
            f"{file_name(dataset)}: Level 2 AC (RhoC), not Level 1B. Name the L1B file, or set the "
            "sensor's product to goci2."
        )
    if group is None or not any(name.startswith("L_TOA_") for name in group.variables):
        raise SceneError(
            f"{file_name(dataset)}: the file has no L_TOA. Name a Level 1B file "
            "(GK2_GOCI2_L1B_...nc)."
        )


def _radiance(dataset: netCDF4.Dataset, wavelength_nm: int) -> Floats:
    """L_TOA (line, pixel), W m-2 um-1 sr-1; NaN where fill, as around the edges."""
    found = physical(dataset, f"geophysical_data/L_TOA_{wavelength_nm}", FILL).astype(np.float32)
    return np.where(found > 0, found, np.float32(np.nan))


def _by_day(dataset: netCDF4.Dataset, time: datetime, min_elevation_deg: float) -> Floats:
    """Cosine of the sun's zenith angle; NaN where it stands lower than that, or is unknown."""
    elevation_deg = _sun_elevation_deg(dataset, time)
    day = elevation_deg >= min_elevation_deg
    if not day.any():
        raise SceneError(
            f"{file_name(dataset)}: night: at {time:%Y-%m-%d %H:%M} UTC the sun is nowhere above "
            f"{np.nanmax(elevation_deg):.1f} degrees, min_sun_elevation_deg = "
            f"{min_elevation_deg:g}: take a scan of the day"
        )
    return np.where(day, np.sin(np.radians(elevation_deg)), np.float32(np.nan))


def _sun_elevation_deg(dataset: netCDF4.Dataset, time: datetime) -> Floats:
    """Of each pixel (line, pixel); NaN where its place is unknown."""
    lon, lat = (places.astype(np.float32) for places in coordinates(dataset))
    zenith, _ = sun_position(time, lon, lat)
    return np.float32(90) - np.degrees(zenith)


def _clear(toa: Callable[[int], Floats], cosine: Floats, sensor: Goci2L1bConfig) -> Mask:
    """Where it is neither bright in blue and without the colour of plants, nor unknown.

    Blue light of the air itself, as reflectance, doubles from summer to winter; times the cosine of
    the sun's zenith angle (``cosine``) it stays what it is, about 0.15.
    """
    bright = ~(toa(CLOUD_NM) * cosine <= sensor.cloud_brightness)
    green = normalised_difference(*(toa(nm) for nm in INDICES["ndvi"])) > sensor.cloud_ndvi
    return green | ~bright


def _why_none(known: Mask, sensor: Goci2L1bConfig) -> str:
    if not known.any():
        return (
            f"{', '.join(sensor.bands)} are nowhere all there by day, in "
            f"{sensor.valid_min:g} .. {sensor.valid_max:g}: take another file"
        )
    return (
        f"all of the {known.mean():.1%} that are there look like cloud: take another scan, or see "
        "the sensor's cloud_brightness and cloud_ndvi"
    )


def _sun_facts(dataset: netCDF4.Dataset, time: datetime) -> str:
    elevation_deg = _sun_elevation_deg(dataset, time)
    return (
        f"{np.nanmin(elevation_deg):.1f} to {np.nanmax(elevation_deg):.1f} degrees high, "
        f"{sun_distance_au(time):.5f} au away"
    )


def _band_facts(dataset: netCDF4.Dataset, wavelength_nm: int) -> str:
    """How much of a band is there, in which range, and how it is stored."""
    values = _radiance(dataset, wavelength_nm)
    known = np.isfinite(values)
    seen = f", {values[known].min():.4g} .. {values[known].max():.4g}" if known.any() else ""
    kind = variable(dataset, f"geophysical_data/L_TOA_{wavelength_nm}").dtype
    return f"L_TOA_{wavelength_nm} {known.mean():.1%}{seen}, {kind}"
