"""Rasters as users have them, read by what the config says; faults of content, and of the disk."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

from lstsr import __version__
from lstsr.config import GeotiffConfig
from lstsr.errors import LstsrError, SceneError
from lstsr.grid import Grid
from lstsr.image import SensorImage, Triplet
from lstsr.sensors import geotiff

UTM = "EPSG:32631"
SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m +no_defs"
CORNER = Affine(250, 0, 500_000, 0, -250, 5_100_000)


def sensor(**options: Any) -> GeotiffConfig:
    return GeotiffConfig.model_validate({"sensor": "test", "unit": "kelvin"} | options)


def stored(path: Path, values: np.ndarray, **profile: Any) -> Path:
    """A plain GeoTIFF of (band, row, column) as it comes from elsewhere."""
    bands, height, width = values.shape
    shape = {"count": bands, "height": height, "width": width, "dtype": values.dtype}
    place = {"crs": UTM, "transform": CORNER}
    with rasterio.open(path, "w", driver="GTiff", **shape, **(place | profile)) as dataset:
        dataset.write(values)
    return path


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(2800, 3200, shape).astype(np.uint16)


def test_stored_numbers_become_kelvin_by_scale_and_offset(tmp_path: Path) -> None:
    dn = numbers(1, 12, 16)
    path = stored(tmp_path / "a.tif", dn)
    image = geotiff.read(path, sensor(scale=0.05, offset=149))
    np.testing.assert_allclose(image.values, dn * 0.05 + 149, atol=1e-4)
    assert image.valid.all()
    assert (image.unit, image.sensor, image.time) == ("kelvin", "test", "")
    assert image.grid.transform == CORNER
    assert CRS.from_wkt(image.grid.crs) == CRS.from_string(UTM)


def test_celsius_becomes_kelvin_and_its_valid_range_is_in_celsius(tmp_path: Path) -> None:
    values = np.array([[[-5.0, 10.0], [25.0, 60.0]]], np.float32)
    path = stored(tmp_path / "a.tif", values)
    image = geotiff.read(path, sensor(unit="celsius", valid_min=0, valid_max=50))
    np.testing.assert_array_equal(image.valid, [[False, True], [True, False]])
    np.testing.assert_allclose(image.values[0][image.valid], [283.15, 298.15])
    assert image.unit == "kelvin"
    assert np.isnan(image.values[0][~image.valid]).all()


@pytest.mark.parametrize(
    ("profile", "options", "masked"),
    [
        ({"nodata": 0}, {}, [[2, 3]]),
        ({}, {"nodata": 0}, [[2, 3]]),
        ({"nodata": 3000}, {"nodata": 0}, [[2, 3], [4, 4]]),
        ({}, {"nodata": [0, 3000]}, [[2, 3], [4, 4]]),
        ({}, {"valid_min": 100}, [[2, 3]]),
    ],
    ids=["the file's", "the config's", "both", "several", "by range"],
)
def test_nodata_comes_from_the_file_and_the_config(
    tmp_path: Path, profile: dict[str, Any], options: dict[str, Any], masked: list[list[int]]
) -> None:
    dn = numbers(1, 8, 8)
    dn[dn == 3000] += 1
    dn[0, 2, 3] = 0
    dn[0, 4, 4] = 3000
    image = geotiff.read(stored(tmp_path / "a.tif", dn, **profile), sensor(scale=0.1, **options))
    assert np.argwhere(~image.valid).tolist() == masked
    assert np.isnan(image.values[0, 2, 3])


def test_what_is_not_finite_is_masked(tmp_path: Path) -> None:
    values = np.full((1, 4, 4), 300, np.float32)
    values[0, 0, 0], values[0, 1, 1], values[0, 2, 2] = np.nan, np.inf, -3.4e38
    path = stored(tmp_path / "a.tif", values, nodata=-3.4e38)
    assert np.argwhere(~geotiff.read(path, sensor()).valid).tolist() == [[0, 0], [1, 1], [2, 2]]
    by_config = sensor(nodata=-3.4e38)
    assert geotiff.read(stored(tmp_path / "b.tif", values), by_config).valid.sum() == 13


def test_bands_are_picked_in_the_order_asked_and_valid_together(tmp_path: Path) -> None:
    values = np.stack([np.full((4, 4), band / 10, np.float32) for band in range(1, 5)])
    values[0, 0, 0] = values[3, 1, 1] = values[1, 2, 2] = -9999
    path = stored(tmp_path / "a.tif", values, nodata=-9999)
    options = sensor(unit="reflectance", bands=[4, 1], names=["nir", "blue"])
    image = geotiff.read(path, options)
    assert image.bands == ("nir", "blue")
    np.testing.assert_allclose(image.values[:, 3, 3], [0.4, 0.1])
    assert np.argwhere(~image.valid).tolist() == [[0, 0], [1, 1]], "band 2 is not asked for"
    assert np.isnan(image.values[:, 0, 0]).all()


@pytest.mark.parametrize("pixels", [1, 3])
def test_the_rim_is_taken_off_gaps_but_not_off_the_frame(tmp_path: Path, pixels: int) -> None:
    dn = numbers(1, 24, 24)
    dn[0, :, 14:] = 0
    image = geotiff.read(stored(tmp_path / "a.tif", dn), sensor(nodata=0, rim_erosion=pixels))
    expected = np.zeros((24, 24), bool)
    expected[:, : 14 - pixels] = True
    np.testing.assert_array_equal(image.valid, expected)


def test_a_coordinate_system_in_the_config_replaces_the_file_s(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.tif", numbers(1, 4, 4), crs=UTM)
    grid = geotiff.read(path, sensor(crs=SINUSOIDAL)).grid
    assert CRS.from_wkt(grid.crs) == CRS.from_string(SINUSOIDAL)
    assert grid.transform == CORNER
    nameless = stored(tmp_path / "b.tif", numbers(1, 4, 4), crs=None)
    assert geotiff.read(nameless, sensor(crs=UTM)).grid == geotiff.read(path, sensor()).grid


def _half(path: Path) -> Path:
    whole = stored(path, numbers(1, 400, 400), tiled=True, compress="deflate").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _bytes(content: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return make


FAULTS: dict[str, tuple[Callable[[Path], Path], dict[str, Any], str]] = {
    "truncated": (_half, {}, "cannot be read. It may be truncated"),
    "empty": (_bytes(b""), {}, "cannot be read"),
    "no raster": (_bytes(b"<html>not found</html>" * 50), {}, "cannot be read"),
    "no crs": (
        lambda path: stored(path, numbers(1, 4, 4), crs=None),
        {},
        "no coordinate system. State it in the sensor's crs",
    ),
    "no place": (
        lambda path: stored(path, numbers(1, 4, 4), transform=Affine.identity()),
        {},
        "no georeferencing",
    ),
    "all nodata": (
        lambda path: stored(path, np.zeros((1, 4, 4), np.uint16), nodata=0),
        {},
        "no valid pixel. Check nodata, valid_min and valid_max",
    ),
    "out of range": (lambda path: stored(path, numbers(1, 4, 4)), {"valid_max": 1}, "no valid pix"),
    "missing band": (
        lambda path: stored(path, numbers(2, 4, 4)),
        {"bands": [3]},
        "band 3 is missing, the file has 2 bands",
    ),
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_content_is_the_scene_s_and_names_the_file(tmp_path: Path, fault: str) -> None:
    make, options, words = FAULTS[fault]
    with pytest.raises(SceneError) as caught:
        geotiff.read(make(tmp_path / "lst.tif"), sensor(**options))
    assert str(caught.value).startswith("lst.tif: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["missing.tif", "folder"])
def test_a_fault_of_the_disk_is_not_the_scene_s(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    for read in (lambda path: geotiff.read(path, sensor()), geotiff.band_names):
        with pytest.raises(OSError) as caught:
            read(tmp_path / name)
        assert not isinstance(caught.value, LstsrError)


@pytest.fixture
def image() -> SensorImage:
    grid = Grid(
        CRS.from_string(SINUSOIDAL).to_wkt(),
        Affine(926.625433055833, 0, 2.2e5, 0, -926.625433055833, 5.1e6),
        40,
        30,
    )
    rng = np.random.default_rng(0)
    valid = rng.random(grid.shape) < 0.8
    values = np.where(valid, rng.normal(300, 5, (2, *grid.shape)), np.nan).astype(np.float32)
    return SensorImage(
        values, valid, grid, ("day", "night"), "kelvin", "made", "2020-07-01T10:00Z", ("one", "two")
    )


def test_what_is_written_comes_back(tmp_path: Path, image: SensorImage) -> None:
    geotiff.write(tmp_path / "deep" / "a.tif", image)
    back = geotiff.read_written(tmp_path / "deep" / "a.tif")
    np.testing.assert_array_equal(back.values, image.values)
    np.testing.assert_array_equal(back.valid, image.valid)
    assert back.grid.transform == image.grid.transform
    assert (back.grid.width, back.grid.height) == (40, 30)
    for name in ("bands", "unit", "sensor", "time", "history"):
        assert getattr(back, name) == getattr(image, name)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.tif"], (
        "nothing is left over"
    )


def test_an_image_without_time_and_history_comes_back(tmp_path: Path, image: SensorImage) -> None:
    bare = SensorImage(image.values, image.valid, image.grid, image.bands, "kelvin", "")
    geotiff.write(tmp_path / "a.tif", bare)
    back = geotiff.read_written(tmp_path / "a.tif")
    assert (back.sensor, back.time, back.history) == ("", "", ())


def test_grids_still_nest_once_written(tmp_path: Path, image: SensorImage) -> None:
    """Coordinates pass through the file's own encoding: a triplet must accept what comes back."""
    for scale in (4, 8):
        fine = image.grid.refine(scale)
        shape = fine.shape
        values = np.full((1, *shape), 300, np.float32)
        target = SensorImage(values, np.ones(shape, bool), fine, ("lst",), "kelvin", "made")
        geotiff.write(tmp_path / "input.tif", image)
        geotiff.write(tmp_path / "target.tif", target)
        back = [geotiff.read_written(tmp_path / f"{name}.tif") for name in ("input", "target")]
        assert Triplet("a", back[0], back[1], back[1]).scale == scale


