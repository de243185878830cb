"""Rows of the table: what one experiment is, and how its network is trained."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal

from lstsr.errors import LstsrError
from lstsr.tracks import Guide, Track, key_of

Normalised = Literal["input", "min-max", "statistics"]


def option(default: Any, description: str, **limits: Any) -> Any:
    """A setting with its default, description and limits (``ge``, ``lt``, ``pattern``, ...).

    Pydantic finds them in the field's metadata. This module does not import pydantic, because
    training also runs without it.
    """
    return field(default=default, metadata={"description": description, **limits})


# Braces and dollars have a meaning in the workflow and in shells.
PATH = r"^[^{}$]*$"
STRICT = {"extra": "forbid", "allow_inf_nan": False}
# Checkpoints of older versions lack these settings and were trained with these values.
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
    before ESRGAN. Afterwards its loss is the weighted sum of the row's loss, the distance in
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
    warm_up_steps: int = option(500, "first steps, which use train.loss alone", ge=0)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a network is trained. A model can override any setting.

    ``level`` and ``consistency`` are the weights of `losses.level_error` and
    `losses.inconsistency`. ``contrast`` stretches input and target of a sample about the scene's
    centre, as if the sun were weaker or stronger. With ``scene_bias`` removed, a training target
    is shifted to the level of its input: a network cannot learn the difference between the levels
    of two sensors from one scene, and under L1 its sign would dominate the detail.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    steps: int = option(3000, "optimiser steps", ge=1)
    batch: int = option(4, "patches per step", ge=1)
    patch: int = option(96, "side of a patch, fine pixels", ge=16)
    optimizer: Literal["adamw", "muon"] = option(
        "muon", "muon: Muon for the kernels of hidden layers, AdamW for all other weights"
    )
    learning_rate: float = option(2e-3, "peak of the schedule", gt=0)
    weight_decay: float = option(1e-4, "decoupled weight decay", ge=0)
    warmup_steps: int = option(30, "steps until the peak learning rate", ge=0)
    ema_decay: float = option(0.998, "decay of the averaged weights per step", ge=0, lt=1)
    clip_norm: float = option(1.0, "largest norm of the gradient", gt=0)
    loss: Literal["l1", "charbonnier", "ubrmse", "shift-tolerant"] = option(
        "ubrmse",
        "ubrmse: RMSE of each sample after removal of its mean error, as in the table; "
        "shift-tolerant: L1 at the best shift of the target by up to one fine pixel",
    )
    level: float = option(
        0.1, "weight of each sample's absolute mean error, which ubrmse ignores", ge=0
    )
    consistency: float = option(0.0, "weight of |block mean of the prediction - input|", ge=0)
    scene_bias: Literal["removed", "kept"] = option(
        "removed", "removed: shift training targets to the level of their input"
    )
    reference_dropout: float = option(0.05, "share of samples without a reference", ge=0, lt=1)
    reference_jitter: float = option(
        0.7, "j: standardised reference bands r become r exp(u) + v, |u| < j, |v| < 2j", ge=0, le=2
    )
    contrast: float = option(
        0.6, "c: the LST contrast of a sample is multiplied by exp(-c) to exp(c)", ge=0, le=2
    )
    min_patch_valid: float = option(0.25, "smallest share of scored pixels in a patch", gt=0, le=1)
    degraded_steps: int = option(
        0, "pre-training of an observed row: first steps, on degraded-block alone", ge=0
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
        None, "training against a discriminator, which keeps the last weights, not the best"
    )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainSettings:
        """The settings in a JSON object. Raises LstsrError for a missing or unknown key."""
        values = {**ADDED_LATER, **values}
        _check_keys(cls, values, "row.train")
        if (adversarial := values["adversarial"]) is not None:
            _check_keys(AdversarialSettings, adversarial, "row.train.adversarial")
            values["adversarial"] = AdversarialSettings(**adversarial)
        return cls(**values)


@dataclass(frozen=True)
class Row:
    """One experiment: dataset x track x scale x model x variant x seed, with all its settings.

    ``channels`` are the names of the reference's channels that the row sees. A ``harmonised`` row
    sees the observed input after correction of its bias. Ablations have another ``guide`` or
    ``normalisation`` (`Dataset`, `scene_normalisation`). ``train`` is None for a row that is not
    trained: a classical method, or an ensemble of the networks of the rows ``predicted_by``. An
    ensemble has the seed of its first member. A ``turned`` row is the mean over turned and mirrored
    inputs. ``fold`` is None without folds.
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
        _check_keys(cls, values, "row", optional={"fold", "predicted_by", "turned"})
        train = values["train"]
        return cls(**{**values, "train": None if train is None else TrainSettings.from_dict(train)})

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `from_dict` reads."""
        return asdict(self)

    @property
    def settings(self) -> TrainSettings:
        """How it is trained. Raises LstsrError if it is not trained."""
        if self.train is None:
            raise LstsrError(f"row {self.name} has no weights to train. Name another row")
        return self.train

    @property
    def block(self) -> str:
        """Track and scale, which it shares with the rows that it is compared with."""
        return key_of(self.track, self.scale)

    @property
    def key(self) -> str:
        """Key of its input in the dataset file."""
        return key_of(self.track, self.scale, self.harmonised, self.fold)

    @property
    def degraded_key(self) -> str:
        """Key of the degraded-block input at its scale."""
        return key_of("degraded-block", self.scale)

    @property
    def experiment(self) -> str:
        """Name without the fold, the same for the rows of all folds."""
        return f"{self.model}-{self.variant}-x{self.scale}-{self.track}-s{self.seed}"

    @property
    def name(self) -> str:
        """Name in files and tables."""
        return self.experiment + ("" if self.fold is None else f"-f{self.fold}")

    @property
    def members(self) -> list[str]:
        """Names of the rows whose networks predict it."""
        return self.predicted_by or [self.name]


def _check_keys(
    cls: Any, values: Mapping[str, Any], where: str, optional: Set[str] = frozenset()
) -> None:
    """Raise LstsrError if a key is missing, or a key is not a field of ``cls``."""
    known = {item.name for item in fields(cls)}
    if missing := known - optional - set(values):
        raise LstsrError(f"{where} lacks {', '.join(sorted(missing))}. Add it")
    if unknown := set(values) - known:
        raise LstsrError(f"{where} has unknown keys {', '.join(sorted(unknown))}. Remove them")
