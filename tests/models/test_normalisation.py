"""Kelvin and network units."""

import numpy as np
import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.models.normalisation import Normalisation

NORMALISATION = Normalisation(290.0, 10.0, (0.5, 100.0), (0.2, 25.0))


def test_units_and_back():
    kelvin = np.array([[280.0, 290.0, 305.0]])
    np.testing.assert_allclose(NORMALISATION.to_units(kelvin), [[-1, 0, 1.5]])
    np.testing.assert_allclose(NORMALISATION.to_kelvin(NORMALISATION.to_units(kelvin)), kelvin)


def test_reference_is_normalised_per_channel_and_the_input_is_left_alone():
    reference = np.stack([np.full((2, 3), 0.9), np.full((2, 3), 50.0)])
    units = NORMALISATION.reference_to_units(reference)
    np.testing.assert_allclose(units[0], 2)
    np.testing.assert_allclose(units[1], -2)
    assert reference[0, 0, 0] == 0.9


def test_arrays_and_batched_tensors_agree_and_keep_their_type():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(3, 2, 4, 5)).astype(np.float32)
    array = NORMALISATION.reference_to_units(reference)
    tensor = NORMALISATION.reference_to_units(torch.from_numpy(reference))
    assert array.dtype == np.float32
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(array, tensor.numpy())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((290.0, 0.0, (0.0,), (1.0,)), "scale_k: 0.0"),
        ((290.0, 10.0, (0.0, 0.0), (1.0,)), "reference_std: 1 values, but reference_mean has 2"),
        ((290.0, 10.0, (0.0, 0.0), (1.0, 0.0)), "reference_std: 0.0 in channel 1"),
        ((290.0, 10.0, (0.0,), (float("nan"),)), "reference_std: nan in channel 0"),
    ],
)
def test_numbers_that_cannot_normalise_are_refused(arguments, message):
    with pytest.raises(LstsrError, match=message):
        Normalisation(*arguments)


def test_a_reference_of_other_channels_is_refused():
    with pytest.raises(LstsrError, match="reference: 3 channels.*has 2"):
        NORMALISATION.reference_to_units(np.zeros((3, 4, 4)))
