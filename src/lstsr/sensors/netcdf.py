"""Open NetCDF files and read variables and attributes, with clear errors if any is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import nan
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from lstsr.errors import SceneError

# Larger numbers are NetCDF defaults of attributes that were never set.
LARGEST = 1e20

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
        path.read_bytes()  # raises OSError if the disk is at fault
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
    """The variable ``name``, with slashes between groups.

    Raises SceneError if it is missing, or is an array without numbers.
    """
    holder: Any = dataset
    *groups, last = name.strip("/").split("/")
    for group in groups:
        holder = holder.groups.get(group)
        if holder is None:
            raise fault(dataset, f"group {group} of {name} is missing")
    if last not in holder.variables:
        raise fault(dataset, f"variable {name} is missing")
    values = holder.variables[last]
    is_plain = not isinstance(values.datatype, netCDF4.VLType | netCDF4.CompoundType)
    # a scalar can be a character: it only holds attributes, for example of a projection
    if values.ndim and not (is_plain and np.dtype(values.dtype).kind in "iuf"):
        raise fault(dataset, f"variable {name} does not hold numbers")
    return values


def attribute(holder: Holder, name: str) -> Any:
    """An attribute of a file or variable. Raises SceneError if it is missing or unreadable."""
    if name not in holder.ncattrs():
        raise _attribute_fault(holder, name, "is missing")
    try:
        return holder.getncattr(name)
    except KeyError:  # netCDF4 raises this for an unknown type
        raise _attribute_fault(holder, name, "has an unknown type") from None


def number(holder: Holder, name: str) -> float:
    """A numeric attribute; some files store it as text. Only a fill value can be NaN or huge.

    Raises SceneError for any other value.
    """
    value = attribute(holder, name)
    try:
        parsed = float(np.asarray(value).item())
    except (TypeError, ValueError):
        parsed = nan
    is_fill = name == "_FillValue" and not isinstance(value, str)
    if not (is_fill or abs(parsed) <= LARGEST):
        shown = " ".join(repr(value).split())
        raise _attribute_fault(holder, name, f"= {shown:.60} is not a usable number")
    return parsed


def packing(stored: netCDF4.Variable, *usual: float) -> tuple[float, float, float]:
    """(fill, scale, offset) of a variable; ``usual`` ones for missing attributes."""
    names = ("_FillValue", "scale_factor", "add_offset")
    fill, scale, offset = (
        number(stored, name) if name in stored.ncattrs() else value
        for name, value in zip(names, usual, strict=True)
    )
    return fill, scale, offset


def physical(
    stored: netCDF4.Variable,
    fill: float,
    scale: float = 1.0,
    offset: float = 0.0,
    lines: Iterable[int] | None = None,
) -> NDArray[np.floating[Any]]:
    """Scaled values of all ``lines`` or some, NaN at fill. Packing as in `packing`."""
    fill, scale, offset = packing(stored, fill, scale, offset)
    numbers = stored[:] if lines is None else np.stack([stored[line] for line in lines])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(numbers != fill, numbers * scale + offset, np.nan)


def fault(holder: Holder, text: str) -> SceneError:
    """The error ``text`` about a file, with the file's name in front."""
    return SceneError(f"{file_name(holder)}: {text}")


def _attribute_fault(holder: Holder, name: str, text: str) -> SceneError:
    inside = f"{holder.name}: " if isinstance(holder, netCDF4.Variable) else ""
    return fault(holder, f"{inside}attribute {name} {text}")


def file_name(holder: Holder) -> str:
    """Name of the file that a group or variable belongs to."""
    dataset = holder if isinstance(holder, netCDF4.Dataset) else holder.group()
    while dataset.parent is not None:
        dataset = dataset.parent
    return Path(dataset.filepath()).name
