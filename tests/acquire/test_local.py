"""Scenes on disk: digests, footprints, and headers that make a scene unusable."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from lstsr.acquire.local import describe, read_index, write_index
from lstsr.config import SensorsConfig
from lstsr.scenes import Scene


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
    one = describe(replace(scene, lon=1.5, lat=44.0), PLAIN)
    assert (one.place.lon, one.place.lat) == (1.5, 44.0)
    assert one.place.outline == describe(scene, PLAIN).place.outline


def test_a_coordinate_system_from_the_config_places_the_scene(scene: Scene) -> None:
    raster(scene.input, crs=None)
    assert describe(scene, sensors(input="EPSG:32632")).place.lon == pytest.approx(9.2, abs=0.1)
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
