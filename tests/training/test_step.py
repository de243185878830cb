"""What a step descends."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from lstsr.dataset.loader import Dataset
from lstsr.registry import build
from lstsr.rows import Row
from lstsr.training.batches import Batches
from lstsr.training.losses import inconsistency, l1, level_error
from lstsr.training.step import PixelStep


def test_the_weights_of_consistency_and_level_add_their_terms_to_the_loss(
    data: Path, row_dict: dict[str, Any]
) -> None:
    losses = {}
    for weights in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.25)):
        row_dict["train"] |= dict(zip(("consistency", "level"), weights, strict=True))
        row = Row.from_dict(row_dict)
        batch = Batches(Dataset(data), row)[0]
        torch.manual_seed(0)
        step = PixelStep(Fabric(accelerator="cpu", devices=1), build("dctnet", 4, 1), row.train)
        prediction = step.predict(batch)
        losses[weights] = step.pixel_loss(prediction, batch).item()
    plain = l1(prediction, batch.target, batch.scored).item()
    apart = inconsistency(prediction, batch.coarse, batch.coarse_valid).item()
    level = level_error(prediction, batch.target, batch.scored).item()
    assert apart > 1e-3 and level > 1e-3
    assert losses[0.0, 0.0] == pytest.approx(plain)
    assert losses[0.5, 0.0] == pytest.approx(plain + 0.5 * apart)
    assert losses[0.0, 0.25] == pytest.approx(plain + 0.25 * level)
