"""TsHARP against fields that are linear in fractional cover."""

import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.models.interpolation import block_mean
from lstsr.models.tsharp import EXPONENT, TsHARP, fractional_cover
from lstsr.registry import band_options


def test_cover_is_that_of_the_papers(scene):
    _, ndvi, _, valid = scene(32, 32, 4, channels=1)
    by_hand = 1 - ((ndvi.max() - ndvi) / (ndvi.max() - ndvi.min())) ** EXPONENT
    torch.testing.assert_close(fractional_cover(ndvi, valid), by_hand)


def test_cover_does_not_depend_on_the_unit_of_ndvi(scene):
    _, ndvi, _, valid = scene(32, 32, 4, channels=1)
    valid[..., :8, :8] = 0
    covers = fractional_cover(ndvi, valid), fractional_cover(0.2 * ndvi + 0.4, valid)
    torch.testing.assert_close(*covers)


@pytest.mark.parametrize("scale", [4, 8])
def test_a_field_linear_in_cover_is_recovered(scale, scene):
    _, reference, coarse_valid, reference_valid = scene(96, 128, scale, channels=3)
    fine = 4 - 9 * fractional_cover(reference[:, 1:2], reference_valid)
    output = TsHARP(scale, 3, ndvi=1)(
        block_mean(fine, scale), reference, coarse_valid, reference_valid
    )
    torch.testing.assert_close(output, fine, atol=1e-3, rtol=0)


def test_the_band_is_found_by_name():
    assert band_options("tsharp", ["red", "nir", "ndvi"]) == {"ndvi": 2}
    assert band_options("dms", ["red"]) == {}
    with pytest.raises(LstsrError, match="tsharp needs a reference band ndvi.* red, nir"):
        band_options("tsharp", ["red", "nir"])
    with pytest.raises(LstsrError, match="ndvi: 1 "):
        TsHARP(4, 1, ndvi=1)
