"""The file of a trained network: weights as safetensors, with everything else in the header."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lstsr import __version__
from lstsr.errors import LstsrError
from lstsr.models.composite import WithFallback
from lstsr.models.normalisation import Normalisation
from lstsr.models.weights import load_weights, read_metadata, save_weights
from lstsr.registry import build
from lstsr.rows import Row


@dataclass(frozen=True)
class CheckpointHeader:
    """The header of a checkpoint: how the network was trained, and on what data.

    ``origin`` says whether the images of ``dataset`` are ``simulated`` or ``observed``.
    ``best_step`` is the optimiser step of the stored weights, and ``validation_ubrmse_k`` is the
    mean over the validation scenes at this step. All ``steps`` together took ``train_seconds`` of
    wall time with validation, and ``train_cpu_s`` of CPU time (all threads) without validation. The
    latter is NaN in older files.
    ``fallback`` is the classical method that replaces the network if there is no valid reference:
    the best on validation, or None for a network without a reference.
    ``readings`` (how files are read, by role) and ``align`` (the config's section) give prediction
    the same physical values and the same kind of grid. ``attribution`` and ``split`` also come from
    the config. ``harmonisation`` is the model that corrected the row's input, if any. ``n_train``
    is the number of training scenes. ``validation`` has the ubRMSE (`metrics.ubrmse_k`) of each
    validation scene by method: the stored network, then classical methods. `save_checkpoint` fills
    in ``weights_sha256``.
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
        """Normalisation of a scene whose valid input has the mean ``centre_k``."""
        return Normalisation(centre_k, self.scale_k, self.reference_mean, self.reference_std)


def save_checkpoint(path: Path, weights: dict[str, Tensor], header: CheckpointHeader) -> None:
    """Write weights on the CPU and their header to ``path``, completely or not at all."""
    row = header.row
    content = asdict(header) | {
        "weights_sha256": digest_of(weights),
        "scale": row.scale,
        "model": row.model,
        "options": row.options,
        "reference_channels": header.reference_channels,
    }
    save_weights(path, weights, content)


def compact(path: Path, output: Path) -> None:
    """Write a copy of the checkpoint ``path`` with weights in half precision: half the size.

    Predictions still use single precision. For the pretrained networks the rounding changes the
    fine LST by less than 0.01 K. Raises LstsrError as `load_checkpoint`.
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
    row, channels = header.row, header.reference_channels
    try:
        network = build(row.model, row.scale, channels, **row.options)
        fallback = build(header.fallback, row.scale, channels) if header.fallback else None
    except (LstsrError, TypeError, ValueError) as error:
        raise LstsrError(f"{path}: the model cannot be built ({error}). Train it again") from error
    weights = load_file(path)
    if digest_of(weights) != header.weights_sha256:
        raise LstsrError(
            f"{path}: the file is damaged: its weights do not match the digest in its header. "
            "Copy it again"
        )
    try:
        load_weights(network, weights)
    except LstsrError as error:
        raise LstsrError(
            f"{path}: the weights, from version {header.version}, do not fit model {row.model} of "
            f"version {__version__}: {error}. Train it again"
        ) from error
    return (WithFallback(network, fallback) if fallback else network).eval(), header


def load_initial(path: Path, network: nn.Module, row: Row) -> None:
    """Load the weights of a checkpoint or of a file of `lstsr import-released` into ``network``.

    Raises LstsrError if the file cannot be read, or if it does not fit the model, the options or
    the channels of ``row``.
    """
    wanted = {"model": row.model, "options": row.options, "reference_bands": row.channels}
    try:
        header = read_metadata(path)
        held = {key: header[key] for key in wanted}
        weights = load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise LstsrError(
            f"train.initial: {path} is not a checkpoint ({error}). Name a checkpoint or a file of "
            "`lstsr import-released`"
        ) from error
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
        # Older files lack train_cpu_s.
        header = {"train_cpu_s": math.nan, **read_metadata(path)}
        values = {each.name: header[each.name] for each in fields(CheckpointHeader)}
        values["row"] = Row.from_dict(header["row"])
        for name in ("target_m", "scale_k"):
            values[name] = float(header[name])
        for name in ("reference_mean", "reference_std"):
            values[name] = tuple(map(float, header[name]))
        values["reference_bands"] = tuple(map(str, header["reference_bands"]))
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
