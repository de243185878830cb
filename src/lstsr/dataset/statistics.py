"""Statistics of the reference over the training split, for normalisation."""

from __future__ import annotations

import numpy as np

from lstsr.dataset.history import known
from lstsr.errors import LstsrError
from lstsr.image import Triplet


class ReferenceStatistics:
    """Mean and standard deviation of each reference band, accumulated scene by scene."""

    def __init__(self) -> None:
        self._count: np.ndarray | float = 0.0
        self._sum: np.ndarray | float = 0.0
        self._squares: np.ndarray | float = 0.0

    def add(self, triplet: Triplet) -> None:
        """Count the valid pixels of a training scene; of history only pixels that have some."""
        values = triplet.reference.values[:, triplet.reference.valid].astype(np.float64)
        counted = known(triplet.reference.bands, values)
        values[~counted] = 0
        self._count = self._count + counted.sum(axis=1)
        self._sum = self._sum + values.sum(axis=1)
        self._squares = self._squares + (values**2).sum(axis=1)

    @property
    def mean(self) -> list[float]:
        """One value a band. Raises LstsrError if a band has no value."""
        if not np.all(self._count):
            raise LstsrError(
                "align.layers: no training scene has an earlier target for layer history. Add "
                "earlier dates, raise align.history_max_age_days, or remove the layer"
            )
        return [float(value) for value in np.atleast_1d(self._sum / self._count)]

    @property
    def std(self) -> list[float]:
        """One value a band."""
        variance = self._squares / self._count - np.square(self._sum / self._count)
        return [float(value) for value in np.atleast_1d(np.sqrt(variance))]
