"""Whole scenes in overlapping tiles that are blended, so that no seam shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import nn

from lstsr.image import Floats

# Coarse cells that neighbouring tiles share. The outer half of the overlap is not used at all. The
# solve and the RRDB of DCTRRDBNet reach far on the coarse grid: with 32 cells, tiles of the
# pretrained modis-aster networks differ from the whole scene by at most 0.01 K (0.4 K with 16).
OVERLAP = 32


def tile_of(network: nn.Module, tile: int) -> int | None:
    """``tile``, or None for a network that fits one relation to the whole scene (its ``window`` is
    None, as of `global-linear`): tiles of it would differ.
    """  # noqa: D205
    return None if getattr(network, "window", tile) is None else tile


def tiled(
    predict: Callable[[int, int, int, int], Floats],
    shape: tuple[int, int],
    scale: int,
    tile: int | None,
) -> Floats:
    """The fine field (..., H, W) of a scene of ``shape`` coarse cells, predicted tile by tile.

    ``predict(row, column, height, width)``, in coarse cells, gives the fine values (..., H, W) of
    a window. Tiles have a side of ``tile`` fine pixels and share ``OVERLAP`` coarse cells, over
    which one fades into the next; a scene that fits into one tile is predicted in one piece, as is
    any scene without ``tile``.
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
    assert total is not None  # there is one tile at least
    return (total / weights).astype(np.float32)


def _spans(length: int, scale: int, tile: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Start and size in coarse cells, and weights in fine pixels, of the tiles along one side."""
    side = max(tile, 2 * OVERLAP)
    size = min(length, side)
    starts = [*range(0, length - size, side - OVERLAP), length - size]
    for start in starts:
        yield start, size, _ramp(size, scale, start > 0, start + size < length)


def _ramp(size: int, scale: int, fades_in: bool, fades_out: bool) -> np.ndarray:
    """1 in the middle; towards a neighbour it falls linearly to 0 at a quarter of the overlap."""
    distance = (np.arange(size * scale) + 0.5) / scale - OVERLAP / 4
    rise = np.clip(distance / (OVERLAP / 2), 0, 1)
    weight = np.ones(size * scale)
    if fades_in:
        weight *= rise
    if fades_out:
        weight *= rise[::-1]
    return weight
