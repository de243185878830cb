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
"""Units that an image of each role can have; the target is the image of task optical."""
OPTICAL_KEYS: Mapping[str, dict[str, Any]] = {
    "landsat": {"bands": ["red", "nir08"]},
    "goci2": {},
    "goci2-l1b": {},
}
"""Keys that read the optical bands of a product."""


def reading_of(
    path: Path, role: str, trained: CheckpointHeader | None, options: Options
) -> SensorConfig:
    """How a file of ``role`` is read: by ``options``, as in training, or as the file states.

    Raises LstsrError if an option does not fit the file, or if the file does not fit the role.
    """
    with existing(path):
        product, given = detect(path), options.given()
        base = _as_trained(path, role, product, trained) or _default(
            path, role, product, trained, options
        )
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
    """The reading with these keys. Raises LstsrError that names the option of an invalid key."""
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
    """A reading in one line, for the log and the tags: unit and all keys that are not defaults."""
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
    """The reading of a checkpoint if it fits the file, whose coordinate system comes first."""
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
        layers = channels_of(trained.align.get("layers", [])) if trained else ()
        trained_bands = trained.reference_bands if trained else ()
        names = [band for band in trained_bands if band not in layers]
        names = names or [str(band) for band in options.band] or selection.band_names(path)
    base = {"product": product, "sensor": role, "unit": UNITS[role][0], "names": names}
    if options.unit is None:
        asked = {"bands": options.band} if options.band else {}
        reading = validated(base | asked, role)
        assert isinstance(reading, GeotiffConfig)
        stated = selection.stated(path, reading)
        if role == "input" and stated.kind == "C":
            base["unit"] = "celsius"
        elif role == "reference" and stated.is_index:
            base["unit"] = "index"
    return base


def _optical(path: Path, product: str) -> dict[str, Any]:
    """The keys that read the optical bands of a product. Raises LstsrError if it has none."""
    channel = path.name.removeprefix("gk2a_ami_le1b_").partition("_")[0]
    if product == "gk2a-l1b" and channel.startswith(("vi", "nr")):
        return {"bands": [channel]}
    if product in OPTICAL_KEYS:
        return OPTICAL_KEYS[product]
    raise LstsrError(
        f"{path}: a {product} file holds temperatures, but a reference is an optical image. Name "
        "one, such as a Landsat L2SP folder or a GOCI-II file"
    )


def _check_role(path: Path, role: str, reading: SensorConfig) -> None:
    """Raise LstsrError if a reading does not fit its role."""
    if reading.unit not in UNITS[role]:
        raise LstsrError(
            f"{path}: read in {reading.unit}, but {'an' if role == 'input' else 'a'} {role} is in "
            f"{' or '.join(UNITS[role])}. Set --{option_of(role)}-unit, or name another file"
        )
    if role == "input" and len(reading.names) != 1:
        raise LstsrError(
            f"--input-band: {len(reading.names)} bands are named, but LST has one. Name one"
        )
    if not isinstance(reading, GeotiffConfig) or reading.scale is not None:
        return
    cure = band_cure(path)
    if cure and not selection.stated(path, reading).calibrated:
        raise LstsrError(f"{path}: {cure}")
