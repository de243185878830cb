"""JIIF against its fixtures and against the plain form of its query."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor

from lstsr.metrics import lattice
from lstsr.models.jiif import JIIF, ImplicitFunction, neighbours

NAMES = {
    "image_encoder": "guide_encoder",
    r"head\.0": "head",
    r"body\.(\d+)\.body\.0": r"body.\1.conv1",
    r"body\.(\d+)\.body\.2": r"body.\1.conv2",
    r"imnet\.layers\.0": "first",
    r"imnet\.layers\.2": "hidden.0",
    r"imnet\.layers\.4": "last",
}
"""Names of the published checkpoints to ours, at two hidden layers."""


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def published(fixture) -> ImplicitFunction:
    """The published network with the fixture's weights, without its mean shifts."""
    weights = {}
    for key in fixture.files:
        if key.startswith("w.") and "_mean." not in key:
            name = key.removeprefix("w.")
            for theirs, ours in NAMES.items():
                name = re.sub(theirs, ours, name)
            weights[name] = torch.from_numpy(fixture[key])
    network = ImplicitFunction(1, 3, 16, 16, (32, 16), "published")
    network.load_state_dict(weights)
    return network


@pytest.mark.real
@pytest.mark.parametrize("name", ["jiif_tiny16_x4_32x40", "jiif_tiny16_x8_32x48"])
def test_published_network_reproduces_its_fixture(shared, name):
    fixture = np.load(shared / "parity" / f"{name}.npz")
    network = published(fixture)
    coarse = torch.from_numpy(fixture["lr"])[None, None]
    guide, coarse_guide = (torch.from_numpy(fixture[k])[None] for k in ("guide", "guide_lr"))
    with torch.no_grad():
        codes = {
            "feat_lr": network.depth_encoder(coarse),
            "guide_feat": network.guide_encoder(guide),
            "guide_lr_feat": network.guide_encoder(coarse_guide),
        }
        output = fixture["lr_up"] + network(coarse, guide, coarse_guide)[0, 0].numpy()
    for key, value in codes.items():
        np.testing.assert_allclose(value[0], fixture[key], atol=1e-5)
    np.testing.assert_allclose(output, fixture["out"], atol=2e-6)
    assert np.abs(fixture["out"] - fixture["lr_up"]).max() > 0.05


def test_the_published_size_is_that_of_the_released_code_less_its_frozen_numbers():
    with torch.device("meta"):
        network = ImplicitFunction(1, 3)
    mean_shifts = 2 * 2 * (3 * 3 + 3)
    assert sum(p.numel() for p in network.parameters()) + mean_shifts == 10_831_026


@pytest.mark.real
def test_published_names_and_shapes_are_complete(shared):
    listing = (shared / "parity" / "jiif_published_state_dict.txt").read_text().splitlines()
    sizes = {key: int(size) for key, _, size in (line.split("\t") for line in listing)}
    assert sum(sizes.values()) == 10_831_026
    assert sum(size for key, size in sizes.items() if "_mean." in key) == 48


# The query


def plain_query(network: ImplicitFunction, depth: Tensor, guide: Tensor, low: Tensor) -> Tensor:
    """Area blending, one pixel and one cell at a time: (C,h,w), (C,H,W), (C,h,w) to (H,W)."""
    height, width = depth.shape[1:]
    scale = guide.shape[-1] // width
    output = torch.zeros(guide.shape[1:], dtype=guide.dtype)
    for y, x in np.ndindex(*output.shape):
        at = (y + 0.5) / scale - 0.5, (x + 0.5) / scale - 0.5  # cells
        total = weighted = 0.0
        for row in (np.floor(at[0]), np.floor(at[0]) + 1):
            for column in (np.floor(at[1]), np.floor(at[1]) + 1):
                area = (1 - abs(at[0] - row)) * (1 - abs(at[1] - column))
                i, j = int(np.clip(row, 0, height - 1)), int(np.clip(column, 0, width - 1))
                offset = torch.tensor([2 * (at[0] - i), 2 * (at[1] - j)], dtype=guide.dtype)
                g = guide[:, y, x]
                hidden = network.first(torch.cat([depth[:, i, j], g, g - low[:, i, j], offset]))
                for layer in (*network.hidden, network.last):
                    hidden = layer(hidden.relu())
                weight = area * hidden[1].exp()
                total, weighted = total + weight, weighted + weight * hidden[0]
        output[y, x] = weighted / total
    return output


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_split_first_layer_is_the_plain_one(scale, perturb):
    network = perturb(ImplicitFunction(1, 1, features=4, blocks=1, widths=(6, 5)).double())
    coarse, low = random(1, 1, 4, 5), random(1, 1, 4, 5, seed=1)
    guide = random(1, 1, 4 * scale, 5 * scale, seed=2)
    with torch.no_grad():
        codes = [network.depth_encoder(coarse), *map(network.guide_encoder, (guide, low))]
        expected = plain_query(network, *(code[0] for code in codes))
        torch.testing.assert_close(network(coarse, guide, low)[0, 0], expected)


@pytest.mark.parametrize("blending", ["area", "published"])
def test_chunks_do_not_change_the_output(blending, scene, perturb):
    options = {"features": 8, "blocks": 1, "widths": (512, 8), "blending": blending}
    network = perturb(JIIF(4, 2, **options))
    inputs = tuple(torch.cat([x, x.flip(-1)]) for x in scene(64, 96, 4, dtype=torch.float32))
    seen: list[int] = []
    network.implicit.last.register_forward_hook(lambda *call: seen.append(call[-1].shape[1]))
    with torch.no_grad():
        whole = network(*inputs)
        for mib, rows in ((0, 1), (1, 2), (2, 5)):
            network.implicit.chunk_mib = mib
            seen.clear()
            torch.testing.assert_close(network(*inputs), whole, atol=1e-5, rtol=0)
            assert max(seen) == rows


def test_the_pixels_next_to_a_centre_line_belong_to_both_sides():
    low, position, share = neighbours(3, 4, torch.zeros(()))
    # Cells 0, 1, 2 are 1, 2, 3 when padded; fine pixels 0 and 1 lie before the centre of the first.
    assert low.tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    torch.testing.assert_close(share[1, :4], torch.tensor([0.625, 0.875, 0.125, 0.375]))
    torch.testing.assert_close(position[[0, -1]], torch.tensor([-2.75, 2.75]))


def printed(network: ImplicitFunction, scale: int) -> float:
    """The lattice in a network's output inside the border, a smooth guide given."""
    row, column = np.mgrid[: 12 * scale, : 12 * scale] / scale
    guide = torch.from_numpy(np.sin(row / 2 + column / 3))[None, None]
    low = torch.nn.functional.avg_pool2d(guide, scale)
    with torch.no_grad():
        output = network(random(1, 1, 12, 12), guide, low)[0, 0].numpy()
    inner = output[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    return lattice(inner, np.ones(inner.shape, bool), scale)


@pytest.mark.parametrize("scale", [3, 4, 8])
@pytest.mark.parametrize("seed", range(3))
def test_area_blending_prints_no_lattice(scale, seed, perturb):
    def ratio(blending: str) -> float:
        network = ImplicitFunction(1, 1, 8, 1, (32, 16), blending).double()
        return printed(perturb(network, seed), scale)

    assert ratio("area") <= 1.1
    assert ratio("published") > 3
