"""Weights that the authors of DCTNet released, made into a file that is safe to open.

A `.pth` file is a pickle, which may run code when it is opened: it is read once, as weights and
nothing else, and written as safetensors under our names.
"""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from lstsr import __version__
from lstsr.errors import LstsrError
from lstsr.files import whole
from lstsr.models.dctnet import PublishedDCTNet, load_published

NETWORK = "published-dctnet"
"""How the header of such a file names its network."""


def import_dctnet(released: Path, output: Path) -> None:
    """Write the weights of a released checkpoint (.pth) to ``output`` (.safetensors).

    Raises LstsrError where the file cannot be read, holds more than weights, or other ones.
    """
    try:
        network = load_published(_state_dict(released))
    except LstsrError as error:
        raise LstsrError(f"{released}: {error}") from error
    header = json.dumps({"network": NETWORK, "version": __version__})
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with whole(output) as partial:
        save_file(tensors, partial, {"lstsr": header})


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


def _state_dict(path: Path) -> Mapping[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise LstsrError(f"{error.strerror}; name a released .pth file") from error
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise LstsrError("is no file of weights alone; name a released .pth file") from error
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise LstsrError("holds no plain state dict; name a released .pth file")
    return content
