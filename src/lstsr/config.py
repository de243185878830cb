"""The run's configuration: every option with its unit, range and default, written here once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_serializer,
    model_validator,
)

from lstsr.errors import LstsrError
from lstsr.registry import CLASSICAL, MODELS

Track = Literal["observed", "degraded-block", "degraded-psf"]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]*(-[A-Za-z0-9_.]+)*$")]


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GenerateConfig(Section):
    """Provider ``generate``: a small seeded sample of georeferenced triplets, made offline."""

    scenes: int = Field(12, ge=3, description="number of scenes")
    coarse_size: int = Field(32, ge=16, description="side of the input, coarse cells")
    scale: int = Field(4, ge=2, le=8, description="coarse cell / fine cell")
    seed: int = Field(2023, ge=0)


class AcquireConfig(Section):
    """Where the scenes come from."""

    provider: Literal["local", "generate"] = "generate"
    manifest: str = Field("scenes.csv", description="CSV of scenes, relative to `data` (local)")
    generate: GenerateConfig = GenerateConfig()


class SensorConfig(Section):
    """How one kind of file is read: physical = stored x scale + offset, in `unit`."""

    sensor: str = Field(description="name written into every raster")
    unit: Literal["kelvin", "celsius", "reflectance", "index"]
    bands: list[Annotated[int, Field(ge=1)]] = Field([1], min_length=1, description="from 1")
    names: list[str] = Field(["lst"], min_length=1, description="one name a band")
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = Field(None, description="stored value; default: the file's own")
    valid_min: float | None = Field(None, description="in `unit`; below is masked")
    valid_max: float | None = Field(None, description="in `unit`; above is masked")
    rim_erosion: int = Field(0, ge=0, le=64, description="pixels taken off the valid area's rim")
    crs: str | None = Field(None, description="replaces the file's own coordinate system")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.bands) != len(self.names):
            raise ValueError(
                f"names: {len(self.names)} for {len(self.bands)} bands; give one a band"
            )
        low, high = self.valid_min, self.valid_max
        if low is not None and high is not None and low >= high:
            raise ValueError(f"valid_min = {low} must be below valid_max = {high}")
        return self


class SensorsConfig(Section):
    """The three images of a triplet."""

    input: SensorConfig
    reference: SensorConfig
    target: SensorConfig

    @model_validator(mode="after")
    def _units(self) -> Self:
        for role in ("input", "reference", "target"):
            unit = getattr(self, role).unit
            allowed = ("reflectance", "index") if role == "reference" else ("kelvin", "celsius")
            if unit not in allowed:
                raise ValueError(f"{role}.unit = '{unit}': allowed are {', '.join(allowed)}")
        for role in ("input", "target"):
            bands = getattr(self, role).bands
            if len(bands) != 1:
                raise ValueError(f"{role}.bands = {bands}: LST has one band")
        return self


class Region(Section):
    """Scenes whose manifest longitude and latitude lie strictly inside, degrees."""

    lon_min: float = Field(-360, ge=-360, le=360)
    lon_max: float = Field(360, ge=-360, le=360)
    lat_min: float = Field(-90, ge=-90, le=90)
    lat_max: float = Field(90, ge=-90, le=90)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        for axis in ("lon", "lat"):
            low, high = getattr(self, f"{axis}_min"), getattr(self, f"{axis}_max")
            if low >= high:
                raise ValueError(f"{axis}_min = {low} must be below {axis}_max = {high}")
        return self


def _region_or_share(value: Any) -> str | None:
    if isinstance(value, (Mapping, Region)):
        return "<region>"
    return "<share>" if isinstance(value, (int, float)) else None


# Tags stand in brackets, as pydantic's own names of what is no key: messages leave them out.
RegionOrShare = Annotated[
    Annotated[Region, Tag("<region>")] | Annotated[Share, Tag("<share>")],
    Discriminator(
        _region_or_share,
        custom_error_type="region_or_share",
        custom_error_message="Input should be a share between 0 and 1, or a region: "
        + ", ".join(Region.model_fields),
    ),
]


class SplitConfig(Section):
    """Test and validation by place, the rest is training; shares (0..1) keep overlaps together."""

    test: RegionOrShare
    validation: RegionOrShare

    @model_validator(mode="after")
    def _same_kind(self) -> Self:
        shares = [share for share in (self.test, self.validation) if isinstance(share, float)]
        if len(shares) == 1:
            raise ValueError("test and validation must both be regions or both be shares")
        if sum(shares) >= 1:
            raise ValueError("test + validation leaves nothing to train on: keep it below 1")
        return self


class RegistrationConfig(Section):
    """Sub-pixel registration of the three images."""

    reference: bool = Field(True, description="move the reference onto the target's content")
    input: bool = Field(True, description="find the input's own offset through its blur")
    constant: dict[Literal["reference", "input"], tuple[float, float]] = Field(
        {}, description="fixed shifts (row, column), fine pixels, used instead of measured ones"
    )


class AlignConfig(Section):
    """The common frame: the anchor stays, the others are resampled once onto its grid."""

    anchor: Literal["input"] = "input"
    scale: int = Field(4, ge=2, le=16, description="input spacing / spacing of the fine grid")
    registration: RegistrationConfig = RegistrationConfig()
    min_valid: float = Field(0.05, gt=0, le=1, description="least share of usable fine pixels")
    max_excluded_share: float = Field(
        0.2, ge=0, le=1, description="of scenes, before the run fails"
    )


class DatasetConfig(Section):
    """Normalisation and masks of the packed triplets."""

    scale_k: float = Field(10.0, gt=0, description="fixed kelvin scale of the networks' units")
    wild_k: float = Field(15.0, gt=0, description="cells off the scene's median offset by more")
    min_cell_valid: float = Field(0.5, gt=0, le=1, description="valid share of a degraded cell")
    psf_fwhm: float = Field(1.0, ge=0.25, le=4, description="of degraded-psf, in coarse cells")


class Block(Section):
    """Rows that are compared with each other: one track at one scale."""

    track: Track
    scale: int = Field(ge=2, le=16)

    @property
    def key(self) -> str:
        """Its name in files: track-xscale."""
        return f"{self.track}-x{self.scale}"


class TrainConfig(Section):
    """How a network is trained; a model may override any of it."""

    steps: int = Field(1000, ge=1, description="optimiser steps")
    batch: int = Field(8, ge=1)
    patch: int = Field(96, ge=16, description="side of a patch, fine pixels")
    learning_rate: float = Field(5e-4, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup_steps: int = Field(50, ge=0)
    ema_decay: float = Field(0.995, ge=0, lt=1)
    clip_norm: float = Field(1.0, gt=0)
    loss: Literal["l1", "charbonnier"] = "l1"
    scene_bias: Literal["removed", "kept"] = Field(
        "removed", description="whether training targets are moved onto the level of their input"
    )
    reference_dropout: float = Field(0.05, ge=0, lt=1, description="share of samples without it")
    contrast: float = Field(
        0.0, ge=0, le=2, description="LST contrast of a sample varies between exp(-c) and exp(c)"
    )
    min_patch_valid: float = Field(0.25, gt=0, le=1, description="least scored share of a patch")
    validate_every: int = Field(100, ge=1, description="optimiser steps")
    save_every: int = Field(100, ge=1, description="optimiser steps")
    precision: Literal["32-true", "bf16-mixed"] = "32-true"


class ModelConfig(Section):
    """One line of the table a block and seed: a network, or a variant of it."""

    model: str
    variant: Name = "base"
    blocks: list[str] | None = Field(None, description="track-xscale; default: all blocks")
    options: dict[str, Any] = Field({}, description="constructor arguments of the model")
    train: TrainConfig = Field(TrainConfig(), description="what differs from the run's `train`")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.model not in MODELS:
            raise ValueError(f"model = '{self.model}' is unknown: allowed are {', '.join(MODELS)}")
        if self.model in CLASSICAL and self.train.model_fields_set:
            raise ValueError(f"train: {self.model} is not trained, leave it out")
        return self

    @field_serializer("train")
    def _what_differs(self, train: TrainConfig) -> dict[str, Any]:
        return train.model_dump(exclude_unset=True)


class EvaluateConfig(Section):
    """What the table and figures show."""

    split: Literal["test", "validation"] = "test"
    bootstrap: int = Field(10_000, ge=100, description="resamplings of the paired interval")
    figure_scenes: int = Field(3, ge=1, description="scenes drawn")


class Row(Section):
    """One experiment: one checkpoint, one row of table.csv. Everything it needs, filled in."""

    dataset: str
    track: Track
    scale: int
    model: str
    variant: str
    seed: int
    options: dict[str, Any]
    train: TrainConfig | None

    @property
    def block(self) -> str:
        """Rows of one block are compared: track-xscale."""
        return f"{self.track}-x{self.scale}"

    @property
    def name(self) -> str:
        """Its name in files."""
        return f"{self.model}-{self.variant}-x{self.scale}-{self.track}-s{self.seed}"


class Config(Section):
    """A whole run."""

    dataset: Name = Field(description="name of the data in every row")
    results: str = Field("results", description="folder of everything the run makes")
    data: str = Field("data", description="folder of the user's files (provider local)")
    shard_size: int = Field(16, ge=1, description="scenes a job handles")
    threads: int = Field(2, ge=1, description="of one training or prediction job")
    gpus: int = Field(0, ge=0, le=1, description="of one training or prediction job")
    acquire: AcquireConfig = AcquireConfig()
    sensors: SensorsConfig
    split: SplitConfig
    align: AlignConfig = AlignConfig()
    packing: DatasetConfig = DatasetConfig()
    blocks: list[Block] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    train: TrainConfig = TrainConfig()
    models: list[ModelConfig] = []
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        keys = [block.key for block in self.blocks]
        if len(set(keys)) < len(keys):
            raise ValueError(f"blocks: {_first_twice(keys)} is named twice")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: {_first_twice(self.seeds)} is named twice")
        for block in self.blocks:
            if block.track == "observed" and block.scale != self.align.scale:
                raise ValueError(
                    f"blocks: observed x{block.scale} needs align.scale = {block.scale}, "
                    f"it is {self.align.scale}"
                )
        for index, model in enumerate(self.models):
            for key in model.blocks or []:
                if key not in keys:
                    raise ValueError(
                        f"models.{index}.blocks: '{key}' is no block, they are {', '.join(keys)}"
                    )
        for row in self.rows():
            if row.train and row.train.patch % row.scale:
                raise ValueError(
                    f"train.patch = {row.train.patch} of {row.name} is no multiple of the scale"
                )
        names = [row.name for row in self.rows()]
        if len(set(names)) < len(names):
            raise ValueError(
                f"models: {_first_twice(names)} comes twice; give one of them a variant"
            )
        return self

    def rows(self) -> Iterator[Row]:
        """Every experiment: the classical rows of each block, then the configured models."""
        classical = [ModelConfig(model=name) for name in MODELS if name in CLASSICAL]
        for block in self.blocks:
            for model in [*classical, *self.models]:
                if model.blocks is not None and block.key not in model.blocks:
                    continue
                for seed in self.seeds if model.model not in CLASSICAL else [0]:
                    yield Row(
                        dataset=self.dataset,
                        track=block.track,
                        scale=block.scale,
                        model=model.model,
                        variant=model.variant,
                        seed=seed,
                        options=model.options,
                        train=self._train(model),
                    )

    def _train(self, model: ModelConfig) -> TrainConfig | None:
        if model.model in CLASSICAL:
            return None
        return self.train.model_copy(update=model.train.model_dump(exclude_unset=True))


def _first_twice(names: Sequence[Any]) -> Any:
    return next(name for name in names if names.count(name) > 1)


def validate(data: Mapping[str, Any]) -> Config:
    """The configuration of ``data``; LstsrError with a clause a fault: key, what is wrong, cure."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise LstsrError("; ".join(_clause(fault) for fault in error.errors())) from None


