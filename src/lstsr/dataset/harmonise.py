"""Harmonisation: the input's bias as a function of what is known wherever there is no target.

Two sensors disagree by view and sun geometry, hour, season, cover and elevation. One linear
function of these is fitted to all training scenes together and taken off every scene's input; no
scene is ever fitted to its own target, which no operator has.

Scenes are few and differ by more than these explain, cells are many: so what a covariate does
within scenes and between their means are told apart (Mundlak 1978, Econometrica 46, 69), each with
a penalty of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstsr.dataset.layers import Ground, Layers
from lstsr.errors import LstsrError, SceneError
from lstsr.geo.coarsen import coarsened
from lstsr.image import Floats, Mask, SensorImage, Viewpoint

Doubles = NDArray[np.float64]
# Penalties that are tried, in units of the variance of a covariate.
RIDGES = tuple(float(ridge) for ridge in 10.0 ** np.arange(-3, 3.5, 0.5))
# A share of valid fine pixels from which on a cell has an NDVI.
NDVI_FRACTION = 0.25


@dataclass(frozen=True)
class Samples:
    """A training scene: means of its covariates (column), deviations from them at cells.

    ``deviations`` are (column, cell), ``difference_k`` (cell) target minus input, kelvin.
    """

    means: Doubles
    deviations: Doubles
    difference_k: Doubles

    @classmethod
    def of(cls, covariates: SensorImage, difference_k: NDArray[Any], cells: Mask) -> Samples:
        """The ``cells`` (row, column) of a scene."""
        means, deviations = _apart(covariates)
        return cls(means, deviations[:, cells], difference_k[cells].astype(float))


def _apart(covariates: SensorImage) -> tuple[Doubles, Doubles]:
    """Means of each band over the cells where it is known, and deviations (band, row, column)."""
    values = covariates.values.astype(float)
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        means = total / known.sum(axis=(1, 2))
    return means, values - means[:, None, None]


@dataclass(frozen=True)
class Column:
    """A covariate's values in training, and what a standard deviation of it adds, kelvin."""

    name: str
    mean: float
    std: float
    low: float
    high: float
    slope_k: float = 0.0

    def units(self, values: Doubles) -> Doubles:
        """Standardised; beyond the training range its end, 0 (the mean) where NaN or constant."""
        if self.std == 0:
            return np.zeros_like(values)
        return np.nan_to_num((np.clip(values, self.low, self.high) - self.mean) / self.std)


@dataclass(frozen=True)
class Level:
    """Columns of one level, and the penalty that predicted left-out scenes best."""

    columns: tuple[Column, ...]
    ridge: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Level:
        """What a JSON object says."""
        return cls(tuple(Column(**column) for column in values["columns"]), values["ridge"])

    def added_k(self, values: Doubles) -> Doubles:
        """What ``values`` (column, ...) add, kelvin."""
        terms = [
            column.slope_k * column.units(one)
            for column, one in zip(self.columns, values, strict=True)
        ]
        return np.sum(terms, axis=0)


@dataclass(frozen=True)
class Harmonisation:
    """A fitted correction: what to add to the input.

    ``between`` weighs the scene's means of the covariates, ``within`` the deviations from them.
    """

    between: Level
    within: Level
    offset_k: float
    n_scenes: int

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Harmonisation:
        """What `to_dict` gave."""
        levels = {name: Level.from_dict(values[name]) for name in ("between", "within")}
        return cls(**{**values, **levels})

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    def correction_k(self, covariates: SensorImage) -> Floats:
        """What to add to the input (row, column), kelvin.

        Raises LstsrError for other covariates than those of the fit.
        """
        names = tuple(column.name for column in self.within.columns)
        if covariates.bands != names:
            raise LstsrError(f"covariates {covariates.bands} where {names} were fitted")
        means, deviations = _apart(covariates)
        level_k = self.offset_k + self.between.added_k(means)
        return (level_k + self.within.added_k(deviations)).astype(np.float32)


def covariates_of(
    names: Sequence[str],
    coarse: SensorImage,
    viewpoint: Viewpoint | None,
    reference: SensorImage,
    ground: Ground,
) -> SensorImage | None:
    """The covariates ``names`` on the grid of ``coarse``, at its time; NaN where unknown.

    ``reference`` lies on a grid that nests in it. Raises SceneError where something is missing.
    None where none are asked for.
    """
    if not names:
        return None
    made = Layers(coarse.grid, coarse.time, viewpoint, ground)
    scale = reference.grid.width // coarse.grid.width
    fields: dict[str, Doubles] = {}
    for name in names:
        if name == "ndvi":
            fields[name] = _ndvi(reference, scale)
        elif name in ("hour", "season"):
            turn = _turn(name, made)
            fields |= {f"{name}_cos": np.cos(turn), f"{name}_sin": np.sin(turn)}
        else:
            fields[name] = getattr(made, name)()
    return SensorImage(
        np.stack(list(fields.values())).astype(np.float32),
        np.ones(coarse.grid.shape, bool),
        coarse.grid,
        tuple(fields),
        "covariate",
        coarse.sensor,
        coarse.time,
    )


