"""NetCDF files: opened, and asked for what must be there, with one clear line where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from lstsr.errors import SceneError


@contextmanager
def opened(path: Path) -> Iterator[netCDF4.Dataset]:
    """The NetCDF file at ``path``, values as stored (neither scaled nor masked).

    Raises SceneError where its bytes are no NetCDF or end too soon, and OSError where they cannot
    be had (missing, permission, disk): that is not the scene's fault.
    """
    try:
        dataset = netCDF4.Dataset(path)
    except OSError as error:
        path.read_bytes()
        raise SceneError(f"{path.name}: no NetCDF, or truncated ({error.strerror})") from None
    with dataset:
        dataset.set_auto_maskandscale(False)
        try:
            yield dataset
        except RuntimeError as error:  # how netCDF4 reports damaged chunks, and a failing disk
            path.read_bytes()
            raise SceneError(
                f"{path.name}: cannot be read to its end, truncated? ({error})"
            ) from None


def variable(dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """The variable ``name``, groups before it with slashes; SceneError where it is missing."""
    holder: Any = dataset
    *groups, last = name.strip("/").split("/")
    for group in groups:
        holder = holder.groups.get(group)
        if holder is None:
            raise SceneError(f"{file_name(dataset)}: group {group} of {name} is missing")
    if last not in holder.variables:
        raise SceneError(f"{file_name(dataset)}: variable {name} is missing")
    return holder.variables[last]


def attribute(holder: netCDF4.Dataset | netCDF4.Variable, name: str) -> Any:
    """The attribute ``name`` of a file or variable; SceneError where it is missing."""
    if name not in holder.ncattrs():
        where = "" if isinstance(holder, netCDF4.Dataset) else f"{holder.name}: "
        raise SceneError(f"{file_name(holder)}: {where}attribute {name} is missing")
    return holder.getncattr(name)


def number(holder: netCDF4.Dataset | netCDF4.Variable, name: str) -> float:
    """A numeric attribute, which some files store as text."""
    value = attribute(holder, name)
    try:
        return float(np.asarray(value).item())
    except ValueError:
        raise SceneError(
            f"{file_name(holder)}: attribute {name} = {value!r} is no number"
        ) from None


def file_name(holder: netCDF4.Dataset | netCDF4.Variable) -> str:
    """The file's name, for messages."""
    dataset = holder if isinstance(holder, netCDF4.Dataset) else holder.group()
    while dataset.parent is not None:
        dataset = dataset.parent
    return Path(dataset.filepath()).name
