"""Faults of the manifest, and the stability of shards."""

from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest

from lstsr.errors import LstsrError, SceneError
from lstsr.manifest import Scene, product_files, read_manifest, shard_count, shard_of

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
    "no name": (HEAD + GOOD.replace("a,", ",", 1), "'' is not a valid scene name. Use letters"),
    "path as name": (HEAD + GOOD.replace("a,", "../a,", 1), "'../a' is not a valid scene name"),
    "hidden": (HEAD + GOOD.replace("a,", ".a,", 1), "'.a' is not a valid scene name"),
    "missing file": (HEAD + GOOD.replace("r.tif", "x.tif"), "reference of scene a is missing"),
    "no file": (HEAD + GOOD.replace("r.tif", ""), "reference of scene a is empty. Name its file"),
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
    "encoding": (HEAD.encode() + b"caf\xe9,i.tif,r.tif,t.tif,,,\n", "not UTF-8 text. Save"),
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
    with pytest.raises(LstsrError, match="no such manifest. Set config keys data and acquire"):
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
