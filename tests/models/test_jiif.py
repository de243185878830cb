"""JIIF against the published network's numbers, and what blending by area changes."""

import numpy as np
import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.models.jiif import ImplicitFunction
from lstsr.registry import build

TINY = {"features": 8, "blocks": 1, "widths": [16, 8]}


def published(fixture) -> ImplicitFunction:
    """The network of a fixture, from the published names of its weights."""
    network = ImplicitFunction(1, 3, 16, 16, (32, 16), "published")
    names = {"image_encoder": "guide_encoder", "depth_encoder": "depth_encoder"}
    layers = {"0": "first", "2": "hidden.0", "4": "last"}
    weights = {}
    for key in fixture.files:
        if not key.startswith("w.") or "_mean" in key:
            continue
        part, rest = key[2:].split(".", 1)
        if part == "imnet":
            _, number, kind = rest.split(".")
            name = f"{layers[number]}.{kind}"
        else:
            rest = rest.replace("head.0.", "head.")
            rest = rest.replace(".body.0.", ".conv1.").replace(".body.2.", ".conv2.")
            name = f"{names[part]}.{rest}"
        weights[name] = torch.from_numpy(fixture[key])
    network.load_state_dict(weights)
    return network.eval()


@pytest.mark.real
@pytest.mark.parametrize("name", ["jiif_tiny16_x4_32x40", "jiif_tiny16_x8_32x48"])
def test_the_published_network_reproduces_its_fixture(shared, name):
    fixture = np.load(shared / "parity" / f"{name}.npz")
    network = published(fixture)
    lr, guide, guide_lr, lr_up = (
        torch.from_numpy(fixture[key]).float() for key in ("lr", "guide", "guide_lr", "lr_up")
    )
    with torch.no_grad():
        depth = network.depth_encoder(lr[None, None])
        np.testing.assert_allclose(depth[0], fixture["feat_lr"], atol=1e-5)
        output = lr_up + network(lr[None, None], guide[None], guide_lr[None])[0, 0]
    np.testing.assert_allclose(output, fixture["out"], atol=1e-5)


def test_the_published_size():
    """The released code counts 48 more: frozen numbers of mean shifts that are switched off."""
    network = ImplicitFunction(1, 3)
    assert sum(values.numel() for values in network.parameters()) == 10_831_026 - 48


def steps(blending: str) -> tuple[float, float]:
    """Mean step across the centre lines of cells, and the median step, of a random query."""
    torch.manual_seed(0)
    scale, cells = 8, 24
    network = ImplicitFunction(1, 1, 8, 1, (16, 8), blending).eval()
    for parameter in network.first.parameters():
        parameter.data *= 2
    depth, coarse_guide = torch.randn(2, 1, 8, cells, cells)
    smooth = torch.zeros(1, 8, cells * scale, cells * scale)
    with torch.no_grad():
        field = network.query(depth, smooth, coarse_guide)[0, 0]
    step = (field[:, 1:] - field[:, :-1]).abs()
    across = torch.arange(cells - 1) * scale + scale // 2 - 1
    return float(step[:, across].mean()), float(step.median())


def test_blending_by_area_leaves_no_lattice_and_the_published_one_does():
    """Where a pixel exchanges one of its cells for another, on the centre lines of cells."""
    mean, median = steps("published")
    assert mean > 2 * median
    mean, median = steps("area")
    assert mean <= 1.1 * median


@pytest.mark.parametrize("blending", ["published", "area"])
def test_chunks_change_nothing(blending):
    torch.manual_seed(1)
    network = ImplicitFunction(1, 2, 8, 1, (16, 8), blending).double().eval()
    inputs = (torch.randn(2, n, *s).double() for n, s in ((1, (5, 7)), (2, (20, 28)), (2, (5, 7))))
    coarse, guide, coarse_guide = inputs
    with torch.no_grad():
        whole = network(coarse, guide, coarse_guide)
        network.chunk_mib = 0
        assert network._rows_per_chunk(8) == 1
        row_by_row = network(coarse, guide, coarse_guide)
    torch.testing.assert_close(row_by_row, whole, rtol=0, atol=1e-12)


def test_unknown_options_are_refused():
    with pytest.raises(LstsrError, match="blending: unknown name 'soft'"):
        build("jiif", 4, 2, blending="soft", **TINY)
    with pytest.raises(LstsrError, match="widths"):
        build("jiif", 4, 2, **TINY | {"widths": []})
