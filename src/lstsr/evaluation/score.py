"""Scores of one row, scene by scene: on the common fine grid, and on the target's own grid."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from lstsr import __version__
from lstsr.dataset.loader import Dataset, SceneArrays
from lstsr.errors import LstsrError
from lstsr.evaluation.score_files import COLUMNS, COST, IMAGE_COLUMNS, SURFACE_METRICS, TARGET_GRID
from lstsr.files import read_csv, write_csv
from lstsr.geo.coarsen import coarsened_to
from lstsr.geo.resample import resample
from lstsr.image import Floats, Mask, SensorImage
from lstsr.metrics import score, score_image
from lstsr.rows import Row
from lstsr.sensors.raster import geotiff

logger = logging.getLogger(__name__)


def score_row(data: Path, row: Row, predictions: Path, aligned: Path, output: Path) -> None:
    """Score every prediction listed in the index ``predictions`` and write one CSV row a scene.

    ``aligned`` holds the targets on their own grids. An observed track is scored there too; a
    degraded one is not, since its input was made from the target on the common grid. Optical
    images have scores and columns of their own.
    """
    dataset = Dataset(data, fold=row.fold)
    key = row.key
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
        logger.info("%s %s: PSNR %.2f dB", row.model, name, record["psnr_db"])
        records.append(record)
    write_csv(output, columns, ({key: record.get(key) for key in columns} for record in records))


def _score_lst(
    image: SensorImage, scene: SceneArrays, row: Row, water: Mask | None, target: Path
) -> dict[str, float]:
    """Scores on the common grid, by surface and, of an observed track, on the target's own grid."""
    inputs = scene.input, scene.input_valid
    found = score(image.values[0], scene.target, scene.scored, *inputs, row.scale)
    found |= score_by_surface(image.values[0], scene, water)
    if row.track == "observed":
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


def _identity(dataset: Dataset, row: Row, split: str) -> dict[str, Any]:
    meta = dataset.meta
    anchor = meta.config["align"]
    target_m = meta.target_m[row.block]
    return {
        "dataset": meta.dataset,
        "origin": meta.origin,
        "split": split,
        "track": row.track,
        "scale": row.scale,
        "input_m": _spacing_m(target_m * row.scale),
        "target_m": _spacing_m(target_m),
        "grid": f"{anchor['anchor']}/{anchor['scale']}" if meta.reference_bands else "target",
        "model": row.model,
        "variant": row.variant,
        "seed": row.seed,
        "fold": row.fold,
        "n_train": len(dataset.scenes("train")),
        "input": _sensor(meta.config, "input")
        if row.track == "observed"
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


def prediction_values(predictions: Path, scene: str) -> Floats:
    """One scene's prediction (H, W) in kelvin, by the index of a row's predictions."""
    return predicted_image(predictions, scene)[0]


def predicted_image(predictions: Path, scene: str) -> Floats:
    """All bands (B, H, W) of one scene's prediction."""
    return geotiff.read_written(predictions.parent / f"{scene}.tif").values
