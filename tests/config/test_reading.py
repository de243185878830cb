"""Configurations on disk: those that ship, faulty files, the resolved one, the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lstsr.config import Config, load, save_resolved, schema, validate
from lstsr.errors import LstsrError
from tests.config.examples import changed


def test_configs_of_the_repository_are_valid(root: Path) -> None:
    found = [root / "config.yaml", *sorted((root / "configs").rglob("*.yaml"))]
    assert len(found) > 1
    for path in found:
        assert {row.name for row in load(path).rows()}


@pytest.mark.parametrize(
    ("name", "keys"), [("korea-open", 3), ("korea", 2)], ids=["korea-open", "korea"]
)
def test_the_other_guide_that_a_config_tells_of_makes_a_valid_run(
    root: Path, name: str, keys: int
) -> None:
    """Every line `#   KEY: VALUE` of its comments, taken to the letter."""
    text = (root / f"configs/{name}.yaml").read_text()
    recipe = re.findall(r"^#   ([\w.]+): (.+)$", text, re.MULTILINE)
    assert len(recipe) == keys
    data = yaml.safe_load(text)
    for key, value in recipe:
        *parents, last = key.split(".")
        section = data
        for parent in parents:
            section = section[parent]
        section[last] = yaml.safe_load(value)
    changed, config = validate(data), load(root / f"configs/{name}.yaml")
    assert changed.sensors.reference != config.sensors.reference
    assert [row.name for row in changed.rows()] == [row.name for row in config.rows()]


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "No such file or directory. Name an existing config file"),
        (lambda path: path.write_text("a: [1,"), "is not YAML"),
        (lambda path: path.write_text(""), "config key dataset is missing"),
    ],
)
def test_a_file_that_is_no_config_is_refused(
    tmp_path: Path, write: Callable[[Path], object], words: str
) -> None:
    write(tmp_path / "run.yaml")
    with pytest.raises(LstsrError) as caught:
        load(tmp_path / "run.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_resolved_config_is_a_config_that_makes_the_same_run(tmp_path: Path) -> None:
    data = changed("results", str(tmp_path))
    data["models"][1]["train"] = {"steps": 7, "adversarial": {}}
    config = validate(data)
    save_resolved(config)
    again = load(tmp_path / "config.resolved.yaml")
    assert again == config
    assert list(again.rows()) == list(config.rows())
    written = yaml.safe_load((tmp_path / "config.resolved.yaml").read_text())
    assert written["align"]["scale"] == 4, "defaults are filled in"
    # a changed default of the run still reaches a model that names only its steps
    written["train"]["batch"] = 5
    assert {row.train.batch for row in validate(written).rows() if row.train} == {5}


def test_the_schema_describes_every_key() -> None:
    described = json.loads(schema())
    assert set(described["properties"]) == set(Config.model_fields)
    assert described["additionalProperties"] is False
    assert described["$defs"]["TrainSettings"]["properties"]["steps"]["default"] == 3000
    test = described["$defs"]["SplitConfig"]["properties"]["test"]
    assert {"$ref": "#/$defs/Region"} in test["anyOf"][0]["oneOf"]
    assert {"type": "null"} in test["anyOf"]


def test_a_key_that_is_named_twice_is_told(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        "dataset: a\nsensors:\n  input:\n    scale: 0.1\n    unit: kelvin\n    scale: 1\n"
    )
    with pytest.raises(LstsrError, match="my.yaml: config key scale is named twice .* line 4"):
        load(file)
