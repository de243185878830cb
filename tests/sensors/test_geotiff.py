"""Rasters as users have them, read by what the config says; faults of content, and of the disk."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from lstsr import __version__
from lstsr.config import GeotiffConfig
from lstsr.errors import LstsrError, SceneError
from lstsr.grid import Grid
from lstsr.image import SensorImage, Triplet
from lstsr.sensors import geotiff
from lstsr.sensors.raster import selection

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


def test_a_fault_of_the_disk_is_not_the_scene_s(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for read in (lambda path: geotiff.read(path, sensor()), selection.band_names):
        with pytest.raises(OSError) as caught:
            read(tmp_path / "missing.tif")
        assert not isinstance(caught.value, LstsrError)
        with pytest.raises(SceneError, match="folder: it is a folder, not a raster"):
            read(tmp_path / "folder")


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
    assert selection.band_names(path) == ["day", "night"]


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
        assert found.time == "" and f"ignored the tag time = '{time}'" in found.history[1]


DRIVERS = {
    "ENVI": "lst.img",
    "HFA": "lst.img",
    "VRT": "lst.vrt",
    "AAIGrid": "lst.asc",
    "EHdr": "lst.bil",
    "SAGA": "lst.sdat",
    "netCDF": "lst.nc",
    "Zarr": "lst.zarr",
    "GPKG": "lst.gpkg",
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_raster_of_any_format(tmp_path: Path, driver: str) -> None:
    values = numbers(1, 5, 6).astype(np.float32) / 10
    source = stored(tmp_path / "source.tif", values)
    (tmp_path / "made").mkdir()
    path = tmp_path / "made" / DRIVERS[driver]
    rasterio.shutil.copy(source, path, driver=driver)
    image = geotiff.read(path, sensor())
    np.testing.assert_allclose(image.values, values, rtol=1e-6)
    assert image.valid.all()
    assert image.grid.transform.almost_equals(CORNER)
    assert CRS.from_wkt(image.grid.crs).to_epsg() == 32631
    found = geotiff.inspect(path)
    assert found.product == f"raster ({driver})"
    assert all(one.passed for one in found.assertions)


def test_an_ascii_grid_without_prj_needs_a_coordinate_system(tmp_path: Path) -> None:
    path = tmp_path / "lst.asc"
    path.write_text(
        "ncols 3\nnrows 2\nxllcorner 500000\nyllcorner 5099500\ncellsize 250\n"
        "NODATA_value -9999\n300 301 302\n303 -9999 305\n"
    )
    with pytest.raises(SceneError, match="lst.asc: no coordinate system.*--input-crs"):
        geotiff.read(path, sensor())
    assert not selection.states_crs(path)
    image = geotiff.read(path, sensor(crs=UTM))
    assert image.grid.transform == CORNER
    np.testing.assert_array_equal(image.values[0], [[300, 301, 302], [303, np.nan, 305]])


def test_a_png_with_a_world_file(tmp_path: Path) -> None:
    dn = numbers(1, 4, 5)
    path = tmp_path / "lst.png"
    # without its place, which the world file gives
    shape = {"count": 1, "height": 4, "width": 5, "dtype": "uint16"}
    with rasterio.open(tmp_path / "lst.png", "w", driver="PNG", **shape) as dataset:
        dataset.write(dn)
    path.with_name("lst.png.aux.xml").unlink(missing_ok=True)
    path.with_suffix(".pgw").write_text("250\n0\n0\n-250\n500125\n5099875\n")
    image = geotiff.read(path, sensor(crs=UTM, scale=0.1))
    assert image.grid.transform == CORNER
    np.testing.assert_allclose(image.values, dn / 10, rtol=1e-6)
    with rasterio.open(path, "r+") as dataset:
        dataset.crs = UTM
    assert path.with_name("lst.png.aux.xml").exists()
    assert selection.states_crs(path)
    np.testing.assert_allclose(geotiff.read(path, sensor(scale=0.1)).values, dn / 10, rtol=1e-6)


def _unplaced(path: Path, **places: Any) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=4, width=4, dtype="float32"
    ) as dataset:
        for name, value in places.items():
            setattr(dataset, name, value)
        dataset.write(np.full((1, 4, 4), 300, np.float32))
    return path


def _by_gcps(path: Path) -> Path:
    corners = [(0, 0), (0, 4), (4, 0), (4, 4)]
    points = [
        GroundControlPoint(row, column, 500_000 + 250 * column, 5_100_000 - 250 * row)
        for row, column in corners
    ]
    return _unplaced(path, gcps=(points, CRS.from_string(UTM)))


def _by_rpcs(path: Path) -> Path:
    one, line, sample = [1.0] + [0.0] * 19, [0.0, 0.0, 1.0] + [0.0] * 17, [0.0, 1.0] + [0.0] * 18
    offsets = {"height_off": 0, "lat_off": 46, "long_off": 3, "line_off": 2, "samp_off": 2}
    scales = {"height_scale": 500, "lat_scale": 0.1, "long_scale": 0.1}
    scales |= {"line_scale": 2, "samp_scale": 2}
    polynomials = {"line_num_coeff": line, "line_den_coeff": one}
    polynomials |= {"samp_num_coeff": sample, "samp_den_coeff": one}
    return _unplaced(path, rpcs=RPC(**offsets, **scales, **polynomials))


def _curvilinear(path: Path) -> Path:
    lon, lat = np.meshgrid(np.linspace(3, 3.1, 4), np.linspace(46, 45.9, 4))
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("y", 4)
        dataset.createDimension("x", 4)
        for name, values, unit in (
            ("lat", lat, "degrees_north"),
            ("lon", lon + lat / 100, "degrees_east"),
            ("LST", np.full((4, 4), 300.0), "K"),
        ):
            variable = dataset.createVariable(name, "f4", ("y", "x"))
            variable.units = unit
            variable[:] = values
        dataset["LST"].coordinates = "lon lat"
    return path


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("make", "name", "command"),
    [
        (_by_gcps, "lst.tif", "ground control points only.*gdalwarp -tps -r bilinear lst.tif"),
        (_by_rpcs, "lst.tif", "(RPC) only.*gdalwarp -rpc -to RPC_DEM=dem.tif -r bilinear lst.tif"),
        (_curvilinear, "lst.nc", "longitude and latitude only.*gdalwarp -geoloc .* lst.nc"),
        (_unplaced, "lst.tif", "gdal_translate -a_srs CRS -a_ullr .* lst.tif placed.tif"),
    ],
)
def test_what_has_no_geotransform_is_refused_with_the_command_that_places_it(
    tmp_path: Path, make: Callable[[Path], Path], name: str, command: str
) -> None:
    path = make(tmp_path / name)
    pattern = command.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(SceneError, match=rf"^{name}: .*{pattern}"):
        geotiff.read(path, sensor(crs="EPSG:4326"))
    found = geotiff.inspect(path).assertions[1]
    assert not found.passed and re.search(pattern, found.found)


LOCAL = 'LOCAL_CS["site",UNIT["metre",1],AXIS["East",EAST],AXIS["North",NORTH]]'
RADIANS = (
    'GEOGCS["r",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["radian",1]]'
)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"crs": LOCAL}, "gives no longitude and latitude on the Earth.*--input-crs"),
        ({"crs": "EPSG:4978"}, "gives no longitude and latitude on the Earth"),
        ({"crs": "+proj=eqc +R=1737400"}, "gives no longitude and latitude on the Earth"),
        ({"crs": RADIANS, "transform": Affine(1e-4, 0, 2, 0, -1e-4, 0.6)}, "radians.*gdalwarp"),
        ({"crs": "EPSG:4326"}, "upper left 500000.000, 5100000.000.*not longitudes and latitudes"),
        ({"crs": "EPSG:4326", "transform": Affine(1, 0, 0, 0, -1, 200)}, "not longitudes"),
        ({"transform": Affine(0, 0, 5e5, 0, 0, 5.1e6)}, "has no area.*-a_ullr"),
        ({"transform": Affine(250, 0, np.nan, 0, -250, 5.1e6)}, "has no area"),
        ({"transform": Affine(250, 0, np.inf, 0, -250, 5.1e6)}, "has no area"),
    ],
)
def test_a_place_that_is_not_on_the_earth_is_refused_and_can_be_inspected(
    tmp_path: Path, profile: dict[str, Any], words: str
) -> None:
    path = stored(tmp_path / "lst.tif", numbers(1, 4, 4), **profile)
    for reads in (geotiff.read, geotiff.grid):
        with pytest.raises(SceneError, match=rf"^lst\.tif: .*{words}"):
            reads(path, sensor(scale=0.1))
    assert dict(geotiff.inspect(path).facts)["size"] == "4 rows x 4 columns"


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", Affine(1, 0, -180, 0, -1, 90.5)),
        ("EPSG:4326", Affine(0.01, 0, 359.9, 0, 0.01, 10)),
        ("EPSG:4807", Affine(0.01, 0, 1, 0, -0.01, 54)),
        ("EPSG:3413", Affine(1000, 0, -2000, 0, -1000, 2000)),
        ("EPSG:32652+5773", CORNER),
        ("+proj=geos +lon_0=128.2 +h=35785863 +sweep=x", Affine(2000, 0, 0, 0, -2000, 5e6)),
    ],
    ids=["half a cell beyond the pole", "0..360", "grads", "pole", "with heights", "geostationary"],
)
def test_an_odd_place_on_the_earth_is_accepted(tmp_path: Path, crs: str, transform: Affine) -> None:
    path = stored(tmp_path / "a.tif", numbers(1, 4, 4), crs=crs, transform=transform)
    assert geotiff.read(path, sensor(scale=0.1)).grid.transform == transform
    assert all(one.passed for one in geotiff.inspect(path).assertions)


def test_a_declared_size_beyond_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    shape = {"count": 1, "height": 1_000_000, "width": 1_000_000, "dtype": "float32"}
    tiles = {"tiled": True, "blockxsize": 4096, "blockysize": 4096}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        crs=UTM,
        transform=CORNER,
        sparse_ok=True,
        bigtiff="YES",
        **shape,
        **tiles,
    ):
        pass
    with pytest.raises(SceneError, match="1000000 rows x 1000000 columns are too many.*-projwin"):
        geotiff.read(path, sensor())
    assert "values not read" in dict(geotiff.inspect(path).facts)["band 1"]


def test_of_a_large_band_inspect_looks_at_every_nth_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geotiff, "SHOWN_PIXELS", 16)
    dn = numbers(1, 40, 40)
    dn[0, :, 20:] = 0
    facts = dict(geotiff.inspect(stored(tmp_path / "a.tif", dn, nodata=0)).facts)
    assert "valid 50.0%" in facts["band 1"]


def test_many_bands(tmp_path: Path) -> None:
    values = np.broadcast_to(np.arange(600, dtype=np.float32)[:, None, None], (600, 2, 2))
    path = stored(tmp_path / "a.tif", values)
    with pytest.raises(SceneError, match=r"600 bands: 1, 2, .*, 12, \.\.\.. Choose one of them"):
        geotiff.read(path, sensor())
    assert geotiff.read(path, sensor(bands=[301])).values.mean() == 300
    with pytest.raises(SceneError, match="600 bands are too many. Choose at most 512"):
        selection.band_names(path)
    assert dict(geotiff.inspect(path).facts)["more bands"] == "500, not shown"


def test_bands_by_name_whatever_the_capitals(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.tif", numbers(2, 4, 4))
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("LST_Day", "LST_Night")
    image = geotiff.read(path, sensor(bands=["lst_night"], scale=0.1))
    np.testing.assert_allclose(image.values[0], numbers(2, 4, 4)[1] / 10, rtol=1e-6)
    with pytest.raises(SceneError, match="band qc is missing.* 1 LST_Day, 2 LST_Night"):
        geotiff.read(path, sensor(bands=["qc"]))


RAW = {"ENVI": "lst.img", "EHdr": "lst.bil", "ISCE": "lst.isce", "ERS": "lst", "RRASTER": "lst.gri"}


@pytest.mark.parametrize("driver", RAW)
def test_a_raw_raster_that_ends_too_soon_is_not_filled_with_zeros(
    tmp_path: Path, driver: str
) -> None:
    source = stored(tmp_path / "source.tif", numbers(1, 40, 40).astype(np.float32) / 10)
    (tmp_path / "made").mkdir()
    values = tmp_path / "made" / RAW[driver]
    suffix = {"ERS": ".ers", "RRASTER": ".grd"}.get(driver, values.suffix)
    path = values.with_suffix(suffix)
    rasterio.shutil.copy(source, path, driver=driver)
    assert geotiff.read(path, sensor()).valid.all()
    values.write_bytes(values.read_bytes()[:-8])
    with pytest.raises(SceneError, match=f"^{path.name}: truncated, 6392 bytes of the 6400"):
        geotiff.read(path, sensor())


def _regular(path: Path, lat: np.ndarray, format: str = "NETCDF4") -> Path:
    lon = 3 + 0.01 * np.arange(6)
    with netCDF4.Dataset(path, "w", format=format) as dataset:
        for name, values, unit in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            dataset.createDimension(name, len(values))
            axis = dataset.createVariable(name, "f8", (name,))
            axis.units = unit
            axis[:] = values
        dataset.createVariable("LST", "f4", ("lat", "lon"))[:] = 300
    return path


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4"])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.99])
def test_a_netcdf_that_ends_too_soon_is_not_filled_with_zeros(
    tmp_path: Path, format: str, share: float
) -> None:
    path = _regular(tmp_path / "lst.nc", 46 - 0.01 * np.arange(50), format)
    assert geotiff.read(path, sensor()).values.min() == 300
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(SceneError, match="lst.nc: .*truncated"):
        geotiff.read(path, sensor())


def test_axes_that_are_not_even_are_refused(tmp_path: Path) -> None:
    """GDAL would spread such rows evenly, some kilometres off."""
    rows = np.arange(12)
    with pytest.raises(SceneError, match="lst.nc: the coordinates lat are not evenly spaced"):
        geotiff.read(_regular(tmp_path / "lst.nc", 46 - 0.01 * rows**1.2), sensor())
    with pytest.raises(SceneError, match="not evenly spaced"):
        lat = np.where(rows == 3, np.nan, 46 - 0.01 * rows)
        geotiff.read(_regular(tmp_path / "lst.nc", lat), sensor())
    rounded = (46 - 0.01 * rows).astype(np.float32)
    assert geotiff.read(_regular(tmp_path / "lst.nc", rounded), sensor()).valid.all()


def test_flags_are_no_measurements(tmp_path: Path) -> None:
    path = stored(tmp_path / "a_flags.tif", numbers(1, 4, 4))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(flag_masks="1 2 4")
    with pytest.raises(SceneError, match="a_flags.tif: it holds flags"):
        geotiff.read(path, sensor(scale=0.1))


def test_an_unknown_unit_of_heights_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path / "dem.tif", numbers(1, 4, 4))
    for unit, factor in (("fathoms", None), ("cm", 0.01), ("dm", 0.1), ("ft", 0.3048)):
        with rasterio.open(path, "r+") as dataset:
            dataset.units = (unit,)
        if factor is None:
            with pytest.raises(SceneError, match="unit 'fathoms', which lstsr does not know"):
                geotiff.read(path, sensor(unit="metre"))
            continue
        found = geotiff.read(path, sensor(unit="metre")).values[0]
        np.testing.assert_allclose(found, numbers(4, 4) * factor, rtol=1e-5)
