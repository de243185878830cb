"""The two images that a product is made from: how each is read, and on which grids they meet."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lstsr.config import AlignConfig, GeotiffConfig, SensorConfig, channels_of
from lstsr.dataset.align import hours_between
from lstsr.dataset.assembly import (
    Assembled,
    Recipe,
    Shift,
    assemble,
    cells_within,
    read_ground,
    widened,
)
from lstsr.dataset.harmonise import Harmonisation, harmonised
from lstsr.dataset.history import described, earlier_targets
from lstsr.dataset.layers import Ground
from lstsr.dataset.tracks import widening
from lstsr.errors import LstsrError
from lstsr.geo.resample import meets
from lstsr.grid import Grid
from lstsr.image import SensorImage
from lstsr.manifest import Scene, read_manifest
from lstsr.sensors.detection import detect
from lstsr.sensors.landsat.names import band_cure
from lstsr.sensors.plausible import option_of
from lstsr.sensors.raster import selection
from lstsr.sensors.reading import read_grid, read_image
from lstsr.times import iso, read_time
from lstsr.training.checkpoint import Checkpoint

logger = logging.getLogger(__name__)
UNITS = {
    "input": ("kelvin", "celsius"),
    "reference": ("reflectance", "index"),
    "target": ("reflectance",),
}
"""Units that an image of each role may have; the target is an optical image alone."""
MOST_SCALE = 64
"""Largest scale of a product."""
FINER = 0.9
"""An input with pixels narrower than this share of the reference's is refused."""
OPTICAL_BANDS = {"landsat": ["red", "nir08"], "goci2": None, "goci2-l1b": None}
"""Bands of a reference that is a product as delivered; None leaves the reading's default."""


@dataclass(frozen=True)
class Options:
    """What the command line says of how a file is read; None or empty leaves it open."""

    unit: str | None = None
    scale: float | None = None
    offset: float | None = None
    nodata: tuple[float, ...] = ()
    band: tuple[int | str, ...] = ()
    crs: str | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set, as keys of a reading."""
        named = {
            "unit": self.unit,
            "scale": self.scale,
            "offset": self.offset,
            "nodata": list(self.nodata) or None,
            "bands": list(self.band) or None,
            "crs": self.crs,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Files:
    """The files of a pair and how to read them.

    ``extent`` is a raster whose footprint bounds the product on the grid of a training. ``time`` is
    when the input was taken, used if its file does not say. ``history`` is a manifest or folder of
    fine LST.
    """

    input: Path
    reference: Path
    dem: Path | None = None
    water: Path | None = None
    extent: Path | None = None
    time: str = ""
    options: Mapping[str, Options] = field(default_factory=dict)
    history: Path | None = None


@dataclass(frozen=True)
class Pair:
    """Input and reference as read, and what they are assembled to.

    ``notes`` say in words how each was read.
    ``wider`` pixels of the aligned grid along a side make one pixel of the product.
    """

    images: Mapping[str, SensorImage]
    notes: Mapping[str, str]
    coarse_grid: Grid
    scale: int
    wider: int
    ground: Ground
    recipe: Recipe
    harmonisation: Harmonisation | None = None

    def assembled(self, shifts: Mapping[str, Shift] | None = None) -> Assembled:
        """Both images on the product's grids, moved by ``shifts`` of its pixels."""
        aligned = {
            role: (row * self.wider, column * self.wider)
            for role, (row, column) in (shifts or {}).items()
        }
        made = assemble(
            self.images,
            self.coarse_grid,
            self.scale * self.wider,
            aligned,
            self.recipe,
            self.ground,
        )
        coarse = made.input
        if self.harmonisation:
            assert made.covariates is not None
            coarse = harmonised(coarse, made.covariates, self.harmonisation)
        water = made.water and widened(made.water, self.wider)
        return Assembled(coarse, widened(made.reference, self.wider), made.covariates, water)

    def age_h(self) -> float | None:
        """By how many hours the reference is older than the input; None if unknown."""
        reference, coarse = self.images["reference"], self.images["input"]
        return hours_between(reference, coarse) if reference.time and coarse.time else None


