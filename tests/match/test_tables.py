"""The manifest as people read it, and what it costs to download."""

import errno
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from shapely.geometry import box

from lstsr.acquire.download import read_remote
from lstsr.catalogs.nosc import KINDS
from lstsr.catalogs.results import Product, Rejected, RemoteFile
from lstsr.files import read_csv
from lstsr.match import tables
from lstsr.match.tables import commonest, volume, within, write
from lstsr.match.triples import Triple

EVERYWHERE = box(126, 36, 128, 38)
TIME = datetime(2023, 5, 12, 2, 8, 12, tzinfo=UTC)
CORE = "LC08_L2SP_115034_202305{day}_20230601_02_T1"


def triple(day: int, score: float = 0.5, slot: str = "1") -> Triple:
    name = CORE.format(day=day)

    def product(name: str, source: str, minutes: float, *files: RemoteFile) -> Product:
        time = TIME + timedelta(minutes=minutes)
        return Product(name, source, time, EVERYWHERE, files, 0.25)

    target = product(
        name,
        "usgs",
        0,
        RemoteFile(f"https://h/{name}_MTL.json", 7_000),
        RemoteFile(f"https://h/{name}_ST_B10.TIF", 90_000_000, f"sha512:{'0' * 128}"),
        RemoteFile(f"https://h/{name}_ST_QA.TIF"),
    )
    coarse = product(f"i{slot}", "bucket", 1.8, RemoteFile(f"s3://b/i{slot}.nc", 500_000))
    scan = product("r", "nosc.go.kr", 19.8, RemoteFile("https://nosc.go.kr/x_LA_S007_AC.nc"))
    return Triple(target, coarse, scan, 0.7, score, 127, 37.01239)


def test_the_manifest_is_read_back_as_scenes(tmp_path: Path) -> None:
    path = tmp_path / "data" / "scenes.csv"
    (tmp_path / "dem.tif").touch()
    late = Rejected("z", "usgs", TIME, "cloud")
    write(
        path,
        [triple(12), triple(13)],
        [late, Rejected("a", "usgs", None, "x")],
        {"dem": tmp_path / "dem.tif"},
    )
    rows = read_csv(path)
    assert rows[0] == {
        "scene": "115034-20230512-LC08",
        "input": "s3://b/i1.nc",
        "reference": "https://nosc.go.kr/x_LA_S007_AC.nc",
        "target": " ".join(
            f"https://h/{CORE.format(day=12)}_{end}"
            for end in ("MTL.json", "ST_B10.TIF", "ST_QA.TIF")
        ),
        "lon": "127.0000",
        "lat": "37.0124",
        "time": "2023-05-12T02:08:12Z",
        "dem": "../dem.tif",
        "water": "",
        "score": "0.500",
        "cloud_percent": "25",
        "input_min": "+1.8",
        "reference_min": "+19.8",
    }
    assert read_csv(tmp_path / "data" / "scenes.rejected.csv") == [
        {"candidate": "a", "source": "usgs", "time": "", "reason": "x"},
        {"candidate": "z", "source": "usgs", "time": "2023-05-12T02:08:12Z", "reason": "cloud"},
    ]
    remotes = read_remote(path, tmp_path / "down")
    assert [one.scene.scene for one in remotes] == ["115034-20230512-LC08", "115034-20230513-LC08"]
    assert remotes[0].scene.dem == tmp_path / "data" / ".." / "dem.tif"
    surface = remotes[0].downloads[3]
    assert (surface.size, surface.checksum) == (90_000_000, f"sha512:{'0' * 128}")


def test_elevation_is_found_from_a_folder_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "far" / "away")
    (tmp_path / "dem.tif").write_text("here")
    path = tmp_path / "data" / "scenes.csv"
    write(path, [triple(12)], [], {"dem": tmp_path / "dem.tif"})
    (one,) = read_remote(path, tmp_path / "down")
    assert one.scene.dem is not None and one.scene.dem.read_text() == "here"


def test_the_volume_counts_every_file_once() -> None:
    mega = volume([triple(12), triple(13)])
    # two Landsat scenes of 90 MB and 50 MB, as is typical of ST_QA; input and scan are shared
    assert mega == pytest.approx({"usgs": 2 * 140_007_000, "bucket": 500_000, "nosc.go.kr": 380e6})


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        ("GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc", 0.38),
        ("GK2B_GOCI2_L2_20230512_021530_LA_AC.nc", 4.56),
        ("GK2_GOCI2_L1B_20230512_021530_LA_S007.nc", 0.42),
        ("GK2_GOCI2_L1B_20230512_021530_LA.nc", 5.04),
    ],
)
def test_a_slot_is_a_twelfth_of_a_mosaic(name: str, gigabytes: float) -> None:
    one = triple(12)
    scan = replace(one.reference, files=(RemoteFile(f"https://nosc.go.kr/{name}"),))
    assert KINDS["goci2-l1b" if "L1B" in name else "goci2"].name.fullmatch(name)
    assert volume([replace(one, reference=scan)])["nosc.go.kr"] == pytest.approx(1e9 * gigabytes)


def test_a_limit_keeps_the_best_that_fit() -> None:
    """Each has 140 MB of its own; all share a scan of 380 MB, and two a slot of 700 MB."""
    triples = [triple(12, 0.9), triple(13, 0.8, "2"), triple(14, 0.7), triple(15, 0.6, "2")]
    large = Product("i2", "bucket", TIME, EVERYWHERE, (RemoteFile("s3://b/i2.nc", 700_000_000),))
    for index in (1, 3):
        triples[index] = replace(triples[index], input=large)
    kept, left = within(triples, 700e6)
    assert kept == [triples[0], triples[2]]
    assert sum(volume(kept).values()) <= 700e6
    assert [(one.name, one.reason) for one in left] == [
        (CORE.format(day=13), "0.84 GB more would exceed --max-gb 0.7"),
        (CORE.format(day=15), "0.84 GB more would exceed --max-gb 0.7"),
    ]
    for one in (triples[1], triples[3]):
        assert sum(volume([*kept, one]).values()) > 700e6
    assert within(triples, 1e12) == (triples, [])
    assert within(triples, 1e6)[0] == []


def test_the_commonest_kind_of_reason_is_told_by_an_example() -> None:
    reasons = ["cloud 31.0% is above 30.0%", "no input covers it", "cloud 92.5% is above 30.0%"]
    rejected = [Rejected(f"t{n}", "usgs", TIME, reason) for n, reason in enumerate(reasons)]
    assert commonest(rejected) == commonest(rejected[::-1]) == reasons[0]


def test_the_manifest_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So what lies beside a manifest is never of an older search."""
    path = tmp_path / "scenes.csv"
    write(path, [triple(12)], [], {})
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tables, "scene_of", full)
    with pytest.raises(OSError, match="No space"):
        write(path, [triple(13)], [Rejected("a", "usgs", None, "x")], {})
    assert path.read_bytes() == before
    assert len(read_csv(path.with_suffix(".rejected.csv"))) == 1
    assert "20230513" in path.with_suffix(".files.csv").read_text()
    assert read_remote(path, tmp_path / "down")
