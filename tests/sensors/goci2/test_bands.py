"""Stored values to physical ones, and the indices made of them."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from lstsr.errors import SceneError
from lstsr.sensors.goci2.bands import LATITUDE, normalised_difference, physical, stacked


@pytest.fixture
def dataset(tmp_path: Path):
    """Lines 0, 1, 2 of four pixels; the value is the pixel's number."""
    with netCDF4.Dataset(tmp_path / "file.nc", "w") as one:
        one.set_auto_maskandscale(False)
        for name, length in (("lines", 3), ("pixels", 4)):
            one.createDimension(name, length)
        for name in (LATITUDE, "plain", "own"):
            fill = -1 if name == "own" else None
            stored = one.createVariable(name, "i2", ("lines", "pixels"), fill_value=fill)
            stored.set_auto_maskandscale(False)
            stored[:] = np.arange(12).reshape(3, 4)
        one["own"][0, 1] = -1
        one["own"].scale_factor, one["own"].add_offset = "0.5", 10.0
        one.createVariable("wide", "i2", ("pixels", "lines"))
        yield one


def test_fill_is_the_given_one_unless_the_file_states_its_own(dataset: netCDF4.Dataset) -> None:
    np.testing.assert_array_equal(physical(dataset, "plain", 0)[0], [np.nan, 1, 2, 3])
    np.testing.assert_array_equal(physical(dataset, "own", 0)[0], [10, np.nan, 11, 11.5])


def test_some_lines_are_those_of_all(dataset: netCDF4.Dataset) -> None:
    some, every = physical(dataset, "own", 0, [0, 2]), physical(dataset, "own", 0)
    np.testing.assert_array_equal(some, every[[0, 2]])


def test_shapes_must_be_that_of_the_latitudes(dataset: netCDF4.Dataset) -> None:
    with pytest.raises(SceneError, match=r"file.nc: wide has shape \(4, 3\), .*latitude \(3, 4\)"):
        physical(dataset, "wide", 0)


def test_bands_keep_their_order_and_each_is_read_once() -> None:
    asked = []

    def reflectance(wavelength_nm: int) -> np.ndarray:
        asked.append(wavelength_nm)
        return np.float32([wavelength_nm / 1000])

    found = stacked(["ndwi", "toa_412", "ndvi", "toa_865"], reflectance)
    assert sorted(asked) == [412, 555, 660, 865]
    expected = (0.555 - 0.865) / 1.42, 0.412, (0.865 - 0.66) / 1.525, 0.865
    assert found[:, 0] == pytest.approx(expected)


def test_an_index_needs_light_and_lies_between_its_bounds() -> None:
    first, second = np.float32([0.3, 0.004, 0.4, np.nan]), np.float32([0.1, 0.005, -0.1, 0.2])
    found = normalised_difference(first, second)
    np.testing.assert_allclose(found, [0.5, np.nan, np.nan, np.nan], rtol=1e-6)
