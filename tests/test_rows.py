"""One experiment: its names, its JSON object, and how it is trained."""

import copy
from dataclasses import asdict
from typing import Any

import pytest

from lstsr.errors import LstsrError
from lstsr.rows import AdversarialSettings, Row, TrainSettings
from tests.training.conftest import ROW


@pytest.fixture
def row_dict() -> dict[str, Any]:
    return copy.deepcopy(ROW)


def test_row_round_trip_and_names(row_dict: dict[str, Any]) -> None:
    row = Row.from_dict(row_dict)
    assert row.to_dict() == row_dict | {"predicted_by": [], "turned": False}
    assert Row.from_dict(row.to_dict()) == row
    assert row.key == row.block == "observed-x4"
    assert Row.from_dict(row_dict | {"harmonised": True}).key == "harmonised-x4"
    assert row.name == "dctnet-base-x4-observed-s3"
    assert Row.from_dict(row_dict | {"fold": 2}).name == "dctnet-base-x4-observed-s3-f2"
    assert row.members == [row.name]
    assert row.settings.learning_rate == 1e-2


def test_missing_and_unknown_keys_are_named(row_dict: dict[str, Any]) -> None:
    with pytest.raises(LstsrError, match="row has unknown keys colour"):
        Row.from_dict({**row_dict, "colour": 1})
    del row_dict["train"]["steps"]
    with pytest.raises(LstsrError, match=r"row\.train lacks steps"):
        Row.from_dict(row_dict)
    row_dict["train"] |= {"steps": 1, "adversarial": {"weight": 1}}
    with pytest.raises(LstsrError, match=r"row\.train\.adversarial lacks adversarial_weight, "):
        Row.from_dict(row_dict)


def test_a_row_without_weights_has_no_settings_of_training(row_dict: dict[str, Any]) -> None:
    row = Row.from_dict({**row_dict, "train": None})
    with pytest.raises(LstsrError, match="row dctnet-base-x4-observed-s3 has no weights to train"):
        _ = row.settings


def test_settings_that_came_later_are_filled_in_as_older_versions_trained(
    row_dict: dict[str, Any],
) -> None:
    older = {"optimizer": "adamw", "level": 0.0, "reference_jitter": 0.0, "initial": None}
    for key in older:
        del row_dict["train"][key]
    settings = Row.from_dict(row_dict).settings
    assert {key: getattr(settings, key) for key in older} == older


def test_settings_survive_json() -> None:
    settings = TrainSettings(adversarial=AdversarialSettings(warm_up_steps=7))
    assert TrainSettings.from_dict(asdict(settings)) == settings
