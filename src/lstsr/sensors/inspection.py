"""What a reader understood of a product file, and whether the file agrees with itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lstsr.errors import SceneError
from lstsr.geo.resample import outline
from lstsr.grid import Grid
from lstsr.registry import reader


@dataclass(frozen=True)
class Assertion:
    """One thing that must hold in a file, with what was found: ``passed`` or not."""

    claim: str
    found: str
    passed: bool


@dataclass(frozen=True)
class Inspection:
    """A file as its reader sees it: ``facts`` are (name, value) pairs in the order to print them.

    Facts cover product and sensor, times, grid (coordinate system, size, spacing, corners in
    degrees), bands and units, calibration, flags and the valid share.
    """

    product: str
    facts: tuple[tuple[str, str], ...]
    assertions: tuple[Assertion, ...]


def grid_facts(placed: Grid) -> list[tuple[str, str]]:
    """Coordinate system, size and corners of a grid, for `Inspection.facts`."""
    try:
        corners = ", ".join(f"{lon:.3f} E {lat:.3f} N" for lon, lat in outline(placed, 1))
    except SceneError:
        corners = "in space, beside the disk"
    return [
        ("coordinate system", placed.crs),
        ("size", f"{placed.height} rows x {placed.width} columns of {placed.gsd_m:.2f} m"),
        ("corners", f"{corners} (outer, clockwise from the upper left)"),
    ]


def inspect(path: Path, product: str | None = None) -> Inspection:
    """``path`` through the reader of ``product``, which is found by content unless given.

    Raises SceneError where no reader makes sense of it, and OSError where it cannot be had.
    """
    found: Inspection = reader(product or detect(path)).inspect(path)
    return found


def detect(path: Path) -> str:
    """The product that ``path`` holds; SceneError where it is none that can be read."""
    if path.is_dir() or "_MTL." in path.name:
        return "landsat"
    with path.open("rb") as file:
        magic = file.read(8)
    if magic[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "geotiff"
    if magic != b"\x89HDF\r\n\x1a\n":
        raise SceneError(f"{path.name}: neither a GeoTIFF, a NetCDF-4 file nor a Landsat product")
    from lstsr.sensors import netcdf

    with netcdf.opened(path) as dataset:
        geophysical = dataset.groups.get("geophysical_data")
        if geophysical is None:
            return "gk2a-l1b" if "image_pixel_values" in dataset.variables else "gk2a"
        radiance = any(name.startswith("L_TOA_") for name in geophysical.variables)
        return "goci2-l1b" if radiance else "goci2"


def report(found: Inspection) -> str:
    """An inspection for people, a fact or an assertion a line."""
    width = max(len(name) for name, _ in found.facts)
    facts = [f"{name:<{width}}  {value}" for name, value in found.facts]
    checks = [
        f"{'ok  ' if one.passed else 'FAIL'}  {one.claim}: {one.found}" for one in found.assertions
    ]
    return "\n".join([f"product: {found.product}", *facts, *checks])
