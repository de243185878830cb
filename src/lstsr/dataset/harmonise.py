"""Harmonisation: correction of the input's bias against the target's sensor, from covariates.

The difference between two sensors depends on view, sun, hour, season, cover and elevation. One
linear function of these covariates is fitted to all training scenes together and corrects the input
of every scene. No scene is fitted to its own target, which is unknown at prediction.

There are few scenes but many cells, and scenes differ by more than the covariates explain.
Therefore, scene means and within-scene deviations are fitted separately (Mundlak 1978, Econometrica
46, 69), each with its own penalty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstsr.errors import LstsrError
from lstsr.geo.aggregate import block_mean_t4
from lstsr.image import Floats, Mask, SensorImage, Triplet

if TYPE_CHECKING:
    from lstsr.config import DatasetConfig

Doubles = NDArray[np.float64]
# Candidate penalties, in units of the variance of a covariate.
RIDGES = tuple(float(ridge) for ridge in 10.0 ** np.arange(-3, 3.5, 0.5))


@dataclass(frozen=True)
class Samples:
    """A training scene: means (column) of its covariates and deviations (column, cell) from them.

    ``difference_k`` (cell) is target minus input, kelvin.
    """

    means: Doubles
    deviations: Doubles
    difference_k: Doubles

    @classmethod
    def of(cls, covariates: SensorImage, difference_k: NDArray[Any], cells: Mask) -> Samples:
        """The ``cells`` (row, column) of a scene."""
        means, deviations = _means_and_deviations(covariates)
        return cls(means, deviations[:, cells], difference_k[cells].astype(float))


def _means_and_deviations(covariates: SensorImage) -> tuple[Doubles, Doubles]:
    """Mean of each band over its known cells, and deviations from it (band, row, column)."""
    values = covariates.values.astype(float)
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        means = total / known.sum(axis=(1, 2))
    return means, values - means[:, None, None]


@dataclass(frozen=True)
class Column:
    """A covariate's values in training, and the correction per standard deviation, kelvin."""

    name: str
    mean: float
    std: float
    low: float
    high: float
    slope_k: float = 0.0

    @classmethod
    def of(cls, name: str, values: Doubles) -> Column:
        """The column of training ``values``. Raises LstsrError if all are NaN."""
        known = values[np.isfinite(values)]
        if not known.size:
            raise LstsrError(
                f"align.covariates: {name} is unknown in every training scene. Remove it"
            )
        mean, std = float(known.mean()), float(known.std())
        constant = std < 1e-6 * max(abs(mean), 1.0)
        return cls(name, mean, 0.0 if constant else std, float(known.min()), float(known.max()))

    def units(self, values: Doubles) -> Doubles:
        """Standardised and clipped to the training range; 0 (the mean) if NaN or constant."""
        if self.std == 0:
            return np.zeros_like(values)
        return np.nan_to_num((np.clip(values, self.low, self.high) - self.mean) / self.std)


@dataclass(frozen=True)
class Level:
    """Columns of one level, and the penalty that best predicted scenes left out of the fit."""

    columns: tuple[Column, ...]
    ridge: float

    def added_k(self, values: Doubles) -> Doubles:
        """Correction by ``values`` (column, ...), kelvin."""
        columns = zip(self.columns, values, strict=True)
        return np.sum([column.slope_k * column.units(x) for column, x in columns], axis=0)


@dataclass(frozen=True)
class Harmonisation:
    """A fitted correction of the input.

    ``between`` weights the scene's means of the covariates, ``within`` the deviations from them.
    """

    between: Level
    within: Level
    offset_k: float
    n_scenes: int

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Harmonisation:
        """The inverse of `to_dict`."""
        levels = {}
        for name in ("between", "within"):
            columns = tuple(Column(**column) for column in values[name]["columns"])
            levels[name] = Level(columns, values[name]["ridge"])
        return cls(**{**values, **levels})

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    def correction_k(self, covariates: SensorImage) -> Floats:
        """Kelvin to add to the input, (row, column).

        Raises LstsrError for other covariates than those of the fit.
        """
        names = tuple(column.name for column in self.within.columns)
        if covariates.bands != names:
            raise LstsrError(
                f"the scene has the covariates {covariates.bands}, but {names} were fitted. "
                "Train the row again"
            )
        means, deviations = _means_and_deviations(covariates)
        level_k = self.offset_k + self.between.added_k(means)
        return (level_k + self.within.added_k(deviations)).astype(np.float32)


