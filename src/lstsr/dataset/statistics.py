"""Statistics of the reference over the training split, for normalisation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lstsr.dataset.history import known
from lstsr.errors import LstsrError
from lstsr.image import Triplet

Doubles = NDArray[np.float64]


def reference_sums(triplet: Triplet) -> Doubles:
    """Number, sum and sum of squares of the valid pixels of each reference band, (3, band).

    For history, only pixels with an earlier target count.
    """
    values = triplet.reference.values[:, triplet.reference.valid].astype(np.float64)
    counted = known(triplet.reference.bands, values)
    values[~counted] = 0
    return np.stack([counted.sum(axis=1), values.sum(axis=1), (values**2).sum(axis=1)])


def reference_statistics(training: Iterable[Doubles]) -> dict[str, list[float]]:
    """Mean and standard deviation of each band, from the `reference_sums` of training scenes.

    Raises LstsrError if a band has no value.
    """
    count, total, squares = np.sum(list(training), axis=0)
    if not count.all():
        raise LstsrError(
            "align.layers: no training scene has an earlier target for layer history. Add "
            "earlier dates, raise align.history_max_age_days, or remove the layer"
        )
    mean = total / count
    std = np.sqrt(squares / count - np.square(mean))
    return {"reference_mean": mean.tolist(), "reference_std": std.tolist()}
