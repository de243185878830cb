"""Fitting places and checking times, on files of nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.image import Viewpoint
from lstsr.sensors.goci2.bands import LATITUDE, LONGITUDE
from lstsr.sensors.goci2.navigation import coordinates, fitted, observed, placed
from lstsr.sensors.netcdf import opened
from tests.goci2 import CORNERS, GRID

NAME = "GK2B_GOCI2_L1B_20230514_021530_LA_S010.nc"
TIMES = ("20230514_023227", "20230514_023331")


def places(grid: Grid, curve: Callable[..., tuple] = lambda *at: at) -> tuple:
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    row, column = np.indices(grid.shape) + 0.5
    return to_degrees.transform(*(grid.transform @ curve(column, row)))


def written(path: Path, lon: np.ndarray, lat: np.ndarray, times: tuple[str, str] = TIMES) -> Path:
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.observation_start_time, dataset.observation_end_time = times
        for name, length in zip(("lines", "pixels"), lon.shape, strict=True):
            dataset.createDimension(name, length)
        for name, values in ((LONGITUDE, lon), (LATITUDE, lat)):
            dataset.createVariable(name, "f4", ("lines", "pixels"))[:] = values
    return path


def test_the_fit_finds_the_grid_whichever_way_lines_run(tmp_path: Path) -> None:
    upside_down = Grid(
        GRID.crs, GRID.transform @ Affine(1, 0, 0, 0, -1, GRID.height), GRID.width, GRID.height
    )
    for grid in (GRID, upside_down):
        with opened(written(tmp_path / NAME, *places(grid))) as dataset:
            found = placed(dataset)
        assert found.regular and found.residual < 0.01 and found.output == found.grid
        for corner in CORNERS:
            assert ~grid.transform @ (found.grid.transform @ corner) == pytest.approx(
                corner, abs=0.02
            )


@pytest.mark.parametrize(
    ("pixels", "regular", "plausible"),
    [(0.06, True, True), (0.2, False, True), (60, False, True), (100, False, False)],
)
def test_how_far_a_file_may_be_bent(
    pixels: float, regular: bool, plausible: bool, tmp_path: Path
) -> None:
    """By half a wave, of which a straight line misses 2 / pi of the height."""
    wide = Grid(GRID.crs, GRID.transform, 500, 600)

    def curve(column: np.ndarray, row: np.ndarray) -> tuple:
        return column + pixels * np.sin(np.pi * row / 600), row

    with opened(written(tmp_path / NAME, *places(wide, curve))) as dataset:
        found = fitted(dataset)
        assert found.residual == pytest.approx(2 / np.pi * pixels, rel=0.05, abs=0.01)
        assert (found.regular, found.plausible) == (regular, plausible)
        if not plausible:
            with pytest.raises(
                SceneError, match=f"{NAME}: .*do not form a geostationary image.*50 are"
            ):
                placed(dataset)


def test_zero_and_minus_999_are_no_places(tmp_path: Path) -> None:
    lon, lat = places(GRID)
    lon[:5], lat[:5] = 0, 0
    lon[5, :3], lat[6, :3] = -999, np.nan
    with opened(written(tmp_path / NAME, lon, lat)) as dataset:
        found = np.isfinite(coordinates(dataset)[0])
        assert placed(dataset).regular
    expected = np.ones(GRID.shape, bool)
    expected[:5] = expected[5:7, :3] = False
    np.testing.assert_array_equal(found, expected)


def test_places_seen_from_nowhere_are_refused(tmp_path: Path) -> None:
    far = Grid(Viewpoint(-60.0).crs, GRID.transform, GRID.width, GRID.height)
    with (
        opened(written(tmp_path / NAME, *places(far))) as dataset,
        pytest.raises(SceneError, match=f"{NAME}: .*not all seen from the satellite"),
    ):
        placed(dataset)


@pytest.mark.parametrize(
    ("minutes", "agrees"), [(0, True), (11, True), (24, True), (27, False), (720, False)]
)
def test_slots_are_seen_up_to_25_minutes_after_the_name_s_time(
    minutes: int, agrees: bool, tmp_path: Path
) -> None:
    moment = datetime(2023, 5, 14, 2, 15, 30, tzinfo=UTC) + timedelta(minutes=minutes)
    stamp = f"{moment:%Y%m%d_%H%M%S}"
    lon, lat = places(GRID)
    with opened(written(tmp_path / NAME, lon, lat, (stamp, stamp))) as dataset:
        if agrees:
            assert observed(dataset) == moment
        else:
            with pytest.raises(SceneError, match=f"{minutes} minutes after the time in its name"):
                observed(dataset)


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "latitude is empty"), (9, "do not form a geostationary image|on one line")],
)
def test_places_that_span_no_area_are_refused(size: int, words: str, tmp_path: Path) -> None:
    """On a diagonal, the affine that fits has no inverse."""
    along = np.add.outer(np.arange(size), np.arange(size)) / 100
    with (
        opened(written(tmp_path / NAME, 127 + along, 36 + along)) as dataset,
        pytest.raises(SceneError, match=f"^{NAME}: .*({words})"),
    ):
        placed(dataset)


@pytest.mark.parametrize(
    "text", ["2023-05-14T02:32:59.5Z", "20230514T023259Z", "2023-134T11:32:59+09:00"]
)
def test_times_are_of_any_form_of_iso_8601(text: str, tmp_path: Path) -> None:
    with opened(written(tmp_path / NAME, *places(GRID), (text, text))) as dataset:
        moment = observed(dataset).replace(microsecond=0)
    assert moment == datetime(2023, 5, 14, 2, 32, 59, tzinfo=UTC)


def test_a_name_with_an_impossible_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "GK2B_GOCI2_L1B_20239914_021530_LA_S010.nc"
    with (
        opened(written(path, *places(GRID))) as dataset,
        pytest.raises(SceneError, match="20239914_021530 in the name is not a time"),
    ):
        observed(dataset)
