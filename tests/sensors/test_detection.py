"""Which product a path holds, by its content and not by its name."""

import os
from pathlib import Path

import netCDF4
import pytest
import rasterio
from affine import Affine

from lstsr.errors import SceneError
from lstsr.sensors.detection import detect, inspect
from lstsr.sensors.raster.opening import is_store


def netcdf(path: Path, *variables: str, group: str = "") -> Path:
    with netCDF4.Dataset(path, "w") as dataset:
        holder = dataset.createGroup(group) if group else dataset
        holder.createDimension("y", 2)
        holder.createDimension("x", 3)
        for name in variables:
            holder.createVariable(name, "f4", ("y", "x"))
    return path


def raster(path: Path, driver: str) -> Path:
    place = Affine(1000, 0, 3e5, 0, -1000, 4.2e6)
    profile = {"width": 3, "height": 2, "count": 1, "dtype": "float32", "crs": "EPSG:32652"}
    with rasterio.open(path, "w", driver=driver, transform=place, **profile):
        pass
    return path


@pytest.mark.parametrize(
    ("name", "variables", "group", "product"),
    [
        ("lst.nc", ("LST",), "", "geotiff"),
        ("gk2a_ami_le2_lst_ko020lc_202305140210.nc", ("LST",), "", "geotiff"),
        ("my_gk2a_lst_wgs84.nc", ("LST", "QC"), "", "geotiff"),
        ("a.nc", ("DQF_LST", "LST"), "", "gk2a"),
        ("a.nc", ("LST", "gk2a_imager_projection"), "", "gk2a"),
        ("a.nc", ("image_pixel_values",), "", "gk2a-l1b"),
        ("a.nc", ("L_TOA_865",), "geophysical_data", "goci2-l1b"),
        ("a.nc", ("Chl",), "geophysical_data", "goci2"),
        ("GK2_GC2_L2.nc", ("Chl",), "data", "geotiff"),
    ],
)
def test_a_netcdf_is_what_it_holds(
    tmp_path: Path, name: str, variables: tuple[str, ...], group: str, product: str
) -> None:
    assert detect(netcdf(tmp_path / name, *variables, group=group)) == product


def test_a_damaged_file_keeps_the_product_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "gk2a_ami_le2_lst_ko020lc_202305140210.nc"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    assert detect(path) == "gk2a"
    assert detect(path.rename(tmp_path / "a.nc")) == "geotiff"


@pytest.mark.parametrize("driver", ["GTiff", "ENVI", "HFA"])
def test_a_raster_is_read_by_gdal_whatever_its_name(tmp_path: Path, driver: str) -> None:
    path = raster(tmp_path / "gk2a_LC08_goci.dat", driver)
    assert detect(path) == "geotiff"
    found = inspect(path)
    assert found.product == ("geotiff" if driver == "GTiff" else f"raster ({driver})")
    assert all(one.passed for one in found.assertions)


def test_a_zarr_store_is_a_raster_and_another_folder_is_not(tmp_path: Path) -> None:
    store = raster(tmp_path / "a.zarr", "Zarr")
    assert store.is_dir() and is_store(store) and detect(store) == "geotiff"
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "size.txt").write_text("1")
    with pytest.raises(SceneError, match="zones: not a Landsat product"):
        inspect(tmp_path / "zones")


def test_what_cannot_be_had_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "broken.tif").symlink_to("nowhere.tif")
    (tmp_path / "loop.tif").symlink_to("loop.tif")
    for name in ("gone.tif", "broken.tif", "loop.tif"):
        with pytest.raises(OSError, match=name):
            detect(tmp_path / name)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lst.tif")
    with pytest.raises(SceneError, match="lst.tif: neither a file nor a folder"):
        detect(tmp_path / "lst.tif")