def test_files_open_anywhere_and_say_what_they_are(tmp_path: Path, image: SensorImage) -> None:
    path = tmp_path / "a.tif"
    geotiff.write(path, image, {"moved_row": "0.5"})
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.isnan(dataset.nodata)
        assert dataset.dtypes == ("float32", "float32")
        assert dataset.descriptions == ("day", "night")
        assert dataset.units == ("kelvin", "kelvin")
        tags = dataset.tags()
        assert tags["unit"] == "kelvin"
        assert tags["lstsr_version"] == __version__
        assert tags["moved_row"] == "0.5"
        assert tags["history"] == "one; two"
        np.testing.assert_array_equal(dataset.read(1, masked=True).mask, ~image.valid)
    # and through the reader of users' files, with nothing set
    again = geotiff.read(path, sensor(bands=[1, 2], names=["day", "night"]))
    np.testing.assert_array_equal(again.values, image.values)
    assert geotiff.band_names(path) == ["day", "night"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, image: SensorImage) -> None:
    path = tmp_path / "a.tif"
    geotiff.write(path, image)
    before = path.read_bytes()
    broken = Grid("no system", image.grid.transform, image.grid.width, image.grid.height)
    with pytest.raises(rasterio.errors.CRSError):
        geotiff.write(path, SensorImage(image.values, image.valid, broken, image.bands, "", ""))
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.tif"]


def test_the_time_is_the_tag_s_and_one_that_is_none_is_passed_over(tmp_path: Path) -> None:
    grid = Grid("EPSG:32652", Affine(250, 0, 3e5, 0, -250, 4e6), 4, 3)
    image = SensorImage(
        np.full((1, 3, 4), 300, np.float32), np.ones((3, 4), bool), grid, ("lst",), "kelvin", "x"
    )
    sensor = GeotiffConfig(sensor="x", unit="kelvin")
    for time in ("", "2023-05-12T02:10:00Z"):
        geotiff.write(tmp_path / "a.tif", replace(image, time=time))
        assert geotiff.read(tmp_path / "a.tif", sensor).time == time
    for time in ("2023-05-12T02:10:00.000000000", "2023-05-12 11:10+09", "20230512T0210Z"):
        geotiff.write(tmp_path / "a.tif", replace(image, time=time))
        assert geotiff.read(tmp_path / "a.tif", sensor).time == "2023-05-12T02:10:00Z"
    for time in ("yesterday", "2023-05-12"):
        geotiff.write(tmp_path / "a.tif", replace(image, time=time))
        found = geotiff.read(tmp_path / "a.tif", sensor)
        assert found.time == "" and f"passed over the tag time = '{time}'" in found.history[1]
