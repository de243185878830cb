import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from pyproj import Transformer

from lstsr.config import GenerateConfig
from lstsr.geo.footprint import outline
from lstsr.simulate.gk2a import SECTOR
from lstsr.simulate.places import (
    gk2a_time_of,
    goci2_time_of,
    grid_of,
    names,
    place,
    scene_files,
    time_of,
)
from lstsr.simulate.sample import world_grid
from lstsr.split import Place, conflicts

CONFIG = GenerateConfig()


def test_each_place_has_its_own_dates_of_the_season():
    listed = names(CONFIG)
    assert len(set(listed)) == len(listed) == CONFIG.places * CONFIG.dates
    assert [place(name) for name in listed] == sorted([*range(8), *range(8)])
    days = [datetime.strptime(name.split("-")[1], "%Y%m%d").date() for name in listed]
    assert all(date(2023, 3, 1) <= day <= date(2023, 11, 30) for day in days)
    assert len({tuple(days[i : i + 2]) for i in range(0, 16, 2)}) == 8


def test_scenes_do_not_depend_on_how_many_there_are():
    more = CONFIG.model_copy(update={"places": 20, "dates": 5})
    assert set(names(CONFIG)) < set(names(more))
    assert scene_files(names(CONFIG)[5], Path(), CONFIG) == scene_files(
        names(CONFIG)[5], Path(), more
    )
    assert names(CONFIG.model_copy(update={"seed": 1})) != names(CONFIG)


@pytest.mark.parametrize("size_km", [16, 64, 128])
def test_the_largest_sample_overlaps_nowhere_and_lies_in_the_ko_area(size_km):
    config = GenerateConfig(places=48, dates=1, size_km=size_km)
    grids = {name: grid_of(name, config) for name in names(config)}
    places = [Place(name, 0, 0, outline(grid)) for name, grid in grids.items()]
    assert not conflicts(places)
    x, y = np.array([corner for grid in grids.values() for corner in grid.corners]).T
    ko = "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +datum=WGS84"
    in_ko = Transformer.from_crs("EPSG:32652", ko, always_xy=True).transform(x, y)
    assert np.abs(in_ko).max() < 890_000


def test_neighbours_leave_a_gap_and_pixels_lie_as_those_of_landsat():
    listed = names(CONFIG)
    first, east, south = (grid_of(listed[2 * number], CONFIG) for number in (0, 1, 3))
    assert first.width == first.height == 2134
    assert east.transform.c - first.corners[1][0] == pytest.approx(12_000, abs=60)
    assert first.corners[2][1] - south.transform.f == pytest.approx(12_000, abs=60)
    centre = first.transform @ (0.5, 0.5)
    assert (centre[0] % 30, centre[1] % 30) == (0, 0)
    assert centre == pytest.approx((300_000, 4_180_000), abs=30)


def test_the_sensors_look_within_minutes_of_each_other():
    for name in names(CONFIG):
        day = datetime.strptime(name.split("-")[1], "%Y%m%d").replace(tzinfo=UTC)
        landsat = (time_of(name) - day).total_seconds() / 60
        gk2a = (gk2a_time_of(name) - day).total_seconds() / 60
        assert 128 <= landsat < 132
        assert gk2a in (130, 132)
        assert (goci2_time_of(name, CONFIG) - day).total_seconds() / 60 == 135.5


def test_files_of_a_scene():
    scene = scene_files("p03-20230514", Path("made"), CONFIG)
    home = Path("made/p03-20230514")
    assert (
        scene.input == home / f"gk2a_ami_le2_lst_ko020lc_{gk2a_time_of(scene.scene):%Y%m%d%H%M}.nc"
    )
    assert scene.reference == home / "GK2B_GOCI2_L2_20230514_021530_LA_S007_AC.nc"
    assert scene.target.parent == scene.dem.parent == home
    assert scene.target.name[4:] == "_L2SP_115034_20230514_20230528_02_T1"
    assert scene.time == f"{time_of(scene.scene):%Y-%m-%dT%H:%M:%SZ}"
    assert (scene.lon, scene.lat) == pytest.approx((127.1, 36.8), abs=0.1)


def test_level_1_names_the_file_of_one_channel_and_the_slot_of_radiance():
    config = CONFIG.model_copy(update={"level": 1})
    one, other = (scene_files(names(CONFIG)[0], Path(), level) for level in (CONFIG, config))
    assert other.input.name[:28] == "gk2a_ami_le1b_ir112_la020ge_"
    assert other.input.name[-15:] == one.input.name[-15:]
    assert other.reference.name == "GK2_GOCI2_L1B_" + one.reference.name[14:].replace("_AC", "")
    assert replace(other, input=one.input, reference=one.reference) == one


@pytest.mark.parametrize("size_km", [16, 64, 128])
def test_the_largest_sample_of_level_1_lies_in_the_sector(size_km):
    """With the margin of the world; one place more is refused."""
    most = max(n for n in range(3, 49) if fits(n, size_km))
    assert {16: 48, 64: 27, 128: 15}[size_km] == most
    config = GenerateConfig(places=most, dates=1, size_km=size_km, level=1)
    to_sector = Transformer.from_crs("EPSG:32652", SECTOR.crs, always_xy=True)
    for name in names(config):
        x, y = np.array(world_grid(grid_of(name, config)).corners).T
        column, row = ~SECTOR.transform @ to_sector.transform(x, y)
        assert row.min() > 0 and row.max() < 500 and column.min() > 0 and column.max() < 500


def fits(places: int, size_km: int) -> bool:
    try:
        return bool(GenerateConfig(places=places, size_km=size_km, level=1))
    except ValidationError as error:
        assert "the LA sector of level 1 holds" in str(error)
        return False


def test_planning_needs_no_numpy():
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('numpy', 'rasterio', 'scipy', 'cv2')));"
        "from pathlib import Path; from types import SimpleNamespace;"
        "from lstsr.simulate.places import names, scene_files;"
        "config = SimpleNamespace(places=3, dates=1, size_km=16, seed=0, level=2,"
        " aged_reference=None);"
        "print(scene_files(names(config)[2], Path(), config).target)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "_L2SP_" in run.stdout
