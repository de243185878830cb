"""Rows of the table: what one experiment is, and how its network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal

from lstsr.errors import LstsrError
from lstsr.tracks import Guide, Track, key_of

Normalised = Literal["input", "min-max", "statistics"]


def option(default: Any, description: str, **limits: Any) -> Any:
    """A setting with its default, description and limits (``ge``, ``lt``, ``pattern``, ...).

    They lie in the field's metadata, where pydantic finds them. This module does not import
    pydantic, because training also runs without it.
    """
    return field(default=default, metadata={"description": description, **limits})


# Braces and dollars have a meaning in the workflow and in shells.
PATH = r"^[^{}$]*$"
STRICT = {"extra": "forbid", "allow_inf_nan": False}
# Checkpoints of older versions lack these settings. They were trained with these values.
ADDED_LATER: Mapping[str, Any] = {
    "optimizer": "adamw",
    "level": 0.0,
    "reference_jitter": 0.0,
    "initial": None,
}


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings:
    """How a network is trained against a discriminator: losses of ESRGAN, weights of Real-ESRGAN.

    During the first ``warm_up_steps`` the network minimises the row's loss alone, as ESRNet does
    before ESRGAN. Afterwards its loss is the weighted sum of that loss, the distance in
    ``features`` and the adversarial loss. Both networks share one schedule of the learning
    rate. The weights and the discriminator come from Wang et al. 2021 (Real-ESRGAN, section 4.1).
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    pixel_weight: float = option(1.0, "weight of train.loss", ge=0)
    feature_weight: float = option(1.0, "weight of the distance in features", ge=0)
    adversarial_weight: float = option(0.1, "weight of the relativistic average loss", ge=0)
    features: Literal["discriminator"] = option(
        "discriminator", "network whose encoder gives the features"
    )
    learning_rate: float = option(
        1e-4, "peak rate of the discriminator; best below the network's", gt=0
    )
    discriminator_features: int = option(
        32, "channels of the discriminator at full resolution; 64 as published", ge=1
    )
    warm_up_steps: int = option(
        500, "first steps, in which the network learns by train.loss alone", ge=0
    )


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a network is trained. A model can override any of it.

    ``level`` and ``consistency`` are the weights of `losses.level_error` and
    `losses.inconsistency`. ``contrast`` stretches input and target of a sample about the scene's
    centre: the same fields under a weaker or stronger sun, which few scenes show. With
    ``scene_bias`` removed, a training target is moved onto the level of its input: a network
    cannot learn the difference between two sensors' levels from one scene, and under L1 its sign
    would dominate the detail.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    steps: int = option(3000, "optimiser steps", ge=1)
    batch: int = option(4, "patches per step", ge=1)
    patch: int = option(96, "side of a patch, fine pixels", ge=16)
    optimizer: Literal["adamw", "muon"] = option(
        "muon", "muon trains the kernels of hidden layers, and adamw all other weights"
    )
    learning_rate: float = option(2e-3, "peak of the schedule", gt=0)
    weight_decay: float = option(1e-4, "decoupled weight decay", ge=0)
    warmup_steps: int = option(30, "steps until the peak learning rate", ge=0)
    ema_decay: float = option(0.998, "decay of the averaged weights per step", ge=0, lt=1)
    clip_norm: float = option(1.0, "largest norm of the gradient", gt=0)
    loss: Literal["l1", "charbonnier", "ubrmse", "shift-tolerant"] = option(
        "ubrmse",
        "ubrmse: RMSE of each sample without its mean error, as in the table; "
        "shift-tolerant: L1 at the best shift of the target by up to one fine pixel",
    )
    level: float = option(
        0.1,
        "weight of each sample's absolute mean error; ubrmse needs it, because it ignores the "
        "level",
        ge=0,
    )
    consistency: float = option(0.0, "weight of |block mean of the prediction - input|", ge=0)
    scene_bias: Literal["removed", "kept"] = option(
        "removed", "whether training targets are moved onto the level of their input"
    )
    reference_dropout: float = option(0.05, "share of samples without a reference", ge=0, lt=1)
    reference_jitter: float = option(
        0.7,
        "each band r of a sample's reference, in standard deviations, becomes r exp(u) + v "
        "with u within +-jitter and v within +-2 jitter",
        ge=0,
        le=2,
    )
    contrast: float = option(
        0.6, "c: the LST contrast of a sample is multiplied by exp(-c) to exp(c)", ge=0, le=2
    )
    min_patch_valid: float = option(0.25, "smallest share of scored pixels in a patch", gt=0, le=1)
    degraded_steps: int = option(
        0,
        "pre-training of an observed row: first steps, on the degraded-block track of its "
        "scale alone",
        ge=0,
    )
    degraded_share: float = option(
        0.0, "share of degraded-block samples in the later steps", ge=0, lt=1
    )
    validate_every: int = option(250, "optimiser steps between validations", ge=1)
    save_every: int = option(250, "optimiser steps between saved states", ge=1)
    precision: Literal["32-true", "bf16-mixed"] = option(
        "32-true", "arithmetic, as Lightning Fabric names it"
    )
    initial: str | None = option(
        None,
        "file with the initial weights: a checkpoint of the same model and options, or a file "
        "of `lstsr import-released`",
        min_length=1,
        pattern=PATH,
    )
    adversarial: AdversarialSettings | None = option(
        None, "training against a discriminator; it keeps the last weights, not the best"
    )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainSettings:
        """The settings in a JSON object. Raises LstsrError for a missing or unknown key."""
        values = {**ADDED_LATER, **values}
        _check_keys(cls, values, "row.train", required={item.name for item in fields(cls)})
        adversarial = values["adversarial"]
        if adversarial is not None:
            required = {item.name for item in fields(AdversarialSettings)}
            _check_keys(AdversarialSettings, adversarial, "row.train.adversarial", required)
            adversarial = AdversarialSettings(**adversarial)
        return cls(**{**values, "adversarial": adversarial})


