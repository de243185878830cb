"""Weights of networks: read from files of lstsr and of other groups, and written safely.

A `.pth` file is a pickle, which can run code when it is opened. lstsr reads it as plain weights
only and writes safetensors.
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

from lstsr.errors import LstsrError
from lstsr.files import whole


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load all weights and statistics of a network.

    If a name is missing or unknown, or if a tensor has another shape or is not finite, it raises
    LstsrError and changes nothing.
    """
    expected = network.state_dict()
    faults = [f"{name} is missing" for name in expected if name not in weights]
    faults += [f"{name} is unknown" for name in weights if name not in expected]
    for name in expected.keys() & weights.keys():
        shape, wanted = tuple(weights[name].shape), tuple(expected[name].shape)
        if shape != wanted:
            faults.append(f"{name} has the shape {shape}, not {wanted}")
        elif not weights[name].isfinite().all():
            faults.append(f"{name} is not finite")
    if faults:
        more = f" and {len(faults) - 1} more" if faults[1:] else ""
        raise LstsrError(f"{faults[0]}{more}")
    network.load_state_dict(weights)


def read_state_dict(path: Path) -> Mapping[str, Tensor]:
    """The state dict in a file of torch or safetensors, on the CPU.

    Raises LstsrError if the file cannot be read or holds anything but a flat state dict.
    """
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
        raise LstsrError("the file does not hold plain weights") from error
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise LstsrError("the file does not hold a plain state dict")
    return content


def save_weights(output: Path, weights: dict[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write weights to a safetensors file whose metadata `lstsr` holds ``header`` as JSON."""
    with whole(output) as partial:
        save_file(weights, partial, {"lstsr": json.dumps(header)})


def read_metadata(path: Path) -> Any:
    """The header of a file of `save_weights`.

    Raises OSError, SafetensorError, KeyError or ValueError if it is not such a file.
    """
    with safe_open(path, framework="np") as file:
        return json.loads((file.metadata() or {})["lstsr"])
