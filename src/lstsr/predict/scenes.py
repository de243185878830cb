"""Predictions of a dataset's scenes by one row, one GeoTIFF per scene on the fine grid."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from torch import nn
from tqdm import tqdm

from lstsr.dataset.loader import Dataset
from lstsr.errors import LstsrError
from lstsr.files import write_csv
from lstsr.grid import Grid
from lstsr.image import Mask, SensorImage
from lstsr.models.normalisation import Kind
from lstsr.predict.cost import macs_per_pixel, parameter_count
from lstsr.predict.members import load_members
from lstsr.predict.tiling import tile_of, tiled
from lstsr.registry import CLASSICAL, build
from lstsr.rows import Row
from lstsr.sensors import geotiff
from lstsr.tracks import scale_of
from lstsr.training.network_io import banded, best_device, predict_scene, scene_normalisation

logger = logging.getLogger(__name__)
TRAINING = ("steps", "train_seconds", "train_cpu_s")
COLUMNS = (
    *("scene", "split", "file", "parameters", "macs_per_pixel"),
    *(*TRAINING, "predict_seconds"),
)
TILE = 512
UNTRAINED: dict[str, float] = dict.fromkeys(TRAINING, 0)


def predict_split(
    data: Path,
    row: Row,
    split: str,
    checkpoints: Sequence[Path],
    index: Path,
    threads: int | None,
    *,
    self_ensemble: bool = False,
) -> None:
    """Predict the scenes of ``split`` and write the CSV ``index``, with the files in its folder.

    Fine pixels in a coarse cell without valid input are no-data, as in `lstsr predict`.
    Several ``checkpoints`` are the seeds of one training, and their mean predicts the row
    (`SeedEnsemble`). With ``self_ensemble`` the network sees each tile from eight sides
    (`SelfEnsemble`). The cost in ``index`` counts all of it: parameters, steps and
    ``train_seconds`` of all seeds, multiply-accumulates of all seeds and sides.
    Raises LstsrError as `load_members`, and if the row of a network has no checkpoint; a
    classical row needs none.
    """
    if threads:
        torch.set_num_threads(threads)
    dataset = Dataset(data, row.channels, row.guide, row.fold)
    key = row.key
    network, trained = _network(dataset, row, checkpoints, self_ensemble)
    device = best_device()
    network.to(device)
    cost = {
        "parameters": parameter_count(network),
        "macs_per_pixel": macs_per_pixel(network, row.scale, len(dataset.meta.reference_bands)),
        **trained,
    }
    records = []
    for name in tqdm(dataset.scenes(split), unit="scene"):
        start = time.perf_counter()
        values = _predict(dataset, name, key, network, device, row.normalisation)
        seconds = time.perf_counter() - start
        file = f"{name}.tif"
        image = _image(dataset, name, values, row)
        geotiff.write(index.parent / file, image, {"origin": dataset.meta.origin})
        records.append(
            {"scene": name, "split": split, "file": file, "predict_seconds": seconds} | cost
        )
    write_csv(index, COLUMNS, records)


def _network(
    dataset: Dataset, row: Row, checkpoints: Sequence[Path], self_ensemble: bool
) -> tuple[nn.Module, dict[str, float]]:
    """The row's network, ready to predict, and the length of its training, steps and seconds."""
    channels = len(dataset.meta.reference_bands)
    if row.model in CLASSICAL:
        return build(row.model, row.scale, channels, **row.options).eval(), UNTRAINED
    if not checkpoints:
        raise LstsrError(f"model {row.model} needs weights. Give --checkpoint")
    network, members = load_members(checkpoints, self_ensemble)
    return network, {name: sum(getattr(member, name) for member in members) for name in TRAINING}


def _predict(
    dataset: Dataset, name: str, key: str, network: nn.Module, device: torch.device, kind: Kind
) -> np.ndarray:
    """The prediction (H, W) or (B, H, W), NaN in cells without valid input."""
    normalisation = scene_normalisation(dataset, name, key, kind)
    scale = scale_of(key)

    def window(row: int, column: int, height: int, width: int) -> np.ndarray:
        scene = dataset.window(name, key, row, column, height, width)
        covered = scene.input_valid.repeat(scale, 0).repeat(scale, 1)
        fine = predict_scene(network, scene, normalisation, device)
        return np.where(covered, fine, np.float32(np.nan))

    return tiled(window, dataset.shape(name, key), scale, tile_of(network, TILE))


def _image(dataset: Dataset, name: str, values: np.ndarray, row: Row) -> SensorImage:
    scene = dataset.scene_meta(name)
    transform = dataset.transform(name, row.block)
    bands = banded(values)
    valid: Mask = np.all(np.isfinite(bands), axis=0)
    grid = Grid(scene.crs, Affine(*transform), values.shape[-1], values.shape[-2])
    return SensorImage(
        bands,
        valid,
        grid,
        dataset.meta.target_bands,
        dataset.meta.target_unit,
        f"{row.model} {row.variant}",
        scene.time,
        (f"predicted by {row.model}, {row.track} x{row.scale}, seed {row.seed}",),
    )
