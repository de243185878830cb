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
from lstsr.sensors.ami import (
    LONGITUDE_DEG,
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
from lstsr.sensors.netcdf import FILL_VALUE, attribute, file_name, number, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Gk2aConfig

PROJECTION = "gk2a_imager_projection"
# Packing of LST in kelvin, where a file does not state its own.
SCALE_FACTOR, ADD_OFFSET, FILL = 0.01, 0.0, 65535
SCAN = ScanNames("column_scale_factor", "line_scale_factor", "column_offset", "line_offset")


def grid(path: Path, sensor: Gk2aConfig) -> Grid:
    """The grid from the file's projection attributes. The file's corners must agree.

    Raises SceneError with the attribute that disagrees, and OSError if the file cannot be opened.
    """
    with opened(path) as dataset:
        return _placed(dataset)


def read(path: Path, sensor: Gk2aConfig) -> SensorImage:
    """LST in kelvin where the quality flag DQF_LST is one of ``sensor.accepted``.

    The time is the middle of the observation if the file states it, otherwise the time in the name.
    Raises SceneError if the file is truncated, lacks a variable, contradicts itself or its name,
    or holds no valid pixel.
    """
    with opened(path) as dataset:
        placed = _placed(dataset)
        lst_k, stored = _lst_k(dataset)
        quality = _quality(dataset)
        taken = _time(dataset)
    valid = stored & np.isin(quality, sensor.accepted)
    valid &= (lst_k >= sensor.valid_min) & (lst_k <= sensor.valid_max)
    if not valid.any():
        raise SceneError(
            f"{path.name}: no valid pixel. Is it all cloud? Accepted DQF_LST: {sensor.accepted}"
        )
    return SensorImage(
        np.where(valid, lst_k, np.float32(np.nan))[None],
        valid,
        placed,
        ("lst",),
        "kelvin",
        sensor.sensor,
        taken,
        (f"read {path.name}", f"DQF_LST in {sensor.accepted}"),
        Viewpoint(LONGITUDE_DEG),
    )


def inspect(path: Path) -> Inspection:
    """What the file says of itself, and whether its parts agree.

    A part that is missing or damaged is a failed assertion among the others; SceneError is raised
    only where the file cannot be opened.
    """
    parts = {
        "the observation time is known": _time_facts,
        "the projection is understood": lambda dataset: grid_facts(_stated(dataset)),
        "LST can be read": _lst_facts,
        "DQF_LST can be read": _quality_facts,
    }
    with opened(path) as dataset:
        facts, checks = gathered(dataset, parts)
        try:
            checks += _assertions(dataset, _stated(dataset))
        except SceneError as error:
            checks.append(Assertion("the grid can be checked", str(error), False))
    return Inspection("GK2A/AMI L2 LST", tuple(facts), tuple(checks))


def _time_facts(dataset: netCDF4.Dataset) -> list[Fact]:
    return [("time", _time(dataset))]


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
    codes, counts = np.unique(quality, return_counts=True)
    shares = zip(codes, counts / quality.size, strict=True)
    good = (_lst_k(dataset)[1] & (quality == 0)).mean()
    return [
        ("DQF_LST", ", ".join(f"{code}: {share:.1%}" for code, share in shares)),
        ("valid share", f"{good:.1%} (not fill, DQF_LST 0)"),
    ]


def _lst_k(dataset: netCDF4.Dataset) -> tuple[Floats, Mask]:
    """LST in kelvin, and where it is not fill.

    Values are read as stored and scaled once: scaled twice, 276 K turn into 2.76.
    """
    scale, offset, fill = _packing(dataset)
    stored = np.asarray(_lst(dataset)[:])
    with np.errstate(over="ignore", invalid="ignore"):
        return (stored * scale + offset).astype(np.float32), stored != fill


def _packing(dataset: netCDF4.Dataset) -> tuple[float, float, float]:
    """(scale, offset, fill) of LST: the file's own, KMA's where it states none."""
    lst = _lst(dataset)
    known = {"scale_factor": SCALE_FACTOR, "add_offset": ADD_OFFSET, FILL_VALUE: FILL}
    scale, offset, fill = (
        number(lst, name) if name in lst.ncattrs() else usual for name, usual in known.items()
    )
    return scale, offset, fill


def _quality(dataset: netCDF4.Dataset) -> np.ndarray:
    """DQF_LST as stored, of LST's shape."""
    quality = variable(dataset, "DQF_LST")
    if quality.shape != _shape(dataset):
        raise SceneError(
            f"{file_name(dataset)}: DQF_LST has shape {quality.shape}, LST {_shape(dataset)}"
        )
    return np.asarray(quality[:])


def _lst(dataset: netCDF4.Dataset) -> netCDF4.Variable:
    """The variable LST; SceneError if it is not an image."""
    lst = variable(dataset, "LST")
    image_shape(lst)
    return lst


def _shape(dataset: netCDF4.Dataset) -> tuple[int, int]:
    return image_shape(variable(dataset, "LST"))


def _placed(dataset: netCDF4.Dataset) -> Grid:
    """The stated grid; SceneError with the first assertion that fails."""
    placed = _stated(dataset)
    passed(dataset, _assertions(dataset, placed))
    return placed


def _stated(dataset: netCDF4.Dataset) -> Grid:
    """The grid of the projection attributes alone."""
    projection = variable(dataset, PROJECTION)
    name = str(attribute(projection, "grid_mapping_name")).lower()
    if "lambert" in name:
        return lambert_grid(projection, _shape(dataset))
    if "geos" in name:
        return _stated_geostationary(dataset, projection)
    raise SceneError(
        f"{file_name(dataset)}: unknown projection {name!r}. Files of GK2A are Lambert (KO, EA) or "
        "geostationary (FD)."
    )


def _stated_geostationary(dataset: netCDF4.Dataset, projection: netCDF4.Variable) -> Grid:
    height_m = number(projection, "perspective_point_height")
    crs = geostationary(
        number(projection, "longitude_of_projection_origin"),
        height_m,
        number(projection, "semi_major_axis"),
        number(projection, "semi_minor_axis"),
    )
    return scan_grid(projection, SCAN, crs, height_m, _shape(dataset))


def _assertions(dataset: netCDF4.Dataset, placed: Grid) -> tuple[Assertion, ...]:
    """What must hold of the attributes, then of the area as a whole."""
    projection = variable(dataset, PROJECTION)
    of_projection = lambert_checks if "+proj=lcc" in placed.crs else _geostationary_checks
    return (
        *size_checks(projection, "image_width", "image_height", placed, "LST"),
        *of_projection(projection, placed),
        *area_checks(dataset, placed),
    )


def _geostationary_checks(projection: netCDF4.Variable, placed: Grid) -> Iterator[Assertion]:
    """The file gives no corners; the full disk is symmetric about the satellite."""
    for axis, length in (("column", placed.width), ("line", placed.height)):
        offset = number(projection, f"{axis}_offset")
        yield Assertion(
            f"{axis}_offset is the middle of the full disk",
            f"{offset:g} of {length}",
            abs(offset - (length + 1) / 2) <= TOLERANCE_PX,
        )
    if "sweep_angle_axis" in projection.ncattrs():
        axis = str(attribute(projection, "sweep_angle_axis"))
        yield Assertion("sweep_angle_axis = y", axis, axis == "y")


def _time(dataset: netCDF4.Dataset) -> str:
    """ISO 8601 UTC: the middle of the observation where it is stated, otherwise the name's slot."""
    stated = [
        instant(dataset, name)
        for name in ("observation_start_time", "observation_end_time")
        if name in dataset.ncattrs()
    ]
    if not stated:
        return f"{time_in_name(file_name(dataset)):%Y-%m-%dT%H:%M:%SZ}"
    return f"{stated[0] + (stated[-1] - stated[0]) / 2:%Y-%m-%dT%H:%M:%SZ}"
