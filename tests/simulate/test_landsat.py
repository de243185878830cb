"""L2SP folders, read without our reader, and the observation of a world that they hold."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

from lstsr.grid import Grid
from lstsr.simulate.clouds import Clouds
from lstsr.simulate.landsat import OLI_NM, LandsatProduct, observe, qa_pixel, write_l2sp
from lstsr.simulate.world import World
from tests.simulate import worlds
from tests.simulate.worlds import FOOTPRINT, FWHM, MARGIN, clear, inner, one_cloud

BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
TIME = datetime(2023, 5, 12, 2, 10, 31, 978399, tzinfo=UTC)
NAME = "LC09_L2SP_115034_20230512_20230526_02_T1"
UTM = "EPSG:32652"
# 300 columns and rows: tiles of 256 are not filled
GRID = Grid(UTM, Affine(30, 0, 299_985, 0, -30, 4_180_005), 300, 280)


def product() -> LandsatProduct:
    rng = np.random.default_rng(0)
    shape = GRID.shape
    return LandsatProduct(
        product_id=NAME,
        grid=GRID,
        time=TIME,
        lst_k=rng.uniform(250, 340, shape).astype(np.float32),
        lst_uncertainty_k=rng.uniform(0.5, 6, shape).astype(np.float32),
        reflectance={band: rng.uniform(-0.05, 1, shape).astype(np.float32) for band in BANDS},
        qa_pixel=rng.integers(0, 65536, shape, np.uint16),
        qa_radsat=rng.integers(0, 4096, shape, np.uint16),
        sun_azimuth_deg=140.5,
        sun_elevation_deg=-1e-9,
        cloud_cover_percent=12.345,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_l2sp(tmp_path_factory.mktemp("l2sp"), product())


def numbers(folder: Path, ending: str) -> np.ndarray:
    with rasterio.open(folder / f"{NAME}_{ending}.TIF") as dataset:
        return dataset.read(1)


def keys(folder: Path) -> dict[str, dict[str, str]]:
    text = (folder / f"{NAME}_MTL.json").read_text()
    return json.loads(text)["LANDSAT_METADATA_FILE"]


def test_the_folder_holds_the_files_of_the_delivery(folder: Path) -> None:
    endings = {"ST_B10.TIF", "ST_QA.TIF", "QA_PIXEL.TIF", "QA_RADSAT.TIF", "MTL.txt", "MTL.json"}
    endings |= {f"SR_B{number}.TIF" for number in range(1, 8)}
    assert folder.name == NAME
    assert {file.name for file in folder.iterdir()} == {f"{NAME}_{ending}" for ending in endings}
    assert [path.name for path in folder.parent.iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("ending", "dtype", "nodata"),
    [
        ("ST_B10", "uint16", 0),
        ("ST_QA", "int16", -9999),
        *((f"SR_B{number}", "uint16", 0) for number in range(1, 8)),
        ("QA_PIXEL", "uint16", 1),
        ("QA_RADSAT", "uint16", None),
    ],
)
def test_gdal_opens_every_raster(folder: Path, ending: str, dtype: str, nodata: int | None) -> None:
    with rasterio.open(folder / f"{NAME}_{ending}.TIF") as dataset:
        assert dataset.driver == "GTiff"
        assert (dataset.count, dataset.dtypes[0], dataset.nodata) == (1, dtype, nodata)
        assert dataset.profile["compress"] == "deflate"
        assert dataset.block_shapes == [(256, 256)]
        assert dataset.crs == CRS.from_string(UTM)
        # stated by pixel centres in the file; GDAL says where corners are
        assert dataset.tags()["AREA_OR_POINT"] == "Point"
        assert dataset.transform == GRID.transform
        assert dataset.shape == GRID.shape


def test_numbers_are_the_nearest_of_the_product_scale(folder: Path) -> None:
    made = product()
    for ending, truth, scale, offset in [
        ("ST_B10", made.lst_k, 0.00341802, 149.0),
        ("ST_QA", made.lst_uncertainty_k, 0.01, 0.0),
        *(
            (f"SR_B{number}", made.reflectance[band], 2.75e-5, -0.2)
            for number, band in enumerate(BANDS, 1)
        ),
    ]:
        error = numbers(folder, ending) * scale + offset - truth
        # half a step, and the rounding of float32
        assert np.abs(error).max() < 0.51 * scale
    np.testing.assert_array_equal(numbers(folder, "QA_PIXEL"), made.qa_pixel)
    np.testing.assert_array_equal(numbers(folder, "QA_RADSAT"), made.qa_radsat)


def test_no_value_is_each_rasters_own_fill_and_extremes_are_not(tmp_path: Path) -> None:
    made = product()
    for image in (made.lst_k, made.lst_uncertainty_k, made.reflectance["red"]):
        image[0, 0] = np.nan
    made.lst_k[0, 1:3] = 100, 400
    made.reflectance["red"][0, 1:3] = -1, 3
    folder = write_l2sp(tmp_path, made)
    assert list(numbers(folder, "ST_B10")[0, :3]) == [0, 1, 65535]
    assert list(numbers(folder, "SR_B4")[0, :3]) == [0, 1, 65535]
    assert numbers(folder, "ST_QA")[0, 0] == -9999
    assert (numbers(folder, "SR_B3") > 0).all()


def test_the_two_mtl_files_say_the_same(folder: Path) -> None:
    groups: dict[str, dict[str, str]] = {}
    lines = (folder / f"{NAME}_MTL.txt").read_text().splitlines()
    assert lines[0] == "GROUP = LANDSAT_METADATA_FILE"
    assert lines[-2:] == ["END_GROUP = LANDSAT_METADATA_FILE", "END"]
    for line in lines[1:-2]:
        key, value = line.strip().split(" = ", 1)
        if key == "GROUP":
            group = groups.setdefault(value, {})
        elif key != "END_GROUP":
            group[key] = value.strip('"')
    assert groups == keys(folder)
    assert all(isinstance(value, str) for group in groups.values() for value in group.values())


def test_values_are_written_as_in_real_mtl_files(folder: Path) -> None:
    text = (folder / f"{NAME}_MTL.txt").read_text()
    for line in [
        f'LANDSAT_PRODUCT_ID = "{NAME}"',
        'PROCESSING_LEVEL = "L2SP"',
        "COLLECTION_NUMBER = 02",
        f'FILE_NAME_BAND_ST_B10 = "{NAME}_ST_B10.TIF"',
        'SPACECRAFT_ID = "LANDSAT_9"',
        "WRS_PATH = 115",
        "WRS_ROW = 34",
        "DATE_ACQUIRED = 2023-05-12",
        'SCENE_CENTER_TIME = "02:10:31.9783990Z"',
        "CLOUD_COVER = 12.35",
        "SUN_AZIMUTH = 140.50000000",
        "UTM_ZONE = 52",
        "THERMAL_LINES = 280",
        "THERMAL_SAMPLES = 300",
        "REFLECTANCE_MULT_BAND_7 = 2.75e-05",
        "REFLECTANCE_ADD_BAND_7 = -0.2",
        "TEMPERATURE_MAXIMUM_BAND_ST_B10 = 372.999941",
        "TEMPERATURE_MINIMUM_BAND_ST_B10 = 149.003418",
        "TEMPERATURE_MULT_BAND_ST_B10 = 0.00341802",
        "TEMPERATURE_ADD_BAND_ST_B10 = 149.0",
        "QUANTIZE_CAL_MAXIMUM_BAND_ST_B10 = 65535",
    ]:
        assert f"    {line}\n" in text


def test_every_key_of_the_facts_stands_in_its_group(folder: Path) -> None:
    groups = keys(folder)
    corners = [
        f"CORNER_{corner}_{axis}_PRODUCT"
        for corner in ("UL", "UR", "LL", "LR")
        for axis in ("PROJECTION_X", "PROJECTION_Y", "LAT", "LON")
    ]
    for group, stated in {
        "PRODUCT_CONTENTS": (
            "LANDSAT_PRODUCT_ID",
            "PROCESSING_LEVEL",
            "COLLECTION_CATEGORY",
            "FILE_NAME_BAND_ST_B10",
            "FILE_NAME_QUALITY_L1_PIXEL",
            "FILE_NAME_QUALITY_L2_SURFACE_TEMPERATURE",
        ),
        "IMAGE_ATTRIBUTES": (
            "SPACECRAFT_ID",
            "SENSOR_ID",
            "WRS_PATH",
            "WRS_ROW",
            "DATE_ACQUIRED",
            "SCENE_CENTER_TIME",
            "CLOUD_COVER",
            "CLOUD_COVER_LAND",
            "SUN_AZIMUTH",
            "SUN_ELEVATION",
            "ROLL_ANGLE",
            "IMAGE_QUALITY_TIRS",
        ),
        "PROJECTION_ATTRIBUTES": (
            "UTM_ZONE",
            "GRID_CELL_SIZE_THERMAL",
            "THERMAL_LINES",
            "THERMAL_SAMPLES",
            *corners,
        ),
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": (
            "TEMPERATURE_MULT_BAND_ST_B10",
            "TEMPERATURE_ADD_BAND_ST_B10",
            "QUANTIZE_CAL_MAXIMUM_BAND_ST_B10",
            "QUANTIZE_CAL_MINIMUM_BAND_ST_B10",
        ),
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": tuple(
            f"REFLECTANCE_{key}_BAND_{number}" for key in ("MULT", "ADD") for number in range(1, 8)
        ),
    }.items():
        assert groups[group].keys() >= set(stated)
    # the Level-1 product's own scale, under the keys of Level 2
    assert groups["LEVEL1_RADIOMETRIC_RESCALING"]["REFLECTANCE_MULT_BAND_4"] == "2.0000E-05"


def test_trap_corners_of_the_mtl_are_pixel_centres(folder: Path) -> None:
    stated = keys(folder)["PROJECTION_ATTRIBUTES"]
    to_degrees = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    for corner, x, y in [
        ("UL", 300_000, 4_179_990),
        ("UR", 308_970, 4_179_990),
        ("LL", 300_000, 4_171_620),
        ("LR", 308_970, 4_171_620),
    ]:
        assert stated[f"CORNER_{corner}_PROJECTION_X_PRODUCT"] == f"{x}.000"
        assert stated[f"CORNER_{corner}_PROJECTION_Y_PRODUCT"] == f"{y}.000"
        lon, lat = to_degrees.transform(x, y)
        assert float(stated[f"CORNER_{corner}_LON_PRODUCT"]) == pytest.approx(lon, abs=1e-5)
        assert float(stated[f"CORNER_{corner}_LAT_PRODUCT"]) == pytest.approx(lat, abs=1e-5)


def test_a_folder_of_that_name_is_always_whole(tmp_path: Path) -> None:
    made = product()
    broken = replace(made, reflectance={"red": made.reflectance["red"]})
    with pytest.raises(KeyError):
        write_l2sp(tmp_path, broken)
    assert not (tmp_path / NAME).exists()
    folder = write_l2sp(tmp_path, made)
    (folder / "stale.txt").touch()
    with pytest.raises(KeyError):
        write_l2sp(tmp_path, broken)
    assert (folder / f"{NAME}_MTL.txt").is_file()
    write_l2sp(tmp_path, replace(made, cloud_cover_percent=50.0))
    assert keys(folder)["IMAGE_ATTRIBUTES"]["CLOUD_COVER"] == "50.00"
    assert not (folder / "stale.txt").exists()


def test_a_replacement_that_is_cut_short_leaves_a_whole_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_l2sp(tmp_path, product())
    unlink = os.unlink
    removed: list[Any] = []

    def killed(path: Any, **options: Any) -> None:
        if len(removed) == 3:
            raise KeyboardInterrupt
        removed.append(path)
        unlink(path, **options)

    with monkeypatch.context() as during:
        during.setattr(os, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            write_l2sp(tmp_path, replace(product(), cloud_cover_percent=50.0))
    assert len(list((tmp_path / NAME).iterdir())) == 13
    assert keys(tmp_path / NAME)["IMAGE_ATTRIBUTES"]["CLOUD_COVER"] == "50.00"
    # the next one clears what was left
    write_l2sp(tmp_path, product())
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize(
    "grid",
    [
        replace(GRID, crs="EPSG:32752"),
        replace(GRID, crs="EPSG:4326"),
        GRID.refine(2),
        replace(GRID, transform=GRID.transform @ Affine.scale(1, -1)),
    ],
    ids=["south", "degrees", "15 m", "south up"],
)
def test_grids_that_landsat_does_not_have_are_refused(grid: Grid) -> None:
    with pytest.raises(ValueError, match="a Landsat grid"):
        replace(product(), grid=grid)


# ---- observation


def observed(world: World, clouds: Clouds, seed: int = 0):
    return observe(
        world,
        clouds,
        FOOTPRINT,
        np.random.default_rng(seed),
        product_id="LC08_L2SP_115034_20230514_20230528_02_T1",
        time=worlds.TIME,
    )


def test_landsat_lst_is_the_worlds_through_100_m_with_noise_of_that_grain(world):
    product = observed(world, clear(world.grid))
    truth = gaussian_filter(world.lst_k.astype(float) ** 4, 100 / FWHM / 30) ** 0.25
    noise = product.lst_k - inner(truth)
    assert noise.std() == pytest.approx(0.3, abs=0.02)
    assert abs(noise.mean()) < 0.02
    neighbours = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert neighbours == pytest.approx(np.exp(-0.25 * (30 / (100 / FWHM)) ** 2), abs=0.05)


def test_landsat_reflectance_is_the_worlds(world):
    product = observed(world, clear(world.grid))
    for band, nm in OLI_NM.items():
        error = product.reflectance[band] - inner(world.reflectance(nm))
        assert error.std() == pytest.approx(0.003, rel=0.05)


def test_landsat_sees_clouds_cold_bright_and_uncertain(world):
    clouds = one_cloud(world.grid)
    product = observed(world, clouds)
    cloud = inner(clouds.opacity) == 1
    below = observed(world, clear(world.grid))
    assert (below.lst_k - product.lst_k)[cloud].mean() == pytest.approx(
        below.lst_k[cloud].mean() - world.lst_k.mean() + 0.0065 * 3000, abs=0.5
    )
    assert product.reflectance["red"][cloud].mean() == pytest.approx(0.65, abs=0.01)
    assert product.lst_uncertainty_k[cloud].min() == pytest.approx(2.5)
    assert 0.7 <= product.lst_uncertainty_k.min() < 0.8
    assert product.cloud_cover_percent == pytest.approx(100 * cloud.mean(), rel=0.05)
    assert (below.lst_uncertainty_k == np.float32(0.7)).all()


def test_qa_pixel_words_are_those_of_the_collection():
    """Values that users of Collection 2 know: clear, water, cloud, shadow, dilated cloud."""
    cloud, shadow, water = np.zeros((3, 40, 40), bool)
    cloud[10:15, 10:15] = True
    shadow[5:15, 12:30] = True
    water[30:] = True
    qa = qa_pixel(cloud, shadow, water, 30.0)
    assert set(np.unique(qa)) == {21824, 21952, 22280, 23888, 21762}
    assert (qa[cloud] == 22280).all()
    assert (qa[30:] == 21952).all()
    assert qa[0, 0] == 21824 and qa[12, 25] == 23888
    # 150 m are five pixels
    assert qa[12, 19] == 21762 and qa[12, 20] != 21762


def test_landsat_flags_cloud_and_its_shadow_on_the_side_away_from_the_sun(world):
    clouds = one_cloud(world.grid, 15)  # whose shadow falls clear of it
    qa = observed(world, clouds).qa_pixel
    assert ((qa >> 3 & 1) == (inner(clouds.opacity) > 0.1)).all()
    rows, columns = np.nonzero(qa >> 4 & 1)
    middle = np.array(world.grid.shape) / 2 - MARGIN
    away = np.array([rows.mean(), columns.mean()]) - middle
    sun = np.radians(world.sun_azimuth_deg)
    assert away / np.hypot(*away) == pytest.approx([np.cos(sun), -np.sin(sun)], abs=0.1)
    expected = 3000 / np.tan(np.radians(world.sun_elevation_deg)) / 30
    assert np.hypot(*away) == pytest.approx(expected, rel=0.1)
