"""Bands of GOCI-II at all levels: wavelengths, irradiance, stored values and indices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from lstsr.errors import SceneError
from lstsr.image import Floats
from lstsr.sensors.inspection import Assertion
from lstsr.sensors.netcdf import file_name, number, variable

IRRADIANCE = {
    380: 1061.509,
    412: 1710.526,
    443: 1899.063,
    490: 1931.796,
    510: 1871.312,
    555: 1853.858,
    620: 1693.385,
    660: 1541.451,
    680: 1491.562,
    709: 1389.726,
    745: 1274.906,
    865: 971.089,
}
"""Wavelength (nm) of each band to its in-band solar irradiance at one au, W m-2 um-1. The files
state none. Source: the draft of a Level-1 reader for satpy (pytroll/satpy, pull request
2796)."""
WAVELENGTHS_NM = tuple(IRRADIANCE)
LATITUDE, LONGITUDE = "navigation_data/latitude", "navigation_data/longitude"
# Wavelengths (nm) of the normalised differences (first - second) / (first + second): vegetation
# (Rouse et al. 1974, NASA SP-351, 309) and open water (McFeeters 1996, Int. J. Remote Sensing 17,
# 1425).
INDICES = {"ndvi": (865, 660), "ndwi": (555, 865)}
# An index is unknown if the sum of its two reflectances is smaller than this.
DARKEST = 0.01

_PRODUCTS = {
    "goci2": "Level 2 AC (..._AC.nc, with RhoC)",
    "goci2-l1b": "Level 1B (GK2_GOCI2_L1B_...nc, with L_TOA)",
}


def product_of(dataset: netCDF4.Dataset) -> str | None:
    """The product of a GOCI-II file, goci2 or goci2-l1b; None if it is another one."""
    group = dataset.groups.get("geophysical_data")
    if group is None:
        return None
    if any(name.startswith("L_TOA_") for name in group.variables):
        return "goci2-l1b"
    return "goci2" if "RhoC" in group.groups else None


def check_product(dataset: netCDF4.Dataset, product: str) -> None:
    """Raise SceneError if a file does not hold ``product``."""
    held = product_of(dataset)
    if held != product:
        fault = f"{file_name(dataset)}: not {_PRODUCTS[product]}"
        if held:
            fault += f" but {_PRODUCTS[held]}"
        cure = f" or set the sensor's product to {held}" if held else ""
        raise SceneError(f"{fault}. Name another file{cure}")


def in_range(values: NDArray[np.floating[Any]], low: float, high: float) -> Floats:
    """``values`` in single precision, NaN outside the valid range."""
    single = values.astype(np.float32)
    return np.where((single >= low) & (single <= high), single, np.float32(np.nan))


def plane(dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """A variable of lines and pixels. Raises SceneError if the latitudes have another shape."""
    values, shape = variable(dataset, name), variable(dataset, LATITUDE).shape
    if len(shape) != 2 or values.shape != shape:
        raise SceneError(
            f"{file_name(dataset)}: {name} has shape {values.shape}, {LATITUDE} {shape}. Expected "
            "(lines, pixels) for both"
        )
    return values


def physical(
    dataset: netCDF4.Dataset, name: str, fill: float, lines: Iterable[int] | None = None
) -> NDArray[np.floating[Any]]:
    """Scaled values of all ``lines`` or some; NaN at the file's own fill value, else ``fill``."""
    stored = plane(dataset, name)
    usual = {"_FillValue": fill, "scale_factor": 1.0, "add_offset": 0.0}
    fill, scale, offset = (
        number(stored, key) if key in stored.ncattrs() else value for key, value in usual.items()
    )
    numbers = stored[:] if lines is None else np.stack([stored[line] for line in lines])
    return np.where(numbers != fill, numbers * scale + offset, np.nan)


def with_indices(
    bands: Iterable[str], prefix: str, reflectance: Callable[[int], Floats]
) -> dict[str, Floats]:
    """``bands`` by name: ``prefix`` and a wavelength in nm, or an index of two wavelengths.

    ``reflectance`` is called once for each wavelength.
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
    """(first - second) / (first + second); NaN outside -1 to 1 or if both are dark."""
    total = first + second
    with np.errstate(invalid="ignore", divide="ignore"):
        index = (first - second) / total
    return np.where((total > DARKEST) & (np.abs(index) <= 1), index, np.float32(np.nan))


def bands_check(quantity: str, stored: Iterable[str]) -> tuple[list[int], Assertion]:
    """Wavelengths of the variables ``quantity``_nm that are in the file, and if all are there."""
    present = [nm for nm in WAVELENGTHS_NM if f"{quantity}_{nm}" in stored]
    missing = ", ".join(str(nm) for nm in WAVELENGTHS_NM if nm not in present)
    claim = f"all {len(WAVELENGTHS_NM)} {quantity} are there"
    return present, Assertion(claim, f"missing {missing or 'none'}", not missing)


def extremes(values: NDArray[np.floating[Any]]) -> str:
    """Lowest and highest known value, for `inspect`; empty if all are NaN."""
    known = values[np.isfinite(values)]
    return f", {known.min():.4g} .. {known.max():.4g}" if known.size else ""
