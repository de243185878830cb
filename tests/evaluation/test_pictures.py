"""Pictures of optical images: what is shown, where, and in which stretch."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from lstsr.dataset.loader import SceneArrays
from lstsr.evaluation.pictures import (
    NO_DATA,
    Pictures,
    clearest,
    pictures_figure,
    shown_bands,
    stretch,
    with_no_data,
)


@pytest.mark.parametrize(
    ("bands", "shown"),
    [
        (["blue", "green", "red", "nir"], [2, 1, 0]),
        (["rhoc_490", "rhoc_555", "rhoc_660"], [2, 1, 0]),
        (["a", "b", "c", "d"], [0, 1, 2]),
        (["a", "b"], [0]),
    ],
)
def test_true_colour_where_the_bands_are_named(bands: list[str], shown: list[int]) -> None:
    assert shown_bands(bands) == shown


def test_the_window_is_the_one_with_most_scored_pixels_on_a_coarse_corner() -> None:
    scored = np.zeros((40, 60), bool)
    scored[13:29, 33:49] = True
    row, column = clearest(scored, 16, 4)
    assert (row.start, column.start) == (12, 32)
    assert clearest(np.ones((10, 12), bool), 16, 4) == (slice(0, 10), slice(0, 12))


def test_all_pictures_of_a_scene_share_the_stretch_of_its_target() -> None:
    rng = np.random.default_rng(0)
    target = rng.random((3, 32, 32)).astype(np.float32)
    scored = np.ones((32, 32), bool)
    scored[:4] = False
    target[:, :4] = 50  # clouds do not count
    low, high = stretch(target, scored)
    assert (low >= 0).all() and (high <= 1).all()
    scene = SceneArrays(
        input=target[:, ::2, ::2],
        input_valid=scored[::2, ::2],
        reference=np.empty((0, 32, 32), np.float32),
        reference_valid=scored,
        target=target,
        scored=scored,
        offset_k=0.0,
    )
    masked = np.where(scored, target, np.nan).astype(np.float32)
    row = Pictures("scene a", scene, {"same": masked, "darker": masked - 0.1})
    figure = pictures_figure("d", ["red", "green", "blue"], [row])
    drawn = {axis.get_title(): np.asarray(axis.images[0].get_array()) for axis in figure.axes}
    assert list(drawn) == ["input, scene a", "same", "darker", "target"]
    np.testing.assert_array_equal(drawn["same"], drawn["target"])
    expected = np.clip((target - 0.1 - low) / (high - low), 0, 1).transpose(1, 2, 0)
    expected[:4] = to_rgb(NO_DATA)
    np.testing.assert_allclose(drawn["darker"], expected, atol=1e-6)
    assert (drawn["input, scene a"][:4] == to_rgb(NO_DATA)).all()
    (legend,) = figure.legends
    (entry,) = legend.get_patches()
    assert entry.get_facecolor()[:3] == to_rgb(NO_DATA)
    assert entry.get_label().startswith("no data")


@pytest.mark.parametrize("name", ["inferno", "RdBu_r", "gray"])
def test_the_colour_of_no_data_is_far_from_the_colour_maps(name: str) -> None:
    """At least 20 in CIEDE2000, where 2 is the least difference that a reader sees."""
    shown = rgb2lab(with_no_data(name)(np.linspace(0, 1, 256))[None, :, :3])
    no_data = rgb2lab(with_no_data(name)(np.full((1, 256), np.nan))[..., :3])
    assert deltaE_ciede2000(shown, no_data).min() > 20
