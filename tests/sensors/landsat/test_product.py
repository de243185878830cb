"""Landsat products, made by our writer or by hand, and the real Level-1 clips."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Geod, Transformer

from lstsr.config import LandsatConfig
from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.sensors.detection import detect
from lstsr.sensors.inspection import report
from lstsr.sensors.landsat import product as landsat
from lstsr.sensors.landsat.names import band_cure, check_path
from lstsr.simulate.landsat import LandsatProduct, write_l2sp

BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
NAME = "LC08_L2SP_116034_20250504_20250514_02_T1"
GRID = Grid("EPSG:32652", Affine(30, 0, 299_985, 0, -30, 4_180_005), 48, 40)
CLEAR = 1 << 6 | 1 << 8 | 1 << 10 | 1 << 12 | 1 << 14


def sensor(**options: Any) -> LandsatConfig:
    return LandsatConfig.model_validate({"product": "landsat"} | options)


def product(**changes: Any) -> LandsatProduct:
    rng = np.random.default_rng(1)
    made = LandsatProduct(
        product_id=NAME,
        grid=GRID,
        time=datetime(2025, 5, 4, 2, 10, 31, 978399, tzinfo=UTC),
        lst_k=rng.uniform(270, 330, GRID.shape).astype(np.float32),
        lst_uncertainty_k=np.full(GRID.shape, 1.0, np.float32),
        reflectance={band: rng.uniform(0, 0.6, GRID.shape).astype(np.float32) for band in BANDS},
        qa_pixel=np.full(GRID.shape, CLEAR, np.uint16),
        qa_radsat=np.zeros(GRID.shape, np.uint16),
        sun_azimuth_deg=140.0,
        sun_elevation_deg=60.0,
        cloud_cover_percent=0.0,
    )
    return replace(made, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_l2sp(tmp_path, product())


def raster(folder: Path, ending: str) -> Path:
    return folder / f"{folder.name}_{ending}.TIF"


def put(folder: Path, ending: str, numbers: dict[tuple[int, int], int]) -> None:
    """Change some of the stored numbers of a raster."""
    with rasterio.open(raster(folder, ending), "r+") as dataset:
        stored = dataset.read(1)
        for pixel, number in numbers.items():
            stored[pixel] = number
        dataset.write(stored, 1)


def edit(folder: Path, old: str, new: str) -> None:
    """Change the MTL that is read."""
    metadata = folder / f"{folder.name}_MTL.txt"
    text = metadata.read_text()
    assert old in text
    metadata.write_text(text.replace(old, new))


def masked(image: Any) -> set[tuple[int, int]]:
    return {(int(row), int(column)) for row, column in np.argwhere(~image.valid)}


# --- Level 2 ------------------------------------------------------------------------------------


def test_lst_comes_back_to_within_half_a_step(folder: Path) -> None:
    image = landsat.read(folder, sensor())
    assert np.abs(image.values[0] - product().lst_k).max() < 0.51 * 0.00341802
    assert image.valid.all()
    assert (image.bands, image.unit, image.sensor) == (("lst",), "kelvin", "Landsat")
    assert image.time == "2025-05-04T02:10:31Z"
    assert image.viewpoint is None
    assert image.grid == landsat.grid(folder, sensor())
    assert image.grid.transform == GRID.transform
    assert image.history == (
        f"read {NAME}",
        "masked fill, dilated_cloud, cirrus, cloud, cloud_shadow of QA_PIXEL",
        "masked saturation and terrain occlusion",
        "masked uncertainty above 3 K",
    )


def test_reflectance_bands_come_in_the_order_asked_for(folder: Path) -> None:
    image = landsat.read(folder, sensor(bands=["swir22", "red", "coastal"]))
    assert (image.bands, image.unit) == (("swir22", "red", "coastal"), "reflectance")
    for values, band in zip(image.values, image.bands, strict=True):
        assert np.abs(values - product().reflectance[band]).max() < 0.51 * 2.75e-5


def test_scale_and_offset_are_those_of_the_mtl(folder: Path) -> None:
    edit(
        folder, "TEMPERATURE_MULT_BAND_ST_B10 = 0.00341802", "TEMPERATURE_MULT_BAND_ST_B10 = 0.001"
    )
    edit(folder, "TEMPERATURE_ADD_BAND_ST_B10 = 149.0", "TEMPERATURE_ADD_BAND_ST_B10 = 249.0")
    with rasterio.open(raster(folder, "ST_B10")) as dataset:
        expected = dataset.read(1) * 0.001 + 249
    np.testing.assert_allclose(landsat.read(folder, sensor()).values[0], expected, atol=1e-4)


@pytest.mark.parametrize("suffix", [".txt", ".json"])
def test_trap_the_mtl_repeats_keys_of_level_1(folder: Path, suffix: str) -> None:
    """Other scales and file names stand under the same keys, in groups that may come later."""
    metadata = folder / f"{NAME}_MTL{suffix}"
    assert metadata.read_text().count("REFLECTANCE_MULT_BAND_4") == 2
    values = landsat.read(metadata, sensor(bands=["red"])).values[0]
    assert np.abs(values - product().reflectance["red"]).max() < 0.51 * 2.75e-5


def test_json_and_text_give_the_same_image(folder: Path) -> None:
    images = [landsat.read(folder / f"{NAME}_MTL.{kind}", sensor()) for kind in ("txt", "json")]
    np.testing.assert_array_equal(images[0].values, images[1].values)
    assert images[0].grid == images[1].grid
    assert images[0].time == images[1].time
    (folder / f"{NAME}_MTL.txt").unlink()
    np.testing.assert_array_equal(landsat.read(folder, sensor()).values, images[0].values)


def test_values_stand_where_they_were_seen(tmp_path: Path) -> None:
    """Pixels that hold their own easting and northing are found there, to 0.05 pixel."""
    rows, columns = np.indices(GRID.shape)
    # centres of pixels, on the multiples of 30 m that USGS uses
    east_m, north_m = 300_000 + 30 * columns, 4_179_990 - 30 * rows
    coded = dict(product().reflectance)
    coded["red"] = ((east_m - 300_000) / 3000).astype(np.float32)
    coded["nir08"] = ((4_180_000 - north_m) / 3000).astype(np.float32)
    folder = write_l2sp(tmp_path, product(reflectance=coded))
    image = landsat.read(folder, sensor(bands=["red", "nir08"]))

    to_degrees = Transformer.from_crs("EPSG:32652", "EPSG:4326", always_xy=True)
    seen = to_degrees.transform(
        300_000 + 3000.0 * image.values[0], 4_180_000 - 3000.0 * image.values[1]
    )
    from_grid = Transformer.from_crs(image.grid.crs, "EPSG:4326", always_xy=True)
    centres: Any = columns + 0.5, rows + 0.5
    placed = from_grid.transform(*(image.grid.transform @ centres))
    _, _, distance_m = Geod(ellps="WGS84").inv(*seen, *placed)
    assert distance_m.max() < 0.05 * 30


@pytest.mark.parametrize("shift", [0.5, -0.5, 0.05])
def test_trap_corners_of_the_mtl_are_pixel_centres(folder: Path, shift: float) -> None:
    """A raster that takes the MTL's corners for its outer ones is half a pixel off."""
    for file in folder.glob("*.TIF"):
        with rasterio.open(file, "r+") as dataset:
            dataset.transform = GRID.moved(shift, shift).transform
    for function in (landsat.grid, landsat.read):
        with pytest.raises(SceneError, match=f"ST_B10.TIF.*MTL disagree.*{abs(shift)}"):
            function(folder, sensor())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("UTM_ZONE = 52", "UTM_ZONE = 51", "UTM zone, north: EPSG:32652, stated EPSG:32651"),
        ("THERMAL_LINES = 40", "THERMAL_LINES = 41", "corners of the MTL span its lines"),
        (
            "UL_PROJECTION_X_PRODUCT = 300000.000",
            "UL_PROJECTION_X_PRODUCT = 300030.000",
            "corners of the MTL span its lines",
        ),
        (
            "GRID_CELL_SIZE_THERMAL = 30.00",
            "GRID_CELL_SIZE_THERMAL = 60.00",
            "corners of the MTL span its lines",
        ),
    ],
)
def test_raster_and_mtl_must_agree(folder: Path, old: str, new: str, message: str) -> None:
    edit(folder, old, new)
    with pytest.raises(SceneError, match=message):
        landsat.read(folder, sensor())


