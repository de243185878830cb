"""The network between two, and what has none between."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lstsr.cli import main
from lstsr.errors import LstsrError
from lstsr.registry import build
from lstsr.rows import Row
from lstsr.training.checkpoint import CheckpointHeader, load_checkpoint, save_checkpoint
from lstsr.training.interpolate import interpolate

OPTIONS = {"features": 8, "growth": 4, "blocks": 1}


@pytest.fixture
def described(checkpoint: CheckpointHeader, row_dict: dict[str, Any]) -> CheckpointHeader:
    row = Row.from_dict(row_dict | {"model": "esrnet", "options": OPTIONS})
    return replace(checkpoint, row=row, fallback=None)


def saved(path: Path, description: CheckpointHeader, seed: int) -> Path:
    """A checkpoint of random weights."""
    torch.manual_seed(seed)
    row = description.row
    network = build(row.model, row.scale, description.reference_channels, **row.options)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_checkpoint(path, network.state_dict(), description)
    return path


@pytest.fixture
def pair(tmp_path: Path, described: CheckpointHeader) -> tuple[Path, Path]:
    """An esrnet and an esrgan."""
    esrgan = replace(described, row=replace(described.row, model="esrgan"))
    return saved(tmp_path / "a.safetensors", described, 1), saved(tmp_path / "b.st", esrgan, 2)


def test_the_command_blends_weight_by_weight(pair: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "c.safetensors"
    a, b = map(str, pair)
    assert main(["interpolate", a, b, "--alpha", "0.8", "--output", str(output)]) == 0
    start, end, between = load_file(a), load_file(b), load_file(output)
    assert set(between) == set(start)
    for name, tensor in between.items():
        torch.testing.assert_close(tensor, 0.2 * start[name] + 0.8 * end[name])
    network, description = load_checkpoint(output)
    assert (description.row.model, description.row.variant) == ("esrgan", "base-alpha0.8")
    assert math.isnan(description.validation_ubrmse_k)
    assert (description.train_seconds, description.train_cpu_s) == (7, 5)
    coarse = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    fine = torch.ones(1, 1, 32, 32)
    inputs = coarse, fine, torch.ones_like(coarse), fine
    outputs = [model(*inputs) for model in (load_checkpoint(pair[0])[0], network)]
    assert not torch.allclose(*outputs)


@pytest.mark.parametrize(("alpha", "end"), [(0.0, 0), (1.0, 1)])
def test_at_its_ends_it_is_one_of_both(
    alpha: float, end: int, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    interpolate(*pair, alpha, tmp_path / "c.safetensors")
    torch.testing.assert_close(load_file(tmp_path / "c.safetensors"), load_file(pair[end]))


def test_counts_of_batch_norm_stay_whole(tmp_path: Path, described: CheckpointHeader) -> None:
    options = {"features": 4, "blocks": 1, "batch_norm": True}
    srgan = replace(described, row=replace(described.row, model="srgan", options=options))
    a, b = saved(tmp_path / "a", srgan, 1), saved(tmp_path / "b", srgan, 2)
    interpolate(a, b, 0.8, tmp_path / "c")
    dtypes = {name: tensor.dtype for name, tensor in load_file(tmp_path / "c").items()}
    assert dtypes == {name: tensor.dtype for name, tensor in load_file(a).items()}


@pytest.mark.parametrize(
    ("row", "more", "said"),
    [
        ({"model": "srgan", "options": {}}, {}, "differs from .* in architecture, options\\."),
        ({"scale": 8}, {}, "in scale\\."),
        ({"seed": 5}, {}, "in seed\\."),
        ({"track": "degraded-block"}, {}, "in track\\."),
        ({}, {"dataset": "other"}, "in dataset\\."),
        ({"options": OPTIONS | {"base": "bilinear"}}, {}, "in options\\."),
        ({}, {"scale_k": 5.0}, "in normalisation\\."),
    ],
)
def test_two_that_have_nothing_between_them_are_refused(
    row: dict[str, Any],
    more: dict[str, Any],
    said: str,
    pair: tuple[Path, Path],
    described: CheckpointHeader,
    tmp_path: Path,
) -> None:
    other = replace(described, row=replace(described.row, **row), **more)
    path = saved(tmp_path / "other", other, 3)
    with pytest.raises(LstsrError, match=said):
        interpolate(pair[0], path, 0.5, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_alpha_lies_between_the_two(pair: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    paths = [*map(str, pair), "--output", str(tmp_path / "c")]
    assert main(["interpolate", *paths, "--alpha", "1.5"]) == 1
    assert capsys.readouterr().err == "lstsr: --alpha 1.5: give a number between 0 and 1\n"
