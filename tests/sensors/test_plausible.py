"""Values that a quantity cannot have: a few are masked and counted, many are refused."""

import re
from typing import Any

import numpy as np
import pytest
from affine import Affine

from lstsr.config import GeotiffConfig
from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.sensors.plausible import checked
from lstsr.sensors.raster.calibration import Calibration

SIDE = 50
DRAWN = np.random.default_rng(0)
KELVIN = DRAWN.uniform(285, 312, (SIDE, SIDE))
REFLECTANCE = DRAWN.uniform(0.02, 0.45, (SIDE, SIDE))
NDVI = DRAWN.uniform(-0.2, 0.8, (SIDE, SIDE))


def reading(unit: str, **options: Any) -> GeotiffConfig:
    return GeotiffConfig.model_validate({"sensor": "test", "unit": unit} | options)


def image(values: np.ndarray, unit: str) -> SensorImage:
    bands = np.asarray(values, np.float32).reshape(-1, SIDE, SIDE)
    grid = Grid("EPSG:32652", Affine(1000, 0, 3e5, 0, -1000, 4.2e6), SIDE, SIDE)
    names = tuple(f"band {number}" for number in range(1, len(bands) + 1))
    return SensorImage(bands, np.isfinite(bands).all(axis=0), grid, names, unit, "test")


def check(values: np.ndarray, unit: str, role: str = "input", **options: Any) -> SensorImage:
    return checked(image(values, unit), "a.tif", f"sensors.{role}", reading(unit, **options))


def holed(values: np.ndarray, fill: float, pixels: int) -> np.ndarray:
    """``values`` with ``fill`` in the first pixels."""
    flat = values.flatten()
    flat[:pixels] = fill
    return flat.reshape(values.shape)


@pytest.mark.parametrize(
    ("values", "unit", "cure"),
    [
        (KELVIN * 10, "kelvin", "kelvin x 10, set scale: 0.1 in"),
        (KELVIN * 100, "kelvin", "kelvin x 100, set scale: 0.01 in"),
        (KELVIN * 50, "kelvin", "kelvin x 50, as in MOD11, set scale: 0.02 in"),
        (KELVIN * 1000, "kelvin", "kelvin x 1000, set scale: 0.001 in"),
        (KELVIN - 273.15, "kelvin", "degrees Celsius, set unit: celsius in"),
        (
            (KELVIN - 273.15) * 10,
            "kelvin",
            "degrees Celsius x 10, set unit: celsius, scale: 0.1 in",
        ),
        (
            (KELVIN - 273.15) * 100,
            "kelvin",
            "degrees Celsius x 100, set unit: celsius, scale: 0.01 in",
        ),
        (
            (KELVIN - 149) / 0.00341802,
            "kelvin",
            "Landsat ST numbers, set scale: 0.00341802, offset: 149 in",
        ),
        (REFLECTANCE * 100, "reflectance", "percent, set scale: 0.01 in"),
        (REFLECTANCE * 10_000, "reflectance", "reflectance x 10000, set scale: 0.0001 in"),
        (REFLECTANCE * 255, "reflectance", "numbers of 8 bits, set scale: 0.00392156863 in"),
        (
            (REFLECTANCE + 0.2) / 0.0000275,
            "reflectance",
            "Landsat SR numbers, set scale: 2.75e-05, offset: -0.2 in",
        ),
        (NDVI - 0.6, "reflectance", "an index such as NDVI, set unit: index in"),
        (NDVI * 10_000, "index", "index x 10000, set scale: 0.0001 in"),
        (NDVI * 100 + 100, "index", "100 x index [+] 100, set scale: 0.01, offset: -1 in"),
        (REFLECTANCE * 4, "index", "reflectances, set unit: reflectance in"),
    ],
)
def test_a_wrong_scale_is_refused_with_a_guess(values: np.ndarray, unit: str, cure: str) -> None:
    with pytest.raises(SceneError, match=rf"^a\.tif: .*% of the pixels are not .*{cure} sensors"):
        check(values, unit)


@pytest.mark.parametrize("unit", ["kelvin", "reflectance", "index", "metre"])
def test_what_can_be_passes_unchanged(unit: str) -> None:
    values = {"kelvin": KELVIN, "reflectance": REFLECTANCE, "index": NDVI, "metre": NDVI * 3000}
    before = image(values[unit] / (10 if unit == "metre" else 1), unit)
    assert checked(before, "a.tif", "sensors.input", reading(unit)) is before
    assert check(np.full((SIDE, SIDE), 300.0), "kelvin").valid.all()


