"""One experiment as the trainer sees it; the configuration has validated it before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal

from lstsr.dataset.loader import Guide, key_of
from lstsr.errors import LstsrError
from lstsr.models.normalisation import Kind


@dataclass(frozen=True)
class AdversarialSettings:
    """How a network is trained against a discriminator.

    For ``warm_up_steps`` the network descends the row's loss alone, so that ESRGAN starts as
    ESRNet; a warm-up as long as the training leaves it at that. Then its loss is the sum of that
    loss, of the distance in ``features`` (the discriminator's encoder) and of the adversarial
    loss, each with its weight. ``learning_rate`` is the discriminator's peak, on the course of the
    network's own.
    """

    pixel_weight: float
    feature_weight: float
    adversarial_weight: float
    features: Literal["discriminator"]
    learning_rate: float
    discriminator_features: int
    warm_up_steps: int


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a network is trained; budgets in optimiser steps, ``patch`` in fine pixels a side.

    ``consistency`` and ``level`` are the weights of `losses.inconsistency` and
    `losses.level_error` beside ``loss``. ``contrast`` c
    multiplies input and target of a sample, about the scene's centre, by a factor between exp(-c)
    and exp(c): the same fields under a weaker or stronger sun, of which few scenes show too little.
    ``reference_jitter`` changes the reference of a sample, see `batches.Batches`.
    ``reference_dropout`` is the share of samples that are shown no reference, ``min_patch_valid``
    the least scored share of a patch. The first ``degraded_steps`` see nothing but the
    degraded-block track of the row's scale, the later ones a share of ``degraded_share`` of it.
    With ``scene_bias`` removed, a training target is moved onto the level of its input: the
    difference of the two sensors' levels cannot be learnt from a scene, and under L1 its sign
    would drown the detail's. Training starts from the weights of the file ``initial``, if any.
    A field with a default was added later: checkpoints without it stay readable.
    """

    steps: int
    batch: int
    patch: int
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    ema_decay: float
    clip_norm: float
    loss: Literal["l1", "charbonnier", "ubrmse", "shift-tolerant"]
    consistency: float
    level: float = 0.0
    scene_bias: Literal["removed", "kept"]
    reference_dropout: float
    reference_jitter: float = 0.0
    contrast: float
    min_patch_valid: float
    degraded_steps: int
    degraded_share: float
    validate_every: int
    save_every: int
    precision: Literal["32-true", "bf16-mixed"]
    initial: str | None = None
    adversarial: AdversarialSettings | None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainSettings:
        """The settings of a JSON object; LstsrError names a key that is missing or unknown."""
        _check_keys(cls, values, "row.train")
        adversarial = values["adversarial"]
        if adversarial is not None:
            _check_keys(AdversarialSettings, adversarial, "row.train.adversarial")
            adversarial = AdversarialSettings(**adversarial)
        return cls(**{**values, "adversarial": adversarial})


@dataclass(frozen=True)
class Row:
    """Dataset x track x scale x model x variant x seed, and what it takes to train it.

    With ``harmonised`` it sees the input of its observed track without the bias that is known;
    ``channels`` are those of the reference that it sees, by name; ``guide`` and ``normalisation``
    are other than own and input in ablations (`Dataset`, `scene_normalisation`); ``fold`` is None
    for a split without folds.
    """

    dataset: str
    track: str
    scale: int
    model: str
    variant: str
    seed: int
    harmonised: bool
    guide: Guide
    normalisation: Kind
    channels: list[str]
    options: dict[str, Any]
    train: TrainSettings
    fold: int | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Row:
        """The row of a JSON object; LstsrError names a key that is missing or unknown."""
        _check_keys(cls, values, "row")
        if values["train"] is None:
            raise LstsrError(f"model {values['model']} has no weights: do not train it")
        return cls(**{**values, "train": TrainSettings.from_dict(values["train"])})

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `from_dict` reads."""
        return asdict(self)

    @property
    def key(self) -> str:
        """The track key that names its arrays in the dataset."""
        return key_of(self.track, self.scale, self.harmonised, self.fold)

    @property
    def degraded_key(self) -> str:
        """The track key of the input that is made from the target, at the row's scale."""
        return key_of("degraded-block", self.scale)

    @property
    def name(self) -> str:
        """Its name in files."""
        fold = "" if self.fold is None else f"-f{self.fold}"
        return f"{self.model}-{self.variant}-x{self.scale}-{self.track}-s{self.seed}{fold}"


def _check_keys(cls: type, values: Mapping[str, Any], where: str) -> None:
    """Raise LstsrError unless ``values`` fit the fields of ``cls``; defaults can be missing."""
    known = {field.name for field in fields(cls)}
    required = {field.name for field in fields(cls) if field.default is MISSING}
    if missing := required - set(values):
        raise LstsrError(f"{where} lacks {', '.join(sorted(missing))}: add it")
    if unknown := set(values) - known:
        raise LstsrError(f"{where} has unknown keys {', '.join(sorted(unknown))}: remove them")
