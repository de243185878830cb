"""Networks made of networks: with a fallback, over eight orientations, over several seeds."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class WithFallback(nn.Module):
    """A guided network where the reference is valid, and elsewhere one that needs no reference."""

    def __init__(self, network: nn.Module, fallback: nn.Module) -> None:
        super().__init__()
        self.network, self.fallback = network, fallback

    def forward(self, *inputs: Tensor) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and their masks to (N,1,H,W)."""
        *_, reference_valid = inputs
        return torch.where(reference_valid > 0, self.network(*inputs), self.fallback(*inputs))


class SelfEnsemble(nn.Module):
    """The mean of ``network`` over four quarter turns of its inputs and their mirror images.

    Each output is turned back first. The sixth way ("enhanced prediction") of Timofte et al. 2016,
    "Seven ways to improve example-based single image super resolution".
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.bands = getattr(network, "bands", 1)  # more for an optical network

    def forward(self, *inputs: Tensor) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and their masks to (N,1,H,W)."""
        outputs = []
        for turns in range(4):
            turned = [torch.rot90(image, turns, (-2, -1)) for image in inputs]
            mirrored = self.network(*(image.flip(-1) for image in turned)).flip(-1)
            for output in (self.network(*turned), mirrored):
                outputs.append(torch.rot90(output, -turns, (-2, -1)))
        return torch.stack(outputs).mean(dim=0)


class SeedEnsemble(nn.Module):
    """The mean of one or more networks that differ only in the seed of their training.

    Lakshminarayanan et al. 2017, "Simple and scalable predictive uncertainty estimation using deep
    ensembles", section 2.4: random initialisation and order of samples, all training data.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.bands = getattr(self.networks[0], "bands", 1)  # more for an optical network

    def forward(self, *inputs: Tensor) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and their masks to (N,1,H,W)."""
        return torch.stack([network(*inputs) for network in self.networks]).mean(dim=0)
