"""Landsat 8/9: its observation of a world, and the Collection-2 Level-2 folder (L2SP).

Names, numbers and keys: USGS Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619).
The folder has the rasters of LST, reflectance and their quality.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS

from lstsr.geo.aggregate import SIGMAS_PER_FWHM
from lstsr.grid import Grid
from lstsr.image import Floats, Mask
from lstsr.sensors.landsat.names import REFLECTANCE
from lstsr.sensors.landsat.product import FILL, UNCERTAINTY_FILL, UNCERTAINTY_SCALE_K
from lstsr.simulate.clouds import CLOUDY, Clouds, shaded, top_k, under
from lstsr.simulate.clouds import REFLECTANCE as CLOUD_REFLECTANCE
from lstsr.simulate.places import PROCESSED_AFTER
from lstsr.simulate.view import blurred, slices
from lstsr.simulate.world import World
from lstsr.times import iso

# Centres of the OLI bands, nm (Landsat 8 data users handbook, LSDS-1574, table 2-1).
OLI_NM = {
    "coastal": 443.0,
    "blue": 482.0,
    "green": 561.5,
    "red": 654.5,
    "nir08": 865.0,
    "swir16": 1608.5,
    "swir22": 2200.5,
}
TIRS_FWHM_M = 100.0
NOISE_K = 0.3
NOISE_REFLECTANCE = 0.003
DILATION_M = 150.0
UNCERTAINTY_K = (0.7, 2.5)
"""Far from clouds, and beside them."""
UNCERTAINTY_REACH_M = 2000.0

LST_SCALE_K, LST_OFFSET_K = 0.00341802, 149.0
REFLECTANCE_SCALE, REFLECTANCE_OFFSET = 2.75e-05, -0.2
QUANTISED = 1, 65535
QA_PIXEL_FILL = 1
SPACING_M = 30
TILE = 256
NOT_ASSESSED, BEST_QUALITY = "-1.00", "9"

# Level-1 keys of the same scene, which the MTL of an L2SP repeats in separate groups.
LEVEL1_REFLECTANCE = "2.0000E-05", "-0.100000"
LEVEL1_THERMAL = {"K1_CONSTANT_BAND_10": "774.8853", "K2_CONSTANT_BAND_10": "1321.0789"}

Groups = dict[str, dict[str, str]]


@dataclass(frozen=True)
class LandsatProduct:
    """The content of an L2SP on ``grid`` (UTM north, 30 m); arrays are (row, column), NaN no-data.

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
        """Raise ValueError if the grid is not a Landsat grid."""
        step = self.grid.transform
        if (step.a, step.b, step.d, step.e) != (SPACING_M, 0, 0, -SPACING_M):
            raise ValueError(f"a Landsat grid has pixels of {SPACING_M} m, north up: {step}")
        if not 1 <= self.utm_zone <= 60:
            raise ValueError(f"a Landsat grid is in UTM north: {self.grid.crs}")

    @property
    def utm_zone(self) -> int:
        """UTM zone of the grid."""
        return (CRS.from_string(self.grid.crs).to_epsg() or 0) - 32600


