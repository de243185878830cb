"""Names, times and consistency checks that all AMI files share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import netCDF4
import numpy as np

from lstsr.errors import SceneError
from lstsr.sensors.inspection import Assertion, Fact, Inspection
from lstsr.sensors.netcdf import Holder, file_name, number
from lstsr.times import iso

NAME_TIME = re.compile(r"(?<!\d)(\d{12})(?!\d)")
NAME_AREA = re.compile(r"_(ko|ea|fd)(?:\d{3}(?:lc|ge))?_")
# AMI counts seconds from noon, not from midnight. Times outside these years have another epoch.
EPOCH = datetime(2000, 1, 1, 12, tzinfo=UTC)
YEARS = range(2018, 2050)


def passed(holder: Holder, checks: Iterable[Assertion]) -> None:
    """Raise SceneError with the first of ``checks`` that fails."""
    for check in checks:
        if not check.passed:
            raise SceneError(f"{file_name(holder)}: {check.claim} fails: {check.found}")


def inspected(
    dataset: netCDF4.Dataset,
    product: str,
    facts: Mapping[str, Callable[[netCDF4.Dataset], list[Fact]]],
    checks: Mapping[str, Callable[[netCDF4.Dataset], Iterable[Assertion]]],
) -> Inspection:
    """Facts and assertions about a file.

    Both arguments map a claim to the function that reads one part of the file. If a part cannot be
    read, its claim becomes a failed assertion.
    """
    listed: list[Fact] = [("file", file_name(dataset))]
    assertions: list[Assertion] = []
    for claim, read_facts in facts.items():
        try:
            listed += read_facts(dataset)
        except (SceneError, RuntimeError) as error:  # RuntimeError: damaged chunks
            assertions.append(Assertion(claim, str(error), False))
    for claim, check in checks.items():
        try:
            assertions += check(dataset)
        except SceneError as error:
            assertions.append(Assertion(claim, str(error), False))
    return Inspection(product, tuple(listed), tuple(assertions))


def shares(codes: np.ndarray) -> str:
    """Share of each code, for people: "0: 93.1%, 2: 6.9%"."""
    unique, counts = np.unique(codes, return_counts=True)
    return ", ".join(
        f"{code}: {count / codes.size:.1%}" for code, count in zip(unique, counts, strict=True)
    )


def image_shape(image: netCDF4.Variable) -> tuple[int, int]:
    """(rows, columns) of an image. Raises SceneError if it is not 2-D or is empty."""
    if image.ndim != 2 or 0 in image.shape:
        raise SceneError(
            f"{file_name(image)}: {image.name} has shape {image.shape}. Expected (rows, columns)."
        )
    rows, columns = image.shape
    return rows, columns


def instant(dataset: netCDF4.Dataset, name: str) -> datetime:
    """A time attribute: seconds since 2000-01-01 12:00. Raises SceneError for any other value."""
    seconds = number(dataset, name)
    try:
        time = EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        time = EPOCH
    if time.year not in YEARS:
        raise SceneError(
            f"{file_name(dataset)}: {name} = {seconds:g} is not a time of GK2A in seconds since "
            "2000-01-01 12:00"
        )
    return time


def middle(start: datetime, end: datetime) -> str:
    """The middle of an observation, ISO 8601 UTC."""
    return iso(start + (end - start) / 2)


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
