"""What a reader understood of a product file, and whether the file agrees with itself."""

from __future__ import annotations

from dataclasses import dataclass

from lstsr.errors import SceneError
from lstsr.geo.footprint import rim
from lstsr.grid import Grid


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
        corners = ", ".join(f"{lon:.3f} E {lat:.3f} N" for lon, lat in rim(placed, 1))
    except SceneError:
        corners = "in space, beside the disk"
    return [
        ("coordinate system", placed.crs),
        ("size", f"{placed.height} rows x {placed.width} columns of {placed.gsd_m:.2f} m"),
        ("corners", f"{corners} (outer, clockwise from the upper left)"),
    ]


def report(found: Inspection) -> str:
    """An inspection for people, a fact or an assertion a line."""
    width = max(len(name) for name, _ in found.facts)
    facts = [f"{name:<{width}}  {value}" for name, value in found.facts]
    checks = [
        f"{'ok  ' if one.passed else 'FAIL'}  {one.claim}: {one.found}" for one in found.assertions
    ]
    return "\n".join([f"product: {found.product}", *facts, *checks])