def observe(
    world: World,
    clouds: Clouds,
    footprint: Grid,
    rng: np.random.Generator,
    *,
    product_id: str,
    time: datetime,
    path: int,
    row: int,
) -> LandsatProduct:
    """The L2SP product of ``footprint``, a part of the world's pixels, at minute 0.

    LST is the world's through a PSF of 100 m, with noise of that grain. Clouds have the temperature
    and brightness of their tops. The uncertainty grows towards clouds, as in real products.
    """
    inner = slices(world.grid, footprint)
    opacity = clouds.seen(None)[inner]
    shadow = clouds.shadow(world.sun_elevation_deg, world.sun_azimuth_deg)[inner]
    sigma_px = TIRS_FWHM_M / SIGMAS_PER_FWHM / world.grid.gsd_m
    radiance = blurred(world.lst_k**4, sigma_px, sigma_px)[inner]
    lst_k = under(radiance, opacity, top_k(world, clouds) ** 4) ** np.float32(0.25)
    noise = blurred(rng.standard_normal(footprint.shape, np.float32), sigma_px, sigma_px)
    # the factor restores the standard deviation that the blur takes from white noise
    lst_k += NOISE_K * 2 * np.sqrt(np.pi) * sigma_px * noise
    cloud = opacity > CLOUDY
    return LandsatProduct(
        product_id=product_id,
        grid=footprint,
        time=time,
        lst_k=lst_k,
        lst_uncertainty_k=_uncertainty_k(cloud, footprint.gsd_m),
        reflectance={
            band: under(shaded(world.reflectance(nm)[inner], shadow), opacity, CLOUD_REFLECTANCE)
            + NOISE_REFLECTANCE * rng.standard_normal(footprint.shape, np.float32)
            for band, nm in OLI_NM.items()
        },
        qa_pixel=qa_pixel(cloud, shadow > CLOUDY, world.water[inner], footprint.gsd_m),
        qa_radsat=np.zeros(footprint.shape, np.uint16),
        sun_azimuth_deg=world.sun_azimuth_deg,
        sun_elevation_deg=world.sun_elevation_deg,
        cloud_cover_percent=100 * float(cloud.mean()),
        path=path,
        row=row,
    )


def qa_pixel(cloud: Mask, shadow: Mask, water: Mask, gsd_m: float) -> np.ndarray:
    """QA_PIXEL, uint16, of a Landsat scene without fill, cirrus or snow.

    Bits: 1 dilated cloud, 3 cloud, 4 shadow, 6 clear (neither cloud nor dilated), 7 water; and from
    bit 8 on, two bits each for the confidence (1 low, 3 high) of cloud, shadow, snow and cirrus.
    """
    reach = round(DILATION_M / gsd_m)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = cv2.dilate(cloud.astype(np.uint8), disc).astype(bool)
    # a cloudy pixel has no other flag
    dilated, in_shadow = near & ~cloud, shadow & ~near
    qa = np.full(cloud.shape, 1 << 12 | 1 << 14, np.uint16)
    qa |= np.where(cloud, 1 << 3 | 3 << 8, 1 << 8).astype(np.uint16)
    qa |= np.where(in_shadow, 1 << 4 | 3 << 10, 1 << 10).astype(np.uint16)
    qa |= np.where(dilated, 1 << 1, 0).astype(np.uint16)
    qa |= np.where(near, 0, 1 << 6).astype(np.uint16)
    qa |= np.where(water & ~near & ~in_shadow, 1 << 7, 0).astype(np.uint16)
    return qa


def _uncertainty_k(cloud: Mask, gsd_m: float) -> Floats:
    """ST_QA: decays with the distance to the nearest cloud."""
    far, near = UNCERTAINTY_K
    if not cloud.any():
        return np.full(cloud.shape, far, np.float32)
    distance = cv2.distanceTransform((~cloud).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return far + (near - far) * np.exp(-distance * np.float32(gsd_m / UNCERTAINTY_REACH_M))


def write_l2sp(folder: Path, product: LandsatProduct) -> Path:
    """Write ``folder / product_id``: eleven rasters, and the MTL as text and as JSON.

    The folder appears only when it is complete, and replaces an older one. Returns the folder.
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
    # rename before removal: an interrupted removal leaves half a folder
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
    """The position of the raster: corners are the centres of its corner pixels."""
    grid = product.grid
    degrees: dict[str, str] = {}
    metres: dict[str, str] = {}
    for corner in ("UL", "UR", "LL", "LR"):
        row = 0.5 if corner[0] == "U" else grid.height - 0.5
        column = 0.5 if corner[1] == "L" else grid.width - 0.5
        x, y = grid.transform @ (column, row)
        lon, lat = grid.lonlat_at(row, column)
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
    """Numbers and dates are bare, other values are quoted."""
    bare = re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d(T[\d:]+Z)?", text)
    return text if bare else f'"{text}"'
