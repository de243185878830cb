"""The cost of a network: parameters, and multiply-accumulates per fine pixel."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

SAMPLE = 32
"""Side of the sample image in coarse cells: large enough that borders hardly count."""


class _Flops(TorchDispatchMode):
    """Sum of floating-point operations by torch's own formulas.

    Torch's FlopCounterMode counts the same, but loads the compiler, which takes seconds.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled under this mode

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if formula := flop_registry.get(func.overloadpacket):
            self.total += formula(*args, **kwargs, out_val=result)
        return result


def parameter_count(network: nn.Module) -> int:
    """Number of weights, including those that training leaves unchanged."""
    return sum(values.numel() for values in network.parameters())


def macs_per_pixel(network: nn.Module, scale: int, reference_channels: int) -> float:
    """Multiply-accumulates of convolutions and matrix products per fine pixel of a 32-cell scene.

    One is two floating-point operations. Element-wise operations and interpolation do not count.
    The DCT is two matrix products per channel, so its share grows with the size of the tile.
    """
    device = next((values.device for values in network.parameters()), torch.device("cpu"))
    bands = int(getattr(network, "bands", 1))
    coarse = torch.zeros(1, bands, SAMPLE, SAMPLE, device=device)
    reference = torch.zeros(1, reference_channels, SAMPLE * scale, SAMPLE * scale, device=device)
    masks = torch.ones_like(coarse[:, :1]), torch.ones_like(reference[:, :1])
    with _Flops() as flops, torch.no_grad():
        network(coarse, reference, *masks)
    return round(flops.total / 2 / (SAMPLE * scale) ** 2, 1)
