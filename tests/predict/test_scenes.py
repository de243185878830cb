"""Predictions of a split, from files on disk to files on disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch

from lstsr.cli import main
from lstsr.config import Block, Config, DatasetConfig
from lstsr.dataset.loader import Dataset
from lstsr.dataset.pack import pack
from lstsr.dataset.triplet import align
from lstsr.files import read_csv
from lstsr.models.ensemble import SelfEnsemble
from lstsr.models.normalisation import Normalisation
from lstsr.predict.cost import macs_per_pixel, parameter_count
from lstsr.registry import build
from lstsr.sensors import geotiff
from lstsr.training.checkpoint import Checkpoint, save_checkpoint
from lstsr.training.inference import predict_scene
from lstsr.training.row import Row
from tests.triplets import Sample, config_of, make, names

SPLITS = ("train", "validation", "test", "test")
OPTIONS = {"features": 8, "layers": 1}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def config(root: Path) -> Config:
    return config_of()


@pytest.fixture(scope="module")
def data(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset file of four scenes, two of them for the test."""
    folder = tmp_path_factory.mktemp("scenes")
    sample = Sample(scenes=4, coarse_size=24)
    for name in names(sample):
        aligned = align(
            make(name, folder, sample), config.sensors, config.align, folder / "aligned"
        )
        assert not aligned.reason
    pack(
        folder / "dataset.safetensors",
        folder / "aligned",
        dict(zip(names(sample), SPLITS, strict=True)),
        "sample",
        [Block(track="observed", scale=4), Block(track="degraded-block", scale=8)],
        DatasetConfig(),
        {"align": config.align.model_dump()},
    )
    return folder / "dataset.safetensors"


def row_of(config: Config, model: str, track: str, scale: int) -> dict[str, Any]:
    identity = {"dataset": "sample", "track": track, "scale": scale, "variant": "base", "seed": 0}
    options = OPTIONS if model == "dctnet" else {}
    train = config.train.model_dump() if model == "dctnet" else None
    identity |= {"guide": "own", "normalisation": "input"}
    identity |= {"harmonised": False, "channels": ["ndvi"]}
    return identity | {"model": model, "options": options, "train": train}


def predict(data: Path, row: dict[str, Any], output: Path, *more: str) -> int:
    arguments = ["--data", str(data), "--row", json.dumps(row), "--split", "test"]
    return main(
        ["predict-split", *arguments, "--checkpoint", *more, "--threads", "1"]
        + ["--output", str(output)]
    )


@pytest.mark.parametrize(("track", "scale"), [("observed", 4), ("degraded-block", 8)])
def test_the_index_lists_every_scene_and_its_file_opens(
    config: Config, data: Path, tmp_path: Path, track: str, scale: int
) -> None:
    """As the workflow calls it for a classical row: ``--checkpoint`` with nothing behind it."""
    index = tmp_path / "index.csv"
    assert predict(data, row_of(config, "local-linear", track, scale), index) == 0
    dataset, entries = Dataset(data), read_csv(index)
    assert [entry["scene"] for entry in entries] == dataset.scenes("test")
    assert len(entries) == 2
    for entry in entries:
        assert entry["split"] == "test"
        assert (entry["parameters"], entry["steps"], float(entry["train_seconds"])) == ("0", "0", 0)
        assert float(entry["predict_seconds"]) > 0
        image = geotiff.read_written(tmp_path / entry["file"])
        scene = dataset.scene(entry["scene"], f"{track}-x{scale}")
        place = dataset.place(entry["scene"])
        assert image.grid.transform.almost_equals(rasterio.Affine(*place.transform))
        assert image.grid.shape == scene.target.shape
        assert (image.unit, image.bands, image.sensor) == ("kelvin", ("lst",), "local-linear base")
        assert image.valid.all()
        network = build("local-linear", scale, 1)
        meta = dataset.meta
        normalisation = Normalisation(
            scene.centre_k, meta.scale_k, meta.reference_mean, meta.reference_std
        )
        expected = predict_scene(network, scene, normalisation)
        np.testing.assert_allclose(image.values[0], expected, atol=1e-3)
    assert {file.name for file in tmp_path.iterdir()} == {"index.csv"} | {
        entry["file"] for entry in entries
    }


@pytest.mark.parametrize("ensemble", [False, True])
def test_a_trained_row_comes_from_its_checkpoint(
    config: Config, data: Path, tmp_path: Path, ensemble: bool
) -> None:
    """With --self-ensemble it is that of the row that was trained, seen from eight sides."""
    row, dataset = row_of(config, "dctnet", "observed", 4), Dataset(data)
    torch.manual_seed(0)
    network = build("dctnet", 4, 1, **OPTIONS).eval()
    with torch.no_grad():
        for values in network.parameters():
            values += 0.05 * torch.randn_like(values)
    meta = dataset.meta
    described = Checkpoint(
        row=Row.from_dict(row),
        dataset="sample",
        target_m=250.0,
        reference_bands=meta.reference_bands,
        scale_k=meta.scale_k,
        reference_mean=meta.reference_mean,
        reference_std=meta.reference_std,
        validation_ubrmse_k=1.0,
        best_step=1,
        steps=1,
        train_seconds=12.5,
        fallback="bicubic",
    )
    checkpoint = tmp_path / "dctnet.safetensors"
    save_checkpoint(checkpoint, network.state_dict(), described)
    more = ["--self-ensemble"] if ensemble else []
    predicted = row | {"variant": "self-ensemble", "train": None} if ensemble else row
    assert predict(data, predicted, tmp_path / "index.csv", str(checkpoint), *more) == 0
    for entry in read_csv(tmp_path / "index.csv"):
        assert entry["parameters"] == str(parameter_count(network))
        cost = macs_per_pixel(network, 4, 1) * (8 if ensemble else 1)
        assert float(entry["macs_per_pixel"]) == pytest.approx(cost, rel=1e-4)
        assert (entry["steps"], float(entry["train_seconds"])) == ("1", 12.5)
        scene = dataset.scene(entry["scene"], "observed-x4")
        normalisation = described.normalisation(scene.centre_k)
        guided, unguided = (
            predict_scene(one, scene, normalisation)
            for one in (SelfEnsemble(network) if ensemble else network, build("bicubic", 4, 1))
        )
        assert not scene.reference_valid.all(), "some pixels are left to the fallback"
        expected = np.where(scene.reference_valid, guided, unguided)
        image = geotiff.read_written(tmp_path / entry["file"])
        np.testing.assert_allclose(image.values[0], expected, atol=1e-3)


def test_a_trained_row_without_a_checkpoint_is_one_line(
    config: Config, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = row_of(config, "dctnet", "observed", 4)
    assert predict(data, row, tmp_path / "index.csv") == 1
    assert "lstsr: model dctnet is predicted from weights" in capsys.readouterr().err
    assert not (tmp_path / "index.csv").exists()