def test_a_clip_of_level_2_is_read_where_it_lies(folder: Path) -> None:
    whole = landsat.read(folder, sensor())
    clip(folder)
    image = landsat.read(folder, sensor())
    assert image.grid.transform == GRID.window(3, 5, 1, 1).transform
    np.testing.assert_array_equal(image.values, whole.values[:, 3:, 5:])
    assert all(one.passed for one in landsat.inspect(folder).assertions)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (GRID.window(3, 5, 1, 1).moved(0.5, 0).transform, "0.50 pixels off"),
        (GRID.window(30, 5, 1, 1).transform, "rows 30 to 67 of 40"),
        (GRID.transform @ Affine(0, 1, 3, 1, 0, 5), "centres of the raster's pixels"),
        (GRID.transform @ Affine(1, 0, 3, 0, -1, 40), "centres of the raster's pixels"),
    ],
    ids=["between pixels", "beyond", "transposed", "south up"],
)
def test_a_clip_must_lie_on_the_pixels_of_the_mtl(
    folder: Path, transform: Affine, message: str
) -> None:
    clip(folder)
    with rasterio.open(raster(folder, "ST_B10"), "r+") as dataset:
        dataset.transform = transform
    with pytest.raises(SceneError, match=f"ST_B10.TIF: raster and MTL disagree.*{message}"):
        landsat.grid(folder, sensor())


def clip(folder: Path) -> None:
    """Cut the first 3 rows and 5 columns off every raster of a folder."""
    for file in [file for file in folder.iterdir() if file.suffix.lower() == ".tif"]:
        with rasterio.open(file) as dataset:
            profile, stored = dataset.profile, dataset.read()[:, 3:, 5:]
        profile.update(height=stored.shape[1], width=stored.shape[2])
        profile["transform"] = profile["transform"] @ Affine.translation(5, 3)
        with rasterio.open(file, "w", **profile) as dataset:
            dataset.write(stored)


def test_all_rasters_must_share_a_grid(folder: Path) -> None:
    with rasterio.open(raster(folder, "QA_PIXEL"), "r+") as dataset:
        dataset.transform = GRID.moved(0, 1).transform
    with pytest.raises(SceneError, match="QA_PIXEL.TIF: its grid differs from the other"):
        landsat.read(folder, sensor())


# --- masks --------------------------------------------------------------------------------------


def test_trap_every_raster_has_its_own_fill(folder: Path) -> None:
    put(folder, "ST_B10", {(0, 0): 0, (0, 1): 40_000})
    put(folder, "QA_PIXEL", {(1, 0): 1, (1, 1): CLEAR})
    put(folder, "ST_QA", {(2, 0): -9999, (2, 1): 0})
    put(folder, "SR_B4", {(3, 0): 0, (3, 1): 1})
    image = landsat.read(folder, sensor())
    assert masked(image) == {(0, 0), (1, 0), (2, 0)}
    assert np.isnan(image.values[0][~image.valid]).all()
    assert masked(landsat.read(folder, sensor(bands=["red"]))) == {(1, 0), (3, 0)}
    # in all bands, where it is masked in one
    both = landsat.read(folder, sensor(bands=["red", "green"]))
    assert masked(both) == {(1, 0), (3, 0)}
    assert np.isnan(both.values[:, 3, 0]).all()


