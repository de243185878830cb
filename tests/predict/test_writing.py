"""What `lstsr predict` refuses to overwrite."""

import os
from pathlib import Path

import pytest
import rasterio.shutil

from tests.predict.rasters import (
    predict,
)


@pytest.mark.parametrize("by", ["name", "symlink", "hard link", "relative path", "the reference's"])
def test_an_output_never_replaces_an_input(
    coarse: Path,
    fine: Path,
    tmp_path: Path,
    by: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "out.tif"
    if by == "name":
        output = coarse
    elif by == "symlink":
        output.symlink_to(coarse)
    elif by == "hard link":
        os.link(coarse, output)
    elif by == "relative path":
        (tmp_path / "sub").mkdir()
        output = Path("sub/../lst.tif")
    else:
        output = fine
    before = coarse.read_bytes(), fine.read_bytes()
    assert predict(coarse, fine, output, "--overwrite") == 1
    assert "is the input" in capsys.readouterr().err
    assert (coarse.read_bytes(), fine.read_bytes()) == before


def test_an_output_does_not_lie_inside_an_input(
    coarse: Path, fine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "lst.zarr"
    rasterio.shutil.copy(coarse, store, driver="Zarr")
    assert predict(store, fine, store / "out.tif") == 1
    assert "lies inside the input" in capsys.readouterr().err
    assert not (store / "out.tif").exists()


@pytest.mark.parametrize("name", ["out.nc", "out", "out.png", "out.tif.gz"])
def test_a_suffix_of_another_format_is_refused(
    coarse: Path, fine: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(coarse, fine, tmp_path / name) == 1
    assert "the suffix does not fit the format. Use .tif or .tiff" in capsys.readouterr().err


def test_a_foreign_file_stays_and_the_same_command_may_be_repeated(
    coarse: Path, fine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.tif"
    assert predict(coarse, fine, output) == 0
    assert predict(coarse, fine, output) == 0
    assert predict(coarse, fine, output, "--input-offset", "1") == 1
    assert "already exists and holds something else. Use --overwrite" in capsys.readouterr().err
    for content in (coarse.read_bytes(), b"notes", b""):
        output.write_bytes(content)
        assert predict(coarse, fine, output) == 1
        assert "already exists" in capsys.readouterr().err
        assert output.read_bytes() == content
    assert predict(coarse, fine, output, "--overwrite") == 0
