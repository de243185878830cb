"""Open NetCDF files and read variables and attributes, with clear errors if any is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import nan
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from lstsr.errors import SceneError

FILL_VALUE = "_FillValue"
# Larger numbers are NetCDF defaults for attributes that were never set.
LARGEST = 1e20
# Most characters of an attribute's value in a message.
LONGEST = 60

Holder = netCDF4.Dataset | netCDF4.Variable
"""Holder of attributes: a file, a group or a variable."""


@contextmanager
def opened(path: Path) -> Iterator[netCDF4.Dataset]:
    """The NetCDF file at ``path``, values as stored (neither scaled nor masked).

    Raises SceneError if the file is not NetCDF, truncated or damaged. Raises OSError if it cannot
    be opened (missing, permission, disk), because the scene itself can be good.
    """
    try:
        dataset = netCDF4.Dataset(path)
    except (OSError, RuntimeError) as error:
        path.read_bytes()
        why = error.strerror if isinstance(error, OSError) else error
        raise SceneError(
            f"{path.name}: not a NetCDF file, or truncated ({why}). Download it again."
        ) from None
    with dataset:
        dataset.set_auto_maskandscale(False)
        try:
            yield dataset
        except (RuntimeError, AttributeError) as error:
            # netCDF4 raises RuntimeError for damaged chunks and failing disks, AttributeError for
            # damaged attributes
            if isinstance(error, AttributeError) and not str(error).startswith("NetCDF: "):
                raise
            path.read_bytes()
            raise SceneError(
                f"{path.name}: cannot be read completely ({error}). Download it again."
            ) from None


def variable(dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """The variable ``name``; groups come first, with slashes.

    Raises SceneError if it is missing or is an array without numbers.
    """
    holder: Any = dataset
    *groups, last = name.strip("/").split("/")
    for group in groups:
        holder = holder.groups.get(group)
        if holder is None:
            raise SceneError(f"{file_name(dataset)}: group {group} of {name} is missing")
    if last not in holder.variables:
        raise SceneError(f"{file_name(dataset)}: variable {name} is missing")
    values = holder.variables[last]
    is_plain = not isinstance(values.datatype, netCDF4.VLType | netCDF4.CompoundType)
    # scalars can be characters: they only hold attributes, for example of a projection
    if values.ndim and not (is_plain and np.dtype(values.dtype).kind in "iuf"):
        raise SceneError(f"{file_name(dataset)}: variable {name} does not hold numbers")
    return values


def attribute(holder: Holder, name: str) -> Any:
    """An attribute of a file or variable. Raises SceneError if it is missing or unreadable."""
    if name not in holder.ncattrs():
        raise SceneError(f"{_where(holder)}: attribute {name} is missing")
    try:
        return holder.getncattr(name)
    except KeyError:  # netCDF4 raises this for an unknown type
        raise SceneError(f"{_where(holder)}: attribute {name} has an unknown type") from None


def number(holder: Holder, name: str) -> float:
    """A numeric attribute; some files store it as text. Only a fill value can be NaN or huge.

    Raises SceneError for any other value.
    """
    value = attribute(holder, name)
    try:
        parsed = float(np.asarray(value).item())
    except (TypeError, ValueError):
        parsed = nan
    is_fill = name == FILL_VALUE and not isinstance(value, str)
    if not (is_fill or abs(parsed) <= LARGEST):
        shown = " ".join(repr(value).split())
        shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."
        raise SceneError(f"{_where(holder)}: attribute {name} = {shown} is not a usable number")
    return parsed


def _where(holder: Holder) -> str:
    """The name of the file and, for a variable, of the variable."""
    inside = isinstance(holder, netCDF4.Variable)
    return f"{file_name(holder)}: {holder.name}" if inside else file_name(holder)


def file_name(holder: Holder) -> str:
    """The file's name, for messages."""
    dataset = holder if isinstance(holder, netCDF4.Dataset) else holder.group()
    while dataset.parent is not None:
        dataset = dataset.parent
    return Path(dataset.filepath()).name
