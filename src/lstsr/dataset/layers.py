"""Layers (further channels of the reference) and covariates (predictors of the input's bias)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

from lstsr.dataset.history import Earlier
from lstsr.errors import SceneError
from lstsr.geo.coarsen import coarsened
from lstsr.geo.parallax import Terrain, view_zenith_deg
from lstsr.geo.resample import elevation_on, resample
from lstsr.geo.sun import sun_position
from lstsr.grid import Grid
from lstsr.image import Mask, SensorImage, Viewpoint

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """Elevation, share of water (0..1) and earlier targets (on the fine grid), if known."""

    terrain: Terrain | None = None
    water: SensorImage | None = None
    earlier: Sequence[Earlier] = ()

    def water_on(self, grid: Grid) -> SensorImage | None:
        """The share of water on ``grid``."""
        return None if self.water is None else resample(self.water, grid)


UNKNOWN = Ground()


def mostly(share: SensorImage) -> Mask:
    """Pixels whose share (0..1) is known and above a half."""
    return share.valid & (share.values[0] > 0.5)


def with_layers(
    reference: SensorImage,
    names: Sequence[str],
    layers: Layers,
    history: Mapping[str, Doubles],
) -> SensorImage:
    """``reference`` with the layers ``names`` of its grid as further bands.

    ``history`` holds the layers of history by name. Raises SceneError if a layer needs an
    elevation, a share of water, a time or a viewpoint that is missing.
    """
    if not names:
        return reference
    values = [history[name] if name in history else getattr(layers, name)() for name in names]
    return with_bands(reference, names, np.stack(values))


def with_bands(reference: SensorImage, names: Sequence[str], values: NDArray) -> SensorImage:
    """``reference`` with further bands (band, row, column), NaN if unknown, on its own grid.

    A pixel is valid if all its bands are.
    """
    valid = reference.valid & np.isfinite(values).all(axis=0)
    all_values = np.concatenate([reference.values, values.astype(np.float32)])
    all_values[:, ~valid] = np.nan
    return replace(reference, values=all_values, valid=valid, bands=(*reference.bands, *names))


def covariates_of(
    names: Sequence[str], layers: Layers, coarse: SensorImage, reference: SensorImage
) -> SensorImage | None:
    """The covariates ``names`` on the grid of the input ``coarse`` and of ``layers``; NaN: unknown.

    An angle gives two bands, its cosine and its sine. The grid of ``reference`` nests in the coarse
    one. None if no names are given. Raises SceneError if data are missing.
    """
    if not names:
        return None
    bands: dict[str, Doubles] = {}
    for name in names:
        if name == "ndvi":
            # a quarter of a cell's fine pixels is enough
            cells = coarsened(reference, reference.grid.width // coarse.grid.width, 0.25)
            bands[name] = cells.values[reference.bands.index(name)]
        elif name in ("hour", "season"):
            turn = np.full(coarse.grid.shape, getattr(layers, name)())
            bands |= {f"{name}_cos": np.cos(turn), f"{name}_sin": np.sin(turn)}
        else:
            bands[name] = getattr(layers, name)()
    return SensorImage(
        np.stack(list(bands.values())).astype(np.float32),
        np.ones(coarse.grid.shape, bool),
        coarse.grid,
        tuple(bands),
        "covariate",
        coarse.sensor,
        coarse.time,
    )


@dataclass(frozen=True)
class Layers:
    """The layers of one grid; arrays (row, column), NaN if unknown.

    ``time`` and ``viewpoint`` of the input determine sun and view.
    """

    grid: Grid
    time: str
    viewpoint: Viewpoint | None
    ground: Ground

    def elevation(self) -> Doubles:
        """Metres; unknown elevation, as over the sea, counts as 0."""
        return self._elevation_m

    def slope(self) -> Doubles:
        """Angle from the horizontal, degrees."""
        return np.degrees(self._inclination[0])

    def northness(self) -> Doubles:
        """Sine of the slope times cosine of the aspect: 1 for a cliff that faces north."""
        slope, aspect = self._inclination
        return np.sin(slope) * np.cos(aspect)

    def eastness(self) -> Doubles:
        """Sine of the slope times sine of the aspect."""
        slope, aspect = self._inclination
        return np.sin(slope) * np.sin(aspect)

    def water(self) -> Doubles:
        """Share, 0..1."""
        water = self.ground.water_on(self.grid)
        if water is None:
            raise SceneError("layer water: name its raster (manifest column water, or --water)")
        return np.where(water.valid, water.values[0], np.nan).astype(float)

    def view_zenith(self) -> Doubles:
        """Angle at the ground between the vertical and the input's satellite, degrees."""
        if self.viewpoint is None:
            raise SceneError(
                "layer view_zenith: the input does not come from a geostationary satellite"
            )
        return view_zenith_deg(*self._lon_lat_deg, self.viewpoint)

    def sun_zenith(self) -> Doubles:
        """Degrees."""
        return np.degrees(self._sun[0])

    def illumination(self) -> Doubles:
        """Cosine of the angle between the sun and the normal of the slope, 0 if self-shadowed.

        cos i = cos z cos s + sin z sin s cos(azimuth - aspect) (e.g. Iqbal 1983, eq. 1.6.5a).
        """
        zenith, azimuth = self._sun
        slope, aspect = self._inclination
        direct = np.cos(zenith) * np.cos(slope)
        direct += np.sin(zenith) * np.sin(slope) * np.cos(azimuth - aspect)
        return np.clip(direct, 0, None)

    def hour(self) -> float:
        """Local solar time at the middle of the scene as an angle, radians."""
        time, lon_deg = self._moment.astimezone(UTC), self._lon_lat_deg[0].mean()
        return 2 * np.pi * ((time.hour + time.minute / 60) / 24 + lon_deg / 360)

    def season(self) -> float:
        """Day of the year as an angle, radians."""
        return 2 * np.pi * self._moment.astimezone(UTC).timetuple().tm_yday / 365.25

    @cached_property
    def _moment(self) -> datetime:
        if not self.time:
            raise SceneError(
                "layers of the sun and covariates hour and season: the input has no time (manifest "
                "column time, or its tag)"
            )
        return datetime.fromisoformat(self.time)

    @cached_property
    def _elevation_m(self) -> Doubles:
        if self.ground.terrain is None:
            raise SceneError(
                "layers of terrain: name an elevation raster (manifest column dem, or --dem)"
            )
        return elevation_on(self.ground.terrain, self.grid).astype(float)

    @cached_property
    def _inclination(self) -> tuple[Doubles, Doubles]:
        """Slope and aspect (azimuth that the slope faces, clockwise from north), radians."""
        north, east = rise(self._elevation_m, *self._lon_lat_deg)
        return np.arctan(np.hypot(north, east)), np.arctan2(-east, -north)

    @cached_property
    def _lon_lat_deg(self) -> tuple[Doubles, Doubles]:
        return self.grid.lonlat()

    @cached_property
    def _sun(self) -> tuple[Doubles, Doubles]:
        zenith, azimuth = sun_position(self._moment, *self._lon_lat_deg)
        return zenith.astype(float), azimuth.astype(float)


