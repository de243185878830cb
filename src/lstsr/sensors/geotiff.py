"""Any georeferenced raster that GDAL reads, calibrated as the config says; and our own writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from scipy.ndimage import binary_erosion

from lstsr import __version__
from lstsr.errors import SceneError
from lstsr.files import whole
from lstsr.grid import Grid
from lstsr.image import Mask, SensorImage
from lstsr.scenes import is_time
from lstsr.sensors.inspection import Assertion, Inspection

if TYPE_CHECKING:
    from lstsr.config import GeotiffConfig

KELVIN_AT_0_CELSIUS = 273.15


def grid(path: Path, sensor: GeotiffConfig) -> Grid:
    """The grid that a raster's header states; OSError or SceneError as for ``read``."""
    with opened(path) as dataset:
        return grid_of(dataset, sensor.crs)


def read(path: Path, sensor: GeotiffConfig) -> SensorImage:
    """The bands that ``sensor`` selects, physical = stored x scale + offset, celsius as kelvin.

    Masked are the file's nodata and mask, non-finite values, values outside the valid range in
    any band, and ``rim_erosion`` pixels along the edge of what remains. The time is that of the
    tag ``time``, if there is one. Raises SceneError where the content is at fault: unreadable,
    truncated, no CRS, a missing band, nothing valid, a time that is none.
    """
    with opened(path) as dataset:
        placed = grid_of(dataset, sensor.crs)
        stored, valid = _stored(dataset, sensor)
        time = _time(dataset)
    values = stored * np.float32(sensor.scale) + np.float32(sensor.offset)
    valid &= np.isfinite(values)
    with np.errstate(invalid="ignore"):
        if sensor.valid_min is not None:
            valid &= values >= sensor.valid_min
        if sensor.valid_max is not None:
            valid &= values <= sensor.valid_max
    everywhere: Mask = np.all(valid, axis=0)
    if sensor.rim_erosion:
        # only the rim of the swath is thinned, and gaps inside it; the frame's edge is no rim
        everywhere = binary_erosion(
            everywhere, np.ones((3, 3)), iterations=sensor.rim_erosion, border_value=1
        )
    if not everywhere.any():
        raise SceneError(f"{path.name}: no valid pixel; check nodata, valid_min and valid_max")
    if sensor.unit == "celsius":
        values = values + np.float32(KELVIN_AT_0_CELSIUS)
    values[:, ~everywhere] = np.nan
    return SensorImage(
        values,
        everywhere,
        placed,
        tuple(sensor.names),
        "kelvin" if sensor.unit == "celsius" else sensor.unit,
        sensor.sensor,
        time,
        (f"read {path.name}",),
    )


def _time(dataset: rasterio.DatasetReader) -> str:
    """The tag ``time``: ISO 8601 with a time zone; empty where there is none."""
    text = str(dataset.tags().get("time", ""))
    if text and not is_time(text):
        raise SceneError(
            f"{Path(dataset.name).name}: tag time = {text!r} is no time; write it as "
            "2023-05-12T02:10:00Z"
        )
    return text


def inspect(path: Path) -> Inspection:
    """The raster's header, band by band."""
    with opened(path) as dataset:
        corners = dataset.transform @ (0, 0), dataset.transform @ (dataset.width, dataset.height)
        facts = (
            ("file", path.name),
            ("coordinate system", dataset.crs.to_string() if dataset.crs else "none"),
            ("size", f"{dataset.height} rows x {dataset.width} columns"),
            ("spacing", "{:g} x {:g}".format(*dataset.res)),
            (
                "corners",
                "upper left {0[0]:.3f}, {0[1]:.3f}; lower right {1[0]:.3f}, {1[1]:.3f}".format(
                    *corners
                ),
            ),
            *(
                (f"band {number}", f"{dataset.dtypes[number - 1]}, {_band_facts(dataset, number)}")
                for number in dataset.indexes
            ),
        )
        has_crs, is_placed = dataset.crs is not None, not dataset.transform.is_identity
        return Inspection(
            "geotiff",
            facts,
            (
                Assertion("the file states a coordinate system", facts[1][1], has_crs),
                Assertion("the geotransform is not the identity", facts[4][1], is_placed),
            ),
        )


def _band_facts(dataset: rasterio.DatasetReader, number: int) -> str:
    """Name, unit, scaling, nodata, valid share and range of a band."""
    stored, valid = dataset.read(number), dataset.read_masks(number) > 0
    known = stored[valid & np.isfinite(stored)]
    seen = f"{known.min():g} .. {known.max():g}" if known.size else "nothing valid"
    return (
        f"{dataset.descriptions[number - 1] or 'unnamed'}, "
        f"unit {dataset.units[number - 1] or '?'}, "
        f"scale {dataset.scales[number - 1]:g}, offset {dataset.offsets[number - 1]:g}, "
        f"nodata {dataset.nodata}, valid {valid.mean():.1%}, stored values {seen}"
    )


