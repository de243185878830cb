"""The state of a run that may be killed at any moment, and the curve it has drawn so far."""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from lstsr import __version__
from lstsr.dataset.loader import Dataset
from lstsr.files import sha256, whole, write_csv
from lstsr.rows import Row
from lstsr.training.step import PixelStep

logger = logging.getLogger(__name__)


class CurvePoint(NamedTuple):
    """One validation; ``train_loss`` is the mean since the last one, NaN before the first step."""

    step: int
    train_loss: float
    learning_rate: float
    validation_ubrmse_k: float
    seconds: float


@dataclass
class TrainState:
    """Everything that a resumed run needs beside the row and the data.

    ``network``, ``ema`` and ``trainer`` are the living objects; ``kept`` holds the EMA weights of
    ``kept_step`` on the CPU: of the best validation, or with ``keep_last`` of the last one;
    ``losses`` those since the last validation; ``started`` is when the run would have begun had it
    never been stopped, in seconds of the monotonic clock. ``cpu_s`` is the CPU time of the process
    in the ``step`` steps (all threads), seconds, without validation.
    """

    identity: str
    network: nn.Module
    ema: AveragedModel
    trainer: PixelStep
    keep_last: bool = False
    step: int = 0
    kept_step: int = 0
    kept_ubrmse_k: float = math.inf
    kept: dict[str, Tensor] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    cpu_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Wall time spent, in this run and those it resumed."""
        return time.monotonic() - self.started

    def note(self, point: CurvePoint) -> None:
        """Add a validation to the curve; keep the EMA weights of the best, or of the last."""
        self.curve.append(point)
        self.losses.clear()
        if self.keep_last or point.validation_ubrmse_k < self.kept_ubrmse_k:
            self.kept_step, self.kept_ubrmse_k = point.step, point.validation_ubrmse_k
            weights = self.ema.module.state_dict()
            self.kept = {name: tensor.cpu().clone() for name, tensor in weights.items()}

    def save(self, path: Path) -> None:
        """Write the state; the file is replaced whole or not at all."""
        state = {
            "identity": self.identity,
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "trainer": self.trainer.state_dict(),
            "step": self.step,
            "kept_step": self.kept_step,
            "kept_ubrmse_k": self.kept_ubrmse_k,
            "kept": self.kept,
            "losses": self.losses,
            "curve": [list(point) for point in self.curve],
            "seconds": self.seconds,
            "cpu_s": self.cpu_s,
        }
        with whole(path) as partial:
            torch.save(state, partial)

    def resume(self, path: Path) -> None:
        """Go on from the state in ``path`` if it is of this row, data and code."""
        saved = _read(path, self.identity)
        if saved is None:
            return
        self.network.load_state_dict(saved["network"])
        self.ema.load_state_dict(saved["ema"])
        self.trainer.load_state_dict(saved["trainer"])
        self.step = saved["step"]
        self.kept_step, self.kept_ubrmse_k = saved["kept_step"], saved["kept_ubrmse_k"]
        self.kept = saved["kept"]
        self.losses = saved["losses"]
        self.curve = [CurvePoint(*point) for point in saved["curve"]]
        self.started = time.monotonic() - saved["seconds"]
        self.cpu_s = saved.get("cpu_s", math.nan)  # states of older versions lack it
        logger.info("%s: resumed at step %d", path, self.step)

    def write_curve(self, path: Path) -> None:
        """Write the whole curve as CSV, so that no validation is in it twice."""
        write_csv(path, CurvePoint._fields, (point._asdict() for point in self.curve))


def identity_of(row: Row, dataset: Dataset, network: nn.Module) -> str:
    """What two runs must share for one to go on from the other's state, as JSON."""
    return json.dumps(
        {
            "row": row.to_dict(),
            "data": dataset.fingerprint,
            "initial": row.settings.initial and sha256(Path(row.settings.initial)),
            "version": __version__,
            "weights": {name: list(tensor.shape) for name, tensor in network.state_dict().items()},
        },
        sort_keys=True,
    )


def _read(path: Path, identity: str) -> dict[str, Any] | None:
    """The state in ``path``, or None with a line in the log where there is none to go on from."""
    if not path.exists():
        return None
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn file fails in whatever way its bytes have it
        logger.warning("%s: cannot be read (%s); training starts over", path, error)
        return None
    if saved.get("identity") != identity:
        logger.warning("%s: is of another row, data or version; training starts over", path)
        return None
    return saved
