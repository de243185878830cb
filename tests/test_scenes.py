"""The manifest's faults, the stability of shards, and splits that no overlap ever crosses."""

import random
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest

from lstsr.config import Region, SplitConfig
from lstsr.errors import LstsrError, SceneError
from lstsr.scenes import (
    DROPPED,
    SPLITS,
    Place,
    Scene,
    assign,
    check_assignment,
    check_regions,
    conflicts,
    product_files,
    read_manifest,
    region_of,
    shard_count,
    shard_of,
)

HEAD = "scene,input,reference,target,lon,lat,time\n"


def manifest(folder: Path, text: str | bytes) -> Path:
    """A manifest beside three files that exist."""
    for name in ("i.tif", "r.tif", "t.tif"):
        (folder / name).touch()
    path = folder / "scenes.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_scenes_are_read_with_files_beside_the_manifest(tmp_path: Path) -> None:
    path = manifest(tmp_path, HEAD + "a-1,i.tif,r.tif,t.tif,2.5,46,2020-07-01T10:00Z\n")
    assert read_manifest(path) == [
        Scene(
            "a-1",
            tmp_path / "i.tif",
            tmp_path / "r.tif",
            tmp_path / "t.tif",
            2.5,
            46.0,
            "2020-07-01T10:00:00Z",
        )
    ]


def test_place_and_time_may_be_unknown(tmp_path: Path) -> None:
    path = manifest(tmp_path, "target,reference,input,scene,cloud\nt.tif,r.tif,i.tif,a,0.2\n")
    (scene,) = read_manifest(path)
    assert (scene.lon, scene.lat, scene.time) == (None, None, "")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD + "a,i.tif,r.tif,t.tif,1,2,\n",
        HEAD + "\n\na,i.tif,r.tif,t.tif,1,2,\n,,,,,,\n\n",
        (HEAD + "a,i.tif,r.tif,t.tif,1,2,\n").replace("\n", "\r\n"),
        HEAD.replace(",", ", ") + "a, i.tif, r.tif, t.tif, 1, 2,\n",
        HEAD.replace(",", " ,") + "a ,i.tif\u00a0,r.tif\t,t.tif ,1 ,2 , \n",
        "\n" + HEAD.replace("\n", ",,\n") + "a,i.tif,r.tif,t.tif,1,2,,,,,\n",
    ],
    ids=[
        "byte-order mark",
        "blank lines",
        "Windows line ends",
        "blanks after commas",
        "blanks before commas",
        "empty columns at the end",
    ],
)
def test_what_spreadsheets_and_hands_leave_in_a_table_does_no_harm(
    tmp_path: Path, text: str
) -> None:
    (scene,) = read_manifest(manifest(tmp_path, text))
    assert (scene.scene, scene.target, scene.lon, scene.lat) == ("a", tmp_path / "t.tif", 1, 2)


