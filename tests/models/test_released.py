"""Released weights become a file that is safe to open, or one clear line."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lstsr.errors import LstsrError
from lstsr.models.dctnet import load_published
from lstsr.models.released import import_dctnet, import_released, read_dctnet
from lstsr.registry import RELEASED
from lstsr.training.checkpoint import read_header
from tests.released import random_unet_weights, random_weights


@pytest.mark.real
def test_the_random_weights_have_the_released_layout(shared):
    listing = (shared / "parity" / "dctnet_published_state_dict.txt").read_text().splitlines()
    shapes = {key: shape for key, shape, _ in (line.split("\t") for line in listing)}
    assert {k: str(tuple(v.shape)) for k, v in random_weights().items()} == shapes


def test_the_imported_network_is_that_of_the_released_file(tmp_path):
    weights = random_weights()
    torch.save(weights, tmp_path / "released.pth")
    import_dctnet(tmp_path / "released.pth", tmp_path / "ours.safetensors")
    image, guide = torch.rand(1, 1, 24, 32), torch.randn(1, 3, 24, 32)
    with torch.no_grad():
        ours = read_dctnet(tmp_path / "ours.safetensors")(image, guide)
        assert torch.equal(ours, load_published(weights)(image, guide))
    assert ours.std() > 0


def test_an_imported_file_is_not_taken_for_a_row_of_ours(tmp_path):
    torch.save(random_weights(), tmp_path / "released.pth")
    import_dctnet(tmp_path / "released.pth", tmp_path / "ours.safetensors")
    with pytest.raises(LstsrError, match="is not a checkpoint of lstsr"):
        read_header(tmp_path / "ours.safetensors")


class Harmful:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def refused(folder: Path) -> str:
    """The message on ``released.pth``: one line, nothing written."""
    with pytest.raises(LstsrError) as caught:
        import_dctnet(folder / "released.pth", folder / "ours.safetensors")
    message = str(caught.value)
    assert message.startswith(f"{folder / 'released.pth'}: ") and "\n" not in message
    assert not (folder / "ours.safetensors").exists()
    return message


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path):
    torch.save({**random_weights(), "more": Harmful(tmp_path / "touched")}, tmp_path / "harm.zip")
    (tmp_path / "released.pth").write_bytes((tmp_path / "harm.zip").read_bytes())
    assert "no file of weights alone" in refused(tmp_path)
    (tmp_path / "released.pth").write_bytes(pickle.dumps(Harmful(tmp_path / "touched"), 2))
    assert "no file of weights alone" in refused(tmp_path)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not weights"])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "released.pth").write_bytes(content)
    assert "no file of weights alone" in refused(tmp_path)


def test_other_weights_are_refused(tmp_path):
    assert "No such file" in refused(tmp_path)

    def message(change: dict) -> str:
        torch.save(random_weights() | change, tmp_path / "released.pth")
        return refused(tmp_path)

    assert "DCTNet checkpoint: more is unknown; name a" in message({"module.more": torch.zeros(1)})
    assert "theta has the shape (64,), not (1, 64, 1, 1)" in message(
        {"module.lambd": torch.zeros(64)}
    )
    assert "no plain state dict" in message({"epoch": 200})
    torch.save({"state_dict": random_weights()}, tmp_path / "released.pth")
    assert "no plain state dict" in refused(tmp_path)


def test_a_file_that_was_not_imported_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(LstsrError, match=r"model\.safetensors: .*lstsr import-dctnet"):
        read_dctnet(path)
    path.write_bytes(b"not weights")
    with pytest.raises(LstsrError, match="lstsr import-dctnet"):
        read_dctnet(path)


def shapes(weights: dict) -> dict:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


@pytest.mark.real
@pytest.mark.parametrize("name", sorted(RELEASED))
def test_the_random_unet_has_the_released_layout(shared, name):
    released = load_file(shared / "data" / "released" / f"{name}.safetensors")
    assert shapes(random_unet_weights()) == shapes(released)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_imported_unet_holds_the_released_weights(tmp_path, suffix):
    weights, released = random_unet_weights(), tmp_path / f"released{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(weights, released)
    import_released("sc-unet", released, tmp_path / "ours.safetensors")
    ours = load_file(tmp_path / "ours.safetensors")
    assert ours.keys() == {f"unet.{name}" for name in weights} | {"log_gain", "offset"}
    assert all(torch.equal(ours[f"unet.{name}"], tensor) for name, tensor in weights.items())
    with safe_open(tmp_path / "ours.safetensors", "np") as file:
        header = json.loads(file.metadata()["lstsr"])
    assert (header["model"], header["licence"]) == ("sc-unet", "CeCILL-C")
    assert "hal-04925380" in header["source"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"more": torch.zeros(1)}, "more is unknown"),
        ({"outlay.bias": torch.zeros(2)}, r"outlay.bias has the shape \(2,\), not \(1,\)"),
        ({"outlay.bias": torch.tensor([torch.nan])}, "outlay.bias is not finite"),
        ({"outlay.bias": None}, "outlay.bias is missing"),
    ],
)
def test_weights_of_another_unet_are_refused(tmp_path, change, words):
    weights = random_unet_weights() | change
    released = tmp_path / "released.safetensors"
    save_file({name: tensor for name, tensor in weights.items() if tensor is not None}, released)
    with pytest.raises(LstsrError, match=rf"released\.safetensors: {words}; name .* of sc-unet"):
        import_released("sc-unet", released, tmp_path / "ours.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["released.safetensors"]


@pytest.mark.parametrize("content", [None, b"not weights"])
def test_a_file_without_weights_is_refused(tmp_path, content):
    released = tmp_path / "released.safetensors"
    if content:
        released.write_bytes(content)
    words = "no file of weights alone" if content else "No such file"
    with pytest.raises(
        LstsrError, match=rf"released\.safetensors: .*{words}.*; name .* of sc-unet"
    ):
        import_released("sc-unet", released, tmp_path / "ours.safetensors")