def _clause(fault: Any) -> str:
    """One fault in words: the key's path and what is allowed there."""
    parts = [part for part in fault["loc"] if not str(part).startswith(("<", "["))]
    path = ".".join(map(str, parts))
    if fault["type"] == "missing":
        return f"config key {path} is missing"
    if fault["type"] == "extra_forbidden":
        allowed = ", ".join(_section_at(parts[:-1]).model_fields)
        return f"config key {path} is unknown: allowed there are {allowed}"
    if fault["type"] == "value_error":
        message = fault["msg"].removeprefix("Value error, ")
        return f"config key {path + '.' if path else ''}{message}"
    if fault["type"] == "model_type":
        allowed = ", ".join(_section_at(parts).model_fields)
        return f"config{' key ' + path if path else ''} must be a section with keys of {allowed}"
    message = fault["msg"].replace("Input should be", "must be").partition(", unable to parse")[0]
    return f"config key {path} = {fault['input']!r}: {message}"


def _section_at(path: Sequence[str | int]) -> type[BaseModel]:
    """The section that ``path`` leads to."""
    section: type[BaseModel] = Config
    for part in path:
        if isinstance(part, str):  # an index stays in the section of its list
            section = _section_in(section.model_fields[part].annotation) or section
    return section


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_section_in(part) for part in getattr(annotation, "__args__", ())]
    return next((section for section in found if section), None)


def load(path: Path) -> Config:
    """The configuration in a YAML file; LstsrError where it is missing or wrong."""
    import yaml

    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise LstsrError(f"{path}: {error.strerror}; name an existing config file") from None
    except yaml.YAMLError as error:
        raise LstsrError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    return validate(data or {})


def schema() -> str:
    """The JSON schema of the configuration."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def save_resolved(config: Config) -> None:
    """Write every option, defaults filled in, to ``config.resolved.yaml`` in the results."""
    import yaml

    from lstsr.files import whole

    with whole(Path(config.results) / "config.resolved.yaml") as partial:
        partial.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
