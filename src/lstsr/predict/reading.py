"""How an image file is read: as the options say, as in training, or as the file itself states."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lstsr.config import GeotiffConfig, SensorConfig, channels_of
from lstsr.errors import LstsrError
from lstsr.predict.request import Options
from lstsr.sensors.detection import detect
from lstsr.sensors.landsat.names import band_cure
from lstsr.sensors.plausible import option_of
from lstsr.sensors.raster import selection
from lstsr.training.checkpoint import CheckpointHeader

logger = logging.getLogger(__name__)
UNITS = {
    "input": ("kelvin", "celsius"),
    "reference": ("reflectance", "index"),
    "target": ("reflectance",),
}
"""Units that an image of each role may have; the target is an optical image alone."""
OPTICAL_BANDS = {"landsat": ["red", "nir08"], "goci2": None, "goci2-l1b": None}
"""Bands of a reference that is a product as delivered; None leaves the reading's default."""


def reading_of(
    path: Path, role: str, trained: CheckpointHeader | None, options: Options
) -> SensorConfig:
    """How a file of ``role`` is read: by ``options``, else as in training, else by what it states.

    Raises LstsrError if an option does not fit the file, or if the file cannot serve the role.
    """
    with existing(path):
        product, given = detect(path), options.given()
        base = _as_trained(path, role, product, trained)
        if base is None:
            base = _default(path, role, product, trained, options)
        if base["product"] != "geotiff":
            for name in given.keys() - {"bands"}:
                raise LstsrError(
                    f"--{option_of(role)}-{name}: {path.name} is read as {base['product']}, which "
                    "states its own calibration. Leave the option out"
                )
        reading = validated(base | given, role)
        _check_role(path, role, reading)
    return reading


def validated(keys: Mapping[str, Any], role: str) -> SensorConfig:
    """The reading of these keys. Raises LstsrError that names the option of an invalid key."""
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


def describe(reading: SensorConfig) -> str:
    """A reading in one line, for the log and the tags: unit and keys that differ from defaults."""
    keys = reading.model_dump(exclude_defaults=True, exclude={"sensor", "product"}, mode="json")
    listed = {
        key: " ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in ({"unit": reading.unit} | keys).items()
    }
    text = ", ".join(f"{key} {value}" for key, value in listed.items())
    return f"{reading.sensor} ({reading.product}): {text}"


@contextmanager
def existing(path: Path) -> Iterator[None]:
    """Raise LstsrError that names the file if it cannot be read from disk."""
    try:
        yield
    except OSError as error:
        raise LstsrError(f"{path}: {error.strerror}. Name an existing raster") from None


def _as_trained(
    path: Path, role: str, product: str, trained: CheckpointHeader | None
) -> dict[str, Any] | None:
    """The reading of a checkpoint, if it fits the file.

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
    path: Path, role: str, product: str, trained: CheckpointHeader | None, options: Options
) -> dict[str, Any]:
    """How a file is read if no training describes it."""
    if product != "geotiff":
        return {"product": product} | (_optical(path, product) if role == "reference" else {})
    names = ["lst"]
    if role == "reference":
        names = _trained_bands(trained) or [str(band) for band in options.band]
        names = names or selection.band_names(path)
    base = {"product": product, "sensor": role, "unit": UNITS[role][0], "names": names}
    if options.unit is None:
        asked = {"bands": options.band} if options.band else {}
        base["unit"] = _stated_unit(path, role, validated(base | asked, role))
    return base


def _stated_unit(path: Path, role: str, reading: SensorConfig) -> str:
    """The unit in which an image of ``role`` is read, by what its file states."""
    assert isinstance(reading, GeotiffConfig)
    stated = selection.stated(path, reading)
    if role == "input":
        return "celsius" if stated.kind == "C" else "kelvin"
    return "index" if stated.is_index and "index" in UNITS[role] else UNITS[role][0]


def _optical(path: Path, product: str) -> dict[str, Any]:
    """The key for the optical bands of a product. Raises LstsrError if it has none."""
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


def _trained_bands(trained: CheckpointHeader | None) -> list[str]:
    """The bands of the reference that a network was trained with, without layers."""
    if trained is None:
        return []
    layers = channels_of(trained.align.get("layers", []))
    return [name for name in trained.reference_bands if name not in layers]


def _check_role(path: Path, role: str, reading: SensorConfig) -> None:
    """Raise LstsrError if a reading cannot serve its role."""
    if reading.unit not in UNITS[role]:
        raise LstsrError(
            f"{path}: read in {reading.unit}, but {'an' if role == 'input' else 'a'} {role} is in "
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
