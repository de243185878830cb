"""A coarse LST and a fine reference as plain GeoTIFFs."""

from pathlib import Path

import pytest

from tests.predict.rasters import COARSE, FINE, KELVIN, RED, stored


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    return stored(tmp_path / "lst.tif", KELVIN, COARSE)


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    return stored(tmp_path / "red.tif", RED, FINE)
