"""Where and when a GOCI-II file was seen, of whatever level.

The files give latitude and longitude pixel by pixel. They are expected on a regular grid of the
geostationary projection: an affine is fitted, and is the image's grid where it meets them to a
twentieth of a pixel. Files that are bent by more are resampled once, here, onto the upright grid
next to that affine. Files may also be bent so far, or in such disorder, that something is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import netCDF4
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from lstsr.errors import SceneError
from lstsr.geo.curvilinear import north_up, straightened
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.sensors.goci2_bands import LATITUDE, LONGITUDE, physical, plane
from lstsr.sensors.inspection import Assertion
from lstsr.sensors.netcdf import attribute, file_name, number
from lstsr.times import read_time

Doubles = NDArray[np.float64]

# Of places in all levels, where the file does not state its own.
FILL = -999.0
# Nominal sub-satellite longitude of GK2B, degrees east.
LONGITUDE_DEG = 128.2
# Root attributes that may state the longitude from which the grid is drawn.
ORIGINS = ("longitude_of_projection_origin", "sub_longitude")
MAX_LONGITUDE_DEG = 360
HEIGHT_M, EQUATORIAL_M, POLAR_M = 35_785_863.0, 6_378_137.0, 6_356_752.3
# So many pixels a regular grid may miss any sampled one, and a curved one before it is refused:
# slots are about 2700 pixels wide, and lines displaced by 50 would be seen in any picture.
MAX_RESIDUAL, MAX_CURVE = 0.05, 50.0
# Sampled pixels along a side, rim included: enough to see a curve.
SAMPLES = 65
# Between a local-area mosaic (2500 km) and the full disk (11 000 km), in the projection.
WIDEST_M = 4_000_000.0
# The last slots of a scan are seen that long after the time in the file's name.
LATEST = timedelta(minutes=25)


@dataclass(frozen=True)
class Navigation:
    """The regular grid nearest to a file's pixels, and how far it misses the sampled ones.

    ``residual`` is in pixels; ``ordered`` tells whether places follow each other as pixels do.
    """

    grid: Grid
    residual: float
    ordered: bool

    @property
    def regular(self) -> bool:
        """Whether the grid is that of the pixels."""
        return self.residual <= MAX_RESIDUAL

    @property
    def plausible(self) -> bool:
        """Whether the pixels can be those of one scan, bent or not."""
        return self.ordered and self.residual <= MAX_CURVE

    @property
    def placed(self) -> Grid:
        """The grid that images of the file are delivered on."""
        return self.grid if self.regular else north_up(self.grid)

    @property
    def check(self) -> Assertion:
        """Whether the reader takes the file, and as what."""
        kind = "regular" if self.regular else "curvilinear, resampled when read"
        order = kind if self.ordered else "lines or pixels are out of order"
        return Assertion(
            f"latitude and longitude are within {MAX_CURVE:g} pixels of a regular grid, in order",
            f"largest residual {self.residual:.4f} pixel, {order}",
            self.plausible,
        )

    def deliver(self, dataset: netCDF4.Dataset, image: SensorImage) -> SensorImage:
        """``image``, which lies on ``grid`` by its pixels' numbers, on ``placed``."""
        if self.regular:
            return image
        lon, lat = coordinates(dataset)
        curved = f"resampled from curvilinear places up to {self.residual:.2f} pixels off a grid"
        return replace(
            straightened(image, lon, lat), history=(*image.history, f"{curved}, bilinear")
        )


def geostationary(lon_0: float) -> str:
    """The geostationary system of the grid."""
    return (
        f"+proj=geos +lon_0={lon_0:g} +h={HEIGHT_M:.0f} +a={EQUATORIAL_M:.0f} +b={POLAR_M} +sweep=y"
    )


def navigation(dataset: netCDF4.Dataset) -> Navigation:
    """Where the pixels of a file lie; SceneError where that cannot be."""
    found = fitted(dataset)
    if not found.plausible:
        raise SceneError(
            f"{file_name(dataset)}: latitude and longitude are no geostationary image, regular or "
            f"curvilinear ({found.check.found}; {MAX_CURVE:g} are allowed): get the file again"
        )
    return found


def fitted(dataset: netCDF4.Dataset) -> Navigation:
    """The affine grid nearest to the sampled pixels' centres.

    It uses the origin longitude that fits best. Files can state the satellite's longitude, which
    drifts: 0.01 degrees change a mosaic by 0.4 pixel. Raises SceneError if there are no places to
    fit, if they do not span an area, or if they span the full disk.
    """
    height, width = plane(dataset, LATITUDE).shape
    if not height or not width:
        raise SceneError(f"{file_name(dataset)}: {LATITUDE} is empty")
    rows, columns = (
        np.unique(np.linspace(0, length - 1, min(SAMPLES, length)).round().astype(int))
        for length in (height, width)
    )
    lon, lat = (places[:, columns] for places in coordinates(dataset, rows.tolist()))
    known = np.isfinite(lon)
    row, column = np.meshgrid(rows + 0.5, columns + 0.5, indexing="ij")
    if not known.any() or min(np.ptp(axis[known]) for axis in (row, column, lat, lon)) == 0:
        raise SceneError(f"{file_name(dataset)}: latitude and longitude are empty or constant")
    centres = np.stack([column[known], row[known], np.ones(known.sum())], axis=1)
    fits = []
    for crs in _systems(dataset):
        to_crs = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        places = np.stack(to_crs.transform(lon[known], lat[known]), axis=1)
        if np.isfinite(places).all():  # else it looks at another side of the Earth
            fits.append((crs, places, *_fit(centres, places)))
    if not fits:
        raise SceneError(
            f"{file_name(dataset)}: latitude and longitude are not all seen from the satellite"
        )
    crs, places, transform, residual = min(fits, key=lambda fit: fit[-1])
    if not abs(transform.determinant) > 0:
        raise SceneError(f"{file_name(dataset)}: latitude and longitude all lie on one line")
    grid = Grid(crs, transform, width, height)
    if width * grid.steps[1] > WIDEST_M:
        raise SceneError(
            f"{file_name(dataset)}: full disk (FD). Name the local area of Korea: a slot "
            "(..._LA_S007...nc) or the mosaic (..._LA...nc)."
        )
    return Navigation(grid, residual, _ordered(transform, places, known))


