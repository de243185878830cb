"""GK2A/AMI Level 1B: one channel per file; full disk (FD), a sector (LA) or Korea (KO, EA).

FD and LA are in the geostationary projection and contain their calibration. KMA resamples KO and EA
to its Lambert grids without calibration, so lstsr takes it from the FD or LA file of the same
channel and slot in the same folder. The file's own header places every pixel, and its corners must
agree. docs/first-real-file.md lists what to check on a first real file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from math import degrees, hypot
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
from numpy.typing import NDArray

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint
from lstsr.sensors.ami import files, grids
from lstsr.sensors.ami.channels import CHANNELS, Calibration, coefficient_names
from lstsr.sensors.ami.split_window import cloudy, split_window_k
from lstsr.sensors.inspection import Assertion, Fact, Inspection, grid_facts
from lstsr.sensors.netcdf import attribute, fault, file_name, number, opened, variable
from lstsr.times import read_time

if TYPE_CHECKING:
    from lstsr.config import Gk2aL1bConfig

# The two channels of the split window.
WINDOW = ("ir112", "ir123")
# A word has 16 bits: the quality flag in the top two, then unused bits, then the count.
FLAG_SHIFT, MOST_BITS = 14, 14
SCAN = ("cfac", "lfac", "coff", "loff")
BITS, CHANNEL = "number_of_valid_bits_per_pixel", "channel_name"
ACQUIRED = "scene_acquisition_time"
NAME_CHANNEL = re.compile(r"_((?:vi|nr|sw|wv|ir)\d{3})_")
# Largest distance of an observation's start from its slot: a full disk takes 10 minutes.
SLOT = timedelta(minutes=15)


def grid(path: Path, sensor: Gk2aL1bConfig) -> Grid:
    """The grid in the file's header. Raises SceneError if the header contradicts itself."""
    with opened(path) as dataset:
        return _checked_grid(dataset)


def read(path: Path, sensor: Gk2aL1bConfig) -> SensorImage:
    """The configured band: LST or brightness temperature in kelvin, or reflectance factor.

    A pixel is valid if its quality flag is one of ``sensor.accepted``; LST also needs to pass the
    cloud test. The time is the middle of the observation; KO and EA files may only have the slot in
    their name. Raises SceneError if the content is at fault: damaged, contradictory, navigated too
    badly, without calibration, without the second channel of the split window, or nothing valid.
    """
    (band,) = sensor.bands
    image = _lst(path, sensor) if band == "lst" else _channel(path, band, sensor)
    return files.in_range(path, image, sensor)


def inspect(path: Path) -> Inspection:
    """Facts about the file, and whether its parts agree.

    A missing or damaged part becomes a failed assertion. Raises SceneError if the file cannot be
    opened.
    """
    parts: files.Parts = {
        "the observation time is known": lambda one: [("time", _time(one))],
        "the projection is understood": lambda one: grid_facts(_stated_grid(one)),
        "counts can be calibrated": _value_facts,
        "the navigation residual can be read": _residual_facts,
        "the grid can be checked": _grid_checks,
        "the channel can be checked": _channel_checks,
        "the time can be checked": _time_checks,
    }
    with opened(path) as dataset:
        return files.inspected(dataset, "GK2A/AMI L1B", parts)


def _value_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    calibration = _calibration(dataset)
    counts, quality = _words(dataset, calibration.bits)
    values = calibration.physical()[counts][quality == 0]
    known = values[np.isfinite(values)]
    wavenumber = CHANNELS[calibration.channel].wavenumber
    unit = "K" if wavenumber else "reflectance factor"
    return [
        ("band", f"{calibration.channel}, {calibration.bits} valid bits"),
        ("radiance", f"count x {calibration.gain:g} + {calibration.offset:g}"),
        ("wavenumber", f"{wavenumber:.3f} cm-1" if wavenumber else "none: reflectance"),
        ("values", f"{known.min():.2f} .. {known.max():.2f} {unit}" if known.size else "none"),
        ("quality", files.shares(quality)),
        ("valid share", f"{known.size / quality.size:.1%} (flag 0)"),
    ]


