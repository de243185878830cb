"""The file of a trained network: weights as safetensors, everything else in its header."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lstsr import __version__
from lstsr.errors import LstsrError
from lstsr.files import whole
from lstsr.models.composite import WithFallback
from lstsr.models.normalisation import Normalisation
from lstsr.models.weights import load_weights
from lstsr.registry import build
from lstsr.rows import Row


@dataclass(frozen=True)
class CheckpointHeader:
    """The header of a checkpoint: how the network was trained, and on what.

    ``best_step`` is the optimiser step of the stored weights. ``steps`` is the number of steps in
    ``train_seconds`` of wall time, including validation. ``train_cpu_s`` is the CPU time of the
    process in these steps (all threads), seconds, without validation. It is NaN in older files.
    ``validation_ubrmse_k`` is the mean over validation scenes at ``best_step``.
    ``origin`` is ``simulated`` or ``observed``: the origin of the images of ``dataset``.
    ``fallback`` is the classical row that replaces the network if there is no valid reference, the
    best one on validation. It is None for a network without a reference.
    ``readings`` say by role how files were read, and ``align`` is the config's section. With both,
    prediction reads the same physical values and uses the same kind of grid.
    ``harmonisation`` is the model that corrected the row's input, if any.
    ``attribution`` and ``split`` are the config's. ``n_train`` is the number of training scenes.
    ``validation`` gives the ubRMSE (`metrics.ubrmse_k`) of each validation scene by method: the
    network with its stored weights, then the classical baselines.
    ``weights_sha256`` is filled in by `save_checkpoint`.
    """

    row: Row
    dataset: str
    origin: str
    target_m: float
    reference_bands: tuple[str, ...]
    scale_k: float
    reference_mean: tuple[float, ...]
    reference_std: tuple[float, ...]
    validation_ubrmse_k: float
    best_step: int
    steps: int
    train_seconds: float
    fallback: str | None
    readings: dict[str, Any] = field(default_factory=dict)
    align: dict[str, Any] = field(default_factory=dict)
    harmonisation: dict[str, Any] | None = None
    attribution: str = ""
    split: dict[str, Any] = field(default_factory=dict)
    n_train: int = 0
    train_cpu_s: float = field(default=math.nan, compare=False)
    validation: dict[str, dict[str, float]] = field(default_factory=dict)
    weights_sha256: str = field(default="", compare=False)
    version: str = __version__

    @property
    def reference_channels(self) -> int:
        """Bands of the reference."""
        return len(self.reference_bands)

    def normalisation(self, centre_k: float) -> Normalisation:
        """The normalisation of a scene whose valid input has the mean ``centre_k``."""
        return Normalisation(centre_k, self.scale_k, self.reference_mean, self.reference_std)


def save_checkpoint(path: Path, weights: Mapping[str, Tensor], header: CheckpointHeader) -> None:
    """Write weights and header to ``path``; the file appears whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    content = {
        **asdict(header),
        "weights_sha256": digest_of(tensors),
        "scale": header.row.scale,
        "model": header.row.model,
        "options": header.row.options,
        "reference_channels": header.reference_channels,
    }
    with whole(path) as partial:
        save_file(tensors, partial, {"lstsr": json.dumps(content)})


def compact(path: Path, output: Path) -> None:
    """Write the checkpoint ``path`` to ``output`` with weights of half precision, half as large.

    Predictions use single precision as before. Rounding the weights of the pretrained networks
    moves their products by less than 0.01 K.
    Raises LstsrError as `load_checkpoint`.
    """
    _, header = load_checkpoint(path)
    halved = {name: tensor.half() for name, tensor in load_file(path).items()}
    save_checkpoint(output, halved, header)


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, hexadecimal."""
    content = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.numpy().tobytes())
    return content.hexdigest()


def load_checkpoint(path: Path) -> tuple[nn.Module, CheckpointHeader]:
    """The network with its fallback, on the CPU in evaluation mode, and its header.

    Raises LstsrError if the file is missing, damaged, not a checkpoint, or does not fit its model.
    """
    header = read_header(path)
    row = header.row
    try:
        network = build(row.model, row.scale, header.reference_channels, **row.options)
        weights = load_file(path)
        network.load_state_dict(weights)
        if header.fallback:
            fallback = build(header.fallback, row.scale, header.reference_channels)
            network = WithFallback(network, fallback)
    except (LstsrError, TypeError, ValueError) as error:
        raise LstsrError(f"{path}: the model cannot be built ({error}). Train it again") from error
    except RuntimeError as error:
        raise LstsrError(
            f"{path}: made by version {header.version}, does not fit model {row.model} of "
            f"version {__version__}. Train it again ({error})"
        ) from error
    if digest_of(weights) != header.weights_sha256:
        raise LstsrError(
            f"{path}: the weights do not match the digest in the header. The file is damaged; copy "
            "it again"
        )
    if not all(values.isfinite().all() for values in weights.values()):
        raise LstsrError(f"{path}: some weights are not finite. Train it again")
    return network.eval(), header


def load_initial(path: Path, network: nn.Module, row: Row) -> None:
    """Give ``network`` the weights of a checkpoint, or of a file of `lstsr import-released`.

    Raises LstsrError if the file cannot be read, or if it does not fit the model, the options or
    the channels of ``row``.
    """
    try:
        header = _read_json(path)
        held = {key: header[key] for key in ("model", "options", "reference_bands")}
        weights = load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise LstsrError(
            f"train.initial: {path} is not a checkpoint ({error}). Name one, or a file of "
            "lstsr import-released"
        ) from error
    wanted = {"model": row.model, "options": row.options, "reference_bands": row.channels}
    for key, value in wanted.items():
        if held[key] != value:
            raise LstsrError(
                f"train.initial: {path} has {key} {held[key]}, but {row.name} has {value}. "
                "Name a file of the same model"
            )
    try:
        load_weights(network, weights)
    except LstsrError as error:
        raise LstsrError(
            f"train.initial: {path} does not fit {row.name}: {error}. Train or import it again"
        ) from error


def read_header(path: Path) -> CheckpointHeader:
    """The header alone. Raises LstsrError as `load_checkpoint`."""
    try:
        header = dict(_read_json(path))
        header.setdefault("train_cpu_s", math.nan)  # older files lack it
        row = Row.from_dict(header["row"])
        values = {each.name: header[each.name] for each in fields(CheckpointHeader)} | {"row": row}
        values["target_m"], values["scale_k"] = float(header["target_m"]), float(header["scale_k"])
        values["reference_bands"] = tuple(map(str, header["reference_bands"]))
        for name in ("reference_mean", "reference_std"):
            values[name] = tuple(map(float, header[name]))
        for name in ("readings", "align", "split"):
            values[name] = dict(header[name])
        values["validation"] = {name: dict(each) for name, each in header["validation"].items()}
        return CheckpointHeader(**values)
    except LstsrError as error:
        raise LstsrError(
            f"{path}: was made by another version of lstsr ({error}). Train the row again"
        ) from error
    except (
        *(OSError, SafetensorError, RecursionError),
        *(AttributeError, KeyError, TypeError, ValueError),
    ) as error:
        raise LstsrError(
            f"{path}: is not a checkpoint of lstsr ({error}). Train the row"
        ) from error


def _read_json(path: Path) -> Any:
    """The JSON object that lstsr keeps in the metadata of a safetensors file."""
    with safe_open(path, framework="np") as file:
        return json.loads((file.metadata() or {})["lstsr"])