def coordinates(
    dataset: netCDF4.Dataset, lines: list[int] | None = None
) -> tuple[Doubles, Doubles]:
    """Longitude and latitude, degrees, of all ``lines`` or some; NaN in both where unknown."""
    lat, lon = (
        physical(dataset, name, FILL, lines).astype(float) for name in (LATITUDE, LONGITUDE)
    )
    # zero in both is fill, too: that place is not seen from the satellite
    known = (np.abs(lat) <= 90) & (np.abs(lon) <= MAX_LONGITUDE_DEG) & ((lat != 0) | (lon != 0))
    return np.where(known, lon, np.nan), np.where(known, lat, np.nan)


def _fit(centres: Doubles, places: Doubles) -> tuple[Affine, float]:
    """The affine from (column, row, 1) to (x, y) by least squares, and its largest miss, cells."""
    middle = places.mean(axis=0)  # metres of 1e6 would lose digits
    fit, *_ = np.linalg.lstsq(centres, places - middle, rcond=None)
    (a, d), (b, e), (c, f) = fit
    transform = Affine(a, b, c + middle[0], d, e, f + middle[1])
    miss_m = np.hypot(*(centres @ fit - (places - middle)).T).max()
    with np.errstate(divide="ignore", invalid="ignore"):
        return transform, float(miss_m / np.sqrt(abs(transform.determinant)))


def _ordered(transform: Affine, places: Doubles, known: NDArray[np.bool_]) -> bool:
    """Whether, on the fitted grid, columns grow along each line and rows along each column."""
    column, row = np.full((2, *known.shape), np.nan)
    column[known], row[known] = ~transform @ tuple(places.T)
    return not ((np.diff(column, axis=1) <= 0).any() or (np.diff(row, axis=0) <= 0).any())


def _systems(dataset: netCDF4.Dataset) -> list[str]:
    stated = [number(dataset, name) for name in ORIGINS if name in dataset.ncattrs()]
    longitudes = [lon_0 for lon_0 in stated if abs(lon_0) <= MAX_LONGITUDE_DEG]
    return list(dict.fromkeys(geostationary(lon_0) for lon_0 in [*longitudes, LONGITUDE_DEG]))


def observed(dataset: netCDF4.Dataset) -> datetime:
    """The middle of the observation from the file's attributes, UTC.

    Raises SceneError if they are missing, not times, or far from the time in the file's name (if
    it has one).
    """
    start, end = (_instant(dataset, f"observation_{name}_time") for name in ("start", "end"))
    middle = start + (end - start) / 2
    stamp = re.search(r"_(\d{8}_\d{6})_", file_name(dataset))
    if stamp:
        nominal = _read(stamp[1])
        if nominal is None:
            raise SceneError(
                f"{file_name(dataset)}: {stamp[1]} in the name is not a time YYYYMMDD_HHMMSS. "
                "Rename the file."
            )
        if abs(middle - nominal) > LATEST:
            raise SceneError(
                f"{file_name(dataset)}: observed at {middle:%Y-%m-%d %H:%M:%S} by its attributes, "
                f"{(middle - nominal).total_seconds() / 60:.0f} minutes after the time in its "
                f"name. At most {LATEST.seconds // 60} minutes are allowed. Correct one of them."
            )
    return middle


def iso(time: datetime) -> str:
    """A time as images carry it."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def time_check(dataset: netCDF4.Dataset) -> Assertion:
    """The observation times as they stand in the file, and whether they can be."""
    names = (f"observation_{end}_time" for end in ("start", "end"))
    stated = " to ".join(
        str(attribute(dataset, name)) if name in dataset.ncattrs() else "missing" for name in names
    )
    claim = "observation times are stated and agree with the file's name"
    try:
        return Assertion(claim, f"{stated}, middle {iso(observed(dataset))}", True)
    except SceneError:
        return Assertion(claim, stated, False)


def _instant(dataset: netCDF4.Dataset, name: str) -> datetime:
    text = str(attribute(dataset, name)).strip()
    found = _read(text)
    if found is None:
        raise SceneError(f"{file_name(dataset)}: {name} = {text!r} is not a time")
    return found


def _read(text: str) -> datetime | None:
    """A time in the form of the files and their names (YYYYMMDD_HHMMSS, UTC) or in ISO 8601."""
    try:
        return datetime.strptime(text, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return read_time(text)
