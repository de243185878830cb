"""GK2A/AMI Level 1B: one channel per file; full disk (FD), a sector (LA) or Korea (KO, EA).

FD and LA are in the geostationary projection and contain their calibration. KMA resamples KO and EA
to its Lambert grids without calibration, so lstsr takes it from the FD or LA file of the same
channel and slot in the same folder. The file's own header places every pixel, and its corners must
agree.
docs/first-real-file.md lists what to check on a first real file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import degrees, hypot, pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import SensorImage, Viewpoint
from lstsr.sensors.ami import (
    LONGITUDE_DEG,
    NAME_AREA,
    NAME_TIME,
    TOLERANCE_PX,
    Fact,
    ScanNames,
    area_checks,
    gathered,
    geostationary,
    image_shape,
    instant,
    lambert_checks,
    lambert_grid,
    passed,
    scan_grid,
    size_checks,
    time_in_name,
)
from lstsr.sensors.inspection import Assertion, Inspection, grid_facts
from lstsr.sensors.netcdf import attribute, file_name, number, opened, variable
from lstsr.sensors.split_window import cloudy, split_window_k

if TYPE_CHECKING:
    from lstsr.config import Gk2aL1bConfig

Doubles = NDArray[np.float64]


# Central wavenumbers of the thermal channels, cm-1, of KMA's calibration manual. The attribute
# channel_center_wavelength is a label: with it temperatures err by up to 1.9 K.
WAVENUMBERS = {
    "sw038": 2612.677373521110,
    "wv063": 1617.609242531340,
    "wv069": 1441.575428760170,
    "wv073": 1365.249992024440,
    "ir087": 1164.949392856340,
    "ir096": 1039.960216776110,
    "ir105": 966.153383926055,
    "ir112": 891.713057301260,
    "ir123": 810.609007871230,
    "ir133": 753.590621482278,
}
REFLECTIVE = ("vi004", "vi005", "vi006", "vi008", "nr013", "nr016")
# Bits of a count where known, from public header dumps; those of WV069, WV073, IR087, IR096
# and IR133 follow from KMA's coefficients, for the largest count is that of radiance 0.
VALID_BITS = {
    "vi004": 11,
    "vi005": 11,
    "vi006": 12,
    "sw038": 14,
    "wv063": 12,
    "wv069": 13,
    "wv073": 13,
    "ir087": 13,
    "ir096": 13,
    "ir105": 13,
    "ir112": 13,
    "ir123": 13,
    "ir133": 13,
}
# The two of the split window.
WINDOW = ("ir112", "ir123")
# Physical constants of KMA's manual (CODATA 2010), as the files repeat them.
LIGHT_M_S, PLANCK_J_S, BOLTZMANN_J_K = 299792458.0, 6.62606957e-34, 1.3806488e-23
# Of Planck's law in mW m-2 sr-1 (cm-1)-1 and cm-1.
C1 = 2e11 * PLANCK_J_S * LIGHT_M_S**2
C2 = 100 * PLANCK_J_S * LIGHT_M_S / BOLTZMANN_J_K
# A word is 16 bits: the quality flag in the top two, then unused ones, then the count.
FLAG_SHIFT, MOST_BITS = 14, 14
SCAN = ScanNames("cfac", "lfac", "coff", "loff")
NAME_CHANNEL = re.compile(r"_((?:vi|nr|sw|wv|ir)\d{3})_")
# So far an observation may start from its slot: a full disk takes 10 minutes.
SLOT = timedelta(minutes=15)


def planck(temperature_k: Any, wavenumber: float) -> Any:
    """Radiance of a black body, mW m-2 sr-1 (cm-1)-1, at a wavenumber in cm-1."""
    return C1 * wavenumber**3 / np.expm1(C2 * wavenumber / temperature_k)


def planck_k(radiance: Any, wavenumber: float) -> Any:
    """The temperature in kelvin of a black body of that radiance: the inverse of ``planck``."""
    return C2 * wavenumber / np.log1p(C1 * wavenumber**3 / radiance)


@dataclass(frozen=True)
class Calibration:
    """Counts to physical values: radiance = gain x count + offset, then ``coefficients``.

    Those are c0, c1, c2 of Tbb = c0 + c1 Teff + c2 Teff^2 for a thermal channel, with Teff the
    inverse of Planck's law at its wavenumber, or the factor to reflectance for one of the visible
    or near infrared (KMA, GK2A AMI Level 1B manual). That factor holds no cosine of the sun.
    """

    channel: str
    bits: int
    gain: float
    offset: float
    coefficients: tuple[float, ...]

    def physical(self) -> Doubles:
        """The value of each count, (2^bits,): kelvin or reflectance factor; NaN at no radiance."""
        # numbers of a damaged header can overflow; non-finite results are masked
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            radiance = self.gain * np.arange(2.0**self.bits) + self.offset
            if self.channel in REFLECTIVE:
                return radiance * self.coefficients[0]
            emitted = np.where(radiance > 0, radiance, np.nan)
            effective_k = planck_k(emitted, WAVENUMBERS[self.channel])
            c0, c1, c2 = self.coefficients
            values: Doubles = c0 + c1 * effective_k + c2 * effective_k**2
            return values


def grid(path: Path, sensor: Gk2aL1bConfig) -> Grid:
    """The grid that the file's header states, which its corners must meet.

    Raises SceneError with the attribute that disagrees, and OSError where the file cannot be had.
    """
    with opened(path) as dataset:
        return _placed(dataset)


def read(path: Path, sensor: Gk2aL1bConfig) -> SensorImage:
    """The configured band: LST or brightness temperature in kelvin, or reflectance factor.

    Valid where the quality flag is one of ``sensor.accepted``; LST also where no cloud is likely.
    The time is the middle of the observation where the file states it, otherwise that of its name.
    Raises SceneError where the file is truncated, lacks an attribute, contradicts itself, its
    channel or its name, is navigated too badly, lacks its calibration or the second channel of the
    split window, or holds no valid pixel.
    """
    (band,) = sensor.bands
    image = _lst(path, sensor) if band == "lst" else _channel(path, band, sensor)
    low, high = sensor.valid_min, sensor.valid_max
    valid = image.valid.copy()
    if low is not None:
        valid &= image.values[0] >= low
    if high is not None:
        valid &= image.values[0] <= high
    if not valid.any():
        raise SceneError(
            f"{path.name}: no valid pixel. Is it all cloud? Accepted quality flags: "
            f"{sensor.accepted}"
        )
    values = np.where(valid, image.values, np.float32(np.nan))
    return replace(image, values=values, valid=valid, bands=(band,))


def inspect(path: Path) -> Inspection:
    """What the file says of itself, and whether its parts agree.

    A part that is missing or damaged is a failed assertion among the others; SceneError is raised
    only where the file cannot be opened.
    """
    parts = {
        "the observation time is known": _time_facts,
        "the projection is understood": lambda dataset: grid_facts(_stated(dataset)),
        "counts can be calibrated": _value_facts,
        "the navigation residual can be read": _residual_facts,
    }
    checked = {"grid": _grid_checks, "channel": _channel_checks, "time": _time_checks}
    with opened(path) as dataset:
        facts, checks = gathered(dataset, parts)
        for name, of_part in checked.items():
            try:
                checks += of_part(dataset)
            except SceneError as error:
                checks.append(Assertion(f"the {name} can be checked", str(error), False))
    return Inspection("GK2A/AMI L1B", tuple(facts), tuple(checks))


def _time_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    return [("time", _time(dataset))]


def _value_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    calibration = _calibration(dataset)
    counts, quality = _words(dataset, calibration.bits)
    values = calibration.physical()[counts][quality == 0]
    known = values[np.isfinite(values)]
    wavenumber = WAVENUMBERS.get(calibration.channel)
    unit = "K" if wavenumber else "reflectance factor"
    codes, number_of = np.unique(quality, return_counts=True)
    shares = zip(codes, number_of / quality.size, strict=True)
    return [
        ("band", f"{calibration.channel}, {calibration.bits} valid bits"),
        ("radiance", f"count x {calibration.gain:g} + {calibration.offset:g}"),
        ("wavenumber", f"{wavenumber:.3f} cm-1" if wavenumber else "none: reflectance"),
        ("values", f"{known.min():.2f} .. {known.max():.2f} {unit}" if known.size else "none"),
        ("quality", ", ".join(f"{code}: {share:.1%}" for code, share in shares)),
        ("valid share", f"{known.size / quality.size:.1%} (flag 0)"),
    ]


def _residual_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    found = _residuals_px(dataset)
    stated = ", ".join(f"{axis} {value:.2f} pixels" for axis, value in found.items())
    return [("navigation residual", stated or "not stated")]


def _lst(path: Path, sensor: Gk2aL1bConfig) -> SensorImage:
    """LST of the split window, clouds taken out."""
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
    """The file of another channel of the split window, by the name of the one."""
    found = NAME_CHANNEL.search(path.name.lower())
    if found is None or found.group(1) not in WINDOW:
        raise SceneError(f"{path.name}: LST needs the file of IR112 or IR123, named ..._ir112_...")
    start, end = found.span(1)
    other = path.with_name(path.name[:start] + channel + path.name[end:])
    if not other.exists():
        raise SceneError(f"{path.name}: LST also needs {other.name}. Put it in the same folder")
    return other


def _channel(path: Path, channel: str, sensor: Gk2aL1bConfig) -> SensorImage:
    """One channel in its physical unit, valid by its flags alone."""
    with opened(path) as dataset:
        placed = _placed(dataset)
        passed(dataset, _channel_checks(dataset))
        if _channel_name(dataset) != channel:
            raise SceneError(
                f"{path.name}: holds {_channel_name(dataset)}, sensors ask for {channel}"
            )
        _check_residuals(dataset, sensor.max_residual_px)
        taken, viewpoint = _time(dataset), _viewpoint(dataset)
        calibration = _calibration(dataset)
        counts, quality = _words(dataset, calibration.bits)
    values = calibration.physical().astype(np.float32)[counts]
    valid = np.isin(quality, sensor.accepted) & np.isfinite(values)
    return SensorImage(
        values[None],
        valid,
        placed,
        (channel,),
        sensor.unit,
        sensor.sensor,
        taken,
        (f"read {path.name}", f"quality flag in {sensor.accepted}"),
        viewpoint,
    )


def _image(dataset: netCDF4.Dataset) -> netCDF4.Variable:
    """The image's words. Raises SceneError if they are not integers in rows and columns."""
    image = variable(dataset, "image_pixel_values")
    image_shape(image)
    if image.dtype.kind not in "iu":
        raise SceneError(
            f"{file_name(dataset)}: image_pixel_values holds {image.dtype}. Counts with flags must "
            "be 16-bit integers."
        )
    return image


