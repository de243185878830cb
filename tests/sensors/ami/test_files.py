"""Names and times of AMI's files: slots, and seconds since noon."""

from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import pytest

from lstsr.errors import SceneError
from lstsr.sensors.ami.files import instant, time_in_name


def test_a_slot_is_twelve_digits_that_stand_alone() -> None:
    known = datetime(2023, 5, 14, 2, 10, tzinfo=UTC)
    for name in ("gk2a_ami_le1b_ir105_fd020ge_202305140210.nc", "202305140210.nc"):
        assert time_in_name(name) == known
    for name in ("ir105.nc", "20230514021000.nc"):
        with pytest.raises(SceneError, match="the file name has no time"):
            time_in_name(name)
    with pytest.raises(SceneError, match="202313140210 is not a time"):
        time_in_name("a_202313140210.nc")


def test_seconds_count_from_noon_of_the_first_day_of_2000(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as dataset:
        dataset.setncatts({"start": 43_200.0 + 86_400 * 8_534, "text": "737337600", "other": 0.0})
        assert instant(dataset, "start") == datetime(2023, 5, 15, tzinfo=UTC)
        assert instant(dataset, "text") == datetime(2023, 5, 14, 12, tzinfo=UTC)
        with pytest.raises(SceneError, match="other = 0 is not a time of GK2A"):
            instant(dataset, "other")
