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
# ST_QA far from clouds and beside them, and the distance over which it decays.
UNCERTAINTY_K, UNCERTAINTY_REACH_M = (0.7, 2.5), 2000.0

LST_SCALE_K, LST_OFFSET_K = 0.00341802, 149.0
SCALE, OFFSET = 2.75e-05, -0.2  # reflectance
QUANTISED = 1, 65535
SPACING_M = 30


@dataclass(frozen=True)
class LandsatProduct:
    """The content of an L2SP on ``grid`` (UTM north, 30 m); arrays are (row, column), NaN no-data.

    ``reflectance`` has all bands from coastal to swir22; ``qa_pixel`` and ``qa_radsat`` are bits;
    ``time`` is when the centre of the scene was acquired, UTC.
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
    product_id: str,
    time: datetime,
) -> LandsatProduct:
    """The L2SP product of ``footprint``, a part of the world's pixels, at minute 0.

    LST passes a PSF of 100 m, and its noise has the same grain. Clouds have the temperature and
    brightness of their tops. The uncertainty grows towards clouds, as in real products.
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
    far, near = UNCERTAINTY_K
    # without clouds, OpenCV returns the largest float32
    distance = cv2.distanceTransform((~cloud).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    closeness = np.exp(-distance * np.float32(footprint.gsd_m / UNCERTAINTY_REACH_M))
    return LandsatProduct(
        product_id=product_id,
        grid=footprint,
        time=time,
        lst_k=lst_k,
        lst_uncertainty_k=far + (near - far) * closeness,
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
    in_shadow = shadow & ~near
    qa = np.full(cloud.shape, 1 << 8 | 1 << 10 | 1 << 12 | 1 << 14, np.uint16)
    for where, bits in (
        (cloud, 1 << 3 | 3 << 8),
        (in_shadow, 1 << 4 | 3 << 10),
        (near & ~cloud, 1 << 1),
        (~near, 1 << 6),
        (water & ~near & ~in_shadow, 1 << 7),
    ):
        qa[where] |= bits
    return qa


def write_l2sp(folder: Path, product: LandsatProduct) -> Path:
    """Write ``folder / product_id``: eleven rasters, and the MTL as text and as JSON.

    The folder appears only when it is complete, and replaces an older one. Returns the folder.
    """
    name = product.product_id
    made = folder / name
    partial, replaced = folder / f".{name}.partial", folder / f".{name}.replaced"
    for stale in (partial, replaced):
        shutil.rmtree(stale, ignore_errors=True)
    partial.mkdir(parents=True)
    for ending, (numbers, nodata) in _rasters(product).items():
        _write(partial / f"{name}_{ending}.TIF", product.grid, numbers, nodata)
    groups = _groups(product)
    (partial / f"{name}_MTL.txt").write_text(_odl(groups))
    text = json.dumps({"LANDSAT_METADATA_FILE": groups}, indent=2)
    (partial / f"{name}_MTL.json").write_text(text)
    # rename before removal: an interrupted removal leaves half a folder
    if made.exists():
        made.rename(replaced)
    partial.rename(made)
    shutil.rmtree(replaced, ignore_errors=True)
    return made


def _rasters(product: LandsatProduct) -> dict[str, tuple[np.ndarray, int | None]]:
    """Stored numbers and nodata of each raster, by the ending of its name."""
    lst = _quantised(product.lst_k, LST_SCALE_K, LST_OFFSET_K)
    uncertainty = np.rint(product.lst_uncertainty_k * np.float32(1 / UNCERTAINTY_SCALE_K))
    uncertainty = np.nan_to_num(uncertainty.clip(0, np.iinfo("i2").max), nan=UNCERTAINTY_FILL)
    return {
        "ST_B10": (lst, FILL),
        "ST_QA": (uncertainty.astype(np.int16), UNCERTAINTY_FILL),
        **{
            f"SR_B{number}": (_quantised(product.reflectance[band], SCALE, OFFSET), FILL)
            for band, number in REFLECTANCE.items()
        },
        "QA_PIXEL": (product.qa_pixel, 1),
        "QA_RADSAT": (product.qa_radsat, None),
    }


def _quantised(values: Floats, scale: float, offset: float) -> NDArray[np.uint16]:
    numbers = np.rint((values - np.float32(offset)) * np.float32(1 / scale)).clip(*QUANTISED)
    return np.nan_to_num(numbers, nan=FILL).astype(np.uint16)


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
        blockxsize=256,
        blockysize=256,
        compress="deflate",
        zlevel=1,
        predictor=2,
    ) as dataset:
        # the file then states pixel centres, as USGS does; GDAL reads the same transform
        dataset.update_tags(AREA_OR_POINT="Point")
        dataset.write(numbers, 1)


def _groups(product: LandsatProduct) -> dict[str, dict[str, str]]:
    """The MTL: keys by group, all values as text. It repeats Level-1 keys in separate groups."""
    name, bands = product.product_id, REFLECTANCE.values()
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
    processed = product.time + PROCESSED_AFTER
    low, high = QUANTISED
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
            "WRS_PATH": f"{int(name[10:13])}",
            "WRS_ROW": f"{int(name[13:16])}",
            "NADIR_OFFNADIR": "NADIR",
            "DATE_ACQUIRED": f"{product.time:%Y-%m-%d}",
            "SCENE_CENTER_TIME": f"{product.time:%H:%M:%S.%f}0Z",
            "CLOUD_COVER": f"{product.cloud_cover_percent:.2f}",
            "CLOUD_COVER_LAND": "-1.00",  # not assessed
            "IMAGE_QUALITY_OLI": "9",  # best
            "IMAGE_QUALITY_TIRS": "9",
            "ROLL_ANGLE": "0.000",
            "SUN_AZIMUTH": f"{product.sun_azimuth_deg:.8f}",
            "SUN_ELEVATION": f"{product.sun_elevation_deg:.8f}",
        },
        "PROJECTION_ATTRIBUTES": _projection(product),
        "LEVEL2_PROCESSING_RECORD": {**identity, "DATE_PRODUCT_GENERATED": iso(processed)},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": _rescaling(str(SCALE), str(OFFSET)),
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": {
            "TEMPERATURE_MINIMUM_BAND_ST_B10": f"{low * LST_SCALE_K + LST_OFFSET_K:.6f}",
            "TEMPERATURE_MAXIMUM_BAND_ST_B10": f"{high * LST_SCALE_K + LST_OFFSET_K:.6f}",
            "QUANTIZE_CAL_MINIMUM_BAND_ST_B10": f"{low}",
            "QUANTIZE_CAL_MAXIMUM_BAND_ST_B10": f"{high}",
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
        "LEVEL1_RADIOMETRIC_RESCALING": _rescaling("2.0000E-05", "-0.100000"),
        "LEVEL1_THERMAL_CONSTANTS": {
            "K1_CONSTANT_BAND_10": "774.8853",
            "K2_CONSTANT_BAND_10": "1321.0789",
        },
    }