@dataclass(frozen=True)
class Row:
    """One experiment: dataset x track x scale x model x variant x seed, with all its settings.

    ``channels`` are the names of the reference's channels that the row sees. ``harmonised`` rows
    see the input of their observed track without its known bias. Ablations have another ``guide``
    or ``normalisation`` (`Dataset`, `scene_normalisation`). ``train`` is None for a row without
    training of its own: a classical method, or an ensemble, whose networks belong to the rows
    ``predicted_by``. An ensemble has the seed of its first member. A ``turned`` row is the mean
    over turned and mirrored inputs. ``fold`` is None without folds.
    """

    dataset: str
    track: Track
    scale: int
    model: str
    variant: str
    seed: int
    harmonised: bool
    guide: Guide
    normalisation: Normalised
    channels: list[str]
    options: dict[str, Any]
    train: TrainSettings | None
    fold: int | None = None
    predicted_by: list[str] = field(default_factory=list)
    turned: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Row:
        """The row in a JSON object. Raises LstsrError for a missing or unknown key."""
        required = {item.name for item in fields(cls) if not _has_default(item)}
        _check_keys(cls, values, "row", required)
        train = values["train"]
        return cls(**{**values, "train": None if train is None else TrainSettings.from_dict(train)})

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `from_dict` reads."""
        return asdict(self)

    @property
    def settings(self) -> TrainSettings:
        """How it is trained. Raises LstsrError if it has no weights of its own."""
        if self.train is None:
            raise LstsrError(f"row {self.name} has no weights to train. Name another row")
        return self.train

    @property
    def block(self) -> str:
        """Name of the rows that it is compared with: track-xscale."""
        return key_of(self.track, self.scale)

    @property
    def key(self) -> str:
        """Key of its input in the dataset file."""
        return key_of(self.track, self.scale, self.harmonised, self.fold)

    @property
    def degraded_key(self) -> str:
        """Key of the input that is made from the target, at the row's scale."""
        return key_of("degraded-block", self.scale)

    @property
    def experiment(self) -> str:
        """Name without the fold: what the rows of all folds have in common."""
        return f"{self.model}-{self.variant}-x{self.scale}-{self.track}-s{self.seed}"

    @property
    def name(self) -> str:
        """Its name in files."""
        return self.experiment + ("" if self.fold is None else f"-f{self.fold}")

    @property
    def members(self) -> list[str]:
        """Names of the rows whose networks predict it."""
        return self.predicted_by or [self.name]


def _has_default(item: Any) -> bool:
    return item.default is not MISSING or item.default_factory is not MISSING


def _check_keys(cls: Any, values: Mapping[str, Any], where: str, required: set[str]) -> None:
    """Raise LstsrError if a required key is missing, or a key is not a field of ``cls``."""
    if missing := required - set(values):
        raise LstsrError(f"{where} lacks {', '.join(sorted(missing))}. Add it")
    if unknown := set(values) - {item.name for item in fields(cls)}:
        raise LstsrError(f"{where} has unknown keys {', '.join(sorted(unknown))}. Remove them")
