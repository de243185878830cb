"""Adversarial training: a discriminator learns to distinguish predictions from targets.

L_G = pixel L_pixel + feature L_feature + adversarial L_G^Ra, ESRGAN's eq. 3 (Wang et al. 2018) with
the three weights of the row. Pixels that are not scored are 0, the mean of the scene, in both
images. No mean includes them, so neither network learns from them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Adam

from lstsr.models.discriminator import UNetDiscriminator
from lstsr.rows import TrainSettings
from lstsr.training.batches import Batch
from lstsr.training.losses import masked_mean
from lstsr.training.optimisation import schedule
from lstsr.training.step import PixelStep

Pair = tuple[Tensor, ...]
"""Tensors of the real and of the fake images."""

BETAS = (0.9, 0.99)
"""For the discriminator's Adam (released options of ESRGAN and Real-ESRGAN)."""


def relativistic_average(real: Tensor, fake: Tensor, scored: Tensor) -> Tensor:
    """Relativistic average loss, a scalar; 2 log 2 if real and fake cannot be distinguished.

    -E[log D(real, fake)] - E[log(1 - D(fake, real))], D(a, b) = sigmoid(C(a) - E[C(b)]): ESRGAN's
    eq. 1, the discriminator's loss (Jolicoeur-Martineau 2018). With both images exchanged it is
    eq. 2, the generator's loss. The logits C are (N,1,H,W), ``scored`` is their mask, and E is the
    mean over the scored pixels of the batch.
    """
    above = real - masked_mean(fake, scored)
    below = fake - masked_mean(real, scored)
    return masked_mean(F.softplus(-above), scored) + masked_mean(F.softplus(below), scored)


def feature_distance(features: list[Pair], scored: Tensor) -> Tensor:
    """Mean absolute difference of features before activation, a scalar (ESRGAN's eq. 3, L_percep).

    The features come from the discriminator's encoder, which has seen only LST, not from a network
    for natural images (feature matching, Salimans et al. 2016, section 3.1). The weight of a coarse
    feature is its share of scored pixels.
    """
    distances = []
    for real, fake in features:
        weight = F.interpolate(scored.float(), size=real.shape[-2:], mode="area")
        distances.append(masked_mean((real - fake).abs().mean(1, keepdim=True), weight))
    return torch.stack(distances).mean()


class AdversarialStep(PixelStep):
    """Plain steps in the warm-up; then each step updates the network and its discriminator."""

    def __init__(self, fabric: Fabric, network: nn.Module, settings: TrainSettings) -> None:
        super().__init__(fabric, network, settings)
        assert settings.adversarial is not None
        self.adversarial = settings.adversarial
        bands = getattr(network, "bands", 1)
        discriminator = UNetDiscriminator(self.adversarial.discriminator_features, bands)
        self.discriminator, self.discriminator_optimizer = fabric.setup(
            discriminator, Adam(discriminator.parameters(), betas=BETAS)
        )

    def __call__(self, k: int, batch: Batch) -> tuple[float, float]:
        """Take step k. Returns the network's total loss and the sum of both gradient norms."""
        if k < self.adversarial.warm_up_steps:
            return super().__call__(k, batch)
        prediction = self.predict(batch)
        real = torch.where(batch.scored, batch.target, 0.0)
        fake = torch.where(batch.scored, prediction.float(), 0.0)

        self.discriminator.requires_grad_(False)
        (real_logits, fake_logits), features = self.judge(real, fake)
        average = relativistic_average(fake_logits, real_logits, batch.scored)
        weights = self.adversarial
        loss = (
            weights.pixel_weight * self.pixel_loss(prediction, batch)
            + weights.feature_weight * feature_distance(features, batch.scored)
            + weights.adversarial_weight * average
        )
        norm = self.improve(k, loss)
        self.discriminator.requires_grad_(True)

        (real_logits, fake_logits), _ = self.judge(real, fake.detach())
        judgement = relativistic_average(real_logits, fake_logits, batch.scored)
        rate = self.adversarial.learning_rate * schedule(k, self.settings)
        norm += self.descend(judgement, self.discriminator, [self.discriminator_optimizer], rate)
        return float(loss.detach()), norm

    def judge(self, real: Tensor, fake: Tensor) -> tuple[Pair, list[Pair]]:
        """Logits and features of real and fake images, see `UNetDiscriminator`."""
        logits, features = self.discriminator(torch.cat([real, fake]))
        return logits.chunk(2), [feature.chunk(2) for feature in features]

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs besides the network's weights."""
        return super().state_dict() | {
            "discriminator": self.discriminator.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the result of `state_dict`."""
        super().load_state_dict(state)
        self.discriminator.load_state_dict(state["discriminator"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])


STEP = AdversarialStep