def read_pair(files: Files, trained: Checkpoint | None, scale: int | None) -> Pair:
    """Both images, as a checkpoint's training read and placed them, or as they are.

    A network that was trained on a grid of its own gets the cells of that grid which the reference
    (or ``files.extent``) covers; otherwise the input's own grid is kept. Raises LstsrError, naming
    the file, for a pair that cannot be read, does not overlap or does not fit.
    """
    if trained and trained.harmonisation:
        _check_product(files.input, trained)
    readings = {
        role: reading_of(getattr(files, role), role, trained, files.options.get(role, Options()))
        for role in ("input", "reference")
    }
    _check_order(files, readings)
    images, notes = {}, {}
    for role, reading in readings.items():
        path = getattr(files, role)
        with existing(path):
            images[role] = read_image(path, reading, role)
        notes[role] = "; ".join([describe(reading), *images[role].history[1:]])
        logger.info("%s %s: %s", role, path.name, notes[role])
    if not images["input"].time:
        images["input"] = replace(images["input"], time=_utc(files.time))
    coarse, fine = images["input"], images["reference"]
    if not meets(fine.grid, coarse.grid):
        raise LstsrError(
            f"{files.reference}: does not overlap the input; name two rasters of one place"
        )
    with existing(files.dem or files.water or files.input):
        ground = read_ground(files.dem, files.water)
    align = alignment_of(trained)
    recipe, correction = Recipe(), None
    if trained and align:
        seen = trained.reference_bands
        layers = [name for name in seen if name in channels_of(align.layers)]
        covariates = align.covariates if trained.harmonisation else []
        recipe = Recipe(layers, covariates)
    if trained and trained.harmonisation:
        correction = Harmonisation.from_dict(trained.harmonisation)
    _check_history(files, recipe, trained)
    if trained is None or align is None or align.grid is None:
        if files.extent:
            raise LstsrError(
                "--extent: the product lies on the input's own grid. Leave the option out"
            )
        ratio = scale or _ratio(files, coarse.grid, fine.grid)
        return Pair(images, notes, coarse.grid, ratio, 1, ground, recipe, correction)
    bounds = _extent(files) if files.extent else fine.grid
    cells, wider = cells_within(bounds, align.grid), widening(trained.row.key, align.scale)
    if files.history:
        reading = _validated(trained.readings["target"], "history")
        earlier = earlier_targets(
            _history_scenes(files.history, reading.product),
            reading,
            cells.refine(trained.row.scale * wider),
            images["input"].time,
            align.history_max_age_days,
        )
        ground = replace(ground, earlier=earlier)
        notes["history"] = described(earlier)
        logger.info("history %s: %s", files.history.name, notes["history"])
    return Pair(
        images,
        notes,
        cells,
        trained.row.scale,
        wider,
        ground,
        recipe,
        correction,
    )


def _check_history(files: Files, recipe: Recipe, trained: Checkpoint | None) -> None:
    """Raise LstsrError if the manifest of earlier LST is missing or would not be used."""
    name = trained.row.name if trained else "the method"
    if recipe.history and not files.history:
        raise LstsrError(
            f"{name} sees earlier LST. Add --history with a folder, or a CSV of the columns "
            "scene, target and time"
        )
    if files.history and not recipe.history:
        raise LstsrError(f"--history: {name} sees no earlier LST. Leave the option out")
    if files.history and not files.history.exists():
        raise LstsrError(f"--history {files.history}: not found. Name a CSV or a folder")


def _history_scenes(path: Path, product: str) -> list[Scene]:
    """The targets of a manifest, or those anywhere below a folder."""
    if not path.is_dir():
        return read_manifest(path, ["target"])
    pattern = "*_MTL.txt" if product == "landsat" else "*.tif"
    found = sorted(path.rglob(pattern))
    if not found:
        raise LstsrError(f"--history {path}: no file {pattern} lies in or below it. Name another")
    return [Scene(file.stem, None, None, file) for file in found]


def reading_of(path: Path, role: str, trained: Checkpoint | None, options: Options) -> SensorConfig:
    """How a file of ``role`` is read: by ``options``, else as in training, else by what it states.

    Raises LstsrError if an option does not go with the file.
    """
    with existing(path):
        product = detect(path)
        given = options.given()
        base = _as_trained(path, role, product, trained)
        if base is None:
            base = _default(path, role, product, trained, options)
        if base["product"] != "geotiff":
            for name in given.keys() - {"bands"}:
                raise LstsrError(
                    f"--{option_of(role)}-{name}: {path.name} is read as {base['product']}, which "
                    "states its own calibration. Leave the option out"
                )
        reading = _validated(base | given, role)
        _check_role(path, role, reading)
    return reading


