"""Optical images side by side, before and after; style and files of all figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from lstsr.dataset.loader import SceneArrays
from lstsr.files import whole
from lstsr.image import Floats, Mask

TRUE_COLOUR = (
    ("red", "green", "blue"),
    ("rhoc_660", "rhoc_555", "rhoc_490"),
    ("toa_660", "toa_555", "toa_490"),
)
"""Names of the red, green and blue bands, by product."""
SIDE = 96
"""Side of the window shown, pixels; small enough to show details in print."""
CLIPPED = 1.0
"""Percent of the pixels that colour scales leave out at either end."""
NO_DATA = "#009e73"
"""Colour of no-data pixels: absent from our colour maps and visible to colour-blind readers."""


@dataclass(frozen=True)
class Pictures:
    """A row of pictures: title, scene, and fine images (B, H, W) by label."""

    title: str
    scene: SceneArrays
    images: Mapping[str, Floats]


def pictures_figure(title: str, bands: Sequence[str], rows: Sequence[Pictures]) -> Figure:
    """Input, images and target of each scene, all with the target's contrast stretch.

    Each row shows the window with the most scored pixels, in the bands of `shown_bands`. No-data
    pixels, and target pixels that are not scored, have the colour `NO_DATA`.
    """
    columns = len(rows[0].images) + 2
    figure = Figure(figsize=(2.4 * columns, 2.7 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    shown = shown_bands(bands)
    for line, row in zip(axes, rows, strict=True):
        target, scale = row.scene.target, row.scene.scale
        window = clearest(row.scene.scored, SIDE // scale * scale, scale)
        low, high = stretch(target[shown], row.scene.scored)
        known = np.where(row.scene.input_valid, row.scene.input, np.float32(np.nan))
        coarse = known.repeat(scale, -2).repeat(scale, -1)
        truth = np.where(row.scene.scored, target, np.float32(np.nan))
        labelled = {f"input, {row.title}": coarse, **row.images, "target": truth}
        for axis, (label, image) in zip(line, labelled.items(), strict=True):
            _show(axis, (image[shown] - low)[:, *window] / (high - low), label)
    names = ", ".join(bands[index] for index in shown)
    figure.suptitle(f"{title}: {names}, one stretch per scene", fontsize=9)
    no_data_legend(figure)
    return figure


def no_data_legend(figure: Figure) -> None:
    """Add a legend for the colour `NO_DATA` below the panels."""
    entry = Patch(facecolor=NO_DATA, label="no data or not scored")
    figure.legend(handles=[entry], loc="outside lower center", fontsize=8, frameon=False)


def with_no_data(name: str) -> Colormap:
    """The colour map ``name`` with NaN drawn in the colour `NO_DATA`."""
    return matplotlib.colormaps[name].with_extremes(bad=NO_DATA)


def shown_bands(bands: Sequence[str]) -> list[int]:
    """Indexes of the red, green and blue bands; otherwise of the first three, or the first."""
    for names in TRUE_COLOUR:
        if set(names) <= set(bands):
            return [bands.index(name) for name in names]
    return [0, 1, 2] if len(bands) >= 3 else [0]


def stretch(image: Floats, scored: Mask) -> tuple[NDArray, NDArray]:
    """The values of each band that are drawn darkest and brightest, both (B, 1, 1)."""
    low, high = np.percentile(image[:, scored], [CLIPPED, 100 - CLIPPED], axis=-1)
    return low[:, None, None], np.maximum(high, low + 1e-6)[:, None, None]


def clearest(scored: Mask, side: int, step: int) -> tuple[slice, slice]:
    """The window of ``side`` pixels with the most scored ones, at multiples of ``step``."""
    height, width = (min(side, length) for length in scored.shape)
    sums = np.pad(scored.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:]
    inside = (inside - sums[height:, :-width] + sums[:-height, :-width])[::step, ::step]
    row, column = (step * int(at) for at in np.unravel_index(inside.argmax(), inside.shape))
    return slice(row, row + height), slice(column, column + width)


def _show(axis: Axes, picture: NDArray, label: str) -> None:
    """Draw three bands as colours or one as grey, from 0 to 1. NaN in any band is no-data."""
    axis.set_title(label, fontsize=8)
    axis.axis("off")
    clipped = np.clip(picture, 0, 1)
    image = clipped[0]
    if len(clipped) == 3:
        image = clipped.transpose(1, 2, 0)
        image[np.isnan(image).any(axis=-1)] = to_rgb(NO_DATA)
    axis.imshow(image, vmin=0, vmax=1, cmap=with_no_data("gray"), interpolation="nearest")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    with whole(path) as partial:
        figure.savefig(partial, dpi=130)
