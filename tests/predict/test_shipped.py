"""The pretrained networks: files, names, cards, and products made with them."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from lstsr.cli import main
from lstsr.config import load
from lstsr.dataset.loader import SceneInputs
from lstsr.errors import LstsrError
from lstsr.models.interpolation import bilinear
from lstsr.predict.card import card, table
from lstsr.predict.shipped import FOLDER, checkpoint_path, names
from lstsr.sensors import geotiff
from lstsr.training.checkpoint import load_checkpoint, save_checkpoint
from lstsr.training.network_io import predict_scene
from tests.triplets import Sample, make

MOST_BYTES = 2_000_000
CELLS = 20
SLOPE_K = np.float32(10)


def path_of(name: str) -> Path:
    return checkpoint_path(name, "--model")


def test_the_networks_that_the_readme_promises_are_there(root: Path) -> None:
    assert names() == ["modis-aster-x4", "modis-aster-x8", "sample-x4", "sample-x8"]
    assert "--model modis-aster-x4" in (root / "README.md").read_text()


@pytest.mark.parametrize("name", names())
def test_a_network_is_small_whole_and_says_where_it_comes_from(name: str, root: Path) -> None:
    path = path_of(name)
    assert path.stat().st_size < MOST_BYTES
    _, found = load_checkpoint(path)  # compares the weights with their digest
    config = load(root / f"configs/pretrained/{found.dataset}.yaml")
    made = config.model_dump(mode="json")
    assert name == f"{found.dataset}-x{found.row.scale}"
    assert found.row in [row for row in config.rows() if row.train]
    assert (found.readings, found.align, found.split) == (
        made["sensors"],
        made["align"],
        made["split"],
    )
    assert (found.attribution, found.origin) == (config.attribution, config.origin)
    assert found.attribution and found.split["test"] is None and found.n_train
    own = list(found.validation["network"].values())
    assert found.validation_ubrmse_k == pytest.approx(np.mean(own), rel=1e-6)


@pytest.mark.parametrize("name", names())
def test_a_network_predicts_and_follows_the_level_of_its_input(name: str) -> None:
    network, found = load_checkpoint(path_of(name))
    scale, channels = found.row.scale, found.reference_channels
    rng = np.random.default_rng(0)
    fine = CELLS * scale, CELLS * scale
    noise = rng.normal(0.4, 0.3, (channels, *fine)).astype(np.float32)
    reference = uniform_filter(noise, size=(1, 3, 3))  # fields are wider than a pixel
    cells = reference[0].reshape(CELLS, scale, CELLS, scale).mean((1, 3))
    level_k = 290 - SLOPE_K * cells

    def predicted(offset_k: float) -> np.ndarray:
        seen = level_k + np.float32(offset_k)
        everywhere = np.ones(level_k.shape, bool), np.ones(fine, bool)
        scene = SceneInputs(seen, everywhere[0], reference, everywhere[1])
        return predict_scene(network, scene, found.normalisation(float(seen.mean())))

    plain = predicted(0)
    assert plain.shape == fine and np.isfinite(plain).all()
    np.testing.assert_allclose(predicted(10) - 10, plain, atol=2e-3)
    smooth = bilinear(torch.from_numpy(level_k)[None, None], scale)[0, 0].numpy()
    # LST falls with the first band: the network gives this detail to the fine pixels
    assert np.corrcoef((plain - smooth).ravel(), reference[0].ravel())[0, 1] < -0.5


def test_a_product_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make("sample-000", tmp_path, Sample(scenes=1, coarse_size=24))
    files = ["--input", "sample-000/lst_coarse.tif", "--reference", "sample-000/ndvi_fine.tif"]
    assert main(["predict", "--model", "modis-aster-x4", *files, "--output", "out.tif"]) == 0
    assert geotiff.read_written(tmp_path / "out.tif").grid.shape == (96, 96)
    tags = geotiff.tags(tmp_path / "out.tif")
    assert (tags["model"], tags["training_data"]) == ("modis-aster-x4", "modis-aster")
    like = ["predict", "--model", "local-linear", "--like", "modis-aster-x4", *files]
    assert main([*like, "--output", "like.tif"]) == 0
    assert main(["predict", "--model", "modis-aster-x9", *files, "--output", "no.tif"]) == 1
    said = capsys.readouterr().err
    assert "--model modis-aster-x9: not a checkpoint file and not one of atprk, " in said
    assert "Did you mean modis-aster-x" in said
    assert main(["predict", "--model", "sample-x4", *files[:2], "--output", "no.tif"]) == 1
    assert "makes LST. Name a --reference" in capsys.readouterr().err


def test_a_name_comes_before_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("modis-aster-x4").write_bytes(b"mine")
    with caplog.at_level(logging.WARNING):
        assert checkpoint_path("modis-aster-x4", "--model").parent == FOLDER
    assert "Write ./modis-aster-x4 to use the file" in caplog.text
    assert checkpoint_path("./modis-aster-x4", "--model").read_bytes() == b"mine"
    with pytest.raises(LstsrError, match=r"--like modis-aster.*Did you mean modis-aster-x"):
        checkpoint_path("modis-aster.safetensors", "--like")


def test_the_page_shows_the_cards(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (root / "docs/pretrained.md").read_text()
    assert main(["models"]) == 0
    assert capsys.readouterr().out == table(map(path_of, names())) + "\n"
    assert main(["models", *names()]) == 0
    cards = capsys.readouterr().out
    assert cards == "\n\n".join(card(path_of(name)) for name in names()) + "\n"
    assert table(map(path_of, names())) in page and cards in page
    assert main(["models", "sample-x5"]) == 1
    assert "models sample-x5: not a checkpoint file and not one of " in capsys.readouterr().err


def test_a_card_gives_gains_with_intervals_of_five_scenes_or_more(tmp_path: Path) -> None:
    """Bilinear errors of twice the network's are 6.02 dB; equal ones are 0 dB."""
    network, found = load_checkpoint(path_of("modis-aster-x4"))
    weights = {name.removeprefix("network."): t for name, t in network.state_dict().items()}
    for count, interval in ((5, " (+6.02 .. +6.02)"), (4, "")):
        own = {f"s{index}": 1.0 + index for index in range(count)}
        twice = {scene: 2 * error for scene, error in own.items()}
        found.validation.clear()
        found.validation.update({"network": own, "bilinear": twice})
        save_checkpoint(tmp_path / "one.safetensors", weights, found)
        text = card(tmp_path / "one.safetensors")
        assert f"+6.02 dB{interval} over bilinear\n" in text
        assert f"{found.n_train} for training, {count} for validation" in text


def test_an_installed_package_has_the_networks(root: Path, tmp_path: Path) -> None:
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / file, tmp_path)
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(root / "src", tmp_path / "src", ignore=left_out)
    build = "from setuptools import build_meta; build_meta.build_wheel('.')"
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        for name in names():
            file = f"lstsr/networks/{name}.safetensors"
            assert packed.read(file) == path_of(name).read_bytes()