@pytest.mark.parametrize(
    ("flag", "bit"),
    [
        ("dilated_cloud", 1),
        ("cirrus", 2),
        ("cloud", 3),
        ("cloud_shadow", 4),
        ("snow", 5),
        ("water", 7),
    ],
)
def test_each_flag_is_its_bit_of_qa_pixel(folder: Path, flag: str, bit: int) -> None:
    put(folder, "QA_PIXEL", {(0, each): 1 << each for each in range(16)})
    # bit 0 is fill, whatever is asked for
    assert masked(landsat.read(folder, sensor(masked=[flag]))) == {(0, 0), (0, bit)}


def test_no_flag_asked_for_leaves_only_fill(folder: Path) -> None:
    put(folder, "QA_PIXEL", {(0, each): 1 << each for each in range(16)})
    assert masked(landsat.read(folder, sensor(masked=[]))) == {(0, 0)}
    assert masked(landsat.read(folder, sensor())) == {(0, each) for each in range(5)}


def test_saturation_and_terrain_occlusion(folder: Path) -> None:
    put(folder, "QA_RADSAT", {(0, bit): 1 << bit for bit in (0, 3, 6, 8, 11)})
    expected = {(0, bit) for bit in (0, 3, 6, 8, 11)}
    assert masked(landsat.read(folder, sensor())) == expected
    assert masked(landsat.read(folder, sensor(masked_saturation=False))) == set()


def test_uncertain_lst_is_masked_from_above_the_threshold(folder: Path) -> None:
    put(folder, "ST_QA", {(0, 0): 70, (0, 1): 71, (0, 2): 300, (0, 3): 301, (0, 4): -9999})
    assert masked(landsat.read(folder, sensor())) == {(0, 3), (0, 4)}
    strict = {(int(r), int(c)) for r, c in np.ndindex(GRID.shape)} - {(0, 0)}
    assert masked(landsat.read(folder, sensor(max_uncertainty_k=0.7))) == strict
    assert masked(landsat.read(folder, sensor(max_uncertainty_k=None))) == set()
    assert masked(landsat.read(folder, sensor(bands=["red"]))) == set()


def test_the_valid_range_of_lst_has_a_default(tmp_path: Path) -> None:
    made = product()
    made.lst_k[0, :4] = 235, 245, 265, 371
    folder = write_l2sp(tmp_path, made)
    assert masked(landsat.read(folder, sensor())) == {(0, 0)}
    ranged = landsat.read(folder, sensor(valid_min=250, valid_max=350))
    assert masked(ranged) == {(0, 0), (0, 1), (0, 3)}
    made.reflectance["red"][0, :3] = -0.1, 0.3, 1.2
    folder = write_l2sp(tmp_path, made)
    assert masked(landsat.read(folder, sensor(bands=["red"]))) == set()
    ranged = landsat.read(folder, sensor(bands=["red"], valid_min=0, valid_max=1))
    assert masked(ranged) == {(0, 0), (0, 2)}


def test_garbage_of_150_k_in_real_extracts_is_masked(folder: Path) -> None:
    """Stored numbers from 1 on, which are not fill: 149.003 K and a little more."""
    garbage = {(0, 0): 1, (0, 1): 2, (1, 0): 300, (1, 1): 20_000}
    put(folder, "ST_B10", garbage)
    image = landsat.read(folder, sensor())
    assert masked(image) == set(garbage)
    assert np.nanmin(image.values) > 240


@pytest.mark.parametrize("number", [1, CLEAR | 1 << 3], ids=["fill", "cloud"])
def test_a_scene_of_only_fill_or_cloud_is_refused(tmp_path: Path, number: int) -> None:
    qa = np.full(GRID.shape, number, np.uint16)
    folder = write_l2sp(tmp_path, product(qa_pixel=qa))
    with pytest.raises(SceneError, match=f"{NAME}: no valid pixel, only fill or cloud"):
        landsat.read(folder, sensor())


# --- faults -------------------------------------------------------------------------------------


def test_products_without_surface_temperature_are_refused(folder: Path) -> None:
    edit(folder, 'PROCESSING_LEVEL = "L2SP"', 'PROCESSING_LEVEL = "L2SR"')
    for function in (landsat.grid, landsat.read):
        with pytest.raises(SceneError, match="level L2SR has no surface temperature"):
            function(folder, sensor())


@pytest.mark.parametrize("ending", ["ST_B10", "ST_QA", "QA_PIXEL", "QA_RADSAT"])
def test_a_missing_raster_is_named(folder: Path, ending: str) -> None:
    raster(folder, ending).unlink()
    with pytest.raises(
        SceneError, match=f"{NAME}_{ending}.TIF: missing beside {NAME}_MTL.txt. Download"
    ):
        landsat.read(folder, sensor())


@pytest.mark.parametrize("ending", ["ST_B10", "QA_PIXEL"])
@pytest.mark.parametrize("share", [0.02, 0.6, 0.95])
def test_a_truncated_raster_is_named(folder: Path, ending: str, share: float) -> None:
    file = raster(folder, ending)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SceneError, match=f"{NAME}_{ending}.TIF: .*truncated"):
        landsat.read(folder, sensor())


