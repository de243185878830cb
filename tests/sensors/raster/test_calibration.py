"""What files state of their values, in GDAL tags and CF attributes, against what a reading says."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from lstsr.config import GeotiffConfig
from lstsr.errors import SceneError
from lstsr.sensors import geotiff
from lstsr.sensors.raster import selection

KELVIN = np.linspace(285.0, 315.0, 30).reshape(5, 6)
TENTHS_C = np.round((KELVIN - 273.15) * 10).astype(np.int16)
TENTHS_K = np.round(KELVIN * 10).astype(np.int16)
OF_TENTHS = {"scale_factor": "0.1", "add_offset": "273.15", "units": "K"}
HOLES = np.array([(0, 0), (2, 3)])


def sensor(**options: Any) -> GeotiffConfig:
    return GeotiffConfig.model_validate({"sensor": "test", "unit": "kelvin"} | options)


def stored(
    path: Path,
    values: Any,
    *,
    scale: float | None = None,
    offset: float | None = None,
    unit: str = "",
    band_tags: dict[str, str] | None = None,
    file_tags: dict[str, str] | None = None,
    colours: tuple[ColorInterp, ...] = (),
    **profile: Any,
) -> Path:
    """A GeoTIFF of one array, or of (band, row, column), with what it states of each band."""
    bands = np.asarray(values)
    bands = bands if bands.ndim == 3 else bands[None]
    count, height, width = bands.shape
    profile = {"dtype": bands.dtype, "crs": "EPSG:32652"} | profile
    place = Affine(1000, 0, 300_000, 0, -1000, 4_200_000)
    with rasterio.open(
        path, "w", "GTiff", width, height, count, transform=place, **profile
    ) as dataset:
        if colours:
            dataset.colorinterp = colours
        dataset.write(bands)
        if scale is not None:
            dataset.scales = (scale,) * count
        if offset is not None:
            dataset.offsets = (offset,) * count
        if unit:
            dataset.units = (unit,) * count
        dataset.update_tags(**(file_tags or {}))
        for number in dataset.indexes:
            dataset.update_tags(number, **(band_tags or {}))
    return path


def read(path: Path, **options: Any) -> np.ndarray:
    image = geotiff.read(path, sensor(**options))
    return np.where(image.valid, image.values[0], np.nan)


@pytest.mark.parametrize(
    ("values", "states", "options"),
    [
        (TENTHS_C, {"scale": 0.1, "offset": 273.15, "unit": "K"}, {}),
        (TENTHS_C, {"scale": 0.1, "unit": "degC"}, {"unit": "celsius"}),
        (TENTHS_C, {"band_tags": OF_TENTHS}, {}),
        (TENTHS_C, {"file_tags": OF_TENTHS}, {}),
        (TENTHS_C, {"file_tags": {"SCALE_FACTOR": "0.1f", "add_offset": "{273.15}"}}, {}),
        (TENTHS_C, {"scale": float(np.float32(0.1)), "offset": 273.15}, {"scale": 0.1}),
        (
            TENTHS_C,
            {"scale": float(np.float32(0.1)), "offset": 273.15, "band_tags": OF_TENTHS},
            {"scale": 0.1, "offset": 273.15},
        ),
        (TENTHS_K, {"scale": 0.1}, {}),
        (TENTHS_K, {}, {"scale": 0.1}),
        (TENTHS_K, {"band_tags": {"scale_factor": "0.1"}}, {"scale": 0.1}),
        (KELVIN.astype(np.float32), {"band_tags": OF_TENTHS | {"valid_range": "{-500,999}"}}, {}),
        (KELVIN.astype(np.float32), {"band_tags": {"scale_factor": "none"}}, {}),
    ],
    ids=[
        *("GDAL", "celsius", "CF of the band", "CF of the file", "CF as CDL writes it"),
        *("single precision", "said three times", "scale alone", "reading alone", "both agree"),
        *("unpacked floats", "floats with a text"),
    ],
)
def test_stored_numbers_become_kelvin(
    tmp_path: Path, values: np.ndarray, states: dict[str, Any], options: dict[str, Any]
) -> None:
    found = read(stored(tmp_path / "a.tif", values, **states), **options)
    np.testing.assert_allclose(found, KELVIN, atol=0.051)


@pytest.mark.parametrize(
    ("states", "options", "words"),
    [
        ({"scale": 0.1}, {"scale": 0.2}, "scale 0.1 in the file, but the reading .* says 0.2"),
        ({"offset": 273.15}, {"offset": 0}, "offset 273.15 in the file, but .* says 0. Remove"),
        ({"unit": "K"}, {"unit": "celsius"}, "unit 'K' in the file, but .* says celsius"),
        ({"unit": "°C"}, {}, "unit '°C' in the file, but .* says kelvin"),
        ({"unit": "m"}, {}, "unit 'm' in the file, but .* says kelvin"),
        ({"unit": "degF"}, {}, r"degrees Fahrenheit.*gdal_calc.py .*\(A\+459.67\)/1.8"),
        ({"scale": 0.1, "band_tags": {"scale_factor": "0.2"}}, {}, "scale 0.1 and scale_factor"),
        ({"band_tags": {"scale_factor": "a tenth"}}, {}, "scale_factor = 'a tenth', which is not"),
        ({"scale": 0.0}, {}, "scale 0 in the file, which is not usable"),
        ({"scale": float("nan")}, {}, "scale nan in the file, which is not usable"),
        ({"offset": float("inf")}, {}, "offset inf in the file, which is not usable"),
    ],
)
def test_what_contradicts_or_cannot_be_is_one_line(
    tmp_path: Path, states: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    path = stored(tmp_path / "lst.tif", TENTHS_C, **states)
    with pytest.raises(SceneError, match=rf"^lst\.tif: band 1 .*{words}"):
        geotiff.read(path, sensor(**options))


@pytest.mark.parametrize(
    "text", ["degC", "Celsius", "degree_Celsius", "degrees C", "°C", "ºC", "\N{DEGREE CELSIUS}"]
)
def test_degrees_celsius_however_they_are_written(tmp_path: Path, text: str) -> None:
    path = stored(tmp_path / "a.tif", (KELVIN - 273.15).astype(np.float32), unit=text)
    assert selection.stated(path, sensor()).kind == "C"
    np.testing.assert_allclose(read(path, unit="celsius"), KELVIN, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "unit", "factor"),
    [
        *(("%", "reflectance", 0.01), ("percent", "index", 0.01), ("ft", "metre", 0.3048)),
        *(("US survey foot", "metre", 0.3048), ("km", "metre", 1000), ("1", "reflectance", 1)),
    ],
)
def test_a_unit_becomes_that_of_the_reading(
    tmp_path: Path, text: str, unit: str, factor: float
) -> None:
    path = stored(tmp_path / "a.tif", KELVIN.astype(np.float32), unit=text)
    np.testing.assert_allclose(read(path, unit=unit), KELVIN * factor, rtol=1e-6)


@pytest.mark.parametrize("text", ["unspecified", "None", "n/a", "?", " "])
def test_no_unit_in_other_words(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = stored(tmp_path / "a.tif", KELVIN.astype(np.float32), unit=text)
    np.testing.assert_allclose(read(path), KELVIN, rtol=1e-6)
    assert not caplog.text


def test_an_unknown_unit_is_named_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = stored(tmp_path / "a.tif", KELVIN.astype(np.float32), unit="furlong")
    np.testing.assert_allclose(read(path), KELVIN, rtol=1e-6)
    assert "a.tif: band 1 has the unit 'furlong', which lstsr does not know" in caplog.text


def test_the_unit_of_heights_is_not_that_of_a_band(tmp_path: Path) -> None:
    """GDAL states the unit of a vertical coordinate system as that of every band."""
    path = stored(tmp_path / "a.tif", KELVIN.astype(np.float32), crs="EPSG:32652+5773")
    np.testing.assert_allclose(read(path), KELVIN, rtol=1e-6)


@pytest.mark.parametrize(
    ("states", "options", "fills"),
    [
        ({"band_tags": {"_FillValue": "-9999"}}, {}, (-9999, -9999)),
        ({"file_tags": {"missing_value": "{-9999,-888}"}}, {}, (-9999, -888)),
        ({"nodata": -9999}, {"nodata": -888}, (-9999, -888)),
        ({}, {"nodata": [-9999, -888]}, (-9999, -888)),
        ({"band_tags": {"valid_range": "0, 1000"}}, {}, (-9999, 1001)),
        ({"band_tags": {"valid_range": "{0s,1000s}"}}, {}, (-9999, 1001)),
        ({"band_tags": {"valid_min": "0", "valid_max": "1000"}}, {}, (-1, 1001)),
        ({"band_tags": {"valid_min": "0"}}, {}, (-1, -2)),
        ({"nodata": -9999}, {"nodata": [1e30, float("nan"), -888]}, (-9999, -888)),
    ],
)
def test_values_that_a_file_or_a_reading_masks(
    tmp_path: Path, states: dict[str, Any], options: dict[str, Any], fills: tuple[int, int]
) -> None:
    values = TENTHS_C.copy()
    values[tuple(HOLES.T)] = fills
    path = stored(tmp_path / "a.tif", values, scale=0.1, offset=273.15, **states)
    found = read(path, **options)
    np.testing.assert_array_equal(np.argwhere(np.isnan(found)), HOLES)
    np.testing.assert_allclose(found[np.isfinite(found)], KELVIN[np.isfinite(found)], atol=0.051)


@pytest.mark.parametrize("value", [np.nan, 0.1, -3.4028234663852886e38, -9999.0])
@pytest.mark.parametrize("by", ["file", "reading"])
def test_nodata_of_floats(tmp_path: Path, value: float, by: str) -> None:
    values = KELVIN.astype(np.float32)
    values[tuple(HOLES.T)] = value
    states = {"nodata": value} if by == "file" else {}
    options = {"nodata": value} if by == "reading" else {}
    found = read(stored(tmp_path / "a.tif", values, **states), **options)
    np.testing.assert_array_equal(np.argwhere(np.isnan(found)), HOLES)


def test_nodata_that_the_type_cannot_hold_masks_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.tif", (KELVIN - 250).astype(np.uint8), offset=250.0)
    assert np.isfinite(read(path, nodata=-9999)).all()


@pytest.mark.parametrize("internal", [True, False])
def test_a_mask_and_nodata_count_together(tmp_path: Path, internal: bool) -> None:
    values = KELVIN.astype(np.float32)
    values[0, 0] = -9999
    path = stored(tmp_path / "a.tif", values)
    mask = np.full(values.shape, 255, np.uint8)
    mask[2, 3] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    assert (tmp_path / "a.tif.msk").exists() != internal
    np.testing.assert_array_equal(np.argwhere(np.isnan(read(path, nodata=-9999))), HOLES)


def test_an_alpha_band_and_nodata_count_together(tmp_path: Path) -> None:
    values = np.stack([KELVIN, np.full(KELVIN.shape, 255)]).astype(np.float32)
    values[0, 0, 0], values[1, 2, 3] = -9999, 0
    colours = (ColorInterp.gray, ColorInterp.alpha)
    path = stored(tmp_path / "a.tif", values, colours=colours, nodata=-9999)
    np.testing.assert_array_equal(np.argwhere(np.isnan(read(path))), HOLES)


@pytest.mark.parametrize("bands", [None, [1, 2, 3, 4]])
def test_a_fourth_band_of_8_bits_is_no_alpha_if_it_is_wanted(
    tmp_path: Path, bands: list[int] | None
) -> None:
    """GDAL marks the last of four such bands as alpha when it writes them."""
    values = np.arange(4 * 30, dtype=np.uint8).reshape(4, 5, 6)
    values[3, 2, 3] = 0
    path = stored(tmp_path / "a.tif", values)
    names = ["blue", "green", "red", "nir"]
    image = geotiff.read(path, sensor(unit="reflectance", names=names, bands=bands))
    np.testing.assert_array_equal(image.values, values)
    assert image.valid.all()
    three = geotiff.read(path, sensor(unit="reflectance", names=names[:3]))
    np.testing.assert_array_equal(np.argwhere(~three.valid), [[2, 3]])


@pytest.mark.parametrize(
    ("dtype", "scale", "offset", "within"),
    [
        *(("int8", 0.25, 300.0, 0.26), ("uint32", 1e-4, -4e5, 1e-3), ("int64", 1e-9, 0.0, 1e-4)),
        *(("uint64", 1e-9, 0.0, 1e-4), ("float64", 1.0, 0.0, 1e-4), ("int32", 1e-6, 0.0, 1e-4)),
    ],
)
def test_numbers_of_every_type(
    tmp_path: Path, dtype: str, scale: float, offset: float, within: float
) -> None:
    values = np.round((KELVIN - offset) / scale) if dtype != "float64" else KELVIN
    path = stored(tmp_path / "a.tif", values.astype(dtype), scale=scale, offset=offset)
    np.testing.assert_allclose(read(path), KELVIN, atol=within)


def test_numbers_beyond_single_precision_are_masked_quietly(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    values = KELVIN.copy()
    values[tuple(HOLES.T)] = 1e300, -1e300
    found = read(stored(tmp_path / "a.tif", values))
    np.testing.assert_array_equal(np.argwhere(np.isnan(found)), HOLES)
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def test_bits_are_numbers(tmp_path: Path) -> None:
    bits = (KELVIN > 300).astype(np.uint8)
    np.testing.assert_array_equal(read(stored(tmp_path / "a.tif", bits, nbits=1)), bits)


@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_numbers_are_refused_and_can_be_inspected(tmp_path: Path, dtype: str) -> None:
    values = KELVIN.astype(np.complex64)
    path = stored(tmp_path / "a.tif", values, dtype=dtype)
    with pytest.raises(SceneError, match="a.tif: band 1 holds complex numbers"):
        geotiff.read(path, sensor())
    assert any("complex numbers" in value for _, value in geotiff.inspect(path).facts)


LAT = 38 - 0.01 * (np.arange(5) + 0.5)
LON = 127 + 0.01 * (np.arange(6) + 0.5)


def netcdf(
    path: Path,
    packed: np.ndarray,
    attributes: dict[str, Any],
    *,
    lat: np.ndarray = LAT,
    lon: np.ndarray = LON,
    hours: tuple[float, ...] = (),
    names: tuple[str, ...] = ("LST",),
    format: str = "NETCDF4",
) -> Path:
    """A CF file of regular latitudes and longitudes, without a grid mapping."""
    with netCDF4.Dataset(path, "w", format=format) as dataset:
        axes = {"lat": (lat, "degrees_north"), "lon": (lon, "degrees_east")}
        if hours:
            axes = {"time": (np.array(hours), "hours since 2023-05-12 00:00:00")} | axes
        for name, (values, unit) in axes.items():
            dataset.createDimension(name, len(values))
            axis = dataset.createVariable(name, "f8", (name,))
            axis.units = unit
            axis[:] = values
        for name in names:
            variable = dataset.createVariable(name, packed.dtype, tuple(axes), fill_value=-32768)
            variable.set_auto_maskandscale(False)
            variable.setncatts(attributes)
            variable[:] = np.broadcast_to(packed, variable.shape)
    return path


PACKED = TENTHS_C.copy()
PACKED[tuple(HOLES.T)] = -32768, 1200
CF_K = {
    "scale_factor": np.float32(0.1),
    "add_offset": np.float32(273.15),
    "units": "K",
    "valid_range": np.array([-500, 1000], np.int16),
}


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"])
@pytest.mark.parametrize("kind", ["falling", "rising", "0..360", "time"])
def test_a_packed_netcdf(tmp_path: Path, format: str, kind: str) -> None:
    lon = LON + 106 if kind == "0..360" else LON
    hours = (2.5,) if kind == "time" else ()
    if kind == "rising":
        path = netcdf(tmp_path / "a.nc", PACKED[::-1], CF_K, lat=LAT[::-1], format=format)
    else:
        path = netcdf(tmp_path / "a.nc", PACKED, CF_K, lon=lon, hours=hours, format=format)
    image = geotiff.read(path, sensor())
    np.testing.assert_array_equal(np.argwhere(~image.valid), HOLES)
    np.testing.assert_allclose(image.values[0][image.valid], KELVIN[image.valid], atol=0.051)
    assert image.time == ("2023-05-12T02:30:00Z" if hours else "")
    at_lon, at_lat = image.grid.lonlat()
    np.testing.assert_allclose(at_lat[:, 0], LAT)
    np.testing.assert_allclose(at_lon[0] % 360, lon)


def test_a_netcdf_in_degrees_celsius(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "a.nc", TENTHS_C, {"scale_factor": 0.1, "units": "degC"})
    assert selection.stated(path, sensor()).kind == "C"
    np.testing.assert_allclose(read(path, unit="celsius"), KELVIN, atol=0.051)


def test_unsigned_numbers_in_a_signed_type(tmp_path: Path) -> None:
    """As GOES-R delivers LST."""
    unsigned = np.round((KELVIN - 190) / 0.0025).astype(np.uint16)
    assert (unsigned > 32767).all()
    states = {"scale_factor": np.float32(0.0025), "add_offset": np.float32(190), "units": "K"}
    path = netcdf(tmp_path / "a.nc", unsigned.view(np.int16), states | {"_Unsigned": "true"})
    np.testing.assert_allclose(read(path), KELVIN, atol=0.002)


@pytest.mark.parametrize("band", ["LST", "lst", 1])
def test_one_variable_of_several(tmp_path: Path, band: str | int) -> None:
    path = netcdf(tmp_path / "a.nc", TENTHS_C, CF_K, names=("LST", "QC"))
    np.testing.assert_allclose(read(path, bands=[band]), KELVIN, atol=0.051)
    with pytest.raises(SceneError, match="a.nc: the file holds the variables LST, QC. Name one"):
        geotiff.read(path, sensor())
    with pytest.raises(SceneError, match="a.nc: the file holds the variables LST, QC. Name one"):
        geotiff.read(path, sensor(bands=[3]))
    facts = dict(geotiff.inspect(path).facts)
    assert facts["variables"].startswith("LST, QC. Name one in bands, --input-band")


def test_a_layer_in_time_is_chosen_by_its_number(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "a.nc", TENTHS_C, CF_K, hours=(0.0, 2.5))
    with pytest.raises(SceneError, match=r"2 bands: 1 LST \(time 0\), 2 LST \(time 2.5\). Choose"):
        geotiff.read(path, sensor())
    image = geotiff.read(path, sensor(bands=[2]))
    assert image.time == "2023-05-12T02:30:00Z"
    np.testing.assert_allclose(image.values[0], KELVIN, atol=0.051)


def test_a_fault_of_a_variable_names_the_file(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "a.nc", TENTHS_C, CF_K, names=("LST", "QC"), hours=(0.0, 1.0))
    with pytest.raises(SceneError, match=r"^a\.nc: the variable LST has 2 layers.*gdal_translate"):
        geotiff.read(path, sensor(bands=["LST"]))
    path = netcdf(tmp_path / "b.nc", TENTHS_C, CF_K, names=("LST", "QC"))
    with pytest.raises(SceneError, match=r"^b\.nc: band 1 has scale 0.1 in the file, but"):
        geotiff.read(path, sensor(bands=["LST"], scale=0.2))
