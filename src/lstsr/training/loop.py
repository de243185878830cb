"""Training of one row with Lightning Fabric, from the dataset file to the checkpoint."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from lstsr import __version__
from lstsr.dataset.loader import Dataset
from lstsr.errors import LstsrError
from lstsr.files import sha256, whole, write_csv
from lstsr.metrics import ubrmse_k
from lstsr.models.composite import WithFallback
from lstsr.registry import CLASSICAL, UNGUIDED, build, training_step
from lstsr.rows import Row
from lstsr.training.batches import Batches
from lstsr.training.checkpoint import CheckpointHeader, load_initial, save_checkpoint
from lstsr.training.network_io import predict_scene, scene_normalisation
from lstsr.training.optimisation import schedule

logger = logging.getLogger(__name__)

Validate = Callable[[nn.Module, torch.device], dict[str, float]]
"""ubRMSE of a network in each validation scene, in the target's unit; one NaN if it diverged."""

CURVE = ("step", "train_loss", "learning_rate", "validation_ubrmse_k", "seconds")
"""Columns of the curve. ``train_loss`` is the mean since the last validation, or NaN at step 0."""

PROGRESS = ("step", "kept_step", "kept_ubrmse_k", "kept", "losses", "curve", "cpu_s")
"""Fields of `TrainState` that are saved as they are."""


def train(
    data: Path, row: Row, output: Path, *, accelerator: str = "auto", threads: int | None = None
) -> None:
    """Train the row's network on the dataset file and write its EMA weights to ``output``.

    These are the weights of the best validation. An adversarial row keeps its last weights, because
    its plain warm-up has the lowest error. The curve (`curve_path`) and a folder of TensorBoard
    are beside ``output``. A killed run resumes from its state (`state_path`) and gives the same
    result. ``accelerator`` is Fabric's (auto, cpu, cuda), and ``threads`` is the number of CPU
    threads of torch. Raises LstsrError if the data do not fit the row, or if the loss is not
    finite.
    """
    if row.model in CLASSICAL:
        raise LstsrError(f"model {row.model} has no weights to train. Name another model")
    if threads is not None:
        torch.set_num_threads(threads)
    settings, channels = row.settings, len(row.channels)
    dataset = Dataset(data, row.channels, row.guide, row.fold)
    batches = Batches(dataset, row)
    validate = _validation(dataset, row)
    output.parent.mkdir(parents=True, exist_ok=True)
    fabric = _fabric(output, accelerator, settings.precision)

    torch.manual_seed(row.seed)
    network = build(row.model, row.scale, channels, **row.options)
    if settings.initial:
        load_initial(Path(settings.initial), network, row)
    adversarial = settings.adversarial is not None
    take_step = training_step(adversarial)(fabric, network, settings)
    ema = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay)).eval()

    identity = _identity(row, dataset, network)
    state = TrainState(identity, {"network": network, "ema": ema, "trainer": take_step})
    state.resume(state_path(output))
    fallback, delivered = None, ema.module
    if row.model not in UNGUIDED:  # validation must use the same network as prediction
        errors_k = _classical_errors_k(sorted(CLASSICAL & UNGUIDED), validate, row)
        fallback = min(errors_k, key=lambda name: _mean(errors_k[name]))
        unguided = build(fallback, row.scale, channels)
        delivered = WithFallback(ema.module, unguided).to(fabric.device)

    def check() -> None:
        """Validate the EMA weights, keep them if they are the ones to deliver, and report."""
        error_k = _mean(validate(delivered, fabric.device))
        if not math.isfinite(error_k):
            raise _diverged(row, state.step, state_path(output))
        if adversarial or error_k < state.kept_ubrmse_k:
            state.keep(ema.module, error_k)
        loss = float(np.mean(state.losses)) if state.losses else math.nan
        rate = settings.learning_rate * schedule(state.step, settings)
        values = (state.step, loss, rate, error_k, state.seconds)
        point = dict(zip(CURVE, values, strict=True))
        state.curve.append(point)
        state.losses.clear()
        write_csv(curve_path(output), CURVE, state.curve)
        fabric.log_dict(point, step=state.step)
        logger.info(
            "%s: step %d of %d, loss %.4f, validation %.4f %s (kept: step %d), %.0f s",
            *(row.name, state.step, settings.steps, loss, error_k),
            *(dataset.meta.target_unit, state.kept_step, point["seconds"]),
        )

    if state.curve:  # a killed run may have written points after its last saved state
        write_csv(curve_path(output), CURVE, state.curve)
    else:
        check()

    todo = range(state.step, settings.steps)
    workers = 0 if fabric.device.type == "cpu" else 2  # on the CPU they would only compete
    loader = DataLoader(batches, batch_size=None, sampler=todo, num_workers=workers)
    bar = tqdm(loader, row.name, settings.steps, initial=state.step, unit="step", disable=None)
    clock_s = time.process_time()
    for k, batch in zip(todo, bar, strict=True):
        torch.manual_seed((row.seed << 32) + k)  # a resumed run has the same dropout
        loss, norm = take_step(k, fabric.to_device(batch))
        if not math.isfinite(loss + norm):
            raise _diverged(row, k + 1, state_path(output))
        ema.update_parameters(network)

        state.step = k + 1
        state.losses.append(loss)
        state.cpu_s += time.process_time() - clock_s
        if state.step % settings.validate_every == 0 or state.step == settings.steps:
            check()
        if state.step % settings.save_every == 0:
            state.save(state_path(output))
        error_k = state.curve[-1]["validation_ubrmse_k"]
        bar.set_postfix_str(f"loss {loss:.4f}, validation {error_k:.4f}")
        clock_s = time.process_time()

    for log in fabric.loggers:
        log.finalize("success")
    ema.module.load_state_dict(state.kept)
    baselines = ["bilinear", "local-linear"] if channels else ["bilinear"]
    validation = {"network": validate(delivered, fabric.device)}
    validation |= _classical_errors_k(baselines, validate, row)
    save_checkpoint(output, state.kept, _describe(dataset, row, state, fallback, validation))
    state_path(output).unlink(missing_ok=True)


