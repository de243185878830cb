"""Facts that a reader finds in a product file, and whether the file agrees with itself."""

from __future__ import annotations

from dataclasses import dataclass

from lstsr.errors import SceneError
from lstsr.geo.footprint import rim
from lstsr.grid import Grid

Fact = tuple[str, str]
"""Name and value."""


@dataclass(frozen=True)
class Assertion:
    """A claim about a file, the evidence in the file, and whether the claim holds."""

    claim: str
    found: str
    passed: bool


@dataclass(frozen=True)
class Inspection:
    """A file as its reader sees it, with ``facts`` in the order to print them.

    Facts cover product and sensor, times, grid (coordinate system, size, spacing, corners in
    degrees), bands and units, calibration, flags and the valid share.
    """

    product: str
    facts: tuple[Fact, ...]
    assertions: tuple[Assertion, ...]


def grid_facts(grid: Grid) -> list[Fact]:
    """Coordinate system, size and corners of a grid, for `Inspection.facts`."""
    try:
        corners = ", ".join(f"{lon:.3f} E {lat:.3f} N" for lon, lat in rim(grid, 1))
    except SceneError:
        corners = "in space, outside the Earth's disk"
    return [
        ("coordinate system", grid.crs),
        ("size", f"{grid.height} rows x {grid.width} columns of {grid.gsd_m:.2f} m"),
        ("corners", f"{corners} (outer, clockwise from the upper left)"),
    ]


def report(inspection: Inspection) -> str:
    """An inspection for people, one fact or assertion per line."""
    width = max(len(name) for name, _ in inspection.facts)
    facts = [f"{name:<{width}}  {value}" for name, value in inspection.facts]
    checks = [
        f"{'ok  ' if check.passed else 'FAIL'}  {check.claim}: {check.found}"
        for check in inspection.assertions
    ]
    return "\n".join([f"product: {inspection.product}", *facts, *checks])
