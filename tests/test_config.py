"""The configurations that ship are valid; a faulty one is refused in words to act on."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lstsr.config import AdversarialConfig, Config, load, save_resolved, schema, validate
from lstsr.errors import LstsrError
from lstsr.registry import BASELINES, CLASSICAL

MINIMAL: dict[str, Any] = {
    "dataset": "small",
    "sensors": {
        "input": {"sensor": "coarse", "unit": "kelvin"},
        "reference": {"sensor": "optical", "unit": "index"},
        "target": {"sensor": "fine", "unit": "celsius"},
    },
    "split": {"test": 0.2, "validation": 0.2},
    "blocks": [{"track": "observed", "scale": 4}, {"track": "degraded-block", "scale": 8}],
    "models": [{"model": "esrnet"}, {"model": "dctnet"}],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """``MINIMAL`` with the key at ``path`` set, or taken out where the value is None."""
    data = copy.deepcopy(MINIMAL)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    section: Any = data
    for part in parents:
        section = section[part] if isinstance(part, int) else section.setdefault(part, {})
    if value is None:
        del section[last]
    else:
        section[last] = value
    return data


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
        "train.adversarial: esrgan-base-x4-observed-s0 needs it, {} takes",
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
    ("blocks.0.scale", 8, "observed x8 needs align.scale to be a multiple of it, it is 4"),
    (
        "sensors.target",
        {"product": "modis"},
        "product should be geotiff, landsat, gk2a, gk2a-l1b, goci2 or goci2-l1b",
    ),
    ("sensors.target", {"product": "landsat", "band": 1}, "there are product, sensor, bands, mask"),
    ("sensors.input", {"product": "gk2a"}, "align.anchor = 'input': GK2A shows terrain displ"),
    ("sensors.input", {"product": "gk2a-l1b"}, "align.anchor = 'input': GK2A shows terrain displ"),
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
        "acquire.generate.places = 28: the LA sector of level 1 holds 27 of 64 km",
    ),
    ("align.anchor", "target", "config key align.anchor and grid: `target` needs a grid"),
    ("seeds", [1, 1], "config key seeds: 1 is named twice"),
    ("train.patch", 100, "train.patch = 100 of esrnet-base-x8-degraded-block-s0 is no multiple"),
    ("models.1.train", {"patch": 18}, "train.patch = 18 of dctnet-base-x4-observed-s0 is no mult"),
    ("models.0.model", "espcn", "models.0.model = 'espcn' is unknown: allowed are bilinear, bicub"),
    ("models.0.model", "dctnet", "dctnet-base-x4-observed-s0 comes twice; give one of them a var"),
    ("models.0.blocks", ["observed-x8"], "models.0.blocks: 'observed-x8' is no block, they are o"),
    ("models.0.variant", "a b", "config key models.0.variant = 'a b': String should match pattern"),
    (
        "models.0",
        {"model": "bicubic", "variant": "x", "train": {"steps": 5}},
        "config key models.0.train: bicubic is not trained, leave it out",
    ),
    (
        "models.0",
        {"model": "esrnet", "blocks": ["degraded-block-x8"], "train": {"degraded_share": 0.5}},
        "train.degraded_steps and degraded_share: esrnet-base-x8-degraded-block-s0 is not observed",
    ),
    (
        "models.0",
        {"model": "esrnet", "blocks": ["observed-x4"], "train": {"degraded_steps": 9}},
        "blocks: esrnet-base-x4-observed-s0 trains on degraded-block-x4, too; add that block",
    ),
    (
        "models.0",
        {"model": "bicubic", "variant": "x", "self_ensemble": True},
        "config key models.0.self_ensemble: bicubic is not trained, leave it out",
    ),
    (
        "models.0",
        {"model": "bicubic", "variant": "x", "seed_ensemble": True},
        "config key models.0.seed_ensemble: bicubic is not trained, leave it out",
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


@pytest.mark.parametrize(
    ("provider", "stated", "origin"),
    [
        ("generate", None, "simulated"),
        ("generate", "simulated", "simulated"),
        ("local", None, "observed"),
        ("local", "observed", "observed"),
        ("local", "simulated", "simulated"),
        ("download", None, "observed"),
    ],
)
def test_the_origin_follows_the_provider_unless_it_is_stated(
    provider: str, stated: str | None, origin: str
) -> None:
    data = changed("acquire", {"provider": provider}) | ({"origin": stated} if stated else {})
    config = validate(data)
    assert config.origin == origin
    assert config.model_dump(mode="json")["origin"] == origin


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(LstsrError) as caught:
        validate(changed("train", {"stepz": 1, "batch": "x"}))
    assert "train.stepz is unknown" in str(caught.value)
    assert "train.batch = 'x'" in str(caught.value)


@pytest.mark.parametrize("data", [[1], "text", 3])
def test_what_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(LstsrError, match="^config must be a section with keys of dataset,"):
        validate(data)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "No such file or directory; name an existing config file"),
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


def test_rows_come_in_a_fixed_order_with_names_of_their_own() -> None:
    data = changed("seeds", [3, 1])
    data["models"][1] |= {"variant": "long", "blocks": ["observed-x4"], "train": {"steps": 7}}
    rows = list(validate(data).rows())
    names = [row.name for row in rows]
    assert names == [row.name for row in validate(data).rows()]
    assert len(set(names)) == len(names)
    assert [row.name for row in rows if row.block == "observed-x4"] == [
        "bilinear-base-x4-observed-s0",
        "bicubic-base-x4-observed-s0",
        "bicubic-backprojected-base-x4-observed-s0",
        "global-linear-base-x4-observed-s0",
        "local-linear-base-x4-observed-s0",
        "esrnet-base-x4-observed-s3",
        "esrnet-base-x4-observed-s1",
        "dctnet-long-x4-observed-s3",
        "dctnet-long-x4-observed-s1",
    ]
    assert not any(row.model == "dctnet" for row in rows if row.block == "degraded-block-x8")
    assert all((row.train is None) == (row.model in CLASSICAL) for row in rows)


def test_classical_methods_outside_the_baselines_have_a_row_if_listed() -> None:
    listed = [{"model": "tsharp"}, {"model": "dms", "options": {"trees": 3}}, {"model": "atprk"}]
    data = changed("models", listed)
    data["sensors"]["reference"]["names"] = ["red", "ndvi"]
    rows = [row for row in validate(data).rows() if row.block == "observed-x4"]
    added = [(row.model, row.options) for row in rows if row.model not in BASELINES]
    assert added == [("tsharp", {"ndvi": 1}), ("dms", {"trees": 3}), ("atprk", {})]
    assert len(rows) == len(BASELINES) + len(added)
    assert all(row.train is None and row.seed == 0 for row in rows)


def test_a_model_trains_as_the_run_does_but_for_what_it_names() -> None:
    data = changed("train", {"steps": 50, "batch": 3})
    data["models"][1]["train"] = {"steps": 7, "adversarial": {"warm_up_steps": 2}}
    steps = {row.model: row.train for row in validate(data).rows() if row.train}
    assert (steps["esrnet"].steps, steps["esrnet"].batch) == (50, 3)
    assert (steps["dctnet"].steps, steps["dctnet"].batch) == (7, 3)
    assert steps["esrnet"].adversarial is None
    assert steps["dctnet"].adversarial == AdversarialConfig(warm_up_steps=2)


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
    assert described["$defs"]["TrainConfig"]["properties"]["steps"]["default"] == 3000
    test = described["$defs"]["SplitConfig"]["properties"]["test"]
    assert {"$ref": "#/$defs/Region"} in test["anyOf"][0]["oneOf"]
    assert {"type": "null"} in test["anyOf"]


def test_every_row_exists_once_per_fold() -> None:
    data = changed("split", {"folds": 3, "buffer_km": 20})
    plain, rows = list(validate(MINIMAL).rows()), list(validate(data).rows())
    assert [row.name for row in rows] == [f"{one.name}-f{k}" for one in plain for k in range(3)]
    assert [row.experiment for row in rows] == [one.name for one in plain for _ in range(3)]
    assert [row.fold for row in rows] == [0, 1, 2] * len(plain)


def test_an_unregistered_row_sees_the_reference_as_delivered() -> None:
    data = changed("align.layers", ["unregistered", "water"])
    how = {"guide": "unregistered", "variant": "unregistered"}
    data["models"] = [
        {"model": "local-linear"} | how,
        {"model": "dctnet", "layers": ["water"]} | how,
    ]
    shown = {row.model: row.channels for row in validate(data).rows() if row.variant != "base"}
    assert shown == {
        "local-linear": ["unregistered_lst"],
        "dctnet": ["unregistered_lst", "water"],
    }
    data["align"]["layers"] = ["water"]
    with pytest.raises(
        LstsrError, match=r"models\.0\.guide: unregistered is none of align\.layers"
    ):
        validate(data)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"model": "srcnn", "variant": "off", "guide": "off"}, "guide = 'off': srcnn sees no"),
        ({"model": "esrnet", "options": {"base": "local-linear"}}, "sees the reference, esrnet"),
        ({"model": "esrnet", "options": {"bands": 3}}, "options.bands: follows from sensors"),
        ({"model": "tsharp"}, "tsharp needs a reference band ndvi, but the bands are lst"),
        ({"model": "tsharp", "options": {"ndvi": 0}}, "options.ndvi: follows from sensors"),
        (
            {"model": "esrgan", "train": {"steps": 500, "adversarial": {}}},
            "warm_up_steps = 500 of esrgan-base-x4-observed-s0 leaves none of its 500 steps",
        ),
        (
            {"model": "dctnet", "train": {"steps": 50, "degraded_steps": 50}},
            "degraded_steps = 50 of dctnet-base-x4-observed-s0 leaves none of its 50 steps",
        ),
    ],
)
def test_a_row_is_what_its_name_says(model: dict[str, Any], words: str) -> None:
    with pytest.raises(LstsrError) as caught:
        validate(changed("models", [model]))
    assert words in str(caught.value)


def released(blocks: list[str], band: str, **train: Any) -> dict[str, Any]:
    data = changed("sensors.reference.names", [band])
    return data | {"models": [{"model": "sc-unet", "blocks": blocks, "train": train}]}


def test_released_weights_come_from_a_file_and_serve_one_scale_and_reference() -> None:
    fits = {"blocks": ["observed-x4"], "band": "ndvi", "initial": "sc-unet.safetensors"}
    assert [row.train.initial for row in validate(released(**fits)).rows() if row.train] == [
        "sc-unet.safetensors"
    ]
    for other, words in (
        ({"initial": None}, r"train\.initial: sc-unet-base-x4-observed-s0 needs the file"),
        ({"band": "red"}, "sc-unet-base-x4-observed-s0 needs .* ndvi alone, not red"),
        ({"blocks": ["degraded-block-x8"]}, "sc-unet-base-x8-.* needs a block of x4"),
    ):
        with pytest.raises(LstsrError, match=words):
            validate(released(**fits | other))


def test_training_against_a_discriminator_is_a_models_affair() -> None:
    with pytest.raises(LstsrError, match=r"train\.adversarial: belongs to a model's train"):
        validate(changed("train.adversarial", {}))


@pytest.mark.parametrize(
    "other", [{"guide": "off"}, {"normalisation": "min-max"}, {"harmonised": True}]
)
def test_a_row_that_sees_something_else_has_a_name_of_its_own(other: dict[str, Any]) -> None:
    with pytest.raises(LstsrError, match="variant = 'base': name the row"):
        validate(changed("models", [{"model": "dctnet"} | other]))


def optical(**more: Any) -> dict[str, Any]:
    """The smallest config of task optical, for an image of three bands."""
    target = {"sensor": "o", "unit": "reflectance", "bands": [1, 2, 3], "names": ["b", "g", "r"]}
    return {
        "dataset": "images",
        "task": "optical",
        "sensors": {"target": target},
        "split": {"test": 0.2, "validation": 0.2},
        "blocks": [{"track": "degraded-block", "scale": 2}],
        "models": [{"model": "esrnet"}],
    } | more


def test_an_optical_run_has_the_rows_that_need_no_reference() -> None:
    rows = list(validate(optical()).rows())
    assert [row.model for row in rows] == [
        "bilinear",
        "bicubic",
        "bicubic-backprojected",
        "esrnet",
    ]
    assert [row.options for row in rows] == [{}, {}, {}, {"bands": 3}]
    assert all(row.channels == [] for row in rows)


KELVIN, NDVI = {"target": {"product": "landsat"}}, {"target": {"product": "goci2"}}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"task": "lst"}, "sensors.input: task lst needs it"),
        ({"sensors": MINIMAL["sensors"]}, "sensors.input: task optical makes it from the target"),
        ({"sensors": KELVIN}, "sensors.target.unit = 'kelvin': an image alone has reflectance"),
        ({"sensors": NDVI}, "sensors.target.bands: ndvi is no reflectance"),
        ({"sensors": {"input": MINIMAL["sensors"]["input"], **KELVIN}}, "reference is missing"),
        ({"blocks": [{"track": "observed", "scale": 2}]}, "observed-x2 must be degraded-block"),
        ({"models": [{"model": "dctnet"}]}, "models.0.model = 'dctnet': there is no reference"),
        ({"align": {"layers": ["water"]}}, "align: there are no layers"),
        ({"acquire": {"provider": "download"}}, "acquire.provider = 'download' is for triplets"),
        ({"packing": {"water": "masked"}}, "packing.water = 'masked': no water is known"),
        (
            {"models": [{"model": "esrnet", "variant": "n", "normalisation": "min-max"}]},
            "models.0.normalisation: is of task lst",
        ),
    ],
)
def test_what_an_optical_run_cannot_have_is_refused(fault: dict[str, Any], words: str) -> None:
    with pytest.raises(LstsrError) as caught:
        validate(optical(**fault))
    assert words in str(caught.value)


def test_a_folder_of_data_that_no_provider_reads_is_told() -> None:
    data = {key: value for key, value in MINIMAL.items() if key != "acquire"}
    with pytest.raises(LstsrError, match="data: without config key acquire .*provider: local"):
        validate(data | {"data": "mine"})


def test_a_band_may_not_be_called_like_a_layer() -> None:
    reference = {"sensor": "x", "unit": "index", "names": ["slope"]}
    sensors = MINIMAL["sensors"] | {"reference": reference}
    with pytest.raises(LstsrError, match="align.layers: slope is also a band"):
        validate(MINIMAL | {"sensors": sensors, "align": {"layers": ["slope"]}})


def test_history_has_three_channels_and_needs_the_target_as_anchor() -> None:
    grid = {"crs": "EPSG:5179", "spacing_m": 2000}
    align = {"anchor": "target", "grid": grid, "layers": ["history", "slope"]}
    seen = {"model": "srcnn", "variant": "seen", "layers": ["history", "slope"]}
    rows = validate(MINIMAL | {"align": align, "models": [seen]}).rows()
    shown = [row.channels[1:] for row in rows if row.variant == "seen"]
    assert shown and all(
        channels == ["history", "history_age", "history_count", "slope"] for channels in shown
    )
    with pytest.raises(LstsrError, match="layers: history lies where .* Set anchor to target"):
        validate(MINIMAL | {"align": {"layers": ["history"]}})
    reference = {"sensor": "x", "unit": "index", "names": ["history_age"]}
    sensors = MINIMAL["sensors"] | {"reference": reference}
    with pytest.raises(LstsrError, match="align.layers: history_age is also a band"):
        validate(MINIMAL | {"sensors": sensors, "align": align})


def test_a_key_that_is_named_twice_is_told(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        "dataset: a\nsensors:\n  input:\n    scale: 0.1\n    unit: kelvin\n    scale: 1\n"
    )
    with pytest.raises(LstsrError, match="my.yaml: config key scale is named twice .* line 4"):
        load(file)
