"""Training that starts from the weights of a file: a checkpoint, or weights of another group."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lstsr.config import load
from lstsr.dataset.align import align
from lstsr.dataset.loader import Dataset
from lstsr.dataset.pack import pack
from lstsr.errors import LstsrError
from lstsr.manifest import read_manifest
from lstsr.metrics import ubrmse_k
from lstsr.models.sc_unet import import_released
from lstsr.registry import RELEASED, build
from lstsr.rows import Row
from lstsr.training.checkpoint import load_checkpoint
from lstsr.training.loop import state_path, train
from lstsr.training.network_io import predict_scene, scene_normalisation
from tests.released import random_unet_weights
from tests.training.runs import assert_same_run, read_curve, train_until_killed


@pytest.fixture(scope="module")
def first(data: Path, row_json: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint to start from."""
    output = tmp_path_factory.mktemp("first") / "first.safetensors"
    train(data, Row.from_dict(json.loads(row_json)), output, accelerator="cpu", threads=1)
    return output


def starting_from(row: dict[str, Any], initial: Path, **more: Any) -> dict[str, Any]:
    """The row with a seed of its own, so that its own first weights would be other ones."""
    changed = row["train"] | {"initial": str(initial), "steps": 6, "validate_every": 3} | more
    return row | {"seed": 4, "train": changed}


def test_a_row_goes_on_from_a_checkpoint(
    first: Path, data: Path, row_dict: dict[str, Any], tmp_path: Path
) -> None:
    """The initial file is not needed afterwards."""
    initial, output = tmp_path / "initial.safetensors", tmp_path / "row.safetensors"
    shutil.copy(first, initial)
    train(data, Row.from_dict(starting_from(row_dict, initial)), output, accelerator="cpu")
    initial.unlink()
    held = load_checkpoint(first)[1].validation_ubrmse_k
    curve = read_curve(output)
    assert curve[0]["validation_ubrmse_k"] == pytest.approx(held, abs=1e-6)
    network, checkpoint = load_checkpoint(output)
    assert checkpoint.row.train.initial == str(initial)
    assert checkpoint.validation_ubrmse_k == min(point["validation_ubrmse_k"] for point in curve)
    assert network(*(torch.zeros(1, 1, side, side) for side in (4, 16, 4, 16))).isfinite().all()


def test_a_killed_row_goes_on_with_the_same_file_only(
    first: Path,
    data: Path,
    row_dict: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    initial = tmp_path / "initial.safetensors"
    shutil.copy(first, initial)
    row = starting_from(row_dict, initial, save_every=2)
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    whole, killed = (tmp_path / folder / "row.safetensors" for folder in ("whole", "killed"))
    train_until_killed(data, json.dumps(row), killed, batch=5)
    kept = state_path(killed).read_bytes()
    for output in (whole, killed):
        train(data, Row.from_dict(row), output, accelerator="cpu", threads=1)
    assert_same_run(killed, whole)

    state_path(killed).write_bytes(kept)
    weights = {name: 1.01 * tensor for name, tensor in load_file(first).items()}
    save_file(weights, initial, header_of(first))
    caplog.clear()
    train(data, Row.from_dict(row), killed, accelerator="cpu", threads=1)
    assert "belongs to another row, dataset or version" in caplog.text
    assert read_curve(killed)[0] != read_curve(whole)[0]


def header_of(path: Path, **more: Any) -> dict[str, str]:
    """The header of a file of weights, with other entries."""
    length = int.from_bytes(path.read_bytes()[:8], "little")
    metadata = json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]
    return {"lstsr": json.dumps(json.loads(metadata["lstsr"]) | more)}


