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
from lstsr.image import Floats, Mask, SensorImage, Viewpoint
from lstsr.sensors.goci2_bands import WAVELENGTHS_NM, physical, plane, with_indices
from lstsr.sensors.goci2_navigation import (
    FILL,
    LONGITUDE_DEG,
    fitted,
    iso,
    navigation,
    observed,
    time_check,
)
from lstsr.sensors.inspection import Assertion, Inspection, grid_facts
from lstsr.sensors.netcdf import attribute, file_name, opened, variable

if TYPE_CHECKING:
    from lstsr.config import Goci2Config

RHOC, FLAG = "geophysical_data/RhoC", "geophysical_data/flag"
# Bits of the flags of an AC file that names none [one public reader, not confirmed].
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
    """The grid that the file's image is delivered on; SceneError where its places are no image."""
    with opened(path) as dataset:
        _check_product(dataset)
        return navigation(dataset).placed


def read(path: Path, sensor: Goci2Config) -> SensorImage:
    """The bands of ``sensor``, where no flag of ``sensor.masked`` stands.

    ``ndvi`` is made of 865 and 660 nm, ``ndwi`` of 555 and 865. The time is the middle of the
    file's own observation times, never that of its name: slots of one scan are seen up to 20
    minutes apart. A curvilinear file is resampled once. Raises SceneError where the file is
    truncated, no Level-2 AC, lacks a variable, has places of no image or times far from its name's,
    or holds no valid pixel.
    """
    with opened(path) as dataset:
        _check_product(dataset)
        where = navigation(dataset)
        values = _values(dataset, sensor)
        clear = _clear(_flags(dataset, sensor.flag_bits), sensor.masked, path.name)
        known: Mask = np.all(np.isfinite(values), axis=0)
        valid: Mask = known & clear
        if not valid.any():
            raise SceneError(f"{path.name}: no valid pixel: {_why_none(known, clear, sensor)}")
        values[:, ~valid] = np.nan
        image = SensorImage(
            values,
            valid,
            where.grid,
            tuple(sensor.bands),
            "reflectance",
            sensor.sensor,
            iso(observed(dataset)),
            (f"read {path.name}", f"without {', '.join(sensor.masked)}"),
            Viewpoint(LONGITUDE_DEG),
        )
        return where.deliver(dataset, image)


def inspect(path: Path) -> Inspection:
    """What the file says of itself, and how well a regular grid fits it."""
    with opened(path) as dataset:
        _check_product(dataset)
        where, times = fitted(dataset), time_check(dataset)
        missing = [nm for nm in WAVELENGTHS_NM if f"RhoC_{nm}" not in dataset[RHOC].variables]
        flags = _flags(dataset, FLAG_BITS)
        bands = [_band_facts(dataset, nm, flags) for nm in WAVELENGTHS_NM if nm not in missing]
    shares = ", ".join(
        f"{name} (bit {b}) {flags.up(name).mean():.1%}" for name, b in flags.bits.items()
    )
    facts = (
        ("file", path.name),
        ("observed", times.found),
        *grid_facts(where.placed),
        ("bands", "reflectance; " + "; ".join(bands)),
        ("flags", f"{shares} (bits {'of the file' if flags.stated else 'assumed'})"),
    )
    checks = (
        where.check,
        times,
        Assertion(
            f"all {len(WAVELENGTHS_NM)} RhoC are there",
            f"missing {', '.join(map(str, missing)) or 'none'}",
            not missing,
        ),
    )
    return Inspection("GK2B/GOCI-II L2 AC", facts, checks)


def _check_product(dataset: netCDF4.Dataset) -> None:
    group = dataset.groups.get("geophysical_data")
    if group is not None and any(name.startswith("L_TOA_") for name in group.variables):
        raise SceneError(
            f"{file_name(dataset)}: Level 1B (L_TOA), not Level 2 AC. Name the AC file, or set "
            "the sensor's product to goci2-l1b."
        )
    if group is None or "RhoC" not in group.groups:
        raise SceneError(
            f"{file_name(dataset)}: the file has no RhoC. Name a Level 2 file ending in _AC.nc."
        )


def _rhoc(wavelength: int) -> str:
    return f"{RHOC}/RhoC_{wavelength}"


def _values(dataset: netCDF4.Dataset, sensor: Goci2Config) -> Floats:
    """The bands of ``sensor`` (band, row, column); NaN where fill or out of range."""

    def rhoc(wavelength: int) -> Floats:
        values = physical(dataset, _rhoc(wavelength), FILL).astype(np.float32)
        inside = (values >= sensor.valid_min) & (values <= sensor.valid_max)
        return np.where(inside, values, np.float32(np.nan))

    return np.stack(list(with_indices(sensor.bands, "rhoc_", rhoc).values()))


@dataclass(frozen=True)
class _Flags:
    """The flags (row, column) and the bit of each name, ``stated`` by the file or assumed."""

    numbers: NDArray[np.int64]
    bits: Mapping[str, int]
    stated: bool

    def up(self, name: str) -> Mask:
        """Where the flag ``name`` stands."""
        return (self.numbers >> self.bits[name] & 1).astype(bool)


def _flags(dataset: netCDF4.Dataset, given: Mapping[str, int]) -> _Flags:
    """The file's flags, with the bits that it states, otherwise those ``given``."""
    flag = plane(dataset, FLAG)
    if flag.dtype.kind not in "iu":
        raise SceneError(
            f"{file_name(dataset)}: {FLAG} holds {flag.dtype}, but flag bits need integers."
        )
    stated = {"flag_masks", "flag_meanings"} <= set(flag.ncattrs())
    return _Flags(
        np.asarray(flag[:]).astype(np.int64), _stated_bits(flag) if stated else given, stated
    )


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
    """Where none of the ``masked`` flags stands, and flags are there at all."""
    clear = flags.numbers != FILL
    for name in masked:
        if name not in flags.bits:
            where = "" if flags.stated else " or flag_bits"
            raise SceneError(
                f"{file}: flag {name} is unknown; known are {', '.join(flags.bits)}: "
                f"set the sensor's masked{where}"
            )
        clear &= ~flags.up(name)
    return clear


def _why_none(known: Mask, clear: Mask, sensor: Goci2Config) -> str:
    if not known.any():
        return (
            f"RhoC is empty there (fill, or outside {sensor.valid_min:g} .. {sensor.valid_max:g}), "
            "as it may be over land"
        )
    return (
        f"RhoC is there in {known.mean():.1%}, "
        f"{clear.mean():.1%} carries none of the flags {', '.join(sensor.masked)}"
    )


def _band_facts(dataset: netCDF4.Dataset, wavelength: int, flags: _Flags) -> str:
    """How much of a band is there, over land too, in which range, and how it is stored."""
    values = physical(dataset, _rhoc(wavelength), FILL)
    known = np.isfinite(values)
    land = known[flags.up("LAND")] if "LAND" in flags.bits else known[:0]
    over_land = f" ({land.mean():.1%} over land)" if land.size else ""
    seen = f", {values[known].min():.4g} .. {values[known].max():.4g}" if known.any() else ""
    kind = variable(dataset, _rhoc(wavelength)).dtype
    return f"rhoc_{wavelength} {known.mean():.1%}{over_land}{seen}, {kind}"
