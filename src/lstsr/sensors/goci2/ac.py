"""GK2B/GOCI-II Level-2 AC: Rayleigh-corrected reflectance (RhoC) of a slot or a mosaic.

The layout follows public readers. docs/first-real-file.md lists what to check on a first real
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
from numpy.typing import NDArray

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import Floats, Mask, SensorImage
from lstsr.sensors.goci2.bands import (
    bands_check,
    check_product,
    extremes,
    in_range,
    physical,
    plane,
    with_indices,
)
from lstsr.sensors.goci2.navigation import FILL, fitted, navigation, time_check
from lstsr.sensors.inspection import Inspection, grid_facts
from lstsr.sensors.netcdf import attribute, file_name, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Goci2Config

RHOC, FLAG = "geophysical_data/RhoC", "geophysical_data/flag"
# Flag bits of an AC file that does not name its own [one public reader, not confirmed].
FLAG_BITS = {
    "COASTLINE": 0,
    "LAND": 1,
    "CLOUD": 2,
    "HIGH_GLINT": 3,
    "CLOUD_SHADOW": 4,
    "NEGATIVE_RRS": 5,
    "TURBID_WATER": 6,
    "COCCOLITHOPHORE": 7,
    "AC_FAIL": 16,
}


def grid(path: Path, sensor: Goci2Config) -> Grid:
    """The grid of the image that ``read`` returns. Raises like `navigation`."""
    with opened(path) as dataset:
        check_product(dataset, "goci2")
        return navigation(dataset).output


def read(path: Path, sensor: Goci2Config) -> SensorImage:
    """The bands of ``sensor``, masked by the flags ``sensor.masked``.

    ``ndvi`` is made of 865 and 660 nm, ``ndwi`` of 555 and 865. The time is the middle of the
    file's own observation times, not the time in its name: a scan takes 20 minutes, slot by slot.
    A curvilinear file is resampled once. Raises SceneError if the file is truncated, is not Level-2
    AC, lacks a variable, has coordinates that are not those of an image, has times far from the
    time in its name, or holds no valid pixel.
    """
    with opened(path) as dataset:
        check_product(dataset, "goci2")
        pixels = navigation(dataset)
        values = _values(dataset, sensor)
        clear = _clear(_flags(dataset, sensor.flag_bits), sensor.masked, path.name)
        known: Mask = np.all(np.isfinite(values), axis=0)
        if not (known & clear).any():
            raise SceneError(f"{path.name}: no valid pixel: {_why_none(known, clear, sensor)}")
        note = f"without {', '.join(sensor.masked)}"
        return pixels.image(dataset, values, known & clear, sensor, note)


def inspect(path: Path) -> Inspection:
    """Facts about the file, and how well a regular grid fits it."""
    with opened(path) as dataset:
        check_product(dataset, "goci2")
        pixels, times = fitted(dataset), time_check(dataset)
        present, complete = bands_check("RhoC", dataset[RHOC].variables)
        flags = _flags(dataset, FLAG_BITS)
        bands = [_band_facts(dataset, nm, flags) for nm in present]
    shares = ", ".join(
        f"{name} (bit {bit}) {flags.up(name).mean():.1%}" for name, bit in flags.bits.items()
    )
    facts = (
        ("file", path.name),
        ("observed", times.found),
        *grid_facts(pixels.output),
        ("bands", "reflectance; " + "; ".join(bands)),
        ("flags", f"{shares} (bits {'of the file' if flags.stated else 'assumed'})"),
    )
    return Inspection("GK2B/GOCI-II L2 AC", facts, (pixels.check, times, complete))


def _values(dataset: netCDF4.Dataset, sensor: Goci2Config) -> Floats:
    """The bands of ``sensor`` (band, row, column); NaN at fill or out of range."""

    def rhoc(wavelength_nm: int) -> Floats:
        values = physical(dataset, f"{RHOC}/RhoC_{wavelength_nm}", FILL)
        return in_range(values, sensor.valid_min, sensor.valid_max)

    return np.stack(list(with_indices(sensor.bands, "rhoc_", rhoc).values()))


@dataclass(frozen=True)
class _Flags:
    """The flags (row, column) and the bit of each name, ``stated`` by the file or assumed."""

    numbers: NDArray[np.int64]
    bits: Mapping[str, int]
    stated: bool

    def up(self, name: str) -> Mask:
        """Pixels with the flag ``name``."""
        return (self.numbers >> self.bits[name] & 1).astype(bool)


def _flags(dataset: netCDF4.Dataset, usual: Mapping[str, int]) -> _Flags:
    """The file's flags, with the bits that it states, or else the ``usual`` ones."""
    flag = plane(dataset, FLAG)
    if flag.dtype.kind not in "iu":
        raise SceneError(
            f"{file_name(dataset)}: {FLAG} holds {flag.dtype}, but flag bits need integers."
        )
    stated = {"flag_masks", "flag_meanings"} <= set(flag.ncattrs())
    bits = _stated_bits(flag) if stated else usual
    return _Flags(np.asarray(flag[:]).astype(np.int64), bits, stated)


def _stated_bits(flag: netCDF4.Variable) -> dict[str, int]:
    """Name to bit, from attributes of the CF conventions (section 3.5)."""
    masks, meanings = (attribute(flag, name) for name in ("flag_masks", "flag_meanings"))
    names = str(meanings).replace(",", " ").split()
    listed = masks.replace(",", " ").split() if isinstance(masks, str) else np.atleast_1d(masks)
    try:
        numbers = [int(mask) for mask in listed]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) != len(names) or any(mask.bit_count() != 1 for mask in numbers):
        raise SceneError(
            f"{file_name(flag)}: flag_masks {' '.join(map(str, listed))} do not give one bit for "
            f"each of flag_meanings {meanings!r}"
        )
    return {name: mask.bit_length() - 1 for name, mask in zip(names, numbers, strict=True)}


def _clear(flags: _Flags, masked: list[str], file: str) -> Mask:
    """Pixels that have flags, but none of the ``masked`` ones."""
    clear = flags.numbers != FILL
    for name in masked:
        if name not in flags.bits:
            raise SceneError(
                f"{file}: flag {name} is unknown; known are {', '.join(flags.bits)}. Set the "
                f"sensor's masked{'' if flags.stated else ' or flag_bits'}"
            )
        clear &= ~flags.up(name)
    return clear


def _why_none(known: Mask, clear: Mask, sensor: Goci2Config) -> str:
    if not known.any():
        return (
            f"RhoC is empty (fill, or outside {sensor.valid_min:g} .. {sensor.valid_max:g}), "
            "which can happen over land"
        )
    return (
        f"{known.mean():.1%} of the pixels have RhoC, and {clear.mean():.1%} have none of the "
        f"flags {', '.join(sensor.masked)}"
    )


def _band_facts(dataset: netCDF4.Dataset, wavelength_nm: int, flags: _Flags) -> str:
    """Valid share of a band, also over land, its range, and its stored type."""
    name = f"{RHOC}/RhoC_{wavelength_nm}"
    values = physical(dataset, name, FILL)
    known = np.isfinite(values)
    land = known[flags.up("LAND")] if "LAND" in flags.bits else known[:0]
    over_land = f" ({land.mean():.1%} over land)" if land.size else ""
    kind = variable(dataset, name).dtype
    return f"rhoc_{wavelength_nm} {known.mean():.1%}{over_land}{extremes(values)}, {kind}"