def test_rasters_that_were_calibrated_already_are_refused(folder: Path) -> None:
    file = raster(folder, "ST_B10")
    with rasterio.open(file) as dataset:
        profile, stored = dataset.profile, dataset.read()
    with rasterio.open(file, "w", **profile | {"dtype": "float32", "predictor": 1}) as dataset:
        dataset.write(stored * np.float32(0.00341802) + 149)
    with pytest.raises(SceneError, match="ST_B10.TIF: holds float32, but products hold integers"):
        landsat.read(folder, sensor())


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".txt", lambda text: text[: len(text) // 2]),
        (".txt", lambda text: "Not Found"),
        (".txt", lambda text: ""),
        (".json", lambda text: text[: len(text) // 2]),
        (".json", lambda text: "[]"),
        (".json", lambda text: '{"error": "gone"}'),
    ],
)
def test_a_damaged_mtl_is_named(folder: Path, suffix: str, damage: Callable[[str], str]) -> None:
    metadata = folder / f"{NAME}_MTL{suffix}"
    metadata.write_text(damage(metadata.read_text()))
    with pytest.raises(SceneError, match=f"{metadata.name}: not a complete MTL file "):
        landsat.read(metadata, sensor())


WHOLE: dict[str, Callable[[str], str]] = {
    "without END": lambda text: text.removesuffix("END\n"),
    "cut in END": lambda text: text.removesuffix("ND\n"),
    "blank lines": lambda text: text.removesuffix("END\n") + "\n  \n\n",
    "NULs": lambda text: text.removesuffix("END\n") + "\0" * 40,
    "NULs after END": lambda text: text + "\0" * 40,
    "CR LF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "spaces": lambda text: text.replace(" = ", "\t=   ").replace("\n", "  \n"),
    "no spaces": lambda text: text.replace(" = ", "=").replace("    ", ""),
    "space in quotes": lambda text: text.replace('"L2SP"', '" L2SP "'),
}


@pytest.mark.parametrize("change", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_mtl_whose_groups_are_closed_is_whole(
    folder: Path, change: Callable[[str], str], encoding: str
) -> None:
    expected = landsat.read(folder, sensor())
    metadata = folder / f"{NAME}_MTL.txt"
    metadata.write_bytes(change(metadata.read_text()).encode(encoding))
    image = landsat.read(metadata, sensor())
    np.testing.assert_array_equal(image.values, expected.values)
    assert (image.grid, image.time) == (expected.grid, expected.time)


def test_an_mtl_that_is_cut_anywhere_before_is_truncated(folder: Path) -> None:
    metadata = folder / f"{NAME}_MTL.txt"
    text = metadata.read_text()
    least = len(text) - len("\nEND\n")
    for length in [*range(40, least, 97), *range(least - 45, least)]:
        metadata.write_text(text[:length])
        with pytest.raises(SceneError, match="truncated: the group [A-Z0-9_]+ is not closed"):
            landsat.grid(metadata, sensor())


@pytest.mark.parametrize("suffix", ["_mtl.txt", "_MTL.TXT", "_mtl.json", "_MTL.JSON"])
def test_names_of_the_mtl_may_be_in_either_case(folder: Path, suffix: str) -> None:
    expected = landsat.read(folder, sensor()).values
    kept = f"{NAME}_MTL{Path(suffix).suffix.lower()}"
    for metadata in folder.glob("*_MTL.*"):
        if metadata.name == kept:
            metadata.rename(folder / f"{NAME.lower()}{suffix}")
        else:
            metadata.unlink()
    # as macOS leaves beside each file that it copies
    (folder / f"._{NAME}_MTL.txt").write_bytes(b"\0\5\x16\7")
    np.testing.assert_array_equal(landsat.read(folder, sensor()).values, expected)


def test_keys_of_json_may_be_in_lower_case_and_beside_others(folder: Path) -> None:
    metadata = folder / f"{NAME}_MTL.json"
    (root,) = json.loads(metadata.read_text()).values()
    lower = {
        name.lower(): {key.lower(): text for key, text in keys.items()}
        for name, keys in root.items()
    }
    metadata.write_text(json.dumps({"version": 2, "landsat_metadata_file": lower | {"note": "x"}}))
    expected = landsat.read(folder / f"{NAME}_MTL.txt", sensor()).values
    np.testing.assert_array_equal(landsat.read(metadata, sensor()).values, expected)


@pytest.mark.parametrize("value", [None, "NULL", "", "nan", "1e999", [30, 30], {"a": 1}, "x\ny"])
@pytest.mark.parametrize(
    "key", ["TEMPERATURE_MULT_BAND_ST_B10", "UTM_ZONE", "THERMAL_LINES", "GRID_CELL_SIZE_THERMAL"]
)
def test_values_of_json_that_are_no_numbers_are_named(folder: Path, key: str, value: Any) -> None:
    metadata = folder / f"{NAME}_MTL.json"
    content = json.loads(metadata.read_text())
    for keys in content["LANDSAT_METADATA_FILE"].values():
        keys |= {key: value} if key in keys else {}
    metadata.write_text(json.dumps(content))
    with pytest.raises(SceneError, match=rf"^{metadata.name}: (key )?{key} [^\n]*$"):
        landsat.read(metadata, sensor())


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "null", "5", '{"LANDSAT_METADATA_FILE": []}', '{"LANDSAT_METADATA_FILE": {}}'],
)
def test_json_of_another_form_is_refused(folder: Path, content: str) -> None:
    metadata = folder / f"{NAME}_MTL.json"
    metadata.write_text(content)
    with pytest.raises(SceneError, match=f"^{metadata.name}: not a complete MTL file .*$"):
        landsat.read(metadata, sensor())