def _ndvi(reference: SensorImage, scale: int) -> Doubles:
    """Mean of each cell's valid pixels."""
    cells = coarsened(reference, scale, NDVI_FRACTION)
    return cells.values[reference.bands.index("ndvi")].astype(float)


def _turn(name: str, made: Layers) -> Doubles:
    """The hour (local solar time) or season as an angle, radians; equal all over the scene."""
    if not made.time:
        raise SceneError(
            f"covariate {name}: the input has no time (manifest column time, or its tag)"
        )
    time = datetime.fromisoformat(made.time).astimezone(UTC)
    day = time.timetuple().tm_yday
    if name == "season":
        share = day / 365.25
    else:
        lon = made.lon_lat_deg[0].mean()
        share = (time.hour + time.minute / 60) / 24 + lon / 360
    return np.full(made.grid.shape, 2 * np.pi * share)


def fit(columns: Sequence[str], scenes: Iterable[Samples]) -> Harmonisation:
    """Target minus input of training scenes by the covariates; every scene weighs the same.

    The mean difference of a scene is regressed on the means of the covariates, its cells'
    deviations on theirs. Raises LstsrError where fewer than two training scenes have cells.
    """
    kept = [one for one in scenes if one.difference_k.size]
    if len(kept) < 2:
        raise LstsrError("align.covariates: a fit needs two training scenes with observed cells")
    levels_k = [float(one.difference_k.mean()) for one in kept]
    means = [(one.means[:, None], np.array([k])) for one, k in zip(kept, levels_k, strict=True)]
    cells = [(one.deviations, one.difference_k - k) for one, k in zip(kept, levels_k, strict=True)]
    between, offset_k = _fit_level(columns, means)
    within, rest_k = _fit_level(columns, cells)
    return Harmonisation(between, within, offset_k + rest_k, len(kept))


def _fit_level(
    names: Sequence[str], scenes: Sequence[tuple[Doubles, Doubles]]
) -> tuple[Level, float]:
    """Ridge regression of y (sample) on x (column, sample) of each scene; and its offset.

    Minimises, averaged over scenes, the mean over samples of (y - a - b x)^2, plus ridge |b|^2,
    with standardised x (Hoerl & Kennard 1970, Technometrics 12, 55); the ridge is the one of
    `RIDGES` that predicts scenes best that are left out one after the other (Stone 1974, Journal of
    the Royal Statistical Society B 36, 111).
    """
    columns = [
        _column(name, np.concatenate([x[index] for x, _ in scenes]))
        for index, name in enumerate(names)
    ]
    moments = np.stack([_moments(columns, x, y) for x, y in scenes])
    ridge = min(RIDGES, key=lambda ridge: _left_out(moments, ridge))
    offset_k, *slopes_k = map(float, _solve(moments.mean(axis=0), ridge))
    fitted = (replace(one, slope_k=k) for one, k in zip(columns, slopes_k, strict=True))
    return Level(tuple(fitted), ridge), offset_k


def _column(name: str, values: Doubles) -> Column:
    known = values[np.isfinite(values)]
    if not known.size:
        raise LstsrError(f"align.covariates: {name} is unknown in every training scene")
    mean, std = float(known.mean()), float(known.std())
    constant = std < 1e-6 * max(abs(mean), 1.0)
    return Column(name, mean, 0.0 if constant else std, float(known.min()), float(known.max()))


def _moments(columns: Sequence[Column], x: Doubles, y: Doubles) -> Doubles:
    """Means over samples of the products of (1, x..., y), (n + 2, n + 2)."""
    units = [column.units(values) for column, values in zip(columns, x, strict=True)]
    rows = np.stack([np.ones_like(y), *units, y])
    moments: Doubles = rows @ rows.T / rows.shape[1]
    return moments


def _solve(moments: Doubles, ridge: float) -> Doubles:
    """Offset and slopes; the offset is not penalised, and a constant column gets no slope."""
    left = moments[:-1, :-1] + np.diag([0.0, *[ridge] * (len(moments) - 2)])
    return np.asarray(np.linalg.solve(left, moments[:-1, -1]), np.float64)


def _left_out(moments: Doubles, ridge: float) -> float:
    """Mean squared error of scenes that the fit has not seen, kelvin squared."""
    total, errors = moments.sum(axis=0), []
    for one in moments:
        weights = np.append(_solve((total - one) / (len(moments) - 1), ridge), -1.0)
        errors.append(weights @ one @ weights)
    return float(np.mean(errors))
