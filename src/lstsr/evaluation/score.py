"""Scores of one row, scene by scene: on the common fine grid, and on the target's own grid."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lstsr import __version__, metrics
from lstsr.dataset.loader import Dataset, SceneArrays
from lstsr.errors import LstsrError
from lstsr.evaluation.columns import (
    COST,
    IMAGE_SCORE_COLUMNS,
    SCORE_COLUMNS,
    SURFACE_METRICS,
    TARGET_GRID,
)
from lstsr.files import read_csv, write_csv
from lstsr.geo.coarsen import coarsened_to
from lstsr.geo.resample import resample
from lstsr.image import Floats, Mask, SensorImage
from lstsr.rows import Row
from lstsr.sensors import geotiff

logger = logging.getLogger(__name__)


def score_row(data: Path, row: Row, predictions: Path, aligned: Path, output: Path) -> None:
    """Score every prediction listed in the index ``predictions``; write one CSV row per scene.

    ``aligned`` holds the targets on their own grids. Only an observed track is scored there: the
    input of a degraded track was made from the target on the common grid. Optical images have
    scores and columns of their own. Raises LstsrError that names the scene.
    """
    dataset = Dataset(data, fold=row.fold)
    key = row.key
    lst = dataset.meta.target_unit == "kelvin"
    columns = SCORE_COLUMNS if lst else IMAGE_SCORE_COLUMNS
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
                record |= metrics.score_image(image.values, scene.target, scene.scored)
        except LstsrError as error:
            raise LstsrError(f"scene {name}: {error}") from None
        record |= {column: entry[column] for column in COST}
        logger.info("%s %s: PSNR %.2f dB", row.model, name, record["psnr_db"])
        records.append(record)
    write_csv(output, columns, ({key: record.get(key) for key in columns} for record in records))


def _score_lst(
    image: SensorImage, scene: SceneArrays, row: Row, water: Mask | None, target: Path
) -> dict[str, float]:
    """Scores on the common grid, by surface and, for an observed track, on the target's grid."""
    inputs = scene.input, scene.input_valid
    scores = metrics.score(image.values[0], scene.target, scene.scored, *inputs, row.scale)
    scores |= score_by_surface(image.values[0], scene, water)
    if row.track == "observed":
        native = score_on_target_grid(image, scene, target)
        scores |= {TARGET_GRID + metric: value for metric, value in native.items()}
    return scores


def score_by_surface(
    prediction_k: Floats, scene: SceneArrays, water: Mask | None
) -> dict[str, float]:
    """Number of pixels and errors over land and over water, such as ``land_rmse_k``.

    Empty if ``water`` is unknown. A surface without scored pixels has no errors.
    """
    scores: dict[str, float] = {}
    for surface, mask in {} if water is None else {"land": ~water, "water": water}.items():
        scored = scene.scored & mask
        scores[f"{surface}_n_pixels"] = float(np.count_nonzero(scored))
        if scored.any():
            for name in SURFACE_METRICS:
                error = getattr(metrics, name)(prediction_k, scene.target, scored)
                scores[f"{surface}_{name}"] = error
    return scores


def score_on_target_grid(image: SensorImage, scene: SceneArrays, target: Path) -> dict[str, float]:
    """The scores of a prediction on the target's own grid.

    The prediction is moved back by the shift of the target, so the target is not resampled. If the
    target has finer pixels, they are averaged over whole blocks.
    """
    native = coarsened_to(geotiff.read_written(target), image.grid.gsd_m)
    tags = geotiff.tags(target)
    grid = image.grid.moved(-float(tags["moved_row"]), -float(tags["moved_column"]))
    values = np.where(scene.scored, image.values, np.float32(np.nan))
    scored = replace(image, values=values, valid=scene.scored, grid=grid)
    moved = resample(scored, native.grid)
    return metrics.score(moved.values[0], native.values[0], moved.valid & native.valid)


def _identity(dataset: Dataset, row: Row, split: str) -> dict[str, Any]:
    meta, target_m = dataset.meta, dataset.meta.target_m[row.block]
    align, observed = meta.config["align"], row.track == "observed"
    return {
        "dataset": meta.dataset,
        "origin": meta.origin,
        "split": split,
        "track": row.track,
        "scale": row.scale,
        "input_m": _spacing_m(target_m * row.scale),
        "target_m": _spacing_m(target_m),
        "grid": f"{align['anchor']}/{align['scale']}" if meta.reference_bands else "target",
        "model": row.model,
        "variant": row.variant,
        "seed": row.seed,
        "fold": row.fold,
        "n_train": len(dataset.scenes("train")),
        "input": _sensor(meta.config, "input") if observed else "made from the target",
        "reference": _sensor(meta.config, "reference"),
    }


def _spacing_m(spacing_m: float) -> float:
    """A spacing rounded to decimetres, or to centimetres below 10 m."""
    return round(spacing_m, 1 if spacing_m >= 10 else 2)


def _sensor(config: dict[str, Any], role: str) -> str:
    """The sensor of a role, and its product if it is not a GeoTIFF; none without the role."""
    sensor = config.get("sensors", {}).get(role, {})
    if sensor is None:
        return "none"
    product = sensor.get("product", "geotiff")
    return f"{sensor.get('sensor', 'unknown')}{'' if product == 'geotiff' else f' ({product})'}"