GOOD = "a,i.tif,r.tif,t.tif,1,2,\n"
FAULTS: dict[str, tuple[str | bytes, str]] = {
    "column": ("scene,input,reference\na,i.tif,r.tif\n", "the first line has no column target"),
    "separator": ((HEAD + GOOD).replace(",", ";"), "separates its columns with semicolons"),
    "nothing": ("", "the first line has no column scene"),
    "no scene": (HEAD, "no scene below the first line. Add"),
    "twice": (HEAD + GOOD + GOOD, "two rows name the scene a. Give each its own name"),
    "no name": (HEAD + GOOD.replace("a,", ",", 1), "scene '' is no name; use letters"),
    "path as name": (HEAD + GOOD.replace("a,", "../a,", 1), "scene '../a' is no name"),
    "hidden": (HEAD + GOOD.replace("a,", ".a,", 1), "scene '.a' is no name"),
    "missing file": (HEAD + GOOD.replace("r.tif", "x.tif"), "reference of scene a is missing"),
    "no file": (HEAD + GOOD.replace("r.tif", ""), "reference of scene a is empty; name its file"),
    "short row": (HEAD + "a,i.tif\n", "reference of scene a is empty"),
    "text": (HEAD + GOOD.replace("1,2", "1,north"), "lat of scene a is 'north'. Give degrees"),
    "nan": (HEAD + GOOD.replace("1,2", "nan,2"), "lon of scene a is 'nan'. Give degrees"),
    "metres": (HEAD + GOOD.replace("1,2", "1,5100000"), "between -90 and 90"),
    "swapped": (HEAD + GOOD.replace("1,2", "37.5,127.5"), "Are lon and lat swapped?"),
    "decimal commas": (
        HEAD + GOOD + GOOD.replace("a,", "b,").replace("1,2", "127,5,37,5"),
        "scenes.csv line 3 has 9 cells, but the first line names 7 columns. Use a decimal",
    ),
    "quoted decimal comma": (
        HEAD + GOOD.replace("1,2", '"127,5",2'),
        "lon of scene a is '127,5'. Use a decimal point: 127.5",
    ),
    "tabs": ((HEAD + GOOD).replace(",", "\t"), "separates its columns with tabs"),
    "separator of Excel": ("sep=;\n" + (HEAD + GOOD).replace(",", ";"), "with semicolons"),
    "column twice": (HEAD.replace("time", "lon") + GOOD, "column lon appears twice"),
    "same name composed": (
        HEAD + GOOD.replace("a,", "caf\u00e9,", 1) + GOOD.replace("a,", "cafe\u0301,", 1),
        "two rows name the scene caf\u00e9",
    ),
    "date only": (HEAD + GOOD.replace("2,", "2,2023-05-12"), "without a time of day. Write"),
    "huge cell": (HEAD + GOOD.replace("a,", "a" * 200_000 + ",", 1), "line 2 is not CSV"),
    "encoding": (HEAD.encode() + b"caf\xe9,i.tif,r.tif,t.tif,,,\n", "not UTF-8 text; save"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_manifest_stops_the_run_in_one_line(tmp_path: Path, fault: str) -> None:
    text, words = FAULTS[fault]
    with pytest.raises(LstsrError) as caught:
        read_manifest(manifest(tmp_path, text))
    message = str(caught.value)
    assert "scenes.csv" in message
    assert words in message
    assert "\n" not in message
    assert not isinstance(caught.value, SceneError), "a fault of the run, not of one scene"


def test_a_missing_manifest_names_the_keys_that_say_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(LstsrError, match="no such manifest; set config keys data and acquire"):
        read_manifest(tmp_path / "scenes.csv")


def test_a_scene_keeps_its_shard_as_others_are_added() -> None:
    names = [f"scene-{index}" for index in range(64)]
    before = {name: shard_of(name, shard_count(40, 16)) for name in names[:40]}
    after = {name: shard_of(name, shard_count(64, 16)) for name in names}
    assert {name: after[name] for name in names[:40]} == before
    assert set(after.values()) == {0, 1, 2, 3}
    # known values: the hash must not depend on the process
    assert [shard_of(name, 4) for name in ("000", "001", "002")] == [3, 1, 2]


@pytest.mark.parametrize(("scenes", "count"), [(1, 1), (16, 1), (17, 2), (33, 4), (64, 4), (65, 8)])
def test_shards_are_a_power_of_two_of_no_more_than_their_size(scenes: int, count: int) -> None:
    assert shard_count(scenes, 16) == count


def square(name: str, lon: float, lat: float = 0.0, size: float = 1.0) -> Place:
    """A square footprint around (lon, lat)."""
    half = size / 2
    corners = [(-half, half), (half, half), (half, -half), (-half, -half)]
    return Place(name, lon, lat, tuple((lon + x, lat + y) for x, y in corners))


REGIONS = SplitConfig(test=Region(lon_min=10), validation=Region(lon_max=2))


def test_regions_are_open_boxes_and_test_comes_first() -> None:
    split = SplitConfig(test=Region(lon_min=3.8), validation=Region(lat_max=43.75))
    assert region_of(3.9, 45, split) == "test"
    assert region_of(3.9, 43, split) == "test"
    assert region_of(3.8, 43, split) == "validation"
    assert region_of(3.8, 43.75, split) == "train"
    with pytest.raises(LstsrError, match="lon and lat for every scene"):
        region_of(None, 43, split)


@pytest.mark.parametrize("turn", [-360, 0, 360])
def test_a_region_is_the_same_in_every_turn(turn: float) -> None:
    across = SplitConfig(
        test=Region(lon_min=170, lon_max=190), validation=Region(lon_min=230, lon_max=250)
    )
    for lon, right in ((180, "test"), (-175, "test"), (-120, "validation"), (0, "train")):
        if abs(lon + turn) <= 360:
            assert region_of(lon + turn, 0, across) == right


@pytest.mark.parametrize(
    ("region", "inside", "outside"),
    [
        (Region(lon_min=3.8), (3.9, 179, 180, -180), (-1, 3.8, 359, -179)),
        (Region(lon_max=127.3), (-180, 0, 127, 185, 240), (127.3, 179)),
        (Region(lon_min=200), (201, -120, 359, -1), (1, 199, 180)),
        (Region(lon_max=-190), (-191, 169, 1), (-189, 171, 180)),
        (Region(), (-360, -180, 0, 180, 360), ()),
        (Region(lon_min=-180, lon_max=180), (-180, 0, 180, 270), ()),
    ],
)
def test_a_region_with_one_bound_ends_at_180_degrees(
    region: Region, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    split = SplitConfig(test=region, validation=Region(lat_min=80))
    assert {region_of(lon, 0, split) for lon in inside} == {"test"}
    assert {region_of(lon, 0, split) for lon in outside} <= {"train"}


def test_footprints_that_only_touch_do_not_conflict() -> None:
    places = [square("a", 0), square("b", 1), square("c", 1.5), square("d", 9)]
    assert conflicts(places) == [("b", "c")]


def test_conflicts_cross_180_degrees_in_any_turn() -> None:
    places = [square("a", 179.8), square("b", -179.5), square("c", 180.9), square("d", 540.4)]
    assert conflicts(places) == [("a", "b"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    assert conflicts([square("e", 0), square("f", 2), square("g", 179)]) == []


@pytest.mark.parametrize("order", [1, -1])
def test_in_a_conflict_the_larger_side_gives_way(order: int) -> None:
    places = [
        square("test", 10.2),
        square("train beside test", 9.6),
        square("train", 6),
        square("train beside validation", 2.3),
        square("validation", 1.6),
    ][::order]
    assert assign(places, REGIONS) == {
        "test": "test",
        "train beside test": DROPPED,
        "train": "train",
        "train beside validation": DROPPED,
        "validation": "validation",
    }


@pytest.mark.parametrize("order", [1, -1])
def test_a_scene_that_is_dropped_drops_no_other(order: int) -> None:
    """In a chain of test, validation and train, validation goes, and so train may stay."""
    split = SplitConfig(test=Region(lon_min=10), validation=Region(lon_min=9, lon_max=10))
    places = [
        square("test", 10.3),
        square("validation", 9.5),
        square("train", 8.7),
        square("far validation", 9.5, 20),
    ][::order]
    assert len(conflicts(places)) == 2
    assert assign(places, split) == {
        "test": "test",
        "validation": DROPPED,
        "train": "train",
        "far validation": "validation",
    }


def random_places(seed: int) -> list[Place]:
    rng = random.Random(seed)
    count = rng.randint(5, 60)
    return [
        square(f"s{index}", rng.uniform(0, 12), rng.uniform(0, 3), rng.uniform(0.2, 1.2))
        for index in range(count)
    ]


@pytest.mark.parametrize("split", [REGIONS, SplitConfig(test=0.25, validation=0.15)])
def test_no_two_splits_ever_overlap(split: SplitConfig) -> None:
    done = 0
    for seed in range(40):
        places = random_places(seed)
        try:
            chosen = assign(places, split)
        except LstsrError as error:
            assert "is empty" in str(error) or "do not overlap" in str(error)
            continue
        done += 1
        assert set(chosen) == {place.scene for place in places}
        assert set(SPLITS) <= set(chosen.values())
        for one in places:
            for other in places:
                kept = {chosen[one.scene], chosen[other.scene]} - {DROPPED}
                assert len(kept) < 2 or apart(one, other)
    assert done > 10, "most draws can be split"


def apart(one: Place, other: Place) -> bool:
    """Whether two squares have no area in common: their ranges are disjoint along an axis."""
    for axis in (0, 1):
        ranges = [sorted(point[axis] for point in place.outline) for place in (one, other)]
        if max(low for low, *_ in ranges) >= min(high for *_, high in ranges) - 1e-9:
            return True
    return False


def test_shares_keep_overlapping_scenes_together_and_never_drop_one() -> None:
    for seed in range(20):
        places = [*random_places(seed), *(square(f"far{k}", 100 + 2 * k) for k in range(30))]
        chosen = assign(places, SplitConfig(test=0.3, validation=0.2))
        assert all(chosen[one] == chosen[other] for one, other in conflicts(places))
        assert set(chosen.values()) == set(SPLITS)


def test_shares_do_not_depend_on_the_order_of_scenes_and_come_near_what_was_asked() -> None:
    places = [square(f"scene-{index}", 2.0 * index) for index in range(100)]
    split = SplitConfig(test=0.25, validation=0.15)
    chosen = assign(places, split)
    assert assign(places[::-1], split) == chosen
    counts = {name: list(chosen.values()).count(name) for name in SPLITS}
    assert counts == {"train": 60, "validation": 15, "test": 25}
    # taking a scene away moves at most a few others
    fewer = assign(places[1:], split)
    assert sum(fewer[name] != chosen[name] for name in fewer) <= 2


@pytest.mark.parametrize("shares", [(0.5, 0.45), (0.9, 0.05), (0.01, 0.98)])
def test_three_scenes_apart_fill_three_splits_whatever_the_shares(
    shares: tuple[float, float],
) -> None:
    places = [square(name, 2.0 * index) for index, name in enumerate("abc")]
    chosen = assign(places, SplitConfig(test=shares[0], validation=shares[1]))
    assert sorted(chosen.values()) == sorted(SPLITS)


def test_a_split_that_stays_empty_is_named() -> None:
    with pytest.raises(LstsrError, match="split: validation is empty; change its region"):
        assign([square("a", 11), square("b", 5)], REGIONS)
    with pytest.raises(LstsrError, match="the scenes make 1 groups that do not overlap"):
        assign([square(name, 0) for name in "abcd"], SplitConfig(test=0.2, validation=0.2))


def test_an_assignment_across_an_overlap_is_found_out() -> None:
    pairs = [("a", "b"), ("b", "c")]
    check_assignment({"a": "test", "b": DROPPED, "c": "train"}, pairs)
    with pytest.raises(LstsrError, match="scenes b and c overlap but are in test and train"):
        check_assignment({"a": "test", "b": "test", "c": "train"}, pairs)


def test_an_empty_split_is_known_before_anything_runs(tmp_path: Path) -> None:
    def scene(name: str, lon: float | None) -> Scene:
        return Scene(name, tmp_path, tmp_path, tmp_path, lon, 0.0)

    check_regions([scene("a", 11), scene("b", 5), scene("c", 1)], REGIONS)
    with pytest.raises(LstsrError, match="config key split: no scene falls into validation"):
        check_regions([scene("a", 11), scene("b", 5)], REGIONS)
    with pytest.raises(LstsrError, match="needs the manifest columns lon and lat"):
        check_regions([scene("a", None)], REGIONS)
    shares = SplitConfig(test=0.2, validation=0.2)
    check_regions([scene(name, None) for name in "abc"], shares)
    with pytest.raises(LstsrError, match="need 3 scenes"):
        check_regions([scene(name, None) for name in "ab"], shares)


def test_a_product_may_be_a_folder_or_an_mtl_file_and_brings_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "LC08_X"
    folder.mkdir()
    for name in ("LC08_X_MTL.txt", "LC08_X_ST_B10.TIF", "other.txt"):
        (folder / name).touch()
    path = manifest(tmp_path, HEAD.replace("\n", ",dem\n") + "a,i.tif,r.tif,LC08_X,127,37,,t.tif\n")
    (scene,) = read_manifest(path)
    assert scene.target == folder
    assert scene.dem == tmp_path / "t.tif"
    assert [file.name for file in scene.files] == [
        "i.tif",
        "r.tif",
        *("LC08_X_MTL.txt", "LC08_X_ST_B10.TIF", "other.txt"),
        "t.tif",
    ]
    names = [file.name for file in product_files(folder / "LC08_X_MTL.txt")]
    assert names == ["LC08_X_MTL.txt", "LC08_X_ST_B10.TIF"]


def timed(folder: Path, time: str) -> Scene:
    """The scene of a manifest that states its time."""
    return read_manifest(manifest(folder, HEAD + f'a,i.tif,r.tif,t.tif,,,"{time}"\n'))[0]


@pytest.mark.parametrize("time", ["12.5.2023 02:10", "2023-05-12", "20230512", "noon"])
def test_a_time_without_sense_is_refused(tmp_path: Path, time: str) -> None:
    with pytest.raises(LstsrError, match=r"time of scene a is '.*\. Write it as 2023-05-12T02:10"):
        timed(tmp_path, time)


@pytest.mark.parametrize(
    "time", ["2023-05-12T02:10:00Z", "20230512T0210", "2023-05-12 11:10+09", "2023-132T02:10,0z"]
)
def test_a_time_of_any_form_is_kept_in_utc(tmp_path: Path, time: str) -> None:
    assert timed(tmp_path, time).time == "2023-05-12T02:10:00Z"


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_names_in_another_unicode_form_are_found(
    tmp_path: Path, on_disk: Literal["NFC", "NFD"], in_table: Literal["NFC", "NFD"]
) -> None:
    name = "\uc11c\uc6b8-M\u00fcnchen"
    folder = tmp_path / normalize(on_disk, name)
    folder.mkdir()
    file = folder / normalize(on_disk, f"{name}.tif")
    file.touch()
    cells = normalize(in_table, f"{name},{name}/{name}.tif")
    for row in (cells, cells.replace(f"{name}/", f"../{tmp_path.name}/{name}/")):
        text = HEAD + f"{row},r.tif,t.tif,,,\n"
        (scene,) = read_manifest(manifest(tmp_path, text))
        assert scene.scene == name
        assert scene.input.samefile(file)
    absolute = HEAD + f"a,{normalize(in_table, str(file))},r.tif,t.tif,,,\n"
    assert read_manifest(manifest(tmp_path, absolute))[0].input == file


def test_a_missing_file_is_named_whatever_stands_in_its_way(tmp_path: Path) -> None:
    for cell in ("no/such.tif", "t.tif/x.tif", "a" * 300, "/no/such/x.tif"):
        with pytest.raises(LstsrError, match="reference of scene a is missing"):
            read_manifest(manifest(tmp_path, HEAD + f"a,i.tif,{cell},t.tif,,,\n"))


def test_a_linked_file_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "link.tif").symlink_to(tmp_path / "elsewhere")
    (scene,) = read_manifest(manifest(tmp_path, HEAD + "a,link.tif,r.tif,t.tif,,,\n"))
    assert scene.input == tmp_path / "link.tif"


def test_level_1_of_gk2a_goes_with_the_other_files_of_its_slot(tmp_path: Path) -> None:
    slot = [f"gk2a_ami_le1b_{part}_202305120210.nc" for part in ("ir112_la020ge", "ir123_la020ge")]
    for name in (*slot, "gk2a_ami_le1b_ir112_la020ge_202305120212.nc"):
        (tmp_path / name).touch()
    assert [file.name for file in product_files(tmp_path / slot[0])] == slot


@pytest.mark.parametrize("validation", [Region(lat_max=1.5), 0.2])
def test_without_test_scenes_the_rest_is_training(validation: Region | float) -> None:
    split = SplitConfig(test=None, validation=validation)
    places = [*random_places(3), square("south", 40, 0), square("north", 80, 3)]
    chosen = assign(places, split)
    assert set(chosen.values()) - {DROPPED} == {"train", "validation"}
    for one, other in conflicts(places):
        assert len({chosen[one], chosen[other]} - {DROPPED}) < 2
    with pytest.raises(LstsrError, match="config key split: "):
        assign([square("alone", 0, 0)], split)
    check_regions([Scene(p.scene, None, None, Path(), p.lon, p.lat) for p in places], split)
    with pytest.raises(LstsrError, match="falls into train|train, validation need 2 scenes"):
        check_regions([Scene("alone", None, None, Path(), 0, 0)], split)
