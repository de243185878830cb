"""Files by their readings: an image or a grid, or one clear line on what is wrong with the file.

A reading (`lstsr.config.SensorConfig`) says how the files of a role are read: product, bands, unit,
scale, offset, no-data, valid range, coordinate system.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lstsr.errors import LstsrError, SceneError
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.registry import reader
from lstsr.sensors.plausible import checked

if TYPE_CHECKING:
    from lstsr.config import SensorConfig


def read_image(path: Path, reading: SensorConfig, role: str) -> SensorImage:
    """The image of a role, calibrated, masked and free of values that cannot be.

    Raises SceneError where the file's content is at fault, whatever its bytes, and OSError where
    it cannot be had.
    """
    with _one_line(path):
        image: SensorImage = reader(reading.product).read(path, reading)
        return checked(image, path.name, f"sensors.{role}", reading)


def read_grid(path: Path, reading: SensorConfig) -> Grid:
    """The grid of a file, by its header; raises as `read_image`."""
    with _one_line(path):
        grid: Grid = reader(reading.product).grid(path, reading)
        return grid


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turns what a library makes of a damaged file into the fault of a scene."""
    try:
        yield
    except (LstsrError, OSError, MemoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise SceneError(
            f"{path.name}: cannot be read ({type(error).__name__}: {text}). Check the file with "
            "`lstsr inspect`"
        ) from error
