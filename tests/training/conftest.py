"""A dataset whose fine detail is in the reference alone, and a row of a tiny network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from lstsr.rows import Row
from lstsr.training.checkpoint import CheckpointHeader

KEY, DEGRADED = "observed-x4", "degraded-block-x4"
CELLS, SCALE = 16, 4
SPLITS = {"a": "train", "b": "train", "c": "train", "d": "validation", "e": "validation"}

PLACE = {"crs": "EPSG:5179", "transform": [250, 0, 0, 0, -250, 0], "time": ""}
ROW: dict[str, Any] = {
    "dataset": "small",
    "track": "observed",
    "scale": SCALE,
    "model": "dctnet",
    "variant": "base",
    "seed": 3,
    "harmonised": False,
    "guide": "own",
    "normalisation": "input",
    "channels": ["ndvi"],
    "fold": None,
    "options": {"features": 8, "layers": 1},
    "train": {
        "steps": 24,
        "batch": 2,
        "patch": 32,
        "optimizer": "adamw",
        "learning_rate": 1e-2,
        "weight_decay": 1e-4,
        "warmup_steps": 4,
        "ema_decay": 0.8,
        "clip_norm": 1.0,
        "loss": "l1",
        "consistency": 0.0,
        "level": 0.0,
        "scene_bias": "removed",
        "reference_dropout": 0.1,
        "reference_jitter": 0.0,
        "contrast": 0.2,
        "min_patch_valid": 0.5,
        "degraded_steps": 0,
        "degraded_share": 0.0,
        "validate_every": 6,
        "save_every": 5,
        "precision": "32-true",
        "initial": None,
        "adversarial": None,
    },
}


def _packed(mask: np.ndarray) -> np.ndarray:
    return np.packbits(mask, axis=-1)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """target = coarse cells - 8 K x reference; scored where the reference is above 0.1.

    The observed input is 4 K too cold, the degraded one is not.
    """
    rng = np.random.default_rng(0)
    tensors: dict[str, np.ndarray] = {}
    scenes = []
    for name, split in SPLITS.items():
        reference = rng.random((CELLS * SCALE, CELLS * SCALE)).astype(np.float32)
        coarse = rng.normal(300, 2, (CELLS, CELLS)).astype(np.float32)
        target = np.kron(coarse, np.ones((SCALE, SCALE), np.float32)) - 8 * reference
        valid = np.abs(coarse - 300) < 4
        tensors[f"{name}/fine1/reference"] = reference[None]
        tensors[f"{name}/fine1/reference_valid"] = _packed(reference > 0.05)
        tensors[f"{name}/fine1/target"] = target
        centres = {}
        for key, off_k in ((KEY, 4), (DEGRADED, 0)):
            tensors[f"{name}/{key}/input"] = coarse - off_k
            tensors[f"{name}/{key}/input_valid"] = _packed(valid)
            tensors[f"{name}/{key}/scored"] = _packed(reference > 0.1)
            centres[key] = float((coarse - off_k)[valid].mean())
        levels = {"centre_k": centres, "offset_k": dict.fromkeys(centres, 0.0)}
        scenes.append({"scene": name, "split": split} | levels | PLACE)
    meta = {
        "dataset": "small",
        "origin": "observed",
        "version": "0.1.0",
        "target_m": {KEY: 250.0, DEGRADED: 250.0},
        "widening": {KEY: 1, DEGRADED: 1},
        "target_bands": ["lst"],
        "target_unit": "kelvin",
        "reference_bands": ["ndvi"],
        "reference_mean": [0.5],
        "reference_std": [0.3],
        "scale_k": 10.0,
        "scenes": scenes,
        "config": {},
        "harmonisation": None,
    }
    path = tmp_path_factory.mktemp("data") / "dataset.safetensors"
    save_file(tensors, path, {"lstsr": json.dumps(meta)})
    return path


@pytest.fixture(scope="session")
def row_json() -> str:
    """The row."""
    return json.dumps(ROW)


@pytest.fixture
def row_dict(row_json: str) -> dict[str, Any]:
    """A copy of the row to change."""
    copy: dict[str, Any] = json.loads(row_json)
    return copy


@pytest.fixture
def checkpoint(row_dict: dict[str, Any]) -> CheckpointHeader:
    """What a checkpoint of the small dataset says of itself."""
    return CheckpointHeader(
        row=Row.from_dict(row_dict),
        dataset="small",
        origin="observed",
        target_m=250.0,
        reference_bands=("ndvi",),
        scale_k=10.0,
        reference_mean=(0.5,),
        reference_std=(0.3,),
        validation_ubrmse_k=1.25,
        best_step=18,
        steps=24,
        train_seconds=3.5,
        train_cpu_s=2.5,
        fallback="bicubic",
    )
