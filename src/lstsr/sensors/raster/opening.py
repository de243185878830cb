"""Open rasters with GDAL, and refuse damaged files in which GDAL would read wrong numbers."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from scipy.io import netcdf_file

from lstsr.errors import SceneError
from lstsr.sensors import netcdf

# GDAL's errors also raise exceptions, and its warnings are about formats.
logging.getLogger("rasterio").setLevel(logging.ERROR)
LATITUDE = re.compile("degrees?(_north|_?n)", re.IGNORECASE)
LONGITUDE = re.compile("degrees?(_east|_?e)", re.IGNORECASE)
"""Units of geographic axes in CF (sections 4.1 and 4.2)."""
RAW = frozenset(("EHdr", "ENVI", "ERS", "GenBin", "ISCE", "PAux", "ROI_PAC", "RRASTER"))
"""Formats that store numbers without a header; GDAL reads zeros beyond the end of the file."""


@contextmanager
def opened(path: Path, variable: str = "") -> Iterator[rasterio.DatasetReader]:
    """The raster at ``path``, or one ``variable`` of a file that holds several.

    Raises SceneError if GDAL cannot decode the file. Raises OSError if the file cannot be read from
    disk (missing, permission, disk, network), because the scene itself can be good.
    """
    if path.is_dir() and not is_store(path):
        raise SceneError(f"{path.name}: it is a folder, not a raster. Name a file in it")
    try:
        with warnings.catch_warnings():
            # readers refuse a raster without georeferencing, with advice
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(variable or path)
        with dataset:
            if dataset.driver in RAW:
                _check_size_of(path, dataset)
            if dataset.driver == "netCDF":
                _check_whole(path)
                _check_axes(path, dataset)
            yield dataset
    except RasterioError as error:
        if not path.is_dir():
            with path.open("rb") as file:
                file.read(1)  # raises OSError if the disk is at fault
        why = error.__cause__ or error
        raise SceneError(
            f"{path.name}: cannot be read. It may be truncated, or of a format that this build of "
            f"GDAL does not know; convert it with gdal_translate ({one_line(why)})"
        ) from None


def _check_size_of(path: Path, dataset: rasterio.DatasetReader) -> None:
    """Raise SceneError if no file of a raw raster is as large as its numbers."""
    packed = "NBITS" in dataset.tags(1, ns="IMAGE_STRUCTURE")
    compressed = dataset.tags(ns="ENVI").get("file_compression", "0") != "0"
    if packed or compressed:
        return
    sizes = (4 if name == "complex_int16" else np.dtype(name).itemsize for name in dataset.dtypes)
    expected = dataset.width * dataset.height * sum(sizes)
    size = max(Path(file).stat().st_size for file in dataset.files if Path(file).is_file())
    if size < expected:
        raise SceneError(
            f"{path.name}: truncated, {size} bytes of the {expected} that its header states. "
            "Download it again, or correct the header"
        )


def _check_whole(path: Path) -> None:
    """Raise SceneError if a classic NetCDF file ends before its data: GDAL reads zeros there."""
    with path.open("rb") as file:
        if file.read(4) not in (b"CDF\x01", b"CDF\x02"):
            return
    try:
        # this maps all arrays but reads no values
        netcdf_file(path, mmap=True)
    except ValueError:
        raise SceneError(
            f"{path.name}: truncated, it ends before its data. Download it again"
        ) from None


def _check_axes(path: Path, dataset: rasterio.DatasetReader) -> None:
    """Raise SceneError if the axes of a NetCDF are not evenly spaced, which GDAL assumes."""
    names = {
        name
        for key, value in dataset.tags().items()
        for name, _, attribute in [key.rpartition("#")]
        if (attribute == "units" and (LATITUDE.fullmatch(value) or LONGITUDE.fullmatch(value)))
        # projected axes in CF, appendix F
        or (attribute == "standard_name" and re.fullmatch("projection_[xy]_coordinate", value))
    }
    if not names or dataset.transform.is_identity:
        return
    with netcdf.opened(path) as file:
        for name in sorted(names & file.variables.keys()):
            axis = file.variables[name]
            values = np.asarray(axis[:], np.float64) if axis.ndim == 1 else np.zeros(0)
            if len(values) < 3:
                continue
            even = np.linspace(values[0], values[-1], len(values))
            step = abs(values[-1] - values[0]) / (len(values) - 1)
            if not np.abs(values - even).max() <= 0.1 * step:
                raise SceneError(
                    f"{path.name}: the coordinates {name} are not evenly spaced. Interpolate to a "
                    "regular grid first, such as with `cdo remapbil`"
                )


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr store, which GDAL opens as one raster."""
    return any((path / name).exists() for name in (".zgroup", ".zarray", ".zmetadata", "zarr.json"))


def one_line(error: object) -> str:
    """The message of a library without line breaks."""
    return " ".join(str(error).split())
