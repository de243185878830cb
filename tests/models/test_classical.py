"""What every classical model with a reference must hold."""

import pytest
import torch

from lstsr.models.interpolation import bilinear
from lstsr.registry import CLASSICAL, UNGUIDED, build

METHODS = sorted(CLASSICAL - UNGUIDED)


@pytest.fixture(params=METHODS)
def method(request):
    return build(request.param, 4, 2)


def test_a_constant_added_to_the_input_passes_through(method, scene):
    coarse, *rest = scene(96, 96, 4)
    rest[1][..., 3:6, 2:9] = 0
    torch.testing.assert_close(method(coarse + 30, *rest), method(coarse, *rest) + 30)


def test_what_lies_under_the_masks_never_matters(method, scene):
    coarse, reference, coarse_valid, reference_valid = scene(96, 96, 4)
    coarse_valid[..., 3:6, 2:9] = 0
    reference_valid[..., 20:37, 30:50] = 0
    outputs = [
        method(
            coarse,
            torch.where(reference_valid > 0, reference, hidden),
            coarse_valid,
            reference_valid,
        )
        for hidden in (0.0, 1e6, float("nan"))
    ]
    assert outputs[0].isfinite().all()
    for other in outputs[1:]:
        torch.testing.assert_close(other, outputs[0], rtol=0, atol=0)
    # An invalid cell has no say in a fit: far from it nothing changes with its value.
    wild = torch.where(coarse_valid > 0, coarse, 50.0)
    far = (..., slice(40, None), slice(44, None))
    moved = method(wild, reference, coarse_valid, reference_valid)
    torch.testing.assert_close(moved[far], outputs[0][far], rtol=0, atol=1e-9)


def test_without_valid_cells_or_reference_it_is_bilinear(method, scene):
    coarse, reference, coarse_valid, reference_valid = scene(64, 64, 4)
    for masks in (
        (torch.zeros_like(coarse_valid), reference_valid),
        (coarse_valid, torch.zeros_like(reference_valid)),
    ):
        torch.testing.assert_close(method(coarse, reference, *masks), bilinear(coarse, 4))


def test_a_flat_reference_and_input_stay_flat(method, scene):
    coarse, reference, *masks = scene(64, 64, 4, dtype=torch.float32)
    output = method(torch.full_like(coarse, 2.0), torch.full_like(reference, 0.7), *masks)
    torch.testing.assert_close(output, torch.full_like(output, 2.0))


def test_every_image_of_a_batch_is_sharpened_alone(method, scene):
    inputs = scene(64, 64, 4)
    pair = [torch.cat([values, values.flip(-1)]) for values in inputs]
    torch.testing.assert_close(method(*pair)[:1], method(*inputs))
