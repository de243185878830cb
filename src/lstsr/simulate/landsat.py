"""Writer of Landsat 8/9 Collection-2 Level-2 folders (L2SP) as USGS delivers them.

Names, numbers and keys: USGS Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619). Of
a product's rasters those are made that tell LST, reflectance and their quality.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS

from lstsr.grid import Grid
from lstsr.image import Floats
from lstsr.sensors.landsat import FILL, REFLECTANCE, UNCERTAINTY_FILL, UNCERTAINTY_SCALE_K
from lstsr.simulate.places import PROCESSED_AFTER
from lstsr.times import iso

LST_SCALE_K, LST_OFFSET_K = 0.00341802, 149.0
REFLECTANCE_SCALE, REFLECTANCE_OFFSET = 2.75e-05, -0.2
QUANTISED = 1, 65535
QA_PIXEL_FILL = 1
SPACING_M = 30
TILE = 256
NOT_ASSESSED, BEST_QUALITY = "-1.00", "9"

# Level 1 of the same scene, whose keys an L2SP's MTL repeats in groups of their own.
LEVEL1_REFLECTANCE = "2.0000E-05", "-0.100000"
LEVEL1_THERMAL = {"K1_CONSTANT_BAND_10": "774.8853", "K2_CONSTANT_BAND_10": "1321.0789"}

Groups = dict[str, dict[str, str]]


@dataclass(frozen=True)
class LandsatProduct:
    """What an L2SP holds on ``grid`` (UTM north, 30 m); arrays are (row, column), NaN is no value.

    ``lst_k`` and ``lst_uncertainty_k`` are in kelvin, ``reflectance`` has all bands from coastal to
    swir22; ``qa_pixel`` and ``qa_radsat`` are bits, uint16; ``time`` is the scene's centre, UTC.
    """

    product_id: str
    grid: Grid
    time: datetime
    lst_k: Floats
    lst_uncertainty_k: Floats
    reflectance: dict[str, Floats]
    qa_pixel: NDArray[np.uint16]
    qa_radsat: NDArray[np.uint16]
    sun_azimuth_deg: float
    sun_elevation_deg: float
    cloud_cover_percent: float
    path: int
    row: int

    def __post_init__(self) -> None:
        """Raise ValueError for a grid that Landsat products do not have."""
        step = self.grid.transform
        if (step.a, step.b, step.d, step.e) != (SPACING_M, 0, 0, -SPACING_M):
            raise ValueError(f"a Landsat grid has pixels of {SPACING_M} m, north up: {step}")
        if not 1 <= self.utm_zone <= 60:
            raise ValueError(f"a Landsat grid is in UTM north: {self.grid.crs}")

    @property
    def utm_zone(self) -> int:
        """Of the grid."""
        return (CRS.from_string(self.grid.crs).to_epsg() or 0) - 32600


def write_l2sp(folder: Path, product: LandsatProduct) -> Path:
    """Write ``folder / product_id``: eleven rasters, and the MTL as text and as JSON.

    Written under a temporary name and renamed, so that a folder of that name is always whole; one
    that was there is replaced. Returns the folder made.
    """
    made = folder / product.product_id
    partial, replaced = (
        folder / f".{product.product_id}.{state}" for state in ("partial", "replaced")
    )
    for stale in (partial, replaced):
        shutil.rmtree(stale, ignore_errors=True)
    partial.mkdir(parents=True)
    for ending, (numbers, nodata) in _rasters(product).items():
        _write(partial / f"{product.product_id}_{ending}.TIF", product.grid, numbers, nodata)
    groups = _groups(product)
    stem = f"{product.product_id}_MTL"
    (partial / f"{stem}.txt").write_text(_odl(groups))
    (partial / f"{stem}.json").write_text(json.dumps({"LANDSAT_METADATA_FILE": groups}, indent=2))
    # removed under another name: a removal that is cut short leaves half a folder
    if made.exists():
        made.rename(replaced)
    partial.rename(made)
    shutil.rmtree(replaced, ignore_errors=True)
    return made


def _rasters(product: LandsatProduct) -> dict[str, tuple[np.ndarray, int | None]]:
    """Stored numbers and nodata of each raster, by the ending of its name."""
    return {
        "ST_B10": (_quantised(product.lst_k, LST_SCALE_K, LST_OFFSET_K), FILL),
        "ST_QA": (_uncertainty(product.lst_uncertainty_k), UNCERTAINTY_FILL),
        **{
            f"SR_B{number}": (
                _quantised(product.reflectance[band], REFLECTANCE_SCALE, REFLECTANCE_OFFSET),
                FILL,
            )
            for band, number in REFLECTANCE.items()
        },
        "QA_PIXEL": (product.qa_pixel, QA_PIXEL_FILL),
        "QA_RADSAT": (product.qa_radsat, None),
    }


def _quantised(values: Floats, scale: float, offset: float) -> NDArray[np.uint16]:
    numbers = np.rint((values - np.float32(offset)) * np.float32(1 / scale)).clip(*QUANTISED)
    return np.nan_to_num(numbers, nan=FILL).astype(np.uint16)


def _uncertainty(values_k: Floats) -> NDArray[np.int16]:
    numbers = np.rint(values_k * np.float32(1 / UNCERTAINTY_SCALE_K)).clip(0, np.iinfo("i2").max)
    return np.nan_to_num(numbers, nan=UNCERTAINTY_FILL).astype(np.int16)


def _write(path: Path, grid: Grid, numbers: np.ndarray, nodata: int | None) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype=numbers.dtype,
        count=1,
        height=grid.height,
        width=grid.width,
        crs=grid.crs,
        transform=grid.transform,
        nodata=nodata,
        tiled=True,
        blockxsize=TILE,
        blockysize=TILE,
        compress="deflate",
        zlevel=1,
        predictor=2,
    ) as dataset:
        # USGS states coordinates of pixel centres in the file; GDAL gives the same transform back
        dataset.update_tags(AREA_OR_POINT="Point")
        dataset.write(numbers, 1)


def _groups(product: LandsatProduct) -> Groups:
    """The MTL: keys by group, all values as text."""
    name, bands = product.product_id, REFLECTANCE.values()
    processed = iso(product.time + PROCESSED_AFTER)
    files = {
        **{f"FILE_NAME_BAND_{n}": f"{name}_SR_B{n}.TIF" for n in bands},
        "FILE_NAME_BAND_ST_B10": f"{name}_ST_B10.TIF",
        "FILE_NAME_QUALITY_L2_SURFACE_TEMPERATURE": f"{name}_ST_QA.TIF",
        "FILE_NAME_QUALITY_L1_PIXEL": f"{name}_QA_PIXEL.TIF",
        "FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION": f"{name}_QA_RADSAT.TIF",
    }
    types = {
        key.replace("FILE_NAME", "DATA_TYPE"): "INT16" if "_ST_QA." in file else "UINT16"
        for key, file in files.items()
    }
    identity = {
        "ORIGIN": "Simulated by lstsr",
        "LANDSAT_PRODUCT_ID": name,
        "PROCESSING_LEVEL": "L2SP",
        "OUTPUT_FORMAT": "GEOTIFF",
    }
    level1_name = name.replace("L2SP", "L1TP")
    level1_mult, level1_add = LEVEL1_REFLECTANCE
    return {
        "PRODUCT_CONTENTS": {
            **identity,
            "COLLECTION_NUMBER": "02",
            "COLLECTION_CATEGORY": "T1",
            **files,
            "FILE_NAME_METADATA_ODL": f"{name}_MTL.txt",
            **types,
        },
        "IMAGE_ATTRIBUTES": {
            "SPACECRAFT_ID": f"LANDSAT_{int(name[2:4])}",
            "SENSOR_ID": "OLI_TIRS",
            "WRS_TYPE": "2",
            "WRS_PATH": f"{product.path}",
            "WRS_ROW": f"{product.row}",
            "NADIR_OFFNADIR": "NADIR",
            "DATE_ACQUIRED": f"{product.time:%Y-%m-%d}",
            "SCENE_CENTER_TIME": f"{product.time:%H:%M:%S.%f}0Z",
            "CLOUD_COVER": f"{product.cloud_cover_percent:.2f}",
            "CLOUD_COVER_LAND": NOT_ASSESSED,
            "IMAGE_QUALITY_OLI": BEST_QUALITY,
            "IMAGE_QUALITY_TIRS": BEST_QUALITY,
            "ROLL_ANGLE": "0.000",
            "SUN_AZIMUTH": f"{product.sun_azimuth_deg:.8f}",
            "SUN_ELEVATION": f"{product.sun_elevation_deg:.8f}",
        },
        "PROJECTION_ATTRIBUTES": _projection(product),
        "LEVEL2_PROCESSING_RECORD": {**identity, "DATE_PRODUCT_GENERATED": processed},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {
            **{f"REFLECTANCE_MULT_BAND_{n}": f"{REFLECTANCE_SCALE}" for n in bands},
            **{f"REFLECTANCE_ADD_BAND_{n}": f"{REFLECTANCE_OFFSET}" for n in bands},
        },
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": {
            **{
                f"TEMPERATURE_{key}_BAND_ST_B10": f"{number * LST_SCALE_K + LST_OFFSET_K:.6f}"
                for key, number in zip(("MINIMUM", "MAXIMUM"), QUANTISED, strict=True)
            },
            "QUANTIZE_CAL_MINIMUM_BAND_ST_B10": f"{QUANTISED[0]}",
            "QUANTIZE_CAL_MAXIMUM_BAND_ST_B10": f"{QUANTISED[1]}",
            "TEMPERATURE_MULT_BAND_ST_B10": f"{LST_SCALE_K}",
            "TEMPERATURE_ADD_BAND_ST_B10": f"{LST_OFFSET_K}",
        },
        "LEVEL1_PROCESSING_RECORD": {
            **identity,
            "LANDSAT_PRODUCT_ID": level1_name,
            "PROCESSING_LEVEL": "L1TP",
            **{f"FILE_NAME_BAND_{n}": f"{level1_name}_B{n}.TIF" for n in bands},
            "FILE_NAME_QUALITY_L1_PIXEL": f"{level1_name}_QA_PIXEL.TIF",
        },
        "LEVEL1_RADIOMETRIC_RESCALING": {
            **{f"REFLECTANCE_MULT_BAND_{n}": level1_mult for n in bands},
            **{f"REFLECTANCE_ADD_BAND_{n}": level1_add for n in bands},
        },
        "LEVEL1_THERMAL_CONSTANTS": LEVEL1_THERMAL,
    }


def _projection(product: LandsatProduct) -> dict[str, str]:
    """Where the raster lies: its corners are the centres of its corner pixels."""
    grid = product.grid
    to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    left, top, right, bottom = 0.5, 0.5, grid.width - 0.5, grid.height - 0.5
    corners = {
        corner: grid.transform @ centre
        for corner, centre in {
            "UL": (left, top),
            "UR": (right, top),
            "LL": (left, bottom),
            "LR": (right, bottom),
        }.items()
    }
    degrees: dict[str, str] = {}
    metres: dict[str, str] = {}
    for corner, (x, y) in corners.items():
        lon, lat = to_degrees.transform(x, y)
        degrees |= {f"CORNER_{corner}_LAT_PRODUCT": f"{lat:.5f}"}
        degrees |= {f"CORNER_{corner}_LON_PRODUCT": f"{lon:.5f}"}
        metres |= {f"CORNER_{corner}_PROJECTION_X_PRODUCT": f"{x:.3f}"}
        metres |= {f"CORNER_{corner}_PROJECTION_Y_PRODUCT": f"{y:.3f}"}
    return {
        "MAP_PROJECTION": "UTM",
        "DATUM": "WGS84",
        "ELLIPSOID": "WGS84",
        "UTM_ZONE": f"{product.utm_zone}",
        "GRID_CELL_SIZE_REFLECTIVE": f"{SPACING_M:.2f}",
        "GRID_CELL_SIZE_THERMAL": f"{SPACING_M:.2f}",
        "REFLECTIVE_LINES": f"{grid.height}",
        "REFLECTIVE_SAMPLES": f"{grid.width}",
        "THERMAL_LINES": f"{grid.height}",
        "THERMAL_SAMPLES": f"{grid.width}",
        "ORIENTATION": "NORTH_UP",
        **degrees,
        **metres,
    }


def _odl(groups: Groups) -> str:
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for name, keys in groups.items():
        lines.append(f"  GROUP = {name}")
        lines += [f"    {key} = {_odl_value(text)}" for key, text in keys.items()]
        lines.append(f"  END_GROUP = {name}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


def _odl_value(text: str) -> str:
    """Numbers and dates are bare, all else is quoted."""
    bare = re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d(T[\d:]+Z)?", text)
    return text if bare else f'"{text}"'