def _shape(dataset: netCDF4.Dataset) -> tuple[int, int]:
    return image_shape(_image(dataset))


def _words(dataset: netCDF4.Dataset, bits: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Counts and quality flags, each (rows, columns). What is off the Earth is stored as 0x8000."""
    words = np.asarray(_image(dataset)[:]).astype(np.uint16, copy=False)
    return words & np.uint16(2**bits - 1), (words >> FLAG_SHIFT).astype(np.uint8)


def _channel_name(dataset: netCDF4.Dataset) -> str:
    """The channel in lower case, by the file's attribute, else by its name."""
    image = _image(dataset)
    in_name = NAME_CHANNEL.search(file_name(dataset).lower())
    if "channel_name" in image.ncattrs():
        channel = str(attribute(image, "channel_name")).lower()
    elif in_name:
        channel = in_name.group(1)
    else:
        raise SceneError(
            f"{file_name(dataset)}: neither the attribute channel_name nor the file's name gives "
            "the channel. Rename the file to ..._ir112_..."
        )
    if channel not in WAVENUMBERS and channel not in REFLECTIVE:
        raise SceneError(f"{file_name(dataset)}: {channel!r} is not a channel of AMI")
    return channel


def _channel_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether name and attribute tell one channel, and its valid bits are the known ones."""
    channel = _channel_name(dataset)
    in_name = NAME_CHANNEL.search(file_name(dataset).lower())
    if in_name:
        yield Assertion(
            "the channel of the name is that of the image",
            f"{in_name.group(1)} and {channel}",
            in_name.group(1) == channel,
        )
    name = "number_of_valid_bits_per_pixel"
    if name in _image(dataset).ncattrs():
        stated, known = number(_image(dataset), name), VALID_BITS.get(channel)
        belongs = stated == known if known else stated in range(1, MOST_BITS + 1)
        yield Assertion(
            f"{name} is that of {channel}",
            f"states {stated:g}, {channel} has {known or f'1 to {MOST_BITS}'}",
            belongs,
        )


def _calibration(dataset: netCDF4.Dataset) -> Calibration:
    """The file's own; for a Lambert file without one, that of the same slot beside it."""
    channel = _channel_name(dataset)
    if "DN_to_Radiance_Gain" in dataset.ncattrs() or not _is_lambert(dataset):
        return _stated_calibration(dataset, channel)
    slot = f"{time_in_name(file_name(dataset)):%Y%m%d%H%M}"
    pattern = f"gk2a_ami_le1b_{channel}_*_{slot}.nc"
    for path in sorted(Path(dataset.filepath()).parent.glob(pattern)):
        with opened(path) as other:
            if "DN_to_Radiance_Gain" in other.ncattrs() and _channel_name(other) == channel:
                passed(other, _channel_checks(other))
                return _stated_calibration(other, channel)
    raise SceneError(
        f"{file_name(dataset)}: KO and EA files have no calibration. Put the FD or LA file "
        f"{pattern.replace('*', 'fd...')} of the same slot into the same folder."
    )


def _stated_calibration(dataset: netCDF4.Dataset, channel: str) -> Calibration:
    names = coefficient_names(channel)
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
        tuple(number(dataset, name) for name in names),
    )


