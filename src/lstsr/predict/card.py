"""Cards of checkpoints as text: a table of several, or one in full."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lstsr.config import SensorConfig
from lstsr.metrics import gain_db, paired_bootstrap
from lstsr.predict.cost import parameter_count
from lstsr.predict.reading import describe, validated
from lstsr.predict.shipped import SUFFIX
from lstsr.training.checkpoint import CheckpointHeader, load_checkpoint, read_header

HEADS = ("name", "model", "scale", "input", "reference", "origin", "validation", "size")
ORIGINS = {"observed": "observed", "simulated": "simulated demonstration"}


def table(paths: Iterable[Path]) -> str:
    """One line per checkpoint, in columns."""
    lines = [HEADS, *(_line(path) for path in paths)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _line(path: Path) -> tuple[str, ...]:
    header = read_header(path)
    sensors = {role: reading.sensor for role, reading in _readings(header).items()}
    return (
        path.name.removesuffix(SUFFIX),
        header.row.model,
        _scale(header),
        _input(header, sensors),
        f"{sensors.get('reference', 'none')}: {' '.join(header.reference_bands)}",
        ORIGINS[header.origin],
        _score(header),
        _size(path),
    )


def card(path: Path) -> str:
    """The card of a checkpoint: inputs, training data with their attribution, and scores.

    Raises LstsrError as `load_checkpoint`.
    """
    network, header = load_checkpoint(path)
    row, settings = header.row, header.row.settings
    readings = {role: describe(reading) for role, reading in _readings(header).items()}
    bands = " ".join(header.reference_bands)
    entries = {
        "model": f"{row.model} {row.variant}, {parameter_count(network):,} parameters",
        "scale": f"{_scale(header)}, track {row.track}",
        "input": _input(header, readings),
        "reference": f"{readings.get('reference', 'none')}; bands {bands}",
        "target": readings.get("target", "none"),
        "origin": ORIGINS[header.origin],
        "data": f"{header.dataset}. {header.attribution}".strip(),
        "split": _split(header.split),
        "scenes": f"{header.n_train} for training, {_validated(header)} for validation",
        "validation": f"{_score(header)}. {' '.join(_caveats(header))}",
        "gain": "; ".join(_gains(header)),
        "training": f"step {header.best_step} of {header.steps}, batches of {settings.batch} "
        f"patches of {settings.patch} x {settings.patch} pixels, seed {row.seed}",
        "size": _size(path),
        "weights": f"SHA-256 {header.weights_sha256}",
        "version": header.version,
    }
    lines = (f"  {label:12}{text}" for label, text in entries.items())
    return "\n".join((path.name.removesuffix(SUFFIX), *lines))


def _readings(header: CheckpointHeader) -> dict[str, SensorConfig]:
    return {role: validated(keys, role) for role, keys in header.readings.items() if keys}


def _scale(header: CheckpointHeader) -> str:
    scale, target_m = header.row.scale, header.target_m
    return f"x{scale}, {target_m * scale:.0f} to {target_m:.0f} m"


def _input(header: CheckpointHeader, words: Mapping[str, str]) -> str:
    """The input as prediction reads it, and the source of a degraded track."""
    made = "" if header.row.track == "observed" else "; in training, the averaged target"
    return words.get("input", "none") + made


def _validated(header: CheckpointHeader) -> int:
    """Number of validation scenes."""
    return len(header.validation.get("network", ()))


def _score(header: CheckpointHeader) -> str:
    count = _validated(header)
    scenes = "1 scene" if count == 1 else f"{count} scenes"
    unit = "K" if header.reference_bands else "reflectance"
    return f"ubRMSE {header.validation_ubrmse_k:.3f} {unit}, mean of {scenes}"


def _caveats(header: CheckpointHeader) -> Iterator[str]:
    """Limits of the scores."""
    if header.row.settings.adversarial is None:
        yield "The same scenes chose the step of the weights."
    if header.row.track != "observed":
        yield "The input was made from the target. Expect larger errors with a real sensor."


def _gains(header: CheckpointHeader) -> Iterator[str]:
    """Mean gain in ubRMSE over each baseline on the validation scenes, dB, with its interval."""
    own = header.validation.get("network", {})
    for name, errors in header.validation.items():
        if name != "network":
            gains = [gain_db(errors[scene], own[scene]) for scene in own]
            mean, low, high = paired_bootstrap(gains)
            interval = "" if math.isnan(low) else f" ({low:+.2f} .. {high:+.2f})"
            yield f"{mean:+.2f} dB{interval} over {name}"


def _split(split: Mapping[str, Any]) -> str:
    """The config's section ``split`` in words."""
    if folds := split.get("folds"):
        return f"{folds} regional folds, {split['buffer_km']:g} km apart"
    parts = []
    for name in ("test", "validation"):
        part = split[name]
        bounds = part.items() if isinstance(part, dict) else ()
        region = ", ".join(f"{key} {value:g}" for key, value in bounds if value is not None)
        parts.append(f"{name} {'none' if part is None else region or f'{part:g} of the scenes'}")
    return "; ".join(parts)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"
