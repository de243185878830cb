"""Adversarial training: its losses, its masks, and runs as a whole."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors import safe_open
from torch import Tensor

from lstsr.registry import build
from lstsr.rows import Row, TrainSettings
from lstsr.training.adversarial import AdversarialStep, feature_distance, relativistic_average
from lstsr.training.batches import Batch
from lstsr.training.checkpoint import load_checkpoint
from lstsr.training.loop import train
from tests.training.conftest import ROW
from tests.training.runs import assert_same_run, read_curve, train_until_killed

ADVERSARIAL: dict[str, Any] = {
    "pixel_weight": 1.0,
    "feature_weight": 1.0,
    "adversarial_weight": 0.1,
    "features": "discriminator",
    "learning_rate": 1e-3,
    "discriminator_features": 4,
    "warm_up_steps": 4,
}
ESRGAN: dict[str, Any] = {
    "model": "esrgan",
    "options": {"features": 8, "growth": 4, "blocks": 1},
}


def adversarial_row(**train_values: Any) -> Row:
    row = copy.deepcopy(ROW) | ESRGAN
    row["train"] |= {"adversarial": ADVERSARIAL, "learning_rate": 1e-3} | train_values
    return Row.from_dict(row)


def logits(seed: int) -> Tensor:
    return torch.randn(2, 1, 5, 6, generator=torch.Generator().manual_seed(seed)).double()


def test_the_adversarial_loss_is_equation_1_and_exchanged_equation_2() -> None:
    real, fake, scored = logits(0), logits(1), logits(2) > 0
    c_real, c_fake = real[scored].numpy(), fake[scored].numpy()
    d_real = 1 / (1 + np.exp(-(c_real - c_fake.mean())))  # D_Ra(x_r, x_f)
    d_fake = 1 / (1 + np.exp(-(c_fake - c_real.mean())))  # D_Ra(x_f, x_r)
    discriminator = -np.log(d_real).mean() - np.log(1 - d_fake).mean()
    generator = -np.log(1 - d_real).mean() - np.log(d_fake).mean()
    assert float(relativistic_average(real, fake, scored)) == pytest.approx(discriminator)
    assert float(relativistic_average(fake, real, scored)) == pytest.approx(generator)


def test_a_level_of_all_logits_means_nothing() -> None:
    real, fake, scored = logits(0), logits(1), logits(2) > 0
    loss = relativistic_average(real, fake, scored)
    torch.testing.assert_close(relativistic_average(real + 5, fake + 5, scored), loss)
    same = torch.full_like(real, 3.0)
    assert float(relativistic_average(same, same, scored)) == pytest.approx(2 * math.log(2))


def test_the_feature_distance_is_the_mean_over_levels_weighted_by_scored_pixels() -> None:
    scored = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    scored[..., :2] = True
    scored[..., 0, 2] = True  # a quarter of one coarse feature
    fine, coarse = torch.zeros(1, 3, 4, 4), torch.zeros(1, 5, 2, 2)
    coarse[..., 0] += 2.0  # the coarse features that are scored whole
    coarse[..., 0, 1] += 8.0
    coarse[..., 1, 1] += 100.0  # of no scored pixel
    pairs = [(fine, fine + 1.5), (torch.zeros_like(coarse), coarse)]
    expected = (1.5 + (1 * 2 + 1 * 2 + 0.25 * 8) / 2.25) / 2
    assert float(feature_distance(pairs, scored)) == pytest.approx(expected)


@pytest.fixture
def settings() -> TrainSettings:
    return adversarial_row(warmup_steps=0).settings


def batch_of(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(2, 1, 32, 32, generator=generator)
    coarse = torch.nn.functional.avg_pool2d(target, 4)
    scored = torch.rand(2, 1, 32, 32, generator=generator) > 0.3
    everywhere = torch.ones_like(coarse), torch.ones_like(target)
    return Batch(coarse, torch.zeros_like(target), *everywhere, target, scored)


def stepped(settings: TrainSettings, batches: list[Batch]) -> dict[str, Tensor]:
    """All weights after adversarial steps on the batches."""
    torch.manual_seed(0)
    network = build("esrgan", 4, 1, **ESRGAN["options"])
    step = AdversarialStep(Fabric(accelerator="cpu", devices=1), network, settings)
    for k, batch in enumerate(batches):
        loss, norm = step(settings.adversarial.warm_up_steps + k, batch)
        assert math.isfinite(loss + norm)
    judge = step.discriminator.state_dict()
    return network.state_dict() | {f"judge.{name}": tensor for name, tensor in judge.items()}


def test_what_is_not_scored_teaches_neither_side(settings: TrainSettings) -> None:
    batch = batch_of()
    hidden = batch._replace(target=torch.where(batch.scored, batch.target, math.nan))
    torch.testing.assert_close(
        stepped(settings, [batch] * 2), stepped(settings, [hidden] * 2), rtol=0, atol=0
    )
    seen = batch._replace(target=torch.where(batch.scored, batch.target + 0.1, batch.target))
    one, other = stepped(settings, [batch] * 2), stepped(settings, [seen] * 2)
    assert not torch.equal(one["last.weight"], other["last.weight"])
    assert not torch.equal(one["judge.first.weight"], other["judge.first.weight"])


def test_each_step_improves_network_and_discriminator_by_their_own_loss(
    settings: TrainSettings,
) -> None:
    """The discriminator learns to tell a network that hardly moves from the target."""
    torch.manual_seed(0)
    network = build("esrgan", 4, 1, **ESRGAN["options"])
    step = AdversarialStep(Fabric(accelerator="cpu", devices=1), network, settings)
    step.settings = adversarial_row(learning_rate=1e-9, steps=1000, warmup_steps=0).settings

    def judgement(batch: Batch) -> float:
        real, fake = (
            torch.where(batch.scored, x, 0.0) for x in (batch.target, step.predict(batch))
        )
        with torch.no_grad():
            pair, _ = step.judge(real, fake)
        return float(relativistic_average(*pair, batch.scored))

    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    untaught = judgement(batch_of(99))
    for k in range(40):
        step(4 + k, batch_of(k))
    assert judgement(batch_of(99)) < 0.7 * untaught
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=1e-6)
    assert all(parameter.requires_grad for parameter in step.discriminator.parameters())


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run that nothing interrupted."""
    output = tmp_path_factory.mktemp("models") / "row.safetensors"
    train(data, adversarial_row(), output, accelerator="cpu", threads=1)
    return output


