"""What a checkpoint says of itself, as text: a table of several, or one in full."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lstsr.config import SensorConfig
from lstsr.metrics import gain_db, paired_bootstrap
from lstsr.predict.cost import parameter_count
from lstsr.predict.pair import describe
from lstsr.predict.shipped import SUFFIX
from lstsr.training.checkpoint import Checkpoint, load_checkpoint, read_checkpoint

HEADS = ("name", "model", "scale", "input", "reference", "origin", "validation", "size")
ORIGINS = {"observed": "observed", "simulated": "simulated demonstration"}
MB = 1_000_000
LABEL = 12


def table(paths: Iterable[Path]) -> str:
    """One line for each checkpoint, in columns."""
    lines = [HEADS, *(_line(path) for path in paths)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _line(path: Path) -> tuple[str, ...]:
    found = read_checkpoint(path)
    return (
        path.name.removesuffix(SUFFIX),
        found.row.model,
        _scale(found),
        _input(found, _sensor(found, "input")),
        f"{_sensor(found, 'reference')}: {' '.join(found.reference_bands)}",
        ORIGINS[found.origin],
        _score(found),
        _size(path),
    )


def card(path: Path) -> str:
    """All about one checkpoint: what it expects, its data, their attribution, and its scores.

    Raises LstsrError as `load_checkpoint`.
    """
    network, found = load_checkpoint(path)
    entries = {
        "model": f"{found.row.model} {found.row.variant}, {parameter_count(network):,} parameters",
        "scale": f"{_scale(found)}, track {found.row.track}",
        "input": _input(found, _reading(found, "input")),
        "reference": f"{_reading(found, 'reference')}; bands {' '.join(found.reference_bands)}",
        "target": _reading(found, "target"),
        "origin": ORIGINS[found.origin],
        "data": f"{found.dataset}. {found.attribution}".strip(),
        "split": _split(found.split),
        "scenes": f"{found.n_train} for training, {_count(found)} for validation",
        "validation": f"{_score(found)}. {' '.join(_caveats(found))}",
        "gain": "; ".join(_gains(found)),
        "training": _training(found),
        "size": _size(path),
        "weights": f"SHA-256 {found.weights_sha256}",
        "version": found.version,
    }
    lines = (f"  {label.ljust(LABEL)}{text}" for label, text in entries.items())
    return "\n".join((path.name.removesuffix(SUFFIX), *lines))


def _scale(found: Checkpoint) -> str:
    return f"x{found.row.scale}, {found.target_m * found.row.scale:.0f} to {found.target_m:.0f} m"


def _sensor(found: Checkpoint, role: str) -> str:
    reading = _reading_config(found.readings.get(role))
    return reading.sensor if reading else "none"


def _reading(found: Checkpoint, role: str) -> str:
    reading = _reading_config(found.readings.get(role))
    return describe(reading) if reading else "none"


def _reading_config(held: Any) -> SensorConfig | None:
    if not held:
        return None
    reading: SensorConfig = TypeAdapter(SensorConfig).validate_python(held)
    return reading


def _input(found: Checkpoint, sensor: str) -> str:
    """The input as prediction reads it, and the source of a degraded track."""
    return (
        sensor if found.row.track == "observed" else f"{sensor}; in training, the averaged target"
    )


def _unit(found: Checkpoint) -> str:
    return "K" if found.reference_bands else "reflectance"


def _count(found: Checkpoint) -> int:
    return len(found.validation.get("network", ()))


def _score(found: Checkpoint) -> str:
    scenes = "1 scene" if _count(found) == 1 else f"{_count(found)} scenes"
    return f"ubRMSE {found.validation_ubrmse_k:.3f} {_unit(found)}, mean of {scenes}"


def _caveats(found: Checkpoint) -> Iterator[str]:
    """What a reader of the scores must know."""
    if found.row.settings.adversarial is None:
        yield "The same scenes chose the step of the weights."
    if found.row.track != "observed":
        yield "The input was made from the target. Expect larger errors with a real sensor."


def _gains(found: Checkpoint) -> Iterator[str]:
    """Mean gain over each baseline with its interval, dB, of ubRMSE on the validation scenes."""
    own = found.validation.get("network", {})
    for name, errors in found.validation.items():
        if name != "network":
            gains = [gain_db(errors[scene], own[scene]) for scene in own]
            mean, low, high = paired_bootstrap(gains)
            interval = "" if math.isnan(low) else f" ({low:+.2f} .. {high:+.2f})"
            yield f"{mean:+.2f} dB{interval} over {name}"


def _split(split: Mapping[str, Any]) -> str:
    """The config's section in words."""
    if folds := split.get("folds"):
        return f"{folds} regional folds, {split['buffer_km']:g} km apart"
    parts = []
    for name in ("test", "validation"):
        part = split[name]
        bounds = part.items() if isinstance(part, dict) else ()
        region = ", ".join(f"{key} {value:g}" for key, value in bounds if value is not None)
        parts.append(f"{name} {'none' if part is None else region or f'{part:g} of the scenes'}")
    return "; ".join(parts)


def _training(found: Checkpoint) -> str:
    settings = found.row.settings
    return (
        f"step {found.best_step} of {found.steps}, batches of {settings.batch} patches of "
        f"{settings.patch} x {settings.patch} pixels, seed {found.row.seed}"
    )


def _size(path: Path) -> str:
    return f"{path.stat().st_size / MB:.2f} MB"