def coefficient_names(channel: str) -> list[str]:
    """The attributes of a channel's ``Calibration.coefficients``."""
    if channel in REFLECTIVE:
        return ["Radiance_to_Albedo_c"]
    return [f"Teff_to_Tbb_c{power}" for power in range(3)]


def _residuals_px(dataset: netCDF4.Dataset) -> dict[str, float]:
    """The mean residuals of the image's navigation that the file states, in its pixels.

    The unit is taken for radians, as of all angles in the file: another one makes values that are
    refused, not values that pass.
    """
    found: dict[str, float] = {}
    if _is_lambert(dataset):
        return found
    for axis, name in (("ew", SCAN.column_factor), ("ns", SCAN.line_factor)):
        of_axis = f"nav_average_residual_{axis}"
        if of_axis not in dataset.variables:
            continue
        residual = np.atleast_1d(variable(dataset, of_axis)[:])
        if residual.dtype.kind not in "iuf":
            continue
        largest = float(np.abs(residual.astype(float)).max(initial=0.0))
        if np.isfinite(largest):
            found[axis] = largest / _pixel_rad(dataset, name)
    return found


def _pixel_rad(dataset: netCDF4.Dataset, factor: str) -> float:
    """The scan angle of a pixel, 2^16 degrees / factor. Raises SceneError if the factor is 0."""
    stated = number(dataset, factor)
    if not stated:
        raise SceneError(f"{file_name(dataset)}: {factor} = 0 is not a valid scan-angle factor")
    return abs(65536 / stated) * pi / 180