def _validated(keys: Mapping[str, Any], role: str) -> SensorConfig:
    """The reading of these keys; LstsrError, naming the option, if one of them is not valid."""
    bands, names = keys.get("bands"), keys.get("names")
    if bands and names and len(bands) != len(names):
        raise LstsrError(
            f"--{option_of(role)}-band names {len(bands)} of the file's bands, but "
            f"{len(names)} {'is' if len(names) == 1 else 'are'} needed: {', '.join(names)}"
        )
    try:
        reading: SensorConfig = TypeAdapter(SensorConfig).validate_python(dict(keys))
    except ValidationError as error:
        fault = error.errors()[0]
        named = next((f"-{part}" for part in fault["loc"] if part in keys), "")
        option = named.replace("-bands", "-band")
        raise LstsrError(
            f"--{option_of(role)}{option}: {fault['msg'].removeprefix('Value error, ')}"
        ) from None
    return reading


def alignment_of(trained: Checkpoint | None) -> AlignConfig | None:
    """How a checkpoint's training placed its images; None if it says nothing.

    Raises LstsrError if another version of lstsr wrote it.
    """
    if trained is None or not trained.align:
        return None
    try:
        return AlignConfig.model_validate(trained.align)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise LstsrError(
            f"{trained.row.name} was made by another version of lstsr (align.{key}: "
            f"{fault['msg']}). Train it again"
        ) from None


def reference_sensor(path: Path, trained: Checkpoint | None = None) -> SensorConfig:
    """How a reference is read without options; raises like `reading_of`."""
    return reading_of(path, "reference", trained, Options())


def describe(reading: SensorConfig) -> str:
    """A reading in one line, for the log and the tags of a product: what differs from defaults."""
    told = reading.model_dump(exclude_defaults=True, exclude={"sensor", "product"}, mode="json")
    told = {"unit": reading.unit} | told
    listed = ", ".join(f"{name} {_words(value)}" for name, value in told.items())
    return f"{reading.sensor} ({reading.product}): {listed}"


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _as_trained(
    path: Path, role: str, product: str, trained: Checkpoint | None
) -> dict[str, Any] | None:
    """The reading of a checkpoint, if it goes with the file.

    The coordinate system of training is used only if the file states none.
    """
    held = dict((trained.readings if trained else {}).get(role) or {})
    if not held:
        return None
    own = held.setdefault("product", "geotiff")
    if own not in (product, "geotiff") or (own == "geotiff" and product == "landsat"):
        logger.warning("%s: a %s file, unlike the %s of training", path.name, product, own)
        return None
    if own == "geotiff" and selection.states_crs(path):
        held["crs"] = None
    return held


def _default(
    path: Path, role: str, product: str, trained: Checkpoint | None, options: Options
) -> dict[str, Any]:
    """How a file is read if no training describes it."""
    if product != "geotiff":
        return (
            {"product": product} | _optical(path, product)
            if role == "reference"
            else {"product": product}
        )
    names = ["lst"]
    if role == "reference":
        chosen = [str(band) for band in options.band]
        names = _optical_bands(trained) or chosen or selection.band_names(path)
    base = {"product": "geotiff", "sensor": role, "unit": UNITS[role][0], "names": names}
    if options.unit is None:
        base["unit"] = _stated_unit(path, role, base, options)
    return base


def _stated_unit(path: Path, role: str, base: Mapping[str, Any], options: Options) -> str:
    """The unit in which an image of ``role`` is read, by what its file states."""
    asked = {"bands": list(options.band)} if options.band else {}
    reading = _validated({**base, **asked}, role)
    assert isinstance(reading, GeotiffConfig)
    known = selection.stated(path, reading)
    if role == "input":
        return "celsius" if known.kind == "C" else "kelvin"
    return "index" if known.is_index and "index" in UNITS[role] else UNITS[role][0]


