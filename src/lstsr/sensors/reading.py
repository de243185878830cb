"""Read an image or a grid from a file of any product.

A reading (`lstsr.config.SensorConfig`) says how to read the files of a role: product, bands, unit,
scale, offset, no-data, valid range, coordinate system.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lstsr.config import GeotiffConfig
from lstsr.errors import LstsrError, SceneError
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.registry import reader
from lstsr.sensors.plausible import checked
from lstsr.sensors.raster.opening import one_line
from lstsr.sensors.raster.selection import calibrations

if TYPE_CHECKING:
    from lstsr.config import SensorConfig


def read_image(path: Path, reading: SensorConfig, role: str) -> SensorImage:
    """The image of a role, calibrated and masked, without impossible values.

    Raises SceneError for any fault in the file's content and OSError if it cannot be opened.
    """
    with _one_line(path):
        image: SensorImage = reader(reading.product).read(path, reading)
        known = calibrations(path, reading) if isinstance(reading, GeotiffConfig) else ()
        return checked(image, path.name, f"sensors.{role}", reading, known)


def read_grid(path: Path, reading: SensorConfig) -> Grid:
    """The grid of a file from its header. Raises like `read_image`."""
    with _one_line(path):
        grid: Grid = reader(reading.product).grid(path, reading)
        return grid


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn any library's error on a damaged file into a SceneError of one line."""
    try:
        yield
    except (LstsrError, OSError, MemoryError):
        raise
    except Exception as error:
        raise SceneError(
            f"{path.name}: cannot be read ({type(error).__name__}: {one_line(error)}). Check the "
            "file with `lstsr inspect`"
        ) from error
