"""A synthetic scene in normalised units and reproducible weights, for all models."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several test processes on a few cores disturb one another less."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def scene() -> Callable[..., Inputs]:
    """Maker of inputs (coarse, reference, coarse_valid, reference_valid), all valid."""

    def make(
        height: int,
        width: int,
        scale: int,
        channels: int = 2,
        dtype: torch.dtype = torch.float64,
    ) -> Inputs:
        rng = np.random.default_rng(0)
        row, column = np.mgrid[:height, :width]
        bands = [
            np.sin(row / rng.uniform(3, 9) + rng.uniform(0, 6))
            * np.cos(column / rng.uniform(3, 9) + rng.uniform(0, 6))
            + 0.3 * rng.standard_normal((height, width))
            for _ in range(channels)
        ]
        reference = np.stack(bands)
        fine = np.cos(row / 31 + column / 23) - 0.6 * reference[0]
        coarse = fine.reshape(height // scale, scale, width // scale, scale).mean((1, 3))
        return (
            torch.from_numpy(coarse)[None, None].to(dtype),
            torch.from_numpy(reference)[None].to(dtype),
            torch.ones(1, 1, height // scale, width // scale, dtype=dtype),
            torch.ones(1, 1, height, width, dtype=dtype),
        )

    return make


@pytest.fixture
def perturb() -> Callable[[nn.Module, int], nn.Module]:
    """Gives every weight, zero-initialised ones too, a value as after training; by name and seed.

    The numbers come from numpy, in order of the parameters' names: they do not depend on torch.
    """

    def apply(network: nn.Module, seed: int = 0) -> nn.Module:
        rng = np.random.default_rng(seed)
        for name, parameter in sorted(network.named_parameters()):
            noise = torch.from_numpy(rng.standard_normal(tuple(parameter.shape)))
            if parameter.ndim in (2, 4):  # dense layers and convolutions
                fan_in = parameter[0].numel()
                parameter.data = (noise / fan_in**0.5).to(parameter)
            elif name.endswith("bias"):
                parameter.data = (0.1 * noise).to(parameter)
            else:  # smoothing lengths and gains start from no random number
                parameter.data += 0.1 * noise.to(parameter)
        return network

    return apply
