"""Weights that other groups released, made into a file that is safe to open.

A `.pth` file is a pickle, which may run code when it is opened: it is read once, as weights and
nothing else, and written as safetensors under our names.
"""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lstsr import __version__
from lstsr.errors import LstsrError
from lstsr.files import whole
from lstsr.models.dctnet import PublishedDCTNet, load_published
from lstsr.models.sc_unet import LICENCE, SCALE, SOURCE, SCUNet
from lstsr.models.weights import load_weights

NETWORK = "published-dctnet"
"""How the header of such a file names its network."""


def import_dctnet(released: Path, output: Path) -> None:
    """Write the weights of a released checkpoint (.pth) to ``output`` (.safetensors).

    Raises LstsrError where the file cannot be read, holds more than weights, or other ones.
    """
    try:
        network = load_published(_state_dict(released))
    except LstsrError as error:
        raise LstsrError(f"{released}: {error}; name a released file of DCTNet") from error
    _save(network, {"network": NETWORK}, output)


def import_released(name: str, released: Path, output: Path) -> None:
    """Write the weights of the model ``name``, a key of `RELEASED`, for `train.initial`.

    ``released`` is the authors' state dict (.safetensors or a file of torch). The constants in
    ``output`` (.safetensors) are neutral: training fits them. Raises LstsrError if the file cannot
    be read, holds more than weights, or other ones.
    """
    network = SCUNet(SCALE, 1)
    try:
        load_weights(network.unet, _state_dict(released))
    except LstsrError as error:
        raise LstsrError(f"{released}: {error}; name a released file of {name}") from error
    header = {"model": name, "options": {}, "reference_bands": ["ndvi"]}
    _save(network, header | {"source": SOURCE, "licence": LICENCE}, output)


def read_dctnet(path: Path) -> PublishedDCTNet:
    """The network of a file that `import_dctnet` wrote, on the CPU in evaluation mode.

    Raises LstsrError where the file is missing or another one.
    """
    network = PublishedDCTNet()
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {})["lstsr"])
        if header["network"] != NETWORK:
            raise ValueError(f"network {header['network']}")
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise LstsrError(
            f"{path}: holds no released DCTNet; make it with `lstsr import-dctnet`"
        ) from error
    return network.eval()


def _save(network: nn.Module, header: dict[str, Any], output: Path) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with whole(output) as partial:
        save_file(tensors, partial, {"lstsr": json.dumps(header | {"version": __version__})})


def _state_dict(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise LstsrError(f"{error.strerror or error}") from error
    except (
        *(pickle.UnpicklingError, SafetensorError),
        *(EOFError, RuntimeError, ValueError, KeyError),
    ) as error:
        raise LstsrError("is no file of weights alone") from error
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise LstsrError("holds no plain state dict")
    return content
