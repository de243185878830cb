"""Tiles against the whole field: no seam, no gap, whatever the size of the scene."""

import numpy as np
import pytest

from lstsr.predict.tiling import OVERLAP, tiled

SIZES = [(1, 1), (16, 33), (31, 64), (33, 32), (48, 97), (100, 47), (65, 130)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("tile", [8, 128, 160])
def test_a_local_function_is_reproduced_at_every_size(
    shape: tuple[int, int], scale: int, tile: int
) -> None:
    """Repeating each cell: pixels without weight would be NaN, misplaced ones wrong."""
    coarse = np.random.default_rng(0).normal(300, 5, shape)

    def predict(row: int, column: int, height: int, width: int) -> np.ndarray:
        assert min(row, column) >= 0
        window = coarse[row : row + height, column : column + width]
        assert window.shape == (height, width), "no tile leaves the scene"
        return window.repeat(scale, 0).repeat(scale, 1)

    result = tiled(predict, shape, scale, tile)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, coarse.repeat(scale, 0).repeat(scale, 1), atol=1e-4)


def test_a_ramp_that_each_tile_knows_shows_no_seam() -> None:
    row, column = np.indices((400, 600))
    ramp = 290 + 0.01 * row + 0.02 * column

    def predict(row: int, column: int, height: int, width: int) -> np.ndarray:
        return ramp[4 * row : 4 * (row + height), 4 * column : 4 * (column + width)]

    result = tiled(predict, (100, 150), 4, 160)
    np.testing.assert_allclose(result, ramp, atol=1e-4)
    np.testing.assert_allclose(np.diff(result, axis=1), 0.02, atol=1e-4)


def test_tiles_that_disagree_fade_into_each_other() -> None:
    """Each tile a constant of its own: no step between neighbours is larger than the fade's."""
    seen: list[float] = []

    def predict(row: int, column: int, height: int, width: int) -> np.ndarray:
        seen.append(float(column))
        return np.full((4 * height, 4 * width), float(column))

    result = tiled(predict, (32, 120), 4, 160)
    assert len(set(seen)) > 2
    fade_pixels = OVERLAP / 2 * 4
    largest = max(np.diff(sorted(set(seen))))
    assert np.abs(np.diff(result, axis=1)).max() <= largest / fade_pixels * 1.01
    assert result.min() == 0 and result.max() == max(seen)


def test_what_a_tile_says_near_its_own_edge_is_not_used() -> None:
    """A quarter of the overlap inwards, where a network sees too little beyond its tile."""
    shape, scale, spoilt = (40, 150), 4, OVERLAP // 4

    def predict(row: int, column: int, height: int, width: int) -> np.ndarray:
        values = np.full((height, width), 300.0)
        if column > 0:
            values[:, :spoilt] = 1e6
        if column + width < shape[1]:
            values[:, -spoilt:] = 1e6
        return values.repeat(scale, 0).repeat(scale, 1)

    np.testing.assert_array_equal(tiled(predict, shape, scale, 160), np.float32(300))


@pytest.mark.parametrize("shape", [(32, 32), (40, 17), (64, 64)])
def test_a_scene_that_fits_into_a_tile_is_one_call(shape: tuple[int, int]) -> None:
    calls = []

    def predict(*window: int) -> np.ndarray:
        calls.append(window)
        return np.zeros((window[2] * 4, window[3] * 4))

    tiled(predict, shape, 4, 256)
    assert calls == [(0, 0, *shape)]
    tiled(predict, (shape[0], 65), 4, 256)
    assert len(calls) == 3
