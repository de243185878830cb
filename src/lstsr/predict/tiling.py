"""Tiling: a network runs over a scene in overlapping tiles, which are blended without seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import nn

from lstsr.dataset.loader import SceneInputs
from lstsr.image import Floats
from lstsr.models.normalisation import Normalisation
from lstsr.training.network_io import best_device, predict_scene

OVERLAP = 32
"""Coarse cells that neighbouring tiles share. The outer half of the overlap is not used.

The solve and the RRDB of DCTRRDBNet reach far on the coarse grid. With 32 cells, tiles of the
pretrained modis-aster networks differ from the whole scene by at most 0.01 K (0.4 K with 16).
"""


def predict_tiles(
    network: nn.Module, scene: SceneInputs, normalisation: Normalisation, tile: int
) -> Floats:
    """The network's fine LST (H, W), kelvin, or image (B, H, W), of a whole scene.

    ``tile`` is in fine pixels. ``network`` is in evaluation mode and moves to the best device.
    """
    device, scale = best_device(), scene.scale
    network.to(device)

    def predict(row: int, column: int, height: int, width: int) -> Floats:
        cells, pixels = (
            np.s_[row * n : (row + height) * n, column * n : (column + width) * n]
            for n in (1, scale)
        )
        window = SceneInputs(
            scene.input[..., *cells],
            scene.input_valid[cells],
            scene.reference[:, *pixels],
            scene.reference_valid[pixels],
        )
        return predict_scene(network, window, normalisation, device)

    return tiled(predict, scene.input_valid.shape, scale, tile_of(network, tile))


def tile_of(network: nn.Module, tile: int) -> int | None:
    """The side of a tile; None for a network that fits one relation to the whole scene.

    Such a network, as `global-linear`, has ``window`` None. Each tile would get another fit.
    """
    return None if getattr(network, "window", tile) is None else tile


def tiled(
    predict: Callable[[int, int, int, int], Floats],
    shape: tuple[int, int],
    scale: int,
    tile: int | None,
) -> Floats:
    """The fine field (..., H, W) of a scene of ``shape`` coarse cells, predicted tile by tile.

    ``predict(row, column, height, width)``, in coarse cells, gives the fine values (..., H, W) of
    a window. Tiles have a side of ``tile`` fine pixels. They share `OVERLAP` coarse cells, over
    which one fades into the next. Without ``tile`` a scene is predicted in one piece.
    """
    side = max(shape) if tile is None else tile // scale
    weights = np.zeros((shape[0] * scale, shape[1] * scale))
    total: np.ndarray | None = None
    for row, height, row_weight in _spans(shape[0], scale, side):
        for column, width, column_weight in _spans(shape[1], scale, side):
            weight = row_weight[:, None] * column_weight[None]
            rows = slice(row * scale, (row + height) * scale)
            columns = slice(column * scale, (column + width) * scale)
            part = predict(row, column, height, width)
            if total is None:
                total = np.zeros((*part.shape[:-2], *weights.shape))
            total[..., rows, columns] += weight * part
            weights[rows, columns] += weight
    assert total is not None  # there is at least one tile
    return (total / weights).astype(np.float32)


def _spans(length: int, scale: int, tile: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Start and size in coarse cells, and weights of fine pixels, of the tiles along one side.

    Towards a neighbour, weights fall linearly from 1 to 0 in the middle half of the overlap.
    """
    side = max(tile, 2 * OVERLAP)
    size = min(length, side)
    distance = (np.arange(size * scale) + 0.5) / scale - OVERLAP / 4
    rise, flat = np.clip(distance / (OVERLAP / 2), 0, 1), np.ones(size * scale)
    for start in [*range(0, length - size, side - OVERLAP), length - size]:
        fall = rise[::-1] if start + size < length else flat
        yield start, size, (rise if start > 0 else flat) * fall
