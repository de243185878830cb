"""GK2A/AMI: its observation of a world, and its Level-2 LST and Level-1B files.

The files follow the layouts of KMA and of the public bucket as far as they are known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import cos, degrees, radians, sin
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from lstsr.files import whole
from lstsr.grid import Grid
from lstsr.image import Floats, Mask
from lstsr.sensors.ami import channels
from lstsr.sensors.ami.files import EPOCH
from lstsr.sensors.ami.grids import AREAS, COLUMN_FACTOR, CORNERS, FD_STEP_M, GK2A
from lstsr.sensors.ami.l1b import FLAG_SHIFT
from lstsr.sensors.ami.lst import ADD_OFFSET, FILL, PROJECTION, SCALE_FACTOR
from lstsr.simulate.atmosphere import Atmosphere, atmosphere_of, emissivity_of
from lstsr.simulate.clouds import CLOUDY, Clouds, top_k, under
from lstsr.simulate.view import VIEWPOINT, Navigation, View, covering, navigation, slices
from lstsr.simulate.world import World

# Over Korea a 2 km pixel of AMI is 2.07 km x 2.66-2.91 km on the ground.
FWHM_M = (2800.0, 2100.0)
NAVIGATION_PX = 0.35
# Error of the Level-2 retrieval: in dry air, per g/cm2 of vapour, and its scatter between scenes.
BIAS_DRY_K, BIAS_PER_VAPOUR_K, BIAS_SCATTER_K = 0.4, -0.35, 0.4
NOISE_K = 0.3
# Noise of each channel of Level 1B, K at about 300 K.
CHANNEL_NOISE_K = {"ir105": 0.1, "ir112": 0.1, "ir123": 0.2}
# All users of the product keep DQF_LST 0. We found no published meaning of the other codes, so
# these are invented. In Level 1B, 0 and 2 mean the same.
GOOD, NO_LST, NOT_SEEN = 0, 1, 2

SUFFIX = {"ko": "ko020lc", "ea": "ea020lc", "fd": "fd020ge"}
MODE = {"ko": "ELA", "ea": "ELA", "fd": "FD"}
# A sector over Korea: offsets of the file of IR105 of 2025-07-19 05:34.
SECTOR = Grid(
    GK2A.crs,
    Affine(
        *(FD_STEP_M, 0, (0.5 - 314.30357) * FD_STEP_M),
        *(0, -FD_STEP_M, (2089.57138 - 0.5) * FD_STEP_M),
    ),
    500,
    500,
)
# Duration of a scan.
SCAN_TIME = {"fd": timedelta(minutes=10), "la": timedelta(minutes=1)}
LEVEL_1_CODE = {"fd": "ge", "la": "ge", "ko": "lc", "ea": "lc"}
# Gain, offset and coefficients of KMA's conversion table v3.0 of 2019-04-15. Bucket files of 2025
# still have these values.
COEFFICIENTS = """
vi004  0.363545805215835    -7.27090454101562  0.001558245
vi005  0.343625485897064    -6.87249755859375  0.0016595767
vi006  0.154856294393539    -6.19424438476562  0.001924484
vi008  0.0457241721451282   -3.65792846679687  0.0032723873
nr013  0.0346878096461296   -1.38751220703125  0.0087081313
nr016  0.0498007982969284   -0.996017456054687 0.0129512876
sw038 -0.00108296517282724  17.699987411499   -0.447843939824124  1.00065568090389 -6.33824089912448e-08
wv063 -0.0108914673328399   44.1777038574218  -1.76279494011147   1.00414910562278 -9.83310914319385e-07
wv069 -0.00818779878318309  66.7480773925781  -0.334311414359106  1.00097359874468 -4.94603070252304e-07
wv073 -0.0096982717514038   79.0608520507812  -0.0613124859696595 1.00019008722941 -1.05863656750499e-07
ir087 -0.0144806550815701   118.050903320312  -0.141418528203155  1.00052232906885 -3.6287276076109e-07
ir096 -0.0178435463458299   145.464874267578  -0.114017728158198  1.00047380585402 -3.74931509928403e-07
ir105 -0.0198196955025196   161.580139160156  -0.142866448475177  1.00064069572049 -5.50443294960498e-07
ir112 -0.0216744858771562   176.713439941406  -0.249111718496148  1.00121166873756 -1.13167964011665e-06
ir123 -0.023379972204566    190.649627685546  -0.458113885722738  1.00245520975535 -2.53064314720476e-06
ir133 -0.0243037566542625   198.224365234375  -0.0938521568527657 1.00053982112966 -5.94913715312849e-07
"""  # noqa: E501 a table
# For channels whose valid bits are unknown.
ASSUMED_BITS = 12
CALIBRATIONS = {
    name: channels.Calibration(
        name, channels.CHANNELS[name].bits or ASSUMED_BITS, gain, offset, tuple(others)
    )
    for name, *numbers in map(str.split, COEFFICIENTS.strip().splitlines())
    for gain, offset, *others in [map(float, numbers)]
}
RESIDUAL_RAD = 1e-5


@dataclass(frozen=True)
class LstLook:
    """The content of a KO LST file: ``lst_k`` (900, 900), NaN is no-data, and ``quality`` (DQF)."""

    lst_k: Floats
    quality: np.ndarray
    navigation: Navigation
    atmosphere: Atmosphere
    bias_k: float


@dataclass(frozen=True)
class L1bLook:
    """The content of Level 1B files of one scan, by channel, each of the area's shape.

    ``brightness_temperature_k`` at the top of the atmosphere, NaN is no-data, and ``quality``: 0
    good, 2 not seen.
    """

    brightness_temperature_k: dict[str, Floats]
    quality: np.ndarray
    navigation: Navigation
    atmosphere: Atmosphere


@dataclass(frozen=True)
class _Scan:
    """One scan of the pixels ``part`` of ``area`` around the world."""

    area: Grid
    part: Grid
    view: View
    navigation: Navigation
    atmosphere: Atmosphere
    ground_k: Floats
    opacity: Floats
    seen: Mask
    measured: Callable[[Floats], Floats]

    def everywhere(self, values: np.ndarray, fill: float) -> np.ndarray:
        """``values`` of the part in an array of the whole area, otherwise ``fill``."""
        whole_area = np.full(self.area.shape, fill, values.dtype)
        whole_area[slices(self.area, self.part)] = values
        return whole_area


def _scan(
    world: World, clouds: Clouds, area: Grid, minutes: float, rng: np.random.Generator
) -> _Scan:
    part = covering(area, world.grid)
    shift = rng.normal(0, NAVIGATION_PX, 2)
    atmosphere = atmosphere_of(world.air_k, rng)
    view, moved = View(world), part.moved(*shift)
    # skin temperature as seen from the side, warmed since minute 0
    warmed_k = world.warming_k_per_h * np.float32(minutes / 60)
    ground_k = (world.directional_k(*view.angles_deg) + warmed_k).astype(np.float32, copy=False)
    return _Scan(
        area,
        part,
        view,
        navigation(shift, part, world.grid),
        atmosphere,
        ground_k,
        view.blocks(clouds.seen(VIEWPOINT, minutes)),
        view.seen(moved, FWHM_M),
        partial(view.measured, grid=moved, fwhm_m=FWHM_M),
    )


def observe_lst(world: World, clouds: Clouds, minutes: float, rng: np.random.Generator) -> LstLook:
    """The KO LST of the cells inside the world, ``minutes`` after minute 0; the rest is fill.

    The PSF averages T^4 of the ground's directional temperature, warmed by the minutes, and of
    cloud tops. Then come the scene's bias, which grows with the water vapour, and the noise of each
    cell. A cell has no LST if more than a tenth of its footprint is cloud or more than half is
    water.
    """
    scan = _scan(world, clouds, AREAS["ko"], minutes, rng)
    bias_k = BIAS_DRY_K + BIAS_PER_VAPOUR_K * scan.atmosphere.water_vapour_g_cm2
    bias_k += float(rng.normal(0, BIAS_SCATTER_K))
    ground = scan.view.displaced(scan.ground_k**4)
    radiance = scan.measured(under(ground, scan.opacity, top_k(world, clouds) ** 4))
    lst_k = radiance ** np.float32(0.25) + np.float32(bias_k)
    lst_k += NOISE_K * rng.standard_normal(scan.part.shape, np.float32)

    cloudy = scan.measured(scan.opacity) > CLOUDY
    sea = scan.measured(scan.view.displaced(world.water)) > 0.5
    quality = np.where(cloudy | sea, NO_LST, GOOD).astype(np.uint8)
    quality[~scan.seen] = NOT_SEEN
    lst_k = np.where(quality == GOOD, lst_k, np.float32(np.nan))
    return LstLook(
        scan.everywhere(lst_k, np.nan),
        scan.everywhere(quality, NOT_SEEN),
        scan.navigation,
        scan.atmosphere,
        bias_k,
    )


def observe_l1b(
    world: World, clouds: Clouds, area: Grid, minutes: float, rng: np.random.Generator
) -> L1bLook:
    """The window channels over the pixels of ``area`` inside the world; the rest is not seen.

    The PSF averages the radiance of each channel: the ground as in ``observe_lst`` through the
    atmosphere, and cloud tops without atmosphere above. Then comes the noise of each pixel. With an
    equal ``rng``, the navigation error in pixels of ``area`` equals the one of ``observe_lst``.
    """
    scan = _scan(world, clouds, area, minutes, rng)
    quality = np.where(scan.seen, GOOD, NOT_SEEN).astype(np.uint8)
    temperatures = {}
    for channel, noise_k in CHANNEL_NOISE_K.items():
        wavenumber = channels.WAVENUMBERS[channel]
        emissivity = emissivity_of(world.cover, channel)
        ground = scan.atmosphere.radiance(
            scan.ground_k, emissivity, channel, scan.view.angles_deg[0]
        )
        top = channels.planck(top_k(world, clouds), wavenumber)
        radiance = scan.measured(under(scan.view.displaced(ground), scan.opacity, top))
        seen_k = channels.planck_k(radiance, wavenumber)
        seen_k += noise_k * rng.standard_normal(scan.part.shape, np.float32)
        seen_k = np.where(scan.seen, seen_k, np.float32(np.nan))
        temperatures[channel] = scan.everywhere(seen_k, np.nan)
    return L1bLook(
        temperatures, scan.everywhere(quality, NOT_SEEN), scan.navigation, scan.atmosphere
    )


def write_lst(
    folder: Path, time: datetime, area: str, lst_k: Floats, quality: NDArray[np.uint8]
) -> Path:
    """Write the file of one slot and return its path.

    ``time`` has a time zone; ``area`` is ko, ea or fd. ``lst_k`` (rows, columns of the area) is in
    kelvin, NaN is no-data; ``quality`` is DQF_LST (0 good; other codes are unknown).
    """
    time = time.astimezone(UTC)
    path = folder / f"gk2a_ami_le2_lst_{SUFFIX[area]}_{time:%Y%m%d%H%M}.nc"
    stored = np.where(np.isfinite(lst_k), np.round((lst_k - ADD_OFFSET) / SCALE_FACTOR), FILL)
    with whole(path) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as dataset:
        dataset.setncatts(_global_attributes(area, time))
        dataset.createDimension("dim_y", AREAS[area].height)
        dataset.createDimension("dim_x", AREAS[area].width)
        shape: dict[str, Any] = {"dimensions": ("dim_y", "dim_x"), "zlib": True, "complevel": 1}
        flag = dataset.createVariable("DQF_LST", "u1", fill_value=np.uint8(255), **shape)
        flag.setncatts({"long_name": "data quality flag of LST", "grid_mapping": PROJECTION})
        flag[:] = quality
        lst = dataset.createVariable("LST", "u2", fill_value=np.uint16(FILL), **shape)
        lst.setncatts(
            {
                "long_name": "land surface temperature",
                "units": "K",
                "scale_factor": np.float32(SCALE_FACTOR),
                "add_offset": np.float32(ADD_OFFSET),
                "grid_mapping": PROJECTION,
            }
        )
        lst.set_auto_maskandscale(False)
        lst[:] = stored.astype(np.uint16)
        dataset.createVariable(PROJECTION, "i4").setncatts(_projection_attributes(area))
    return path


def _global_attributes(area: str, time: datetime) -> dict[str, Any]:
    source = f"gk2a_ami_le1b_ir105_{'fd' if area == 'fd' else 'ela'}020ge_{time:%Y%m%d%H%M}.nc"
    return {
        "title": "AMI L2 LST",
        "names_of_product": "LST",
        "conventions": "CF-1.7",
        "origianl_sourece_file": source,  # spelled so in KMA's files
        "observation_mode": MODE[area],
        "processing_area": MODE[area],
        "algorithm_version": "simulated",
        "file_creation_time": f"{time:%Y%m%d_%H%M%S}",
    }


def _projection_attributes(area: str) -> dict[str, Any]:
    if area == "fd":  # without size and corners, which public readers do not use
        return {
            "grid_mapping_name": "geostationary",
            "longitude_of_projection_origin": GK2A.longitude_deg,
            "perspective_point_height": GK2A.height_m,
            "semi_major_axis": GK2A.equatorial_radius_m,
            "semi_minor_axis": GK2A.polar_radius_m,
            "column_scale_factor": COLUMN_FACTOR,
            "line_scale_factor": -COLUMN_FACTOR,
            "column_offset": (AREAS["fd"].width + 1) / 2,
            "line_offset": (AREAS["fd"].height + 1) / 2,
            "sweep_angle_axis": "y",
        }
    return {"grid_mapping_name": "lambert_conformal_conic", **_lambert_attributes(AREAS[area])}


def _lambert_attributes(grid: Grid) -> dict[str, Any]:
    corners: dict[str, float] = {}
    for name, (row, column) in CORNERS.items():
        centre = (column * (grid.width - 1) + 0.5, row * (grid.height - 1) + 0.5)
        x, y = grid.transform @ centre
        corners |= {f"{name}_easting": x, f"{name}_northing": y}
    return {
        "standard_parallel1": 30.0,
        "standard_parallel2": 60.0,
        "origin_latitude": 38.0,
        "central_meridian": 126.0,
        "false_easting": 0.0,
        "false_northing": 0.0,
        "pixel_size": grid.transform.a,
        "image_width": grid.width,
        "image_height": grid.height,
        **corners,
    }


def level_1_name(channel: str, area: str, time: datetime) -> str:
    """The name of a Level 1B file: ``area`` is fd, la, ko or ea."""
    fine = {"vi006": "005", "vi004": "010", "vi005": "010", "vi008": "010"}
    size = fine.get(channel, "020")
    slot = f"{time.astimezone(UTC):%Y%m%d%H%M}"
    return f"gk2a_ami_le1b_{channel}_{area}{size}{LEVEL_1_CODE[area]}_{slot}.nc"


def write_l1b(
    folder: Path,
    time: datetime,
    area: str,
    channel: str,
    grid: Grid,
    values: Floats,
    quality: NDArray[np.uint8],
) -> Path:
    """Write one channel of one slot like the public bucket (fd, la) or KMA (ko, ea).

    ``time`` is the start of the scan, with a time zone. ``values`` (rows, columns of ``grid``) is
    brightness temperature in kelvin or reflectance factor, NaN is no-data; ``quality`` is the flag
    (0 good, 1 conditional, 2 not seen or no value, 3 error). ``grid`` is geostationary for fd and
    la, and can be a smaller disk or another sector. It is Lambert for ko and ea, whose files have
    no calibration and no times.
    """
    time = time.astimezone(UTC)
    path = folder / level_1_name(channel, area, time)
    lambert = LEVEL_1_CODE[area] == "lc"
    of_grid = _level_1_lambert if lambert else _level_1_scan
    axes = ("dim_y", "dim_x") if lambert else ("dim_image_y", "dim_image_x")
    words = _words(values, quality, CALIBRATIONS[channel])
    with whole(path) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as dataset:
        dataset.setncatts({"satellite_name": "GK-2A", "instrument_name": "AMI"})
        dataset.setncatts(of_grid(area, channel, grid, time))
        for name, length in zip(axes, grid.shape, strict=True):
            dataset.createDimension(name, length)
        image = dataset.createVariable(
            "image_pixel_values", "u2", axes, fill_value=False, zlib=True, complevel=1
        )
        image.setncatts(_image_attributes(channel, words, lambert))
        image[:] = words
        if not lambert:
            _write_navigation(dataset)
    return path


def _words(
    values: Floats, quality: NDArray[np.uint8], calibration: channels.Calibration
) -> NDArray[np.uint16]:
    """Nearest counts and flags in one word; space is a flag without a count, 0x8000."""
    physical = calibration.physical()
    counts = np.flatnonzero(np.isfinite(physical))
    counts = counts[np.argsort(physical[counts])]
    known = np.isfinite(values)
    nearest = np.round(np.interp(np.where(known, values, 0), physical[counts], counts))
    flag = np.where(known, quality, 2).astype(np.uint16) << np.uint16(FLAG_SHIFT)
    words: NDArray[np.uint16] = flag | np.where(known, nearest, 0).astype(np.uint16)
    return words


def _image_attributes(channel: str, words: NDArray[np.uint16], lambert: bool) -> dict[str, Any]:
    common: dict[str, Any] = {
        "channel_name": channel.upper(),
        "number_of_total_bits_per_pixel": np.uint8(16),
        "number_of_valid_bits_per_pixel": np.uint8(CALIBRATIONS[channel].bits),
    }
    if lambert:
        return common
    flags = words >> FLAG_SHIFT
    return common | {
        "number_of_data_quality_flag_bits_per_pixel": np.uint8(2),
        "data_quality_flag_meaning": "0:good_pixel, 1:conditionally_usable_pixel, "
        "2:out_of_scan_area_pixel, 3:error_pixel",
        "number_of_total_pixels": words.size,
        "number_of_error_pixels": int((flags == 3).sum()),
    }


def _level_1_lambert(area: str, channel: str, grid: Grid, time: datetime) -> dict[str, Any]:
    source = level_1_name(channel, area, time).replace(f"_{area}", "_ela").replace("lc_", "ge_")
    return {
        "origianl_sourece_file": source,  # spelled so in KMA's files
        "projection_type": "lambert_conformal_conic",
        **_lambert_attributes(grid),
    }


def _level_1_scan(area: str, channel: str, grid: Grid, time: datetime) -> dict[str, Any]:
    calibration = CALIBRATIONS[channel]
    start, end = ((at - EPOCH).total_seconds() for at in (time, time + SCAN_TIME[area]))
    return {
        "data_processing_center": "NMSC",
        "file_name": level_1_name(channel, area, time),
        "file_format_version": "1.0.0_20181120",
        "calibration_table_version": "v.3.0_20190415",
        "channel_center_wavelength": f"{int(channel[2:]) / 10:.1f}",
        "channel_spatial_resolution": "2.0",
        "scene_acquisition_time": f"{time:%Y%m%d_%H%M%S}",
        "observation_start_time": start,
        "observation_end_time": end,
        "observation_mode": area.upper(),
        "DN_to_Radiance_Gain": calibration.gain,
        "DN_to_Radiance_Offset": calibration.offset,
        **dict(zip(channels.coefficient_names(channel), calibration.coefficients, strict=True)),
        "light_speed": channels.LIGHT_M_S,
        "Boltzmann_constant_k": channels.BOLTZMANN_J_K,
        "Plank_constant_h": channels.PLANCK_J_S,  # spelled so in the files
        **_scan_attributes(grid),
    }


def _scan_attributes(grid: Grid) -> dict[str, Any]:
    """Factors, offsets, ellipsoid; scan angles and coordinates of two corner pixels' centres."""
    step = grid.transform.a
    factor = 65536 / degrees(step / GK2A.height_m)
    corners: dict[str, float] = {}
    for name, row, column in (
        ("upperleft", 0.5, 0.5),
        ("lowerright", grid.height - 0.5, grid.width - 0.5),
    ):
        x, y = grid.transform @ (column, row)
        lon, lat = grid.lonlat_at(row, column)
        corners |= {
            f"image_{name}_x": x / GK2A.height_m,
            f"image_{name}_y": y / GK2A.height_m,
            f"image_{name}_longitude": radians(lon),
            f"image_{name}_latitude": radians(lat),
        }
    return {
        "number_of_columns": grid.width,
        "number_of_lines": grid.height,
        "projection_type": "GEOS",
        "cfac": factor,
        "lfac": -factor,
        "coff": 0.5 - grid.transform.c / step,
        "loff": 0.5 + grid.transform.f / step,
        "sub_longitude": radians(GK2A.longitude_deg),
        "nominal_satellite_height": GK2A.distance_m,
        "earth_equatorial_radius": GK2A.equatorial_radius_m,
        "earth_polar_radius": GK2A.polar_radius_m,
        **corners,
    }


def _write_navigation(dataset: netCDF4.Dataset) -> None:
    lon, distance_m = radians(GK2A.longitude_deg), GK2A.distance_m
    dataset.createDimension("dim_1", 1)
    position = dataset.createVariable("sc_position", "f8", ("dim_1",))
    position.sc_position_center_pixel = [distance_m * cos(lon), distance_m * sin(lon), 0.0]
    for axis in ("ew", "ns"):
        dataset.createVariable(f"nav_average_residual_{axis}", "f8", ("dim_1",))[:] = RESIDUAL_RAD
    dataset.createVariable("number_of_matched_lmk", "i4", ("dim_1",))[:] = 100
