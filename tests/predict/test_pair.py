"""How the two files of a pair are read, and what `lstsr predict` refuses before it writes."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from lstsr.cli import main
from lstsr.errors import LstsrError, SceneError
from lstsr.predict.pair import Files, Options, describe, read_pair, reading_of
from lstsr.rows import Row
from lstsr.sensors.raster import geotiff
from lstsr.training.checkpoint import Checkpoint
from tests.triplets import config_of

KELVIN = np.linspace(290, 305, 144, dtype=np.float32).reshape(12, 12)
RED = np.linspace(0.05, 0.35, 48 * 48, dtype=np.float32).reshape(48, 48)
COARSE = Affine(1000, 0, 300_000, 0, -1000, 4_200_000)
FINE = COARSE @ Affine.scale(0.25)


def stored(path: Path, values: np.ndarray, transform: Affine, **more: Any) -> Path:
    """A plain GeoTIFF of one array, or of (band, row, column)."""
    bands = values if values.ndim == 3 else values[None]
    count, height, width = bands.shape
    units, names = more.pop("units", None), more.pop("names", None)
    profile = {"crs": "EPSG:32652", "dtype": bands.dtype, "transform": transform} | more
    with rasterio.open(path, "w", "GTiff", width, height, count, **profile) as dataset:
        dataset.write(bands)
        if units:
            dataset.units = (units,) * count
        if names:
            dataset.descriptions = names
    return path


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    return stored(tmp_path / "lst.tif", KELVIN, COARSE)


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    return stored(tmp_path / "red.tif", RED, FINE)


def trained(**readings: dict[str, Any]) -> Checkpoint:
    """The description of a network that was trained on files read by ``readings``."""
    row = {"dataset": "d", "track": "observed", "scale": 4, "model": "dctnet", "variant": "base"}
    row |= {"seed": 0, "harmonised": False, "guide": "own", "normalisation": "input"}
    more = {"channels": ["red"], "options": {}, "train": asdict(config_of().train)}
    return Checkpoint(
        row=Row.from_dict(row | more),
        dataset="d",
        origin="observed",
        target_m=250.0,
        reference_bands=("red",),
        scale_k=10.0,
        reference_mean=(0.2,),
        reference_std=(0.1,),
        validation_ubrmse_k=1.0,
        best_step=1,
        steps=1,
        train_seconds=1.0,
        fallback="bicubic",
        readings=readings,
    )


THERMAL = {"sensor": "MODIS", "unit": "celsius", "names": ["lst"], "scale": 0.1, "nodata": [-9999]}
OPTICAL = {"sensor": "S2", "unit": "reflectance", "names": ["red"], "scale": 1e-4}


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
    reading = reading_of(landsat_folder(tmp_path), "reference", None, Options())
    assert (reading.product, reading.bands) == ("landsat", ["red", "nir08"])
    with pytest.raises(LstsrError, match="gk2a.nc: a gk2a file holds temperatures, but a ref"):
        reading_of(gk2a_file(tmp_path), "reference", None, Options())
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
        (Options(scale=0.0), "--input-scale: 0.0: give a number other than 0"),
        (Options(crs="UTM zone 52"), "--input-crs: 'UTM zone 52' is not a coordinate"),
        (Options(band=(0,)), "--input-band: .*greater than or equal to 1"),
        (Options(unit="reflectance"), "an input is in kelvin or celsius. Set --input-unit"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(coarse: Path, options: Options, words: str) -> None:
    with pytest.raises(LstsrError, match=words) as caught:
        reading_of(coarse, "input", None, options)
    assert "\n" not in str(caught.value)


def predict(coarse: Path, fine: Path, output: Path, *more: str) -> int:
    files = ["--input", str(coarse), "--reference", str(fine), "--output", str(output)]
    return main(["predict", "--model", "bilinear", "--no-registration", *files, *more])


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


@pytest.mark.parametrize("by", ["name", "symlink", "hard link", "relative path", "the reference's"])
def test_an_output_never_replaces_an_input(
    coarse: Path,
    fine: Path,
    tmp_path: Path,
    by: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "out.tif"
    if by == "name":
        output = coarse
    elif by == "symlink":
        output.symlink_to(coarse)
    elif by == "hard link":
        os.link(coarse, output)
    elif by == "relative path":
        (tmp_path / "sub").mkdir()
        output = Path("sub/../lst.tif")
    else:
        output = fine
    before = coarse.read_bytes(), fine.read_bytes()
    assert predict(coarse, fine, output, "--overwrite") == 1
    assert "is the input" in capsys.readouterr().err
    assert (coarse.read_bytes(), fine.read_bytes()) == before


def test_an_output_does_not_lie_inside_an_input(
    coarse: Path, fine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "lst.zarr"
    rasterio.shutil.copy(coarse, store, driver="Zarr")
    assert predict(store, fine, store / "out.tif") == 1
    assert "lies inside the input" in capsys.readouterr().err
    assert not (store / "out.tif").exists()


@pytest.mark.parametrize("name", ["out.nc", "out", "out.png", "out.tif.gz"])
def test_a_suffix_of_another_format_is_refused(
    coarse: Path, fine: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(coarse, fine, tmp_path / name) == 1
    assert "the suffix does not fit the format. Use .tif or .tiff" in capsys.readouterr().err


def test_a_foreign_file_stays_and_the_same_command_may_be_repeated(
    coarse: Path, fine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.tif"
    assert predict(coarse, fine, output) == 0
    assert predict(coarse, fine, output) == 0
    assert predict(coarse, fine, output, "--input-offset", "1") == 1
    assert "already exists and holds something else. Use --overwrite" in capsys.readouterr().err
    for content in (coarse.read_bytes(), b"notes", b""):
        output.write_bytes(content)
        assert predict(coarse, fine, output) == 1
        assert "already exists" in capsys.readouterr().err
        assert output.read_bytes() == content
    assert predict(coarse, fine, output, "--overwrite") == 0


def test_the_time_of_an_input_that_states_none(coarse: Path, fine: Path) -> None:
    files = Files(coarse, fine, time="2023-05-12 11:10+09:00")
    assert read_pair(files, None, 4).images["input"].time == "2023-05-12T02:10:00Z"
    with pytest.raises(LstsrError, match="--time noon: not a time"):
        read_pair(replace(files, time="noon"), None, 4)


def test_a_ratio_of_spacings_beyond_any_method_is_refused(coarse: Path, tmp_path: Path) -> None:
    fine = stored(tmp_path / "fine.tif", RED, COARSE @ Affine.scale(1 / 4000))
    words = "pixels of 0.25 m against 1000 m of the input are a scale of 4000. Give --scale"
    with pytest.raises(LstsrError, match=words):
        read_pair(Files(coarse, fine), None, None)
    assert read_pair(Files(coarse, fine), None, 8).scale == 8
