from dataclasses import asdict
from typing import Any

import pytest

from lstsr.config import AdversarialConfig, TrainConfig
from lstsr.errors import LstsrError
from lstsr.rows import Row, TrainSettings


def test_row_round_trip_and_names(row_dict: dict[str, Any]) -> None:
    row = Row.from_dict(row_dict)
    assert row.to_dict() == row_dict
    assert row.key == "observed-x4"
    assert Row.from_dict(row_dict | {"harmonised": True}).key == "harmonised-x4"
    assert row.name == "dctnet-base-x4-observed-s3"
    assert row.train.learning_rate == 1e-2


def test_missing_and_unknown_keys_are_named(row_dict: dict[str, Any]) -> None:
    with pytest.raises(LstsrError, match="row has unknown keys colour"):
        Row.from_dict({**row_dict, "colour": 1})
    del row_dict["train"]["steps"]
    with pytest.raises(LstsrError, match=r"row\.train lacks steps"):
        Row.from_dict(row_dict)
    row_dict["train"] |= {"steps": 1, "adversarial": {"weight": 1}}
    with pytest.raises(LstsrError, match=r"row\.train\.adversarial lacks adversarial_weight, "):
        Row.from_dict(row_dict)
    with pytest.raises(LstsrError, match="model dctnet has no weights"):
        Row.from_dict({**row_dict, "train": None})


def test_config_and_trainer_agree_on_every_setting() -> None:
    config = TrainConfig(adversarial=AdversarialConfig(warm_up_steps=7))
    settings = TrainSettings.from_dict(config.model_dump(mode="json"))
    assert settings.adversarial is not None
    assert settings.adversarial.warm_up_steps == 7
    assert asdict(settings) == config.model_dump()
