"""A whole run: its sections, and what they must have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from lstsr.config.acquire import AcquireConfig
from lstsr.config.align import AlignConfig
from lstsr.config.channels import channels_of
from lstsr.config.dataset import Block, DatasetConfig
from lstsr.config.evaluate import EvaluateConfig
from lstsr.config.models import ModelConfig
from lstsr.config.rows import rows_of
from lstsr.config.section import Name, Section, first_twice
from lstsr.config.sensors import SensorsConfig
from lstsr.config.split import SplitConfig
from lstsr.registry import ADVERSARIAL, MODELS, RELEASED, UNGUIDED
from lstsr.rows import PATH, Row, TrainSettings
from lstsr.split import splits_of

Origin = Literal["simulated", "observed"]
RELEASED_SCALE, RELEASED_CHANNELS = 4, ["ndvi"]


class Config(Section):
    """A whole run."""

    dataset: Name = Field(description="name of the data in every row")
    task: Literal["lst", "optical"] = Field(
        "lst", description="fine LST guided by a reference, or a finer optical image from itself"
    )
    results: str = Field(
        "results", min_length=1, pattern=PATH, description="folder for all output of the run"
    )
    data: str = Field(
        "data", min_length=1, pattern=PATH, description="folder of the user's files and manifest"
    )
    shard_size: int = Field(16, ge=1, description="scenes per job")
    threads: int = Field(2, ge=1, description="threads of one training or prediction job")
    gpus: int = Field(0, ge=0, le=1, description="GPUs of one training or prediction job")
    acquire: AcquireConfig = AcquireConfig()
    origin: Origin | None = Field(
        None,
        validate_default=True,
        description="origin of the images; every table and figure states it. Default: simulated "
        "with provider generate, otherwise observed",
    )
    attribution: str = Field(
        "", description="who made the data and how to cite them; every checkpoint repeats it"
    )
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
        """Every experiment: the baselines of each block, then the configured models."""
        return rows_of(self)

    @field_validator("origin")
    @classmethod
    def _origin_by_provider(cls, origin: Origin | None, info: ValidationInfo) -> Origin:
        # an invalid section acquire is absent here and raises its own error
        generated = info.data.get("acquire", AcquireConfig()).provider == "generate"
        return origin or ("simulated" if generated else "observed")

    @model_validator(mode="after")
    def _check_acquire(self) -> Self:
        if self.origin == "observed" and self.acquire.provider == "generate":
            raise ValueError(
                "origin = 'observed': provider generate simulates its scenes. Set origin to "
                "simulated, or remove the key."
            )
        if "data" in self.model_fields_set and "acquire" not in self.model_fields_set:
            raise ValueError(
                "data: without config key acquire the run simulates scenes and does not read this "
                "folder. Add acquire: {provider: local}"
            )
        return self

    @model_validator(mode="after")
    def _check_split(self) -> Self:
        if self.evaluate.split not in splits_of(self.split):
            raise ValueError(
                "evaluate.split = 'test': split.test is null, so there are no test scenes. Set "
                "evaluate.split to validation"
            )
        return self

    @model_validator(mode="after")
    def _check_blocks(self) -> Self:
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
    def _check_triplets(self) -> Self:
        """What task lst needs."""
        if self.task != "lst":
            return self
        if self.sensors.input is None or self.sensors.reference is None:
            raise ValueError(
                "sensors.input: task lst needs it and sensors.reference. For an optical image "
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
        return self

    @model_validator(mode="after")
    def _check_images(self) -> Self:
        """What task optical cannot have."""
        if self.task != "optical":
            return self
        if not self.sensors.alone:
            raise ValueError(
                "sensors.input: task optical makes it from the target. Remove it and "
                "sensors.reference"
            )
        if self.acquire.provider == "download":
            raise ValueError(
                "acquire.provider = 'download' is for triplets. Put the images on disk and set it "
                "to local"
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
        return self

    @model_validator(mode="after")
    def _check_models(self) -> Self:
        """What each model needs from the run."""
        keys = [block.key for block in self.blocks]
        for index, model in enumerate(self.models):
            if model.seed_ensemble and len(self.seeds) == 1:
                raise ValueError(
                    f"models.{index}.seed_ensemble: seeds has only one entry. Add a seed, or "
                    "remove this key"
                )
            needed: list[tuple[str, str]] = [("layers", layer) for layer in model.layers]
            needed += [("guide", "unregistered")] if model.guide == "unregistered" else []
            for key, layer in needed:
                if layer not in self.align.layers:
                    raise ValueError(
                        f"models.{index}.{key}: {layer} is missing in align.layers. Add it there"
                    )
            if model.harmonised and not self.align.covariates:
                raise ValueError(
                    f"models.{index}.harmonised needs align.covariates. Name some, or remove it"
                )
            for key in model.blocks or []:
                if model.harmonised and not key.startswith("observed"):
                    raise ValueError(
                        f"models.{index}.blocks: '{key}' is not observed, so it cannot be "
                        "harmonised"
                    )
                if key not in keys:
                    raise ValueError(
                        f"models.{index}.blocks: '{key}' is unknown. The blocks are "
                        f"{', '.join(keys)}"
                    )
        return self

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        if self.train.adversarial:
            raise ValueError("train.adversarial: set it in the train section of a model")
        names = [row.name for row in self.rows()]
        if twice := first_twice(names):
            raise ValueError(f"models: row {twice} appears twice. Give one of them a variant")
        for row in self.rows():
            if row.train:
                self._check_training(row, row.train)
        return self

    def _check_training(self, row: Row, train: TrainSettings) -> None:
        if train.patch % row.scale:
            raise ValueError(
                f"train.patch = {train.patch} of {row.name} must be a multiple of the scale"
            )
        if row.model in RELEASED:
            self._check_released(row, train)
        if row.model in ADVERSARIAL:
            self._check_adversarial(row, train)
        if train.degraded_steps >= train.steps:
            raise ValueError(
                f"train.degraded_steps = {train.degraded_steps} of {row.name} leaves none of its "
                f"{train.steps} steps for its own track"
            )
        if train.degraded_steps or train.degraded_share:
            self._check_degraded(row)

    def _check_adversarial(self, row: Row, train: TrainSettings) -> None:
        if not train.adversarial:
            raise ValueError(
                f"train.adversarial: {row.name} needs it. Use {{}} for the default settings"
            )
        if train.adversarial.warm_up_steps >= train.steps:
            raise ValueError(
                f"train.adversarial.warm_up_steps = {train.adversarial.warm_up_steps} of "
                f"{row.name} leaves none of its {train.steps} steps for the discriminator"
            )

    def _check_released(self, row: Row, train: TrainSettings) -> None:
        if row.scale != RELEASED_SCALE or row.channels != RELEASED_CHANNELS:
            raise ValueError(
                f"models: {row.name} needs a block of x4 and the reference band ndvi alone, not "
                f"{', '.join(row.channels)}. Set blocks in its section, or remove the model"
            )
        if not train.initial:
            raise ValueError(
                f"train.initial: {row.name} needs the file that lstsr import-released made"
            )

    def _check_degraded(self, row: Row) -> None:
        if row.track != "observed":
            raise ValueError(
                f"train.degraded_steps and degraded_share: {row.name} is not observed. Set them "
                "only in models whose blocks are all observed"
            )
        if f"degraded-block-x{row.scale}" not in [block.key for block in self.blocks]:
            raise ValueError(
                f"blocks: {row.name} also trains on degraded-block-x{row.scale}. Add that block"
            )
