"""The grid: where each pixel of an array lies on the Earth."""

from __future__ import annotations

from dataclasses import dataclass

from affine import Affine


@dataclass(frozen=True)
class Grid:
    """A regular grid in a projected (or geographic) coordinate system.

    ``crs`` is any text that PROJ reads (an authority code, a PROJ string or WKT), ``transform``
    maps (column, row) of a pixel's upper-left corner to (x, y).
    """

    crs: str
    transform: Affine
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.height, self.width

    @property
    def gsd_m(self) -> float:
        """Spacing of the columns, in units of the coordinate system (metres when projected)."""
        return float((self.transform.a**2 + self.transform.d**2) ** 0.5)

    @property
    def corners(self) -> list[tuple[float, float]]:
        """The four outer corners (x, y), clockwise from the upper left."""
        ends = [(0, 0), (self.width, 0), (self.width, self.height), (0, self.height)]
        return [self.transform @ end for end in ends]

    def refine(self, scale: int) -> Grid:
        """The grid of the same extent whose cells are ``scale`` times smaller."""
        return Grid(
            self.crs,
            self.transform @ Affine.scale(1 / scale),
            self.width * scale,
            self.height * scale,
        )

    def coarsen(self, scale: int) -> Grid:
        """The grid of the same extent whose cells hold ``scale`` x ``scale`` of this one's.

        Raises ValueError where the size is no multiple of ``scale``.
        """
        if self.width % scale or self.height % scale:
            raise ValueError(f"a grid of {self.height} x {self.width} has no cells of {scale}")
        return Grid(
            self.crs,
            self.transform @ Affine.scale(scale),
            self.width // scale,
            self.height // scale,
        )

    def window(self, row: int, column: int, height: int, width: int) -> Grid:
        """The part that starts at (row, column)."""
        return Grid(self.crs, self.transform @ Affine.translation(column, row), width, height)

    def moved(self, row: float, column: float) -> Grid:
        """The same cells displaced by a fraction of cells; + is south and east.

        Content sampled on ``moved(-r, -c)`` and labelled with this grid has moved by (+r, +c).
        """
        step = Affine.translation(column, row)
        return Grid(self.crs, self.transform @ step, self.width, self.height)

    def nests(self, fine: Grid) -> bool:
        """Whether ``fine`` divides each cell of this grid into whole cells, corner on corner."""
        if self.crs != fine.crs or fine.width % self.width or fine.height % self.height:
            return False
        scale = fine.width // self.width
        return fine.height == self.height * scale and self.refine(scale).transform.almost_equals(
            fine.transform, precision=1e-6 * fine.gsd_m
        )
