"""Areas as people give them."""

import json
from pathlib import Path

import pytest
from shapely.geometry import box, mapping

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
