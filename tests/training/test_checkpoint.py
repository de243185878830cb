import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lstsr.errors import LstsrError
from lstsr.registry import build
from lstsr.training.checkpoint import (
    CheckpointHeader,
    compact,
    load_checkpoint,
    read_header,
    save_checkpoint,
)


def test_round_trip(tmp_path: Path, checkpoint: CheckpointHeader) -> None:
    path = tmp_path / "model.safetensors"
    network = build("dctnet", 4, 1, features=8, layers=1)
    save_checkpoint(path, network.state_dict(), checkpoint)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]

    loaded, description = load_checkpoint(path)
    assert description == checkpoint
    assert description.train_cpu_s == checkpoint.train_cpu_s
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[f"network.{name}"], tensor)
    normalisation = description.normalisation(290.0)
    assert normalisation.to_units(300.0) == 1.0

    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["lstsr"])
    assert (header["scale"], header["model"], header["reference_channels"]) == (4, "dctnet", 1)
    assert header["options"] == {"features": 8, "layers": 1}


def test_files_that_do_not_fit_are_refused(tmp_path: Path, checkpoint: CheckpointHeader) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(LstsrError, match=r"model\.safetensors: is not a checkpoint"):
        load_checkpoint(path)
    path.write_bytes(b"not weights")
    with pytest.raises(LstsrError, match="is not a checkpoint"):
        load_checkpoint(path)
    weights = build("dctnet", 4, 1, features=4, layers=1).state_dict()
    save_checkpoint(path, weights, replace(checkpoint, version="0.0.9"))
    with pytest.raises(LstsrError, match=r"from version 0\.0\.9, do not fit model dctnet"):
        load_checkpoint(path)


def test_one_that_does_not_say_its_origin_is_refused(
    tmp_path: Path, checkpoint: CheckpointHeader
) -> None:
    path = tmp_path / "old.safetensors"
    save_checkpoint(path, build("dctnet", 4, 1, features=4, layers=1).state_dict(), checkpoint)
    assert read_header(path).origin == "observed"
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["lstsr"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del header["origin"]
    save_file(weights, path, {"lstsr": json.dumps(header)})
    with pytest.raises(LstsrError, match=r"old\.safetensors: .*'origin'.*Train the row"):
        load_checkpoint(path)


def test_one_of_an_older_version_says_so(tmp_path: Path, checkpoint: CheckpointHeader) -> None:
    path = tmp_path / "old.safetensors"
    save_checkpoint(path, build("dctnet", 4, 1, features=4, layers=1).state_dict(), checkpoint)
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["lstsr"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del header["train_cpu_s"]
    save_file(weights, path, {"lstsr": json.dumps(header)})
    assert math.isnan(read_header(path).train_cpu_s)
    del header["row"]["train"]["adversarial"]
    save_file(weights, path, {"lstsr": json.dumps(header)})
    with pytest.raises(LstsrError, match=r"old\.safetensors: was made by another version.*again"):
        load_checkpoint(path)


def test_damaged_weights_are_refused(tmp_path: Path, checkpoint: CheckpointHeader) -> None:
    path = tmp_path / "damaged.safetensors"
    save_checkpoint(path, build("dctnet", 4, 1, features=8, layers=1).state_dict(), checkpoint)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(LstsrError, match=r"damaged\.safetensors: .*do not match the digest"):
        load_checkpoint(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    tmp_path: Path, checkpoint: CheckpointHeader, value: float
) -> None:
    weights = build("dctnet", 4, 1, features=8, layers=1).state_dict()
    next(iter(weights.values())).view(-1)[0] = value
    save_checkpoint(tmp_path / "bad.safetensors", weights, checkpoint)
    with pytest.raises(LstsrError, match=r"bad\.safetensors: .* is not finite\. Train it again"):
        load_checkpoint(tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    "changed",
    [
        *([], None, 5, "x"),
        {"row": None},
        {"scale_k": "ten"},
        {"scale_k": None},
        {"reference_mean": None},
        {"reference_mean": ["a"]},
        {"reference_bands": None},
        {"readings": [1]},
        {"align": [1]},
        {"split": [1]},
        {"validation": [1]},
        {"validation": {"network": 1}},
        {"fallback": "nosuch"},
    ],
)
def test_a_header_of_other_types_is_refused_by_name(
    tmp_path: Path, checkpoint: CheckpointHeader, changed: object
) -> None:
    path = tmp_path / "odd.safetensors"
    weights = build("dctnet", 4, 1, features=8, layers=1).state_dict()
    save_checkpoint(path, weights, checkpoint)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["lstsr"])
    header = header | changed if isinstance(changed, dict) else changed
    save_file(weights, path, {"lstsr": json.dumps(header)})
    with pytest.raises(LstsrError, match="odd.safetensors: "):
        load_checkpoint(path)


def test_a_compact_checkpoint_is_half_as_large_and_predicts_the_same(
    tmp_path: Path, checkpoint: CheckpointHeader
) -> None:
    torch.manual_seed(0)
    options = {"features": 16, "layers": 2}
    network = build("dctnet", 4, 1, **options).eval()
    torch.nn.init.normal_(network.get_parameter("tail.4.weight"), std=0.1)
    described = replace(checkpoint, row=replace(checkpoint.row, options=options))
    save_checkpoint(tmp_path / "whole.safetensors", network.state_dict(), described)
    compact(tmp_path / "whole.safetensors", tmp_path / "small.safetensors")
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "small")]
    assert sizes[1] < 0.6 * sizes[0]
    small, found = load_checkpoint(tmp_path / "small.safetensors")
    assert found == described
    inputs = torch.randn(1, 1, 8, 8), torch.randn(1, 1, 32, 32)
    masks = torch.ones(1, 1, 8, 8), torch.ones(1, 1, 32, 32)
    whole, _ = load_checkpoint(tmp_path / "whole.safetensors")
    difference = (whole(*inputs, *masks) - small(*inputs, *masks)).abs().max()
    assert 0 < difference < 1e-3
