"""Files of scores, one line per row and scene: their columns, how to read them, and gains."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lstsr.errors import LstsrError
from lstsr.metrics import INTERVAL_SCENES, bias_k, gain_db, rmse_k, ubrmse_k

IDENTITY = (
    "dataset",
    "origin",
    "split",
    "track",
    "scale",
    "input_m",
    "target_m",
    "grid",
    "model",
    "variant",
    "seed",
)
PIXEL_METRICS = (
    "n_pixels",
    "psnr_db",
    "ssim",
    "mse",
    "rmse_k",
    "ubrmse_k",
    "mae_k",
    "bias_k",
)
# Only for the common grid: the input's cells do not nest in the target's own grid.
CELL_METRICS = ("consistency_k", "lattice", "spectrum_db", "spectrum_bias_db")
METRICS = (*PIXEL_METRICS, *CELL_METRICS)
IMAGE_METRICS = ("n_pixels", "psnr_db", "ssim", "rmse", "mae", "bias", "sam_deg")
SURFACES = ("land", "water")
SURFACE_METRICS = {"rmse_k": rmse_k, "ubrmse_k": ubrmse_k, "bias_k": bias_k}
TIMES = ("train_seconds", "train_cpu_s", "predict_seconds")
COST = ("parameters", "macs_per_pixel", "steps", *TIMES)
TARGET_GRID = "target_grid_"
SENSORS = ("input", "reference")
NAMES = (
    "dataset",
    "origin",
    "split",
    "track",
    "grid",
    "model",
    "variant",
    *SENSORS,
    "scene",
    "version",
)
COLUMNS = (
    *IDENTITY,
    "fold",
    "n_train",
    *SENSORS,
    "scene",
    *METRICS,
    *(TARGET_GRID + name for name in PIXEL_METRICS),
    *(f"{surface}_{name}" for surface in SURFACES for name in ("n_pixels", *SURFACE_METRICS)),
    *COST,
    "version",
)
IMAGE_COLUMNS = (
    *IDENTITY,
    "fold",
    "n_train",
    *SENSORS,
    "scene",
    *IMAGE_METRICS,
    *COST,
    "version",
)


def read_scores(path: Path) -> pd.DataFrame:
    """Read a CSV that ``score_row`` wrote, or a table of such files.

    Names stay text: scene 007 is not 7, and NA is a valid name. Raises LstsrError for a file of an
    older version without the column origin.
    """
    scores = pd.read_csv(
        path,
        dtype=dict.fromkeys(NAMES, str),
        keep_default_na=False,
        na_values={
            column: ["", "nan"] for column in {*COLUMNS, *IMAGE_COLUMNS} if column not in NAMES
        },
    )
    if "origin" not in scores:
        raise LstsrError(f"{path}: the column origin is missing. Run the evaluation again.")
    return scores


def origin_title(dataset: str, origin: str) -> str:
    """A dataset's title. "data" separates the origin ``observed`` from the track of that name."""
    return f"{dataset} ({origin} data)"


def interval_note(n_scenes: int) -> str:
    """One sentence on the interval of a gain over ``n_scenes`` scenes, or why there is none."""
    if n_scenes >= INTERVAL_SCENES:
        return "Intervals: 95 %, paired bootstrap over scenes."
    scenes = "1 scene is" if n_scenes == 1 else f"{n_scenes} scenes are"
    return f"No interval: {scenes} fewer than five."


def gains_db(scores: pd.DataFrame, baseline: pd.DataFrame) -> pd.Series:
    """Per scene of one row's ``scores``, what it gains over the row ``baseline``, dB.

    It is of ubRMSE, of optical images of RMSE. The index is the scenes, which ``baseline`` must all
    hold.
    """
    error = "ubrmse_k" if "ubrmse_k" in scores else "rmse"
    own, base = (rows.set_index("scene")[error] for rows in (scores, baseline))
    return base.loc[own.index].combine(own, gain_db)