@pytest.mark.parametrize(
    ("ending", "dtypes"),
    [
        ("QA_PIXEL", ["uint8", "int8", "float64", "complex64"]),
        ("QA_RADSAT", ["float32"]),
        ("ST_QA", ["float32"]),
        ("ST_B10", ["float64", "complex64"]),
    ],
)
def test_rasters_of_another_type_are_refused(folder: Path, ending: str, dtypes: list[str]) -> None:
    file = raster(folder, ending)
    with rasterio.open(file) as dataset:
        profile = dataset.profile | {"nodata": None, "predictor": 1}
    for dtype in dtypes:
        with rasterio.open(file, "w", **profile | {"dtype": dtype}) as dataset:
            dataset.write(np.ones((1, *GRID.shape), dtype))
        with pytest.raises(SceneError, match=f"{file.name}: holds {dtype}, but"):
            landsat.read(folder, sensor())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("UTM_ZONE = 52", "UTM_ZONE = 61", "UTM_ZONE = '61' is not a whole number from 1 to 60"),
        ("UTM_ZONE = 52", "UTM_ZONE = 5.2", "UTM_ZONE = '5.2' is not a whole number"),
        ("THERMAL_LINES = 40", "THERMAL_LINES = 0", "THERMAL_LINES = '0' is not a whole number"),
        ("CELL_SIZE_THERMAL = 30.00", "CELL_SIZE_THERMAL = 0", "THERMAL = 0 is not a size"),
        ("SCENE_CENTER_TIME =", "OTHER =", "key SCENE_CENTER_TIME is missing"),
        (
            "    WRS_PATH = 116",
            "    WRS_PATH 116",
            "line [0-9]+ is not expected here: 'WRS_PATH 116'",
        ),
        ("END_GROUP = IMAGE_ATTRIBUTES", "END_GROUP = X", "is not expected here: 'END_GROUP = X'"),
        ("TEMPERATURE_ADD_BAND_ST_B10 =", "X =", "key TEMPERATURE_ADD_BAND_ST_B10 is missing"),
        ("UTM_ZONE = 52", "UTM_ZONE = ?", "UTM_ZONE = '\\?' is not a number"),
        (
            "DATE_ACQUIRED = 2025-05-04",
            "DATE_ACQUIRED = 2025-05-44",
            "2025-05-44T.* is not a time",
        ),
        ('SENSOR_ID = "OLI_TIRS"', 'SENSOR_ID = "ETM"', "Level 2 of ETM is not supported"),
    ],
)
def test_keys_that_are_missing_or_wrong(folder: Path, old: str, new: str, message: str) -> None:
    edit(folder, old, new)
    with pytest.raises(SceneError, match=message):
        landsat.read(folder, sensor())


def test_brightness_temperature_is_of_level_1(folder: Path) -> None:
    with pytest.raises(SceneError, match="level L2SP has no brightness_temperature"):
        landsat.read(folder, sensor(bands=["brightness_temperature"]))


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("2025-05-04", '"02:10:31.9783990Z"', "2025-05-04T02:10:31Z"),
        ("2025-05-04", "02:10:31", "2025-05-04T02:10:31Z"),
        ("2025-05-04", "11:10:31+09:00", "2025-05-04T02:10:31Z"),
        ("20250504", "021031Z", "2025-05-04T02:10:31Z"),
        ("2025-124", "02:10:31.5", "2025-05-04T02:10:31Z"),
    ],
)
def test_times_are_of_any_form_of_iso_8601(
    folder: Path, date: str, time: str, expected: str
) -> None:
    edit(folder, "DATE_ACQUIRED = 2025-05-04", f"DATE_ACQUIRED = {date}")
    edit(folder, 'SCENE_CENTER_TIME = "02:10:31.9783990Z"', f"SCENE_CENTER_TIME = {time}")
    assert landsat.read(folder, sensor()).time == expected


# --- what cannot be read alone ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        (f"{NAME}_MTL.xml", f"Name {NAME}_MTL.txt, {NAME}_MTL.json or the product's folder"),
        (f"{NAME}_mtl.XML", f"Name {NAME}_mtl.txt"),
        (f"{NAME}.tar", "Unpack it and name the folder"),
        (f"{NAME}.tar.gz", "Unpack it and name the folder"),
        (f"{NAME}.tgz", "Unpack it and name the folder"),
        ("scenes.ZIP", "Unpack it and name the folder"),
    ],
)
def test_xml_and_archives_get_a_cure(tmp_path: Path, name: str, cure: str) -> None:
    (tmp_path / name).write_bytes(b"whatever")
    for use in (check_path, lambda path: landsat.read(path, sensor())):
        with pytest.raises(SceneError, match=rf"^{name}: .*{cure}[^\n]*$"):
            use(tmp_path / name)


def test_folders_get_a_cure(folder: Path, tmp_path: Path) -> None:
    (folder / f"{NAME}_MTL.json").unlink()
    text = (folder / f"{NAME}_MTL.txt").rename(tmp_path / "kept")
    with pytest.raises(SceneError, match=f"{NAME}: the MTL file .*Download .*_MTL.txt or .json"):
        check_path(folder)
    (folder / f"{NAME}_MTL.xml").touch()
    with pytest.raises(SceneError, match="does not read its XML form. Download"):
        check_path(folder)
    (folder / f"{NAME}_MTL.xml").rename(folder / f"{NAME}.tar")
    with pytest.raises(SceneError, match=f"Unpack {NAME}.tar and name the folder"):
        check_path(folder)
    with pytest.raises(SceneError, match=f"Name the folder of one product, such as {NAME}"):
        check_path(tmp_path)
    for name in ("a", "b"):
        shutil.copy(text, folder / f"{name}_MTL.txt")
    with pytest.raises(SceneError, match="several Landsat products. .*: a_MTL.txt, b_MTL.txt$"):
        check_path(folder)


def test_other_paths_pass(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "store.zarr").mkdir()
    others = ("store.zarr", "none.tif", "none", "dem.tif", "a.nc", "store.zarr.zip", "a.xml")
    for path in (folder, folder / f"{NAME}_MTL.txt", *(tmp_path / other for other in others)):
        check_path(path)


LST_CURE = "scale 0.00341802, offset 149.0 and unit kelvin"
REFLECTANCE_CURE = "scale 0.0000275 and offset -0.2"
STAC = "LC09_L2SP_010065_20220129_02_T1"