def test_the_last_weights_are_kept(trained: Path) -> None:
    network, checkpoint = load_checkpoint(trained)
    curve = read_curve(trained)
    assert min(curve, key=lambda point: point["validation_ubrmse_k"])["step"] < 24
    assert checkpoint.best_step == checkpoint.steps == curve[-1]["step"] == 24
    assert checkpoint.validation_ubrmse_k == curve[-1]["validation_ubrmse_k"]
    assert checkpoint.row.train.adversarial == adversarial_row().train.adversarial
    with safe_open(trained, "pt") as file:
        assert set(file.keys()) == set(network.state_dict())


@pytest.mark.parametrize("batch", [3, 16], ids=["in the warm-up", "after it"])
def test_a_killed_run_ends_as_if_it_had_not_been(
    batch: int, trained: Path, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "row.safetensors"
    row = adversarial_row()
    train_until_killed(data, json.dumps(row.to_dict()), output, batch)
    train(data, row, output, accelerator="cpu", threads=1)
    assert_same_run(output, trained)


def test_a_warm_up_as_long_as_the_training_is_plain_training(data: Path, tmp_path: Path) -> None:
    """So ESRGAN starts as ESRNet: the same weights step by step."""
    plain, warm = tmp_path / "plain.safetensors", tmp_path / "warm.safetensors"
    train(data, adversarial_row(adversarial=None), plain, accelerator="cpu", threads=1)
    settings = ADVERSARIAL | {"warm_up_steps": 24}
    train(data, adversarial_row(adversarial=settings), warm, accelerator="cpu", threads=1)
    for one, other in zip(read_curve(plain), read_curve(warm), strict=True):
        assert one["validation_ubrmse_k"] == pytest.approx(other["validation_ubrmse_k"], abs=1e-6)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(
    ("model", "options"), [("esrgan", ESRGAN["options"]), ("srgan", {"features": 8, "blocks": 2})]
)
def test_it_stays_finite_and_near_its_start(
    model: str, options: dict[str, Any], precision: str, data: Path, tmp_path: Path
) -> None:
    """With the discriminator the slower of the two; the detail it asks for cannot be known."""
    output = tmp_path / "row.safetensors"
    slower = ADVERSARIAL | {"learning_rate": 1e-4}
    row = adversarial_row(steps=68, validate_every=16, precision=precision, adversarial=slower)
    row = Row.from_dict(row.to_dict() | {"model": model, "options": options})
    train(data, row, output, accelerator="cpu", threads=1)
    start, *later = [point["validation_ubrmse_k"] for point in read_curve(output)]
    assert len(later) == 5
    assert max(later) < 1.2 * start
