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
from datetime import UTC, datetime, timedelta
from math import degrees, hypot, radians
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
from lstsr.sensors.netcdf import attribute, file_name, number, opened, variable
from lstsr.times import iso

if TYPE_CHECKING:
    from lstsr.config import Gk2aL1bConfig

# The two channels of the split window.
WINDOW = ("ir112", "ir123")
# A word has 16 bits: the quality flag in the top two, then unused bits, then the count.
FLAG_SHIFT, MOST_BITS = 14, 14
SCAN = grids.ScanNames("cfac", "lfac", "coff", "loff")
NAME_CHANNEL = re.compile(r"_((?:vi|nr|sw|wv|ir)\d{3})_")
# Largest distance of an observation's start from its slot: a full disk takes 10 minutes.
SLOT = timedelta(minutes=15)


def grid(path: Path, sensor: Gk2aL1bConfig) -> Grid:
    """The grid in the file's header. The file's corners must agree.

    Raises SceneError with the attribute that disagrees, and OSError if the file cannot be opened.
    """
    with opened(path) as dataset:
        return _checked_grid(dataset)


def read(path: Path, sensor: Gk2aL1bConfig) -> SensorImage:
    """The configured band: LST or brightness temperature in kelvin, or reflectance factor.

    A pixel is valid if its quality flag is one of ``sensor.accepted``; LST also needs the cloud
    test to pass. The time is the middle of the observation if the file states it, otherwise the
    time in the name. Raises SceneError if the file is truncated, lacks an attribute, contradicts
    itself, its channel or its name, is navigated too badly, lacks its calibration or the second
    channel of the split window, or holds no valid pixel.
    """
    (band,) = sensor.bands
    image = _lst(path, sensor) if band == "lst" else _channel(path, band, sensor)
    low = -np.inf if sensor.valid_min is None else sensor.valid_min
    high = np.inf if sensor.valid_max is None else sensor.valid_max
    valid = image.valid & (image.values[0] >= low) & (image.values[0] <= high)
    if not valid.any():
        raise SceneError(
            f"{path.name}: no valid pixel. Is it all cloud? Accepted quality flags: "
            f"{sensor.accepted}"
        )
    values = np.where(valid, image.values, np.float32(np.nan))
    return replace(image, values=values, valid=valid, bands=(band,))


