"""Predictions of a dataset's scenes by one row, one GeoTIFF per scene on the fine grid."""

from __future__ import annotations

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
from lstsr.image import SensorImage
from lstsr.predict.cost import macs_per_pixel, parameter_count
from lstsr.predict.members import load_members
from lstsr.predict.tiling import tile_of, tiled
from lstsr.registry import CLASSICAL, build
from lstsr.rows import Row
from lstsr.sensors import geotiff
from lstsr.training.checkpoint import CheckpointHeader
from lstsr.training.network_io import banded, best_device, predict_scene, scene_normalisation

TRAINING = ("steps", "train_seconds", "train_cpu_s")
COLUMNS = ("scene", "split", "file", "parameters", "macs_per_pixel", *TRAINING, "predict_seconds")
TILE = 512


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

    Fine pixels in a coarse cell without valid input are no-data. Several ``checkpoints`` are the
    seeds of one training, and their mean predicts the row. With ``self_ensemble`` the network sees
    each tile from eight sides. The cost in ``index`` counts all seeds and sides. Raises LstsrError
    as `load_members`, and if the row of a network has no checkpoint.
    """
    if threads:
        torch.set_num_threads(threads)
    dataset = Dataset(data, row.channels, row.guide, row.fold)
    channels = len(dataset.meta.reference_bands)
    members: Sequence[CheckpointHeader] = ()
    if row.model in CLASSICAL:
        network = build(row.model, row.scale, channels, **row.options).eval()
    elif checkpoints:
        network, members = load_members(checkpoints, self_ensemble)
    else:
        raise LstsrError(f"model {row.model} needs weights. Give --checkpoint")
    network.to(best_device())
    cost = {name: sum(getattr(member, name) for member in members) for name in TRAINING}
    cost["parameters"] = parameter_count(network)
    cost["macs_per_pixel"] = macs_per_pixel(network, row.scale, channels)
    records = []
    for name in tqdm(dataset.scenes(split), unit="scene"):
        start = time.perf_counter()
        values = _predict(dataset, name, row, network)
        seconds = time.perf_counter() - start
        image = _image(dataset, name, values, row)
        geotiff.write(index.parent / f"{name}.tif", image, {"origin": dataset.meta.origin})
        record = {"scene": name, "split": split, "file": f"{name}.tif", "predict_seconds": seconds}
        records.append(record | cost)
    write_csv(index, COLUMNS, records)


def _predict(dataset: Dataset, name: str, row: Row, network: nn.Module) -> np.ndarray:
    """The prediction (H, W) or (B, H, W), NaN in cells without valid input."""
    key, scale, device = row.key, row.scale, best_device()
    normalisation = scene_normalisation(dataset, name, key, row.normalisation)

    def window(*place: int) -> np.ndarray:
        scene = dataset.window(name, key, *place)
        covered = scene.input_valid.repeat(scale, 0).repeat(scale, 1)
        fine = predict_scene(network, scene, normalisation, device)
        return np.where(covered, fine, np.float32(np.nan))

    return tiled(window, dataset.shape(name, key), scale, tile_of(network, TILE))


def _image(dataset: Dataset, name: str, values: np.ndarray, row: Row) -> SensorImage:
    scene, bands = dataset.scene_meta(name), banded(values)
    height, width = bands.shape[1:]
    return SensorImage(
        bands,
        np.asarray(np.isfinite(bands).all(axis=0)),
        Grid(scene.crs, Affine(*dataset.transform(name, row.block)), width, height),
        dataset.meta.target_bands,
        dataset.meta.target_unit,
        f"{row.model} {row.variant}",
        scene.time,
        (f"predicted by {row.model}, {row.track} x{row.scale}, seed {row.seed}",),
    )
