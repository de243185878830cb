"""Scores of one row, scene by scene: on the common fine grid, and on the target's own grid."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr import __version__
from lstsr.dataset.loader import Dataset, SceneArrays, key_of
from lstsr.errors import LstsrError
from lstsr.files import read_csv, write_csv
from lstsr.geo.coarsen import coarsened_to
from lstsr.geo.resample import resample
from lstsr.image import Floats, Mask, SensorImage
from lstsr.metrics import (
    INTERVAL_SCENES,
    bias_k,
    gain_db,
    rmse_k,
    score,
    score_image,
    ubrmse_k,
)
from lstsr.sensors import geotiff

logger = logging.getLogger(__name__)
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
# Of grids in which the input's cells nest, the target's own is none.
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


def score_row(
    data: Path, row: dict[str, Any], predictions: Path, aligned: Path, output: Path
) -> None:
    """Score every prediction listed in the index ``predictions`` and write one CSV row a scene.

    ``aligned`` holds the targets on their own grids. An observed track is scored there too; a
    degraded one is not, since its input was made from the target on the common grid. Optical
    images have scores and columns of their own.
    """
    dataset = Dataset(data, fold=row.get("fold"))
    key = key_of(row["track"], row["scale"], row["harmonised"], row.get("fold"))
    lst = dataset.meta.target_unit == "kelvin"
    columns = COLUMNS if lst else IMAGE_COLUMNS
    records = []
    for entry in read_csv(predictions):
        name = entry["scene"]
        scene = dataset.scene(name, key)
        image = geotiff.read_written(predictions.parent / entry["file"])
        record = _identity(dataset, row, entry["split"]) | {"scene": name, "version": __version__}
        try:
            if lst:
                water, native = dataset.water(name, key), aligned / name / "target_native.tif"
                record |= _score_lst(image, scene, row, water, native)
            else:
                record |= score_image(image.values, scene.target, scene.scored)
        except LstsrError as error:
            raise LstsrError(f"scene {name}: {error}") from None
        record |= {column: entry[column] for column in COST}
        logger.info("%s %s: PSNR %.2f dB", row["model"], name, record["psnr_db"])
        records.append(record)
    write_csv(output, columns, ({key: record.get(key) for key in columns} for record in records))


def _score_lst(
    image: SensorImage, scene: SceneArrays, row: dict[str, Any], water: Mask | None, target: Path
) -> dict[str, float]:
    """Scores on the common grid, by surface and, of an observed track, on the target's own grid."""
    inputs = scene.input, scene.input_valid
    found = score(image.values[0], scene.target, scene.scored, *inputs, row["scale"])
    found |= score_by_surface(image.values[0], scene, water)
    if row["track"] == "observed":
        native = score_on_target_grid(image, scene, target)
        found |= {TARGET_GRID + metric: value for metric, value in native.items()}
    return found


def score_by_surface(
    prediction_k: Floats, scene: SceneArrays, water: Mask | None
) -> dict[str, float]:
    """Pixels and errors over land and over water, named ``land_rmse_k`` and alike.

    Empty where no one knows what is water; without errors where nothing of a surface is scored.
    """
    found: dict[str, float] = {}
    for surface, there in {} if water is None else {"land": ~water, "water": water}.items():
        scored = scene.scored & there
        found[f"{surface}_n_pixels"] = float(np.count_nonzero(scored))
        if scored.any():
            for name, measure in SURFACE_METRICS.items():
                found[f"{surface}_{name}"] = measure(prediction_k, scene.target, scored)
    return found


def score_on_target_grid(image: SensorImage, scene: SceneArrays, target: Path) -> dict[str, float]:
    """The scores of a prediction brought to the target's own grid.

    The prediction is moved back by what the target was moved by, so the target is not resampled;
    where its pixels are finer than the prediction's, they are averaged over whole blocks.
    """
    native = coarsened_to(geotiff.read_written(target), image.grid.gsd_m)
    tags = geotiff.tags(target)
    shift = (-float(tags["moved_row"]), -float(tags["moved_column"]))
    scored = SensorImage(
        np.where(scene.scored, image.values, np.float32(np.nan)),
        scene.scored,
        image.grid.moved(*shift),
        image.bands,
        image.unit,
        image.sensor,
    )
    moved = resample(scored, native.grid)
    return score(moved.values[0], native.values[0], moved.valid & native.valid)


def _identity(dataset: Dataset, row: dict[str, Any], split: str) -> dict[str, Any]:
    meta = dataset.meta
    anchor = meta.config["align"]
    target_m = meta.target_m[key_of(row["track"], row["scale"])]
    return {
        "dataset": meta.dataset,
        "origin": meta.origin,
        "split": split,
        "track": row["track"],
        "scale": row["scale"],
        "input_m": _spacing_m(target_m * row["scale"]),
        "target_m": _spacing_m(target_m),
        "grid": f"{anchor['anchor']}/{anchor['scale']}" if meta.reference_bands else "target",
        "model": row["model"],
        "variant": row["variant"],
        "seed": row["seed"],
        "fold": row.get("fold"),
        "n_train": len(dataset.scenes("train")),
        "input": _sensor(meta.config, "input")
        if row["track"] == "observed"
        else "made from the target",
        "reference": _sensor(meta.config, "reference"),
    }


def _spacing_m(spacing_m: float) -> float:
    """To the decimetre, below 10 m to the centimetre."""
    return round(spacing_m, 1 if spacing_m >= 10 else 2)


def _sensor(config: dict[str, Any], role: str) -> str:
    """The sensor of an image and, of a product of its own, the product's name; none if absent."""
    sensor = config.get("sensors", {}).get(role, {})
    if sensor is None:
        return "none"
    product = sensor.get("product", "geotiff")
    return f"{sensor.get('sensor', 'unknown')}{'' if product == 'geotiff' else f' ({product})'}"


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


def prediction_values(predictions: Path, scene: str) -> Floats:
    """One scene's prediction (H, W) in kelvin, by the index of a row's predictions."""
    return predicted_image(predictions, scene)[0]


def predicted_image(predictions: Path, scene: str) -> Floats:
    """All bands (B, H, W) of one scene's prediction."""
    return geotiff.read_written(predictions.parent / f"{scene}.tif").values
