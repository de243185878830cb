"""Writing GK2A/AMI Level-2 LST files as KMA delivers them, as far as their layout is known."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from lstsr.files import whole
from lstsr.image import Floats
from lstsr.sensors.ami import (
    AREAS,
    COLUMN_FACTOR,
    CORNERS,
    FD_A_M,
    FD_B_M,
    FD_HEIGHT_M,
    LONGITUDE_DEG,
)
from lstsr.sensors.gk2a import ADD_OFFSET, FILL, PROJECTION, SCALE_FACTOR

SUFFIX = {"ko": "ko020lc", "ea": "ea020lc", "fd": "fd020ge"}
MODE = {"ko": "ELA", "ea": "ELA", "fd": "FD"}


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
    grid = AREAS[area]
    if area == "fd":  # without size and corners: public readers of such files use none
        return {
            "grid_mapping_name": "geostationary",
            "longitude_of_projection_origin": LONGITUDE_DEG,
            "perspective_point_height": FD_HEIGHT_M,
            "semi_major_axis": FD_A_M,
            "semi_minor_axis": FD_B_M,
            "column_scale_factor": COLUMN_FACTOR,
            "line_scale_factor": -COLUMN_FACTOR,
            "column_offset": (grid.width + 1) / 2,
            "line_offset": (grid.height + 1) / 2,
            "sweep_angle_axis": "y",
        }
    corners: dict[str, float] = {}
    for name, (row, column) in CORNERS.items():
        centre = (column * (grid.width - 1) + 0.5, row * (grid.height - 1) + 0.5)
        x, y = grid.transform @ centre
        corners |= {f"{name}_easting": x, f"{name}_northing": y}
    return {
        "grid_mapping_name": "lambert_conformal_conic",
        "standard_parallel1": 30.0,
        "standard_parallel2": 60.0,
        "origin_latitude": 38.0,
        "central_meridian": 126.0,
        "false_easting": 0.0,
        "false_northing": 0.0,
        "pixel_size": grid.gsd_m,
        "image_width": grid.width,
        "image_height": grid.height,
        **corners,
    }