def _check_residuals(dataset: netCDF4.Dataset, most_px: float) -> None:
    for axis, value in _residuals_px(dataset).items():
        if value > most_px:
            raise SceneError(
                f"{file_name(dataset)}: nav_average_residual_{axis} of {value:.2f} pixels, "
                f"max_residual_px allows {most_px:g}"
            )


def _is_lambert(dataset: netCDF4.Dataset) -> bool:
    return "lambert" in str(attribute(dataset, "projection_type")).lower()


def _placed(dataset: netCDF4.Dataset) -> Grid:
    """The stated grid; SceneError with the first assertion that fails."""
    passed(dataset, _grid_checks(dataset))
    return _stated(dataset)


def _stated(dataset: netCDF4.Dataset) -> Grid:
    """The grid of the header alone."""
    if _is_lambert(dataset):
        return lambert_grid(dataset, _shape(dataset))
    kind = str(attribute(dataset, "projection_type")).lower()
    if "geos" not in kind:
        raise SceneError(
            f"{file_name(dataset)}: projection_type = {kind!r} is neither GEOS (FD, LA) nor "
            "Lambert (KO, EA)"
        )
    viewpoint = _viewpoint(dataset)
    crs = geostationary(
        viewpoint.longitude_deg,
        _height_m(viewpoint),
        viewpoint.equatorial_radius_m,
        viewpoint.polar_radius_m,
    )
    return scan_grid(dataset, SCAN, crs, _height_m(viewpoint), _shape(dataset))