def rise(elevation_m: Doubles, lon_deg: Doubles, lat_deg: Doubles) -> tuple[Doubles, Doubles]:
    """Rise of the ground to the north and to the east, metres per metre, each (row, column).

    Steps along rows and columns are measured on the WGS84 ellipsoid, with its radii of curvature
    (e.g. Hofmann-Wellenhof et al. 2008, section 8.2). This works for any grid: in degrees or feet,
    rotated, or with rectangular pixels.
    """
    lat, wgs84 = np.radians(lat_deg), Geod(ellps="WGS84")
    w = np.sqrt(1 - wgs84.es * np.sin(lat) ** 2)
    meridian_m, parallel_m = wgs84.a * (1 - wgs84.es) / w**3, wgs84.a / w * np.cos(lat)
    steps = []
    for axis in (0, 1):
        lon = np.unwrap(lon_deg, axis=axis, period=360)
        east_m = parallel_m * np.radians(np.gradient(lon, axis=axis))
        north_m = meridian_m * np.gradient(lat, axis=axis)
        steps.append((north_m, east_m, np.gradient(elevation_m, axis=axis)))
    (north_0, east_0, up_0), (north_1, east_1, up_1) = steps
    area = north_0 * east_1 - north_1 * east_0
    return (up_0 * east_1 - up_1 * east_0) / area, (up_1 * north_0 - up_0 * north_1) / area
