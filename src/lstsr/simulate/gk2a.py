"""GK2A/AMI: its observation of a world, and its files of LST (KO) and Level 1B (LA).

The files follow the layouts of KMA and of the public bucket as far as they are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import cos, degrees, radians, sin
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from lstsr.files import whole
from lstsr.grid import KOREA, Grid
from lstsr.image import Floats
from lstsr.sensors.ami.channels import (
    BOLTZMANN_J_K,
    LIGHT_M_S,
    PLANCK_J_S,
    WAVENUMBERS,
    Calibration,
    coefficient_names,
    planck,
    planck_k,
)
from lstsr.sensors.ami.files import EPOCH
from lstsr.sensors.ami.grids import CORNERS, FD_STEP_M, GK2A
from lstsr.sensors.ami.l1b import FLAG_SHIFT
from lstsr.sensors.ami.lst import ADD_OFFSET, FILL, PROJECTION, SCALE_FACTOR
from lstsr.simulate.atmosphere import Atmosphere, atmosphere_of, emissivity_of
from lstsr.simulate.clouds import CLOUDY, Clouds, top_k, under
from lstsr.simulate.view import VIEWPOINT, Navigation, View, angles_deg, covering, slices
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
# these are invented. Level 1B uses 0 and 2 with these meanings.
GOOD, NO_LST, NOT_SEEN = 0, 1, 2

# A sector (LA) over Korea. The offsets come from the IR105 file of 2025-07-19 05:34.
SECTOR = Grid(
    GK2A.crs,
    Affine(
        *(FD_STEP_M, 0, (0.5 - 314.30357) * FD_STEP_M),
        *(0, -FD_STEP_M, (2089.57138 - 0.5) * FD_STEP_M),
    ),
    500,
    500,
)
SCAN_TIME = timedelta(minutes=1)
# KMA's conversion table v3.0 of 2019-04-15. Bucket files of 2025 still have these values.
GAIN_AND_OFFSET = {
    "ir105": (-0.0198196955025196, 161.580139160156),
    "ir112": (-0.0216744858771562, 176.713439941406),
    "ir123": (-0.023379972204566, 190.649627685546),
}
COEFFICIENTS = {
    "ir105": (-0.142866448475177, 1.00064069572049, -5.50443294960498e-07),
    "ir112": (-0.249111718496148, 1.00121166873756, -1.13167964011665e-06),
    "ir123": (-0.458113885722738, 1.00245520975535, -2.53064314720476e-06),
}
CALIBRATIONS = {
    channel: Calibration(channel, 13, *GAIN_AND_OFFSET[channel], coefficients)
    for channel, coefficients in COEFFICIENTS.items()
}


@dataclass(frozen=True)
class Look:
    """What one scan measures, in the shape of its grid.

    ``measured_k`` is LST ("lst"), or brightness temperature at the top of the atmosphere by
    channel; NaN is no-data. ``quality`` is one of GOOD, NO_LST and NOT_SEEN. ``bias_k`` is the
    error of LST in the scene.
    """

    measured_k: dict[str, Floats]
    quality: np.ndarray
    navigation: Navigation
    atmosphere: Atmosphere
    bias_k: float = 0.0


class _Scan:
    """One scan of the pixels of ``area`` around the world."""

    def __init__(
        self, world: World, clouds: Clouds, area: Grid, minutes: float, rng: np.random.Generator
    ) -> None:
        self.area, self.part = area, covering(area, world.grid)
        self.view = View(world, self.part, FWHM_M, NAVIGATION_PX, rng)
        self.atmosphere = atmosphere_of(world.air_k, rng)
        self.zenith_deg, azimuth_deg = angles_deg(world.grid)
        # skin temperature as seen from the side, warmed since minute 0
        warmed_k = world.warming_k_per_h * np.float32(minutes / 60)
        seen_k = world.directional_k(self.zenith_deg, azimuth_deg) + warmed_k
        self.ground_k = seen_k.astype(np.float32, copy=False)
        self.opacity = self.view.blocks(clouds.seen(VIEWPOINT, minutes))

    def look(self, measured_k: dict[str, Floats], quality: np.ndarray, bias_k: float = 0.0) -> Look:
        """The measurements on the whole grid, without values beyond the world."""
        there = slices(self.area, self.part)
        codes = np.full(self.area.shape, NOT_SEEN, np.uint8)
        codes[there] = quality
        images = {name: np.full(self.area.shape, np.nan, np.float32) for name in measured_k}
        for name, values in measured_k.items():
            images[name][there] = np.where(quality == GOOD, values, np.float32(np.nan))
        return Look(images, codes, self.view.navigation, self.atmosphere, bias_k)


def observe_lst(world: World, clouds: Clouds, minutes: float, rng: np.random.Generator) -> Look:
    """LST of the KO cells inside the world, ``minutes`` after minute 0; other cells are no-data.

    The PSF averages T^4 of the ground's directional temperature, warmed since minute 0, and of
    cloud tops. The bias of the scene, which depends on the water vapour, and the noise of each cell
    are added. A cell has no LST if more than a tenth of its footprint is cloud or more than half is
    water.
    """
    scan = _Scan(world, clouds, KOREA, minutes, rng)
    view = scan.view
    bias_k = BIAS_DRY_K + BIAS_PER_VAPOUR_K * scan.atmosphere.water_vapour_g_cm2
    bias_k += float(rng.normal(0, BIAS_SCATTER_K))
    ground = view.displaced(scan.ground_k**4)
    radiance = view.measured(under(ground, scan.opacity, top_k(world, clouds) ** 4))
    lst_k = radiance ** np.float32(0.25) + np.float32(bias_k)
    lst_k += NOISE_K * rng.standard_normal(scan.part.shape, np.float32)

    cloudy = view.measured(scan.opacity) > CLOUDY
    sea = view.measured(view.displaced(world.water)) > 0.5
    quality = np.where(view.seen, np.where(cloudy | sea, NO_LST, GOOD), NOT_SEEN)
    return scan.look({"lst": lst_k}, quality, bias_k)


def observe_l1b(
    world: World, clouds: Clouds, area: Grid, minutes: float, rng: np.random.Generator
) -> Look:
    """The window channels on the pixels of ``area`` inside the world; other pixels are not seen.

    The PSF averages the radiance of each channel: the ground as in `observe_lst` through the
    atmosphere, and cloud tops without atmosphere above. The noise of each pixel is added. With an
    equal ``rng``, the navigation error in pixels of ``area`` equals the one of `observe_lst`.
    """
    scan = _Scan(world, clouds, area, minutes, rng)
    view = scan.view
    measured_k = {}
    for channel, noise_k in CHANNEL_NOISE_K.items():
        emissivity = emissivity_of(world.cover, channel)
        ground = scan.atmosphere.radiance(scan.ground_k, emissivity, channel, scan.zenith_deg)
        top = planck(top_k(world, clouds), WAVENUMBERS[channel])
        radiance = view.measured(under(view.displaced(ground), scan.opacity, top))
        measured_k[channel] = planck_k(radiance, WAVENUMBERS[channel])
        measured_k[channel] += noise_k * rng.standard_normal(scan.part.shape, np.float32)
    return scan.look(measured_k, np.where(view.seen, GOOD, NOT_SEEN))


def write_lst(folder: Path, time: datetime, lst_k: Floats, quality: NDArray[np.uint8]) -> Path:
    """Write the KO file of one slot and return its path.

    ``time`` has a time zone. ``lst_k`` (900, 900) is in kelvin, NaN is no-data; ``quality`` is
    DQF_LST (0 good; other codes are unknown).
    """
    slot = f"{time.astimezone(UTC):%Y%m%d%H%M}"
    path = folder / f"gk2a_ami_le2_lst_ko020lc_{slot}.nc"
    stored = np.where(np.isfinite(lst_k), np.round((lst_k - ADD_OFFSET) / SCALE_FACTOR), FILL)
    with whole(path) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as dataset:
        dataset.setncatts(
            {
                "title": "AMI L2 LST",
                "names_of_product": "LST",
                "conventions": "CF-1.7",
                # spelled so in KMA's files
                "origianl_sourece_file": f"gk2a_ami_le1b_ir105_ela020ge_{slot}.nc",
                "observation_mode": "ELA",
                "processing_area": "ELA",
                "algorithm_version": "simulated",
                "file_creation_time": f"{time.astimezone(UTC):%Y%m%d_%H%M%S}",
            }
        )
        dataset.createDimension("dim_y", KOREA.height)
        dataset.createDimension("dim_x", KOREA.width)
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
        projection = dataset.createVariable(PROJECTION, "i4")
        projection.grid_mapping_name = "lambert_conformal_conic"
        projection.setncatts(lambert_attributes(KOREA))
    return path


def lambert_attributes(grid: Grid) -> dict[str, Any]:
    """Attributes of KMA's Lambert projection; corners are centres of pixels."""
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


