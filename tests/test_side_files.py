"""Files that belong to a raster, and those of the sources of a VRT; no other raster's."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from lstsr.manifest import product_files
from lstsr.side_files import side_files, vrt_sources


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


OWN = {
    "t0.dat": (
        "t0.hdr",
        "t0.dat.hdr",
        "t0.HDR",
        "t0.dat.aux.xml",
        "t0.DTW",
        "t0.wld",
        "t0.dat.ovr",
    ),
    "t0": ("t0.hdr", "t0.aux.xml", "t0.prj"),
    "a.tif": (
        *("a.tif.aux.xml", "a.tif.AUX.XML", "a.tif.ovr", "a.tif.msk", "a.tif.msk.ovr", "a.aux"),
        *("a.tfw", "a.TFW", "a.tifw", "a.wld", "a.prj", "a.RPB", "a.rpc", "a_RPC.TXT", "a.IMD"),
    ),
    "a.v2.TIFF": ("a.v2.tfw", "a.v2.tiffw", "a.v2.TIFF.ovr", "a.v2.prj"),
    "a.jpg": ("a.jgw", "a.jpgw", "a.jpg.aux.xml"),
    "a.img": ("a.ige", "a.rrd", "a.rde", "a.img.ovr"),
    "a.asc": ("a.prj", "a.clr"),
    "a.bil": ("a.hdr", "a.blw", "a.stx", "a.clr", "a.prj"),
    "a.sdat": ("a.sgrd", "a.mgrd", "a.prj"),
    "a.grd": ("a.gri",),
    "a.ers": ("a",),
}


@pytest.mark.parametrize("raster", OWN)
def test_a_raster_brings_its_side_files_and_no_other_s(tmp_path: Path, raster: str) -> None:
    stem = Path(raster).stem
    others = ("a2.hdr", "a_b.prj", "t00.hdr", "b.tif.aux.xml", f"{stem}.txt", f"x{stem}.hdr")
    touch(tmp_path, raster, *others, *OWN[raster])
    (tmp_path / f"{stem}.imd").mkdir()
    found = product_files(tmp_path / raster)
    assert found[0] == tmp_path / raster
    assert sorted(file.name for file in found[1:]) == sorted(OWN[raster])


def test_a_side_file_that_comes_or_goes_is_seen_at_once_and_later(tmp_path: Path) -> None:
    """The list of a folder is kept only for folders that have not changed for a while."""
    touch(tmp_path, "a.tif")
    for age_s in (0, 100):
        for change in (Path.touch, Path.unlink):
            change(tmp_path / "a.prj")
            changed = tmp_path.stat().st_mtime - age_s
            os.utime(tmp_path, (changed, changed))
            there = change is Path.touch
            assert side_files(tmp_path / "a.tif") == [tmp_path / "a.prj"] * there


def test_a_raster_that_is_not_there_has_no_side_files(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "a.tif"
    assert product_files(missing) == [missing]


def vrt(path: Path, *sources: str) -> Path:
    """A VRT that names its sources, as text of XML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<VRTDataset>{''.join(sources)}</VRTDataset>")
    return path


def named(text: object, relative: int = 1, tag: str = "SourceFilename") -> str:
    return f'<Band><{tag} relativeToVRT="{relative}">{text}</{tag}></Band>'


def test_a_vrt_brings_its_local_sources_with_their_side_files(tmp_path: Path) -> None:
    touch(tmp_path / "d", "a.tif", "a.tfw", "b.dat", "b.hdr", "c.nc", "z.zip")
    touch(tmp_path / "s.zarr" / "lst" / "0", "0")
    inner = vrt(tmp_path / "in" / "inner.vrt", named("../d/b.dat"), named("../outer.vrt"))
    outer = vrt(
        tmp_path / "outer.vrt",
        named("d/a.tif") * 2,
        named(inner, 0),
        named(f'NETCDF:"{tmp_path}/d/c.nc":lst', 0, "SourceDataset"),
        named(f"/vsizip/{tmp_path}/d/z.zip/in/x.tif", 0),
        named(f'ZARR:"{tmp_path}/s.zarr":/lst', 0),
        *(
            named("gone.tif"),
            named(""),
            named("/vsicurl/https://h/a.tif"),
            named("https://h/a.tif"),
        ),
    )
    files = {os.path.relpath(os.path.normpath(file), tmp_path) for file in product_files(outer)}
    assert files == {
        *("outer.vrt", "in/inner.vrt", "s.zarr/lst/0/0"),
        *(f"d/{name}" for name in ("a.tif", "a.tfw", "b.dat", "b.hdr", "c.nc", "z.zip")),
    }


def test_sources_lie_beside_the_vrt_that_a_link_points_to(tmp_path: Path) -> None:
    touch(tmp_path / "d", "a.tif")
    (tmp_path / "link.vrt").symlink_to(vrt(tmp_path / "d" / "a.vrt", named("a.tif")))
    assert vrt_sources(tmp_path / "link.vrt") == [tmp_path / "d" / "a.tif"]


def test_a_vrt_of_gdal_is_understood(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "uint8"}
    here = Affine(1, 0, 5, 0, -1, 5)
    with rasterio.open(tmp_path / "a.tif", "w", crs="EPSG:32631", transform=here, **profile) as out:
        out.write(np.ones((1, 4, 4), np.uint8))
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "a.vrt", driver="VRT")
    assert vrt_sources(tmp_path / "a.vrt") == [tmp_path / "a.tif"]


@pytest.mark.parametrize(
    "text", [b"", b"<VRT", b"\xff\xfe\x00", b"<?xml version='1.0' encoding='x'?>"]
)
def test_a_broken_vrt_has_no_sources(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.vrt").write_bytes(text)
    assert product_files(tmp_path / "a.vrt") == [tmp_path / "a.vrt"]


@pytest.mark.parametrize(("folder", "mark"), [("a.zarr", ".zgroup"), ("store", "zarr.json")])
def test_a_zarr_store_brings_the_files_of_all_its_folders(
    tmp_path: Path, folder: str, mark: str
) -> None:
    store = tmp_path / folder
    touch(store, mark)
    touch(store / "lst" / "c", "0.0", "0.1")
    touch(tmp_path / "plain" / "deep", "x")
    touch(tmp_path / "plain", "y")
    found = [str(file.relative_to(store)) for file in product_files(store)]
    assert found == sorted([mark, "lst/c/0.0", "lst/c/0.1"])
    assert product_files(tmp_path / "plain") == [tmp_path / "plain" / "y"]


def test_a_file_of_an_esri_grid_brings_its_folder(tmp_path: Path) -> None:
    touch(tmp_path / "dem", "hdr.adf", "w001001.adf", "prj.adf")
    names = [file.name for file in product_files(tmp_path / "dem" / "hdr.adf")]
    assert names == ["hdr.adf", "prj.adf", "w001001.adf"]
