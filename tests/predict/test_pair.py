"""How the two files of a pair are read and placed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from lstsr.cli import main
from lstsr.errors import LstsrError
from lstsr.predict.pair import read_pair
from lstsr.predict.request import Files
from lstsr.sensors import geotiff
from tests.predict.rasters import (
    COARSE,
    FINE,
    KELVIN,
    OPTICAL,
    RED,
    THERMAL,
    predict,
    stored,
    trained,
)


def test_both_readings_are_logged_and_used(
    coarse: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tenths = np.round((KELVIN - 273.15) * 10).astype(np.int16)
    tenths[0, 0] = -9999
    counts = np.round(RED * 1e4).astype(np.uint16)
    files = Files(
        stored(tmp_path / "tenths.tif", tenths, COARSE),
        stored(tmp_path / "counts.tif", counts, FINE),
    )
    with caplog.at_level("INFO"):
        pair = read_pair(files, trained(input=THERMAL, reference=OPTICAL), 4)
    np.testing.assert_allclose(pair.images["input"].values[0, 1:], KELVIN[1:], atol=0.051)
    assert not pair.images["input"].valid[0, 0]
    np.testing.assert_allclose(pair.images["reference"].values[0], RED, atol=1e-4)
    assert "input tenths.tif: MODIS (geotiff): unit celsius" in caplog.text
    assert "reference counts.tif: S2 (geotiff): unit reflectance" in caplog.text


DRIVERS = {"ENVI": "a.img", "HFA": "b.img", "VRT": "a.vrt", "netCDF": "a.nc", "Zarr": "a.zarr"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_any_raster_is_predicted_and_inspected_alike(
    coarse: Path, fine: Path, tmp_path: Path, driver: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(coarse, fine, tmp_path / "expected.tif") == 0
    path = tmp_path / DRIVERS[driver]
    rasterio.shutil.copy(coarse, path, driver=driver)
    assert predict(path, fine, tmp_path / "out.tif") == 0
    assert main(["inspect", str(path)]) == 0
    assert f"raster ({driver})" in capsys.readouterr().out
    found, expected = (
        geotiff.read_written(tmp_path / name).values for name in ("out.tif", "expected.tif")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.shape == (1, 48, 48) and abs(found.mean() - KELVIN.mean()) < 0.1


def test_readings_are_tags_of_the_product(coarse: Path, fine: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.tif"
    assert predict(coarse, fine, output, "--input-offset", "1", "--reference-unit", "index") == 0
    with rasterio.open(output) as dataset:
        tags = dataset.tags()
    said = "input (geotiff): unit kelvin, offset 1.0; physical = stored x 1 + 1"
    assert tags["input_reading"] == said
    assert "unit index" in tags["reference_reading"]
    np.testing.assert_allclose(geotiff.read_written(output).values.mean(), KELVIN.mean() + 1, 1e-3)


def test_the_time_of_an_input_that_states_none(coarse: Path, fine: Path) -> None:
    files = Files(coarse, fine, time="2023-05-12 11:10+09:00")
    assert read_pair(files, None, 4).images["input"].time == "2023-05-12T02:10:00Z"
    with pytest.raises(LstsrError, match="--time noon: not a time"):
        read_pair(replace(files, time="noon"), None, 4)


def test_a_ratio_of_spacings_beyond_any_method_is_refused(coarse: Path, tmp_path: Path) -> None:
    fine = stored(tmp_path / "fine.tif", RED, COARSE @ Affine.scale(1 / 4000))
    words = "its pixels of 0.25 m and the input's of 1000 m make a scale of 4000. Give --scale"
    with pytest.raises(LstsrError, match=words):
        read_pair(Files(coarse, fine), None, None)
    assert read_pair(Files(coarse, fine), None, 8).scale == 8
