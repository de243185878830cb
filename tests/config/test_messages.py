"""Faults of a configuration are one line to act on."""

from __future__ import annotations

from typing import Any

import pytest

from lstsr.config import validate
from lstsr.errors import LstsrError
from tests.config.examples import changed

FAULTS = [
    # key, value, what the message says
    ("trane", {}, "config key trane is unknown: allowed there are dataset, task, results,"),
    ("train.stepz", 5, "config key train.stepz is unknown: allowed there are steps, batch,"),
    ("sensors.target.nodatum", 0, "config key sensors.target.nodatum is unknown: allowed"),
    (
        "split.test",
        {"lon_mn": 3},
        "config key split.test.lon_mn is unknown: allowed there are lon_",
    ),
    ("models.1.train", {"stepz": 5}, "config key models.1.train.stepz is unknown: allowed there"),
    ("sensors", None, "config key sensors is missing"),
    ("split.validation", None, "config key split.validation is missing"),
    ("split", {"validation": 0.2}, "config key split.test is missing"),
    (
        "split",
        {"test": None, "validation": 0.2},
        "config key evaluate.split = 'test': split.test is null, so there are no test scenes",
    ),
    ("train.steps", "many", "config key train.steps = 'many': must be a valid integer"),
    ("train.steps", 0, "config key train.steps = 0: must be greater than or equal to 1"),
    ("models.0.train", {"batch": 0}, "config key models.0.train.batch = 0: must be greater"),
    (
        "models.0.model",
        "esrgan",
        "train.adversarial: esrgan-base-x4-observed-s0 needs it. Use {} for",
    ),
    ("train.adversarial", {"weight": 1}, "train.adversarial.weight is unknown: allowed there are"),
    ("train.adversarial", 3, "train.adversarial must be a section with keys of pixel_weight, feat"),
    ("align", 4, "config key align must be a section with keys of anchor, grid, scale"),
    ("blocks.0.track", "obs", "track = 'obs': must be 'observed', 'degraded-block' or 'degraded"),
    ("origin", "real", "config key origin = 'real': must be 'simulated' or 'observed'"),
    (
        "acquire",
        {"provider": "x"},
        "config key acquire.provider = 'x': must be 'local', 'gen",
    ),
    ("origin", "observed", "config key origin = 'observed': provider generate simulates its sce"),
    ("sensors.input.unit", "fahrenheit", "sensors.input.unit = 'fahrenheit': must be 'kelvin',"),
    ("sensors.input.unit", "index", "sensors.input.unit = 'index': allowed are kelvin, celsius"),
    ("sensors.reference.unit", "celsius", "reference.unit = 'celsius': allowed are reflectance,"),
    (
        "sensors.reference.bands",
        [1, 2],
        "config key sensors.reference.names has 1 entries for 2 bands",
    ),
    ("sensors.reference.bands", [0], "config key sensors.reference.bands.0 = 0: must be greater"),
    (
        "sensors.target",
        {"sensor": "x", "unit": "kelvin", "bands": [1, 2], "names": ["a", "b"]},
        "config key sensors.target.bands = ['a', 'b']: LST has one band",
    ),
    (
        "sensors.input",
        {"sensor": "x", "unit": "kelvin", "valid_min": 9, "valid_max": 9},
        "config key sensors.input.valid_min = 9.0 must be below valid_max = 9.0",
    ),
    ("split.test", "west", "config key split.test = 'west': must be a share between 0 and 1, or a"),
    (
        "sensors.reference",
        {"sensor": "x", "unit": "index", "bands": [1, 2], "names": ["a", "a"]},
        "config key sensors.reference.names: a is named twice",
    ),
    ("sensors.input.offset", float("nan"), "sensors.input.offset = nan: must be a finite number"),
    ("train.learning_rate", float("inf"), "train.learning_rate = inf: must be a finite number"),
    ("results", "", "config key results = ''"),
    ("results", "a{b}", "config key results = 'a{b}'"),
    ("seeds", [2**70], "config key seeds.0 = 1180591620717411303424: must be less than"),
    ("align.layers", ["elevation", "ndvi"], "config key align.layers.1 = 'ndvi'"),
    ("split.test", 1.5, "config key split.test = 1.5: must be less than 1"),
    ("split.test", {"lon_min": "a"}, "config key split.test.lon_min = 'a': must be a valid number"),
    ("split.test", {"lat_min": 4, "lat_max": 3}, "split.test.lat_min = 4.0 must be below lat_max"),
    ("split.test", {"lon_min": 3}, "config key split.test and validation must both be regions or"),
    ("split.folds", 5, "config key split.folds = 5: folds replace test. Remove one of them"),
    ("split.folds", 2, "config key split.folds = 2: must be greater than or equal to 3"),
    ("split.buffer_km", 20, "config key split.buffer_km = 20 needs folds. Set split.folds"),
    ("split.test", 0.8, "config key split.test + validation leaves nothing to train on"),
    (
        "align.registration.constant",
        {"refrence": [0, 1]},
        "config key align.registration.constant.refrence = 'refrence': must be 'reference' or 'in",
    ),
    (
        "align.registration.constant",
        {"reference": [1]},
        "config key align.registration.constant.reference.1 is missing",
    ),
    ("blocks", [], "config key blocks = []: List should have at least 1 item"),
    (
        "blocks.1",
        {"track": "observed", "scale": 4},
        "config key blocks: observed-x4 is named twice",
    ),
    ("blocks.0.scale", 8, "observed x8 needs align.scale to be a multiple of 8, but it is 4"),
    (
        "sensors.target",
        {"product": "modis"},
        "product should be geotiff, landsat, gk2a, gk2a-l1b, goci2 or goci2-l1b",
    ),
    ("sensors.target", {"product": "landsat", "band": 1}, "there are product, sensor, bands, mask"),
    ("sensors.input", {"product": "gk2a"}, "align.anchor = 'input': terrain is displ"),
    (
        "sensors.input",
        {"product": "gk2a-l1b"},
        "align.anchor = 'input': terrain is displ",
    ),
    (
        "sensors.input",
        {"product": "gk2a-l1b", "bands": ["ir110"]},
        "config key sensors.input.bands.0 = 'ir110': must be 'lst', 'vi004'",
    ),
    (
        "sensors.input",
        {"product": "gk2a-l1b", "bands": ["vi006"]},
        "input.unit = 'reflectance': allowed are kelvin, celsius",
    ),
    (
        "sensors.input",
        {"product": "gk2a-l1b", "cloud": {"depth_k": 8}},
        "sensors.input.cloud.depth_k is unknown: allowed there are coldest_k, depression_k",
    ),
    (
        "acquire.generate",
        {"places": 28, "level": 1},
        "acquire.generate.places = 28: the LA sector of level 1 holds 27 places of 64 km",
    ),
    (
        "align.anchor",
        "target",
        "config key align.anchor = 'target': anchor target needs",
    ),
    ("seeds", [1, 1], "config key seeds: 1 is named twice"),
    ("train.patch", 100, "train.patch = 100 of esrnet-base-x8-degraded-block-s0 must be a mult"),
    (
        "models.1.train",
        {"patch": 18},
        "train.patch = 18 of dctnet-base-x4-observed-s0 must be",
    ),
    ("models.0.model", "espcn", "models.0.model = 'espcn' is unknown: allowed are atprk, dct"),
    (
        "models.0.model",
        "dctnet",
        "dctnet-base-x4-observed-s0 appears twice. Give one of them",
    ),
    (
        "models.0.blocks",
        ["observed-x8"],
        "models.0.blocks: 'observed-x8' is unknown. The blocks",
    ),
    ("models.0.variant", "a b", "config key models.0.variant = 'a b': String should match pattern"),
    (
        "models.0",
        {"model": "bicubic", "variant": "x", "train": {"steps": 5}},
        "config key models.0.train: bicubic has no weights to train. Remove",
    ),
    (
        "models.0",
        {"model": "esrnet", "blocks": ["degraded-block-x8"], "train": {"degraded_share": 0.5}},
        "train.degraded_steps and degraded_share: esrnet-base-x8-degraded-block-s0 is not observed",
    ),
    (
        "models.0",
        {"model": "esrnet", "blocks": ["observed-x4"], "train": {"degraded_steps": 9}},
        "blocks: esrnet-base-x4-observed-s0 also trains on degraded-block-x4. Add that block",
    ),
    (
        "models.0",
        {"model": "bicubic", "variant": "x", "self_ensemble": True},
        "config key models.0.self_ensemble: bicubic has no weights to train. Remove",
    ),
    (
        "models.0",
        {"model": "bicubic", "variant": "x", "seed_ensemble": True},
        "config key models.0.seed_ensemble: bicubic has no weights to train. Remove",
    ),
    (
        "models.0",
        {"model": "esrnet", "seed_ensemble": True},
        "config key models.0.seed_ensemble: seeds has only one entry. Add a seed, or remove this",
    ),
    (
        "packing.psf_fwhm",
        0,
        "config key packing.psf_fwhm = 0: must be greater than or equal to 0.25",
    ),
]


@pytest.mark.parametrize(("path", "value", "words"), FAULTS)
def test_faults_are_one_line_with_the_path_and_what_is_allowed(
    path: str, value: Any, words: str
) -> None:
    with pytest.raises(LstsrError) as caught:
        validate(changed(path, value))
    message = str(caught.value)
    assert words in message
    assert message.startswith("config key ")
    assert message.count("config key") == 1, "one fault, one clause"
    assert "\n" not in message
    # names of the validator's internals mean nothing to a user
    assert not any(
        name in message for name in ("[key]", "<", "constrained", "Value error", "Input")
    )


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(LstsrError) as caught:
        validate(changed("train", {"stepz": 1, "batch": "x"}))
    assert "train.stepz is unknown" in str(caught.value)
    assert "train.batch = 'x'" in str(caught.value)


@pytest.mark.parametrize("data", [[1], "text", 3])
def test_what_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(LstsrError, match="^config must be a section with keys of dataset,"):
        validate(data)
