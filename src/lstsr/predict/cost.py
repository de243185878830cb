"""What a network costs: parameters, and multiply-accumulates per fine pixel."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

# Side of the sample image, coarse cells: large enough that borders hardly count.
SAMPLE = 32


def parameter_count(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(values.numel() for values in network.parameters() if values.requires_grad)


def macs_per_pixel(network: nn.Module, scale: int, reference_channels: int) -> float:
    """Multiply-accumulates of convolutions and matrix products per fine pixel of a 32-cell scene.

    Two floating-point operations make one; element-wise work and interpolation do not count. The
    DCT is two matrix products a channel, so its share grows with the size of the tile.
    """
    device = next((values.device for values in network.parameters()), torch.device("cpu"))
    bands = int(getattr(network, "bands", 1))
    coarse = torch.zeros(1, bands, SAMPLE, SAMPLE, device=device)
    reference = torch.zeros(1, reference_channels, SAMPLE * scale, SAMPLE * scale, device=device)
    masks = torch.ones_like(coarse[:, :1]), torch.ones_like(reference[:, :1])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(coarse, reference, *masks)
    return round(counter.get_total_flops() / 2 / (SAMPLE * scale) ** 2, 1)