@pytest.mark.parametrize(
    ("header", "weights", "words"),
    [
        ({"model": "esrnet"}, {}, "has model esrnet, but dctnet-base-x4-observed-s4 has dctnet"),
        ({"options": {"features": 4}}, {}, "has options {'features': 4}, but dctnet-base"),
        ({"reference_bands": ["red"]}, {}, r"has reference_bands \['red'\], but dctnet-base"),
        ({}, {"more": torch.zeros(1)}, "does not fit dctnet-base.*: more is unknown"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    first: Path,
    data: Path,
    row_dict: dict[str, Any],
    tmp_path: Path,
    header: dict[str, Any],
    weights: dict[str, Any],
    words: str,
) -> None:
    initial = tmp_path / "initial.safetensors"
    save_file(load_file(first) | weights, initial, header_of(first, **header))
    with pytest.raises(LstsrError, match=rf"train\.initial: .*initial\.safetensors {words}"):
        train(data, Row.from_dict(starting_from(row_dict, initial)), tmp_path / "row.safetensors")


@pytest.mark.parametrize("content", [None, b"not weights"])
def test_another_file_is_refused(
    data: Path, row_dict: dict[str, Any], tmp_path: Path, content: bytes | None
) -> None:
    initial = tmp_path / "initial.safetensors"
    if content:
        initial.write_bytes(content)
    with pytest.raises(LstsrError, match=r"train\.initial: .*initial\.safetensors is not a check"):
        train(data, Row.from_dict(starting_from(row_dict, initial)), tmp_path / "row.safetensors")


def test_training_fits_the_constants_of_released_weights_alone(
    data: Path, row_dict: dict[str, Any], tmp_path: Path
) -> None:
    released, initial = tmp_path / "released.pth", tmp_path / "initial.safetensors"
    torch.save(random_unet_weights(), released)
    import_released("sif-nn-sr1", released, initial)
    row = starting_from(row_dict, initial) | {"model": "sif-nn-sr1", "options": {}}
    output = tmp_path / "row.safetensors"
    train(data, Row.from_dict(row), output, accelerator="cpu", threads=1)
    assert load_checkpoint(output)[1].best_step > 0
    before, after = load_file(initial), load_file(output)
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"log_gain", "offset"}


FITTED = {"train": ("001", "034", "088", "124", "149", "193"), "validation": ("082", "145")}


@pytest.fixture(scope="module")
def real(shared: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All test scenes of modis-aster, and a few of the others to fit the constants on."""
    config = load(root / "configs" / "modis-aster-released.yaml")
    manifest = shared / "data" / "modis-aster" / "scenes.csv"
    folder = tmp_path_factory.mktemp("real")
    splits = {name: split for split, names in FITTED.items() for name in names}
    region = config.split.test
    for scene in read_manifest(manifest, config.sensors.roles):
        if scene.lon > region.lon_min:
            splits[scene.scene] = "test"
        if scene.scene in splits:
            align(scene, config.sensors, config.align, folder)
    output = folder / "dataset.safetensors"
    settings = {"origin": "observed", "sensors": {}, "align": {}}
    pack(output, folder, splits, "modis-aster", config.blocks, config.packing, settings)
    return output


@pytest.mark.real
@pytest.mark.parametrize("name", sorted(RELEASED))
def test_real_weights_with_fitted_constants_beat_bilinear_by_1_db(
    real: Path, shared: Path, row_dict: dict[str, Any], tmp_path: Path, name: str
) -> None:
    initial, output = tmp_path / "initial.safetensors", tmp_path / "row.safetensors"
    import_released(name, shared / "data" / "released" / f"{name}.safetensors", initial)
    row = starting_from(row_dict, initial, steps=30, validate_every=30, learning_rate=0.05)
    train(real, Row.from_dict(row | {"model": name, "options": {}}), output, threads=1)
    network, dataset = load_checkpoint(output)[0], Dataset(real)
    gains_db = []
    for scene in dataset.scenes("test"):
        arrays = dataset.scene(scene, "observed-x4")
        normalisation = scene_normalisation(dataset, scene, "observed-x4")
        ours_k, bilinear_k = (
            ubrmse_k(predict_scene(one, arrays, normalisation), arrays.target, arrays.scored)
            for one in (network, build("bilinear", 4, 1))
        )
        gains_db.append(20 * np.log10(bilinear_k / ours_k))
    assert len(gains_db) == 14
    assert np.mean(gains_db) > 1
