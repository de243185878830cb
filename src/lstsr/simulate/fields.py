"""Random fields for terrain, cover, weather and clouds."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import expit

from lstsr.image import Floats


def power_law(
    shape: tuple[int, int], slope: float, rng: np.random.Generator, coarse: int = 1
) -> Floats:
    """A Gaussian random field (rows, columns), mean 0 and variance 1, power ~ wavenumber^-slope.

    With ``coarse`` = n it is drawn on every n-th pixel and interpolated, which suits smooth fields.
    """
    rows, columns = (-(-length // coarse) for length in shape)
    waves = fft.rfft2(rng.standard_normal((rows, columns), np.float32))
    radius = np.hypot(fft.fftfreq(rows)[:, None], fft.rfftfreq(columns)[None]).astype(np.float32)
    radius[0, 0] = np.inf
    field = fft.irfft2(waves * radius ** np.float32(-slope / 2), (rows, columns))
    if coarse > 1:
        field = cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def ramp(field: NDArray[np.floating[Any]], middle: float, width: float) -> Floats:
    """From 0 to 1 as ``field`` rises through ``middle``, over about ``width`` on either side."""
    return expit((2 / width) * (field - middle)).astype(np.float32)
