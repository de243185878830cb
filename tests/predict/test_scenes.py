"""Predictions of a split, from files on disk to files on disk."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import load_file
from torch import nn

from lstsr.cli import main
from lstsr.config import Block, Config, DatasetConfig
from lstsr.dataset.align import align
from lstsr.dataset.loader import Dataset
from lstsr.dataset.pack import add_rows, pack
from lstsr.files import read_csv
from lstsr.models.composite import SelfEnsemble
from lstsr.models.normalisation import Normalisation
from lstsr.predict import scenes, tiling
from lstsr.predict.cost import macs_per_pixel, parameter_count
from lstsr.registry import build
from lstsr.rows import Row
from lstsr.sensors import geotiff
from lstsr.training.checkpoint import CheckpointHeader, save_checkpoint
from lstsr.training.network_io import predict_scene
from tests.triplets import Sample, config_of, make, names, optical_config_of, write_images

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
        {"origin": "simulated", "align": config.align.model_dump()},
    )
    return folder / "dataset.safetensors"


def row_of(config: Config, model: str, track: str, scale: int) -> dict[str, Any]:
    identity = {"dataset": "sample", "track": track, "scale": scale, "variant": "base", "seed": 0}
    options = OPTIONS if model == "dctnet" else {}
    train = asdict(config.train) if model == "dctnet" else None
    identity |= {"guide": "own", "normalisation": "input"}
    identity |= {"harmonised": False, "channels": ["ndvi"]}
    return identity | {"model": model, "options": options, "train": train}


def predict(data: Path, row: dict[str, Any], output: Path, *more: str) -> int:
    """As the command line predicts a row of an exported dataset."""
    exported = output.parent.parent / f"{output.parent.name}-exported.safetensors"
    name = Row.from_dict(row).name
    add_rows(data, exported, {name: row})
    arguments = ["--data", str(exported), "--row", name, "--split", "test"]
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
        known = dataset.scene_meta(entry["scene"])
        assert image.grid.transform.almost_equals(rasterio.Affine(*known.transform))
        assert image.grid.shape == scene.target.shape
        assert (image.unit, image.bands, image.sensor) == ("kelvin", ("lst",), "local-linear base")
        covered = scene.input_valid.repeat(scale, 0).repeat(scale, 1)
        np.testing.assert_array_equal(image.valid, covered)
        assert not covered.all(), "some cells have no input"
        assert not (scene.scored & ~covered).any()
        network = build("local-linear", scale, 1)
        meta = dataset.meta
        normalisation = Normalisation(
            known.centre_k[f"{track}-x{scale}"],
            meta.scale_k,
            meta.reference_mean,
            meta.reference_std,
        )
        expected = np.where(covered, predict_scene(network, scene, normalisation), np.nan)
        np.testing.assert_allclose(image.values[0], expected, atol=1e-3)
        with rasterio.open(tmp_path / entry["file"]) as file:
            assert file.tags()["origin"] == "simulated"
    assert {file.name for file in tmp_path.iterdir()} == {"index.csv"} | {
        entry["file"] for entry in entries
    }


def trained(
    row: dict[str, Any], data: Path, folder: Path
) -> tuple[Path, nn.Module, CheckpointHeader]:
    """A checkpoint with disturbed weights, its network and its description."""
    torch.manual_seed(row["seed"])
    network = build("dctnet", 4, 1, **OPTIONS).eval()
    with torch.no_grad():
        for values in network.parameters():
            values += 0.05 * torch.randn_like(values)
    meta = Dataset(data).meta
    described = CheckpointHeader(
        row=Row.from_dict(row),
        dataset="sample",
        origin="observed",
        target_m=250.0,
        reference_bands=meta.reference_bands,
        scale_k=meta.scale_k,
        reference_mean=meta.reference_mean,
        reference_std=meta.reference_std,
        validation_ubrmse_k=1.0,
        best_step=1,
        steps=1,
        train_seconds=12.5,
        train_cpu_s=9.5,
        fallback="bicubic",
    )
    checkpoint = folder / f"dctnet-s{row['seed']}.safetensors"
    save_checkpoint(checkpoint, network.state_dict(), described)
    return checkpoint, network, described


@pytest.mark.parametrize("ensemble", [False, True])
def test_a_trained_row_comes_from_its_checkpoint(
    config: Config, data: Path, tmp_path: Path, ensemble: bool
) -> None:
    """With --self-ensemble, the trained network predicts each tile from eight sides."""
    row, dataset = row_of(config, "dctnet", "observed", 4), Dataset(data)
    checkpoint, network, described = trained(row, data, tmp_path)
    turned = {"variant": "self-ensemble", "train": None, "turned": True}
    predicted = row | turned if ensemble else row
    assert predict(data, predicted, tmp_path / "index.csv", str(checkpoint)) == 0
    for entry in read_csv(tmp_path / "index.csv"):
        assert entry["parameters"] == str(parameter_count(network))
        cost = macs_per_pixel(network, 4, 1) * (8 if ensemble else 1)
        assert float(entry["macs_per_pixel"]) == pytest.approx(cost, rel=1e-4)
        times = float(entry["train_seconds"]), float(entry["train_cpu_s"])
        assert (entry["steps"], *times) == ("1", 12.5, 9.5)
        scene = dataset.scene(entry["scene"], "observed-x4")
        normalisation = described.normalisation(
            dataset.scene_meta(entry["scene"]).centre_k["observed-x4"]
        )
        guided, unguided = (
            predict_scene(one, scene, normalisation)
            for one in (SelfEnsemble(network) if ensemble else network, build("bicubic", 4, 1))
        )
        assert not scene.reference_valid.all(), "some pixels are left to the fallback"
        covered = scene.input_valid.repeat(4, 0).repeat(4, 1)
        expected = np.where(scene.reference_valid, guided, unguided)
        expected = np.where(covered, expected, np.nan)
        image = geotiff.read_written(tmp_path / entry["file"])
        np.testing.assert_allclose(image.values[0], expected, atol=1e-3)


@pytest.mark.parametrize("turned", [False, True])
def test_a_seed_ensemble_is_the_mean_of_its_members_and_costs_their_sum(
    config: Config, data: Path, tmp_path: Path, turned: bool
) -> None:
    row = row_of(config, "dctnet", "observed", 4) | {"turned": turned}
    members = [row | {"seed": seed} for seed in (0, 1, 2)]
    paths = [str(trained(member, data, tmp_path)[0]) for member in members]
    indexes = [tmp_path / str(member["seed"]) / "index.csv" for member in members]
    for member, path, index in zip(members, paths, indexes, strict=True):
        assert predict(data, member, index, path) == 0
    ensemble = row | {"variant": "seed-ensemble", "train": None}
    assert predict(data, ensemble, tmp_path / "all" / "index.csv", *paths) == 0
    alone = [read_csv(index) for index in indexes]
    for number, entry in enumerate(read_csv(tmp_path / "all" / "index.csv")):
        for cost in ("parameters", "macs_per_pixel", "steps", "train_seconds"):
            total = sum(float(entries[number][cost]) for entries in alone)
            assert float(entry[cost]) == pytest.approx(total, rel=1e-4)
            assert total > 0
        files = [index.parent / entry["file"] for index in indexes]
        values = np.stack([geotiff.read_written(file).values for file in files])
        assert np.nanmax(np.ptp(values, axis=0)) > 0.1, "the members differ"
        image = geotiff.read_written(tmp_path / "all" / entry["file"])
        np.testing.assert_allclose(image.values, values.mean(axis=0), atol=1e-3)


def test_members_differ_only_in_their_seed(
    config: Config, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = row_of(config, "dctnet", "observed", 4)
    first, _, described = trained(row, data, tmp_path)
    other = tmp_path / "other.safetensors"
    for change, said in (
        ({}, "has the same seed as"),
        ({"row": replace(described.row, seed=1, variant="v")}, "differs from"),
        ({"row": replace(described.row, seed=1), "n_train": 5}, "in n_train. Name checkpoints"),
    ):
        save_checkpoint(other, load_file(first), replace(described, **change))
        assert predict(data, row, tmp_path / "index.csv", str(first), str(other)) == 1
        told = capsys.readouterr().err
        assert f"lstsr: {other}: " in told and said in told
    assert not (tmp_path / "index.csv").exists()


def test_tiles_agree_on_the_cells_without_input(
    config: Config, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two tiles meet, a cell without input is no data, and no other one is."""
    row, dataset = row_of(config, "bicubic", "observed", 4), Dataset(data)
    first = dataset.scene(dataset.scenes("test")[0], "observed-x4")
    lost = np.zeros(first.input_valid.shape, bool)
    lost[::3, ::2] = True
    whole_window = Dataset.window

    def window(self: Dataset, *where: Any) -> Any:
        scene, (row, column, height, width) = whole_window(self, *where), where[2:]
        there = lost[row : row + height, column : column + width]
        return replace(scene, input_valid=scene.input_valid & ~there)

    monkeypatch.setattr(Dataset, "window", window)
    monkeypatch.setattr(scenes, "TILE", 64)
    monkeypatch.setattr(tiling, "OVERLAP", 4)
    assert predict(data, row, tmp_path / "index.csv") == 0
    image = geotiff.read_written(tmp_path / read_csv(tmp_path / "index.csv")[0]["file"])
    covered = first.input_valid & ~lost
    np.testing.assert_array_equal(image.valid, covered.repeat(4, 0).repeat(4, 1))


