"""Training of one row with Lightning Fabric: what happens in a step is a class of its own."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from lstsr.dataset.loader import Dataset
from lstsr.errors import LstsrError
from lstsr.metrics import ubrmse_k
from lstsr.models.composite import WithFallback
from lstsr.registry import CLASSICAL, UNGUIDED, build, training_step
from lstsr.rows import Row
from lstsr.training.batches import Batches
from lstsr.training.checkpoint import Checkpoint, load_initial, save_checkpoint
from lstsr.training.network_io import predict_scene, scene_normalisation
from lstsr.training.optimisation import schedule
from lstsr.training.state import CurvePoint, TrainState, identity_of

logger = logging.getLogger(__name__)

Validate = Callable[[nn.Module, torch.device], dict[str, float]]

BASELINES = ("bilinear", "local-linear")
"""Classical methods that a checkpoint is compared with; the second needs a reference."""

GPU_WORKERS = 2
"""Processes that cut batches while an accelerator computes; on the CPU they would only compete."""


def train(
    data: Path, row: Row, output: Path, *, accelerator: str = "auto", threads: int | None = None
) -> None:
    """Train the row's network on the dataset file and write its EMA weights to ``output``.

    They are those of the best validation; of an adversarial row the last ones, for by the error
    alone the plain training that it starts with would win.
    Beside ``output`` stand the curve (`curve_path`), TensorBoard's folder and, until training has
    ended, the state (`state_path`): a killed run goes on from it and gives the same result.
    ``accelerator`` is Fabric's (auto, cpu, cuda), ``threads`` those of torch on the CPU. Raises
    LstsrError where the data do not serve the row or the loss is not finite.
    """
    if row.model in CLASSICAL:
        raise LstsrError(f"model {row.model} has no weights: do not train it")
    if threads is not None:
        torch.set_num_threads(threads)
    settings = row.settings
    dataset = Dataset(data, row.channels, row.guide, row.fold)
    batches = Batches(dataset, row)
    validate = _validation(dataset, row)
    output.parent.mkdir(parents=True, exist_ok=True)

    fabric = Fabric(
        accelerator=accelerator,
        devices=1,
        precision=settings.precision,
        plugins=[LightningEnvironment()],  # one device: a scheduler's task count means nothing here
        loggers=_tensorboard(output),
    )
    torch.manual_seed(row.seed)
    network = build(row.model, row.scale, len(dataset.meta.reference_bands), **row.options)
    if settings.initial:
        load_initial(Path(settings.initial), network, row)
    adversarial = settings.adversarial is not None
    step = training_step(adversarial)(fabric, network, settings)
    ema = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay)).eval()
    identity = identity_of(row, dataset, network)
    state = TrainState(identity, network, ema, step, keep_last=adversarial)
    state.resume(state_path(output))
    fallback = _fallback(validate, row)
    delivered = ema.module
    if fallback:  # validation must see what prediction delivers
        unguided = build(fallback, row.scale, len(dataset.meta.reference_bands))
        delivered = WithFallback(ema.module, unguided).to(fabric.device)

    def check() -> None:
        """Validate the EMA weights and report."""
        point = CurvePoint(
            step=state.step,
            train_loss=float(np.mean(state.losses)) if state.losses else math.nan,
            learning_rate=settings.learning_rate * schedule(state.step, settings),
            validation_ubrmse_k=_mean(validate(delivered, fabric.device)),
            seconds=state.seconds,
        )
        if not math.isfinite(point.validation_ubrmse_k):
            raise _diverged(row, state.step, state_path(output))
        state.note(point)
        state.write_curve(curve_path(output))
        fabric.log_dict(point._asdict(), step=point.step)
        logger.info(
            "%s: step %d of %d, loss %.4f, validation %.4f %s (kept: step %d), %.0f s",
            *(row.name, point.step, settings.steps, point.train_loss),
            *(point.validation_ubrmse_k, dataset.meta.target_unit),
            *(state.kept_step, point.seconds),
        )

    state.write_curve(curve_path(output))
    if not state.curve:
        check()

    todo = range(state.step, settings.steps)
    workers = 0 if fabric.device.type == "cpu" else GPU_WORKERS
    loader = DataLoader(batches, batch_size=None, sampler=todo, num_workers=workers)
    bar = tqdm(loader, row.name, settings.steps, initial=state.step, unit="step", disable=None)
    clock_s = time.process_time()
    for k, batch in zip(todo, bar, strict=True):
        torch.manual_seed((row.seed << 32) + k)  # of dropout and its like: a function of k alone
        loss, norm = step(k, fabric.to_device(batch))
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
        bar.set_postfix_str(
            f"loss {loss:.4f}, validation {state.curve[-1].validation_ubrmse_k:.4f}"
        )
        clock_s = time.process_time()

    for log in fabric.loggers:
        log.finalize("success")
    ema.module.load_state_dict(state.kept)
    validation = {"network": validate(delivered, fabric.device)} | _baselines(validate, row)
    described = _describe(dataset, row, state, fallback, validation)
    save_checkpoint(output, state.kept, described)
    state_path(output).unlink(missing_ok=True)


def curve_path(output: Path) -> Path:
    """The CSV of validations beside the checkpoint ``output``."""
    return output.with_suffix(".curve.csv")


def state_path(output: Path) -> Path:
    """The state of an unfinished run beside the checkpoint ``output``."""
    return output.with_suffix(".state.ckpt")


def _validation(dataset: Dataset, row: Row) -> Validate:
    """A function that gives the ubRMSE of each validation scene, kelvin; NaN if diverged."""
    names = [name for name in dataset.scenes("validation") if dataset.scored(name, row.key).any()]
    if not names:
        raise LstsrError(
            f"{dataset.path}: has no validation scene with scored pixels of {row.key}; add one"
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


def _mean(errors_k: dict[str, float]) -> float:
    return float(np.mean(list(errors_k.values())))


def _baselines(validate: Validate, row: Row) -> dict[str, dict[str, float]]:
    """The errors of `BASELINES` on the validation scenes; without channels, of bilinear alone."""
    cpu, channels = torch.device("cpu"), len(row.channels)
    names = BASELINES if channels else BASELINES[:1]
    return {name: validate(build(name, row.scale, channels).eval(), cpu) for name in names}


def _fallback(validate: Validate, row: Row) -> str | None:
    """The classical row without reference that is best on validation; None for an unguided row."""
    if row.model in UNGUIDED:
        return None
    cpu, channels = torch.device("cpu"), len(row.channels)
    errors_k = {
        name: _mean(validate(build(name, row.scale, channels).eval(), cpu))
        for name in sorted(CLASSICAL & UNGUIDED)
    }
    return min(errors_k, key=lambda name: errors_k[name])


def _tensorboard(output: Path) -> list[Logger]:
    """TensorBoard's logger where it is installed."""
    if find_spec("tensorboard") is None:
        return []
    return [TensorBoardLogger(output.parent / "tensorboard", name=output.stem, version="")]


def _diverged(row: Row, step: int, state: Path) -> LstsrError:
    kept = f"; {state} keeps the last saved step" if state.exists() else ""
    return LstsrError(
        f"{row.name}: the training is not finite at step {step}: lower train.learning_rate "
        f"({row.settings.learning_rate:g}) or train.clip_norm, or set train.precision to "
        f"32-true{kept}"
    )


def _describe(
    dataset: Dataset,
    row: Row,
    state: TrainState,
    fallback: str | None,
    validation: dict[str, dict[str, float]],
) -> Checkpoint:
    meta = dataset.meta
    return Checkpoint(
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
