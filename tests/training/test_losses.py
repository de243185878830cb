import math

import numpy as np
import pytest
import torch

from lstsr.metrics import ubrmse_k
from lstsr.training.losses import (
    CHARBONNIER_EPSILON,
    LOSSES,
    inconsistency,
    level_error,
    masked_mean,
)


@pytest.fixture
def scored() -> torch.Tensor:
    mask = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    mask[0, 0, :2] = False
    return mask


def test_means_over_the_scored_pixels(scored: torch.Tensor) -> None:
    target = torch.zeros(2, 1, 4, 4)
    prediction = torch.where(scored, torch.tensor(-0.3), torch.tensor(50.0))
    prediction[1, 0, 0, 0] = 2.1
    assert LOSSES["l1"](prediction, target, scored).item() == pytest.approx((23 * 0.3 + 2.1) / 24)
    rounded = [math.hypot(r, CHARBONNIER_EPSILON) for r in [0.3] * 23 + [2.1]]
    assert LOSSES["charbonnier"](prediction, target, scored).item() == pytest.approx(
        sum(rounded) / 24
    )


def fields(seed: int, size: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Two samples and a mask of which the third is out."""
    drawn = torch.Generator().manual_seed(seed)
    values, chance = torch.randn(2, 2, 1, size, size, generator=drawn)
    return values, chance > -0.43


def test_ubrmse_is_what_the_table_scores_and_ignores_the_level() -> None:
    (prediction, _), (target, scored) = fields(1), fields(2)
    prediction = prediction + torch.tensor([3.0, -1.0])[:, None, None, None]
    each = [
        ubrmse_k(guess, truth, mask)
        for guess, truth, mask in zip(
            *(t[:, 0].numpy() for t in (prediction, target, scored)), strict=True
        )
    ]
    found = LOSSES["ubrmse"](prediction, target, scored).item()
    assert found == pytest.approx(np.mean(each), rel=1e-5)
    assert LOSSES["ubrmse"](prediction + 5, target, scored).item() == pytest.approx(found, rel=1e-4)


def test_the_level_error_is_the_mean_of_the_samples_absolute_bias() -> None:
    target, scored = fields(0)
    raised = target + torch.tensor([0.3, -0.5])[:, None, None, None]
    raised[~scored.expand_as(raised)] = 1e3
    assert level_error(raised, target, scored).item() == pytest.approx(0.4, abs=1e-6)


def test_the_gradient_of_ubrmse_is_finite_for_a_perfect_and_for_an_empty_sample() -> None:
    target, scored = fields(3)
    scored[1] = False
    prediction = target.clone().requires_grad_()
    LOSSES["ubrmse"](prediction, target, scored).backward()
    assert prediction.grad is not None and prediction.grad.isfinite().all()


def test_a_target_moved_by_a_pixel_costs_nothing_where_that_is_tolerated() -> None:
    target, scored = fields(0)
    down, left = (torch.roll(target[:1], 1, 2), torch.roll(target[1:], -1, 3))
    moved = torch.cat([down, left])  # each sample its own way
    assert LOSSES["shift-tolerant"](moved, target, scored).item() == 0
    assert LOSSES["shift-tolerant"](torch.roll(target, (1, -1), (2, 3)), target, scored).item() == 0
    assert LOSSES["l1"](moved, target, scored).item() > 0.5
    assert LOSSES["shift-tolerant"](torch.roll(target, 2, 3), target, scored).item() > 0.5


def test_what_is_tolerated_is_the_least_of_nine_masked_means() -> None:
    (prediction, _), (target, scored) = fields(1), fields(2)
    expected = []
    for guess, truth, mask in zip(prediction[:, 0], target[:, 0], scored[:, 0], strict=True):
        means = []
        for down in range(3):
            for right in range(3):
                window = slice(down, down + 10), slice(right, right + 10)
                errors = (guess[1:-1, 1:-1] - truth[window]).abs()
                means.append(errors[mask[window]].mean().item())
        expected.append(min(means))
    found = LOSSES["shift-tolerant"](prediction, target, scored).item()
    assert found == pytest.approx(sum(expected) / 2, abs=1e-6)


def test_the_tolerant_gradient_is_finite_also_without_a_scored_pixel() -> None:
    target, scored = fields(3)
    scored[1] = False
    prediction = torch.zeros_like(target).requires_grad_()
    LOSSES["shift-tolerant"](prediction, torch.where(scored, target, torch.nan), scored).backward()
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()
    assert (prediction.grad[0] != 0).any() and (prediction.grad[1] == 0).all()


def test_block_means_are_held_against_the_valid_input() -> None:
    coarse = torch.tensor([[[[1.0, 2.0], [3.0, 50.0]]]])
    seen = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    detail = torch.tensor([[-1.0, 1.0], [2.0, -2.0]]).repeat(2, 2)
    fine = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3) + detail
    assert inconsistency(fine, coarse, seen).item() == pytest.approx(0, abs=1e-6)
    fine[..., :2, :2] -= 0.3
    assert inconsistency(fine, coarse, seen).item() == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["l1", "charbonnier"])
def test_what_is_not_scored_has_no_gradient(name: str, scored: torch.Tensor) -> None:
    target = torch.where(scored, torch.tensor(0.0), torch.tensor(math.nan))
    prediction = torch.full((2, 1, 4, 4), 0.5, requires_grad=True)
    LOSSES[name](prediction, target, scored).backward()
    assert prediction.grad is not None
    assert torch.equal(prediction.grad != 0, scored)
    assert prediction.grad[scored].sum().item() == pytest.approx(1.0, abs=1e-5)


def test_the_mean_over_an_image_counts_every_band_alike() -> None:
    values = torch.tensor([1.0, 4.0])[None, :, None, None].expand(2, 2, 3, 3)
    scored = torch.zeros(2, 1, 3, 3)
    scored[0, 0, 0, :2] = 1
    assert float(masked_mean(values, scored)) == 2.5
