"""SC-UNet against a plain forward pass, written from the description of the network."""

import json

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lstsr.errors import LstsrError
from lstsr.models.normalisation import Normalisation
from lstsr.models.sc_unet import import_released
from lstsr.registry import RELEASED, build
from tests.released import random_unet_weights

GAIN, OFFSET = (1.3, 0.8), (0.4, -0.2)
"""Of LST and NDVI."""


@pytest.fixture(scope="module")
def weights():
    return random_unet_weights()


@pytest.fixture
def network(weights):
    network = build("sif-nn-sr2", 4, 1)
    network.unet.load_state_dict(weights)
    network.log_gain.data = torch.tensor(GAIN).log().view(1, 2, 1, 1)
    network.offset.data = torch.tensor(OFFSET).view(1, 2, 1, 1)
    return network.double()


def conv(weights, name, x):
    """3 x 3 convolution of (C,H,W) with replicated borders."""
    padded = torch.from_numpy(np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge"))
    return F.conv2d(padded[None], weights[f"{name}.weight"].double())[0].numpy()


def block(weights, name, index, x):
    """Convolution, batch norm by its stored statistics, ReLU."""
    x = conv(weights, f"{name}.{index}", x)
    scale, shift, mean, variance = (
        weights[f"{name}.{index + 1}.{part}"].double().numpy()[:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * scale + shift, 0)


def double(weights, name, x):
    return block(weights, f"{name}.bloc", 3, block(weights, f"{name}.bloc", 0, x))


def down(weights, name, x):
    channels, height, width = x.shape
    x = x.reshape(channels, height // 2, 2, width // 2, 2).mean((2, 4))
    x = x + double(weights, f"{name}.resblock.doubleconv", x)
    return block(weights, f"{name}.lastconv", 0, x)


def twice(length):
    """Matrix (2 length, length) of linear interpolation whose end points stay."""
    places = np.linspace(0, length - 1, 2 * length)
    unit = np.eye(length)
    return np.stack([np.interp(places, np.arange(length), one) for one in unit], 1)


def up(weights, name, x, skip):
    x = twice(x.shape[1]) @ x @ twice(x.shape[2]).T
    return double(weights, f"{name}.convbloc", np.concatenate([x, skip]))


def plain(weights, coarse, ndvi):
    """Fine LST (H,W) from coarse LST (h,w) and NDVI (H,W), with ``GAIN`` and ``OFFSET``."""
    height, width = ndvi.shape
    lst = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    x = np.stack([GAIN[0] * lst + OFFSET[0], GAIN[1] * ndvi + OFFSET[1]])
    x = np.pad(x, ((0, 0), (0, -height % 8), (0, -width % 8)), mode="edge")
    full = double(weights, "inbloc", x)
    half = down(weights, "db1", full)
    quarter = down(weights, "db2", half)
    x = up(weights, "ub1", down(weights, "db3", quarter), quarter)
    x = up(weights, "ub3", up(weights, "ub2", x, half), full)
    fine = conv(weights, "outlay", x)[0] + weights["outlay.bias"].item()
    return (fine[:height, :width] - OFFSET[0]) / GAIN[0]


@pytest.mark.parametrize("size", [(64, 64), (36, 52), (8, 60)])
def test_it_is_the_plain_forward_pass(network, weights, scene, size):
    inputs = scene(*size, 4, channels=1)
    expected = plain(weights, inputs[0][0, 0].numpy(), inputs[1][0, 0].numpy())
    assert expected.std() > 0.1
    with torch.no_grad():
        np.testing.assert_allclose(network(*inputs)[0, 0].numpy(), expected, atol=1e-6)


def test_warming_the_scene_warms_the_output(network, scene):
    coarse, reference, *masks = scene(32, 32, 4, channels=1)

    def predict(kelvin):
        normalisation = Normalisation(float(kelvin.mean()), 10.0, (0.0,), (1.0,))
        return normalisation.to_kelvin(network(normalisation.to_units(kelvin), reference, *masks))

    kelvin = 300 + 10 * coarse
    assert (predict(kelvin + 7) - predict(kelvin) - 7).abs().max() < 1e-6


def test_reference_values_under_the_mask_never_matter(network, scene):
    coarse, reference, coarse_valid, reference_valid = scene(32, 32, 4, channels=1)
    reference_valid[..., 10:20, 5:25] = 0
    outputs = [
        network(coarse, reference.where(reference_valid > 0, value), coarse_valid, reference_valid)
        for value in (0.0, float("nan"))
    ]
    assert outputs[0].isfinite().all() and torch.equal(*outputs)


def test_only_the_four_constants_are_trained(network, scene):
    """Also in training mode, the statistics of batch norm stay and are used."""
    inputs = scene(32, 32, 4, channels=1)
    before = network(*inputs)
    network.train()
    assert torch.equal(network(*inputs), before)
    before.square().mean().backward()
    learning = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert learning.keys() == {"log_gain", "offset"}
    assert sum(p.numel() for p in learning.values()) == 4
    assert all((p.grad != 0).all() for p in learning.values())


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_another_scale_or_reference_is_refused(name):
    with pytest.raises(LstsrError, match="scale: the released weights are for x4, not for x8"):
        build(name, 8, 1)
    with pytest.raises(LstsrError, match=r"reference: .* one channel \(NDVI\), not 3"):
        build(name, 4, 3)


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
    with pytest.raises(LstsrError, match=rf"released\.safetensors: {words}. Use .* for sc-unet"):
        import_released("sc-unet", released, tmp_path / "ours.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["released.safetensors"]


@pytest.mark.parametrize("content", [None, b"not weights"])
def test_a_file_without_weights_is_refused(tmp_path, content):
    released = tmp_path / "released.safetensors"
    if content:
        released.write_bytes(content)
    words = "does not hold plain weights" if content else "No such file"
    with pytest.raises(
        LstsrError, match=rf"released\.safetensors: .*{words}.*. Use .* for sc-unet"
    ):
        import_released("sc-unet", released, tmp_path / "ours.safetensors")