@pytest.mark.parametrize("fill", [0, -9999, 65535, -3.4e38, 193.15])
def test_a_fill_value_is_masked_if_rare_and_refused_if_not(
    fill: float, caplog: pytest.LogCaptureFixture
) -> None:
    """The last one is -80 degrees Celsius, which is a temperature, but not of this scene."""
    few = int(0.01 * SIDE * SIDE)
    found = check(holed(KELVIN, fill, few), "kelvin")
    assert np.count_nonzero(~found.valid) == few
    assert np.isnan(found.values[0][~found.valid]).all()
    assert found.history[-1].startswith(f"masked {few} pixels")
    assert f"a.tif: masked {few} pixels" in caplog.text
    words = rf"are exactly {re.escape(f'{fill:g}')}.* marks no-data, add it .*--input-nodata"
    with pytest.raises(SceneError, match=words):
        check(holed(KELVIN, fill, few + 1), "kelvin")


def test_a_fill_value_does_not_hide_a_wrong_scale() -> None:
    words = "kelvin x 10, set scale: 0.1 in .* 30.0% are exactly 0. If this value marks no-data"
    with pytest.raises(SceneError, match=words):
        check(holed(KELVIN * 10, 0, int(0.3 * SIDE * SIDE)), "kelvin")


def test_tenths_of_degrees_that_look_like_kelvin_spread_too_far() -> None:
    words = "too far apart for land-surface temperatures. If they are degrees Celsius x 10"
    with pytest.raises(SceneError, match=words):
        check(DRAWN.uniform(180, 360, (SIDE, SIDE)), "kelvin")
    assert check(DRAWN.uniform(225, 330, (SIDE, SIDE)), "kelvin").valid.all(), "the Earth's disk"


def test_a_valid_range_of_the_reading_replaces_that_of_an_index() -> None:
    with pytest.raises(SceneError, match="are not values of an index"):
        check(NDVI * 3, "index")
    assert check(NDVI * 3, "index", valid_min=-3, valid_max=3).valid.all()


def test_the_band_at_fault_is_named() -> None:
    with pytest.raises(SceneError, match="100.0% of the pixels of band 2 are not reflectances"):
        check(np.stack([REFLECTANCE, REFLECTANCE * 10_000]), "reflectance", "reference")


@pytest.mark.parametrize(
    ("role", "option"),
    [("input", "--input-scale"), ("reference", "--reference-scale"), ("target", "--input-scale")],
)
def test_the_option_is_that_of_the_role(role: str, option: str) -> None:
    with pytest.raises(SceneError, match=f"in sensors.{role} .in predict: {option} 0.0001"):
        check(REFLECTANCE * 10_000, "reflectance", role)


def test_voids_of_an_elevation_are_masked_or_refused_with_the_command() -> None:
    heights = np.abs(NDVI) * 1000
    found = check(holed(heights, -32768, 20), "metre", "dem")
    assert np.count_nonzero(~found.valid) == 20
    with pytest.raises(SceneError, match="exactly -32768.*gdal_translate -a_nodata -32768 a.tif"):
        check(holed(heights, -32768, 200), "metre", "dem")
    with pytest.raises(SceneError, match="not elevations: .* Convert a.tif to metres"):
        check(heights * 1000 + 1e5, "metre", "dem")


def test_units_without_a_range_pass() -> None:
    before = image(KELVIN * 1e6, "radiance")
    assert checked(before, "a.tif", "sensors.input", reading("kelvin")) is before


def test_errors_speak_of_stored_values_and_of_the_keys_that_differ() -> None:
    """Kelvin x 10 that was read as Celsius x 10: unit and nothing else is wrong."""
    stored = KELVIN * 10
    read = image(stored * 0.1 + 273.15, "kelvin")
    as_celsius = reading("celsius", scale=0.1)
    words = (
        r"stored 2850\S* to 3119\S*, read as celsius = stored x 0.1 [+] 0.* "
        r"If they are kelvin x 10, set unit: kelvin in sensors.input"
    )
    with pytest.raises(SceneError, match=words):
        checked(read, "a.tif", "sensors.input", as_celsius, [Calibration(0.1, 0.0)])
    filled = holed(KELVIN - 273.15, -999.9, 200) + 273.15
    words = r"exactly -726.75.* add it as stored [(]-9999[)] to .*--input-nodata -9999"
    with pytest.raises(SceneError, match=words):
        checked(
            image(filled, "kelvin"), "a.tif", "sensors.input", as_celsius, [Calibration(0.1, 0.0)]
        )


def test_saturated_values_are_no_fill_value() -> None:
    ndvi = np.round(np.minimum(NDVI, 0.6) * 10_000)
    with pytest.raises(SceneError, match="set scale: 0.0001 in sensors.input") as caught:
        check(ndvi, "index")
    assert "nodata" not in str(caught.value)
