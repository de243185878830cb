"""NetCDF files: opened, and asked for what must be there, with one clear line if it is not."""

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
# No numeric attribute is larger, unless it is a default of NetCDF for what nobody has set.
LARGEST = 1e20
# Characters of an attribute's value in a message.
LONGEST = 60


@contextmanager
def opened(path: Path) -> Iterator[netCDF4.Dataset]:
    """The NetCDF file at ``path``, values as stored (neither scaled nor masked).

    Raises SceneError if its bytes are not NetCDF, end too soon or are damaged. Raises OSError if
    they cannot be had (missing, permission, disk): that is not the scene's fault.
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
            # netCDF4 reports damaged chunks and a failing disk by the one, damaged attributes by
            # the other
            if isinstance(error, AttributeError) and not str(error).startswith("NetCDF: "):
                raise
            path.read_bytes()
            raise SceneError(
                f"{path.name}: cannot be read to its end ({error}). Download it again."
            ) from None


def variable(dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """The variable ``name``, groups before it with slashes.

    Raises SceneError if it is missing, or if it is an array of anything but numbers.
    """
    holder: Any = dataset
    *groups, last = name.strip("/").split("/")
    for group in groups:
        holder = holder.groups.get(group)
        if holder is None:
            raise SceneError(f"{file_name(dataset)}: group {group} of {name} is missing")
    if last not in holder.variables:
        raise SceneError(f"{file_name(dataset)}: variable {name} is missing")
    found = holder.variables[last]
    # scalars only hold attributes, such as those of a projection, and some are a character
    if found.ndim and not _holds_numbers(found):
        raise SceneError(f"{file_name(dataset)}: variable {name} does not hold numbers")
    return found


def _holds_numbers(found: netCDF4.Variable) -> bool:
    """Whether each value is one number. Lists of any length, texts and records are not."""
    plain = not isinstance(found.datatype, netCDF4.VLType | netCDF4.CompoundType)
    return plain and np.dtype(found.dtype).kind in "iuf"


def attribute(holder: netCDF4.Dataset | netCDF4.Variable, name: str) -> Any:
    """The attribute ``name`` of a file or variable; SceneError if it is missing or unreadable."""
    if name not in holder.ncattrs():
        raise SceneError(f"{_where(holder)}: attribute {name} is missing")
    try:
        return holder.getncattr(name)
    except KeyError:  # how netCDF4 reports types that it does not know
        raise SceneError(f"{_where(holder)}: attribute {name} has an unknown type") from None


def number(holder: netCDF4.Dataset | netCDF4.Variable, name: str) -> float:
    """A numeric attribute, which some files store as text. Only a fill value may be NaN or huge.

    Raises SceneError for any other value.
    """
    value = attribute(holder, name)
    try:
        found = float(np.asarray(value).item())
    except (TypeError, ValueError):
        found = nan
    is_fill = name == FILL_VALUE and not isinstance(value, str)
    if not (is_fill or abs(found) <= LARGEST):
        raise SceneError(
            f"{_where(holder)}: attribute {name} = {_shown(value)} is not a usable number"
        )
    return found


def _shown(value: Any) -> str:
    """``value`` in one short line."""
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


def _where(holder: netCDF4.Dataset | netCDF4.Variable) -> str:
    """The file, and in it the variable."""
    inside = isinstance(holder, netCDF4.Variable)
    return f"{file_name(holder)}: {holder.name}" if inside else file_name(holder)


def file_name(holder: netCDF4.Dataset | netCDF4.Variable) -> str:
    """The file's name, for messages."""
    dataset = holder if isinstance(holder, netCDF4.Dataset) else holder.group()
    while dataset.parent is not None:
        dataset = dataset.parent
    return Path(dataset.filepath()).name