def _residual_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    stated = (f"{axis} {value:.2f} pixels" for axis, value in _residuals_px(dataset).items())
    return [("navigation residual", ", ".join(stated) or "not stated")]


def _lst(path: Path, sensor: Gk2aL1bConfig) -> SensorImage:
    t_11, t_12 = (_channel(_beside(path, channel), channel, sensor) for channel in WINDOW)
    if t_11.grid != t_12.grid:
        raise SceneError(
            f"{path.name}: IR112 and IR123 lie on different grids. Name files of one scan"
        )
    constants = (sensor.emissivity, sensor.emissivity_difference, sensor.water_vapour_g_cm2)
    valid = t_11.valid & t_12.valid
    notes = ("split window, coefficients of AVHRR", "cloud test of split window")
    return replace(
        t_11,
        bands=("lst",),
        values=split_window_k(t_11.values, t_12.values, *constants),
        valid=valid & ~cloudy(t_11.values[0], t_12.values[0], valid, sensor.cloud),
        history=(*t_11.history, *t_12.history, *notes),
    )


def _beside(path: Path, channel: str) -> Path:
    """The file of a channel of the split window in the same folder."""
    in_name = NAME_CHANNEL.search(path.name.lower())
    if in_name is None or in_name[1] not in WINDOW:
        raise SceneError(f"{path.name}: LST needs the file of IR112 or IR123, named ..._ir112_...")
    start, end = in_name.span(1)
    other = path.with_name(path.name[:start] + channel + path.name[end:])
    if not other.exists():
        raise SceneError(f"{path.name}: LST also needs {other.name}. Put it in the same folder")
    return other


def _channel(path: Path, channel: str, sensor: Gk2aL1bConfig) -> SensorImage:
    """One channel in its physical unit, valid by its flags alone."""
    with opened(path) as dataset:
        image_grid = _checked_grid(dataset)
        files.passed(dataset, _channel_checks(dataset))
        if _channel_name(dataset) != channel:
            raise SceneError(
                f"{path.name}: this file holds {_channel_name(dataset)}, but the config asks for "
                f"{channel}. Name a file of {channel}"
            )
        for axis, value in _residuals_px(dataset).items():
            if value > sensor.max_residual_px:
                raise SceneError(
                    f"{path.name}: nav_average_residual_{axis} is {value:.2f} pixels, but "
                    f"max_residual_px allows {sensor.max_residual_px:g}. Name another scan"
                )
        time, viewpoint = _time(dataset), _viewpoint(dataset)
        calibration = _calibration(dataset)
        counts, quality = _words(dataset, calibration.bits)
    values = calibration.physical().astype(np.float32)[counts]
    valid = np.isin(quality, sensor.accepted) & np.isfinite(values)
    return SensorImage(
        values[None],
        valid,
        image_grid,
        (channel,),
        sensor.unit,
        sensor.sensor,
        time,
        (f"read {path.name}", f"quality flag in {sensor.accepted}"),
        viewpoint,
    )


def _image(dataset: netCDF4.Dataset) -> netCDF4.Variable:
    """The image's words. Raises SceneError if they are not integers in rows and columns."""
    image = files.image(dataset, "image_pixel_values")
    if image.dtype.kind not in "iu":
        raise fault(
            dataset,
            f"image_pixel_values holds {image.dtype}. Counts with flags must be 16-bit integers.",
        )
    return image


