"""Bilinear resampling of a geostationary image to UTM: lstsr against GDAL's affine warp.

    python benchmarks/resample.py [--size 10000]

The source has SIZE x SIZE pixels of 250 m (at nadir) in the scan of a satellite at 128.2 E, centred
on Korea; it is brought to SIZE x SIZE pixels of 250 m in UTM zone 52 around the same place. It
samples a field in UTM coordinates: 300 K and plane waves of 8, 6, 4 and 2 K, 90, 40, 16 and 8 km
long, in four directions. Each run is a separate process; the methods take turns. Prints, for one
and two threads: median seconds of the resampling alone, peak memory of the process (the source
included), and RMSE against the field, a rim of 2 % left out.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject

from lstsr.geo.resample import resample
from lstsr.grid import Grid
from lstsr.image import Floats, SensorImage

SCAN = "+proj=geos +lon_0=128.2 +h=35785863 +a=6378137 +b=6356752.3 +sweep=y"
UTM = "EPSG:32652"
CENTRE = (128.0, 36.5)
GSD_M = 250.0
# amplitude (kelvin), length (kilometres), direction (degrees from east), phase (radians)
WAVES = [(8, 90, 20, 0.3), (6, 40, 110, 1.1), (4, 16, 65, 2.0), (2, 8, 155, 0.7)]
METHODS = ("lstsr", "GDAL")
THREADS = (1, 2)
REPEATS = 3
BLOCK_ROWS = 64


def main() -> None:
    """Compare the methods, or run a single one in a worker process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=10_000, help="rows and columns of both images")
    parser.add_argument("--worker", nargs=3, metavar=("METHOD", "THREADS", "SOURCE"))
    options = parser.parse_args()
    if options.worker:
        method, threads, source = options.worker
        print(json.dumps(run(method, int(threads), np.load(source))))
    else:
        compare(options.size)


def compare(size: int) -> None:
    """Time the methods in turn and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.npy"
        np.save(source, field_k(around(SCAN, size)))
        print("threads  method  seconds  peak GB  RMSE K")
        for threads in THREADS:
            runs = [(method, start(method, threads, source)) for method in METHODS * REPEATS]
            seconds = {}
            for method in METHODS:
                found = [figures for name, figures in runs if name == method]
                seconds[method] = median(figures["seconds"] for figures in found)
                peak_gb = median(figures["peak_gb"] for figures in found)
                print(
                    f"{threads:7d}  {method:6s}  {seconds[method]:7.2f}  {peak_gb:7.2f}  "
                    f"{found[0]['rmse_k']:.4f}"
                )
            print(f"         lstsr / GDAL: {seconds['lstsr'] / seconds['GDAL']:.2f}", flush=True)


def start(method: str, threads: int, source: Path) -> dict[str, float]:
    """The figures of one run, in a separate process."""
    command = [sys.executable, __file__, "--worker", method, str(threads), str(source)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run(method: str, threads: int, source: Floats) -> dict[str, float]:
    """Seconds and peak memory of one method, and its error."""
    cv2.setNumThreads(threads)
    size = len(source)
    grid = around(UTM, size)
    scan = around(SCAN, size)
    valid = np.ones(source.shape, bool)
    image = SensorImage(source[None], valid, scan, ("lst",), "kelvin", "benchmark")
    began = time.perf_counter()
    values = resample(image, grid).values[0] if method == "lstsr" else warped(image, grid, threads)
    seconds = time.perf_counter() - began
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"seconds": seconds, "peak_gb": peak_gb, "rmse_k": rmse_k(values, grid)}


def warped(image: SensorImage, grid: Grid, threads: int) -> Floats:
    """GDAL's bilinear warp, both images as affine grids."""
    out = np.full(grid.shape, np.nan, np.float32)
    with rasterio.Env():
        reproject(
            image.values[0],
            out,
            src_transform=image.grid.transform,
            src_crs=image.grid.crs,
            src_nodata=np.nan,
            dst_transform=grid.transform,
            dst_crs=grid.crs,
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
            num_threads=threads,
        )
    return out


def around(crs: str, size: int) -> Grid:
    """A grid with its centre at CENTRE."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*CENTRE)
    corner = Affine.translation(x - size / 2 * GSD_M, y + size / 2 * GSD_M)
    return Grid(crs, corner @ Affine.scale(GSD_M, -GSD_M), size, size)


def blocks(grid: Grid) -> Iterator[tuple[slice, Floats]]:
    """The field on some rows of ``grid`` at a time."""
    to_utm = Transformer.from_crs(grid.crs, UTM, always_xy=True)
    for first in range(0, grid.height, BLOCK_ROWS):
        rows = slice(first, min(first + BLOCK_ROWS, grid.height))
        row, column = np.mgrid[rows, : grid.width] + 0.5
        x, y = grid.transform @ (column, row)
        yield rows, waves_k(*((x, y) if grid.crs == UTM else to_utm.transform(x, y)))


def waves_k(x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> Floats:
    """The field at points in UTM."""
    total = np.full(x_m.shape, 300.0)
    for amplitude_k, length_km, direction_deg, phase in WAVES:
        turn = np.radians(direction_deg)
        along_km = (x_m * np.cos(turn) + y_m * np.sin(turn)) / 1000
        total += amplitude_k * np.sin(2 * np.pi * along_km / length_km + phase)
    return total.astype(np.float32)


def field_k(grid: Grid) -> Floats:
    """The field on all of ``grid``."""
    return np.concatenate([values for _, values in blocks(grid)])


def rmse_k(values: Floats, grid: Grid) -> float:
    """Root mean squared error inside the rim; NaN if a pixel there is missing."""
    rim = grid.height // 50
    inner = values[rim:-rim, rim:-rim]
    squares = [
        np.square(inner[rows] - truth, dtype=np.float64)
        for rows, truth in blocks(grid.window(rim, rim, *inner.shape))
    ]
    return float(np.sqrt(np.concatenate(squares).mean()))


if __name__ == "__main__":
    main()
