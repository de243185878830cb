"""GOCI-II files for tests: one small slot, the truth about its places, and a curved twin of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numpy as np
from pyproj import Transformer

from lstsr.grid import Grid
from lstsr.simulate.goci2 import slot_grid

# Slot S010 of this scan, seen a quarter of an hour later: times of a real file.
NOMINAL = datetime(2023, 5, 14, 2, 15, 30, tzinfo=UTC)
START, END = NOMINAL.replace(minute=32, second=27), NOMINAL.replace(minute=33, second=31)
GRID = slot_grid(127.4, 36.6, 140, 160)
CORNERS = (0, 0), (160, 0), (160, 140), (0, 140)  # (column, row), clockwise
LATITUDE, LONGITUDE = "navigation_data/latitude", "navigation_data/longitude"


def scan_angle_place(column: float, row: float, placed: Grid = GRID) -> tuple[float, float]:
    """Longitude and latitude of a place of a grid by the CGMS 03 projection, written out."""
    x, y = np.array(placed.transform @ (column, row)) / 35_785_863.0
    distance, flat = 42_164_000.0, (6_378_137.0 / 6_356_752.3) ** 2
    cx, sx, cy, sy = np.cos(x), np.sin(x), np.cos(y), np.sin(y)
    a = cy**2 + flat * sy**2
    root = np.sqrt((distance * cx * cy) ** 2 - a * (distance**2 - 6_378_137.0**2))
    along = (distance * cx * cy - root) / a
    s1, s2, s3 = distance - along * cx * cy, along * sx * cy, along * sy
    return 128.2 + float(np.degrees(np.arctan2(s2, s1))), float(
        np.degrees(np.arctan(flat * s3 / np.hypot(s1, s2)))
    )


def place_in(found: Grid, lon_lat: tuple[float, float]) -> tuple[float, float]:
    """(column, row) of a place in degrees."""
    to_grid = Transformer.from_crs("EPSG:4326", found.crs, always_xy=True)
    return ~found.transform @ to_grid.transform(*lon_lat)


def as_mosaic(path: Path) -> Path:
    """The file of slot S010, renamed like a mosaic of slots."""
    return path.rename(path.with_name(path.name.replace("_S010", "")))


def bent(dataset: netCDF4.Dataset, pixels: float = 3.0) -> None:
    """Each pixel shows what lies up to so many pixels beside its place on the grid: a wave."""
    lon, lat = curved_places(pixels)
    dataset[LONGITUDE][:], dataset[LATITUDE][:] = lon, lat


def curve(pixels: float) -> tuple[np.ndarray, np.ndarray]:
    """(column, row) on the grid of what each pixel of the curved file shows, in pixels."""
    row, column = np.indices(GRID.shape) + 0.5
    there = column + pixels * np.sin(2 * np.pi * row / 140) * np.cos(np.pi * column / 160)
    return there, row + 0.7 * pixels * np.sin(2 * np.pi * column / 160)


def curved_places(pixels: float) -> tuple[np.ndarray, np.ndarray]:
    to_degrees = Transformer.from_crs(GRID.crs, "EPSG:4326", always_xy=True)
    return to_degrees.transform(*(GRID.transform @ curve(pixels)))


def rewritten(
    source: Path, path: Path, name: str, other: Callable[[netCDF4.Group], None] = lambda group: None
) -> Path:
    """The file without the variable ``name``, or with what ``other`` puts into its group."""

    def copy(whole: netCDF4.Dataset, part: netCDF4.Dataset) -> None:
        for dimension, length in whole.dimensions.items():
            part.createDimension(dimension, len(length))
        part.setncatts({key: whole.getncattr(key) for key in whole.ncattrs()})
        for last, one in whole.variables.items():
            if f"{whole.path}/{last}".strip("/") == name:
                other(part)
            else:
                fill = getattr(one, "_FillValue", None)
                part.createVariable(last, one.dtype, one.dimensions, fill_value=fill)[:] = one[:]
        for last, group in whole.groups.items():
            copy(group, part.createGroup(last))

    with netCDF4.Dataset(source) as whole, netCDF4.Dataset(path, "w") as part:
        whole.set_auto_maskandscale(False)
        copy(whole, part)
    return path
