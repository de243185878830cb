"""GK2A/AMI Level-2 LST: KO and EA (Lambert) and FD (geostationary) files.

The file's own projection attributes place the pixels, and its own corners must agree: GDAL reads a
wrong coordinate system from these files. The layout follows public readers of KO files.
docs/first-real-file.md lists what to check on a first real file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage, Viewpoint
from lstsr.sensors.ami import files, grids
from lstsr.sensors.inspection import Assertion, Fact, Inspection, grid_facts
from lstsr.sensors.netcdf import FILL_VALUE, attribute, file_name, number, opened, variable
from lstsr.times import iso

if TYPE_CHECKING:
    from lstsr.config import Gk2aConfig

PROJECTION = "gk2a_imager_projection"
# Packing of LST in kelvin if a file does not state its own.
SCALE_FACTOR, ADD_OFFSET, FILL = 0.01, 0.0, 65535
SCAN = grids.ScanNames("column_scale_factor", "line_scale_factor", "column_offset", "line_offset")


def grid(path: Path, sensor: Gk2aConfig) -> Grid:
    """The grid from the file's projection attributes. The file's corners must agree.

    Raises SceneError with the attribute that disagrees, and OSError if the file cannot be opened.
    """
    with opened(path) as dataset:
        return _checked_grid(dataset)


def read(path: Path, sensor: Gk2aConfig) -> SensorImage:
    """LST in kelvin, valid if the quality flag DQF_LST is one of ``sensor.accepted``.

    The time is the middle of the observation if the file states it, otherwise the time in the name.
    Raises SceneError if the file is truncated, lacks a variable, contradicts itself or its name,
    or holds no valid pixel.
    """
    with opened(path) as dataset:
        image_grid = _checked_grid(dataset)
        lst_k, stored = _lst_k(dataset)
        quality = _quality(dataset)
        time = _time(dataset)
    valid = stored & np.isin(quality, sensor.accepted)
    valid &= (lst_k >= sensor.valid_min) & (lst_k <= sensor.valid_max)
    if not valid.any():
        raise SceneError(
            f"{path.name}: no valid pixel. Is it all cloud? Accepted DQF_LST: {sensor.accepted}"
        )
    return SensorImage(
        np.where(valid, lst_k, np.float32(np.nan))[None],
        valid,
        image_grid,
        ("lst",),
        "kelvin",
        sensor.sensor,
        time,
        (f"read {path.name}", f"DQF_LST in {sensor.accepted}"),
        grids.GK2A,
    )


def inspect(path: Path) -> Inspection:
    """Facts about the file, and whether its parts agree.

    A missing or damaged part becomes a failed assertion. SceneError is raised only if the file
    cannot be opened.
    """
    facts = {
        "the observation time is known": lambda dataset: [("time", _time(dataset))],
        "the projection is understood": lambda dataset: grid_facts(_stated_grid(dataset)),
        "LST can be read": _lst_facts,
        "DQF_LST can be read": _quality_facts,
    }
    checks = {
        "the grid can be checked": lambda dataset: tuple(_checks(dataset, _stated_grid(dataset)))
    }
    with opened(path) as dataset:
        return files.inspected(dataset, "GK2A/AMI L2 LST", facts, checks)


def _lst_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    scale, offset, fill = _packing(dataset)
    lst_k, stored = _lst_k(dataset)
    known = lst_k[stored]
    return [
        ("band", f"lst, kelvin = stored x {scale:g} + {offset:g}, fill {fill:g}"),
        ("LST", f"{known.min():.2f} .. {known.max():.2f} K" if known.size else "only fill"),
    ]


def _quality_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    quality = _quality(dataset)
    good = (_lst_k(dataset)[1] & (quality == 0)).mean()
    return [
        ("DQF_LST", files.shares(quality)),
        ("valid share", f"{good:.1%} (not fill, DQF_LST 0)"),
    ]


def _lst_k(dataset: netCDF4.Dataset) -> tuple[Floats, Mask]:
    """LST in kelvin, and the pixels that are not fill.

    Values are read as stored and scaled once: scaled twice, 276 K turn into 2.76.
    """
    scale, offset, fill = _packing(dataset)
    stored = np.asarray(_lst(dataset)[:])
    with np.errstate(over="ignore", invalid="ignore"):
        return (stored * scale + offset).astype(np.float32), stored != fill


def _packing(dataset: netCDF4.Dataset) -> tuple[float, float, float]:
    """(scale, offset, fill) of LST from the file, or KMA's usual values."""
    lst = _lst(dataset)
    usual = {"scale_factor": SCALE_FACTOR, "add_offset": ADD_OFFSET, FILL_VALUE: FILL}
    scale, offset, fill = (
        number(lst, name) if name in lst.ncattrs() else value for name, value in usual.items()
    )
    return scale, offset, fill


