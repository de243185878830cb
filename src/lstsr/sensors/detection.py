"""Detect the product of a path by its content, and inspect it with its reader."""

from __future__ import annotations

from pathlib import Path

from lstsr.errors import SceneError
from lstsr.registry import reader
from lstsr.sensors import netcdf
from lstsr.sensors.goci2.bands import product_of
from lstsr.sensors.inspection import Inspection
from lstsr.sensors.landsat.names import check_path
from lstsr.sensors.raster.opening import is_store

HDF5 = b"\x89HDF\r\n\x1a\n"
"""First bytes of NetCDF-4 files."""


def inspect(path: Path, product: str | None = None) -> Inspection:
    """Inspection of ``path`` by the reader of ``product``; by default the product is detected.

    Raises SceneError if no reader understands it, and OSError if it cannot be read from disk.
    """
    inspection: Inspection = reader(product or detect(path)).inspect(path)
    return inspection


def detect(path: Path) -> str:
    """The product of ``path``: an agency's product by its layout, otherwise any raster (geotiff).

    Raises SceneError for a part of a product that cannot be read alone, such as an archive.
    """
    if path.is_dir() and is_store(path):
        return "geotiff"
    check_path(path)
    if path.is_dir() or "_MTL." in path.name.upper():
        return "landsat"
    if path.exists() and not path.is_file():
        # opening a pipe would wait for a writer
        raise SceneError(f"{path.name}: neither a file nor a folder. Name a raster")
    with path.open("rb") as file:
        magic = file.read(8)
    return _netcdf_product(path) if magic == HDF5 else "geotiff"


def _netcdf_product(path: Path) -> str:
    try:
        with netcdf.opened(path) as dataset:
            if "geophysical_data" in dataset.groups:
                return product_of(dataset) or "goci2"
            if "image_pixel_values" in dataset.variables:
                return "gk2a-l1b"
            # a file that other tools reprojected or cut keeps its name and LST, but not these
            is_gk2a = any(
                name == "gk2a_imager_projection" or name.startswith("DQF_")
                for name in dataset.variables
            )
            return "gk2a" if is_gk2a else "geotiff"
    except SceneError:
        # the reader reports what is wrong with the file
        return "gk2a" if "gk2a_ami_le2" in path.name.lower() else "geotiff"
