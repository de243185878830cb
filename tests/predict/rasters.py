"""Plain rasters of a coarse and a fine image, and a network that was trained on such."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from lstsr.cli import main
from lstsr.rows import Row
from lstsr.training.checkpoint import CheckpointHeader
from tests.triplets import config_of

KELVIN = np.linspace(290, 305, 144, dtype=np.float32).reshape(12, 12)
RED = np.linspace(0.05, 0.35, 48 * 48, dtype=np.float32).reshape(48, 48)
COARSE = Affine(1000, 0, 300_000, 0, -1000, 4_200_000)
FINE = COARSE @ Affine.scale(0.25)


THERMAL = {"sensor": "MODIS", "unit": "celsius", "names": ["lst"], "scale": 0.1, "nodata": [-9999]}
OPTICAL = {"sensor": "S2", "unit": "reflectance", "names": ["red"], "scale": 1e-4}


def stored(path: Path, values: np.ndarray, transform: Affine, **more: Any) -> Path:
    """A plain GeoTIFF of one array, or of (band, row, column)."""
    bands = values if values.ndim == 3 else values[None]
    count, height, width = bands.shape
    units, names = more.pop("units", None), more.pop("names", None)
    profile = {"crs": "EPSG:32652", "dtype": bands.dtype, "transform": transform} | more
    with rasterio.open(path, "w", "GTiff", width, height, count, **profile) as dataset:
        dataset.write(bands)
        if units:
            dataset.units = (units,) * count
        if names:
            dataset.descriptions = names
    return path


def trained(**readings: dict[str, Any]) -> CheckpointHeader:
    """The description of a network that was trained on files read by ``readings``."""
    row = {"dataset": "d", "track": "observed", "scale": 4, "model": "dctnet", "variant": "base"}
    row |= {"seed": 0, "harmonised": False, "guide": "own", "normalisation": "input"}
    more = {"channels": ["red"], "options": {}, "train": asdict(config_of().train)}
    return CheckpointHeader(
        row=Row.from_dict(row | more),
        dataset="d",
        origin="observed",
        target_m=250.0,
        reference_bands=("red",),
        scale_k=10.0,
        reference_mean=(0.2,),
        reference_std=(0.1,),
        validation_ubrmse_k=1.0,
        best_step=1,
        steps=1,
        train_seconds=1.0,
        fallback="bicubic",
        readings=readings,
    )


def predict(coarse: Path, fine: Path, output: Path, *more: str) -> int:
    files = ["--input", str(coarse), "--reference", str(fine), "--output", str(output)]
    return main(["predict", "--model", "bilinear", "--no-registration", *files, *more])
