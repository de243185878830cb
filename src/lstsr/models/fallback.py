"""Where there is no reference, a guided network gives way to a row that needs none."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WithFallback(nn.Module):
    """``network`` where the reference is valid, ``fallback`` elsewhere.

    Args:
        network: a guided network.
        fallback: one that sees no reference.
    """

    def __init__(self, network: nn.Module, fallback: nn.Module) -> None:
        super().__init__()
        self.network, self.fallback = network, fallback

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,1,h,w), (N,C,H,W) and masks to (N,1,H,W), as of any network."""
        inputs = coarse, reference, coarse_valid, reference_valid
        return torch.where(reference_valid > 0, self.network(*inputs), self.fallback(*inputs))
