import math

import pytest
import torch

from lstsr.training.losses import CHARBONNIER_EPSILON, LOSSES, masked_mean


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
