"""GK2B/GOCI-II Level-2 AC: Rayleigh-corrected reflectance (RhoC) of a slot or a mosaic.

The layout follows public readers. docs/first-real-file.md lists what to check on a first real
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
from numpy.typing import NDArray

from lstsr.image import Floats, Mask, SensorImage
from lstsr.sensors.goci2 import bands
from lstsr.sensors.goci2.navigation import FILL, fitted, grid, placed, time_check
from lstsr.sensors.inspection import Inspection, grid_facts
from lstsr.sensors.netcdf import attribute, fault, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Goci2Config

__all__ = ["FLAG_BITS", "grid", "inspect", "read"]
RHOC, FLAG = "geophysical_data/RhoC", "geophysical_data/flag"
# Flag bits of an AC file that does not name its own, from one public reader, not confirmed.
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


def read(path: Path, sensor: Goci2Config) -> SensorImage:
    """The bands of ``sensor``, masked by the flags ``sensor.masked``.

    The time is the middle of the file's own observation times, not the time in its name: a scan
    takes 20 minutes, slot by slot. A curvilinear file is resampled once. Raises SceneError if the
    content is at fault: damaged, another product, implausible coordinates or times, nothing valid.
    """

    def rhoc(wavelength_nm: int) -> Floats:
        values = bands.physical(dataset, f"{RHOC}/RhoC_{wavelength_nm}", FILL)
        return bands.in_range(values, sensor.valid_min, sensor.valid_max)

    with opened(path) as dataset:
        bands.check_product(dataset, "goci2")
        pixels = placed(dataset)
        values = bands.stacked(sensor.bands, rhoc)
        clear = _clear(dataset, sensor)
        known: Mask = np.all(np.isfinite(values), axis=0)
        if not known.any():
            raise fault(
                dataset,
                f"no valid pixel: RhoC is empty (fill, or outside {sensor.valid_min:g} .. "
                f"{sensor.valid_max:g}), which can happen over land",
            )
        if not (known & clear).any():
            raise fault(
                dataset,
                f"no valid pixel: {known.mean():.1%} of the pixels have RhoC, and "
                f"{clear.mean():.1%} have none of the flags {', '.join(sensor.masked)}",
            )
        note = f"without {', '.join(sensor.masked)}"
        return pixels.image(dataset, values, known & clear, sensor, note)


def inspect(path: Path) -> Inspection:
    """Facts about the file, and how well a regular grid fits it."""
    with opened(path) as dataset:
        bands.check_product(dataset, "goci2")
        pixels, times = fitted(dataset), time_check(dataset)
        present, complete = bands.check("RhoC", dataset[RHOC].variables)
        numbers, bits = _flags(dataset, FLAG_BITS)
        land = _is_up(numbers, bits["LAND"]) if "LAND" in bits else None
        names = [f"{RHOC}/RhoC_{nm}" for nm in present]
        listed = [
            bands.facts(variable(dataset, name), bands.physical(dataset, name, FILL), land)
            for name in names
        ]
    shares = ", ".join(
        f"{name} (bit {bit}) {_is_up(numbers, bit).mean():.1%}" for name, bit in bits.items()
    )
    facts = (
        ("file", path.name),
        ("observed", times.found),
        *grid_facts(pixels.output),
        ("bands", "reflectance; " + "; ".join(listed)),
        ("flags", f"{shares} (bits {'assumed' if bits is FLAG_BITS else 'of the file'})"),
    )
    return Inspection("GK2B/GOCI-II L2 AC", facts, (pixels.check, times, complete))


def _flags(
    dataset: netCDF4.Dataset, usual: Mapping[str, int]
) -> tuple[NDArray[np.int64], Mapping[str, int]]:
    """The flags (row, column), and the bit of each flag: as the file states, or else ``usual``."""
    flag = bands.plane(dataset, FLAG)
    if flag.dtype.kind not in "iu":
        raise fault(dataset, f"{FLAG} holds {flag.dtype}, but flag bits need integers.")
    is_stated = {"flag_masks", "flag_meanings"} <= set(flag.ncattrs())
    return np.asarray(flag[:]).astype(np.int64), _stated_bits(flag) if is_stated else usual


def _is_up(numbers: NDArray[np.int64], bit: int) -> Mask:
    return (numbers >> bit & 1).astype(bool)


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
        raise fault(
            flag,
            f"flag_masks {' '.join(map(str, listed))} do not give one bit for each of "
            f"flag_meanings {meanings!r}",
        )
    return {name: mask.bit_length() - 1 for name, mask in zip(names, numbers, strict=True)}


def _clear(dataset: netCDF4.Dataset, sensor: Goci2Config) -> Mask:
    """Pixels that have flags, but none of ``sensor.masked``."""
    numbers, bits = _flags(dataset, sensor.flag_bits)
    clear: Mask = numbers != FILL
    for name in sensor.masked:
        if name not in bits:
            keys = "masked or flag_bits" if bits is sensor.flag_bits else "masked"
            raise fault(
                dataset,
                f"flag {name} is unknown; known are {', '.join(bits)}. Set the sensor's {keys}",
            )
        clear &= ~_is_up(numbers, bits[name])
    return clear
