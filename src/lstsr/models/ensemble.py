"""Ensembles: the mean of one network over eight sides of a scene, and of several networks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class SelfEnsemble(nn.Module):
    """The mean of ``network`` over the four quarter turns of its inputs and their mirror images.

    Timofte et al. 2016, "Seven ways to improve example-based single image super resolution", the
    sixth way (enhanced prediction). Each output is turned back before the mean.

    Args:
        network: any network; a fallback inside it takes part.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.bands = getattr(network, "bands", 1)  # of an optical network

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and masks to (N,1,H,W), as of any network."""
        inputs = coarse, reference, coarse_valid, reference_valid
        outputs = [
            _back(self.network(*(_seen(image, turns, flip) for image in inputs)), turns, flip)
            for turns in range(4)
            for flip in (False, True)
        ]
        return torch.stack(outputs).mean(dim=0)


class SeedEnsemble(nn.Module):
    """The mean of several networks of one training, each with its own seed.

    Lakshminarayanan et al. 2017, "Simple and scalable predictive uncertainty estimation using deep
    ensembles", section 2.4: random initialisation and order of samples, all training data.

    Args:
        networks: at least one, with the same inputs and outputs.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.bands = getattr(self.networks[0], "bands", 1)  # of an optical network

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and masks to (N,1,H,W), as of any network."""
        inputs = coarse, reference, coarse_valid, reference_valid
        return torch.stack([network(*inputs) for network in self.networks]).mean(dim=0)


def _seen(image: Tensor, turns: int, flip: bool) -> Tensor:
    """The image turned by quarters, then mirrored left to right."""
    turned = torch.rot90(image, turns, (-2, -1))
    return turned.flip(-1) if flip else turned


def _back(image: Tensor, turns: int, flip: bool) -> Tensor:
    """What `_seen` did, undone."""
    return torch.rot90(image.flip(-1) if flip else image, -turns, (-2, -1))
