from pathlib import Path

import pytest

from lstsr.errors import LstsrError
from lstsr.files import check_output, check_suffix, read_csv, whole, write_csv


def test_a_file_appears_whole_and_as_readable_as_any(tmp_path: Path) -> None:
    ordinary, path = tmp_path / "ordinary", tmp_path / "new" / "file.bin"
    ordinary.touch()
    with whole(path) as partial:
        partial.write_text("half")
        partial.chmod(0o600)
        assert not path.exists()
    assert path.read_text() == "half"
    assert path.stat().st_mode == ordinary.stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"), whole(path) as partial:
        partial.write_text("new, unfinished")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, ("name", "value"), [{"name": "a, b", "value": 1.5}, {"name": "c"}])
    assert read_csv(path) == [{"name": "a, b", "value": "1.5"}, {"name": "c", "value": ""}]


@pytest.mark.parametrize("name", ["a_file/table.csv", "a_folder", "/proc/table.csv", "x" * 300])
def test_a_place_where_no_table_can_be_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a_file").touch()
    (tmp_path / "a_folder").mkdir()
    with pytest.raises(LstsrError, match=f"{name} cannot be written .*Check the folder") as fault:
        write_csv(tmp_path / name, ("a",), [{"a": 1}])
    assert not isinstance(fault.value, OSError)
    assert "\n" not in str(fault.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_file", "a_folder"]


def test_a_fault_of_the_records_stays_their_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_csv(tmp_path / "table.csv", ("a",), ({"a": path.stat()} for path in [tmp_path / "b"]))
    assert not list(tmp_path.iterdir())


def test_an_output_is_no_input_under_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, product = tmp_path / "in.tif", tmp_path / "product"
    source.write_text("precious")
    product.mkdir()
    (tmp_path / "symbolic.tif").symlink_to(source)
    (tmp_path / "hard.tif").hardlink_to(source)
    (tmp_path / "folder").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    inputs = (source, product, None, tmp_path / "missing.tif")
    for name in ("in.tif", "./in.tif", "symbolic.tif", "hard.tif", "folder/in.tif"):
        with pytest.raises(LstsrError, match="is the input"):
            check_output(Path(name), inputs)
    for name in ("product/out.tif", "product/deep/out.tif"):
        with pytest.raises(LstsrError, match="lies inside the input"):
            check_output(Path(name), inputs)
    check_output(Path("out.tif"), inputs)


def test_a_suffix_must_fit_the_format(tmp_path: Path) -> None:
    check_suffix(tmp_path / "out.TIF", ".tif", ".tiff")
    for name in ("out", "out.nc", "out.tif.gz", ".tif"):
        with pytest.raises(LstsrError, match="Use .tif or .tiff"):
            check_suffix(tmp_path / name, ".tif", ".tiff")
