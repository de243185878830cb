"""One optimiser step; how a network is trained is a class of steps, the plain one stands here."""

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
    """Steps that bring the prediction closer to the target, pixel by pixel.

    Args:
        fabric: precision and device.
        network: what is trained, in place.
        settings: the row's.
    """

    def __init__(self, fabric: Fabric, network: nn.Module, settings: TrainSettings) -> None:
        self.fabric, self.settings = fabric, settings
        optimizers = OPTIMIZERS[settings.optimizer](network, settings)
        self.model, *self.optimizers = fabric.setup(network, *optimizers)

    def __call__(self, k: int, batch: Batch) -> tuple[float, float]:
        """Step k, counted from 0; the network's loss, and the norm of its gradients."""
        loss = self.pixel_loss(self.predict(batch), batch)
        return float(loss.detach()), self.improve(k, loss)

    def predict(self, batch: Batch) -> Tensor:
        """The network's output, (N,1,H,W)."""
        prediction: Tensor = self.model(
            batch.coarse, batch.reference, batch.coarse_valid, batch.reference_valid
        )
        return prediction

    def pixel_loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """The row's loss on the scored pixels plus its weighted additions, a scalar."""
        loss = LOSSES[self.settings.loss](prediction, batch.target, batch.scored)
        if self.settings.level:
            apart = level_error(prediction, batch.target, batch.scored)
            loss = loss + self.settings.level * apart
        if self.settings.consistency:
            apart = inconsistency(prediction, batch.coarse, batch.coarse_valid)
            loss = loss + self.settings.consistency * apart
        return loss

    def improve(self, k: int, loss: Tensor) -> float:
        """Let the network descend the loss at the rate of step k; the norm of its gradients."""
        rate = self.settings.learning_rate * schedule(k, self.settings)
        return self.descend(loss, self.model, self.optimizers, rate)

    def descend(
        self, loss: Tensor, model: nn.Module, optimizers: Sequence[Optimizer], rate: float
    ) -> float:
        """One step of ``model`` down the loss; the norm of its gradients before clipping."""
        self.fabric.backward(loss)
        norm = clip_grad_norm_(model.parameters(), self.settings.clip_norm)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()
        return float(norm)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs beside the network's weights."""
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


STEP = PixelStep
