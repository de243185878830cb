"""The writer of GOCI-II L2 AC and L1B files: names, layout and fill; L1B through our reader."""

from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from pyproj import Transformer

from lstsr.config import Goci2L1bConfig
from lstsr.sensors import goci2_l1b
from lstsr.simulate.goci2 import slot_grid, write_ac, write_l1b

NOMINAL = datetime(2023, 5, 14, 2, 15, 30, tzinfo=UTC)
START, END = NOMINAL.replace(minute=26, second=56), NOMINAL.replace(minute=28, second=0)
BANDS_NM = (380, 412, 443, 490, 510, 555, 620, 660, 680, 709, 745, 865)
GRID = slot_grid(126.9, 37.4, 50, 60)


def reflectances() -> dict[int, np.ndarray]:
    rng = np.random.default_rng(1)
    return {nm: rng.uniform(0, 0.5, GRID.shape).astype(np.float32) for nm in BANDS_NM}


def written(folder: Path, slot: int | None = 7) -> Path:
    rhoc = reflectances()
    rhoc[865][0, :7] = np.nan
    flag = np.zeros(GRID.shape, np.uint32)
    flag[:, 30:] = 1 << 1  # land
    flag[3, 3] = 1 << 16
    return write_ac(folder, NOMINAL, slot, START, END, GRID, rhoc, flag)


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("ac"))


def test_names_carry_the_slot_and_the_scan_s_time(slot: Path, tmp_path: Path) -> None:
    assert slot.name == "GK2B_GOCI2_L2_20230514_021530_LA_S007_AC.nc"
    mosaic = written(tmp_path, slot=None)
    assert mosaic.name == "GK2B_GOCI2_L2_20230514_021530_LA_AC.nc"
    assert list(tmp_path.iterdir()) == [mosaic], "nothing is left beside it"


def test_the_layout_is_that_of_public_readers(slot: Path) -> None:
    with netCDF4.Dataset(slot) as dataset:
        assert dataset.title == "GK2B GOCI-II Level-2 Data"
        assert (dataset.platform, dataset.instrument) == ("GK-2B", "GOCI-II")
        assert dataset.observation_start_time == "20230514_022656"
        assert dataset.observation_end_time == "20230514_022800"
        sizes = {name: len(one) for name, one in dataset.dimensions.items()}
        assert sizes == {"number_of_lines": 50, "pixels_per_line": 60}
        geophysical, navigation = dataset["geophysical_data"], dataset["navigation_data"]
        for quantity in ("Rrs", "RhoC"):
            names = [f"{quantity}_{nm}" for nm in BANDS_NM]
            assert list(geophysical[quantity].variables) == names
            assert {one._FillValue for one in geophysical[quantity].variables.values()} == {-999}
        assert geophysical["flag"].dtype == np.int32
        assert set(navigation.variables) == {"latitude", "longitude"}
        every = [geophysical["RhoC/RhoC_865"], geophysical["flag"], navigation["latitude"]]
        for one in every:
            assert one.dimensions == ("number_of_lines", "pixels_per_line")
            assert one.filters()["zlib"] and one.filters()["complevel"] == 1


def test_reflectance_flags_and_fill(slot: Path) -> None:
    truth = reflectances()
    with netCDF4.Dataset(slot) as dataset:
        dataset.set_auto_mask(False)
        geophysical = dataset["geophysical_data"]
        for nm in BANDS_NM[:-1]:
            np.testing.assert_array_equal(geophysical[f"RhoC/RhoC_{nm}"][:], truth[nm])
        nir = geophysical["RhoC/RhoC_865"][:]
        assert (nir[0, :7] == -999).all()
        np.testing.assert_array_equal(nir[1:], truth[865][1:])
        flag = geophysical["flag"][:]
        assert flag[3, 3] == 65536 and (flag[:, 30:] == 2).all()


def test_rrs_is_empty_over_land_and_small_over_water(slot: Path) -> None:
    with netCDF4.Dataset(slot) as dataset:
        dataset.set_auto_mask(False)
        rrs = dataset["geophysical_data/Rrs/Rrs_555"][:]
    assert (rrs[:, 30:] == -999).all()
    assert (rrs[:, :30] >= 0).all() and rrs[:, :30].max() < 0.5 / np.pi + 1e-6