def harmonised(
    image: SensorImage, covariates: SensorImage, harmonisation: Harmonisation
) -> SensorImage:
    """The input, corrected for the bias that its covariates explain."""
    return replace(
        image,
        values=image.values + harmonisation.correction_k(covariates),
        history=(*image.history, "harmonised with the target's sensor"),
    )


def fit_harmonisation(training: Iterable[Triplet], settings: DatasetConfig) -> Harmonisation | None:
    """The correction fitted to training scenes; None if they have no covariates.

    The fit uses valid cells with enough valid target pixels that are not wild.
    """
    names: tuple[str, ...] = ()
    samples = []
    for triplet in training:
        if triplet.covariates is None:
            return None
        names = triplet.covariates.bands
        target = triplet.target
        target_k, fraction = block_mean_t4(target.values[0], target.valid, triplet.scale)
        difference_k = target_k - triplet.input.values[0]
        cells = triplet.input.valid & (fraction >= settings.min_cell_valid)
        if cells.any():
            cells &= np.abs(difference_k - np.median(difference_k[cells])) <= settings.wild_k
        samples.append(Samples.of(triplet.covariates, difference_k, cells))
    return fit(names, samples)


def fit(names: Sequence[str], scenes: Iterable[Samples]) -> Harmonisation:
    """Regression of target minus input on the covariates; every scene has the same weight.

    A scene's mean difference is regressed on the means of its covariates, the deviations of its
    cells on their deviations. Raises LstsrError if fewer than two training scenes have cells.
    """
    kept = [scene for scene in scenes if scene.difference_k.size]
    if len(kept) < 2:
        raise LstsrError("align.covariates: a fit needs two training scenes with valid cells")
    means, cells = [], []
    for scene in kept:
        level_k = float(scene.difference_k.mean())
        means.append((scene.means[:, None], np.array([level_k])))
        cells.append((scene.deviations, scene.difference_k - level_k))
    between, offset_k = _fit_level(names, means)
    within, rest_k = _fit_level(names, cells)
    return Harmonisation(between, within, offset_k + rest_k, len(kept))


def _fit_level(
    names: Sequence[str], scenes: Sequence[tuple[Doubles, Doubles]]
) -> tuple[Level, float]:
    """Ridge regression of y (sample) on x (column, sample) of all scenes, and its offset.

    Minimises, averaged over scenes, the mean over samples of (y - a - b x)^2, plus ridge |b|^2,
    with standardised x (Hoerl & Kennard 1970, Technometrics 12, 55). Of `RIDGES`, the ridge with
    the best leave-one-scene-out prediction is taken (Stone 1974, Journal of the Royal Statistical
    Society B 36, 111).
    """
    columns = [
        Column.of(name, np.concatenate([x[index] for x, _ in scenes]))
        for index, name in enumerate(names)
    ]
    moments = np.stack([_moments(columns, x, y) for x, y in scenes])
    ridge = min(RIDGES, key=lambda ridge: _left_out(moments, ridge))
    offset_k, *slopes_k = map(float, _solve(moments.mean(axis=0), ridge))
    fitted = (replace(column, slope_k=k) for column, k in zip(columns, slopes_k, strict=True))
    return Level(tuple(fitted), ridge), offset_k


def _moments(columns: Sequence[Column], x: Doubles, y: Doubles) -> Doubles:
    """Means over samples of the products of (1, x..., y), (n + 2, n + 2)."""
    units = [column.units(values) for column, values in zip(columns, x, strict=True)]
    rows = np.stack([np.ones_like(y), *units, y])
    moments: Doubles = rows @ rows.T / rows.shape[1]
    return moments


def _solve(moments: Doubles, ridge: float) -> Doubles:
    """Offset and slopes. The offset is not penalised; a constant column gets the slope 0."""
    left = moments[:-1, :-1] + np.diag([0.0, *[ridge] * (len(moments) - 2)])
    return np.asarray(np.linalg.solve(left, moments[:-1, -1]), np.float64)


def _left_out(moments: Doubles, ridge: float) -> float:
    """Mean squared error of scenes that are left out of the fit in turn, kelvin squared."""
    total, errors = moments.sum(axis=0), []
    for scene in moments:
        weights = np.append(_solve((total - scene) / (len(moments) - 1), ridge), -1.0)
        errors.append(weights @ scene @ weights)
    return float(np.mean(errors))