def write_l1b(
    folder: Path,
    time: datetime,
    calibration: Calibration,
    grid: Grid,
    values: Floats,
    quality: NDArray[np.uint8],
) -> Path:
    """Write one channel of one sector scan like the public bucket, and return its path.

    ``time`` is the start of the scan, with a time zone. ``values`` (rows, columns of ``grid``) is
    brightness temperature in kelvin or reflectance factor, NaN is no-data; ``quality`` is the flag
    (0 good, 1 conditional, 2 not seen or no value, 3 error). ``grid`` is geostationary.
    """
    time = time.astimezone(UTC)
    channel = calibration.channel
    path = folder / f"gk2a_ami_le1b_{channel}_la020ge_{time:%Y%m%d%H%M}.nc"
    words = image_words(values, quality, calibration)
    start, end = ((at - EPOCH).total_seconds() for at in (time, time + SCAN_TIME))
    with whole(path) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as dataset:
        dataset.setncatts(
            {
                "satellite_name": "GK-2A",
                "instrument_name": "AMI",
                "data_processing_center": "NMSC",
                "file_name": path.name,
                "file_format_version": "1.0.0_20181120",
                "calibration_table_version": "v.3.0_20190415",
                "channel_center_wavelength": f"{int(channel[2:]) / 10:.1f}",
                "channel_spatial_resolution": "2.0",
                "scene_acquisition_time": f"{time:%Y%m%d_%H%M%S}",
                "observation_start_time": start,
                "observation_end_time": end,
                "observation_mode": "LA",
                "DN_to_Radiance_Gain": calibration.gain,
                "DN_to_Radiance_Offset": calibration.offset,
                **dict(zip(coefficient_names(channel), calibration.coefficients, strict=True)),
                "light_speed": LIGHT_M_S,
                "Boltzmann_constant_k": BOLTZMANN_J_K,
                "Plank_constant_h": PLANCK_J_S,  # spelled so in the files
                **_scan_attributes(grid),
            }
        )
        axes = ("dim_image_y", "dim_image_x")
        for name, length in zip((*axes, "dim_1"), (*grid.shape, 1), strict=True):
            dataset.createDimension(name, length)
        image = dataset.createVariable(
            "image_pixel_values", "u2", axes, fill_value=False, zlib=True, complevel=1
        )
        image.setncatts(
            {
                "channel_name": channel.upper(),
                "number_of_total_bits_per_pixel": np.uint8(16),
                "number_of_valid_bits_per_pixel": np.uint8(calibration.bits),
                "number_of_data_quality_flag_bits_per_pixel": np.uint8(2),
                "data_quality_flag_meaning": "0:good_pixel, 1:conditionally_usable_pixel, "
                "2:out_of_scan_area_pixel, 3:error_pixel",
                "number_of_total_pixels": words.size,
                "number_of_error_pixels": int((words >> FLAG_SHIFT == 3).sum()),
            }
        )
        image[:] = words
        lon, distance_m = radians(GK2A.longitude_deg), GK2A.distance_m
        position = dataset.createVariable("sc_position", "f8", ("dim_1",))
        position.sc_position_center_pixel = [distance_m * cos(lon), distance_m * sin(lon), 0.0]
        for name, kind, value in (
            ("nav_average_residual_ew", "f8", 1e-5),  # radians
            ("nav_average_residual_ns", "f8", 1e-5),
            ("number_of_matched_lmk", "i4", 100),
        ):
            dataset.createVariable(name, kind, ("dim_1",))[:] = value
    return path


def image_words(
    values: Floats, quality: NDArray[np.uint8], calibration: Calibration
) -> NDArray[np.uint16]:
    """Nearest count and flag of each pixel in one word. Without a value it is flag 2, count 0."""
    physical = calibration.physical()
    counts = np.flatnonzero(np.isfinite(physical))
    counts = counts[np.argsort(physical[counts])]
    known = np.isfinite(values)
    nearest = np.round(np.interp(np.where(known, values, 0), physical[counts], counts))
    flag = np.where(known, quality, 2).astype(np.uint16) << np.uint16(FLAG_SHIFT)
    return flag | np.where(known, nearest, 0).astype(np.uint16)


def _scan_attributes(grid: Grid) -> dict[str, Any]:
    """Factors, offsets and ellipsoid; scan angles and coordinates of the centres of two corners."""
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
