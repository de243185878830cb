"""A small dataset file, written by hand from the description of its format."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from lstsr.dataset.loader import SceneArrays

KEY = "observed-x4"
ROWS, COLUMNS, SCALE, CHANNELS = 12, 14, 4, 2  # 14 cells and 56 pixels: masks end inside a byte

PLACE = {
    "crs": "EPSG:5179",
    "transform": [250.0, 0.0, 900_000.0, 0.0, -250.0, 1_900_000.0],
    "time": "2023-05-01T02:10:00+00:00",
}


def _scene(name: str, split: str, centre_k: float, offset_k: float) -> dict[str, Any]:
    levels = {"centre_k": {KEY: centre_k}, "offset_k": {KEY: offset_k}}
    return {"scene": name, "split": split, **levels, **PLACE}


META: dict[str, Any] = {
    "dataset": "small",
    "origin": "observed",
    "version": "0.1.0",
    "target_m": {KEY: 250.0},
    "widening": {KEY: 1},
    "target_bands": ["lst"],
    "target_unit": "kelvin",
    "reference_bands": ["red", "nir"],
    "reference_mean": [0.1, 0.3],
    "reference_std": [0.05, 0.1],
    "scale_k": 10.0,
    "scenes": [
        _scene("b", "train", 300.5, 0.5),
        _scene("a", "train", 295.0, -1.5),
        _scene("c", "validation", 290.0, 2.0),
    ],
    "config": {"wild_k": 15.0},
    "harmonisation": None,
    "rows": {"dctnet-base-x4-observed-s0": {"model": "dctnet", "scale": 4}},
}


def _arrays(seed: int, centre_k: float, offset_k: float) -> SceneArrays:
    rng = np.random.default_rng(seed)
    fine = (ROWS * SCALE, COLUMNS * SCALE)
    return SceneArrays(
        input=rng.normal(centre_k, 5, (ROWS, COLUMNS)).astype(np.float32),
        input_valid=rng.random((ROWS, COLUMNS)) < 0.9,
        reference=rng.random((CHANNELS, *fine)).astype(np.float32),
        reference_valid=rng.random(fine) < 0.9,
        target=rng.normal(centre_k, 5, fine).astype(np.float32),
        scored=rng.random(fine) < 0.7,
        offset_k=offset_k,
    )


@pytest.fixture(scope="session")
def truth() -> dict[str, SceneArrays]:
    """The arrays of the file, by scene."""
    return {
        scene["scene"]: _arrays(seed, scene["centre_k"][KEY], scene["offset_k"][KEY])
        for seed, scene in enumerate(META["scenes"])
    }


@pytest.fixture(scope="session")
def dataset_path(tmp_path_factory: pytest.TempPathFactory, truth: dict[str, SceneArrays]) -> Path:
    """Path of the file."""
    tensors: dict[str, np.ndarray] = {}
    for name, arrays in truth.items():
        tensors[f"{name}/fine1/reference"] = arrays.reference
        tensors[f"{name}/fine1/reference_valid"] = np.packbits(arrays.reference_valid, axis=-1)
        tensors[f"{name}/fine1/target"] = arrays.target
        tensors[f"{name}/{KEY}/input"] = arrays.input
        tensors[f"{name}/{KEY}/input_valid"] = np.packbits(arrays.input_valid, axis=-1)
        tensors[f"{name}/{KEY}/scored"] = np.packbits(arrays.scored, axis=-1)
    path = tmp_path_factory.mktemp("dataset") / "dataset.safetensors"
    save_file(tensors, path, {"lstsr": json.dumps(META)})
    return path