def curve_path(output: Path) -> Path:
    """The CSV of validations beside the checkpoint ``output``."""
    return output.with_suffix(".curve.csv")


def state_path(output: Path) -> Path:
    """The state of an unfinished run beside the checkpoint ``output``."""
    return output.with_suffix(".state.ckpt")


def _fabric(output: Path, accelerator: str, precision: Any) -> Fabric:
    """Fabric on one device, with TensorBoard's logger if it is installed."""
    loggers: list[Logger] = []
    if find_spec("tensorboard") is not None:
        folder = output.parent / "tensorboard"
        loggers.append(TensorBoardLogger(folder, name=output.stem, version=""))
    return Fabric(
        accelerator=accelerator,
        devices=1,
        precision=precision,
        plugins=[LightningEnvironment()],  # ignores the task count of a scheduler
        loggers=loggers,
    )


def _validation(dataset: Dataset, row: Row) -> Validate:
    """The function that validates a network. Raises LstsrError if no scene can be scored."""
    names = [name for name in dataset.scenes("validation") if dataset.scored(name, row.key).any()]
    if not names:
        raise LstsrError(
            f"{dataset.path}: no validation scene has scored pixels of {row.key}. Add a scene"
        )

    def validate(network: nn.Module, device: torch.device) -> dict[str, float]:
        errors_k = {}
        for name in names:
            scene = dataset.scene(name, row.key)
            normalisation = scene_normalisation(dataset, name, row.key, row.normalisation)
            prediction_k = predict_scene(network, scene, normalisation, device)
            if not np.isfinite(prediction_k).all():
                return {name: math.nan}
            errors_k[name] = ubrmse_k(prediction_k, scene.target, scene.scored)
        return errors_k

    return validate


