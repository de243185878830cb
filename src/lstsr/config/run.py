"""A whole run: its sections, the rows of its table, and checks across sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from lstsr.config.acquire import AcquireConfig
from lstsr.config.align import AlignConfig
from lstsr.config.channels import channels_of, unregistered
from lstsr.config.dataset import Block, DatasetConfig
from lstsr.config.evaluate import EvaluateConfig
from lstsr.config.models import ModelConfig
from lstsr.config.section import Name, Section, first_twice, option
from lstsr.config.sensors import SensorsConfig
from lstsr.config.split import SplitConfig
from lstsr.registry import (
    ADVERSARIAL,
    BASELINES,
    CLASSICAL,
    MODELS,
    RELEASED,
    UNGUIDED,
    band_options,
)
from lstsr.rows import PATH, Row, TrainSettings
from lstsr.split import splits_of

Origin = Literal["simulated", "observed"]


class Config(Section):
    """A whole run."""

    dataset: Name = Field(description="name of the data in every row")
    task: Literal["lst", "optical"] = option(
        "lst", "fine LST guided by a reference, or a finer optical image without one"
    )
    results: str = option("results", "folder for all output of the run", min_length=1, pattern=PATH)
    data: str = option(
        "data", "folder of the user's files and manifest", min_length=1, pattern=PATH
    )
    shard_size: int = option(16, "scenes per job", ge=1)
    threads: int = option(2, "threads of one training or prediction job", ge=1)
    gpus: int = option(0, "GPUs of one training or prediction job", ge=0, le=1)
    acquire: AcquireConfig = AcquireConfig()
    origin: Origin | None = option(
        None,
        "origin of the images, stated in every table and figure; default: simulated "
        "with provider generate, otherwise observed",
        validate_default=True,
    )
    attribution: str = option("", "authors and citation of the data, for every checkpoint")
    sensors: SensorsConfig
    split: SplitConfig
    align: AlignConfig = AlignConfig()
    packing: DatasetConfig = DatasetConfig()
    blocks: list[Block] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field([0], min_length=1)
    train: TrainSettings = TrainSettings()
    models: list[ModelConfig] = []
    evaluate: EvaluateConfig = EvaluateConfig()

    def rows(self) -> Iterator[Row]:
        """Every experiment, in the order of the table: block, baselines and models, fold, seed."""
        baselines = BASELINES if self.sensors.reference else BASELINES & UNGUIDED
        classical = [ModelConfig(model=name) for name in MODELS if name in baselines]
        for block in self.blocks:
            for model in [*classical, *self.models]:
                if model.blocks is not None and block.key not in model.blocks:
                    continue
                if model.harmonised and block.track != "observed":
                    continue
                for fold in range(self.split.folds) if self.split.folds else [None]:
                    for row in self._rows_of(block, model, fold):
                        yield row
                        if model.self_ensemble:
                            yield _ensemble(row, "self-ensemble", row.members, turned=True)

    def _rows_of(self, block: Block, model: ModelConfig, fold: int | None) -> list[Row]:
        """One row per seed, and their ensemble if the model has one."""
        reference, trained = self.sensors.reference, model.model not in CLASSICAL
        bands = list(reference.names) if reference else []
        options = model.options
        if reference:
            options = {**band_options(model.model, bands), **options}
        elif trained:
            options = {**options, "bands": len(self.sensors.target.names)}
        if model.guide == "unregistered":
            bands = [unregistered(band) for band in bands]
        first = Row(
            dataset=self.dataset,
            track=block.track,
            scale=block.scale,
            model=model.model,
            variant=model.variant,
            seed=0,
            harmonised=model.harmonised,
            guide=model.guide,
            normalisation=model.normalisation,
            channels=[*bands, *channels_of(model.layers)],
            options=options,
            train=replace(self.train, **model.train) if trained else None,
            fold=fold,
        )
        rows = [replace(first, seed=seed) for seed in (self.seeds if trained else [0])]
        if model.seed_ensemble:
            rows.append(_ensemble(rows[0], "seed-ensemble", [row.name for row in rows]))
        return rows

    @field_validator("origin")
    @classmethod
    def _origin_by_provider(cls, origin: Origin | None, info: ValidationInfo) -> Origin:
        # an invalid section acquire is absent here and raises its own error
        generated = info.data.get("acquire", AcquireConfig()).provider == "generate"
        return origin or ("simulated" if generated else "observed")

    @model_validator(mode="after")
    def _check_sections(self) -> Self:
        if self.origin == "observed" and self.acquire.provider == "generate":
            raise ValueError(
                "origin = 'observed': provider generate simulates its scenes. Set origin to "
                "simulated, or remove this key"
            )
        if "data" in self.model_fields_set and "acquire" not in self.model_fields_set:
            raise ValueError(
                "data: without config key acquire, the run simulates its scenes and ignores this "
                "folder. Add acquire: {provider: local}"
            )
        if self.evaluate.split not in splits_of(self.split):
            raise ValueError(
                "evaluate.split = 'test': split.test is null, so there are no test scenes. Set "
                "evaluate.split to validation"
            )
        for key, names in (("blocks", [block.key for block in self.blocks]), ("seeds", self.seeds)):
            if (twice := first_twice(names)) is not None:
                raise ValueError(f"{key}: {twice} is named twice")
        for block in self.blocks:
            if block.track == "observed" and self.align.scale % block.scale:
                raise ValueError(
                    f"blocks: observed x{block.scale} needs align.scale to be a multiple of "
                    f"{block.scale}, but it is {self.align.scale}"
                )
        return self

    @model_validator(mode="after")
    def _check_task(self) -> Self:
        if self.task == "lst":
            self._check_triplets()
        else:
            self._check_images()
        return self

    def _check_triplets(self) -> None:
        if self.sensors.input is None or self.sensors.reference is None:
            raise ValueError(
                "sensors.input: task lst needs it, and also sensors.reference. For optical images "
                "alone, set task to optical"
            )
        registration, bands = self.align.registration, self.sensors.reference.names
        for name in bands:
            if name in channels_of(self.align.layers):
                raise ValueError(
                    f"align.layers: {name} is also a band of sensors.reference. Rename the band"
                )
        if self.sensors.input.product.startswith("gk2a") and self.align.anchor == "input":
            raise ValueError(
                "align.anchor = 'input': terrain is displaced in GK2A images. Set it to target"
            )
        if "ndvi" in self.align.covariates and "ndvi" not in bands:
            raise ValueError(
                "align.covariates: ndvi needs a reference band ndvi, but the bands are "
                f"{', '.join(bands)}"
            )
        if registration.target_band and self.sensors.target.product != "landsat":
            raise ValueError(
                "align.registration.target_band: only a Landsat target has bands. Remove this key"
            )
        if registration.reference_band and registration.reference_band not in bands:
            raise ValueError(
                f"align.registration.reference_band = '{registration.reference_band}': the bands "
                f"of the reference are {', '.join(bands)}"
            )

    def _check_images(self) -> None:
        if not self.sensors.alone:
            raise ValueError(
                "sensors.input: task optical makes it from the target. Remove this key and "
                "sensors.reference"
            )
        if self.acquire.provider == "download":
            raise ValueError(
                "acquire.provider = 'download' is for triplets. Put the images on disk and use "
                "provider local"
            )
        for block in self.blocks:
            if block.track != "degraded-block":
                raise ValueError(f"blocks: {block.key} must be degraded-block in task optical")
        if self.align.layers or self.align.covariates:
            raise ValueError("align: task optical has no layers and no covariates. Remove them")
        if self.packing.water == "masked":
            raise ValueError(
                "packing.water = 'masked': task optical has no water mask. Remove this key"
            )
        for index, model in enumerate(self.models):
            if model.normalisation != "input":
                raise ValueError(
                    f"models.{index}.normalisation: this key is for task lst. Remove it"
                )
            if model.model not in UNGUIDED:
                allowed = ", ".join(name for name in MODELS if name in UNGUIDED)
                raise ValueError(
                    f"models.{index}.model = '{model.model}': task optical has no reference. "
                    f"Allowed are {allowed}"
                )

    @model_validator(mode="after")
    def _check_models(self) -> Self:
        keys = [block.key for block in self.blocks]
        for index, model in enumerate(self.models):
            at = f"models.{index}"
            if model.seed_ensemble and len(self.seeds) == 1:
                raise ValueError(
                    f"{at}.seed_ensemble: seeds has only one entry. Add a seed, or remove this key"
                )
            needed: list[tuple[str, str]] = [("layers", layer) for layer in model.layers]
            if model.guide == "unregistered":
                needed.append(("guide", "unregistered"))
            for key, layer in needed:
                if layer not in self.align.layers:
                    raise ValueError(
                        f"{at}.{key}: {layer} is missing in align.layers. Add it there"
                    )
            if model.harmonised and not self.align.covariates:
                raise ValueError(f"{at}.harmonised needs align.covariates. Add them, or remove it")
            for key in model.blocks or []:
                if model.harmonised and not key.startswith("observed"):
                    raise ValueError(
                        f"{at}.blocks: '{key}' is not observed, so it cannot be harmonised"
                    )
                if key not in keys:
                    raise ValueError(
                        f"{at}.blocks: '{key}' is unknown. The blocks are {', '.join(keys)}"
                    )
        return self

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        if self.train.adversarial:
            raise ValueError("train.adversarial: set it in the train section of a model")
        rows = list(self.rows())
        if twice := first_twice([row.name for row in rows]):
            raise ValueError(f"models: row {twice} appears twice. Give one of them a variant")
        for row in rows:
            if row.train:
                self._check_training(row, row.train)
        return self

    def _check_training(self, row: Row, train: TrainSettings) -> None:
        if train.patch % row.scale:
            raise ValueError(
                f"train.patch = {train.patch} of {row.name} must be a multiple of the scale"
            )
        if row.model in RELEASED and (row.scale != 4 or row.channels != ["ndvi"]):
            raise ValueError(
                f"models: {row.name} needs a block of x4 and the reference band ndvi alone, not "
                f"{', '.join(row.channels)}. Set blocks in its section, or remove the model"
            )
        if row.model in RELEASED and not train.initial:
            raise ValueError(
                f"train.initial: {row.name} needs a file of `lstsr import-released`. Name it"
            )
        phases = [("degraded_steps", train.degraded_steps, "its own track")]
        if row.model in ADVERSARIAL:
            if not train.adversarial:
                raise ValueError(
                    f"train.adversarial: {row.name} needs it. Use {{}} for the default settings"
                )
            warm_up = train.adversarial.warm_up_steps
            phases.insert(0, ("adversarial.warm_up_steps", warm_up, "the discriminator"))
        for key, first, rest in phases:
            if first >= train.steps:
                raise ValueError(
                    f"train.{key} = {first} of {row.name} leaves none of its {train.steps} steps "
                    f"for {rest}. Use fewer"
                )
        if not (train.degraded_steps or train.degraded_share):
            return
        if row.track != "observed":
            raise ValueError(
                f"train.degraded_steps and degraded_share: {row.name} is not observed. Set them "
                "only in models whose blocks are all observed"
            )
        if f"degraded-block-x{row.scale}" not in [block.key for block in self.blocks]:
            raise ValueError(
                f"blocks: {row.name} also trains on degraded-block-x{row.scale}. Add that block"
            )


def _ensemble(row: Row, kind: str, members: Sequence[str], **more: Any) -> Row:
    """The mean of predictions by the networks of ``members``. It is not trained."""
    variant = kind if row.variant == "base" else f"{row.variant}-{kind}"
    return replace(row, variant=variant, train=None, predicted_by=list(members), **more)
