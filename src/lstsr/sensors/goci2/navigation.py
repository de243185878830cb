"""Coordinates and times of GOCI-II files of any level.

The files give latitude and longitude of each pixel. The pixels usually lie on a regular grid of the
geostationary projection. lstsr fits an affine grid to them and uses it if they agree to a twentieth
of a pixel. A curved file is resampled once, onto the upright grid that covers the affine grid. A
file that is curved too much, or whose pixels are out of order, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from lstsr.errors import SceneError
from lstsr.geo.curvilinear import north_up, straightened
from lstsr.grid import WGS84, Grid, transformer
from lstsr.image import Floats, Mask, SensorImage, Viewpoint
from lstsr.sensors.goci2.bands import LATITUDE, LONGITUDE, check_product, physical, plane
from lstsr.sensors.inspection import Assertion
from lstsr.sensors.netcdf import attribute, fault, file_name, number, opened
from lstsr.times import iso, read_time

if TYPE_CHECKING:
    from lstsr.config import Goci2Config, Goci2L1bConfig

Doubles = NDArray[np.float64]

# Fill value of coordinates at all levels, unless the file states its own.
FILL = -999.0
TIMES = ("observation_start_time", "observation_end_time")
# The nominal position of GK2B.
GK2B = Viewpoint(longitude_deg=128.2)
MAX_LONGITUDE_DEG = 360
# Largest distance in pixels of a sampled pixel from the grid: for a regular grid, and for a curved
# image. Slots are about 2700 pixels wide; lines displaced by 50 would be visible in any image.
MAX_RESIDUAL, MAX_CURVE = 0.05, 50.0
# Sampled pixels along a side, rim included: enough to detect a curve.
SAMPLES = 65
# Between a local-area mosaic (2500 km) and the full disk (11 000 km), in the projection.
WIDEST_M = 4_000_000.0
# Longest time from the scan's time in the file's name to its last slots.
LATEST = timedelta(minutes=25)


@dataclass(frozen=True)
class Navigation:
    """The regular grid nearest to a file's pixels.

    ``residual`` is the largest distance of a sampled pixel from it, in pixels. ``ordered`` is true
    if coordinates follow each other like the pixels.
    """

    grid: Grid
    residual: float
    ordered: bool

    @property
    def regular(self) -> bool:
        """Whether the pixels lie on the grid."""
        return self.residual <= MAX_RESIDUAL

    @property
    def plausible(self) -> bool:
        """Whether the pixels can belong to one scan, curved or not."""
        return self.ordered and self.residual <= MAX_CURVE

    @property
    def output(self) -> Grid:
        """The grid of images that are read from the file."""
        return self.grid if self.regular else north_up(self.grid)

    @property
    def check(self) -> Assertion:
        """Whether the reader accepts the file, as regular or as curvilinear."""
        kind = "regular" if self.regular else "curvilinear, resampled when read"
        order = kind if self.ordered else "lines or pixels are out of order"
        return Assertion(
            f"latitude and longitude are within {MAX_CURVE:g} pixels of a regular grid, in order",
            f"largest residual {self.residual:.4f} pixel, {order}",
            self.plausible,
        )

    def image(
        self,
        dataset: netCDF4.Dataset,
        reflectance: Floats,
        valid: Mask,
        sensor: Goci2Config | Goci2L1bConfig,
        *notes: str,
    ) -> SensorImage:
        """The image on the grid ``output`` of ``reflectance`` (band, row, column) on ``grid``.

        A curvilinear image is resampled. ``notes`` go into the history.
        """
        image = SensorImage(
            np.where(valid, reflectance, np.float32(np.nan)),
            valid,
            self.grid,
            tuple(sensor.bands),
            "reflectance",
            sensor.sensor,
            iso(observed(dataset)),
            (f"read {file_name(dataset)}", *notes),
            GK2B,
        )
        if self.regular:
            return image
        lon, lat = coordinates(dataset)
        note = f"resampled from curvilinear coordinates up to {self.residual:.2f} pixels off a grid"
        history = (*image.history, f"{note}, bilinear")
        return replace(straightened(image, lon, lat), history=history)


def grid(path: Path, sensor: Goci2Config | Goci2L1bConfig) -> Grid:
    """The grid of the image that a reader returns. Raises like `placed`."""
    with opened(path) as dataset:
        check_product(dataset, sensor.product)
        return placed(dataset).output


def placed(dataset: netCDF4.Dataset) -> Navigation:
    """The position of a file's pixels. Raises SceneError if they are not a plausible image."""
    pixels = fitted(dataset)
    if not pixels.plausible:
        raise fault(
            dataset,
            "latitude and longitude do not form a geostationary image, regular or curvilinear "
            f"({pixels.check.found}; {MAX_CURVE:g} are allowed). Download the file again",
        )
    return pixels


