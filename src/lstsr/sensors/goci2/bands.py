"""Bands of GOCI-II at all levels: wavelengths, irradiance, stored values and indices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from lstsr.image import Floats, Mask
from lstsr.sensors import netcdf
from lstsr.sensors.inspection import Assertion
from lstsr.sensors.netcdf import fault, variable

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
"""In-band solar irradiance at one au, W m-2 um-1, by wavelength in nm. The files do not state it.
Source: the draft of a Level-1 reader for satpy (pytroll/satpy, pull request 2796)."""
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
        but = f" but {_PRODUCTS[held]}" if held else ""
        cure = f" or set the sensor's product to {held}" if held else ""
        raise fault(dataset, f"not {_PRODUCTS[product]}{but}. Name another file{cure}")


def in_range(values: NDArray[np.floating[Any]], low: float, high: float) -> Floats:
    """``values`` in single precision, NaN outside the valid range."""
    single = values.astype(np.float32)
    return np.where((single >= low) & (single <= high), single, np.float32(np.nan))


def plane(dataset: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """A variable of lines and pixels. Raises SceneError if the latitudes have another shape."""
    values, shape = variable(dataset, name), variable(dataset, LATITUDE).shape
    if len(shape) != 2 or values.shape != shape:
        both = f"{name} has shape {values.shape}, {LATITUDE} {shape}"
        raise fault(dataset, f"{both}. Expected (lines, pixels) for both")
    return values


def physical(
    dataset: netCDF4.Dataset, name: str, fill: float, lines: Iterable[int] | None = None
) -> NDArray[np.floating[Any]]:
    """Scaled values of all ``lines`` or some; NaN at the file's own fill value, else ``fill``."""
    return netcdf.physical(plane(dataset, name), fill, lines=lines)


def stacked(bands: Iterable[str], reflectance: Callable[[int], Floats]) -> Floats:
    """The ``bands`` (band, row, column). A name ends in a wavelength in nm, or is an index.

    ``reflectance`` is called once for each wavelength.
    """
    known = cache(reflectance)
    return np.stack(
        [
            normalised_difference(*map(known, INDICES[name]))
            if name in INDICES
            else known(int(name.rpartition("_")[2]))
            for name in bands
        ]
    )


def normalised_difference(first: Floats, second: Floats) -> Floats:
    """(first - second) / (first + second); NaN outside -1 to 1 or if both are dark."""
    total = first + second
    with np.errstate(invalid="ignore", divide="ignore"):
        index = (first - second) / total
    return np.where((total > DARKEST) & (np.abs(index) <= 1), index, np.float32(np.nan))


def check(quantity: str, stored: Iterable[str]) -> tuple[list[int], Assertion]:
    """Wavelengths of the variables ``quantity``_nm in the file, and whether all are present."""
    present = [nm for nm in WAVELENGTHS_NM if f"{quantity}_{nm}" in stored]
    missing = ", ".join(str(nm) for nm in WAVELENGTHS_NM if nm not in present)
    claim = f"the file holds all {len(WAVELENGTHS_NM)} bands of {quantity}"
    return present, Assertion(claim, f"missing {missing or 'none'}", not missing)


def facts(
    stored: netCDF4.Variable, values: NDArray[np.floating[Any]], land: Mask | None = None
) -> str:
    """Name, valid share (also over ``land``), range and stored type of a band, for `inspect`."""
    known = np.isfinite(values)
    over_land = extremes = ""
    if land is not None and land.any():
        over_land = f" ({known[land].mean():.1%} over land)"
    if known.any():
        extremes = f", {values[known].min():.4g} .. {values[known].max():.4g}"
    return f"{stored.name} {known.mean():.1%}{over_land}{extremes}, {stored.dtype}"
