"""Values that a quantity cannot have: single ones are masked, many are a fault of the reading."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstsr.errors import SceneError
from lstsr.image import Mask, SensorImage

if TYPE_CHECKING:
    from lstsr.config import SensorConfig

logger = logging.getLogger(__name__)
RANGES: Mapping[str, tuple[float, float]] = {
    # the coldest and hottest land surfaces ever measured lie well inside
    "kelvin": (170.0, 370.0),
    # clouds and snow in glint reach 1.6; correction of the atmosphere goes below 0 over water
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
"""By so much of its range a value may exceed it."""
MOST = 0.01
"""Share of a scene's valid pixels above which implausible values are a fault of the reading."""
FILL_GAP_K = 30.0
"""A coldest temperature that occurs in more than `MOST` of the pixels, exactly, and lies further
below all others than this, is a fill value and no temperature."""


@dataclass(frozen=True)
class _Guess:
    """What values between ``low`` and ``high`` may be, and the keys that read them right."""

    low: float
    high: float
    what: str
    keys: Mapping[str, float | str]


GUESSES: Mapping[str, tuple[_Guess, ...]] = {
    "kelvin": (
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
        _Guess(-1, 110, "percent", {"scale": 0.01}),
        _Guess(0, 255, "numbers of 8 bits", {"scale": 1 / 255}),
        _Guess(-2000, 16000, "reflectance x 10000", {"scale": 0.0001}),
        _Guess(1, 65535, "Landsat SR numbers", {"scale": 0.0000275, "offset": -0.2}),
    ),
    "index": (
        _Guess(-100, 100, "index x 100", {"scale": 0.01}),
        _Guess(
            0, 255, "numbers of 8 bits, such as 100 x index + 100", {"scale": 0.01, "offset": -1}
        ),
        _Guess(-1000, 1000, "index x 1000", {"scale": 0.001}),
        _Guess(-10000, 10000, "index x 10000", {"scale": 0.0001}),
    ),
    "metre": (),
}


def checked(image: SensorImage, file: str, key: str, reading: SensorConfig) -> SensorImage:
    """``image`` without the values that its quantity cannot have, which ``history`` counts.

    ``file`` and ``key`` (as of the config: ``sensors.input``) are named in errors. A valid range
    in ``reading`` replaces that of an index or a reflectance. Raises SceneError with a guess at the
    cure where more than `MOST` of the valid pixels are so, or hold one and the same fill value.
    """
    if image.unit not in RANGES:
        return image
    low, high = _range(image.unit, reading)
    with np.errstate(invalid="ignore"):
        outside = ((image.values < low) | (image.values > high)).any(axis=0) & image.valid
    count, total = int(outside.sum()), int(image.valid.sum())
    if count > MOST * total:
        raise SceneError(_refusal(image, outside, file, key))
    if image.unit == "kelvin":
        _check_fill(image.values[0][image.valid & ~outside], file, key)
    if not count:
        return image
    logger.warning("%s: %d pixels outside %g .. %g are masked", file, count, low, high)
    values = np.where(outside, np.float32(np.nan), image.values)
    note = f"masked {count} pixels outside {low:g} .. {high:g}"
    return replace(
        image, values=values, valid=image.valid & ~outside, history=(*image.history, note)
    )


def _range(unit: str, reading: SensorConfig) -> tuple[float, float]:
    low, high = RANGES[unit]
    if unit in ("index", "reflectance"):
        asked_low, asked_high = (getattr(reading, end, None) for end in ("valid_min", "valid_max"))
        low = low if asked_low is None else asked_low
        high = high if asked_high is None else asked_high
    slack = ROUNDING * (high - low)
    return low - slack, high + slack


def _check_fill(values: NDArray[np.float32], file: str, key: str) -> None:
    """Raise SceneError where the coldest value looks like a fill value that nothing declares."""
    coldest = values.min()
    alone = values == coldest
    share = alone.mean()
    if share <= MOST or alone.all():
        return
    if float(values[~alone].min() - coldest) > FILL_GAP_K:
        raise SceneError(
            f"{file}: {share:.1%} of the pixels are exactly {coldest:g} K, far below all others. "
            f"If this value marks no-data, add it as stored to {_named(key, 'nodata')}"
        )


def _refusal(image: SensorImage, outside: Mask, file: str, key: str) -> str:
    """What is wrong with the values of an image, and what may cure it."""
    share = outside.sum() / image.valid.sum()
    band = int(np.argmax([_misses(image.unit, plane[image.valid]) for plane in image.values]))
    values = image.values[band][outside]
    names = f" of band {image.bands[band]}" if len(image.bands) > 1 else ""
    usual, counts = np.unique(values, return_counts=True)
    if counts.max() > 0.9 * counts.sum() and share < 0.999:
        fill = usual[counts.argmax()]
        return (
            f"{file}: {share:.1%} of the pixels{names} are exactly {fill:g}, which are not "
            f"{QUANTITIES[image.unit]}. If this value marks no-data, add it as stored to "
            f"{_named(key, 'nodata')}"
        )
    low, high = np.percentile(values, (1, 99))
    return (
        f"{file}: {share:.1%} of the pixels{names} are not {QUANTITIES[image.unit]}: they lie "
        f"between {low:g} and {high:g}. {_cure(image.unit, float(low), float(high), key)}"
    )


def _misses(unit: str, values: NDArray[np.float32]) -> int:
    low, high = RANGES[unit]
    return int(((values < low) | (values > high)).sum())


def _cure(unit: str, low: float, high: float, key: str) -> str:
    fitting = [one for one in GUESSES[unit] if one.low <= low and high <= one.high][:2]
    if not fitting:
        return (
            f"Check unit, scale, offset and nodata of {key} (in predict: --{_role(key)}-unit, "
            f"--{_role(key)}-scale ...)"
        )
    cures = []
    for one in fitting:
        config = ", ".join(f"{name}: {_number(value)}" for name, value in one.keys.items())
        options = " ".join(
            f"--{_role(key)}-{name} {_number(value)}" for name, value in one.keys.items()
        )
        cures.append(f"If they are {one.what}, set {config} in {key} (in predict: {options})")
    return ". ".join(cures)


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.9g}"


def _named(key: str, name: str) -> str:
    return f"{key}.{name} (in predict: --{_role(key)}-{name})"


def _role(key: str) -> str:
    return key.rpartition(".")[2]