@pytest.mark.parametrize(
    ("name", "calibration"),
    [
        (f"{NAME}_ST_B10.TIF", LST_CURE),
        (f"{NAME.lower()}_st_b10.tif", LST_CURE),
        ("LE07_L2SP_115034_20100504_20200101_02_T1_ST_B6.TIF", LST_CURE),
        (f"{STAC}_lwir11.tif", LST_CURE),
        (f"{NAME}_SR_B4.TIF", REFLECTANCE_CURE),
        ("LC08_L2SR_115034_20150504_20200101_02_T2_SR_B5.tiff", REFLECTANCE_CURE),
        (f"{STAC}_nir08.tif", REFLECTANCE_CURE),
        (f"{NAME}_QA_PIXEL.TIF", ""),
        (f"{NAME}_ST_QA.TIF", ""),
        (f"{STAC}_qa_pixel.tif", ""),
        ("LC08_L1TP_115034_20150504_20200101_02_T1_B10.TIF", ""),
        ("LC09_L1TP_115034_20220504_20220505_02_T1_red.tif", ""),
        ("LE07_L1GT_115034_20100504_20200101_02_T2_B6_VCID_1.TIF", ""),
        ("LT05_L1GS_115034_20100504_20200101_01_T2_BQA.TIF", ""),
        ("LT04_L1TP_115034_19900504_20200101_01_T1_B6.TIF", ""),
    ],
)
def test_a_single_band_gets_a_cure(tmp_path: Path, name: str, calibration: str) -> None:
    cure = band_cure(tmp_path / name)
    assert cure is not None and "_MTL.txt)" in cure and "folder" in cure
    assert calibration in cure and ("scale" in cure) == bool(calibration)
    with pytest.raises(SceneError, match=f"^{name}: This is one band of a Landsat product"):
        landsat.read(tmp_path / name, sensor())


@pytest.mark.parametrize(
    "name",
    [f"{NAME}_MTL.txt", f"{NAME}_ndvi.tif", f"{NAME}.tif", "B10.TIF", f"my_{NAME}_ST_B10.TIF", ""],
)
def test_other_names_are_no_bands(name: str) -> None:
    assert band_cure(Path(name)) is None


