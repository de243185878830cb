"""Impossible values of an image: a few are masked, many mean that the reading is wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from lstsr.errors import SceneError
from lstsr.image import Floats, Mask, SensorImage
from lstsr.sensors.raster.calibration import KELVIN_AT_0_CELSIUS, Calibration

if TYPE_CHECKING:
    from lstsr.config import SensorConfig

logger = logging.getLogger(__name__)
QUANTITIES: Mapping[str, tuple[float, float, str]] = {
    # the coldest and hottest land surfaces ever measured lie well inside this range
    "kelvin": (170.0, 370.0, "land-surface temperatures"),
    # clouds and glinting snow reach 1.6; atmospheric correction gives negative values over water
    "reflectance": (-0.4, 2.0, "reflectances"),
    "index": (-1.0, 1.0, "values of an index from -1 to 1"),
    # the shore of the Dead Sea and the summit of Everest
    "metre": (-500.0, 9000.0, "elevations"),
}
"""Lowest and highest value of each unit, and what the values are."""
MOST = 0.01
"""Largest share of impossible values among the valid pixels. With more, the reading is wrong."""
FILL_GAP_K = 30.0
"""A lowest temperature is a fill value if all others are warmer by more than this."""
SPREAD_K = 120.0
"""Largest range of temperatures in an image of land surfaces, including the full disk."""
CONFIGURED = ("input", "reference", "target")
"""Roles that have a reading in the config; elevation and water have none."""
GUESSES: Mapping[str, tuple[tuple[float, float, str, dict[str, Any]], ...]] = {
    "kelvin": (
        (200, 350, "kelvin", {}),
        (-70, 80, "degrees Celsius", {"unit": "celsius"}),
        (2200, 3500, "kelvin x 10", {"scale": 0.1}),
        (-700, 800, "degrees Celsius x 10", {"unit": "celsius", "scale": 0.1}),
        (-7000, 8000, "degrees Celsius x 100", {"unit": "celsius", "scale": 0.01}),
        (11000, 17500, "kelvin x 50, as in MOD11", {"scale": 0.02}),
        (22000, 35000, "kelvin x 100", {"scale": 0.01}),
        (25000, 65535, "Landsat ST numbers", {"scale": 0.00341802, "offset": 149.0}),
        (220000, 350000, "kelvin x 1000", {"scale": 0.001}),
    ),
    "reflectance": (
        (-0.2, 1.6, "reflectances", {}),
        (-1, 1, "an index such as NDVI", {"unit": "index"}),
        (-1, 110, "percent", {"scale": 0.01}),
        (0, 255, "numbers of 8 bits", {"scale": 1 / 255}),
        (-2000, 16000, "reflectance x 10000", {"scale": 0.0001}),
        (-10000, 10000, "an index x 10000", {"unit": "index", "scale": 0.0001}),
        (1, 65535, "Landsat SR numbers", {"scale": 0.0000275, "offset": -0.2}),
    ),
    "index": (
        (-1, 1, "values of an index", {}),
        (-0.4, 2, "reflectances", {"unit": "reflectance"}),
        (-100, 100, "index x 100", {"scale": 0.01}),
        (0, 255, "numbers of 8 bits, such as 100 x index + 100", {"scale": 0.01, "offset": -1}),
        (-1000, 1000, "index x 1000", {"scale": 0.001}),
        (-10000, 10000, "index x 10000", {"scale": 0.0001}),
    ),
    "metre": (),
}
"""By unit: lowest and highest stored value, what they can be, and the keys that say so."""


@dataclass(frozen=True)
class _Band:
    """A band for messages: its file, config key and reading, unit of its values, calibration."""

    file: str
    key: str
    reading: SensorConfig
    unit: str
    how: Calibration

    @property
    def role(self) -> str:
        return self.key.rpartition(".")[2]

    def stored(self, values: Any) -> Any:
        """The stored numbers behind ``values``. Users can look them up in the file."""
        is_celsius = (self.unit, self.reading.unit) == ("kelvin", "celsius")
        kelvin = KELVIN_AT_0_CELSIUS if is_celsius else 0.0
        return (values - kelvin - self.how.offset) / self.how.scale


def limits(reading: SensorConfig, low: float = -inf, high: float = inf) -> tuple[float, float]:
    """The valid range that a reading sets; otherwise ``low`` and ``high``."""
    return (
        low if reading.valid_min is None else reading.valid_min,
        high if reading.valid_max is None else reading.valid_max,
    )


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
    if image.unit not in QUANTITIES:
        return image
    how = calibrations or [Calibration(1.0, 0.0)] * len(image.bands)
    bands = [_Band(file, key, reading, image.unit, one) for one in how]
    low, high, _ = QUANTITIES[image.unit]
    if image.unit in ("index", "reflectance"):
        low, high = limits(reading, low, high)
    slack = 1e-3 * (high - low)  # values can be rounded
    low, high = low - slack, high + slack
    impossible = ((image.values < low) | (image.values > high)) & image.valid
    outside: Mask = np.any(impossible, axis=0)
    if outside.sum() > MOST * image.valid.sum():
        worst = int(impossible.sum(axis=(1, 2)).argmax())
        raise SceneError(_refusal(image, outside, worst, bands[worst]))
    notes = []
    if outside.any():
        notes.append(f"masked {outside.sum()} pixels outside {low:g} .. {high:g}")
    if image.unit == "kelvin":
        fill = _fill(image.values[0], image.valid & ~outside, bands[0])
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


def _fill(values: Floats, valid: Mask, band: _Band) -> Mask:
    """Pixels of the lowest temperature, if it is so far below all others that it is a fill value.

    Raises SceneError if there are too many, or if temperatures differ too much.
    """
    known = values[valid]
    low, high = np.percentile(known, (1, 99))
    if high - low > SPREAD_K:
        raise SceneError(
            f"{band.file}: the values lie between {low:g} and {high:g} K, too far apart for "
            f"land-surface temperatures. {_cure(known, band)}"
        )
    coldest = known.min()
    warmer = known[known > coldest]
    if not warmer.size or warmer.min() - coldest <= FILL_GAP_K:
        return np.zeros_like(valid)
    fill: Mask = valid & (values == coldest)
    if fill.sum() > MOST * known.size:
        raise SceneError(
            f"{band.file}: {fill.sum() / known.size:.1%} of the pixels are exactly {coldest:g} "
            f"K, far below all others. {_cure_of_fill(float(coldest), band)}"
        )
    return fill


def _refusal(image: SensorImage, outside: Mask, number: int, band: _Band) -> str:
    """The fault in the values of band ``number`` (from 0), and a likely fix."""
    total = int(image.valid.sum())
    share = outside.sum() / total
    values = image.values[number][outside]
    quantity = QUANTITIES[image.unit][2]
    start = f"{band.file}: {share:.1%} of the pixels"
    if len(image.bands) > 1:
        start += f" of band {image.bands[number].removeprefix('band ')}"
    usual, counts = np.unique(values, return_counts=True)
    fill, repeated = float(usual[counts.argmax()]), int(counts.max())
    cure_of_fill = _cure_of_fill(fill, band)
    if repeated > 0.9 * len(values) and share < 0.999:
        return f"{start} are exactly {fill:g}, which are not {quantity}. {cure_of_fill}"
    rest, beside = values[values != fill], ""
    if rest.size and repeated > MOST * total and _lies_apart(fill, rest):
        values = rest
        beside = f". {repeated / total:.1%} are exactly {fill:g}. {cure_of_fill}"
    ends = values.min(), values.max()
    stored = sorted(float(band.stored(end)) for end in ends)
    as_stored = (
        ""
        if np.allclose(stored, ends)
        else (
            f" (stored {stored[0]:.6g} to {stored[1]:.6g}, read as {band.reading.unit} = stored x "
            f"{band.how.scale:.9g} + {band.how.offset:.9g})"
        )
    )
    return (
        f"{start} are not {quantity}: they lie between {ends[0]:g} and {ends[1]:g}{as_stored}. "
        f"{_cure(values, band)}{beside}"
    )


def _lies_apart(value: float, others: Floats) -> bool:
    """Whether a value lies outside the range of others by more than a fifth of the range."""
    low, high = float(others.min()), float(others.max())
    return max(low - value, value - high) > 0.2 * (high - low)


def _cure(values: Floats, band: _Band) -> str:
    """Readings that turn the stored numbers into plausible values."""
    if band.role not in CONFIGURED:
        wanted = "metres" if band.unit == "metre" else "shares from 0 to 1"
        return (
            f"Convert {band.file} to {wanted}, and state its no-data value: gdal_translate "
            "-a_nodata"
        )
    low, high = sorted(band.stored(np.percentile(values, (1, 99))))
    option = f"--{option_of(band.role)}"
    used = {"unit": band.reading.unit, "scale": band.how.scale, "offset": band.how.offset}
    cures: list[str] = []
    for lowest, highest, what, keys in GUESSES[band.unit]:
        wanted_keys = {"unit": band.unit, "scale": 1.0, "offset": 0.0, **keys}
        changed = {
            name: value if isinstance(value, str) else f"{value:.9g}"
            for name, value in wanted_keys.items()
            if value != used[name]
        }
        if lowest <= low and high <= highest and changed:
            config = ", ".join(f"{name}: {value}" for name, value in changed.items())
            options = " ".join(f"{option}-{name} {value}" for name, value in changed.items())
            cures.append(f"If they are {what}, set {config} in {band.key} (in predict: {options})")
    return ". ".join(cures[:2]) or (
        f"Check unit, scale, offset and nodata of {band.key} (in predict: {option}-unit, "
        f"{option}-scale ...)"
    )


def _cure_of_fill(fill: float, band: _Band) -> str:
    stored = float(band.stored(fill))
    if band.role not in CONFIGURED:
        return (
            "If this value marks no-data, state it in the file: gdal_translate -a_nodata "
            f"{stored:g} {band.file} stated.tif"
        )
    return (
        f"If this value marks no-data, add it as stored ({stored:.6g}) to {band.key}.nodata (in "
        f"predict: --{option_of(band.role)}-nodata {stored:.6g})"
    )


def option_of(role: str) -> str:
    """The name of a role in options of `lstsr predict`; a single image is given as --input."""
    return "input" if role == "target" else role