def _rescaling(scale: str, offset: str) -> dict[str, str]:
    return {
        f"REFLECTANCE_{key}_BAND_{number}": text
        for key, text in (("MULT", scale), ("ADD", offset))
        for number in REFLECTANCE.values()
    }


def _projection(product: LandsatProduct) -> dict[str, str]:
    """Position of the rasters. The corners are centres of pixels."""
    grid = product.grid
    degrees: dict[str, str] = {}
    metres: dict[str, str] = {}
    for corner, row, column in (
        ("UL", 0.5, 0.5),
        ("UR", 0.5, grid.width - 0.5),
        ("LL", grid.height - 0.5, 0.5),
        ("LR", grid.height - 0.5, grid.width - 0.5),
    ):
        x, y = grid.transform @ (column, row)
        lon, lat = grid.lonlat_at(row, column)
        degrees[f"CORNER_{corner}_LAT_PRODUCT"] = f"{lat:.5f}"
        degrees[f"CORNER_{corner}_LON_PRODUCT"] = f"{lon:.5f}"
        metres[f"CORNER_{corner}_PROJECTION_X_PRODUCT"] = f"{x:.3f}"
        metres[f"CORNER_{corner}_PROJECTION_Y_PRODUCT"] = f"{y:.3f}"
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


def _odl(groups: dict[str, dict[str, str]]) -> str:
    """Text in the Object Description Language. Numbers and dates have no quotes."""
    bare = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d(T[\d:]+Z)?")
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for name, keys in groups.items():
        lines.append(f"  GROUP = {name}")
        for key, text in keys.items():
            lines.append(f"    {key} = " + (text if bare.fullmatch(text) else f'"{text}"'))
        lines.append(f"  END_GROUP = {name}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])
