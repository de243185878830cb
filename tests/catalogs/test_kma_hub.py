"""KMA's API hub: times by listing, with a key that shows nowhere."""

from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import Point

from lstsr.catalogs.kma_hub import slots
from lstsr.errors import TransferError
from lstsr.transfer.sources import Sources
from tests.catalogs.services import KMA_KEY, Services

LANDSAT = datetime(2023, 5, 12, 2, 55, tzinfo=UTC)
WINDOW = timedelta(minutes=10)


def test_slots_are_those_listed_in_the_hours_around(services: Services, sources: Sources) -> None:
    services.stamps += ["202305120158", "202305120254", "202305120302", "202305120402"]
    found = slots([LANDSAT], WINDOW, sources)
    assert [one.name[-12:] for one in found.products] == ["202305120254", "202305120302"]
    one = found.products[0]
    assert one.time == datetime(2023, 5, 12, 2, 54, tzinfo=UTC)
    assert [file.address for file in one.files] == [
        "https://apihub.kma.go.kr/api/typ05/api/GK2A/LE2/LST/KO/data?date=202305120254"
    ]
    assert KMA_KEY not in repr(found)


def test_the_outline_is_that_of_the_projected_square(services: Services, sources: Sources) -> None:
    services.stamps.append("202305120254")
    outline = slots([LANDSAT], WINDOW, sources).products[0].outline
    for place in ((126.5, 33.2), (131.9, 37.2), (124.6, 38.0)):  # Jeju, Dokdo, Baengnyeong
        assert outline.contains(Point(place))
    assert not outline.contains(Point(126, 29))


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_missing_or_wrong_key_is_one_line_of_help(
    services: Services, monkeypatch: pytest.MonkeyPatch, key: str, tmp_path
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("KMA_API_KEY", key)
    with pytest.raises(
        TransferError, match="KMA_API_KEY.*apihub.kma.go.kr.*public bucket"
    ) as error:
        slots([LANDSAT], WINDOW, Sources())
    assert "\n" not in str(error.value)
    assert not key or key not in str(error.value)
