"""The grid: where each pixel of an array lies on the Earth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from affine import Affine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyproj import CRS, Geod, Transformer

    Doubles = NDArray[np.float64]

# pyproj and numpy are imported inside functions: planning a run works without them.
WGS84 = "EPSG:4326"
# If a projection is true to scale within this share, its coordinates give distances: cells of 2 km
# are exactly 2000 m wide. Otherwise (degrees, Mercator) distances are measured on the ground.
TRUE_TO_SCALE = 0.05


@dataclass(frozen=True)
class Grid:
    """A regular grid in a projected or geographic coordinate system.

    ``crs`` is any text that PROJ reads: an authority code, a PROJ string or WKT. ``transform`` maps
    (column, row) of a pixel's upper-left corner to (x, y).
    """

    crs: str
    transform: Affine
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.height, self.width

    @cached_property
    def spacing_m(self) -> tuple[float, float]:
        """Spacing of rows and columns near the grid's centre, metres on the ground."""
        import numpy as np

        row, column = self.height / 2, self.width / 2
        lon, lat = self.lonlat_at(
            np.array([row - 0.5, row + 0.5, row, row]),
            np.array([column, column, column - 0.5, column + 0.5]),
        )
        _, _, ground_m = _geod(self.crs).inv(lon[::2], lat[::2], lon[1::2], lat[1::2])
        rows_m, columns_m = (
            _own_or_ground(step * _unit_m(self.crs), float(ground))
            for step, ground in zip(self.steps, ground_m, strict=True)
        )
        return rows_m, columns_m

    @property
    def gsd_m(self) -> float:
        """Spacing of columns near the grid's centre, in metres for any coordinate system."""
        return self.spacing_m[1]

    @cached_property
    def cell_m(self) -> float:
        """Side of a square with the same area as a cell, metres."""
        import numpy as np

        rows, columns = np.array([0, 0, 1, 1]) - 0.5, np.array([0, 1, 1, 0]) - 0.5
        lon, lat = self.lonlat_at(rows + self.height / 2, columns + self.width / 2)
        area_m2, _ = _geod(self.crs).polygon_area_perimeter(lon, lat)
        own_m = math.sqrt(abs(self.transform.determinant)) * _unit_m(self.crs)
        return _own_or_ground(own_m, math.sqrt(abs(area_m2)))

    @property
    def steps(self) -> tuple[float, float]:
        """Spacing of rows and columns in units of the coordinate system."""
        a, b, _, d, e, *_ = self.transform
        return math.hypot(b, e), math.hypot(a, d)

    @property
    def corners(self) -> list[tuple[float, float]]:
        """The four outer corners (x, y), clockwise from the upper left."""
        ends = [(0, 0), (self.width, 0), (self.width, self.height), (0, self.height)]
        return [self.transform @ end for end in ends]

    def refine(self, scale: int) -> Grid:
        """The grid of the same extent whose cells are ``scale`` times smaller."""
        fine = self.transform @ Affine.scale(1 / scale)
        return Grid(self.crs, fine, self.width * scale, self.height * scale)

    def coarsen(self, scale: int) -> Grid:
        """The grid of the same extent whose cells are ``scale`` times larger.

        Raises ValueError if the size is not a multiple of ``scale``.
        """
        if self.width % scale or self.height % scale:
            raise ValueError(f"a grid of {self.height} x {self.width} has no cells of {scale}")
        coarse = self.transform @ Affine.scale(scale)
        return Grid(self.crs, coarse, self.width // scale, self.height // scale)

    def window(self, row: float, column: float, height: int, width: int) -> Grid:
        """The ``height`` x ``width`` cells that start at (row, column)."""
        return Grid(self.crs, self.transform @ Affine.translation(column, row), width, height)

    def moved(self, row: float, column: float) -> Grid:
        """The grid moved by cells or fractions of cells; + is south and east.

        Content sampled on ``moved(-r, -c)`` and labelled with this grid has moved by (+r, +c).
        """
        return self.window(row, column, self.height, self.width)

    def nests(self, fine: Grid) -> bool:
        """Whether ``fine`` divides each cell of this grid into whole cells, corner on corner."""
        if self.crs != fine.crs or fine.width % self.width or fine.height % self.height:
            return False
        scale = fine.width // self.width
        return fine.height == self.height * scale and self.refine(scale).transform.almost_equals(
            fine.transform, precision=1e-6 * min(fine.steps)
        )

    def coordinates(self) -> tuple[Doubles, Doubles]:
        """X and y (row, column) of the pixel centres, in units of the coordinate system."""
        import numpy as np

        row, column = np.indices(self.shape) + 0.5
        return self.transform @ (column, row)

    def lonlat(self) -> tuple[Doubles, Doubles]:
        """Longitude and latitude (row, column) of the pixel centres, degrees."""
        return transformer(self.crs, WGS84).transform(*self.coordinates())

    def lonlat_at(self, row: Any, column: Any) -> tuple[Any, Any]:
        """Longitude and latitude of positions (numbers or arrays) in pixels from the upper left."""
        return transformer(self.crs, WGS84).transform(*(self.transform @ (column, row)))

    def position(self, lon_deg: Any, lat_deg: Any) -> tuple[Any, Any]:
        """(row, column) in pixels from the upper left; the inverse of `lonlat_at`."""
        column, row = ~self.transform @ transformer(WGS84, self.crs).transform(lon_deg, lat_deg)
        return row, column

    def nearest_turn(self, x: Doubles) -> Doubles:
        """Longitudes ``x``, moved by multiples of 360 degrees to within 180 of the grid's centre.

        Projected coordinates stay as they are.
        """
        if not self.is_geographic:
            return x
        import numpy as np

        turn = _turn(self.crs)
        west = (self.transform @ (self.width / 2, self.height / 2))[0] - turn / 2
        return west + np.mod(x - west, turn)

    @property
    def is_geographic(self) -> bool:
        """Whether coordinates are longitude and latitude."""
        return _system(self.crs).is_geographic

    @property
    def around_the_globe(self) -> bool:
        """Whether the columns cover all longitudes (360 degrees)."""
        step = self.steps[1]
        return self.is_geographic and abs(self.width * step - _turn(self.crs)) < 0.5 * step


KOREA = Grid(
    "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +datum=WGS84 +units=m",
    Affine(2000, 0, -900_000, 0, -2000, 900_000),
    900,
    900,
)
"""KMA's grid of Korea (area KO) at 2 km. KMA does not state the ellipsoid; with WGS84, the grid
agrees with KMA's own latitudes and longitudes to 1e-5 degree."""


@lru_cache(maxsize=256)
def transformer(source: str, target: str) -> Transformer:
    """Transformation between two coordinate systems; x or longitude comes first.

    Raises pyproj.exceptions.ProjError if PROJ does not understand one of them.
    """
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def _own_or_ground(own_m: float, ground_m: float) -> float:
    """A length in projected coordinates if they are true to scale, otherwise on the ground, metres.

    ``own_m`` is NaN for degrees, ``ground_m`` outside the projection's area.
    """
    if math.isnan(ground_m) or abs(ground_m / own_m - 1) <= TRUE_TO_SCALE:
        return own_m
    return ground_m


def _unit_m(crs: str) -> float:
    """Metres per unit of a projected coordinate system; NaN for degrees."""
    system = _system(crs)
    if system.is_geographic:
        return math.nan
    return float(system.axis_info[0].unit_conversion_factor) if system.axis_info else 1.0


def _turn(crs: str) -> float:
    """360 degrees of longitude in units of a geographic coordinate system."""
    return 2 * math.pi / float(_system(crs).axis_info[0].unit_conversion_factor)


def _geod(crs: str) -> Geod:
    from pyproj import Geod

    return _system(crs).get_geod() or Geod(ellps="WGS84")


@lru_cache(maxsize=64)
def _system(crs: str) -> CRS:
    from pyproj import CRS

    return CRS.from_user_input(crs)
