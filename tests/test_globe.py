"""Areas, overlaps and distances of outlines, in any turn of 360 degrees."""

import math

import pytest
from pyproj import Geod

from lstsr.globe import (
    Outline,
    area_km2,
    centred,
    distance_deg,
    distance_km,
    extent_deg,
    middle_of,
    outline_of,
    overlaps,
    wrapped,
)


def box(west: float, east: float, south: float = 0, north: float = 1) -> Outline:
    return ((west, north), (east, north), (east, south), (west, south))


@pytest.mark.parametrize(
    ("lon", "right"), [(240, -120), (-120, -120), (180, 180), (-180, 180), (540, 180), (-190, 170)]
)
def test_a_longitude_has_one_form(lon: float, right: float) -> None:
    assert wrapped(lon) == right


def test_an_outline_is_moved_by_whole_turns() -> None:
    assert centred(box(539, 540.5)) == box(179, 180.5)
    assert centred(box(170, 190)) == box(170, 190)
    assert centred(()) == ()
    assert middle_of(box(179, 183)) == (-179, 0.5)


def test_area_is_that_of_the_sphere() -> None:
    """A square degree at 60 N has half the area of one at the equator."""
    zone = 6371.0**2 * math.radians(1)
    assert area_km2(box(0, 1)) == pytest.approx(zone * math.sin(math.radians(1)))
    ratio = area_km2(box(179.5, 180.5, 59.5, 60.5)) / area_km2(box(0, 1, -0.5, 0.5))
    assert ratio == pytest.approx(0.5, rel=1e-4)


OVERLAPPING = {
    "one turn": (box(10, 11), box(370.5, 371.5)),
    "across 180": (box(179.5, 180.5), box(-180.2, -179.2)),
    "0 to 360 and -180 to 180": (box(0, 360, -90, 90), box(-70, -69)),
    "two globes": (box(0, 360, -90, 90), box(-180, 180, -90, 90)),
    "far turns": (box(10 - 720, 11 - 720), box(370.5, 371.5)),
    "crossed": (((0, 0), (1, 1), (1, 0), (0, 1)), box(0.8, 2)),
    "self-touching": (((0, 0), (1, 0), (0.5, 0.5), (1, 1), (0, 1), (0.5, 0.5)), box(0.4, 2)),
    "with a spike": (((0, 0), (5, 0), (1, 0), (1, 1), (0, 1)), box(0.5, 2)),
    "a pixel": (box(0, 1), box(1 - 3e-4, 2)),
    "tiny": (box(0, 1e-4, 0, 1e-4), box(5e-5, 2e-4, 0, 1e-4)),
}
APART = {
    "neighbours": (box(0, 1), box(1, 2)),
    "up to rounding": (box(0, 1 + 1e-9), box(1 - 1e-9, 2)),
    "neighbours at 180": (box(179, 180 + 1e-9), box(-180, -179)),
    "as written": (box(0, 1.000001), box(0.999999, 2)),
    "corner on corner": (box(0, 1), box(1, 2, 1, 2)),
    "across 180": (box(179.5, 180.5), box(0, 1)),
    "a line": (((0, 0), (1, 1), (2, 2)), box(0, 1)),
    "a point": (((0.5, 0.5),), box(0, 1)),
    "nothing": ((), box(0, 1)),
}


@pytest.mark.parametrize("case", OVERLAPPING)
def test_what_overlaps_is_found(case: str) -> None:
    one, other = OVERLAPPING[case]
    assert overlaps([one, other]) == overlaps([other, one]) == [(0, 1)]


@pytest.mark.parametrize("case", APART)
def test_what_only_touches_or_has_no_area_does_not_overlap(case: str) -> None:
    one, other = APART[case]
    assert overlaps([one, other]) == overlaps([other, one]) == []


def test_nothing_overlaps_nothing() -> None:
    assert overlaps([]) == []


def test_distance_and_size_are_those_on_the_ground() -> None:
    """At 60 N a degree of longitude is half a degree of a great circle."""
    outline = box(179, 181, 59.5, 60.5)
    assert extent_deg(outline) == pytest.approx(1)
    for turn in (-360, 0, 360):
        assert distance_deg(outline, 180 + turn, 60) == 0
        assert distance_deg(outline, 183 + turn, 60) == pytest.approx(1)
    assert distance_deg(outline, -180, 70) == pytest.approx(9.5)


@pytest.mark.parametrize("turn", [-360, 0, 360])
@pytest.mark.parametrize("gap_deg", [0.2, 1.8])
def test_distance_between_outlines_is_that_of_their_edges(turn: int, gap_deg: float) -> None:
    """Across 180 degrees, against geodesics on a sphere: up to 100 km within 3 %."""
    sphere = Geod(a=6371000, b=6371000)
    one, other = box(178, 179.9, 59.1, 60), box(179.9 + gap_deg, 183.6, 59.1, 60)
    moved = tuple((lon + turn, lat) for lon, lat in other)
    along = sphere.inv(179.9, 60, 179.9 + gap_deg, 60)[2] / 1000
    assert distance_km(one, moved) == pytest.approx(along, rel=0.03)
    north = box(178, 179.9, 60 + gap_deg, 62)
    upward = sphere.inv(179, 60, 179, 60 + gap_deg)[2] / 1000
    assert distance_km(one, north) == distance_km(north, one) == pytest.approx(upward, rel=1e-6)


def test_outlines_that_touch_or_overlap_have_no_distance() -> None:
    assert distance_km(box(0, 1), box(1, 2)) == 0
    assert distance_km(box(0, 1), box(0.5, 2)) == 0
    assert distance_km(box(0, 3, 0, 3), box(1, 2, 1, 2)) == 0


def test_an_outline_is_read_as_it_is_written() -> None:
    assert outline_of("1.5,-2.0 3,4") == ((1.5, -2.0), (3.0, 4.0))
