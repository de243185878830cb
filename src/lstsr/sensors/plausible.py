"""Impossible values of an image: a few are masked, many mean that the reading is wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lstsr.errors import SceneError
from lstsr.image import Floats, Mask, SensorImage
from lstsr.sensors.raster.calibration import KELVIN_AT_0_CELSIUS, Calibration

if TYPE_CHECKING:
    from lstsr.config import SensorConfig

logger = logging.getLogger(__name__)
RANGES: Mapping[str, tuple[float, float]] = {
    # the coldest and hottest land surfaces ever measured lie well inside this range
    "kelvin": (170.0, 370.0),
    # clouds and glinting snow reach 1.6; atmospheric correction gives negative values over water
    "reflectance": (-0.4, 2.0),
    "index": (-1.0, 1.0),
    # the shore of the Dead Sea and the summit of Everest
    "metre": (-500.0, 9000.0),
}
"""Lowest and highest value of each unit."""
QUANTITIES = {
    "kelvin": "land-surface temperatures",
    "reflectance": "reflectances",
    "index": "values of an index from -1 to 1",
    "metre": "elevations",
}
ROUNDING = 1e-3
"""A value can exceed the range by this share of it."""
MOST = 0.01
"""Largest share of impossible values among the valid pixels. More are a fault of the reading."""
FILL_GAP_K = 30.0
"""A coldest temperature further below all others than this is a fill value."""
SPREAD_K = 120.0
"""Largest range of temperatures in an image of land surfaces, including the full disk."""
CONFIGURED = ("input", "reference", "target")
"""Roles that have a reading in the config; elevation and water have none."""


@dataclass(frozen=True)
class _Guess:
    """An explanation of stored values between ``low`` and ``high``, and the keys that fix it."""

    low: float
    high: float
    what: str
    keys: Mapping[str, float | str]


GUESSES: Mapping[str, tuple[_Guess, ...]] = {
    "kelvin": (
        _Guess(200, 350, "kelvin", {}),
        _Guess(-70, 80, "degrees Celsius", {"unit": "celsius"}),
        _Guess(2200, 3500, "kelvin x 10", {"scale": 0.1}),
        _Guess(-700, 800, "degrees Celsius x 10", {"unit": "celsius", "scale": 0.1}),
        _Guess(-7000, 8000, "degrees Celsius x 100", {"unit": "celsius", "scale": 0.01}),
        _Guess(11000, 17500, "kelvin x 50, as of MOD11", {"scale": 0.02}),
        _Guess(22000, 35000, "kelvin x 100", {"scale": 0.01}),
        _Guess(25000, 65535, "Landsat ST numbers", {"scale": 0.00341802, "offset": 149.0}),
        _Guess(220000, 350000, "kelvin x 1000", {"scale": 0.001}),
    ),
    "reflectance": (
        _Guess(-0.2, 1.6, "reflectances", {}),
        _Guess(-1, 1, "an index such as NDVI", {"unit": "index"}),
        _Guess(-1, 110, "percent", {"scale": 0.01}),
        _Guess(0, 255, "numbers of 8 bits", {"scale": 1 / 255}),
        _Guess(-2000, 16000, "reflectance x 10000", {"scale": 0.0001}),
        _Guess(-10000, 10000, "an index x 10000", {"unit": "index", "scale": 0.0001}),
        _Guess(1, 65535, "Landsat SR numbers", {"scale": 0.0000275, "offset": -0.2}),
    ),
    "index": (
        _Guess(-1, 1, "values of an index", {}),
        _Guess(-0.4, 2, "reflectances", {"unit": "reflectance"}),
        _Guess(-100, 100, "index x 100", {"scale": 0.01}),
        _Guess(
            0, 255, "numbers of 8 bits, such as 100 x index + 100", {"scale": 0.01, "offset": -1}
        ),
        _Guess(-1000, 1000, "index x 1000", {"scale": 0.001}),
        _Guess(-10000, 10000, "index x 10000", {"scale": 0.0001}),
    ),
    "metre": (),
}


@dataclass(frozen=True)
class _Source:
    """Origin of values: file, config key, reading, and calibration of each band (if known).

    Errors give stored values, which the user can look up.
    """

    file: str
    key: str
    reading: SensorConfig
    calibrations: Sequence[Calibration]

    @property
    def role(self) -> str:
        """Last part of the config key."""
        return self.key.rpartition(".")[2]

    def calibration(self, band: int) -> Calibration:
        """Scale and offset of a band; 1 and 0 if the image is not a plain raster."""
        return self.calibrations[band] if self.calibrations else Calibration(1.0, 0.0)

    def stored(self, values: Any, unit: str, band: int) -> Any:
        """The stored values behind ``values`` of an image in ``unit``."""
        how = self.calibration(band)
        added = KELVIN_AT_0_CELSIUS if (unit, self.reading.unit) == ("kelvin", "celsius") else 0.0
        return (values - added - how.offset) / how.scale


def checked(
    image: SensorImage,
    file: str,
    key: str,
    reading: SensorConfig,
    calibrations: Sequence[Calibration] = (),
) -> SensorImage:
    """``image`` without impossible values of its quantity; ``history`` counts them.

    Errors name ``file`` and ``key`` (of the config, such as ``sensors.input``). ``calibrations``
    has one entry per band if the file is a plain raster. For an index or a reflectance, a valid
    range in ``reading`` replaces the usual one. Raises SceneError with a likely fix if more than
    `MOST` of the valid pixels are impossible or hold one fill value, or if temperatures differ too
    much.
    """
    if image.unit not in RANGES:
        return image
    source = _Source(file, key, reading, calibrations)
    low, high = _range(image.unit, reading)
    with np.errstate(invalid="ignore"):
        outside = ((image.values < low) | (image.values > high)).any(axis=0) & image.valid
    total = int(image.valid.sum())
    if outside.sum() > MOST * total:
        raise SceneError(_refusal(image, outside, source))
    notes = []
    if outside.any():
        notes.append(f"masked {outside.sum()} pixels outside {low:g} .. {high:g}")
    if image.unit == "kelvin":
        fill = _fill(image.values[0], image.valid & ~outside, source)
        if fill.any():
            coldest = image.values[0][fill][0]
            notes.append(f"masked {fill.sum()} pixels of exactly {coldest:g}, far below all others")
        outside |= fill
    if not notes:
        return image
    for note in notes:
        logger.warning("%s: %s", file, note)
    return replace(
        image,
        values=np.where(outside, np.float32(np.nan), image.values),
        valid=image.valid & ~outside,
        history=(*image.history, *notes),
    )


def _range(unit: str, reading: SensorConfig) -> tuple[float, float]:
    low, high = RANGES[unit]
    if unit in ("index", "reflectance"):
        asked_low, asked_high = (getattr(reading, end, None) for end in ("valid_min", "valid_max"))
        low = low if asked_low is None else asked_low
        high = high if asked_high is None else asked_high
    slack = ROUNDING * (high - low)
    return low - slack, high + slack


def _fill(values: Floats, valid: Mask, source: _Source) -> Mask:
    """Pixels of the coldest value, if it is so far below all others that it is a fill value.

    Raises SceneError if there are too many, or if temperatures differ too much.
    """
    known = values[valid]
    low, high = np.percentile(known, (1, 99))
    if high - low > SPREAD_K:
        raise SceneError(
            f"{source.file}: the values lie between {low:g} and {high:g} K, too far apart for "
            f"land-surface temperatures. {_cure('kelvin', known, 0, source)}"
        )
    coldest = known.min()
    warmer = known[known > coldest]
    if not warmer.size or warmer.min() - coldest <= FILL_GAP_K:
        return np.zeros_like(valid)
    fill: Mask = valid & (values == coldest)
    if fill.sum() > MOST * known.size:
        raise SceneError(
            f"{source.file}: {fill.sum() / known.size:.1%} of the pixels are exactly {coldest:g} "
            f"K, far below all others. {_cure_of_fill(float(coldest), 'kelvin', 0, source)}"
        )
    return fill


def _refusal(image: SensorImage, outside: Mask, source: _Source) -> str:
    """The fault in the values of an image, and a likely fix."""
    total = int(image.valid.sum())
    share = outside.sum() / total
    low, high = RANGES[image.unit]
    misses = ((image.values < low) | (image.values > high))[:, image.valid].sum(axis=1)
    band = int(misses.argmax())
    values = image.values[band][outside]
    name = image.bands[band].removeprefix("band ")
    pixels = "of the pixels" + (f" of band {name}" if len(image.bands) > 1 else "")
    quantity = QUANTITIES[image.unit]
    usual, counts = np.unique(values, return_counts=True)
    fill, repeated = float(usual[counts.argmax()]), int(counts.max())
    cure_of_fill = _cure_of_fill(fill, image.unit, band, source)
    if repeated > 0.9 * len(values) and share < 0.999:
        return (
            f"{source.file}: {share:.1%} {pixels} are exactly {fill:g}, which are not {quantity}. "
            f"{cure_of_fill}"
        )
    rest, beside = values[values != fill], ""
    if rest.size and repeated > MOST * total and _lies_apart(fill, rest):
        values = rest
        beside = f". {repeated / total:.1%} are exactly {fill:g}. {cure_of_fill}"
    return (
        f"{source.file}: {share:.1%} {pixels} are not {quantity}: they lie "
        f"between {values.min():g} and {values.max():g}"
        f"{_as_stored(values, image.unit, band, source)}. "
        f"{_cure(image.unit, values, band, source)}{beside}"
    )


def _lies_apart(value: float, others: Floats) -> bool:
    """Whether a value lies outside the range of others by more than a fifth of it."""
    low, high = float(others.min()), float(others.max())
    return max(low - value, value - high) > 0.2 * (high - low)


def _as_stored(values: Floats, unit: str, band: int, source: _Source) -> str:
    """The stored range of values, if it differs."""
    low, high = (float(source.stored(end, unit, band)) for end in (values.min(), values.max()))
    if np.isclose(low, values.min()) and np.isclose(high, values.max()):
        return ""
    how = source.calibration(band)
    low, high = sorted((low, high))
    return (
        f" (stored {low:.6g} to {high:.6g}, read as {source.reading.unit} = stored x "
        f"{how.scale:.9g} + {how.offset:.9g})"
    )


def _cure(unit: str, values: Floats, band: int, source: _Source) -> str:
    """Readings that turn the stored values into plausible values of ``unit``."""
    if source.role not in CONFIGURED:
        wanted = "metres" if unit == "metre" else "shares from 0 to 1"
        return (
            f"Convert {source.file} to {wanted}, and state its no-data value: gdal_translate "
            "-a_nodata"
        )
    low, high = sorted(source.stored(np.percentile(values, (1, 99)), unit, band))
    option = f"--{option_of(source.role)}"
    cures: list[str] = []
    for guess in GUESSES[unit]:
        keys = _changed_keys(guess, unit, band, source)
        if guess.low <= low and high <= guess.high and keys and len(cures) < 2:
            config = ", ".join(f"{name}: {value}" for name, value in keys.items())
            options = " ".join(f"{option}-{name} {value}" for name, value in keys.items())
            cures.append(
                f"If they are {guess.what}, set {config} in {source.key} (in predict: {options})"
            )
    return ". ".join(cures) or (
        f"Check unit, scale, offset and nodata of {source.key} (in predict: {option}-unit, "
        f"{option}-scale ...)"
    )


def _changed_keys(guess: _Guess, unit: str, band: int, source: _Source) -> dict[str, str]:
    """The keys of a guess that differ from how the values were read."""
    how, reading = source.calibration(band), source.reading
    used = {"unit": reading.unit, "scale": how.scale, "offset": how.offset}
    wanted = {"unit": unit, "scale": 1.0, "offset": 0.0, **guess.keys}
    return {
        name: value if isinstance(value, str) else f"{value:.9g}"
        for name, value in wanted.items()
        if value != used[name]
    }


def _cure_of_fill(fill: float, unit: str, band: int, source: _Source) -> str:
    fill = float(source.stored(fill, unit, band))
    if source.role not in CONFIGURED:
        return (
            "If this value marks no-data, state it in the file: gdal_translate -a_nodata "
            f"{fill:g} {source.file} stated.tif"
        )
    return (
        f"If this value marks no-data, add it as stored ({fill:.6g}) to {source.key}.nodata (in "
        f"predict: --{option_of(source.role)}-nodata {fill:.6g})"
    )


def option_of(role: str) -> str:
    """The name of a role in options of `lstsr predict`; a single image is given as --input."""
    return "input" if role == "target" else role
