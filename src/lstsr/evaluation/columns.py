"""Names of all columns of the score files and of the table, and the reader of these files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lstsr.errors import LstsrError

BLOCK = ("dataset", "split", "track", "scale")
"""Rows with the same values here are compared with each other."""
IDENTITY = (
    *("dataset", "origin", "split", "track", "scale", "input_m", "target_m", "grid"),
    *("model", "variant", "seed"),
)
"""One experiment."""
SENSORS = ("input", "reference")
TEXT = (
    *("dataset", "origin", "split", "track", "grid", "model", "variant"),
    *(*SENSORS, "scene", "version"),
)
"""Columns of text."""
PIXEL_METRICS = ("n_pixels", "psnr_db", "ssim", "mse", "rmse_k", "ubrmse_k", "mae_k", "bias_k")
CELL_METRICS = ("consistency_k", "lattice", "spectrum_db", "spectrum_bias_db")
"""Metrics that need a grid in which the input's cells nest. The target's own grid is not one."""
METRICS = (*PIXEL_METRICS, *CELL_METRICS)
IMAGE_METRICS = ("n_pixels", "psnr_db", "ssim", "rmse", "mae", "bias", "sam_deg")
"""Metrics of optical images."""
TARGET_GRID = "target_grid_"
"""Prefix of metrics on the target's own grid."""
SURFACES = ("land", "water")
SURFACE_METRICS = ("rmse_k", "ubrmse_k", "bias_k")

SIZE = ("parameters", "macs_per_pixel", "steps")
TIMES = ("train_seconds", "train_cpu_s", "predict_seconds")
COST = (*SIZE, *TIMES)

_SCENE = (*IDENTITY, "fold", "n_train", *SENSORS, "scene")
SCORE_COLUMNS = (
    *(*_SCENE, *METRICS),
    *(TARGET_GRID + name for name in PIXEL_METRICS),
    *(f"{surface}_{name}" for surface in SURFACES for name in ("n_pixels", *SURFACE_METRICS)),
    *(*COST, "version"),
)
"""Score files of LST: one row per scene."""
IMAGE_SCORE_COLUMNS = (*_SCENE, *IMAGE_METRICS, *COST, "version")
"""Score files of optical images."""

AGAINST = {"gain": "bilinear", "gain_over_local_linear": "local-linear"}
"""Prefix of a gain's columns to its baseline."""
_GAIN, _GAIN_OVER_LOCAL_LINEAR = (
    (f"{name}_db", f"{name}_db_low", f"{name}_db_high") for name in AGAINST
)
_ROW = (*IDENTITY, "n_train", "n_scenes")
TABLE_COLUMNS = (
    *(*_ROW, *PIXEL_METRICS, *_GAIN, "scenes_won", *_GAIN_OVER_LOCAL_LINEAR, *CELL_METRICS),
    *(*SIZE, "version", *SENSORS),
)
"""The table of LST: one row per experiment."""
IMAGE_TABLE_COLUMNS = (*_ROW, *IMAGE_METRICS, *_GAIN, "scenes_won", *SIZE, "version", *SENSORS)
"""The table of optical images."""


def read_scores(path: Path) -> pd.DataFrame:
    """Read a score file or a table.

    Names stay text: scene 007 is not 7, and NA is a valid name. Raises LstsrError for a file of an
    older version without the column origin.
    """
    numbers = {*SCORE_COLUMNS, *IMAGE_SCORE_COLUMNS}.difference(TEXT)
    scores = pd.read_csv(
        path,
        dtype=dict.fromkeys(TEXT, str),
        keep_default_na=False,
        na_values={column: ["", "nan"] for column in numbers},
    )
    if "origin" not in scores:
        raise LstsrError(f"{path}: the column origin is missing. Run the evaluation again.")
    return scores


def of_lst(scores: pd.DataFrame) -> bool:
    """Whether the scores are of LST, not of optical images."""
    return "rmse_k" in scores


def has_folds(scores: pd.DataFrame) -> bool:
    """Whether the scores are of a split with folds."""
    return "fold" in scores and bool(scores["fold"].notna().all())


def origin_title(dataset: str, origin: str) -> str:
    """A dataset's title. The word "data" sets the origin ``observed`` apart from the track."""
    return f"{dataset} ({origin} data)"
