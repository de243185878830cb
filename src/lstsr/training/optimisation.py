"""The optimiser of a network and the course of its learning rate."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import AdamW

from lstsr.training.row import TrainSettings


def adamw(network: nn.Module, settings: TrainSettings) -> AdamW:
    """AdamW (Loshchilov and Hutter 2019) that decays matrices and kernels only.

    Vectors (biases, gains, the lambda of each channel), of whatever shape they are stored in, have
    a scale of their own that must not be drawn to 0.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    kernels = [parameter for parameter in parameters if parameter.squeeze().ndim > 1]
    vectors = [parameter for parameter in parameters if parameter.squeeze().ndim <= 1]
    return AdamW(
        [
            {"params": kernels, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )


def schedule(k: int, settings: TrainSettings) -> float:
    """Share of the peak rate at step k, counted from 0: linear warm-up, then half a cosine to 0.

    Loshchilov and Hutter 2017 (SGDR), eq. 5, one period and a least rate of 0.
    """
    warm = min(1.0, (k + 1) / max(1, settings.warmup_steps))
    decay_steps = max(1, settings.steps - settings.warmup_steps)
    progress = max(0, k - settings.warmup_steps) / decay_steps
    return warm * (1 + math.cos(math.pi * min(1.0, progress))) / 2