@contextmanager
def opened(path: Path) -> Iterator[rasterio.DatasetReader]:
    """The raster at ``path``; SceneError where GDAL cannot make sense of its bytes.

    A file whose bytes cannot be had (missing, permission, disk, network) raises OSError instead:
    that is not the scene's fault.
    """
    try:
        with rasterio.open(path) as dataset:
            yield dataset
    except RasterioError as error:
        path.read_bytes()
        why = error.__cause__ or error
        raise SceneError(f"{path.name}: cannot be read, truncated? ({why})") from None


def grid_of(dataset: rasterio.DatasetReader, crs: str | None) -> Grid:
    """The grid that a raster's header states; ``crs`` replaces its own coordinate system."""
    name = Path(dataset.name).name
    stated = crs or (dataset.crs and dataset.crs.to_wkt())
    if not stated:
        raise SceneError(f"{name}: no coordinate system; set the sensor's crs in the config")
    if dataset.transform.is_identity:
        raise SceneError(f"{name}: no georeferencing (the geotransform is the identity)")
    try:
        wkt = CRS.from_string(stated).to_wkt()
    except CRSError as error:
        raise SceneError(f"{name}: coordinate system not understood: {error}") from None
    return Grid(wkt, dataset.transform, dataset.width, dataset.height)


def _stored(
    dataset: rasterio.DatasetReader, sensor: GeotiffConfig
) -> tuple[np.ndarray, np.ndarray]:
    if max(sensor.bands) > dataset.count:
        raise SceneError(
            f"{Path(dataset.name).name}: band {max(sensor.bands)} is missing, "
            f"the file has {dataset.count}"
        )
    stored = dataset.read(sensor.bands)
    valid = dataset.read_masks(sensor.bands) > 0
    if sensor.nodata is not None:
        valid = stored != sensor.nodata
    return stored.astype(np.float32), valid


def band_count(path: Path) -> int:
    """Number of bands of a raster; OSError or SceneError as for ``read``."""
    with opened(path) as dataset:
        return int(dataset.count)


def write(path: Path, image: SensorImage, tags: dict[str, str] | None = None) -> None:
    """A cloud-optimised GeoTIFF, float32, nodata NaN, with unit, sensor, time, history, version.

    Written under a temporary name and renamed, so that a file of that name is always whole.
    """
    values = np.where(image.valid, image.values, np.float32(np.nan)).astype(np.float32)
    with (
        whole(path) as partial,
        rasterio.open(
            partial,
            "w",
            driver="COG",
            dtype="float32",
            count=len(values),
            height=image.grid.height,
            width=image.grid.width,
            crs=image.grid.crs,
            transform=image.grid.transform,
            nodata=np.nan,
            compress="deflate",
            predictor="yes",
            overview_resampling="average",
        ) as dataset,
    ):
        dataset.write(values)
        dataset.descriptions = image.bands
        dataset.units = (image.unit,) * len(values)
        dataset.update_tags(
            unit=image.unit,
            sensor=image.sensor,
            time=image.time,
            history="; ".join(image.history),
            lstsr_version=__version__,
            **(tags or {}),
        )


def write_flags(
    path: Path, flags: NDArray[np.uint8], grid: Grid, meanings: Sequence[str], time: str
) -> None:
    """A cloud-optimised GeoTIFF of bit flags (row, column), whose tags name the bits (CF 3.5)."""
    with (
        whole(path) as partial,
        rasterio.open(
            partial,
            "w",
            driver="COG",
            dtype="uint8",
            count=1,
            height=grid.height,
            width=grid.width,
            crs=grid.crs,
            transform=grid.transform,
            compress="deflate",
            overview_resampling="mode",
        ) as dataset,
    ):
        dataset.write(flags, 1)
        dataset.descriptions = ("flags",)
        dataset.update_tags(
            flag_meanings=" ".join(meanings),
            flag_masks=" ".join(str(1 << bit) for bit in range(len(meanings))),
            time=time,
            lstsr_version=__version__,
        )


def read_written(path: Path) -> SensorImage:
    """What ``write`` wrote."""
    with rasterio.open(path) as dataset:
        values = dataset.read()
        tags = dataset.tags()
        return SensorImage(
            values,
            np.isfinite(values).all(axis=0),
            Grid(dataset.crs.to_wkt(), dataset.transform, dataset.width, dataset.height),
            tuple(dataset.descriptions),
            tags["unit"],
            # GDAL leaves empty tags out
            tags.get("sensor", ""),
            tags.get("time", ""),
            tuple(filter(None, tags.get("history", "").split("; "))),
        )
