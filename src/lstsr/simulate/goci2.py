"""Writing GOCI-II Level-2 AC files as NOSC delivers them, as far as their layout is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import floor
from pathlib import Path

import netCDF4
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from lstsr.files import whole
from lstsr.grid import Grid
from lstsr.image import Floats
from lstsr.sensors.goci2 import (
    FILL,
    FLAG_BITS,
    HEIGHT_M,
    LONGITUDE_DEG,
    WAVELENGTHS_NM,
    geostationary,
)

# Spacing of the pixels in the geostationary projection: metres at nadir.
STEP_M = 250.0


def slot_grid(lon: float, lat: float, rows: int, columns: int) -> Grid:
    """``rows`` x ``columns`` pixels around a point (degrees) on the lattice that slots share.

    Pixels are 250 m at nadir, the nominal figure; the real step is not confirmed by any file.
    """
    crs = geostationary(LONGITUDE_DEG)
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    west = (floor(x / STEP_M) - columns // 2) * STEP_M
    north = (floor(y / STEP_M) + rows // 2) * STEP_M
    return Grid(crs, Affine(STEP_M, 0, west, 0, -STEP_M, north), columns, rows)


def write_ac(
    folder: Path,
    nominal: datetime,
    slot: int | None,
    start: datetime,
    end: datetime,
    grid: Grid,
    rhoc: Mapping[int, Floats],
    flag: NDArray[np.integer],
) -> Path:
    """Write one slot, or without ``slot`` a mosaic, seen from ``start`` to ``end``; its path.

    ``nominal`` is the scan's time, which names the file; ``rhoc`` maps each wavelength in nm to
    reflectance (rows, columns), NaN where none. Rrs is written as RhoC / pi over water and empty
    over land: a stand-in, for nothing here reads that ocean product.
    """
    part = "" if slot is None else f"_S{slot:03d}"
    path = folder / f"GK2B_GOCI2_L2_{nominal:%Y%m%d_%H%M%S}_LA{part}_AC.nc"
    with whole(path) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as dataset:
        dataset.setncatts(
            {
                "title": "GK2B GOCI-II Level-2 Data",
                "platform": "GK-2B",
                "instrument": "GOCI-II",
                "observation_start_time": f"{start:%Y%m%d_%H%M%S}",
                "observation_end_time": f"{end:%Y%m%d_%H%M%S}",
                "sub_longitude": LONGITUDE_DEG,
                "longitude_of_projection_origin": LONGITUDE_DEG,
                "perspective_point_height": HEIGHT_M,
            }
        )
        dataset.createDimension("number_of_lines", grid.height)
        dataset.createDimension("pixels_per_line", grid.width)
        geophysical = dataset.createGroup("geophysical_data")
        land = (flag >> FLAG_BITS["LAND"] & 1).astype(bool)
        for quantity in ("Rrs", "RhoC"):
            group = geophysical.createGroup(quantity)
            for wavelength in WAVELENGTHS_NM:
                values = rhoc[wavelength]
                if quantity == "Rrs":
                    values = np.where(land, np.nan, values / np.pi)
                _write(group, f"{quantity}_{wavelength}", np.nan_to_num(values, nan=FILL), "f4")
        _write(geophysical, "flag", flag, "i4", None)
        navigation = dataset.createGroup("navigation_data")
        row, column = np.indices(grid.shape) + 0.5
        to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        lon, lat = to_degrees.transform(*(grid.transform @ (column, row)))
        _write(navigation, "latitude", lat, "f4")
        _write(navigation, "longitude", lon, "f4")
    return path


def _write(
    group: netCDF4.Group, name: str, values: NDArray, kind: str, fill: float | None = FILL
) -> None:
    stored = group.createVariable(
        name, kind, ("number_of_lines", "pixels_per_line"), fill_value=fill, zlib=True, complevel=1
    )
    stored.set_auto_maskandscale(False)
    stored[:] = values.astype(kind)