def _words(dataset: netCDF4.Dataset, bits: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Counts and quality flags, each (rows, columns). Pixels in space are stored as 0x8000."""
    words = np.asarray(_image(dataset)[:]).astype(np.uint16, copy=False)
    return words & np.uint16(2**bits - 1), (words >> FLAG_SHIFT).astype(np.uint8)


def _channel_name(dataset: netCDF4.Dataset) -> str:
    """The channel in lower case: from the file's attribute, otherwise from its name."""
    image, in_name = _image(dataset), _channel_in_name(dataset)
    stated = str(attribute(image, CHANNEL)).lower() if CHANNEL in image.ncattrs() else in_name
    if stated is None:
        raise fault(
            dataset,
            f"neither the attribute {CHANNEL} nor the file's name gives the channel. Rename the "
            "file to ..._ir112_...",
        )
    if stated not in CHANNELS:
        raise fault(dataset, f"{stated!r} is not a channel of AMI")
    return stated


def _channel_in_name(dataset: netCDF4.Dataset) -> str | None:
    match = NAME_CHANNEL.search(file_name(dataset).lower())
    return match and match[1]


def _channel_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether name and attribute give the same channel, and its valid bits are as expected."""
    channel, in_name = _channel_name(dataset), _channel_in_name(dataset)
    if in_name:
        yield Assertion(
            "the channel of the name is the channel of the image",
            f"{in_name} and {channel}",
            in_name == channel,
        )
    if BITS in _image(dataset).ncattrs():
        stated, known = number(_image(dataset), BITS), CHANNELS[channel].bits
        yield Assertion(
            f"{BITS} fits {channel}",
            f"the file states {stated:g}, {channel} has {known or f'1 to {MOST_BITS}'}",
            stated == known if known else stated in range(1, MOST_BITS + 1),
        )


def _calibration(dataset: netCDF4.Dataset) -> Calibration:
    """The file's calibration; for a Lambert file, from the same slot in the same folder."""
    channel = _channel_name(dataset)
    if "DN_to_Radiance_Gain" in dataset.ncattrs() or not _is_lambert(dataset):
        return _stated_calibration(dataset, channel)
    slot = f"{files.time_in_name(file_name(dataset)):%Y%m%d%H%M}"
    pattern = f"gk2a_ami_le1b_{channel}_*_{slot}.nc"
    for path in sorted(Path(dataset.filepath()).parent.glob(pattern)):
        with opened(path) as other:
            if "DN_to_Radiance_Gain" in other.ncattrs() and _channel_name(other) == channel:
                return _stated_calibration(other, channel)
    raise fault(
        dataset,
        "KO and EA files have no calibration. Put the FD or LA file "
        f"{pattern.replace('*', 'fd...')} of the same slot into the same folder.",
    )


def _stated_calibration(dataset: netCDF4.Dataset, channel: str) -> Calibration:
    files.passed(dataset, _channel_checks(dataset))
    return Calibration(
        channel,
        int(number(_image(dataset), BITS)),
        number(dataset, "DN_to_Radiance_Gain"),
        number(dataset, "DN_to_Radiance_Offset"),
        tuple(number(dataset, name) for name in coefficient_names(channel)),
    )


def _residuals_px(dataset: netCDF4.Dataset) -> dict[str, float]:
    """Mean navigation residuals of the image in pixels, by axis, if the file states them.

    We assume that they are in radians, like all angles in the file. In any other unit they would be
    so large that the file is refused.
    """
    residuals: dict[str, float] = {}
    for axis, factor, sign in (("ew", SCAN[0], 1), ("ns", SCAN[1], -1)):
        name = f"nav_average_residual_{axis}"
        if name not in dataset.variables or _is_lambert(dataset):
            continue
        stated = np.atleast_1d(variable(dataset, name)[:])
        if stated.dtype.kind in "iuf" and np.isfinite(stated).all():
            largest = float(np.abs(stated.astype(float)).max(initial=0.0))
            residuals[axis] = largest / grids.pixel_rad(dataset, factor, sign)
    return residuals


def _is_lambert(dataset: netCDF4.Dataset) -> bool:
    return "lambert" in str(attribute(dataset, "projection_type")).lower()


def _checked_grid(dataset: netCDF4.Dataset) -> Grid:
    files.passed(dataset, _grid_checks(dataset))
    return _stated_grid(dataset)


def _stated_grid(dataset: netCDF4.Dataset) -> Grid:
    shape = _image(dataset).shape
    if _is_lambert(dataset):
        return grids.lambert_grid(dataset, shape)
    kind = str(attribute(dataset, "projection_type")).lower()
    if "geos" not in kind:
        raise fault(
            dataset, f"projection_type = {kind!r} is neither GEOS (FD, LA) nor Lambert (KO, EA)"
        )
    return grids.scan_grid(dataset, SCAN, _viewpoint(dataset), shape)


def _viewpoint(dataset: netCDF4.Dataset) -> Viewpoint:
    """The stated viewpoint; nominal_satellite_height is from the Earth's centre."""
    if _is_lambert(dataset):
        return grids.GK2A
    longitude, distance_m = (
        number(dataset, name) for name in ("sub_longitude", "nominal_satellite_height")
    )
    if not abs(degrees(longitude) - grids.GK2A.longitude_deg) < 1:
        raise fault(
            dataset,
            f"sub_longitude = {longitude:g} is not GK2A's {grids.GK2A.longitude_deg} E in radians",
        )
    if not 42.0e6 < distance_m < 42.3e6:
        raise fault(
            dataset,
            f"nominal_satellite_height = {distance_m:g} is not the distance of a geostationary "
            "satellite from the Earth's centre, 42164000 m",
        )
    return Viewpoint(
        degrees(longitude),
        distance_m,
        number(dataset, "earth_equatorial_radius"),
        number(dataset, "earth_polar_radius"),
    )


def _grid_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether the header agrees with itself. The area must match, except for a sector (LA)."""
    stated, is_lambert = _stated_grid(dataset), _is_lambert(dataset)
    sizes = (
        ("image_width", "image_height") if is_lambert else ("number_of_columns", "number_of_lines")
    )
    yield from grids.size_checks(dataset, *sizes, stated)
    yield from (grids.lambert_checks if is_lambert else _corner_checks)(dataset, stated)
    if is_lambert or files.NAME_AREA.search(file_name(dataset).lower()):
        yield from grids.area_checks(dataset, stated)


def _corner_checks(dataset: netCDF4.Dataset, stated: Grid) -> Iterator[Assertion]:
    """Whether the centres of two corner pixels, as angles and coordinates, lie on the grid."""
    height_m = _viewpoint(dataset).height_m
    corners = {"upperleft": (0.5, 0.5), "lowerright": (stated.height - 0.5, stated.width - 0.5)}
    for name, (row, column) in corners.items():
        x, y = (number(dataset, f"image_{name}_{axis}") for axis in "xy")
        positions = {"x/y": (~stated.transform @ (x * height_m, y * height_m))[::-1]}
        if np.isfinite(stated.lonlat_at(row, column)[0]):
            names = (f"image_{name}_longitude", f"image_{name}_latitude")
            lon_lat = (degrees(number(dataset, one)) for one in names)
            positions["latitude/longitude"] = stated.position(*lon_lat)
        for attributes, position in positions.items():
            off_px = hypot(position[0] - row, position[1] - column)
            yield Assertion(
                f"image_{name}_{attributes} on the grid",
                f"off by {off_px:.2f} pixels",
                off_px <= grids.TOLERANCE_PX,
            )


def _time(dataset: netCDF4.Dataset) -> str:
    """ISO 8601 UTC: the middle of the observation. KO and EA files may only have the slot."""
    files.passed(dataset, _time_checks(dataset))
    return files.observed(dataset, required=not _is_lambert(dataset))


def _time_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether the observation starts near the slots in attribute and name."""
    if "observation_start_time" not in dataset.ncattrs():
        return
    start = files.instant(dataset, "observation_start_time")
    slots = {}
    if ACQUIRED in dataset.ncattrs():
        stated = str(attribute(dataset, ACQUIRED))
        acquired = read_time(stated.replace("_", "T"))
        if acquired is None:
            raise fault(dataset, f"{ACQUIRED} = {stated!r} is not a time YYYYMMDD_HHMMSS")
        slots[ACQUIRED] = acquired
    if files.NAME_TIME.search(file_name(dataset)):
        slots["the name"] = files.time_in_name(file_name(dataset))
    for source, slot in slots.items():
        yield Assertion(
            f"observation_start_time is in the slot of {source}",
            f"{start:%Y-%m-%d %H:%M:%S} for {slot:%Y-%m-%d %H:%M}",
            abs(start - slot) <= SLOT,
        )