def test_a_folder_holds_one_product(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        landsat.read(tmp_path / "none", sensor())
    with pytest.raises(FileNotFoundError):
        landsat.read(folder / "none_MTL.txt", sensor())
    with pytest.raises(SceneError, match=f"Name the folder of one product, such as {NAME}"):
        landsat.read(tmp_path, sensor())
    (tmp_path / "empty").mkdir()
    with pytest.raises(SceneError, match="empty: not a Landsat product"):
        landsat.read(tmp_path / "empty", sensor())
    shutil.copy(folder / f"{NAME}_MTL.txt", folder / "LC09_other_MTL.txt")
    with pytest.raises(SceneError, match="several Landsat products"):
        landsat.read(folder, sensor())
    assert landsat.read(folder / f"{NAME}_MTL.txt", sensor()).valid.all()


# --- Level 1 ------------------------------------------------------------------------------------

TM = {
    "LANDSAT_PRODUCT_ID": "LT05_L1TP_115034_20100504_20160101_01_T1",
    "COLLECTION_NUMBER": "01",
    "DATA_TYPE": "L1TP",
    "SPACECRAFT_ID": "LANDSAT_5",
    "SENSOR_ID": "TM",
    "WRS_PATH": "115",
    "WRS_ROW": "34",
    "DATE_ACQUIRED": "2010-05-04",
    "SCENE_CENTER_TIME": "02:00:00.1234567Z",
    "CLOUD_COVER": "0.00",
    "RADIANCE_MAXIMUM_BAND_6": "15.303",
    "RADIANCE_MINIMUM_BAND_6": "1.238",
    "QUANTIZE_CAL_MAX_BAND_6": "255",
    "QUANTIZE_CAL_MIN_BAND_6": "1",
    "UTM_ZONE": "52",
    "GRID_CELL_SIZE_THERMAL": "30.00",
    "THERMAL_LINES": "40",
    "THERMAL_SAMPLES": "48",
    "CORNER_UL_PROJECTION_X_PRODUCT": "300000.000",
    "CORNER_UL_PROJECTION_Y_PRODUCT": "4179990.000",
    "CORNER_LR_PROJECTION_X_PRODUCT": "301410.000",
    "CORNER_LR_PROJECTION_Y_PRODUCT": "4178820.000",
}
TIRS = TM | {
    "LANDSAT_PRODUCT_ID": "LC08_L1TP_115034_20150504_20170101_01_T1",
    "SPACECRAFT_ID": "LANDSAT_8",
    "SENSOR_ID": "OLI_TIRS",
    "RADIANCE_MULT_BAND_10": "3.3420E-04",
    "RADIANCE_ADD_BAND_10": "0.10000",
    "K1_CONSTANT_BAND_10": "774.8853",
    "K2_CONSTANT_BAND_10": "1321.0789",
}
BT = sensor(bands=["brightness_temperature"])


def level_1(
    tmp_path: Path, keys: dict[str, str], rasters: dict[str, np.ndarray], grid: Grid = GRID
) -> Path:
    """A Level-1 folder by hand, its MTL as JSON."""
    name = keys["LANDSAT_PRODUCT_ID"]
    folder = tmp_path / name
    folder.mkdir(parents=True)
    content = {"L1_METADATA_FILE": {"ALL": keys}}
    (folder / f"{name}_MTL.json").write_text(json.dumps(content))
    for ending, numbers in rasters.items():
        with rasterio.open(
            folder / f"{name}_{ending}.TIF",
            "w",
            driver="GTiff",
            dtype=numbers.dtype,
            count=1,
            height=grid.height,
            width=grid.width,
            crs=grid.crs,
            transform=grid.transform,
        ) as dataset:
            dataset.write(numbers, 1)
    return folder


def counts(dtype: str, low: int, high: int) -> np.ndarray:
    return np.random.default_rng(2).integers(low, high, GRID.shape).astype(dtype)


def planck_k(radiance: np.ndarray, k1: float, k2: float) -> np.ndarray:
    return k2 / np.log(k1 / radiance + 1)


def test_brightness_temperature_of_a_black_body() -> None:
    """The inverse of L = K1 / (exp(K2 / T) - 1); no radiance has no temperature."""
    truth = np.array([250.0, 300.0, 330.0])
    radiance = 666.09 / (np.exp(1282.71 / truth) - 1)
    found = landsat.brightness_temperature_k(radiance.astype(np.float32), 666.09, 1282.71)
    np.testing.assert_allclose(found, truth, atol=1e-3)
    none = landsat.brightness_temperature_k(np.array([0, -0.1], np.float32), 666.09, 1282.71)
    assert np.isnan(none).all()


@pytest.mark.parametrize(
    ("spacecraft", "k1", "k2"), [("LANDSAT_4", 671.62, 1284.30), ("LANDSAT_5", 607.76, 1260.56)]
)
def test_tm_is_calibrated_by_its_range_and_the_published_constants(
    tmp_path: Path, spacecraft: str, k1: float, k2: float
) -> None:
    numbers = counts("uint8", 90, 180)
    numbers[0, :2] = 0, 255
    folder = level_1(tmp_path, TM | {"SPACECRAFT_ID": spacecraft}, {"B6": numbers})
    image = landsat.read(folder, BT)
    radiance = (15.303 - 1.238) / 254 * (numbers - 1.0) + 1.238
    expected = planck_k(radiance, k1, k2)
    assert masked(image) == {(0, 0), (0, 1)}
    np.testing.assert_allclose(image.values[0][image.valid], expected[image.valid], atol=1e-3)
    assert image.unit == "kelvin"
    assert image.time == "2010-05-04T02:00:00Z"
    assert "no quality band: clouds are not masked" in image.history


def test_tirs_is_calibrated_by_the_mtl(tmp_path: Path) -> None:
    numbers = counts("uint16", 20_000, 32_000)
    numbers[0, :2] = 0, 65535
    keys = TIRS | {"K1_CONSTANT_BAND_10": "800.0", "K2_CONSTANT_BAND_10": "1330.0"}
    image = landsat.read(level_1(tmp_path, keys, {"B10": numbers}), BT)
    expected = planck_k(numbers * 3.3420e-04 + 0.1, 800.0, 1330.0)
    assert masked(image) == {(0, 0), (0, 1)}
    np.testing.assert_allclose(image.values[0][image.valid], expected[image.valid], atol=1e-3)


def test_constants_must_be_stated_or_published(tmp_path: Path) -> None:
    keys = {key: value for key, value in TIRS.items() if not key.startswith("K1_")}
    folder = level_1(tmp_path, keys, {"B10": counts("uint16", 20_000, 32_000)})
    with pytest.raises(SceneError, match="key K1_CONSTANT_BAND_10 is missing"):
        landsat.read(folder, BT)


@pytest.mark.parametrize(
    ("flag", "up", "down", "own"),
    [
        ("cloud", 1 << 4, 2 << 5, 7 << 4),
        ("cloud", 3 << 5, 1 << 5, 7 << 4),
        ("cloud_shadow", 3 << 7, 2 << 7, 3 << 7),
        ("snow", 3 << 9, 1 << 9, 3 << 9),
        ("cirrus", 3 << 11, 1 << 11, 3 << 11),
    ],
)
def test_each_flag_of_collection_1_is_its_bits_of_bqa(
    tmp_path: Path, flag: str, up: int, down: int, own: int
) -> None:
    bqa = np.zeros(GRID.shape, np.uint16)
    # fill and saturation come with every flag
    bqa[0, :5] = up, down, 1, 1 << 2, 0xFFF0 & ~own
    keys = TIRS | {"FILE_NAME_BAND_QUALITY": f"{TIRS['LANDSAT_PRODUCT_ID']}_BQA.TIF"}
    rasters = {"B10": counts("uint16", 20_000, 32_000), "BQA": bqa}
    folder = level_1(tmp_path, keys, rasters)
    only = sensor(bands=["brightness_temperature"], masked=[flag])
    assert masked(landsat.read(folder, only)) == {(0, 0), (0, 2), (0, 3)}
    only = only.model_copy(update={"masked_saturation": False, "masked": [flag, "water"]})
    image = landsat.read(folder, only)
    assert masked(image) == {(0, 0), (0, 2)}
    assert f"masked fill, {flag} of BQA, which has no water" in image.history


def test_bqa_from_before_the_collections_is_refused(tmp_path: Path) -> None:
    name = TIRS["LANDSAT_PRODUCT_ID"]
    keys = TIRS | {"FILE_NAME_BAND_QUALITY": f"{name}_BQA.TIF", "COLLECTION_NUMBER": "00"}
    numbers = counts("uint16", 20_000, 32_000)
    folder = level_1(tmp_path, keys, {"B10": numbers, "BQA": np.zeros_like(numbers)})
    with pytest.raises(SceneError, match="lstsr reads BQA only in Collection 1"):
        landsat.read(folder, BT)


def test_collection_2_level_1_has_the_flags_of_level_2(tmp_path: Path) -> None:
    name = "LC09_L1TP_115034_20230512_20230526_02_T1"
    keys = TIRS | {
        "LANDSAT_PRODUCT_ID": name,
        "PROCESSING_LEVEL": "L1TP",
        "FILE_NAME_QUALITY_L1_PIXEL": f"{name}_QA_PIXEL.TIF",
    }
    qa, radsat = np.full(GRID.shape, CLEAR, np.uint16), np.zeros(GRID.shape, np.uint16)
    qa[0, :2], radsat[1, 0] = (1, CLEAR | 1 << 4), 1 << 11
    rasters = {"B10": counts("uint16", 20_000, 32_000), "QA_PIXEL": qa, "QA_RADSAT": radsat}
    image = landsat.read(level_1(tmp_path, keys, rasters), BT)
    assert masked(image) == {(0, 0), (0, 1), (1, 0)}


def test_a_clip_of_level_1_must_lie_inside_the_scene_and_on_its_lattice(tmp_path: Path) -> None:
    numbers = counts("uint8", 90, 180)
    folder = level_1(tmp_path / "clip", TM, {"B6": numbers})
    clip(folder)
    assert landsat.grid(folder, BT).transform == GRID.window(3, 5, 1, 1).transform
    assert landsat.read(folder, BT).values.shape == (1, 37, 43)
    for shift, message in [((0.5, 0.5), "0.50 pixels off"), ((0, 1), "columns 1 to 49 of 48")]:
        moved = level_1(tmp_path / message, TM, {"B6": numbers}, GRID.moved(*shift))
        with pytest.raises(SceneError, match=message):
            landsat.read(moved, BT)


@pytest.mark.parametrize("band", ["red", "lst"])
def test_level_1_has_neither_reflectance_nor_lst(tmp_path: Path, band: str) -> None:
    folder = level_1(tmp_path, TM, {"B6": counts("uint8", 90, 180)})
    with pytest.raises(SceneError, match=f"level L1TP has no {band}. .* come in L2SP"):
        landsat.read(folder, sensor(bands=[band]))


# --- inspection ---------------------------------------------------------------------------------


def test_inspect_tells_what_stands_in_the_files(folder: Path) -> None:
    put(folder, "ST_B10", dict.fromkeys(np.ndindex(4, 48), 0))
    raster(folder, "SR_B7").unlink()
    assert detect(folder) == "landsat"
    found = landsat.inspect(folder)
    facts = dict(found.facts)
    assert found.product == "landsat"
    assert all(one.passed for one in found.assertions)
    assert facts["time"] == "2025-05-04T02:10:31Z"
    assert facts["coordinate system"] == "EPSG:32652"
    assert "x 0.00341802 + 149, fill 0, valid 90.0%" in facts["lst"]
    assert "missing" in facts["swir22"]
    assert "cloud 0.0%" in facts["flags"]
    lon, lat = Transformer.from_crs("EPSG:32652", "EPSG:4326", always_xy=True).transform(
        299_985, 4_180_005
    )
    assert facts["corners"].startswith(f"{lon:.3f} E {lat:.3f} N, ")
    assert "FAIL" not in report(found)


def test_inspect_says_which_assertion_fails(folder: Path) -> None:
    with rasterio.open(raster(folder, "ST_B10"), "r+") as dataset:
        dataset.transform = GRID.moved(0.5, 0.5).transform
    for ending in ("QA_PIXEL", *(f"SR_B{number}" for number in range(1, 8))):
        with rasterio.open(raster(folder, ending), "r+") as dataset:
            dataset.transform = GRID.moved(0.5, 0.5).transform
    failed = [one.claim for one in landsat.inspect(folder).assertions if not one.passed]
    assert failed == ["the corners of the MTL are centres of the raster's pixels"]


# --- real ---------------------------------------------------------------------------------------

MONTANA = "LC08_L1TP_041027_20150604_20170226_01_T1"


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("LE70280312001161EDC00", "2001-06-10T16:55:37Z"),
        ("LE70280312001225EDC00", "2001-08-13T16:54:51Z"),
        ("LE70280312001273EDC01", "2001-09-30T16:54:20Z"),
    ],
)
def test_real_etm_scenes_have_the_temperatures_of_summer_days(
    shared: Path, name: str, time: str
) -> None:
    folder = shared / "data" / "landsat-l1" / name
    image = landsat.read(folder, BT)
    values = image.values[0][image.valid]
    assert image.time == time
    assert image.valid.all()
    assert values.min() > 280
    assert values.max() < 315
    low, high = np.percentile(values, [1, 99])
    assert low > 289
    assert high < 309
    assert "no quality band: clouds are not masked" in image.history
    with rasterio.open(folder / f"{name}_B6_VCID_1.tif") as dataset:
        radiance = dataset.read(1) * 0.067 - 0.06709
    np.testing.assert_allclose(image.values[0], planck_k(radiance, 666.09, 1282.71), atol=1e-3)
    assert all(one.passed for one in landsat.inspect(folder).assertions)


@pytest.mark.real
def test_real_tirs_scene_is_masked_where_clouds_are_cold(shared: Path) -> None:
    folder = shared / "data" / "landsat-l1" / MONTANA
    everything = landsat.read(
        folder, sensor(bands=["brightness_temperature"], masked=[], masked_saturation=False)
    )
    image = landsat.read(folder, BT)
    seen = everything.values[0]
    lost = everything.valid & ~image.valid
    # the clip's own share; the full scene has 38 % of clouds without their shadows
    assert 0.25 < lost.sum() / everything.valid.sum() < 0.4
    assert np.median(seen[lost]) < np.median(seen[image.valid]) - 8
    coldest = seen < np.nanpercentile(seen, 5)
    assert lost[coldest].mean() > 0.95
    clouds = landsat.read(folder, sensor(bands=["brightness_temperature"], masked=["cloud"]))
    cloudy = everything.valid & ~clouds.valid
    assert cloudy.sum() / everything.valid.sum() == pytest.approx(0.162, abs=0.005)
    assert seen[cloudy].mean() < seen[image.valid].mean() - 10
    # the swath ends inside the clip
    assert everything.valid_fraction == pytest.approx(0.864, abs=0.001)
    assert all(one.passed for one in landsat.inspect(folder).assertions)
