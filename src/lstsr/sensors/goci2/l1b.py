"""GK2B/GOCI-II Level-1B: radiance of a slot or a mosaic, as top-of-atmosphere reflectance.

The files hold neither solar irradiance nor angles nor flags. lstsr computes the sun's position from
the time and each pixel's coordinates, and finds clouds by a simple colour test. The layout follows
public readers. docs/first-real-file.md lists what to check on a first real file.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from lstsr.geo.sun import sun_distance_au, sun_position
from lstsr.image import Floats, Mask, SensorImage
from lstsr.sensors.goci2 import bands
from lstsr.sensors.goci2.navigation import coordinates, fitted, grid, observed, placed, time_check
from lstsr.sensors.inspection import Inspection, grid_facts
from lstsr.sensors.netcdf import fault, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Goci2L1bConfig

__all__ = ["FILL", "grid", "inspect", "read", "reflectance"]
FILL = 0.0
RADIANCE = "geophysical_data/L_TOA"
# The cloud test uses this wavelength, at which land is dark, and NDVI.
CLOUD_NM = 412


def read(path: Path, sensor: Goci2L1bConfig) -> SensorImage:
    """The bands of ``sensor`` by day, outside likely clouds.

    Reflectance is at the top of the atmosphere, with the sun's position at each pixel at the middle
    of the file's own observation times, which span one minute in a slot and 20 in a mosaic. A
    curvilinear file is resampled once. Raises SceneError if the content is at fault: damaged,
    another product, implausible coordinates or times, nothing valid, as at night or under cloud.
    """
    with opened(path) as dataset:
        bands.check_product(dataset, "goci2-l1b")
        pixels, time = placed(dataset), observed(dataset)
        cosine = _by_day(dataset, time, sensor.min_sun_elevation_deg)

        @cache
        def toa(wavelength_nm: int) -> Floats:
            values = reflectance(_radiance(dataset, wavelength_nm), wavelength_nm, time, cosine)
            return bands.in_range(values, sensor.valid_min, sensor.valid_max)

        values = bands.stacked(sensor.bands, toa)
        known: Mask = np.all(np.isfinite(values), axis=0)
        if not known.any():
            raise fault(
                dataset,
                f"no valid pixel: no daytime pixel has all of {', '.join(sensor.bands)} within "
                f"{sensor.valid_min:g} .. {sensor.valid_max:g}. Name another file",
            )
        clear = _clear(toa, cosine, sensor)
        if not (known & clear).any():
            raise fault(
                dataset,
                f"no valid pixel: all known pixels ({known.mean():.1%}) look like cloud. Name "
                "another scan, or change the sensor's cloud_brightness or cloud_ndvi",
            )
        notes = (
            f"to top-of-atmosphere reflectance, the sun {sun_distance_au(time):.5f} au away",
            f"without likely clouds, {(known & ~clear).mean():.1%}",
        )
        return pixels.image(dataset, values, known & clear, sensor, *notes)


def reflectance(radiance: Floats, wavelength_nm: int, time: datetime, cosine: Floats) -> Floats:
    """Reflectance pi d^2 L / (F0 cosine) from radiance L in W m-2 um-1 sr-1, in its shape.

    d is the sun's distance in au, F0 the irradiance, and ``cosine`` the cosine of the sun's zenith
    angle (e.g. Chander et al. 2009, Remote Sensing of Environment 113, 893).
    """
    factor = np.pi * sun_distance_au(time) ** 2 / bands.IRRADIANCE[wavelength_nm]
    values: Floats = np.float32(factor) * radiance / cosine
    return values


def inspect(path: Path) -> Inspection:
    """Facts about the file, and how well a regular grid fits it."""
    with opened(path) as dataset:
        bands.check_product(dataset, "goci2-l1b")
        pixels, times = fitted(dataset), time_check(dataset)
        present, complete = bands.check("L_TOA", dataset["geophysical_data"].variables)
        listed = [
            bands.facts(variable(dataset, f"{RADIANCE}_{nm}"), _radiance(dataset, nm))
            for nm in present
        ]
        sun = "unknown without a time"
        if times.passed:
            time = observed(dataset)
            elevation_deg = _sun_elevation_deg(dataset, time)
            sun = (
                f"{np.nanmin(elevation_deg):.1f} to {np.nanmax(elevation_deg):.1f} degrees high, "
                f"{sun_distance_au(time):.5f} au away"
            )
    facts = (
        ("file", path.name),
        ("observed", times.found),
        ("sun", sun),
        *grid_facts(pixels.output),
        ("bands", "radiance, W m-2 um-1 sr-1; " + "; ".join(listed)),
    )
    return Inspection("GK2B/GOCI-II L1B", facts, (pixels.check, times, complete))


def _radiance(dataset: netCDF4.Dataset, wavelength_nm: int) -> Floats:
    """L_TOA (line, pixel), W m-2 um-1 sr-1; NaN at fill, as around the edges."""
    radiance = bands.physical(dataset, f"{RADIANCE}_{wavelength_nm}", FILL).astype(np.float32)
    return np.where(radiance > 0, radiance, np.float32(np.nan))


def _by_day(dataset: netCDF4.Dataset, time: datetime, min_elevation_deg: float) -> Floats:
    """Cosine of the sun's zenith angle; NaN if the sun is too low or its position is unknown."""
    elevation_deg = _sun_elevation_deg(dataset, time)
    day = elevation_deg >= min_elevation_deg
    if not day.any():
        raise fault(
            dataset,
            f"night: at {time:%Y-%m-%d %H:%M} UTC the sun is at most "
            f"{np.nanmax(elevation_deg):.1f} degrees high, but min_sun_elevation_deg is "
            f"{min_elevation_deg:g}. Name a daytime scan",
        )
    return np.where(day, np.sin(np.radians(elevation_deg)), np.float32(np.nan))


def _sun_elevation_deg(dataset: netCDF4.Dataset, time: datetime) -> Floats:
    """Sun elevation of each pixel (line, pixel); NaN if its coordinates are unknown."""
    lon, lat = (degrees.astype(np.float32) for degrees in coordinates(dataset))
    zenith, _ = sun_position(time, lon, lat)
    return np.float32(90) - np.degrees(zenith)


def _clear(toa: Callable[[int], Floats], cosine: Floats, sensor: Goci2L1bConfig) -> Mask:
    """Pixels that are dark in blue, or green by NDVI. Unknown pixels count as bright.

    The reflectance of the air in blue doubles from summer to winter. Multiplied by ``cosine``, the
    cosine of the sun's zenith angle, it stays at about 0.15.
    """
    dark = toa(CLOUD_NM) * cosine <= sensor.cloud_brightness
    green = bands.normalised_difference(*map(toa, bands.INDICES["ndvi"])) > sensor.cloud_ndvi
    return np.asarray(dark | green)
