"""What every network of ours must hold."""

import pytest
import torch
import torch.nn.functional as F

from lstsr.models.base import BASES
from lstsr.models.interpolation import bicubic
from lstsr.models.normalisation import Normalisation
from lstsr.registry import RELEASED, TRAINED, UNGUIDED, build

SMALL = {
    "srcnn": {"n1": 8, "n2": 16},
    "esrnet": {"features": 8, "growth": 4, "blocks": 1},
    "esrgan": {"features": 8, "growth": 4, "blocks": 1},
    "srgan": {"features": 8, "blocks": 1},
    "dctnet": {"features": 8, "layers": 2},
    "jiif": {"features": 8, "blocks": 1, "widths": (16, 8)},
    "unet": {"features": 8},
    "dctrrdbnet": {"features": 8, "growth": 4},
    "dctrrdbnet-single-scale": {"features": 8, "growth": 4, "coarse_blocks": 1},
}
LEARNER = {
    "dctnet": {"features": 16, "layers": 2},
    "jiif": {"features": 16, "blocks": 2, "widths": (32, 16)},
    "unet": {"features": 8},
    "dctrrdbnet": {"features": 8, "growth": 4},
    "dctrrdbnet-single-scale": {"features": 16, "growth": 4, "tail_blocks": 0},
}
REACH = {"dctrrdbnet": 6, "dctrrdbnet-single-scale": 6, "jiif": 5, "srgan": 9}
"""Coarse cells that a pixel of the small network sees to each side, where that is more than 4."""
GUIDED = sorted(TRAINED - UNGUIDED - RELEASED)


@pytest.fixture(params=sorted(TRAINED - RELEASED))
def name(request):
    return request.param


@pytest.mark.parametrize("base", sorted(BASES))
@pytest.mark.parametrize("scale", [4, 8])
def test_untrained_it_is_its_base_exactly(name, base, scale, scene):
    inputs = scene(64, 96, scale, dtype=torch.float32)
    network = build(name, scale, 2, base=base, **SMALL[name])
    assert torch.equal(network(*inputs), BASES[base](scale, 2)(*inputs))


def test_the_default_base_is_bicubic(name, scene):
    inputs = scene(32, 32, 4, dtype=torch.float32)
    assert torch.equal(build(name, 4, 2, **SMALL[name])(*inputs), bicubic(inputs[0], 4))


def test_untrained_it_learns_from_the_first_step(name, scene):
    network = build(name, 4, 2, **SMALL[name])
    network(*scene(32, 32, 4, dtype=torch.float32)).square().mean().backward()
    gradients = dict(network.named_parameters())
    last = max(k for k in gradients if {"tail", "last"} & set(k.split(".")))
    assert gradients[last].grad.abs().max() > 0


def test_warming_the_scene_warms_the_output(name, scene, perturb):
    coarse, reference, *masks = scene(64, 64, 4, dtype=torch.float32)
    network = perturb(build(name, 4, 2, **SMALL[name]))

    def predict(kelvin):
        normalisation = Normalisation(float(kelvin.mean()), 10.0, (0.0, 0.0), (1.0, 1.0))
        units = normalisation.to_units(kelvin)
        guide = normalisation.reference_to_units(reference)
        return normalisation.to_kelvin(network(units, guide, *masks))

    kelvin = 300 + 10 * coarse
    assert (predict(kelvin) - 10 * bicubic(coarse, 4) - 300).abs().mean() > 0.1
    assert (predict(kelvin + 7) - predict(kelvin) - 7).abs().max() < 1e-3


@pytest.mark.parametrize("base", sorted(BASES))
def test_reference_values_under_the_mask_never_matter(name, base, scene, perturb):
    coarse, reference, coarse_valid, reference_valid = scene(64, 64, 4, dtype=torch.float32)
    reference_valid[..., 10:37, 22:50] = 0
    network = perturb(build(name, 4, 2, base=base, **SMALL[name]))
    outputs = [
        network(
            coarse,
            torch.where(reference_valid > 0, reference, value),
            coarse_valid,
            reference_valid,
        )
        for value in (0.0, -3.0, 1e6, float("nan"))
    ]
    assert outputs[0].isfinite().all()
    for output in outputs[1:]:
        assert torch.equal(output, outputs[0])


@pytest.mark.parametrize("name", ["dctnet", "dctrrdbnet-single-scale"])
def test_an_invalid_reference_switches_the_guide_off(name, scene, perturb):
    coarse, reference, coarse_valid, reference_valid = scene(64, 64, 4, dtype=torch.float32)
    network = perturb(build(name, 4, 2, **SMALL[name]))
    with_guide = network(coarse, reference, coarse_valid, reference_valid)
    without = network(coarse, reference, coarse_valid, torch.zeros_like(reference_valid))
    other = network(coarse, 1 - 2 * reference, coarse_valid, torch.zeros_like(reference_valid))
    assert (with_guide - without).abs().max() > 1e-2
    assert torch.equal(without, other)


