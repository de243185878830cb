from pathlib import Path

import pytest

from lstsr.files import read_csv, whole, write_csv


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
