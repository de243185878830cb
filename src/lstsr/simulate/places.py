"""Positions, times and file names of the simulated scenes. Planning a run imports this module."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from affine import Affine

from lstsr.errors import LstsrError
from lstsr.grid import Grid
from lstsr.manifest import Scene
from lstsr.times import iso

if TYPE_CHECKING:
    from lstsr.config import GenerateConfig

CRS = "EPSG:32652"
LANDSAT_M = 30
# The north-western corner of place 0. Rows of three places go south from there.
EAST_M, NORTH_M = 300_000, 4_180_000
ABREAST = 3
GAP_M = 12_000
# Places stay inside the KO area of GK2A, whose southern edge lies at 29.7 N: at this northing, the
# rows continue in three more columns to the west.
SOUTH_M = 3_330_000

SEASON = date(2023, 3, 1), date(2023, 11, 30)
OVERPASS = time(2, 8), timedelta(minutes=4)
GOCI2_NOMINAL = time(2, 15, 30)
GOCI2_SLOT = 7
PROCESSED_AFTER = timedelta(days=14)
# WRS-2 path of central Korea, and the row and spacing of its scenes (row 34 is centred on 37.3 N).
PATH, ROW, ROW_LAT_DEG, ROW_STEP_DEG = 115, 34, 37.3, 1.43


def names(config: GenerateConfig) -> list[str]:
    """The scenes of the sample, such as ``p03-20230514``."""
    return [
        f"p{number:02d}-{day:%Y%m%d}"
        for number in range(config.places)
        for day in _days(number, config)
    ]


def place(name: str) -> int:
    """The number of a scene's place."""
    return int(name[1:].partition("-")[0])


def grid_of(name: str, config: GenerateConfig) -> Grid:
    """The Landsat grid of a scene's place, with pixel centres on multiples of 30 m.

    Places do not overlap. The grid depends only on the place's number and ``size_km``.
    """
    step = config.size_km * 1000 + GAP_M
    rows = (NORTH_M - SOUTH_M) // step
    row, column = divmod(place(name), ABREAST)
    band, row = divmod(row, rows)
    x = EAST_M + (column - ABREAST * band) * step
    y = NORTH_M - row * step
    size = math.ceil(config.size_km * 1000 / LANDSAT_M)
    half = LANDSAT_M / 2
    west, north = x // LANDSAT_M * LANDSAT_M - half, y // LANDSAT_M * LANDSAT_M + half
    return Grid(CRS, Affine(LANDSAT_M, 0, west, 0, -LANDSAT_M, north), size, size)


def time_of(name: str) -> datetime:
    """Time of Landsat's overpass, UTC: between 02:08 and 02:12."""
    start, span = OVERPASS
    return _at(name, start) + timedelta(seconds=_draw("passage", name) % span.seconds)


def gk2a_time_of(name: str) -> datetime:
    """Time of the matching KO slot, UTC: 02:10 or 02:12."""
    return _at(name, time(2, 10 + 2 * (_draw("slot", name) % 2)))


def goci2_time_of(name: str, config: GenerateConfig) -> datetime:
    """The nominal time of the GOCI-II scan, UTC. The scan sees Korea's slot 12 minutes later."""
    aged = config.aged_reference
    return _at(name, GOCI2_NOMINAL) - timedelta(days=aged.days if aged else 0)


def scene_files(name: str, folder: Path, config: GenerateConfig) -> Scene:
    """The manifest row of a scene: its files under ``folder / name``, its centre and time.

    The target is the folder of the Landsat product. At level 2, the input is GK2A's LST file and
    the reference the GOCI-II slot (AC); at level 1, they are IR112 and the slot of Level 1B.
    """
    grid, landsat = grid_of(name, config), time_of(name)
    lon, lat = (round(at, 4) for at in grid.lonlat_at(grid.height / 2, grid.width / 2))
    satellite = 8 + _draw("satellite", name) % 2
    row = ROW + round((ROW_LAT_DEG - lat) / ROW_STEP_DEG)
    dates = f"{landsat:%Y%m%d}_{landsat + PROCESSED_AFTER:%Y%m%d}"
    home = folder / name
    of_gk2a = {2: "le2_lst_ko020lc", 1: "le1b_ir112_la020ge"}[config.level]
    slot = f"{goci2_time_of(name, config):%Y%m%d_%H%M%S}_LA_S{GOCI2_SLOT:03d}"
    l1b, ac = f"GK2_GOCI2_L1B_{slot}.nc", f"GK2B_GOCI2_L2_{slot}_AC.nc"
    return Scene(
        name,
        input=home / f"gk2a_ami_{of_gk2a}_{gk2a_time_of(name):%Y%m%d%H%M}.nc",
        reference=home / (l1b if config.level == 1 else ac),
        target=home / f"LC{satellite:02d}_L2SP_{PATH:03d}{row:03d}_{dates}_02_T1",
        lon=lon,
        lat=lat,
        time=iso(landsat),
        dem=home / "dem.tif",
        water=home / "water.tif",
    )


def image_files(name: str, folder: Path, config: GenerateConfig, product: str) -> Scene:
    """The manifest row of a scene of one optical image: the Landsat product, or the GOCI-II slot.

    Raises LstsrError if the sample does not contain ``product``.
    """
    scene = scene_files(name, folder, config)
    goci2 = {2: "goci2", 1: "goci2-l1b"}[config.level]
    made = {"landsat": scene.target, goci2: scene.reference}
    image = made.get(product)
    if image is None:
        raise LstsrError(
            f"config key sensors.target.product = '{product}': the sample of level {config.level} "
            f"contains only {' and '.join(made)}. Choose one of them"
        )
    return replace(scene, input=None, reference=None, target=image)


def _days(number: int, config: GenerateConfig) -> list[date]:
    """The dates of a place, in order. A larger ``dates`` only adds to them."""
    first, last = SEASON
    season = [first + timedelta(days=day) for day in range((last - first).days + 1)]
    return sorted(sorted(season, key=lambda day: _draw(config.seed, number, day))[: config.dates])


def _at(name: str, clock: time) -> datetime:
    return datetime.combine(date.fromisoformat(name.partition("-")[2]), clock, UTC)


def _draw(*of: object) -> int:
    """A number that depends only on the arguments and is the same on every machine."""
    return int.from_bytes(hashlib.sha256(" ".join(map(str, of)).encode()).digest()[:8])
