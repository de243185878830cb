"""The bands of a raster that a reading selects, and what the file states about them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio

from lstsr.errors import SceneError
from lstsr.grid import Grid
from lstsr.sensors.raster.calibration import Band, Calibration, alpha_bands, file_name, kind
from lstsr.sensors.raster.georeferencing import crs_of, grid_of
from lstsr.sensors.raster.opening import opened

if TYPE_CHECKING:
    from lstsr.config import GeotiffConfig

MOST_BANDS = 512
"""If a file has more bands, the user must choose some by name or number."""
SHOWN_BANDS = 12
"""Most bands that an error lists."""
INDEX = re.compile(r"\bindex\b|nd[bmsvw]i(?![a-z])", re.IGNORECASE)
"""Found in units and names of bands that hold an index from -1 to 1."""
OPTIONS = "(bands, --input-band or --reference-band)"
"""Config key and options that choose bands."""


@contextmanager
def selected(path: Path, sensor: GeotiffConfig) -> Iterator[list[Band]]:
    """The open bands that ``sensor`` names: by number, by name, or all of them.

    Raises SceneError with the list of bands if one is missing, or if the file has more bands than
    ``sensor`` has names.
    """
    with ExitStack() as stack:
        dataset = stack.enter_context(opened(path))
        if dataset.count:
            numbers = _numbers(dataset, sensor)
            opacity = tuple(set(alpha_bands(dataset)).difference(numbers))
            yield [Band(dataset, number, opacity) for number in numbers]
            return
        held = variables(dataset)
        asked = list(held) if sensor.bands is None else sensor.bands
        names = [name for band in asked if (name := _variable(held, band))]
        if not len(names) == len(asked) == len(sensor.names):
            raise SceneError(
                f"{path.name}: the file holds the variables {', '.join(held) or 'none'}. Name "
                f"{_how_many(sensor)} of them {OPTIONS}"
            )
        inner = [stack.enter_context(opened(path, held[name])) for name in names]
        for name, layers in zip(names, inner, strict=True):
            if layers.count != 1:
                raise SceneError(
                    f"{path.name}: the variable {name} has {layers.count} layers. Extract one with "
                    f"gdal_translate -b NUMBER '{held[name]}' layer.tif"
                )
        yield [Band(layer, 1, tuple(alpha_bands(layer))) for layer in inner]


def variables(dataset: rasterio.DatasetReader) -> dict[str, str]:
    """Name of each raster in a container file, to its name in GDAL."""
    return {name.rpartition(":")[2].strip('/"'): name for name in dataset.subdatasets}


def _variable(held: Mapping[str, str], asked: int | str) -> str | None:
    """The name in ``held`` that ``asked`` gives: by number, in full, or without its groups."""
    if isinstance(asked, int):
        return list(held)[asked - 1] if asked <= len(held) else None
    for form in (str, str.lower, lambda name: name.lower().rpartition("/")[2]):
        fitting = [name for name in held if form(name) in (asked, asked.lower())]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _numbers(dataset: rasterio.DatasetReader, sensor: GeotiffConfig) -> list[int]:
    """Numbers of the bands that ``sensor`` selects."""
    held = _without_alpha(dataset)
    content = (
        f"{len(held)} band{'' if len(held) == 1 else 's'}: "
        + ", ".join(_listed(dataset, number) for number in held[:SHOWN_BANDS])
        + (", ..." if len(held) > SHOWN_BANDS else "")
    )
    if sensor.bands is None:
        # GDAL marks the last of four bands of 8 bits as alpha, even if it is not
        for numbers in (held, list(dataset.indexes)):
            if len(numbers) == len(sensor.names):
                return numbers
        raise SceneError(
            f"{file_name(dataset)}: the file has {content}. Choose {_how_many(sensor)} of them "
            f"{OPTIONS}"
        )
    titles = {_title(dataset, number).lower(): number for number in reversed(dataset.indexes)}
    chosen = [
        titles.get(band.lower(), 0) if isinstance(band, str) else band for band in sensor.bands
    ]
    for band, number in zip(sensor.bands, chosen, strict=True):
        if number not in dataset.indexes:
            raise SceneError(
                f"{file_name(dataset)}: band {band} is missing, the file has {content}"
            )
    return chosen


def _without_alpha(dataset: rasterio.DatasetReader) -> list[int]:
    return sorted(set(dataset.indexes).difference(alpha_bands(dataset)))


def _how_many(sensor: GeotiffConfig) -> str:
    return "one" if len(sensor.names) == 1 else str(len(sensor.names))


def _title(dataset: rasterio.DatasetReader, number: int) -> str:
    """The name of a band in the file; empty if it has none."""
    tags = dataset.tags(number)
    named = dataset.descriptions[number - 1] or tags.get("NETCDF_VARNAME")
    return str(named or tags.get("long_name") or "")


def _listed(dataset: rasterio.DatasetReader, number: int) -> str:
    """Number, name and, in a CF file, further coordinates of a band: "1 LST (time 0)"."""
    start = "NETCDF_DIM_"
    coordinates = ", ".join(
        f"{key.removeprefix(start)} {value}"
        for key, value in dataset.tags(number).items()
        if key.startswith(start)
    )
    layer = f" ({coordinates})" if coordinates else ""
    return f"{number} {_title(dataset, number)}{layer}".strip()


def band_names(path: Path) -> list[str]:
    """Names of a raster's bands in order, "band N" for a band without name; raises like ``read``.

    Raises SceneError also if there are more than `MOST_BANDS`.
    """
    with opened(path) as dataset:
        if not dataset.count:
            return list(variables(dataset))
        held = _without_alpha(dataset)
        if len(held) > MOST_BANDS:
            raise SceneError(
                f"{path.name}: {len(held)} bands are too many. Choose at most {MOST_BANDS} of them "
                f"{OPTIONS}"
            )
        return [_title(dataset, number) or f"band {number}" for number in held]


def states_crs(path: Path) -> bool:
    """Whether a raster states a coordinate system; raises like ``read``."""
    with opened(path) as dataset:
        held = variables(dataset)
        if dataset.count or not held:
            return crs_of(dataset) is not None
        with opened(path, next(iter(held.values()))) as inner:
            return crs_of(inner) is not None


@dataclass(frozen=True)
class Stated:
    """What a raster states about the first band that is read from it.

    ``kind`` is the kind of its unit (`calibration.kind`). ``calibrated`` says whether the file has
    a scale or an offset, ``is_index`` whether unit or name belong to an index from -1 to 1.
    """

    kind: str | None
    calibrated: bool
    is_index: bool


def stated(path: Path, sensor: GeotiffConfig) -> Stated:
    """What a file states about the bands that ``sensor`` selects. Raises like ``read``."""
    with selected(path, sensor) as bands:
        band = bands[0]
        numbers = [band.stated_number(key) for key in ("scale", "offset")]
        return Stated(
            kind(band.unit) if band.unit else None,
            any(value is not None for value in numbers),
            bool(INDEX.search(band.unit) or INDEX.search(_title(band.dataset, band.number))),
        )


def calibrations(path: Path, sensor: GeotiffConfig) -> list[Calibration]:
    """Scale and offset of each selected band; raises like ``read``."""
    with selected(path, sensor) as bands:
        return [band.calibration(sensor) for band in bands]


def common_grid(path: Path, bands: Sequence[Band], crs: str | None) -> Grid:
    """The grid of all ``bands``. Raises SceneError if they differ."""
    first, *others = (grid_of(band.dataset, crs) for band in bands)
    if any(other != first for other in others):
        raise SceneError(
            f"{path.name}: its variables lie on different grids. Name variables of one grid"
        )
    return first