@pytest.mark.parametrize("name", ["dctnet", "dctrrdbnet-single-scale"])
def test_without_reference_the_solve_is_as_with_its_guide_term_closed(name, scene, perturb):
    coarse, reference, coarse_valid, reference_valid = scene(64, 64, 4, dtype=torch.float32)
    network = perturb(build(name, 4, 2, **SMALL[name]))
    without = network(coarse, reference, coarse_valid, torch.zeros_like(reference_valid))
    network.guided.gain.data.zero_()
    closed = network(coarse, reference, coarse_valid, reference_valid)
    torch.testing.assert_close(without, closed)


@pytest.mark.parametrize("name", sorted(TRAINED & UNGUIDED))
def test_a_model_without_reference_does_not_see_it(name, scene, perturb):
    coarse, reference, *masks = scene(64, 64, 4, dtype=torch.float32)
    network = perturb(build(name, 4, 2, **SMALL[name]))
    assert torch.equal(network(coarse, reference, *masks), network(coarse, -reference, *masks))


@pytest.mark.parametrize("name", GUIDED)
def test_it_is_told_which_coarse_cells_are_filled(name, scene, perturb):
    coarse, reference, coarse_valid, reference_valid = scene(64, 64, 4, dtype=torch.float32)
    network = perturb(build(name, 4, 2, **SMALL[name]))
    whole = network(coarse, reference, coarse_valid, reference_valid)
    coarse_valid[..., 5:9, 5:9] = 0
    assert (network(coarse, reference, coarse_valid, reference_valid) - whole).abs().max() > 1e-3


@pytest.mark.parametrize("scale", [4, 8])
@pytest.mark.parametrize("base", ["bicubic", "bicubic-backprojected"])
def test_a_tile_with_margin_agrees_with_the_whole(name, scale, base, scene, perturb):
    coarse, reference, coarse_valid, reference_valid = scene(192, 208, scale, dtype=torch.float32)
    network = perturb(build(name, scale, 2, base=base, **SMALL[name]))
    with torch.no_grad():
        whole = network(coarse, reference, coarse_valid, reference_valid)
        top, left, size = 24, 40, 160

        def cut(x, factor):
            row, column, side = top // factor, left // factor, size // factor
            return x[..., row : row + side, column : column + side]

        tile = network(
            cut(coarse, scale), cut(reference, 1), cut(coarse_valid, scale), cut(reference_valid, 1)
        )
    margin = scale * REACH.get(name, 4)
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    residual = whole - bicubic(coarse, scale)
    assert residual.std() > 0.05
    assert (tile - cut(whole, 1))[inner].abs().max() < 0.02 * residual.abs().max()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (68, 100), (128, 96)])
def test_any_multiple_of_the_scale_is_a_size(name, height, width, scene, perturb):
    network = perturb(build(name, 4, 2, **SMALL[name]))
    with torch.no_grad():
        output = network(*scene(height, width, 4, dtype=torch.float32))
    assert output.shape == (1, 1, height, width)
    assert output.isfinite().all()


def test_a_batch_is_its_samples(name, scene, perturb):
    inputs = scene(32, 48, 4, dtype=torch.float32)
    turned = tuple(x.flip(-1) for x in inputs)
    network = perturb(build(name, 4, 2, **SMALL[name]))
    batch = network(*(torch.cat(pair) for pair in zip(inputs, turned, strict=True)))
    alone = torch.cat([network(*inputs), network(*turned)])
    torch.testing.assert_close(batch, alone, atol=1e-5, rtol=1e-5)


def test_bfloat16_stays_near_float32(name, scene, perturb):
    inputs = scene(64, 64, 4, dtype=torch.float32)
    network = perturb(build(name, 4, 2, **SMALL[name]))
    with torch.no_grad():
        full = network(*inputs)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(*inputs)
    assert half.dtype == torch.float32
    residual = (full - bicubic(inputs[0], 4)).std()
    assert (half - full).std() < 0.05 * residual


@pytest.mark.parametrize("name", GUIDED)
def test_it_learns_to_use_the_reference(name):
    """LST = smooth + slope x detail of the reference: after 40 steps far better than bicubic."""
    torch.manual_seed(0)
    noise = torch.randn(4, 1, 32, 32)
    reference = 3 * F.avg_pool2d(noise, 3, stride=1, padding=1)
    fine = 10 * F.avg_pool2d(noise.flip(0), 25, stride=1, padding=12) - 0.3 * reference
    coarse = F.avg_pool2d(fine, 4)
    inputs = (coarse, reference, torch.ones_like(coarse), torch.ones_like(reference))
    network = build(name, 4, 1, **LEARNER[name])
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(40):
        loss = (network(*inputs) - fine).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    error = (network(*inputs) - fine).square().mean().sqrt()
    assert error < 0.7 * (bicubic(coarse, 4) - fine).square().mean().sqrt()


def parameters(name, **options):
    with torch.device("meta"):
        return sum(p.numel() for p in build(name, 4, 1, **options).parameters())


@pytest.mark.parametrize(("options", "features"), [({}, 32), ({"features": 32, "growth": 16}, 64)])
def test_the_single_scale_form_is_matched_to_dctnet_in_size(options, features):
    ours = parameters("dctrrdbnet-single-scale", **options)
    theirs = parameters("dctnet", features=features)
    assert abs(ours / theirs - 1) < 0.05
