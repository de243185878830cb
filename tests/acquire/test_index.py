"""Scenes on disk: digests, footprints, and headers that make a scene unusable."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from lstsr.acquire.index import describe, digest, read_index, write_index
from lstsr.config import SensorsConfig
from lstsr.manifest import ROLES, Scene


def sensors(**crs: str) -> SensorsConfig:
    """Plain rasters, some with a coordinate system from the config."""
    return SensorsConfig.model_validate(
        {
            role: {"sensor": role, "unit": unit, "crs": crs.get(role)}
            for role, unit in (("input", "kelvin"), ("reference", "index"), ("target", "kelvin"))
        }
    )


PLAIN = sensors()
CORNER = Affine(1000, 0, 500_000, 0, -1000, 5_100_000)


def raster(path: Path, crs: str | None = "EPSG:32631", transform: Affine = CORNER) -> Path:
    path.parent.mkdir(exist_ok=True)
    values = np.full((1, 20, 30), 300, np.float32)
    with rasterio.open(
        path, "w", "GTiff", 30, 20, 1, crs=crs, transform=transform, dtype="float32"
    ) as dataset:
        dataset.write(values)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    of_input, of_reference, of_target = (
        raster(tmp_path / "s" / f"{role}.tif") for role in ("input", "reference", "target")
    )
    return Scene("s, 1", of_input, of_reference, of_target, time="2020-07-01T10:00Z")


def test_a_scene_is_described_by_its_bytes_and_its_place(scene: Scene) -> None:
    one = describe(scene, PLAIN)
    assert one.reason == ""
    for role in ("input", "reference", "target"):
        content = getattr(scene, role).read_bytes()
        assert one.digests[role] == hashlib.sha256(content).hexdigest()
    to_degrees = Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    assert (one.place.lon, one.place.lat) == pytest.approx(
        to_degrees.transform(515_000, 5_090_000), abs=1e-3
    )
    west, north = to_degrees.transform(500_000, 5_100_000)
    assert one.place.outline[0] == pytest.approx((west, north))
    assert {len(point) for point in one.place.outline} == {2}


def test_the_manifest_s_centre_stands_over_the_file_s(scene: Scene) -> None:
    one = describe(replace(scene, lon=3.5, lat=46.2), PLAIN)
    assert (one.place.lon, one.place.lat) == (3.5, 46.2)
    assert one.place.outline == describe(scene, PLAIN).place.outline


@pytest.mark.parametrize(
    ("lon", "lat", "words"),
    [
        (
            46.0,
            3.2,
            r"lon 46 and lat 3.2 .* middle is lon 3.194, lat 45.9\d\d. Are lon and lat swapped",
        ),
        (
            127.0,
            5.0,
            "lon 127 and lat 5 in the manifest lie far from .* Correct them, or leave them",
        ),
        (3.2, 45.2, "far from the footprint"),
    ],
)
def test_a_place_far_off_the_footprint_makes_the_scene_unusable(
    scene: Scene, lon: float, lat: float, words: str
) -> None:
    assert re.search(words, describe(replace(scene, lon=lon, lat=lat), PLAIN).reason)


def test_a_place_may_be_in_any_turn_or_near_the_footprint(scene: Scene) -> None:
    for lon, lat in ((363.2, 46.0), (-356.8, 46.0), (3.8, 45.6), (3.2, None), (None, 0.0)):
        assert describe(replace(scene, lon=lon, lat=lat), PLAIN).reason == ""


def test_a_scene_across_180_degrees_has_its_middle_there(scene: Scene) -> None:
    to_metres = Transformer.from_crs("EPSG:4326", "EPSG:32760", always_xy=True)
    x, y = to_metres.transform(180, -16.8)
    for role in ("input", "reference", "target"):
        corner = Affine(1000, 0, x - 14_000, 0, -1000, y + 10_000)
        raster(getattr(scene, role), "EPSG:32760", corner)
    place = describe(scene, PLAIN).place
    assert abs(place.lon) == pytest.approx(180, abs=0.02)
    assert place.lat == pytest.approx(-16.8, abs=0.01)
    assert np.ptp(place.outline, axis=0) == pytest.approx((0.28, 0.18), abs=0.01)
    assert describe(replace(scene, lon=-180.0, lat=-16.8), PLAIN).reason == ""


def test_the_footprint_is_that_of_the_smallest_true_area(scene: Scene) -> None:
    """In degrees, an image at 70 N is wider than a larger one nearer to the equator."""
    far = Affine(0.1, 0, 10, 0, -0.05, 70.5)
    raster(scene.input, "EPSG:4326", far)
    raster(scene.reference, "EPSG:4326", Affine(0.08, 0, 10, 0, -0.05, 40.5))
    raster(scene.target, "EPSG:4326", Affine(0.2, 0, 10, 0, -0.1, 41))
    assert describe(scene, PLAIN).place.outline[0] == (10, 70.5)


def test_a_digest_changes_with_a_side_file_that_comes_changes_and_goes(scene: Scene) -> None:
    without = digest(scene.target)
    side = scene.target.with_name("target.tif.aux.xml")
    side.write_text("one")
    first = digest(scene.target)
    side.write_text("two")
    assert len({without, first, digest(scene.target)}) == 3
    side.unlink()
    assert digest(scene.target) == without


def test_a_digest_of_a_store_knows_where_its_pieces_lie(tmp_path: Path) -> None:
    for folder, piece in (("a", "1"), ("b", "2")):
        (tmp_path / "s.zarr" / folder).mkdir(parents=True)
        (tmp_path / "s.zarr" / folder / "0").write_text(piece)
    before = digest(tmp_path / "s.zarr")
    (tmp_path / "s.zarr" / "a").rename(tmp_path / "s.zarr" / "c")
    assert digest(tmp_path / "s.zarr") != before


def test_a_coordinate_system_from_the_config_places_the_scene(scene: Scene) -> None:
    for role in ROLES:
        raster(getattr(scene, role), crs=None)
    told = sensors(**dict.fromkeys(ROLES, "EPSG:32632"))
    assert describe(scene, told).place.lon == pytest.approx(9.2, abs=0.1)
    assert "no coordinate system" in describe(scene, PLAIN).reason


def test_a_full_disk_leaves_the_footprint_to_the_other_images(scene: Scene) -> None:
    """Its corners are in space. Three of them are no scene."""
    disk = "+proj=geos +lon_0=128.2 +h=35785863 +a=6378137 +b=6356752.3 +sweep=y"
    expected = describe(scene, PLAIN).place.outline
    wide = Affine(400_000, 0, -6e6, 0, -550_000, 5.5e6)
    raster(scene.input, disk, wide)
    one = describe(scene, PLAIN)
    assert (one.reason, one.place.outline) == ("", expected)
    for path in (scene.reference, scene.target):
        raster(path, disk, wide)
    assert describe(scene, PLAIN).reason.startswith("all images are full disks")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("role", ["input", "reference", "target"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("header", "cannot be read"),
        ("no crs", "no coordinate system"),
        ("no place", "no georeferencing"),
    ],
)
def test_a_header_at_fault_makes_the_scene_unusable_by_reason(
    scene: Scene, role: str, fault: str, words: str
) -> None:
    path: Path = getattr(scene, role)
    if fault == "header":
        path.write_bytes(path.read_bytes()[:40])
    else:
        raster(path, None) if fault == "no crs" else raster(path, transform=Affine.identity())
    one = describe(scene, PLAIN)
    assert f"{role}.tif: " in one.reason
    assert words in one.reason
    # what was excluded can be traced to the bytes
    assert one.digests[role] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(one.digests) == {"input", "reference", "target"}


def test_a_footprint_that_is_nowhere_makes_the_scene_unusable(scene: Scene) -> None:
    raster(scene.input, transform=Affine(1000, 0, 5e8, 0, -1000, 5e9))
    assert "no longitude and latitude" in describe(scene, PLAIN).reason


def test_a_file_that_cannot_be_had_stops_the_job(scene: Scene) -> None:
    scene.reference.unlink()
    with pytest.raises(FileNotFoundError):
        describe(scene, PLAIN)


def test_the_index_keeps_everything(scene: Scene, tmp_path: Path) -> None:
    good = describe(scene, PLAIN)
    scene.target.write_bytes(b"")
    lost = describe(replace(scene, scene="lost", lon=None, lat=None, time=""), PLAIN)
    write_index(tmp_path / "shards" / "0.csv", [good, lost])
    again = read_index(tmp_path / "shards" / "0.csv")
    assert [one.reason for one in again] == ["", lost.reason]
    assert again[1] == lost
    assert again[0].digests == good.digests
    assert again[0].scene.files == scene.files
    assert again[0].scene.time == scene.time
    np.testing.assert_allclose(again[0].place.outline, good.place.outline, atol=1e-6)
    assert (again[0].place.lon, again[0].place.lat) == (good.place.lon, good.place.lat)
