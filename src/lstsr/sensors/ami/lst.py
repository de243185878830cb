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

from lstsr.grid import Grid
from lstsr.image import Floats, SensorImage, Viewpoint
from lstsr.sensors.ami import files, grids
from lstsr.sensors.inspection import Assertion, Fact, Inspection, grid_facts
from lstsr.sensors.netcdf import attribute, fault, number, opened, packing, physical, variable

if TYPE_CHECKING:
    from lstsr.config import Gk2aConfig

PROJECTION = "gk2a_imager_projection"
# Packing of LST in kelvin if a file does not state its own.
SCALE_FACTOR, ADD_OFFSET, FILL = 0.01, 0.0, 65535
SCAN = ("column_scale_factor", "line_scale_factor", "column_offset", "line_offset")


def grid(path: Path, sensor: Gk2aConfig) -> Grid:
    """The grid of the projection attributes. Raises SceneError if they contradict each other."""
    with opened(path) as dataset:
        return _checked_grid(dataset)


def read(path: Path, sensor: Gk2aConfig) -> SensorImage:
    """LST in kelvin, valid if the quality flag DQF_LST is one of ``sensor.accepted``.

    The time is the middle of the observation if the file states it, otherwise the time in the name.
    Raises SceneError if the content is at fault: damaged, contradictory, or nothing valid.
    """
    with opened(path) as dataset:
        image_grid = _checked_grid(dataset)
        lst_k = _lst_k(dataset)
        image = SensorImage(
            lst_k[None],
            np.isfinite(lst_k) & np.isin(_quality(dataset), sensor.accepted),
            image_grid,
            ("lst",),
            "kelvin",
            sensor.sensor,
            files.observed(dataset, required=False),
            (f"read {path.name}", f"DQF_LST in {sensor.accepted}"),
            grids.GK2A,
        )
    return files.in_range(path, image, sensor)


def inspect(path: Path) -> Inspection:
    """Facts about the file, and whether its parts agree.

    A missing or damaged part becomes a failed assertion. Raises SceneError if the file cannot be
    opened.
    """
    parts: files.Parts = {
        "the observation time is known": lambda one: [("time", files.observed(one, False))],
        "the projection is understood": lambda one: grid_facts(_stated_grid(one)),
        "LST can be read": _lst_facts,
        "DQF_LST can be read": _quality_facts,
        "the grid can be checked": _checks,
    }
    with opened(path) as dataset:
        return files.inspected(dataset, "GK2A/AMI L2 LST", parts)


def _lst_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    fill, scale, offset = packing(files.image(dataset, "LST"), FILL, SCALE_FACTOR, ADD_OFFSET)
    lst_k = _lst_k(dataset)
    known = lst_k[np.isfinite(lst_k)]
    return [
        ("band", f"lst, kelvin = stored x {scale:g} + {offset:g}, fill {fill:g}"),
        ("LST", f"{known.min():.2f} .. {known.max():.2f} K" if known.size else "only fill"),
    ]


def _quality_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    quality = _quality(dataset)
    good = (np.isfinite(_lst_k(dataset)) & (quality == 0)).mean()
    return [
        ("DQF_LST", files.shares(quality)),
        ("valid share", f"{good:.1%} (not fill, DQF_LST 0)"),
    ]


def _lst_k(dataset: netCDF4.Dataset) -> Floats:
    """LST in kelvin, NaN at fill."""
    lst = files.image(dataset, "LST")
    return physical(lst, FILL, SCALE_FACTOR, ADD_OFFSET).astype(np.float32)


def _quality(dataset: netCDF4.Dataset) -> np.ndarray:
    """DQF_LST as stored, in the shape of LST."""
    quality, shape = variable(dataset, "DQF_LST"), files.image(dataset, "LST").shape
    if quality.shape != shape:
        raise fault(dataset, f"DQF_LST has shape {quality.shape}, LST {shape}")
    return np.asarray(quality[:])


def _checked_grid(dataset: netCDF4.Dataset) -> Grid:
    files.passed(dataset, _checks(dataset))
    return _stated_grid(dataset)


def _stated_grid(dataset: netCDF4.Dataset) -> Grid:
    projection, shape = variable(dataset, PROJECTION), files.image(dataset, "LST").shape
    name = str(attribute(projection, "grid_mapping_name")).lower()
    if "lambert" in name:
        return grids.lambert_grid(projection, shape)
    if "geos" not in name:
        known = "Lambert (KO, EA) or geostationary (FD)"
        raise fault(dataset, f"unknown projection {name!r}. Files of GK2A are {known}.")
    equatorial_m = number(projection, "semi_major_axis")
    viewpoint = Viewpoint(
        number(projection, "longitude_of_projection_origin"),
        number(projection, "perspective_point_height") + equatorial_m,
        equatorial_m,
        number(projection, "semi_minor_axis"),
    )
    return grids.scan_grid(projection, SCAN, viewpoint, shape)


def _checks(dataset: netCDF4.Dataset) -> Iterator[Assertion]:
    """Whether the attributes agree with each other and with the area."""
    projection, stated = variable(dataset, PROJECTION), _stated_grid(dataset)
    is_lambert = "+proj=lcc" in stated.crs
    yield from grids.size_checks(projection, "image_width", "image_height", stated)
    yield from (grids.lambert_checks if is_lambert else _geostationary_checks)(projection, stated)
    yield from grids.area_checks(dataset, stated)


def _geostationary_checks(projection: netCDF4.Variable, stated: Grid) -> Iterator[Assertion]:
    """Whether the full disk is symmetric about the satellite; the file states no corners."""
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
