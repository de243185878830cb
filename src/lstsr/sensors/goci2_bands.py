"""What the bands of GOCI-II have in common at all levels: wavelengths, stored values, indices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from lstsr.errors import SceneError
from lstsr.image import Floats
from lstsr.sensors.netcdf import file_name, number, variable

WAVELENGTHS_NM = (380, 412, 443, 490, 510, 555, 620, 660, 680, 709, 745, 865)
LATITUDE, LONGITUDE = "navigation_data/latitude", "navigation_data/longitude"
# Wavelengths (nm) of the normalised differences (first - second) / (first + second): vegetation
# (Rouse et al. 1974, NASA SP-351, 309) and open water (McFeeters 1996, Int. J. Remote Sensing 17,
# 1425).
INDICES = {"ndvi": (865, 660), "ndwi": (555, 865)}
# Less light than this in both bands of an index together leaves none.
DARKEST = 0.01


def plane(dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """A variable of lines and pixels; SceneError where its shape is not that of the latitudes."""
    found, shape = variable(dataset, name), variable(dataset, LATITUDE).shape
    if len(shape) != 2 or found.shape != shape:
        raise SceneError(
            f"{file_name(dataset)}: {name} has shape {found.shape}, {LATITUDE} {shape}; "
            "lines x pixels are expected"
        )
    return found


def physical(
    dataset: netCDF4.Dataset, name: str, fill: float, lines: Iterable[int] | None = None
) -> NDArray[np.floating[Any]]:
    """Scaled values, of all ``lines`` or some; NaN where fill, which the file's own overrides."""
    stored = plane(dataset, name)
    stated = stored.ncattrs()
    fill = number(stored, "_FillValue") if "_FillValue" in stated else fill
    scale = number(stored, "scale_factor") if "scale_factor" in stated else 1.0
    offset = number(stored, "add_offset") if "add_offset" in stated else 0.0
    numbers = stored[:] if lines is None else np.stack([stored[line] for line in lines])
    return np.where(numbers != fill, numbers * scale + offset, np.nan)


def with_indices(
    bands: Iterable[str], prefix: str, reflectance: Callable[[int], Floats]
) -> dict[str, Floats]:
    """``bands`` by name: ``prefix`` and a wavelength in nm, or an index made of two of them.

    ``reflectance`` is asked once for each wavelength.
    """
    names = list(bands)
    parts = [nm for name in names if name in INDICES for nm in INDICES[name]]
    single = [int(name.removeprefix(prefix)) for name in names if name not in INDICES]
    known = {nm: reflectance(nm) for nm in dict.fromkeys([*single, *parts])}
    return {
        name: normalised_difference(*(known[nm] for nm in INDICES[name]))
        if name in INDICES
        else known[int(name.removeprefix(prefix))]
        for name in names
    }


def normalised_difference(first: Floats, second: Floats) -> Floats:
    """(first - second) / (first + second); NaN where not between -1 and 1, or all is dark."""
    total = first + second
    with np.errstate(invalid="ignore", divide="ignore"):
        index = (first - second) / total
    return np.where((total > DARKEST) & (np.abs(index) <= 1), index, np.float32(np.nan))
