"""The public bucket, listed without an account."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lstsr.catalogs.gk2a_bucket import slots
from lstsr.errors import TransferError
from lstsr.transfer.sources import Sources
from tests.catalogs.services import Services

LANDSAT = datetime(2023, 5, 12, 2, 58, tzinfo=UTC)
WINDOW = timedelta(minutes=10)
CHANNELS = ["ir112", "ir123"]


def put(services: Services, folder: Path, stamp: str, *channels: str, area: str = "la") -> None:
    for channel in channels:
        resolution = "005" if channel == "vi006" else "020"
        file = folder / f"gk2a_ami_le1b_{channel}_{area}{resolution}ge_{stamp}.nc"
        file.write_bytes(b"\x89HDF\r\n\x1a\n" + channel.encode())
        services.gk2a(file)


def test_slots_with_all_channels_are_found_in_the_hours_around(
    services: Services, tmp_path: Path
) -> None:
    for stamp in ("202305120256", "202305120300", "202305120430"):
        put(services, tmp_path, stamp, "ir112", "ir123", "vi006")
    put(services, tmp_path, "202305120258", "ir112")
    found = slots([LANDSAT], WINDOW, CHANNELS, "la", Sources())
    stamps = ["202305120256", "202305120300"]  # that of 04:30 is not even listed
    assert [one.name for one in found.products] == [f"gk2a_ami_le1b_la_{s}" for s in stamps]
    first = found.products[0]
    assert first.time == datetime(2023, 5, 12, 2, 56, 30, tzinfo=UTC)
    home = "s3://noaa-gk2a-pds/AMI/L1B/LA/202305/12/02"
    assert [(file.address, file.size) for file in first.files] == [
        (f"{home}/gk2a_ami_le1b_{channel}_la020ge_202305120256.nc", 13) for channel in CHANNELS
    ]
    assert [(one.name, one.reason) for one in found.rejected] == [
        ("gk2a_ami_le1b_la_202305120258", "ir123 is missing")
    ]


def test_full_disks_and_other_channels_are_asked_for_by_name(
    services: Services, tmp_path: Path
) -> None:
    put(services, tmp_path, "202305120250", "ir112", "vi006", area="fd")
    found = slots([LANDSAT], WINDOW, ["vi006"], "fd", Sources())
    (file,) = found.products[0].files
    assert file.name == "gk2a_ami_le1b_vi006_fd005ge_202305120250.nc"
    with pytest.raises(TransferError, match="AMI/L1B/LA/202305/12/02: empty, like all"):
        slots([LANDSAT], WINDOW, ["vi006"], "la", Sources())


def test_an_hour_without_files_is_normal(services: Services, tmp_path: Path) -> None:
    put(services, tmp_path, "202305120256", "vi006")
    days = [LANDSAT, LANDSAT + timedelta(days=1)]
    assert len(slots(days, WINDOW, ["vi006"], "la", Sources()).products) == 1
    assert not slots([LANDSAT], WINDOW, ["ir112"], "la", Sources()).products
    assert not slots([], WINDOW, ["ir112"], "la", Sources()).products


def test_odd_times_are_rejected_and_files_of_the_other_area_passed_over(
    services: Services,
) -> None:
    hour = "AMI/L1B/LA/202305/12/02"
    services.put(f"{hour}/gk2a_ami_le1b_ir112_la020ge_202305120299.nc", b"")
    services.put(f"{hour}/gk2a_ami_le1b_ir112_la020ge_999912312359.nc", b"")
    services.put(f"{hour}/gk2a_ami_le1b_ir112_fd020ge_202305120250.nc", b"")
    found = slots([LANDSAT], WINDOW, ["ir112"], "la", Sources())
    assert not found.products
    assert [(one.name, one.reason) for one in found.rejected] == [
        ("gk2a_ami_le1b_la_202305120299", "202305120299 is not a valid time")
    ]


def test_a_silent_bucket_is_one_line(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "LSTSR_ENDPOINTS", f"noaa-gk2a-pds.s3.amazonaws.com={services.bucket}/no-such-bucket"
    )
    with pytest.raises(TransferError, match="cannot be listed") as caught:
        slots([LANDSAT], WINDOW, CHANNELS, "la", Sources())
    assert "\n" not in str(caught.value)
