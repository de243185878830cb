"""Names, times and consistency checks that all AMI files share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from lstsr.errors import SceneError
from lstsr.image import SensorImage
from lstsr.sensors.inspection import Assertion, Fact, Inspection
from lstsr.sensors.netcdf import Holder, fault, file_name, number, variable
from lstsr.sensors.plausible import limits
from lstsr.times import iso

if TYPE_CHECKING:
    from lstsr.config import Gk2aConfig, Gk2aL1bConfig

Parts = Mapping[str, Callable[[netCDF4.Dataset], Iterable[Fact | Assertion]]]
"""Functions that read one part of a file each; the keys claim that it can be read."""
NAME_TIME = re.compile(r"(?<!\d)(\d{12})(?!\d)")
NAME_AREA = re.compile(r"_(ko|ea|fd)(?:\d{3}(?:lc|ge))?_")
# AMI counts seconds from noon, not from midnight. Times outside these years have another epoch.
EPOCH = datetime(2000, 1, 1, 12, tzinfo=UTC)
YEARS = range(2018, 2050)


def in_range(path: Path, seen: SensorImage, sensor: Gk2aConfig | Gk2aL1bConfig) -> SensorImage:
    """An image of one band within the valid range of ``sensor``; NaN elsewhere.

    Raises SceneError if no valid pixel is left.
    """
    low, high = limits(sensor)
    valid = seen.valid & (seen.values[0] >= low) & (seen.values[0] <= high)
    if not valid.any():
        raise SceneError(
            f"{path.name}: no valid pixel. If the scene is not all cloud, change accepted (now "
            f"{sensor.accepted}), valid_min or valid_max of the sensor"
        )
    return replace(seen, values=np.where(valid, seen.values, np.float32(np.nan)), valid=valid)


def passed(holder: Holder, checks: Iterable[Assertion]) -> None:
    """Raise SceneError with the first of ``checks`` that fails."""
    for check in checks:
        if not check.passed:
            raise fault(holder, f"check failed: {check.claim} ({check.found})")


def inspected(dataset: netCDF4.Dataset, product: str, parts: Parts) -> Inspection:
    """The facts and assertions that ``parts`` read from a file.

    If a part cannot be read, its key becomes the claim of a failed assertion.
    """
    found: list[Fact | Assertion] = [("file", file_name(dataset))]
    for claim, read in parts.items():
        try:
            found += read(dataset)
        except (SceneError, RuntimeError) as error:  # RuntimeError: damaged chunks
            found.append(Assertion(claim, str(error), False))
    return Inspection(
        product,
        tuple(one for one in found if not isinstance(one, Assertion)),
        tuple(one for one in found if isinstance(one, Assertion)),
    )


def shares(codes: np.ndarray) -> str:
    """Share of each code, for people: "0: 93.1%, 2: 6.9%"."""
    unique, counts = np.unique(codes, return_counts=True)
    return ", ".join(
        f"{code}: {count / codes.size:.1%}" for code, count in zip(unique, counts, strict=True)
    )


def image(dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """The variable ``name`` (rows, columns). Raises SceneError if it is not 2-D or is empty."""
    values = variable(dataset, name)
    if values.ndim != 2 or 0 in values.shape:
        raise fault(dataset, f"{name} has shape {values.shape}. Expected (rows, columns).")
    return values


def instant(dataset: netCDF4.Dataset, name: str) -> datetime:
    """A time attribute: seconds since 2000-01-01 12:00. Raises SceneError for any other value."""
    seconds = number(dataset, name)
    # clipped to years that are refused below, because datetime overflows
    time = EPOCH + timedelta(seconds=min(max(seconds, 0), 2e9))
    if time.year not in YEARS:
        text = "is not a time of GK2A in seconds since 2000-01-01 12:00"
        raise fault(dataset, f"{name} = {seconds:g} {text}")
    return time


def observed(dataset: netCDF4.Dataset, required: bool) -> str:
    """The middle of the observation, ISO 8601 UTC.

    A file that does not state it has the time in its name, unless the attributes are ``required``.
    """
    names = ("observation_start_time", "observation_end_time")
    times = [instant(dataset, name) for name in names if required or name in dataset.ncattrs()]
    if not times:
        return iso(time_in_name(file_name(dataset)))
    return iso(times[0] + (times[-1] - times[0]) / 2)


def time_in_name(name: str) -> datetime:
    """The time slot YYYYMMDDHHMM in a file's name, UTC. Raises SceneError if there is none."""
    match = NAME_TIME.search(name)
    if match is None:
        raise SceneError(f"{name}: the file name has no time. Rename it to ..._YYYYMMDDHHMM.nc.")
    try:
        return datetime.strptime(match[1], "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise SceneError(
            f"{name}: {match[1]} is not a time YYYYMMDDHHMM. Rename the file."
        ) from None