def _classical_errors_k(
    names: Iterable[str], validate: Validate, row: Row
) -> dict[str, dict[str, float]]:
    """Errors of classical methods on the validation scenes, by method and scene."""
    cpu, channels = torch.device("cpu"), len(row.channels)
    return {name: validate(build(name, row.scale, channels).eval(), cpu) for name in names}


def _mean(errors_k: Mapping[str, float]) -> float:
    return float(np.mean(list(errors_k.values())))


def _diverged(row: Row, step: int, state: Path) -> LstsrError:
    kept = f". {state} has the last saved step" if state.exists() else ""
    return LstsrError(
        f"{row.name}: training diverged: its loss or error is not finite at step {step}. Lower "
        f"train.learning_rate ({row.settings.learning_rate:g}) or train.clip_norm, or set "
        f"train.precision to 32-true{kept}"
    )


@dataclass
class TrainState:
    """Everything that a resumed run needs besides the row and the data.

    ``parts`` are the objects with a state_dict: the network, its EMA and the `PixelStep`. ``kept``
    holds the EMA weights of ``kept_step`` on the CPU. ``losses`` are the losses since the last
    validation, and ``curve`` has a point (`CURVE`) for each validation. ``started`` is the start on
    the monotonic clock, in seconds, as if the run had never been stopped. ``cpu_s`` is the CPU time
    of the ``step`` steps (all threads), in seconds, without validation.
    """

    identity: str
    parts: Mapping[str, Any]
    step: int = 0
    kept_step: int = 0
    kept_ubrmse_k: float = math.inf
    kept: dict[str, Tensor] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    curve: list[dict[str, float]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    cpu_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Wall time of this run and of the runs that it resumed."""
        return time.monotonic() - self.started

    def keep(self, network: nn.Module, ubrmse_k: float) -> None:
        """Keep the weights of this step and their validation error."""
        self.kept_step, self.kept_ubrmse_k = self.step, ubrmse_k
        self.kept = {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}

    def save(self, path: Path) -> None:
        """Write the state completely or not at all."""
        saved = {"identity": self.identity, "seconds": self.seconds}
        saved |= {name: part.state_dict() for name, part in self.parts.items()}
        saved |= {name: getattr(self, name) for name in PROGRESS}
        with whole(path) as partial:
            torch.save(saved, partial)

    def resume(self, path: Path) -> None:
        """Resume from the state in ``path``, or log why it does not fit and start over."""
        if not path.exists():
            return
        try:
            saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can raise any error
            logger.warning("%s: cannot be read (%s). Training starts over", path, error)
            return
        if saved.get("identity") != self.identity:
            logger.warning(
                "%s: belongs to another row, dataset or version. Training starts over", path
            )
            return
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        for name in PROGRESS:
            setattr(self, name, saved[name])
        self.started = time.monotonic() - saved["seconds"]
        logger.info("%s: resumed at step %d", path, self.step)


def _identity(row: Row, dataset: Dataset, network: nn.Module) -> str:
    """JSON of everything that a run must share with a saved state to resume from it."""
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


def _describe(
    dataset: Dataset,
    row: Row,
    state: TrainState,
    fallback: str | None,
    validation: dict[str, dict[str, float]],
) -> CheckpointHeader:
    meta = dataset.meta
    return CheckpointHeader(
        row=row,
        dataset=meta.dataset,
        origin=meta.origin,
        target_m=meta.target_m[row.key],
        reference_bands=meta.reference_bands,
        scale_k=meta.scale_k,
        reference_mean=meta.reference_mean,
        reference_std=meta.reference_std,
        validation_ubrmse_k=state.kept_ubrmse_k,
        best_step=state.kept_step,
        steps=state.step,
        train_seconds=state.seconds,
        train_cpu_s=state.cpu_s,
        fallback=fallback,
        harmonisation=meta.harmonisation if row.harmonised else None,
        readings=meta.config.get("sensors", {}),
        align=meta.config.get("align", {}),
        attribution=meta.config.get("attribution", ""),
        split=meta.config.get("split", {}),
        n_train=len(dataset.scenes("train")),
        validation=validation,
    )