def _quality(dataset: netCDF4.Dataset) -> np.ndarray:
    """DQF_LST as stored, in the shape of LST."""
    quality, shape = variable(dataset, "DQF_LST"), _lst(dataset).shape
    if quality.shape != shape:
        raise SceneError(f"{file_name(dataset)}: DQF_LST has shape {quality.shape}, LST {shape}")
    return np.asarray(quality[:])


def _lst(dataset: netCDF4.Dataset) -> netCDF4.Variable:
    """The variable LST. Raises SceneError if it is not an image."""
    lst = variable(dataset, "LST")
    files.image_shape(lst)
    return lst


def _checked_grid(dataset: netCDF4.Dataset) -> Grid:
    """The stated grid. Raises SceneError with the first assertion that fails."""
    stated = _stated_grid(dataset)
    files.passed(dataset, _checks(dataset, stated))
    return stated


def _stated_grid(dataset: netCDF4.Dataset) -> Grid:
    """The grid of the projection attributes alone."""
    projection, shape = variable(dataset, PROJECTION), files.image_shape(variable(dataset, "LST"))
    name = str(attribute(projection, "grid_mapping_name")).lower()
    if "lambert" in name:
        return grids.lambert_grid(projection, shape)
    if "geos" not in name:
        raise SceneError(
            f"{file_name(dataset)}: unknown projection {name!r}. Files of GK2A are Lambert (KO, "
            "EA) or geostationary (FD)."
        )
    equatorial_m = number(projection, "semi_major_axis")
    viewpoint = Viewpoint(
        number(projection, "longitude_of_projection_origin"),
        number(projection, "perspective_point_height") + equatorial_m,
        equatorial_m,
        number(projection, "semi_minor_axis"),
    )
    return grids.scan_grid(projection, SCAN, viewpoint, shape)


def _checks(dataset: netCDF4.Dataset, stated: Grid) -> Iterator[Assertion]:
    """Whether the attributes agree with each other and with the area."""
    projection = variable(dataset, PROJECTION)
    is_lambert = "+proj=lcc" in stated.crs
    yield from grids.size_checks(projection, "image_width", "image_height", stated, "LST")
    yield from (grids.lambert_checks if is_lambert else _geostationary_checks)(projection, stated)
    yield from grids.area_checks(dataset, stated)


def _geostationary_checks(projection: netCDF4.Variable, stated: Grid) -> Iterator[Assertion]:
    """The file gives no corners; the full disk is symmetric about the satellite."""
    for axis, length in (("column", stated.width), ("line", stated.height)):
        offset = number(projection, f"{axis}_offset")
        yield Assertion(
            f"{axis}_offset is the middle of the full disk",
            f"{offset:g} of {length}",
            abs(offset - (length + 1) / 2) <= grids.TOLERANCE_PX,
        )
    if "sweep_angle_axis" in projection.ncattrs():
        axis = str(attribute(projection, "sweep_angle_axis"))
        yield Assertion("sweep_angle_axis = y", axis, axis == "y")


def _time(dataset: netCDF4.Dataset) -> str:
    """ISO 8601 UTC: the middle of the observation if stated, otherwise the slot in the name."""
    stated = [
        files.instant(dataset, name)
        for name in ("observation_start_time", "observation_end_time")
        if name in dataset.ncattrs()
    ]
    return (
        files.middle(stated[0], stated[-1])
        if stated
        else iso(files.time_in_name(file_name(dataset)))
    )