def fitted(dataset: netCDF4.Dataset) -> Navigation:
    """The affine grid nearest to the sampled pixels' centres.

    It uses the origin longitude that fits best. Files can state the satellite's longitude, which
    drifts: 0.01 degrees change a mosaic by 0.4 pixel. Raises SceneError if there are no coordinates
    to fit, if they do not span an area, or if they span the full disk.
    """
    height, width = plane(dataset, LATITUDE).shape
    if not height or not width:
        raise fault(dataset, f"{LATITUDE} is empty")
    rows, columns = (
        np.unique(np.linspace(0, length - 1, min(SAMPLES, length)).round().astype(int))
        for length in (height, width)
    )
    lon, lat = (degrees[:, columns] for degrees in coordinates(dataset, rows.tolist()))
    known = np.isfinite(lon)
    row, column = np.meshgrid(rows + 0.5, columns + 0.5, indexing="ij")
    if not known.any() or min(np.ptp(axis[known]) for axis in (row, column, lat, lon)) == 0:
        raise fault(dataset, "latitude and longitude are empty or constant")
    centres = np.stack([column[known], row[known], np.ones(known.sum())], axis=1)
    fits = []
    for crs in _systems(dataset):
        points = np.stack(transformer(WGS84, crs).transform(lon[known], lat[known]), axis=1)
        if np.isfinite(points).all():  # otherwise this longitude views another side of the Earth
            fits.append((crs, points, *_fit(centres, points)))
    if not fits:
        raise fault(dataset, "latitude and longitude are not all seen from the satellite")
    crs, points, transform, residual = min(fits, key=lambda fit: fit[-1])
    if not abs(transform.determinant) > 0:
        raise fault(dataset, "latitude and longitude all lie on one line")
    nearest = Grid(crs, transform, width, height)
    if width * nearest.steps[1] > WIDEST_M:
        raise fault(
            dataset,
            "full disk (FD). Name the local area of Korea: a slot (..._LA_S007...nc) or the mosaic "
            "(..._LA...nc).",
        )
    return Navigation(nearest, residual, _ordered(transform, points, known))


def coordinates(
    dataset: netCDF4.Dataset, lines: list[int] | None = None
) -> tuple[Doubles, Doubles]:
    """Longitude and latitude, degrees, of all ``lines`` or some; NaN in both if unknown."""
    lat, lon = (
        physical(dataset, name, FILL, lines).astype(float) for name in (LATITUDE, LONGITUDE)
    )
    # zero in both is also fill: the satellite does not see that point
    known = (np.abs(lat) <= 90) & (np.abs(lon) <= MAX_LONGITUDE_DEG) & ((lat != 0) | (lon != 0))
    return np.where(known, lon, np.nan), np.where(known, lat, np.nan)


def _fit(centres: Doubles, points: Doubles) -> tuple[Affine, float]:
    """Least-squares affine from (column, row, 1) to (x, y), and the largest residual in cells."""
    middle = points.mean(axis=0)  # metres of 1e6 would lose digits
    fit, *_ = np.linalg.lstsq(centres, points - middle, rcond=None)
    (a, d), (b, e), (c, f) = fit
    transform = Affine(a, b, c + middle[0], d, e, f + middle[1])
    residual_m = np.hypot(*(centres @ fit - (points - middle)).T).max()
    with np.errstate(divide="ignore", invalid="ignore"):
        return transform, float(residual_m / np.sqrt(abs(transform.determinant)))


def _ordered(transform: Affine, points: Doubles, known: NDArray[np.bool_]) -> bool:
    """Whether, on the fitted grid, columns grow along each line and rows along each column."""
    column, row = np.full((2, *known.shape), np.nan)
    column[known], row[known] = ~transform @ tuple(points.T)
    return not ((np.diff(column, axis=1) <= 0).any() or (np.diff(row, axis=0) <= 0).any())


def _systems(dataset: netCDF4.Dataset) -> list[str]:
    """Geostationary projections of the stated origin longitudes and the nominal one."""
    names = ("longitude_of_projection_origin", "sub_longitude")
    stated = [number(dataset, name) for name in names if name in dataset.ncattrs()]
    longitudes = [lon_0 for lon_0 in stated if abs(lon_0) <= MAX_LONGITUDE_DEG]
    return list(dict.fromkeys([*(Viewpoint(lon_0).crs for lon_0 in longitudes), GK2B.crs]))


def observed(dataset: netCDF4.Dataset) -> datetime:
    """The middle of the observation from the file's attributes, UTC.

    Raises SceneError if they are missing, not times, or far from the time in the file's name (if
    it has one).
    """
    times = []
    for name in TIMES:
        text = str(attribute(dataset, name)).strip()
        time = _parsed(text)
        if time is None:
            raise fault(dataset, f"{name} = {text!r} is not a time")
        times.append(time)
    middle = times[0] + (times[1] - times[0]) / 2
    stamp = re.search(r"_(\d{8}_\d{6})_", file_name(dataset))
    if stamp:
        nominal = _parsed(stamp[1])
        if nominal is None:
            raise fault(dataset, f"{stamp[1]} in the name is not a time. Rename the file.")
        if abs(middle - nominal) > LATEST:
            raise fault(
                dataset,
                f"observed at {middle:%Y-%m-%d %H:%M:%S} by its attributes, "
                f"{(middle - nominal).total_seconds() / 60:.0f} minutes after the time in its "
                f"name. At most {LATEST.seconds // 60} minutes are allowed. Correct one of them.",
            )
    return middle


def time_check(dataset: netCDF4.Dataset) -> Assertion:
    """The observation times as the file states them, and whether they are plausible."""
    stated = " to ".join(
        str(attribute(dataset, name)) if name in dataset.ncattrs() else "missing" for name in TIMES
    )
    claim = "observation times are stated and agree with the file's name"
    try:
        return Assertion(claim, f"{stated}, middle {iso(observed(dataset))}", True)
    except SceneError:
        return Assertion(claim, stated, False)


def _parsed(text: str) -> datetime | None:
    """A time YYYYMMDD_HHMMSS (UTC), as in the files and their names, or in ISO 8601."""
    return read_time(text.replace("_", "T"))
