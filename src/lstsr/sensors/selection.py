"""Which bands of a raster a reading selects, and what the file states of them."""

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
from lstsr.sensors.calibration import (
    Calibration,
    alpha_bands,
    calibration,
    file_name,
    kind,
    stated_number,
    unit,
)
from lstsr.sensors.opening import opened
from lstsr.sensors.placing import crs_of, grid_of

if TYPE_CHECKING:
    from lstsr.config import GeotiffConfig

MOST_BANDS = 512
"""More bands are no reference; to choose among them takes a name or number."""
INDEX = re.compile(r"\bindex\b|nd[bmsvw]i(?![a-z])", re.IGNORECASE)
"""How units and names of bands call an index from -1 to 1."""


@dataclass(frozen=True)
class Band:
    """A band of an open raster, numbered from 1, and the bands that hold its opacity."""

    dataset: rasterio.DatasetReader
    number: int
    opacity: tuple[int, ...] = ()


@contextmanager
def selected(path: Path, sensor: GeotiffConfig) -> Iterator[list[Band]]:
    """The open bands that ``sensor`` names: by number, by name, or all of them.

    Raises SceneError with the list of bands if one is missing, or if the file has more than
    ``sensor`` has names for.
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
        wanted = [name for one in asked if (name := _variable(held, one))]
        if not len(wanted) == len(asked) == len(sensor.names):
            raise SceneError(
                f"{path.name}: the file holds the variables {', '.join(held) or 'none'}. Name "
                f"{_how_many(sensor)} of them (bands, --input-band or --reference-band)"
            )
        inner = [stack.enter_context(opened(path, held[name])) for name in wanted]
        for name, one in zip(wanted, inner, strict=True):
            if one.count != 1:
                raise SceneError(
                    f"{path.name}: the variable {name} has {one.count} layers. Take one out with "
                    f"gdal_translate -b NUMBER '{held[name]}' layer.tif"
                )
        yield [Band(one, 1, tuple(alpha_bands(one))) for one in inner]


def variables(dataset: rasterio.DatasetReader) -> dict[str, str]:
    """Name of each raster inside a container file, to the name that GDAL opens it by."""
    return {name.rpartition(":")[2].strip('/"'): name for name in dataset.subdatasets}


def _variable(held: Mapping[str, str], asked: int | str) -> str | None:
    """The name in ``held`` that is asked for: by number, in full, or without its groups."""
    if isinstance(asked, int):
        return list(held)[asked - 1] if asked <= len(held) else None
    for form in (str, str.lower, lambda name: name.lower().rpartition("/")[2]):
        found = [name for name in held if form(name) in (asked, asked.lower())]
        if len(found) == 1:
            return found[0]
    return None


def _numbers(dataset: rasterio.DatasetReader, sensor: GeotiffConfig) -> list[int]:
    """Numbers of the bands that ``sensor`` selects."""
    alpha = alpha_bands(dataset)
    held = [number for number in dataset.indexes if number not in alpha]
    name = file_name(dataset)
    if sensor.bands is None:
        # GDAL marks the last of four bands of 8 bits as alpha, whatever it is
        for numbers in (held, list(dataset.indexes)):
            if len(numbers) == len(sensor.names):
                return numbers
        raise SceneError(
            f"{name}: the file has {_count(len(held), 'band')}: {_listed(dataset, held)}. Choose "
            f"{_how_many(sensor)} of them (bands, --input-band or --reference-band)"
        )
    titles = {_title(dataset, number).lower(): number for number in reversed(dataset.indexes)}
    found: list[int] = []
    for band in sensor.bands:
        number = titles.get(band.lower(), 0) if isinstance(band, str) else band
        if number not in dataset.indexes:
            raise SceneError(
                f"{name}: band {band} is missing, the file has {_count(len(held), 'band')}: "
                f"{_listed(dataset, held)}"
            )
        found.append(number)
    return found


def _how_many(sensor: GeotiffConfig) -> str:
    return "one" if len(sensor.names) == 1 else str(len(sensor.names))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _listed(dataset: rasterio.DatasetReader, numbers: Sequence[int], most: int = 12) -> str:
    """Bands by number and name, for an error."""
    shown = [
        f"{number} {_title(dataset, number)}{_layer(dataset, number)}".strip()
        for number in numbers[:most]
    ]
    return ", ".join(shown) + (", ..." if len(numbers) > most else "")


def _title(dataset: rasterio.DatasetReader, number: int) -> str:
    """What a file calls a band; empty if it has no name."""
    tags = dataset.tags(number)
    named = dataset.descriptions[number - 1] or tags.get("NETCDF_VARNAME")
    return str(named or tags.get("long_name") or "")


def _layer(dataset: rasterio.DatasetReader, number: int) -> str:
    """Where a band lies on the further axes of a CF file, such as " (time 0)"; empty elsewhere."""
    start = "NETCDF_DIM_"
    found = [
        f"{key.removeprefix(start)} {value}"
        for key, value in dataset.tags(number).items()
        if key.startswith(start)
    ]
    return f" ({', '.join(found)})" if found else ""


def band_names(path: Path) -> list[str]:
    """Names of a raster's bands in order, "band N" if it has none; raises like ``read``."""
    with opened(path) as dataset:
        if not dataset.count:
            return list(variables(dataset))
        alpha = alpha_bands(dataset)
        held = [number for number in dataset.indexes if number not in alpha]
        if len(held) > MOST_BANDS:
            raise SceneError(
                f"{path.name}: {len(held)} bands are too many. Choose at most {MOST_BANDS} of them "
                "(bands, --input-band or --reference-band)"
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
    """What a raster states of the first band that is read from it.

    ``kind`` is the kind of its unit (`calibration.kind`). ``calibrated`` says whether the file has
    a scale or an offset, ``is_index`` whether unit or name belong to an index from -1 to 1.
    """

    kind: str | None
    calibrated: bool
    is_index: bool


def stated(path: Path, sensor: GeotiffConfig) -> Stated:
    """What the file itself says of the bands that ``sensor`` selects; raises like ``read``."""
    with selected(path, sensor) as bands:
        dataset, number = bands[0].dataset, bands[0].number
        text = unit(dataset, number)
        numbers = [stated_number(dataset, number, key) for key in ("scale", "offset")]
        return Stated(
            kind(text) if text else None,
            any(value is not None for value in numbers),
            bool(INDEX.search(text) or INDEX.search(_title(dataset, number))),
        )


def calibrations(path: Path, sensor: GeotiffConfig) -> list[Calibration]:
    """How stored values of each selected band become physical ones; raises like ``read``."""
    with selected(path, sensor) as bands:
        return [calibration(band.dataset, band.number, sensor) for band in bands]


def common_grid(path: Path, bands: Sequence[Band], crs: str | None) -> Grid:
    """The grid of all ``bands``; SceneError if they differ."""
    first, *others = (grid_of(band.dataset, crs) for band in bands)
    if any(other != first for other in others):
        raise SceneError(f"{path.name}: its variables lie on different grids. Name those of one")
    return first