def inspect(path: Path) -> Inspection:
    """Facts about the file, and whether its parts agree.

    A missing or damaged part becomes a failed assertion. SceneError is raised only if the file
    cannot be opened.
    """
    facts = {
        "the observation time is known": lambda dataset: [("time", _time(dataset))],
        "the projection is understood": lambda dataset: grid_facts(_stated_grid(dataset)),
        "counts can be calibrated": _value_facts,
        "the navigation residual can be read": _residual_facts,
    }
    checks = {
        "the grid can be checked": _grid_checks,
        "the channel can be checked": _channel_checks,
        "the time can be checked": _time_checks,
    }
    with opened(path) as dataset:
        return files.inspected(dataset, "GK2A/AMI L1B", facts, checks)


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
    """Cloud-free LST of the split window."""
    t_11, t_12 = (_channel(_beside(path, channel), channel, sensor) for channel in WINDOW)
    if t_11.grid != t_12.grid:
        raise SceneError(f"{path.name}: IR112 and IR123 lie on different grids; are they one scan?")
    lst_k = split_window_k(
        t_11.values,
        t_12.values,
        sensor.emissivity,
        sensor.emissivity_difference,
        sensor.water_vapour_g_cm2,
    )
    valid = t_11.valid & t_12.valid
    clear = valid & ~cloudy(t_11.values[0], t_12.values[0], valid, sensor.cloud)
    history = (
        *t_11.history,
        *t_12.history,
        "split window, coefficients of AVHRR",
        "cloud test of split window",
    )
    return replace(t_11, values=lst_k, valid=clear, history=history)


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
                f"{path.name}: holds {_channel_name(dataset)}, sensors ask for {channel}"
            )
        for axis, value in _residuals_px(dataset).items():
            if value > sensor.max_residual_px:
                raise SceneError(
                    f"{path.name}: nav_average_residual_{axis} of {value:.2f} pixels, "
                    f"max_residual_px allows {sensor.max_residual_px:g}"
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
    image = variable(dataset, "image_pixel_values")
    files.image_shape(image)
    if image.dtype.kind not in "iu":
        raise SceneError(
            f"{file_name(dataset)}: image_pixel_values holds {image.dtype}. Counts with flags must "
            "be 16-bit integers."
        )
    return image


def _words(dataset: netCDF4.Dataset, bits: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Counts and quality flags, each (rows, columns). Pixels in space are stored as 0x8000."""
    words = np.asarray(_image(dataset)[:]).astype(np.uint16, copy=False)
    return words & np.uint16(2**bits - 1), (words >> FLAG_SHIFT).astype(np.uint8)


def _channel_name(dataset: netCDF4.Dataset) -> str:
    """The channel in lower case: from the file's attribute, otherwise from its name."""
    image = _image(dataset)
    in_name = NAME_CHANNEL.search(file_name(dataset).lower())
    if "channel_name" in image.ncattrs():
        channel = str(attribute(image, "channel_name")).lower()
    elif in_name:
        channel = in_name[1]
    else:
        raise SceneError(
            f"{file_name(dataset)}: neither the attribute channel_name nor the file's name gives "
            "the channel. Rename the file to ..._ir112_..."
        )
    if channel not in CHANNELS:
        raise SceneError(f"{file_name(dataset)}: {channel!r} is not a channel of AMI")
    return channel


def _channel_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether name and attribute give the same channel, and its valid bits are as expected."""
    channel = _channel_name(dataset)
    in_name = NAME_CHANNEL.search(file_name(dataset).lower())
    if in_name:
        yield Assertion(
            "the channel of the name is that of the image",
            f"{in_name[1]} and {channel}",
            in_name[1] == channel,
        )
    name = "number_of_valid_bits_per_pixel"
    if name in _image(dataset).ncattrs():
        stated, known = number(_image(dataset), name), CHANNELS[channel].bits
        belongs = stated == known if known else stated in range(1, MOST_BITS + 1)
        yield Assertion(
            f"{name} is that of {channel}",
            f"states {stated:g}, {channel} has {known or f'1 to {MOST_BITS}'}",
            belongs,
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
                files.passed(other, _channel_checks(other))
                return _stated_calibration(other, channel)
    raise SceneError(
        f"{file_name(dataset)}: KO and EA files have no calibration. Put the FD or LA file "
        f"{pattern.replace('*', 'fd...')} of the same slot into the same folder."
    )


def _stated_calibration(dataset: netCDF4.Dataset, channel: str) -> Calibration:
    bits = number(_image(dataset), "number_of_valid_bits_per_pixel")
    if bits not in range(1, MOST_BITS + 1):
        raise SceneError(
            f"{file_name(dataset)}: number_of_valid_bits_per_pixel = {bits:g} is not between 1 and "
            f"{MOST_BITS}"
        )
    return Calibration(
        channel,
        int(bits),
        number(dataset, "DN_to_Radiance_Gain"),
        number(dataset, "DN_to_Radiance_Offset"),
        tuple(number(dataset, name) for name in coefficient_names(channel)),
    )


def _residuals_px(dataset: netCDF4.Dataset) -> dict[str, float]:
    """Mean navigation residuals of the image in pixels, by axis, as far as the file states them.

    The unit is assumed to be radians, as for all angles in the file. If it is another one, the
    values are so large that they are refused.
    """
    residuals: dict[str, float] = {}
    if _is_lambert(dataset):
        return residuals
    for axis, factor in (("ew", SCAN.column_factor), ("ns", SCAN.line_factor)):
        name = f"nav_average_residual_{axis}"
        if name not in dataset.variables:
            continue
        stated = np.atleast_1d(variable(dataset, name)[:])
        if stated.dtype.kind not in "iuf":
            continue
        largest = float(np.abs(stated.astype(float)).max(initial=0.0))
        if np.isfinite(largest):
            residuals[axis] = largest / _pixel_rad(dataset, factor)
    return residuals


def _pixel_rad(dataset: netCDF4.Dataset, factor: str) -> float:
    """The scan angle of a pixel, 2^16 degrees / factor. Raises SceneError if the factor is 0."""
    stated = number(dataset, factor)
    if not stated:
        raise SceneError(f"{file_name(dataset)}: {factor} = 0 is not a valid scan-angle factor")
    return radians(abs(65536 / stated))


def _is_lambert(dataset: netCDF4.Dataset) -> bool:
    return "lambert" in str(attribute(dataset, "projection_type")).lower()


def _checked_grid(dataset: netCDF4.Dataset) -> Grid:
    """The stated grid. Raises SceneError with the first assertion that fails."""
    files.passed(dataset, _grid_checks(dataset))
    return _stated_grid(dataset)


def _stated_grid(dataset: netCDF4.Dataset) -> Grid:
    """The grid of the header alone."""
    shape = files.image_shape(_image(dataset))
    if _is_lambert(dataset):
        return grids.lambert_grid(dataset, shape)
    kind = str(attribute(dataset, "projection_type")).lower()
    if "geos" not in kind:
        raise SceneError(
            f"{file_name(dataset)}: projection_type = {kind!r} is neither GEOS (FD, LA) nor "
            "Lambert (KO, EA)"
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
        raise SceneError(
            f"{file_name(dataset)}: sub_longitude = {longitude:g} is not GK2A's "
            f"{grids.GK2A.longitude_deg} E in radians"
        )
    if not 42.0e6 < distance_m < 42.3e6:
        raise SceneError(
            f"{file_name(dataset)}: nominal_satellite_height = {distance_m:g} is not the distance "
            "of a geostationary satellite from the Earth's centre, 42164000 m"
        )
    return Viewpoint(
        degrees(longitude),
        distance_m,
        number(dataset, "earth_equatorial_radius"),
        number(dataset, "earth_polar_radius"),
    )


def _grid_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether the header agrees with itself. The area must match, except for a sector (LA)."""
    stated = _stated_grid(dataset)
    if _is_lambert(dataset):
        yield from grids.size_checks(dataset, "image_width", "image_height", stated, "the image")
        yield from grids.lambert_checks(dataset, stated)
        yield from grids.area_checks(dataset, stated)
        return
    yield from grids.size_checks(
        dataset, "number_of_columns", "number_of_lines", stated, "the image"
    )
    yield from _corner_checks(dataset, stated)
    if files.NAME_AREA.search(file_name(dataset).lower()):
        yield from grids.area_checks(dataset, stated)


def _corner_checks(dataset: netCDF4.Dataset, stated: Grid) -> Iterator[Assertion]:
    """Whether the centres of two corner pixels, as angles and coordinates, lie on the grid."""
    height_m = _viewpoint(dataset).height_m
    corners = {"upperleft": (0.5, 0.5), "lowerright": (stated.height - 0.5, stated.width - 0.5)}
    for name, (row, column) in corners.items():
        x_m, y_m = (number(dataset, f"image_{name}_{axis}") * height_m for axis in "xy")
        by_angle = ~stated.transform @ (x_m, y_m)
        positions = {"x/y": by_angle[::-1]}
        if np.isfinite(stated.lonlat_at(row, column)[0]):
            lon, lat = (
                degrees(number(dataset, f"image_{name}_{axis}itude")) for axis in ("long", "lat")
            )
            positions["latitude/longitude"] = stated.position(lon, lat)
        for attributes, position in positions.items():
            off_px = hypot(position[0] - row, position[1] - column)
            yield Assertion(
                f"image_{name}_{attributes} on the grid",
                f"off by {off_px:.2f} pixels",
                off_px <= grids.TOLERANCE_PX,
            )


def _time(dataset: netCDF4.Dataset) -> str:
    """ISO 8601 UTC: the middle of the observation if stated, otherwise the slot in the name."""
    files.passed(dataset, _time_checks(dataset))
    if "observation_start_time" not in dataset.ncattrs() and _is_lambert(dataset):
        return iso(files.time_in_name(file_name(dataset)))
    return files.middle(
        *(files.instant(dataset, f"observation_{at}_time") for at in ("start", "end"))
    )


def _time_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether the observation starts near the slots in attribute and name."""
    if "observation_start_time" not in dataset.ncattrs():
        return
    start = files.instant(dataset, "observation_start_time")
    for source, slot in _slots(dataset):
        yield Assertion(
            f"observation_start_time is in the slot of {source}",
            f"{start:%Y-%m-%d %H:%M:%S} for {slot:%Y-%m-%d %H:%M}",
            abs(start - slot) <= SLOT,
        )


def _slots(dataset: netCDF4.Dataset) -> Iterator[tuple[str, datetime]]:
    name = "scene_acquisition_time"
    if name in dataset.ncattrs():
        stated = str(attribute(dataset, name))
        try:
            yield name, datetime.strptime(stated, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            raise SceneError(
                f"{file_name(dataset)}: {name} = {stated!r} is not a time YYYYMMDD_HHMMSS"
            ) from None
    if files.NAME_TIME.search(file_name(dataset)):
        yield "the name", files.time_in_name(file_name(dataset))
