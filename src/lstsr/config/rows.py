"""The rows of a run's table: the baselines of each block, then the configured models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lstsr.config.channels import channels_of, unregistered
from lstsr.config.dataset import Block
from lstsr.config.models import ModelConfig
from lstsr.registry import BASELINES, CLASSICAL, MODELS, UNGUIDED, band_options
from lstsr.rows import Row

if TYPE_CHECKING:
    from lstsr.config.run import Config


def rows_of(config: Config) -> Iterator[Row]:
    """Every experiment of a run, in the order of the table."""
    baselines = BASELINES if config.sensors.reference else BASELINES & UNGUIDED
    classical = [ModelConfig(model=name) for name in MODELS if name in baselines]
    for block in config.blocks:
        for model in [*classical, *config.models]:
            if model.blocks is not None and block.key not in model.blocks:
                continue
            if model.harmonised and block.track != "observed":
                continue
            for fold in range(config.split.folds) if config.split.folds else [None]:
                for row in _of_model(config, block, model, fold):
                    yield row
                    if model.self_ensemble:
                        yield _ensemble(row, "self-ensemble", row.members, turned=True)


def _of_model(config: Config, block: Block, model: ModelConfig, fold: int | None) -> list[Row]:
    """One row per seed, and their ensemble if asked for."""
    seeds = [0] if model.model in CLASSICAL else config.seeds
    rows = [_row(config, block, model, seed, fold) for seed in seeds]
    if model.seed_ensemble:
        rows.append(_ensemble(rows[0], "seed-ensemble", [row.name for row in rows]))
    return rows


def _row(config: Config, block: Block, model: ModelConfig, seed: int, fold: int | None) -> Row:
    reference, trained = config.sensors.reference, model.model not in CLASSICAL
    bands = list(reference.names) if reference else []
    options = model.options
    if reference:
        options = {**band_options(model.model, bands), **options}
    elif trained:
        options = {**options, "bands": len(config.sensors.target.names)}
    if model.guide == "unregistered":
        bands = [unregistered(band) for band in bands]
    return Row(
        dataset=config.dataset,
        track=block.track,
        scale=block.scale,
        model=model.model,
        variant=model.variant,
        seed=seed,
        harmonised=model.harmonised,
        guide=model.guide,
        normalisation=model.normalisation,
        channels=[*bands, *channels_of(model.layers)],
        options=options,
        train=replace(config.train, **model.train) if trained else None,
        fold=fold,
    )


def _ensemble(row: Row, kind: str, members: Sequence[str], **more: Any) -> Row:
    """The mean of predictions by the networks of ``members``. It is not trained."""
    variant = kind if row.variant == "base" else f"{row.variant}-{kind}"
    return replace(row, variant=variant, train=None, predicted_by=list(members), **more)
