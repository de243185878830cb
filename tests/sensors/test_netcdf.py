"""NetCDF files opened as stored; what is missing or damaged is named."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from lstsr.errors import SceneError
from lstsr.sensors.netcdf import attribute, file_name, number, opened, variable

SIZE = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a.nc"
    with netCDF4.Dataset(made, "w") as dataset:
        dataset.setncatts({"count": "5500", "factor": -20425338.9, "unit": "km", "pair": [1, 2]})
        dataset.createDimension("y", SIZE)
        packed = dataset.createVariable("packed", "u2", ("y", "y"), zlib=True, fill_value=65535)
        packed.setncatts({"scale_factor": 0.01, "padded": " 2.5 "})
        packed.set_auto_maskandscale(False)
        packed[:] = np.random.default_rng(0).integers(0, 65535, (SIZE, SIZE), np.uint16)
        packed[0, 0] = 65535
        inner = dataset.createGroup("outer").createGroup("inner")
        inner.createVariable("deep", "f4").setncattr("depth", np.float32(2.5))
    return made


def test_values_are_as_stored(path: Path) -> None:
    with opened(path) as dataset:
        stored = variable(dataset, "packed")[:]
    assert stored.dtype == np.uint16 and not np.ma.isMaskedArray(stored)
    assert stored[0, 0] == 65535


def test_groups_are_reached_with_slashes(path: Path) -> None:
    with opened(path) as dataset:
        deep = variable(dataset, "outer/inner/deep")
        assert number(deep, "depth") == 2.5
        assert variable(dataset, "/outer/inner/deep").name == "deep"
        assert file_name(dataset) == file_name(deep) == file_name(deep.group()) == "a.nc"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "a.nc: variable absent is missing"),
        ("outer/inner/absent", "a.nc: variable outer/inner/absent is missing"),
        ("outer/none/deep", "a.nc: group none of outer/none/deep is missing"),
        ("packed/deep", "a.nc: group packed of packed/deep is missing"),
        ("outer", "a.nc: variable outer is missing"),
    ],
)
def test_a_missing_variable_or_group_is_named(path: Path, name: str, words: str) -> None:
    with opened(path) as dataset, pytest.raises(SceneError, match=words):
        variable(dataset, name)


def test_numbers_may_be_text(path: Path) -> None:
    with opened(path) as dataset:
        assert number(dataset, "count") == 5500
        assert number(dataset, "factor") == -20425338.9
        assert number(variable(dataset, "packed"), "padded") == 2.5
        for name in ("unit", "pair"):
            with pytest.raises(
                SceneError, match=f"a.nc: attribute {name} = .* is not a usable number"
            ):
                number(dataset, name)


def test_a_missing_attribute_is_named_with_its_variable(path: Path) -> None:
    with opened(path) as dataset:
        with pytest.raises(SceneError, match="^a.nc: attribute units is missing"):
            attribute(dataset, "units")
        with pytest.raises(SceneError, match="^a.nc: packed: attribute units is missing"):
            attribute(variable(dataset, "packed"), "units")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_cut_file_is_the_scene_s_fault(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SceneError, match="a.nc: not a NetCDF file, or truncated"), opened(path):
        pass


def test_damage_inside_is_the_scene_s_fault_when_it_is_read(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    damaged = pytest.raises(SceneError, match="a.nc: cannot be read completely")
    with damaged, opened(path) as dataset:
        variable(dataset, "packed")[:]


def test_a_file_that_cannot_be_had_is_not_the_scene_s_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), opened(tmp_path / "absent.nc"):
        pass
    with pytest.raises(IsADirectoryError), opened(tmp_path):
        pass


def test_the_file_is_closed_after_use_and_after_a_fault(path: Path) -> None:
    with opened(path) as dataset:
        pass
    assert not dataset.isopen()
    with pytest.raises(SceneError), opened(path) as dataset:
        variable(dataset, "absent")
    assert not dataset.isopen()


@pytest.mark.parametrize("kind", ["text", "characters", "lists", "records"])
def test_arrays_of_anything_but_numbers_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("y", 2)
        record = np.dtype([("a", "f4")])
        types = {
            "text": str,
            "characters": "S1",
            "lists": dataset.createVLType("i4", "list"),
            "records": dataset.createCompoundType(record, "record"),
        }
        dataset.createVariable("odd", types[kind], ("y",))
        dataset.createVariable("projection", "S1")
    with opened(path) as dataset:
        assert variable(dataset, "projection").ndim == 0
        with pytest.raises(SceneError, match="^a.nc: variable odd does not hold numbers$"):
            variable(dataset, "odd")


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -1e300, 9.96921e36, "nan", "", "two\nlines", [1.0, 2.0], ["1", "2"]]
)
def test_numbers_that_cannot_be_used_are_named_in_one_line(tmp_path: Path, value: object) -> None:
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as dataset:
        dataset.setncattr("size", value)
        dataset.createVariable("v", "f8", fill_value=np.nan)
    with opened(tmp_path / "a.nc") as dataset:
        assert np.isnan(number(variable(dataset, "v"), "_FillValue"))
        with pytest.raises(SceneError, match=r"^a.nc: attribute size = [^\n]* is not a usable num"):
            number(dataset, "size")


def test_every_cut_and_damage_is_the_scene_s_fault(path: Path) -> None:
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content[: rng.integers(len(content) // 2, len(content) + 1)])
        for place in rng.integers(0, len(damaged), 20):
            damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            with opened(path) as dataset:
                variable(dataset, "packed")[:]
                number(dataset, "factor")
                number(variable(dataset, "outer/inner/deep"), "depth")
        except SceneError as error:
            assert str(error).startswith("a.nc: ") and "\n" not in str(error)
