"""How an image file is read."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from lstsr.errors import LstsrError, SceneError
from lstsr.predict.pair import read_pair, reference_sensor
from lstsr.predict.reading import describe, reading_of
from lstsr.predict.request import Files, Options
from tests.predict.rasters import (
    COARSE,
    FINE,
    KELVIN,
    RED,
    THERMAL,
    stored,
    trained,
)


def test_a_file_is_read_as_in_training(coarse: Path) -> None:
    reading = reading_of(coarse, "input", trained(input=THERMAL), Options())
    assert reading.model_dump(include=set(THERMAL)) == THERMAL
    assert describe(reading) == (
        "MODIS (geotiff): unit celsius, names lst, scale 0.1, nodata -9999.0"
    ) or describe(reading).startswith("MODIS (geotiff): unit celsius, scale 0.1")


def test_options_override_the_training(coarse: Path) -> None:
    options = Options(unit="kelvin", scale=1.0, offset=2.0, nodata=(0.0, -1.0), band=(1,))
    reading = reading_of(coarse, "input", trained(input=THERMAL), options)
    found = reading.model_dump(include={"sensor", "unit", "scale", "offset", "nodata", "bands"})
    assert found == {
        "sensor": "MODIS",
        "unit": "kelvin",
        "scale": 1.0,
        "offset": 2.0,
        "nodata": [0.0, -1.0],
        "bands": [1],
    }


def test_the_coordinate_system_of_training_is_for_files_that_state_none(
    coarse: Path, tmp_path: Path
) -> None:
    model = trained(input=THERMAL | {"crs": "EPSG:32651"})
    assert reading_of(coarse, "input", model, Options()).crs is None
    asked = reading_of(coarse, "input", model, Options(crs="EPSG:5179"))
    assert asked.crs == "EPSG:5179"
    bare = stored(tmp_path / "bare.tif", KELVIN, COARSE, crs=None)
    assert reading_of(bare, "input", model, Options()).crs == "EPSG:32651"


def test_without_training_the_file_s_own_unit_is_taken(tmp_path: Path, coarse: Path) -> None:
    celsius = stored(tmp_path / "c.tif", KELVIN - np.float32(273.15), COARSE, units="°C")
    ndvi = stored(tmp_path / "n.tif", RED, FINE, units="index")
    named = stored(tmp_path / "m.tif", RED, FINE, names=("NDVI",))
    plain = stored(tmp_path / "p.tif", RED, FINE)
    found = {
        (path.name, role): reading_of(path, role, None, Options()).unit
        for path, role in (
            *((coarse, "input"), (celsius, "input")),
            *((ndvi, "reference"), (named, "reference"), (plain, "reference")),
        )
    }
    assert list(found.values()) == ["kelvin", "celsius", "index", "index", "reflectance"]


def landsat_folder(tmp_path: Path) -> Path:
    name = "LC08_L2SP_116034_20230512_20230518_02_T1"
    folder = tmp_path / name
    folder.mkdir()
    (folder / f"{name}_MTL.txt").write_text("GROUP = LANDSAT_METADATA_FILE\n")
    return folder


def gk2a_file(tmp_path: Path) -> Path:
    path = tmp_path / "gk2a.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createVariable("gk2a_imager_projection", "S1")
    return path


def test_a_reference_is_an_optical_image(tmp_path: Path) -> None:
    reading = reference_sensor(landsat_folder(tmp_path))
    assert (reading.product, reading.bands) == ("landsat", ["red", "nir08"])
    with pytest.raises(LstsrError, match="gk2a.nc: a gk2a file holds temperatures, but a ref"):
        reference_sensor(gk2a_file(tmp_path))
    assert reading_of(gk2a_file(tmp_path), "input", None, Options()).product == "gk2a"


@pytest.mark.parametrize("name", ["unit", "scale", "offset", "nodata", "crs"])
def test_an_agency_s_product_takes_no_calibration(tmp_path: Path, name: str) -> None:
    value: Any = {"unit": "kelvin", "crs": "EPSG:4326", "nodata": (0.0,)}.get(name, 0.5)
    folder = landsat_folder(tmp_path)
    with pytest.raises(LstsrError, match=f"--reference-{name}: .* read as landsat, which states"):
        reading_of(folder, "reference", None, Options(**{name: value}))


def test_one_band_of_landsat_needs_its_folder_or_its_scale(tmp_path: Path) -> None:
    name = "LC08_L2SP_116034_20230512_20230518_02_T1_ST_B10.TIF"
    numbers = np.round((KELVIN - 149) / 0.00341802).astype(np.uint16)
    path = stored(tmp_path / name, numbers, COARSE, nodata=0)
    words = "one band of a Landsat product.*_MTL.txt.*scale 0.00341802, offset 149.0"
    with pytest.raises(LstsrError, match=words):
        reading_of(path, "input", None, Options())
    options = {"input": Options(scale=0.00341802, offset=149.0)}
    files = Files(path, stored(tmp_path / "red.tif", RED, FINE), options=options)
    found = read_pair(files, None, 4).images["input"].values[0]
    np.testing.assert_allclose(found, KELVIN, atol=0.002)


def test_several_bands_need_a_choice(tmp_path: Path) -> None:
    three = np.stack([KELVIN, KELVIN + 1, KELVIN + 2])
    path = stored(tmp_path / "days.tif", three, COARSE, names=("mon", "tue", "wed"))
    with pytest.raises(SceneError, match="3 bands: 1 mon, 2 tue, 3 wed. Choose one of them"):
        reading_of(path, "input", None, Options())
    for band in ("tue", 2):
        assert reading_of(path, "input", None, Options(band=(band,))).bands == [band]
    with pytest.raises(LstsrError, match="--input-band names 2 of the file's bands, but 1 is"):
        reading_of(path, "input", None, Options(band=(1, 2)))
    two = reading_of(path, "reference", None, Options(band=(1, 3)))
    assert (two.bands, two.names) == ([1, 3], ["1", "3"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(scale=0.0), "--input-scale: the scale cannot be 0. Give another number"),
        (Options(crs="UTM zone 52"), "--input-crs: 'UTM zone 52' is not a coordinate"),
        (Options(band=(0,)), "--input-band: .*greater than or equal to 1"),
        (Options(unit="reflectance"), "an input is in kelvin or celsius. Set --input-unit"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(coarse: Path, options: Options, words: str) -> None:
    with pytest.raises(LstsrError, match=words) as caught:
        reading_of(coarse, "input", None, options)
    assert "\n" not in str(caught.value)