def test_an_optical_image_is_masked_in_all_bands(tmp_path: Path) -> None:
    config, sample = optical_config_of(), Sample(scenes=3, coarse_size=16)
    for made in write_images(tmp_path, sample):
        assert not align(made, config.sensors, config.align, tmp_path / "aligned").reason
    pack(
        tmp_path / "dataset.safetensors",
        tmp_path / "aligned",
        dict(zip(names(sample), ("train", "validation", "test"), strict=True)),
        "images",
        config.blocks,
        DatasetConfig(),
        {"origin": "observed"},
    )
    row = row_of(config, "bicubic", "degraded-block", 2) | {"channels": []}
    index = tmp_path / "rows" / "index.csv"
    assert predict(tmp_path / "dataset.safetensors", row, index) == 0
    dataset = Dataset(tmp_path / "dataset.safetensors")
    scene = dataset.scene(dataset.scenes("test")[0], "degraded-block-x2")
    covered = scene.input_valid.repeat(2, 0).repeat(2, 1)
    assert not covered.all()
    image = geotiff.read_written(index.parent / read_csv(index)[0]["file"])
    assert len(image.bands) == 4
    np.testing.assert_array_equal(np.isfinite(image.values), np.broadcast_to(covered, (4, 64, 64)))


def test_a_trained_row_without_a_checkpoint_is_one_line(
    config: Config, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = row_of(config, "dctnet", "observed", 4)
    assert predict(data, row, tmp_path / "index.csv") == 1
    assert "lstsr: model dctnet needs weights" in capsys.readouterr().err
    assert not (tmp_path / "index.csv").exists()