def test_places_are_those_of_pixel_centres(slot: Path) -> None:
    """32-bit degrees are exact to 8e-6 at 128 E."""
    to_degrees = Transformer.from_crs(GRID.crs, "EPSG:4326", always_xy=True)
    row, column = np.indices(GRID.shape) + 0.5
    with netCDF4.Dataset(slot) as dataset:
        found = [dataset["navigation_data"][name][:] for name in ("longitude", "latitude")]
    expected = to_degrees.transform(*(GRID.transform @ (column, row)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=8e-6)


def test_slots_share_one_lattice_of_250_m_at_nadir() -> None:
    here, there = slot_grid(126.9, 37.4, 50, 60), slot_grid(129.1, 35.2, 81, 33)
    assert here.crs == there.crs and here.gsd_m == there.gsd_m
    apart = ~here.transform @ (there.transform @ (0, 0))
    np.testing.assert_allclose(apart, np.rint(apart), atol=1e-6)
    nadir = slot_grid(128.2, 0.0, 2, 2)
    to_degrees = Transformer.from_crs(nadir.crs, "EPSG:4326", always_xy=True)
    (west, middle), (east, _) = (
        to_degrees.transform(*(nadir.transform @ (column, 1))) for column in (0, 1)
    )
    assert np.radians(east - west) * 6_378_137 == pytest.approx(250, rel=1e-3)
    assert middle == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("rows", "columns"), [(50, 60), (51, 61)])
def test_a_slot_lies_around_its_point_north_up(rows: int, columns: int) -> None:
    lon, lat = 127.4, 36.6
    found = slot_grid(lon, lat, rows, columns)
    assert found.shape == (rows, columns)
    assert found.transform.a > 0 > found.transform.e
    assert found.transform.b == found.transform.d == 0
    to_grid = Transformer.from_crs("EPSG:4326", found.crs, always_xy=True)
    column, row = ~found.transform @ to_grid.transform(lon, lat)
    assert (column, row) == pytest.approx((columns / 2, rows / 2), abs=1.5)


def level_1b(folder: Path, slot: int | None = 7) -> Path:
    """Radiances as large as 100 times the reflectances, with an edge that has none."""
    radiance = {nm: 100 * values for nm, values in reflectances().items()}
    for values in radiance.values():
        values[:2] = np.nan
    return write_l1b(folder, NOMINAL, slot, START, END, GRID, radiance)


def test_level_1b_has_its_own_names(tmp_path: Path) -> None:
    path = level_1b(tmp_path)
    assert path.name == "GK2_GOCI2_L1B_20230514_021530_LA_S007.nc"
    assert level_1b(tmp_path, None).name == "GK2_GOCI2_L1B_20230514_021530_LA.nc"
    with netCDF4.Dataset(path) as dataset:
        assert dataset.title == "GK2B GOCI-II Level-1B Radiances"
        assert (dataset.platform, dataset.instrument) == ("GK-2B", "GOCI-II")
        assert dataset.observation_start_time == "20230514_022656"
        assert dataset.observation_end_time == "20230514_022800"
        for name in (
            "sub_longitude",
            "nominal_satellite_height",
            "semi_major_axis",
            "semi_minor_axis",
            "longitude_of_projection_origin",
            "latitude_of_projection_origin",
            "perspective_point_height",
        ):
            assert isinstance(dataset.getncattr(name), float)
        sizes = {name: len(one) for name, one in dataset.dimensions.items()}
        assert sizes == {"number_of_lines": 50, "number_of_columns": 60}
        geophysical = dataset["geophysical_data"]
        assert list(geophysical.variables) == [f"L_TOA_{nm}" for nm in BANDS_NM]
        assert not geophysical.groups
        for one in geophysical.variables.values():
            assert one.dtype == np.float32 and one.valid_min == 0
            assert one.dimensions == ("number_of_lines", "number_of_columns")
            assert (one[:2] == 0).all() and (one[2:] > 0).all(), "filled with 0, unmarked"


def test_level_1b_comes_back_through_its_reader(tmp_path: Path) -> None:
    config = Goci2L1bConfig(product="goci2-l1b", bands=["toa_412", "toa_865"], cloud_brightness=2.0)
    image = goci2_l1b.read(level_1b(tmp_path), config)
    assert image.time == "2023-05-14T02:27:28Z"
    assert not image.valid[:2].any() and image.valid[2:].all()
    ratio = image.values[1] / image.values[0]
    expected = reflectances()[865] / 971.089 / (reflectances()[412] / 1710.526)
    np.testing.assert_allclose(ratio[2:], expected[2:], rtol=1e-4)
    column, row = ~GRID.transform @ (image.grid.transform @ (30, 25))
    assert (column, row) == pytest.approx((30, 25), abs=0.05)
