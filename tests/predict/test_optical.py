"""A finer image from an optical one alone, by the command."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from lstsr.cli import main
from lstsr.models.interpolation import bicubic
from lstsr.registry import build
from lstsr.rows import Row
from lstsr.training.checkpoint import CheckpointHeader, save_checkpoint
from tests.triplets import config_of, optical_config_of

GAP = np.s_[3:5, 6:9]


def save(path: Path, trained_on: tuple[str, ...] = ()) -> Path:
    """An untrained x2 network, which is its base, of four bands or of LST by a reference."""
    config = config_of() if trained_on else optical_config_of()
    options = {"features": 4, "growth": 4, "blocks": 1}
    options |= {} if trained_on else {"bands": 4}
    row = {
        "dataset": "d",
        "track": "degraded-block",
        "scale": 2,
        "model": "esrnet",
        "variant": "base",
        "seed": 0,
        "harmonised": False,
        "guide": "own",
        "normalisation": "input",
        "channels": list(trained_on),
        "options": options,
        "train": asdict(config.train),
    }
    described = CheckpointHeader(
        row=Row.from_dict(row),
        dataset="d",
        origin="observed",
        target_m=3.0,
        reference_bands=trained_on,
        scale_k=0.1,
        reference_mean=(0.0,) * len(trained_on),
        reference_std=(1.0,) * len(trained_on),
        validation_ubrmse_k=1.0,
        best_step=1,
        steps=1,
        train_seconds=1.0,
        fallback=None,
        readings=config.sensors.model_dump(),
        align=config.align.model_dump(),
    )
    save_checkpoint(path, build("esrnet", 2, len(trained_on), **options).state_dict(), described)
    return path


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A 3 m image of four bands with a gap, in a coordinate system of its own."""
    values = np.random.default_rng(0).uniform(0.05, 0.4, (4, 40, 50)).astype(np.float32)
    stored = values.copy()
    stored[:, *GAP] = -1
    path = tmp_path / "new.tif"
    profile = {"count": 4, "height": 40, "width": 50, "dtype": "float32", "nodata": -1}
    place = {"crs": "EPSG:5179", "transform": Affine(3, 0, 9e5, 0, -3, 1.9e6)}
    with rasterio.open(path, "w", driver="GTiff", **profile, **place) as file:
        file.write(stored)
    return path, values


def predict(model: object, path: Path, output: Path) -> int:
    paths = ["--input", str(path), "--output", str(output)]
    return main(["predict", "--model", str(model), *paths])


def test_all_bands_become_finer_in_place_and_gaps_stay(
    image: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, values = image
    assert predict(save(tmp_path / "m.safetensors"), path, tmp_path / "out.tif") == 0
    with rasterio.open(tmp_path / "out.tif") as file:
        found = file.read()
        assert file.descriptions == ("blue", "green", "red", "nir")
        assert file.units == ("reflectance",) * 4
        assert file.transform == Affine(1.5, 0, 9e5, 0, -1.5, 1.9e6)
        assert file.crs == "EPSG:5179"
    assert np.isnan(found[:, 6:10, 12:18]).all()
    assert np.isnan(found).sum() == 4 * 4 * 6
    expected = bicubic(torch.from_numpy(values)[None], 2)[0].numpy()
    np.testing.assert_allclose(found[:, 16:], expected[:, 16:], atol=1e-5)


def test_a_model_that_needs_a_reference_says_so(
    image: tuple[Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = image
    output = tmp_path / "out.tif"
    assert predict(save(tmp_path / "lst.safetensors", ("ndvi",)), path, output) == 1
    assert "makes LST. Name a --reference" in capsys.readouterr().err
    assert predict("bicubic", path, output) == 1
    assert "name a checkpoint of task optical" in capsys.readouterr().err
    assert not output.exists()


def test_what_is_of_lst_alone_is_refused(
    image: tuple[Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = image
    model, output = save(tmp_path / "m.safetensors"), tmp_path / "out.tif"
    command = ["predict", "--model", str(model), "--input", str(path), "--output", str(output)]
    assert main([*command, "--scale", "4"]) == 1
    assert "was trained for x2" in capsys.readouterr().err
    assert main([*command, "--dem", str(path)]) == 1
    assert "--dem is for LST. Add a --reference" in capsys.readouterr().err
    assert main([*command, "--reference", str(path)]) == 1
    assert "makes optical images. Remove --reference" in capsys.readouterr().err
    assert not output.exists()