def _optical(path: Path, product: str) -> dict[str, Any]:
    """The optical bands of a product; LstsrError if it has none."""
    if product == "gk2a-l1b":
        channel = path.name.removeprefix("gk2a_ami_le1b_").partition("_")[0]
        if channel.startswith(("vi", "nr")):
            return {"bands": [channel]}
    elif product in OPTICAL_BANDS:
        bands = OPTICAL_BANDS[product]
        return {"bands": bands} if bands else {}
    raise LstsrError(
        f"{path}: a {product} file holds temperatures, but a reference is an optical image. Name "
        "one, such as a Landsat L2SP folder or a GOCI-II file"
    )


def _optical_bands(trained: Checkpoint | None) -> list[str]:
    """The bands of the reference that a network was trained with, without layers."""
    if trained is None:
        return []
    layers = channels_of(trained.align.get("layers", []))
    return [name for name in trained.reference_bands if name not in layers]


def _check_role(path: Path, role: str, reading: SensorConfig) -> None:
    """Raise LstsrError if a reading cannot serve its role."""
    if reading.unit not in UNITS[role]:
        raise LstsrError(
            f"{path}: read in {reading.unit}, but {_article(role)} {role} is in "
            f"{' or '.join(UNITS[role])}. Set --{option_of(role)}-unit, or name another file"
        )
    if role == "input" and len(reading.names) != 1:
        raise LstsrError(
            f"--input-band: {len(reading.names)} bands are named, but LST has one. Name one"
        )
    if not isinstance(reading, GeotiffConfig):
        return
    cure = band_cure(path)
    if cure and reading.scale is None and not selection.stated(path, reading).calibrated:
        raise LstsrError(f"{path}: {cure}")


def _article(role: str) -> str:
    return "an" if role == "input" else "a"


def _check_order(files: Files, readings: Mapping[str, SensorConfig]) -> None:
    """Raise LstsrError if the input is clearly finer than the reference."""
    spacing_m = {}
    for role, reading in readings.items():
        with existing(getattr(files, role)):
            spacing_m[role] = read_grid(getattr(files, role), reading).cell_m
    if spacing_m["input"] < FINER * spacing_m["reference"]:
        raise LstsrError(
            f"{files.input}: the input has pixels of {spacing_m['input']:.4g} m, finer than the "
            f"{spacing_m['reference']:.4g} m of the reference {files.reference}. Are the two "
            "swapped?"
        )


def _check_product(path: Path, trained: Checkpoint) -> None:
    """Raise LstsrError if the input is another product than the one whose bias was fitted."""
    with existing(path):
        found = detect(path)
    fitted = trained.readings["input"].get("product", "geotiff")
    if found != fitted:
        raise LstsrError(
            f"{path}: a {found} file, but {trained.row.name} corrects the bias of {fitted}; "
            "name a checkpoint that is not harmonised"
        )


def _extent(files: Files) -> Grid:
    """The grid of the raster that bounds the product."""
    assert files.extent is not None
    with existing(files.extent):
        product = detect(files.extent)
        base: dict[str, Any] = {"product": product}
        if product == "geotiff":
            names = selection.band_names(files.extent)
            base |= {"sensor": "extent", "unit": "index", "names": names}
        reading: SensorConfig = TypeAdapter(SensorConfig).validate_python(base)
        return read_grid(files.extent, reading)


def _utc(text: str) -> str:
    """A time that a user gave; empty stays so. Raises LstsrError if it is none."""
    if not text:
        return ""
    found = read_time(text)
    if found is None:
        raise LstsrError(f"--time {text}: not a time. Write it as 2023-05-12T02:10:00Z")
    return iso(found)


@contextmanager
def existing(path: Path) -> Iterator[None]:
    """Names the file in the error if it cannot be read from disk."""
    try:
        yield
    except LstsrError:
        raise
    except OSError as error:
        raise LstsrError(f"{path}: {error.strerror}; name an existing raster") from None


def _ratio(files: Files, coarse: Grid, fine: Grid) -> int:
    """The whole ratio of the two spacings."""
    scale = round(coarse.cell_m / fine.cell_m)
    if scale < 2:
        raise LstsrError(
            f"{files.reference}: not finer than {files.input}; check the pair, or give --scale"
        )
    if scale > MOST_SCALE:
        raise LstsrError(
            f"{files.reference}: pixels of {fine.cell_m:g} m against {coarse.cell_m:g} m of the "
            f"input are a scale of {scale}. Give --scale, at most {MOST_SCALE}, or check both files"
        )
    return scale
