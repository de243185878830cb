"""Writing GOCI-II Level-2 AC and Level-1B files as NOSC delivers them, as far as is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from lstsr.sensors.goci2 import FLAG_BITS
from lstsr.sensors.goci2_bands import WAVELENGTHS_NM
from lstsr.sensors.goci2_l1b import FILL as NO_RADIANCE
from lstsr.sensors.goci2_navigation import (
    EQUATORIAL_M,
    FILL,
    HEIGHT_M,
    LONGITUDE_DEG,
    POLAR_M,
    geostationary,
)

# Spacing of the pixels in the geostationary projection: metres at nadir.
STEP_M = 250.0
# Dimensions of lines and pixels.
AC, L1B = ("number_of_lines", "pixels_per_line"), ("number_of_lines", "number_of_columns")


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
    with _placed(path, "Level-2 Data", start, end, grid, AC) as dataset:
        geophysical = dataset.createGroup("geophysical_data")
        land = (flag >> FLAG_BITS["LAND"] & 1).astype(bool)
        for quantity in ("Rrs", "RhoC"):
            group = geophysical.createGroup(quantity)
            for wavelength in WAVELENGTHS_NM:
                values = rhoc[wavelength]
                if quantity == "Rrs":
                    values = np.where(land, np.nan, values / np.pi)
                filled = np.nan_to_num(values, nan=FILL)
                _write(group, f"{quantity}_{wavelength}", AC, filled, "f4")
        _write(geophysical, "flag", AC, flag, "i4", None)
    return path


def write_l1b(
    folder: Path,
    nominal: datetime,
    slot: int | None,
    start: datetime,
    end: datetime,
    grid: Grid,
    radiance: Mapping[int, Floats],
) -> Path:
    """Write one slot, or without ``slot`` a mosaic, as ``write_ac`` does; its path.

    ``radiance`` maps each wavelength in nm to W m-2 um-1 sr-1 (rows, columns), NaN where none,
    which the files fill with 0 and no attribute tells.
    """
    part = "" if slot is None else f"_S{slot:03d}"
    path = folder / f"GK2_GOCI2_L1B_{nominal:%Y%m%d_%H%M%S}_LA{part}.nc"
    with _placed(path, "Level-1B Radiances", start, end, grid, L1B) as dataset:
        dataset.setncatts(
            {
                "nominal_satellite_height": HEIGHT_M,
                "semi_major_axis": EQUATORIAL_M,
                "semi_minor_axis": POLAR_M,
                "latitude_of_projection_origin": 0.0,
            }
        )
        geophysical = dataset.createGroup("geophysical_data")
        for wavelength in WAVELENGTHS_NM:
            values = np.nan_to_num(radiance[wavelength], nan=NO_RADIANCE)
            stored = _write(geophysical, f"L_TOA_{wavelength}", L1B, values, "f4", None)
            stored.setncatts({"units": "W m-2 um-1 sr-1", "valid_min": np.float32(0)})
    return path


@contextmanager
def _placed(
    path: Path, title: str, start: datetime, end: datetime, grid: Grid, dimensions: tuple[str, str]
) -> Iterator[netCDF4.Dataset]:
    """A new file with its common attributes, dimensions and the places of its pixels."""
    with whole(path) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as dataset:
        dataset.setncatts(
            {
                "title": f"GK2B GOCI-II {title}",
                "platform": "GK-2B",
                "instrument": "GOCI-II",
                "observation_start_time": f"{start:%Y%m%d_%H%M%S}",
                "observation_end_time": f"{end:%Y%m%d_%H%M%S}",
                "sub_longitude": LONGITUDE_DEG,
                "longitude_of_projection_origin": LONGITUDE_DEG,
                "perspective_point_height": HEIGHT_M,
            }
        )
        for name, length in zip(dimensions, grid.shape, strict=True):
            dataset.createDimension(name, length)
        yield dataset
        navigation = dataset.createGroup("navigation_data")
        row, column = np.indices(grid.shape) + 0.5
        to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        lon, lat = to_degrees.transform(*(grid.transform @ (column, row)))
        for name, places in (("latitude", lat), ("longitude", lon)):
            # the full disk has corners beyond the limb
            _write(navigation, name, dimensions, np.where(np.isfinite(places), places, FILL), "f4")


def _write(
    group: netCDF4.Group,
    name: str,
    dimensions: tuple[str, str],
    values: NDArray,
    kind: str,
    fill: float | None = FILL,
) -> netCDF4.Variable:
    stored = group.createVariable(name, kind, dimensions, fill_value=fill, zlib=True, complevel=1)
    stored.set_auto_maskandscale(False)
    stored[:] = values.astype(kind)
    return stored
