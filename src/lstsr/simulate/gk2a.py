"""Writing GK2A/AMI files, Level-2 LST and Level 1B, as far as their layouts are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import cos, degrees, radians, sin
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from lstsr.files import whole
from lstsr.grid import Grid
from lstsr.image import Floats
from lstsr.sensors.ami import (
    AREAS,
    COLUMN_FACTOR,
    CORNERS,
    EPOCH,
    FD_A_M,
    FD_B_M,
    FD_HEIGHT_M,
    LONGITUDE_DEG,
)
from lstsr.sensors.gk2a import ADD_OFFSET, FILL, PROJECTION, SCALE_FACTOR
from lstsr.sensors.gk2a_l1b import (
    BOLTZMANN_J_K,
    FLAG_SHIFT,
    LIGHT_M_S,
    PLANCK_J_S,
    VALID_BITS,
    Calibration,
    coefficient_names,
)

SUFFIX = {"ko": "ko020lc", "ea": "ea020lc", "fd": "fd020ge"}
MODE = {"ko": "ELA", "ea": "ELA", "fd": "FD"}

_STEP_M = AREAS["fd"].transform.a
# A sector over Korea: offsets of the file of IR105 of 2025-07-19 05:34.
SECTOR = Grid(
    AREAS["fd"].crs,
    Affine(_STEP_M, 0, (0.5 - 314.30357) * _STEP_M, 0, -_STEP_M, (2089.57138 - 0.5) * _STEP_M),
    500,
    500,
)
# How long a scan takes.
SCAN_TIME = {"fd": timedelta(minutes=10), "la": timedelta(minutes=1)}
LEVEL_1_CODE = {"fd": "ge", "la": "ge", "ko": "lc", "ea": "lc"}
# Gain, offset and coefficients of KMA's conversion table v3.0 of 2019-04-15, as bucket files of
# 2025 still state them.
COEFFICIENTS = {
    "vi004": (0.363545805215835, -7.27090454101562, 0.001558245),
    "vi005": (0.343625485897064, -6.87249755859375, 0.0016595767),
    "vi006": (0.154856294393539, -6.19424438476562, 0.001924484),
    "vi008": (0.0457241721451282, -3.65792846679687, 0.0032723873),
    "nr013": (0.0346878096461296, -1.38751220703125, 0.0087081313),
    "nr016": (0.0498007982969284, -0.996017456054687, 0.0129512876),
    "sw038": (
        -0.00108296517282724,
        17.699987411499,
        -0.447843939824124,
        1.00065568090389,
        -6.33824089912448e-08,
    ),
    "wv063": (
        -0.0108914673328399,
        44.1777038574218,
        -1.76279494011147,
        1.00414910562278,
        -9.83310914319385e-07,
    ),
    "wv069": (
        -0.00818779878318309,
        66.7480773925781,
        -0.334311414359106,
        1.00097359874468,
        -4.94603070252304e-07,
    ),
    "wv073": (
        -0.0096982717514038,
        79.0608520507812,
        -0.0613124859696595,
        1.00019008722941,
        -1.05863656750499e-07,
    ),
    "ir087": (
        -0.0144806550815701,
        118.050903320312,
        -0.141418528203155,
        1.00052232906885,
        -3.6287276076109e-07,
    ),
    "ir096": (
        -0.0178435463458299,
        145.464874267578,
        -0.114017728158198,
        1.00047380585402,
        -3.74931509928403e-07,
    ),
    "ir105": (
        -0.0198196955025196,
        161.580139160156,
        -0.142866448475177,
        1.00064069572049,
        -5.50443294960498e-07,
    ),
    "ir112": (
        -0.0216744858771562,
        176.713439941406,
        -0.249111718496148,
        1.00121166873756,
        -1.13167964011665e-06,
    ),
    "ir123": (
        -0.023379972204566,
        190.649627685546,
        -0.458113885722738,
        1.00245520975535,
        -2.53064314720476e-06,
    ),
    "ir133": (
        -0.0243037566542625,
        198.224365234375,
        -0.0938521568527657,
        1.00053982112966,
        -5.94913715312849e-07,
    ),
}
# Of channels whose valid bits are not known.
ASSUMED_BITS = 12
CALIBRATIONS = {
    name: Calibration(name, VALID_BITS.get(name, ASSUMED_BITS), gain, offset, tuple(others))
    for name, (gain, offset, *others) in COEFFICIENTS.items()
}
RESIDUAL_RAD = 1e-5


def write_lst(
    folder: Path, time: datetime, area: str, lst_k: Floats, quality: NDArray[np.uint8]
) -> Path:
    """Write one slot's file and return its path.

    ``time`` is with its time zone; ``area`` is ko, ea or fd. ``lst_k`` (rows, columns of the area)
    in kelvin, NaN where there is none; ``quality`` is DQF_LST (0 good; the meaning of other codes
    is not known).
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
    if area == "fd":  # without size and corners: public readers of such files use none
        return {
            "grid_mapping_name": "geostationary",
            "longitude_of_projection_origin": LONGITUDE_DEG,
            "perspective_point_height": FD_HEIGHT_M,
            "semi_major_axis": FD_A_M,
            "semi_minor_axis": FD_B_M,
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
    """Write one channel of one slot as the public bucket has it (fd, la), or KMA (ko, ea).

    ``time`` is with its time zone, when the scan starts. ``values`` (rows, columns of ``grid``) is
    brightness temperature in kelvin or reflectance factor, NaN where none; ``quality`` the flag (0
    good, 1 conditional, 2 not seen, 3 error), 2 where there is no value. ``grid`` is geostationary
    for fd and la, where it may be a smaller disk or another sector, and Lambert for ko and ea,
    whose files hold no calibration and no times.
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
    values: Floats, quality: NDArray[np.uint8], calibration: Calibration
) -> NDArray[np.uint16]:
    """The nearest counts under their flags; space is a flag without a count, 0x8000."""
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
        **dict(zip(coefficient_names(channel), calibration.coefficients, strict=True)),
        "light_speed": LIGHT_M_S,
        "Boltzmann_constant_k": BOLTZMANN_J_K,
        "Plank_constant_h": PLANCK_J_S,  # spelled so in the files
        **_scan_attributes(grid),
    }


def _scan_attributes(grid: Grid) -> dict[str, Any]:
    """Factors, offsets, ellipsoid and the centres of two corner pixels: scan angles and places."""
    step = grid.transform.a
    factor = 65536 / degrees(step / FD_HEIGHT_M)
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    corners: dict[str, float] = {}
    for name, centre in (
        ("upperleft", (0.5, 0.5)),
        ("lowerright", (grid.width - 0.5, grid.height - 0.5)),
    ):
        x, y = grid.transform @ centre
        lon, lat = to_degrees.transform(x, y)
        corners |= {
            f"image_{name}_x": x / FD_HEIGHT_M,
            f"image_{name}_y": y / FD_HEIGHT_M,
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
        "sub_longitude": radians(LONGITUDE_DEG),
        "nominal_satellite_height": FD_HEIGHT_M + FD_A_M,
        "earth_equatorial_radius": FD_A_M,
        "earth_polar_radius": FD_B_M,
        **corners,
    }


def _write_navigation(dataset: netCDF4.Dataset) -> None:
    lon, distance_m = radians(LONGITUDE_DEG), FD_HEIGHT_M + FD_A_M
    dataset.createDimension("dim_1", 1)
    position = dataset.createVariable("sc_position", "f8", ("dim_1",))
    position.sc_position_center_pixel = [distance_m * cos(lon), distance_m * sin(lon), 0.0]
    for axis in ("ew", "ns"):
        dataset.createVariable(f"nav_average_residual_{axis}", "f8", ("dim_1",))[:] = RESIDUAL_RAD
    dataset.createVariable("number_of_matched_lmk", "i4", ("dim_1",))[:] = 100
