"""SRCNN: sizes of the paper, and no look at the reference."""

import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.registry import build


@pytest.mark.parametrize(("kernels", "weights"), [((9, 1, 5), 8_032), ((9, 5, 5), 57_184)])
def test_weights_are_as_many_as_in_the_paper(kernels, weights):
    """Dong et al. (2014), section 4.3; biases are not counted there."""
    network = build("srcnn", 4, 1, **dict(zip(("f1", "f2", "f3"), kernels, strict=True)))
    assert sum(v.numel() for v in network.parameters() if v.ndim == 4) == weights


def test_the_reference_does_not_matter(scene, perturb):
    coarse, reference, *masks = scene(32, 48, 4)
    network = perturb(build("srcnn", 4, 2).double())
    with torch.no_grad():
        one, other = (network(coarse, guide, *masks) for guide in (reference, -reference))
    assert torch.equal(one, other)


def test_an_even_kernel_is_refused():
    with pytest.raises(LstsrError, match="f2: 4 is not an odd number"):
        build("srcnn", 4, 1, f2=4)