def _viewpoint(dataset: netCDF4.Dataset) -> Viewpoint:
    """Where the satellite stands: nominal_satellite_height is from the Earth's centre."""
    if _is_lambert(dataset):
        return Viewpoint(LONGITUDE_DEG)
    longitude, distance_m = (
        number(dataset, name) for name in ("sub_longitude", "nominal_satellite_height")
    )
    if not abs(degrees(longitude) - LONGITUDE_DEG) < 1:
        raise SceneError(
            f"{file_name(dataset)}: sub_longitude = {longitude:g} is not GK2A's "
            f"{LONGITUDE_DEG} E in radians"
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


def _height_m(viewpoint: Viewpoint) -> float:
    return viewpoint.distance_m - viewpoint.equatorial_radius_m


def _grid_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """What must hold of the header; a sector may look anywhere, other areas stay where they are."""
    placed = _stated(dataset)
    if _is_lambert(dataset):
        yield from size_checks(dataset, "image_width", "image_height", placed, "the image")
        yield from lambert_checks(dataset, placed)
        yield from area_checks(dataset, placed)
        return
    yield from size_checks(dataset, "number_of_columns", "number_of_lines", placed, "the image")
    yield from _corner_checks(dataset, placed)
    if NAME_AREA.search(file_name(dataset).lower()):
        yield from area_checks(dataset, placed)


def _corner_checks(dataset: netCDF4.Dataset, placed: Grid) -> Iterator[Assertion]:
    """Whether scan angles and places (radians) of two corner pixels' centres are on the grid."""
    height_m = _height_m(_viewpoint(dataset))
    to_degrees = Transformer.from_crs(placed.crs, "EPSG:4326", always_xy=True)
    corners = {
        "upperleft": (0.5, 0.5),
        "lowerright": (placed.width - 0.5, placed.height - 0.5),
    }
    for name, centre in corners.items():
        x, y = placed.transform @ centre
        angles = [number(dataset, f"image_{name}_{axis}") for axis in "xy"]
        yield _hit(f"image_{name}_x/y", (x, y), [angle * height_m for angle in angles], placed)
        if np.isfinite(to_degrees.transform(x, y)[0]):
            lon, lat = (
                degrees(number(dataset, f"image_{name}_{axis}itude")) for axis in ("long", "lat")
            )
            there = to_degrees.transform(lon, lat, direction="INVERSE")
            yield _hit(f"image_{name}_latitude/longitude", (x, y), there, placed)


def _hit(names: str, expected: tuple[float, float], stated: Any, placed: Grid) -> Assertion:
    """Whether a stated place is the expected one; both in metres of the projection."""
    off_px = hypot(stated[0] - expected[0], stated[1] - expected[1]) / placed.steps[1]
    return Assertion(f"{names} on the grid", f"off by {off_px:.2f} pixels", off_px <= TOLERANCE_PX)


def _time(dataset: netCDF4.Dataset) -> str:
    """ISO 8601 UTC: the middle of the observation where it is stated, otherwise the name's slot."""
    passed(dataset, _time_checks(dataset))
    if "observation_start_time" not in dataset.ncattrs() and _is_lambert(dataset):
        return f"{time_in_name(file_name(dataset)):%Y-%m-%dT%H:%M:%SZ}"
    start, end = (instant(dataset, f"observation_{at}_time") for at in ("start", "end"))
    return f"{start + (end - start) / 2:%Y-%m-%dT%H:%M:%SZ}"


def _time_checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether the observation starts near the slots that attribute and name state."""
    if "observation_start_time" not in dataset.ncattrs():
        return
    start = instant(dataset, "observation_start_time")
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
    if NAME_TIME.search(file_name(dataset)):
        yield "the name", time_in_name(file_name(dataset))
