"""Areas as people give them."""

import json
from pathlib import Path

import pytest
from shapely.geometry import Point, Polygon, box, mapping

from lstsr.errors import LstsrError
from lstsr.match.area import read_area

WEST, EAST = box(125, 33, 127, 39), box(128, 33, 131, 39)


def test_a_box_of_degrees() -> None:
    assert read_area("125,33.5,131,39").bounds == (125, 33.5, 131, 39)
    assert read_area(" -10, -20, -5, 0").bounds == (-10, -20, -5, 0)


@pytest.mark.parametrize("kind", ["geometry", "feature", "collection"])
def test_a_geojson_file_of_any_kind(tmp_path: Path, kind: str) -> None:
    features = [{"type": "Feature", "geometry": mapping(part)} for part in (WEST, EAST)]
    content = {
        "geometry": mapping(WEST.union(EAST)),
        "feature": {"type": "Feature", "geometry": mapping(WEST.union(EAST))},
        "collection": {"type": "FeatureCollection", "features": features},
    }[kind]
    path = tmp_path / "area.geojson"
    path.write_text(json.dumps(content))
    assert read_area(str(path)).equals(WEST.union(EAST))


@pytest.mark.parametrize("text", ["131,33,125,39", "a,b,c,d", "125,33,131,93", "no-such.geojson"])
def test_anything_else_is_one_line(text: str) -> None:
    with pytest.raises(LstsrError, match=f"--area {text}: ") as caught:
        read_area(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"type": "Point", "coordinates": [1, 2]}', '{"type": "Feature"}']
)
def test_a_file_without_polygons_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "area.geojson"
    path.write_text(content)
    with pytest.raises(LstsrError, match="polygon"):
        read_area(str(path))


def written(folder: Path, content: object) -> str:
    path = folder / "area.geojson"
    path.write_text(json.dumps(content))
    return str(path)


def test_crossing_edges_are_repaired(tmp_path: Path) -> None:
    bow = [[125, 33], [127, 35], [127, 33], [125, 35], [125, 33]]
    area = read_area(written(tmp_path, {"type": "Polygon", "coordinates": [bow]}))
    assert area.is_valid
    assert area.area == pytest.approx(2)


def test_holes_and_many_polygons_stay_and_points_heights_and_nulls_go(tmp_path: Path) -> None:
    holed = WEST.difference(box(125.5, 34, 126, 35))
    parts = [
        holed.union(EAST),
        Point(140, 40),
        None,
        Polygon([(126, 20, 5), (127, 20, 5), (127, 22, 5)]),
    ]
    features = [
        {"type": "Feature", "geometry": part and mapping(part), "properties": {}} for part in parts
    ]
    area = read_area(written(tmp_path, {"type": "FeatureCollection", "features": features}))
    assert area.geom_type == "MultiPolygon"
    assert not area.has_z
    assert area.area == pytest.approx(WEST.area + EAST.area - 0.5 + 1)


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", None])
def test_a_crs_may_say_wgs84(tmp_path: Path, name: str | None) -> None:
    crs = name and {"type": "name", "properties": {"name": name}}
    path = written(tmp_path, {**mapping(WEST), "crs": crs})
    assert read_area(path).equals(WEST)
    (tmp_path / "area.geojson").write_text(Path(path).read_text(), "utf-8-sig")
    assert read_area(path).equals(WEST)


@pytest.mark.parametrize(
    "crs",
    [
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::5179"}},
        {"type": "name", "properties": {"name": "no such"}},
        {"type": "link", "properties": {"href": "crs.prj"}},
        "EPSG:4326",
    ],
)
def test_another_crs_is_refused_wherever_it_stands(tmp_path: Path, crs: object) -> None:
    geometry = {**mapping(WEST), "crs": crs}
    for content in (geometry, {"type": "Feature", "geometry": geometry}):
        path = written(tmp_path, content)
        with pytest.raises(LstsrError, match=f"{path}: its crs is not WGS84. .*EPSG:4326"):
            read_area(path)


@pytest.mark.parametrize("wild", ["953000", "NaN", "-Infinity", "1e999"])
def test_coordinates_that_are_no_degrees_are_refused(tmp_path: Path, wild: str) -> None:
    path = tmp_path / "area.geojson"
    ring = f"[[[{wild}, 33], [127, 33], [127, 39], [{wild}, 33]]]"
    path.write_text(f'{{"type": "Polygon", "coordinates": {ring}}}')
    with pytest.raises(LstsrError, match=f"{path}: .* is not a longitude and latitude. .*ogr2ogr"):
        read_area(str(path))


def test_a_file_of_features_without_geometry_holds_no_polygon(tmp_path: Path) -> None:
    with pytest.raises(LstsrError, match="it holds no polygon"):
        read_area(written(tmp_path, {"type": "Feature", "geometry": None}))
