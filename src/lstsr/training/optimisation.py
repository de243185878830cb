"""The optimisers of a network and the schedule of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from lstsr.rows import TrainSettings

MOMENTUM = 0.95
"""Weight of the previous momentum in the next one (Jordan et al. 2024)."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration (Jordan et al. 2024)."""

ITERATIONS = 5
"""After 5, all singular values lie between about 0.7 and 1.2 (Jordan et al. 2024)."""

ADAMW_RMS = 0.2
"""Typical root mean square of AdamW's update at rate 1 (Liu et al. 2025, section 2.2)."""

MUON_CHANNELS = 8
"""Kernels with fewer channels in or out stay with AdamW: first and last layers of a network."""


def adamw(network: nn.Module, settings: TrainSettings) -> list[Optimizer]:
    """AdamW (Loshchilov and Hutter 2019) that decays matrices and kernels only.

    Vectors of any stored shape (biases, gains, the lambda of each channel) have their own scale,
    which decay must not pull to 0.
    """
    return [_adamw(_trained(network), settings)]


def muon(network: nn.Module, settings: TrainSettings) -> list[Optimizer]:
    """`Muon` for the kernels of hidden layers, `adamw` for all other parameters."""
    kernels = [p for p in _trained(network) if p.ndim == 4 and min(p.shape[:2]) >= MUON_CHANNELS]
    if not kernels:
        return adamw(network, settings)
    hidden = set(map(id, kernels))
    others = [parameter for parameter in _trained(network) if id(parameter) not in hidden]
    return [_adamw(others, settings), Muon(kernels, settings.learning_rate, settings.weight_decay)]


OPTIMIZERS: Mapping[str, Callable[[nn.Module, TrainSettings], list[Optimizer]]] = {
    "adamw": adamw,
    "muon": muon,
}
"""By name, as in `train.optimizer`."""


def _trained(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _adamw(parameters: Iterable[nn.Parameter], settings: TrainSettings) -> Optimizer:
    groups: list[dict[str, Any]] = [
        {"params": [], "weight_decay": settings.weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for parameter in parameters:
        groups[parameter.squeeze().ndim <= 1]["params"].append(parameter)
    return AdamW(groups, lr=settings.learning_rate)


class Muon(Optimizer):
    """Nesterov momentum whose matrix is made nearly orthogonal (Jordan et al. 2024).

    The singular values of an update are then nearly equal, so a network also learns the directions
    of small gradients. A kernel counts as a matrix of output channels times all other axes;
    `torch.optim.Muon` does not accept kernels. Updates have the root mean square of AdamW's, so
    both optimisers share one learning rate (Liu et al. 2025, section 2.2). The decay is decoupled.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(kernels, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every kernel that has a gradient. ``closure`` is not used."""
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is None:
                    continue
                state = self.state[kernel]
                if not state:
                    state["momentum"] = torch.zeros_like(kernel)
                momentum = state["momentum"].lerp_(kernel.grad, 1 - MOMENTUM)
                matrix = kernel.grad.lerp(momentum, MOMENTUM).flatten(1)
                size = ADAMW_RMS * math.sqrt(max(matrix.shape))
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                kernel.sub_(orthogonal(matrix).view_as(kernel), alpha=group["lr"] * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix with the singular vectors of ``matrix`` (m,n) and singular values near 1.

    Newton-Schulz iteration (Jordan et al. 2024). A matrix of zeros does not change.
    """
    a, b, c = NEWTON_SCHULZ
    rows, columns = matrix.shape
    x = matrix if rows <= columns else matrix.T
    x = x / x.norm().clamp(min=1e-12)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if rows <= columns else x.T


def schedule(k: int, settings: TrainSettings) -> float:
    """Learning rate / peak rate at step k, from 0: linear warm-up, then half a cosine to 0.

    Loshchilov and Hutter 2017 (SGDR), eq. 5, with one period and a minimum of 0.
    """
    warm = min(1.0, (k + 1) / max(1, settings.warmup_steps))
    decay_steps = max(1, settings.steps - settings.warmup_steps)
    progress = max(0, k - settings.warmup_steps) / decay_steps
    return warm * (1 + math.cos(math.pi * min(1.0, progress))) / 2
