"""One optimiser step of plain training; `adversarial` has the step against a discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from lstsr.rows import TrainSettings
from lstsr.training.batches import Batch
from lstsr.training.losses import LOSSES, inconsistency, level_error
from lstsr.training.optimisation import OPTIMIZERS, schedule


class PixelStep:
    """Steps that reduce the pixel loss of the row's ``settings``. They change ``network``."""

    def __init__(self, fabric: Fabric, network: nn.Module, settings: TrainSettings) -> None:
        self.fabric, self.settings = fabric, settings
        optimizers = OPTIMIZERS[settings.optimizer](network, settings)
        self.model, *self.optimizers = fabric.setup(network, *optimizers)

    def __call__(self, k: int, batch: Batch) -> tuple[float, float]:
        """Take step k, counted from 0. Returns the loss and the norm of its gradients."""
        loss = self.pixel_loss(self.predict(batch), batch)
        return float(loss.detach()), self.improve(k, loss)

    def predict(self, batch: Batch) -> Tensor:
        """The network's output, (N,B,H,W)."""
        prediction: Tensor = self.model(*batch[:4])
        return prediction

    def pixel_loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """The row's loss on the scored pixels plus its weighted terms, a scalar."""
        settings, truth = self.settings, (batch.target, batch.scored)
        loss = LOSSES[settings.loss](prediction, *truth)
        if settings.level:
            loss = loss + settings.level * level_error(prediction, *truth)
        if settings.consistency:
            coarse = batch.coarse, batch.coarse_valid
            loss = loss + settings.consistency * inconsistency(prediction, *coarse)
        return loss

    def improve(self, k: int, loss: Tensor) -> float:
        """Update the network at the rate of step k. Returns the norm of its gradients."""
        rate = self.settings.learning_rate * schedule(k, self.settings)
        return self.descend(loss, self.model, self.optimizers, rate)

    def descend(
        self, loss: Tensor, model: nn.Module, optimizers: Sequence[Optimizer], rate: float
    ) -> float:
        """Update ``model`` once. Returns the norm of its gradients before clipping."""
        self.fabric.backward(loss)
        norm = clip_grad_norm_(model.parameters(), self.settings.clip_norm)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()
        return float(norm)

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs besides the network's weights."""
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the result of `state_dict`."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


STEP = PixelStep
