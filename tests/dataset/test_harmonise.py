"""Harmonisation, compared with known biases of simulated scenes."""

import json

import numpy as np
import pytest
from affine import Affine

from lstsr.dataset.harmonise import Harmonisation, Samples, fit
from lstsr.errors import LstsrError
from lstsr.grid import Grid
from lstsr.image import SensorImage

GRID = Grid("EPSG:32652", Affine(2000, 0, 400_000, 0, -2000, 4_100_000), 24, 20)
COLUMNS = ("ndvi", "season_cos", "elevation")
SLOPES = np.array([2.0, -1.0, 0.003])


def field(rng: np.random.Generator) -> SensorImage:
    """NDVI and elevation vary within and between scenes, the season only between them."""
    ndvi = rng.uniform(0.2, 0.6) + rng.uniform(-0.2, 0.2, GRID.shape)
    season = np.full(GRID.shape, rng.uniform(-1, 1))
    elevation = rng.uniform(100, 500) + rng.uniform(-100, 400, GRID.shape)
    return covariates(np.stack([ndvi, season, elevation]))


def covariates(values: np.ndarray) -> SensorImage:
    return SensorImage(
        values.astype(np.float32), np.ones(GRID.shape, bool), GRID, COLUMNS, "covariate", "x"
    )


def scene(rng: np.random.Generator, noise_k: float, scatter_k: float = 0.0) -> Samples:
    """Target minus input is 0.7 + 2 ndvi - season + 0.003 elevation plus a scene's own level."""
    known = field(rng)
    difference = 0.7 + np.tensordot(SLOPES, known.values.astype(float), 1)
    difference += rng.normal(0, scatter_k) + rng.normal(0, noise_k, GRID.shape)
    return Samples.of(known, difference, np.ones(GRID.shape, bool))


def test_the_bias_that_was_put_in_is_found() -> None:
    rng = np.random.default_rng(0)
    found = fit(COLUMNS, [scene(rng, 0.2) for _ in range(20)])
    for _ in range(3):
        one = field(rng)
        truth = 0.7 + np.tensordot(SLOPES, one.values.astype(float), 1)
        np.testing.assert_allclose(found.correction_k(one), truth, atol=0.25, rtol=0)
    assert found.n_scenes == 20
    again = Harmonisation.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found


def test_levels_of_scenes_do_not_disturb_what_holds_within_them() -> None:
    """Scene levels scatter by 3 K. The fit finds slopes within scenes and none between them."""
    rng = np.random.default_rng(2)
    found = fit(COLUMNS, [scene(rng, 0.2, scatter_k=3.0) for _ in range(8)])
    ndvi, season, elevation = found.within.columns
    assert ndvi.slope_k / ndvi.std == pytest.approx(2.0, rel=0.1)
    assert elevation.slope_k / elevation.std == pytest.approx(0.003, rel=0.1)
    assert season.slope_k == 0
    assert found.between.ridge > found.within.ridge


def test_every_scene_weighs_the_same() -> None:
    """A scene that is off by 10 K with all its cells counts like a scene with a few cells."""
    rng = np.random.default_rng(1)
    scenes = [scene(rng, 0.1) for _ in range(10)]
    odd = scenes.pop()
    few = [Samples(one.means, one.deviations[:, :3], one.difference_k[:3]) for one in scenes]
    moved = Samples(odd.means, odd.deviations, odd.difference_k + 10)
    middle = field(rng)
    rise = fit(COLUMNS, [*few, moved]).correction_k(middle).mean()
    rise -= fit(COLUMNS, [*few, odd]).correction_k(middle).mean()
    assert rise == pytest.approx(1.0, abs=0.8)


def test_unknown_and_unseen_values_stay_within_what_was_seen() -> None:
    rng = np.random.default_rng(3)
    found = fit(COLUMNS, [scene(rng, 0.1) for _ in range(6)])
    one = field(rng)
    far = one.values.copy()
    far[2, 0, 0] = 9000.0
    highest = max(abs(found.correction_k(one)).max(), 3.0)
    assert abs(found.correction_k(covariates(far))).max() < highest + 2
    gone = one.values.copy()
    gone[0] = np.nan
    assert np.isfinite(found.correction_k(covariates(gone))).all()
    hole = one.values.copy()
    hole[0, 1, 1] = np.nan
    elsewhere = np.ones(GRID.shape, bool)
    elsewhere[1, 1] = False
    change = found.correction_k(covariates(hole)) - found.correction_k(one)
    assert np.abs(change[elsewhere]).max() < 0.1


def test_too_little_is_refused() -> None:
    rng = np.random.default_rng(5)
    one = scene(rng, 0.1)
    empty = Samples(one.means, np.empty((3, 0)), np.empty(0))
    with pytest.raises(LstsrError, match="two training scenes"):
        fit(COLUMNS, [one, empty])
    nothing = np.full(3, np.nan)
    blind = [Samples(nothing, one.deviations * np.nan, one.difference_k) for _ in range(3)]
    with pytest.raises(LstsrError, match="ndvi is unknown"):
        fit(COLUMNS, blind)
    found = fit(COLUMNS, [scene(rng, 0.1) for _ in range(3)])
    other = SensorImage(
        np.zeros((1, *GRID.shape), np.float32),
        np.ones(GRID.shape, bool),
        GRID,
        ("hour",),
        "covariate",
        "x",
    )
    with pytest.raises(LstsrError, match="were fitted"):
        found.correction_k(other)
